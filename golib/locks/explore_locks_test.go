//go:build explore

package locks

import (
	"testing"

	"ft_utils/golib/parking"
)

// The programs of explored threads are words:
//
//	lock  write-locks and waits      timed  … or gives up at any moment
//	grab  as lock; when woken it tries the word before it asks
//	read  read-locks and waits       timed-read  … or gives up at any moment
//	signalled, signalled-read        … or withdraws once at any moment and waits on
//	unlock  releases what it holds, if anything
//	cede, downgrade                  if it holds the lock
//	naps  from now on it naps where it may
//	tick  the interval passes
//
// What C does inline is done inline here.

// ways are what may end a sleep.
const (
	byToken = iota
	byTime
	bySignal
	byClock // a nap is over
)

// sleep waits for the wake-up, or for what else may end it.
func (th *thread) sleep(other int, naps bool) int {
	return th.pause(func() []int {
		var all []int
		if naps {
			all = append(all, byClock)
		}
		if th.tokens > 0 {
			all = append(all, byToken)
		}
		if other != byToken {
			all = append(all, other)
		}
		return all
	})
}

// settleOwed consumes the wake-up that a withdrawn thread is still owed.
func (th *thread) settleOwed() {
	if th.w.State.Load() != parking.Queued {
		th.pause(when(func() bool { return th.tokens > 0 }))
		th.tokens--
	}
}

// release delivers what a release names.
func (th *thread) release(chain *parking.Waiter) {
	th.at("released", idsOf(chain)...)
	th.deliver(chain)
}

func (th *thread) deliver(chain *parking.Waiter) {
	for chain != nil {
		w := chain
		chain, w.WakeNext = w.WakeNext, nil
		th.pause(always)
		th.world.threads[w.ID-FirstID].tokens++
	}
}

// wait is the waiting loop of C. It says whether the lock was acquired.
func (th *thread) wait(p policy, v Verdict, other int, grab func()) bool {
	th.way = other
	for v == Park || v == Nap {
		th.at("parked")
		way := th.sleep(th.way, v == Nap)
		if way == byClock {
			th.at("napped")
			grab()
			v = p.contend(th.w)
			if v == Granted {
				th.pause(when(func() bool { return th.tokens > 0 }))
				th.tokens--
			}
			continue
		}
		if way == byToken {
			th.tokens--
			th.at("woken")
			if th.w.State.Load() == parking.Granted { // C looks before it asks
				th.w.Forget()
				return true
			}
			grab()
			v = p.contend(th.w)
			continue
		}
		served, chain := p.withdraw(th.w, map[int]Reason{byTime: TimedOut, bySignal: Interrupted}[way])
		th.at("withdrawn", idsOf(chain, number(served))...)
		th.deliver(chain)
		th.settleOwed()
		if served || way == byTime {
			th.w.Forget()
			return served
		}
		th.way = byToken
		th.at("back")
		v = p.contend(th.w)
	}
	return true
}

// hold is a critical section of one step.
func (th *thread) hold(p phase) {
	th.holding = p
	th.at("holds")
	th.pause(always)
}

func (th *thread) tick(interval int64) {
	th.pause(always)
	th.world.clock += interval
}

type exploredInterval struct{ *IntervalLock }

func (l exploredInterval) theWord() *word { return &l.word }

func (l exploredInterval) perform(th *thread, op string) {
	other := map[string]int{"timed": byTime, "signalled": bySignal}[op]
	switch op {
	case "lock", "timed", "signalled", "grab":
		grab := func() {
			if op == "grab" {
				l.grab(th.w.ID)
			}
		}
		if l.word.cas(0, th.w.ID<<OwnerShift) || th.wait(l.IntervalLock, l.Contend(th.w), other, grab) {
			th.hold(writing)
		}
	case "unlock":
		if th.holding == writing {
			th.holding = outside
			if !l.inlineUnlock() {
				th.release(l.Release())
			}
		}
	case "cede":
		if th.holding == writing {
			th.holding = outside
			if ceded, chain := l.CedeTo(th.w); ceded {
				th.deliver(chain)
				th.wait(l.IntervalLock, Park, byToken, func() {})
			}
			th.hold(writing)
		}
	case "naps":
		th.w.Naps = 1
	case "tick":
		th.tick(max(l.interval, 1))
	default:
		panic(op)
	}
}

type exploredRW struct{ *ReaderWriterLock }

func (l exploredRW) theWord() *word { return &l.word }

func (l exploredRW) perform(th *thread, op string) {
	other := map[string]int{"timed": byTime, "timed-read": byTime, "signalled": bySignal, "signalled-read": bySignal}[op]
	switch op {
	case "lock", "timed", "signalled", "grab":
		grab := func() {
			if op == "grab" {
				l.grab(th.w.ID)
			}
		}
		if l.word.cas(0, writerWord(th.w.ID)) || th.wait(writeSide{l.ReaderWriterLock}, l.ContendWrite(th.w), other, grab) {
			th.hold(writing)
		}
	case "read", "timed-read", "signalled-read":
		if l.TryRLock() || l.read(th, other) {
			th.hold(reading)
		}
	case "unlock":
		l.unlock(th)
	case "downgrade":
		if th.holding == writing {
			th.holding = reading
			th.release(l.Downgrade())
		}
	case "tick":
		th.tick(rwInterval)
	default:
		panic(op)
	}
}

