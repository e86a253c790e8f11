//go:build explore

package locks

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"iter"
	"strings"
	"testing"

	"ft_utils/golib/parking"
)

// The explorer runs the real operations of a few threads through all interleavings of
// their atomic steps: accesses of the word, the bucket's lock, and the delivery and
// consumption of wake-ups. Each thread is a coroutine that gives control back before
// every step. The search is depth first; a run is repeated from its start up to the
// choice that is to be changed.
//
// A state that was seen before is not searched again. It consists of what is shared
// (word, queue, waiters, clock, wake-ups) and, of each thread, how far it is and a
// hash of everything it has observed since its last operation began: its local
// variables follow from that, because the code is deterministic. So pruning loses no
// behaviour, but for a collision of 64-bit hashes.

// aborted unwinds the threads of a run that need not be finished.
type aborted struct{}

// thread is one explored thread and its program.
type thread struct {
	world   *world
	w       *parking.Waiter
	program []string
	pc      int
	seen    uint64       // hash of what it has observed in this operation
	options func() []int // alternatives of its next step; none: it is blocked
	chosen  int
	holding phase
	tokens  int
	alive   bool
	site    int // where in the operation a wait is, when it has several
	way     int // what may end a sleep beside the wake-up

	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
}

// subject is a lock under exploration.
type subject interface {
	perform(th *thread, op string)
	checkEntered(q *parking.Queue, notified woken) error
	theWord() *word
}

// More is what a subject may have beside: state of its own that threads share, a check
// of it, made when no bucket is locked, and what a run may end in.
type (
	sharer interface {
		share(x *world, b []byte) []byte
	}
	checker interface{ checkWorld(x *world) error }
	ender   interface{ ended(x *world) error }
	spreads interface{ buckets() int }
	// profiler is a lock that is explored while contention is profiled.
	profiler interface{ profiled() }
)

// world is one run.
type world struct {
	lock    subject
	threads []*thread
	current *thread
	clock   int64
	scratch []byte
}

var always = func() []int { return []int{0} }

// pause gives control back until the scheduler picks one of the alternatives.
func (th *thread) pause(options func() []int) int {
	th.options = options
	if !th.yield(struct{}{}) {
		panic(aborted{})
	}
	th.note(uint64(th.chosen))
	return th.chosen
}

func (th *thread) note(v uint64) {
	th.seen = maphash.Comparable(seed, [2]uint64{th.seen, v})
}

// at replaces what the thread has observed by what it still knows of it: the point in its
// program and the values of its variables there. The more is forgotten, the more states
// are one.
func (th *thread) at(point string, variables ...uint64) {
	th.seen = maphash.String(seed, point)
	th.note(uint64(th.site)<<8 | uint64(th.way))
	for _, v := range variables {
		th.note(v)
	}
}

// idsOf lists a chain, as variables.
func idsOf(chain *parking.Waiter, first ...uint64) []uint64 {
	for ; chain != nil; chain = chain.WakeNext {
		first = append(first, chain.ID)
	}
	return first
}

var seed = maphash.MakeSeed()

// when is the only alternative of a step that must wait for something.
func when(holds func() bool) func() []int {
	return func() []int {
		if holds() {
			return []int{0}
		}
		return nil
	}
}

func newWorld(make func() subject, programs []string) *world {
	x := &world{lock: make(), clock: 1}
	lot = parking.NewLot(buckets(x.lock), func() int64 { return x.clock })
	parking.MostNaps = 2 // fewer states
	if _, ok := x.lock.(profiler); ok {
		lot.Profile(true)
	}
	for i, p := range programs {
		th := &thread{world: x, w: parking.NewWaiter(uint64(FirstID + i)), program: strings.Fields(p), alive: true, holding: outside}
		x.threads = append(x.threads, th)
		th.resume, th.stop = iter.Pull(th.run)
	}
	return x
}

// buckets is 1, so that all keys collide, unless the subject sees to its keys.
func buckets(l subject) int {
	if s, ok := l.(spreads); ok {
		return s.buckets()
	}
	return 1
}

// start takes every thread to its first step.
func (x *world) start() {
	for _, th := range x.threads {
		x.enter(th, 0)
	}
}

// run is the body of a thread.
func (th *thread) run(yield func(struct{}) bool) {
	th.yield = yield
	defer func() {
		th.alive = false
		if r := recover(); r != nil && r != any(aborted{}) {
			panic(r)
		}
	}()
	for th.pc = range th.program {
		th.seen, th.site, th.way = 0, 0, byToken
		th.world.lock.perform(th, th.program[th.pc])
	}
	th.pc++
	th.seen = 0
}

// enter lets a thread take its next step, by the alternative it was given.
func (x *world) enter(th *thread, choice int) {
	x.current, th.chosen = th, choice
	th.resume()
	x.current = nil
}

func (x *world) abort() {
	for _, th := range x.threads {
		x.current = th
		th.stop()
	}
	x.current = nil
}

