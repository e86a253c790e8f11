// Package profile has the formats of a contention profile: the JSON that the recorder hands over, pprof's protobuf
// (without its gzip) both ways, and speedscope's JSON.
//
// # The JSON
//
// One object. All numbers are integers of at most 63 bits and none is negative; names that are not listed are
// passed over; a name without a default has to be there.
//
//	start_unix_ns  when the recording began, in nanoseconds since 1970
//	duration_ns    how long it went on
//	command        what ran, as a shell would be told it; default ""
//	rate           of the contentions one in so many was recorded; at least 1, which is the default
//	rates          those of its parts, if the profile was merged from recordings of different rates: then counts and
//	               times are multiplied already, each by its own, and rate is 1; default []
//	minimum_ns     shorter waits were not recorded; default 0
//	dropped        {"stacks": n, "samples": n}: contentions that were recorded without their stack, and those that
//	               were not recorded at all, for want of room; default 0
//	frames         [{"function", "file", "line", "first_line"}, ...]: function is the qualified name, line the line
//	               that was being executed (0: not known), first_line that of the def (default 0)
//	locks          [{"id", "kind", "name"}, ...]: id is the address of the object, kind the name of its type; name is
//	               given, or "store.py:12" for the line that made it, or "0x..."
//	samples        [{"role", "lock", "side", "thread", "count", "ns", "max_ns", "histogram", "stack"}, ...]
//
// A sample stands for all that happened at one stack to one lock in one thread:
//
//	role       "waiter": those who waited. "holder": those whom others waited for
//	lock       an index into locks
//	side       "exclusive", "read" or "write" of a lock; "wait" for the waits of a Condition, Event, Semaphore or
//	           Barrier, which are no contention and are kept apart
//	thread     the name of the thread; default ""
//	count      a waiter: waits that were recorded. A holder: releases that were charged
//	ns         a waiter: the time waited, all together. A holder: the time that others waited for it
//	max_ns     the longest single one of them; default 0
//	histogram  waits by length: entry i counts those of 2^i to 2^(i+1)-1 ns, entry 0 also those of 0 ns. Zeros at the
//	           end may be left out. The sum is count. Default [], which stands for count waits of the mean length
//	stack      indices into frames, the innermost first; empty where the stack was dropped
//
// Counts and times are what was recorded: with a rate of 10 a tenth of what happened. Writers of other formats
// multiply those of waiters. Holders are sampled in time, and the rate is not theirs.
package profile

import "strconv"

// The roles, and the side that is no lock's.
const (
	Waiter = "waiter"
	Holder = "holder"
	Wait   = "wait"
)

// Profile is what a recorder has seen.
type Profile struct {
	Start, Duration int64 // in nanoseconds, since 1970 the first
	Command         string
	Rate            int64
	Rates           []int64 // in order, each once
	Minimum         int64   // in nanoseconds
	DroppedStacks   int64
	DroppedSamples  int64
	Frames          []Frame
	Locks           []Lock
	Samples         []Sample
}

// Frame is a line of a function.
type Frame struct {
	Function, File  string
	Line, FirstLine int64
}

// Lock is what was waited for.
type Lock struct {
	ID         int64
	Kind, Name string
}

// Sample is what happened at one stack to one lock in one thread.
type Sample struct {
	Role, Side, Thread string
	Lock               int // index into Locks
	Count, Ns, Max     int64
	Histogram          []int64
	Stack              []int // indices into Frames
}

// Error says in one sentence what is wrong with a profile.
type Error string

func (e Error) Error() string { return string(e) }

// check returns what the parts of p, each well formed, have wrong together.
func (p *Profile) check() error {
	if p.Rate < 1 {
		return Error("the rate of a profile is at least 1, not " + strconv.FormatInt(p.Rate, 10))
	}
	for i := range p.Samples {
		if wrong := p.checkSample(&p.Samples[i]); wrong != "" {
			return Error("sample " + strconv.Itoa(i) + " of the profile " + wrong)
		}
	}
	return nil
}

func (p *Profile) checkSample(s *Sample) string {
	if s.Role != Waiter && s.Role != Holder {
		return "has the role " + strconv.Quote(s.Role) + " instead of waiter or holder"
	}
	switch s.Side {
	case "exclusive", "read", "write", Wait:
	default:
		return "has the side " + strconv.Quote(s.Side) + " instead of exclusive, read, write or wait"
	}
	if s.Lock >= len(p.Locks) {
		return "names lock " + strconv.Itoa(s.Lock) + " of " + strconv.Itoa(len(p.Locks))
	}
	for _, frame := range s.Stack {
		if frame >= len(p.Frames) {
			return "names frame " + strconv.Itoa(frame) + " of " + strconv.Itoa(len(p.Frames))
		}
	}
	return checkHistogram(s)
}

func checkHistogram(s *Sample) string {
	if len(s.Histogram) > buckets {
		return "has a histogram of more than 63 entries"
	}
	var sum uint64
	for _, n := range s.Histogram {
		if sum += uint64(n); sum > 1<<63-1 {
			return "has a histogram whose sum is too large"
		}
	}
	if len(s.Histogram) > 0 && sum != uint64(s.Count) {
		return "counts " + strconv.FormatInt(s.Count, 10) + ", and its histogram " + strconv.FormatUint(sum, 10)
	}
	return ""
}

// scaled returns n as it is in formats that show what happened, and not what was recorded.
func (p *Profile) scaled(s *Sample, n int64) int64 {
	if s.Role == Holder {
		return n
	}
	if n > (1<<63-1)/p.Rate {
		return 1<<63 - 1
	}
	return n * p.Rate
}