// exploredRead delivers what a reader wakes as it comes.
type exploredRead struct {
	th *thread
	l  *ReaderWriterLock
}

func (p exploredRead) contend(w *parking.Waiter) Verdict {
	v, chain := p.l.ContendRead(w)
	p.th.deliver(chain)
	return v
}

func (p exploredRead) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return p.l.Withdraw(w, why)
}

func (l exploredRW) read(th *thread, other int) bool {
	p := exploredRead{th, l.ReaderWriterLock}
	return th.wait(p, p.contend(th.w), other, func() {})
}

func (l exploredRW) unlock(th *thread) {
	held := th.holding
	th.holding = outside
	switch held {
	case reading:
		if !l.inlineRUnlock() {
			th.release(l.ReleaseRead())
		}
	case writing:
		if !l.inlineUnlock() {
			th.release(l.ReleaseWrite())
		}
	}
}

func TestExploreInterval(t *testing.T) {
	for name, interval := range map[string]int64{"strict": 0, "interval": 100} {
		for _, programs := range [][]string{
			{"lock unlock", "lock unlock"},
			{"lock unlock lock unlock", "grab unlock timed unlock"},
			{"lock unlock", "grab unlock", "timed unlock", "tick"},
			{"lock unlock", "signalled unlock", "timed unlock", "tick"},
			{"lock cede unlock", "lock unlock", "timed unlock", "tick"},
			{"lock unlock lock unlock", "naps lock unlock", "lock unlock"},
			{"lock unlock lock cede unlock", "naps grab unlock", "lock unlock"},
			{"lock unlock lock unlock", "naps timed unlock", "lock unlock"},
			{"lock unlock lock unlock", "naps signalled unlock", "grab unlock", "tick"},
			{"lock cede unlock", "grab cede unlock", "lock cede unlock"},
			{"lock unlock lock unlock", "signalled unlock", "grab unlock"},
			{"timed unlock timed unlock", "timed unlock", "grab unlock", "tick"},
			{"lock unlock lock unlock", "signalled unlock", "lock unlock", "tick"},
		} {
			t.Run(name, func(t *testing.T) {
				explore(t, func() subject { return exploredInterval{&IntervalLock{interval: interval}} }, programs...)
			})
		}
	}
}

// profiledInterval is a lock whose nappers let the next release be judged.
type profiledInterval struct{ exploredInterval }

func (profiledInterval) profiled() {}

func TestExploreProfiledInterval(t *testing.T) {
	for _, programs := range [][]string{
		{"lock unlock lock unlock", "naps lock unlock", "lock unlock"},
		{"lock unlock lock cede unlock", "naps grab unlock", "lock unlock"},
		{"lock unlock lock unlock", "naps timed unlock", "lock unlock"},
		{"lock unlock lock unlock", "naps signalled unlock", "grab unlock", "tick"},
	} {
		explore(t, func() subject { return profiledInterval{exploredInterval{&IntervalLock{interval: 100}}} }, programs...)
	}
}

func TestExploreReaderWriter(t *testing.T) {
	for _, programs := range [][]string{
		{"lock unlock", "read unlock"},
		{"lock downgrade unlock", "read unlock", "timed unlock"},
		{"lock unlock", "timed unlock", "grab unlock", "tick"},
		{"lock unlock", "timed unlock", "read unlock", "tick"},
		{"lock unlock", "grab unlock", "timed-read unlock", "tick"},
		{"read unlock", "timed unlock", "signalled-read unlock"},
		{"lock unlock lock unlock", "read unlock", "lock unlock", "tick"}, // a notified reader is admitted
		{"lock unlock lock unlock", "read unlock", "timed-read unlock"},
		{"lock unlock lock unlock", "read unlock", "signalled-read unlock"},
		{"read unlock", "signalled unlock", "lock unlock", "tick"},
		{"read unlock", "timed unlock", "grab unlock", "tick"},
	} {
		exploreRW(t, programs)
	}
}

// TestExploreLong takes two minutes.
func TestExploreLong(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for _, programs := range [][]string{
		{"lock downgrade unlock", "signalled unlock", "timed-read unlock", "tick"},
		{"lock unlock lock unlock", "read unlock read unlock", "grab unlock", "tick"},
	} {
		exploreRW(t, programs)
	}
}

func exploreRW(t *testing.T, programs []string) {
	t.Run("rw", func(t *testing.T) {
		explore(t, func() subject { return exploredRW{new(ReaderWriterLock)} }, programs...)
	})
}