// connect makes the word and the bucket's lock scheduling points of this world.
func connect(t *testing.T, now func() *world) {
	beforeLot, a, o, b := lot, beforeAccess, observed, parking.BeforeLock
	t.Cleanup(func() { lot, beforeAccess, observed, parking.BeforeLock = beforeLot, a, o, b })
	running := func() *thread {
		if x := now(); x != nil && x.current != nil && x.current.alive {
			return x.current
		}
		return nil
	}
	beforeAccess = func() {
		if th := running(); th != nil {
			th.pause(always)
		}
	}
	observed = func(v uint64) {
		if th := running(); th != nil {
			th.note(v)
		}
	}
	parking.BeforeLock = func(free func() bool) {
		if th := running(); th != nil {
			th.pause(when(free))
			x := th.world
			x.scratch = x.shared(x.scratch[:0])
			th.note(maphash.Bytes(seed, x.scratch))
		}
	}
}

// choice is one step that a run could take.
type choice struct{ thread, option int }

func (x *world) choices() []choice {
	var all []choice
	for i, th := range x.threads {
		if th.alive {
			for _, o := range th.options() {
				all = append(all, choice{i, o})
			}
		}
	}
	return all
}

// number is 1 for true.
func number(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// shared appends the shared state to b. Tickets count by their order only. The
// waiters' states say who is notified, the chains in flight follow from what those
// who deliver them have observed.
func (x *world) shared(b []byte) []byte {
	add := binary.LittleEndian.AppendUint64
	due, owed := lot.Debts(keyOf(x.lock.theWord()))
	b = add(add(b, x.lock.theWord().v), uint64(x.clock)<<2|number(due)<<1|number(owed))
	for _, th := range x.threads {
		place := uint64(0)
		for _, other := range x.threads {
			if other.w.Ticket != 0 && other.w.Ticket <= th.w.Ticket {
				place++
			}
		}
		small := place<<32 | uint64(th.tokens)<<24 | uint64(th.holding)<<16 | uint64(th.w.State.Load())<<8 | number(th.w.InQueue())
		b = add(add(b, small), uint64(th.w.HeadSince())<<8|uint64(th.w.Napped())<<1|number(th.w.Napping()))
		if th.w.InQueue() && th.w.Kind() == parking.Shared {
			b = add(b, uint64(th.w.Since))
		}
	}
	if s, ok := x.lock.(sharer); ok {
		b = s.share(x, b)
	}
	return b
}

// name describes the whole state.
func (x *world) name() uint64 {
	b := x.shared(x.scratch[:0])
	for _, th := range x.threads {
		b = binary.LittleEndian.AppendUint64(b, uint64(th.pc))
		b = binary.LittleEndian.AppendUint64(b, th.seen)
	}
	x.scratch = b
	return maphash.Bytes(seed, b)
}

// check looks for what must never be.
func (x *world) check() error {
	writers, readers := 0, 0
	var notified woken
	for _, th := range x.threads {
		switch {
		case th.holding == writing:
			writers++
		case th.holding == reading:
			readers++
		}
		if th.tokens > 1 {
			return fmt.Errorf("thread %c has %d wake-ups", 'A'+th.w.ID-FirstID, th.tokens)
		}
		if th.w.InQueue() && (th.w.State.Load() == parking.Notified || th.w.Napping()) {
			notified[th.w.Kind()]++
		}
	}
	if writers > 1 || writers > 0 && readers > 0 {
		return fmt.Errorf("%d writers beside %d readers", writers, readers)
	}
	key := keyOf(x.lock.theWord())
	if lot.Entered(key) {
		return nil
	}
	if c, ok := x.lock.(checker); ok {
		if err := c.checkWorld(x); err != nil {
			return err
		}
	}
	q := lot.Enter(key)
	defer q.Leave()
	return x.lock.checkEntered(q, notified)
}

// finished looks at a run that cannot go on.
func (x *world) finished() error {
	if e, ok := x.lock.(ender); ok {
		return e.ended(x)
	}
	if err := x.allEnded(); err != nil {
		return err
	}
	if s := x.lock.theWord().v; s != 0 {
		return fmt.Errorf("the word ends as %#x", s)
	}
	return nil
}

// allEnded says whether every thread has come to its end and left nothing behind.
func (x *world) allEnded() error {
	for i, th := range x.threads {
		if th.alive {
			return fmt.Errorf("thread %c sleeps for ever in %q, state %d", 'A'+i, th.program[th.pc], th.w.State.Load())
		}
		if th.tokens != 0 || th.w.State.Load() != parking.Idle {
			return fmt.Errorf("thread %c ends with %d wake-ups in state %d", 'A'+i, th.tokens, th.w.State.Load())
		}
	}
	if left := lot.Snapshot(); len(left) != 0 {
		return fmt.Errorf("waiters in the end: %+v", left)
	}
	return nil
}
