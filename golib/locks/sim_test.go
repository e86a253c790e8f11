package locks

import (
	"fmt"
	"slices"
	"testing"

	"ft_utils/golib/parking"
)

// A simulation drives a lock's policy with waiters that nobody runs: every step is
// one whole operation of one actor, so that a trace is a list of steps and can be
// replayed, compared with a model, or searched exhaustively. The actors do inline
// what C does inline.

// phase is what an actor is doing between two steps.
type phase int

const (
	outside phase = iota
	writing       // holds the lock exclusively
	reading       // holds a share of it
	asleep        // in the queue, or granted and not yet aware of it
	paused        // withdrew to run a signal handler
	phases
)

func (p phase) String() string {
	return [phases]string{"outside", "writing", "reading", "asleep", "paused"}[p]
}

type actor struct {
	w      *parking.Waiter
	phase  phase
	kind   parking.Kind // what it waits for, when asleep or paused
	tokens int          // wake-ups delivered and not consumed
}

// action is what an actor may do. The first of a phase is the common one.
type action int

const (
	actLock       action = iota
	actTry               // a failed try changes nothing
	actUnlock            // inline where the word allows it
	actRelease           // through the bucket although the word may not ask for it
	actCede              // IntervalLock
	actRead              // the other two: ReaderWriterLock
	actTryRead           //
	actWake              // consume the wake-up and ask
	actNapped            // the nap is over, a wake-up may be on its way
	actGrabNapped        // the same, but it takes a free word first
	actGrab              // consume the wake-up, take a free word, then tell
	actGiveUp            // the time is over
	actPause             // a signal arrived
	actRejoin            // its handler raised nothing
	actQuit              // its handler raised
	actDowngrade         //
	actTick              // the interval passes; belongs to no actor
	actTake              // Semaphore
	actTakeTwo           //
	actGive              //
	actGiveTwo           //
	actKeep              // a permit is used up
	actGrow              // the limit of a ResizableSemaphore, by one
	actShrink            //
	actAwait             // Event
	actSet               //
	actClear             //
	actWait              // Condition
	actNotify            // also by one that does not hold the lock: another released it
	actNotifyAll         //
	actArrive            // Barrier
	actOpen              // the action returned
	actReset             //
	actAbort             //
	actions
)

func (a action) String() string {
	return [actions]string{"lock", "try", "unlock", "release", "cede", "read", "try-read", "wake", "napped", "grab-napped", "grab",
		"give-up", "pause", "rejoin", "quit", "downgrade", "tick", "take", "take-two", "give", "give-two", "keep", "grow", "shrink", "await", "set",
		"clear", "wait", "notify", "notify-all", "arrive", "open", "reset", "abort"}[a]
}

// step is one operation of one actor.
type step struct {
	who int
	act action
}

func (s step) String() string { return fmt.Sprintf("%c:%v", 'A'+s.who, s.act) }

// simulation is what the locks' simulations share.
type simulation struct {
	actors []*actor
	lot    *parking.Lot
	clock  int64
	shared bool // the lock has shared waiters
}

// useLot replaces the process's lot by one with one bucket, so that all keys collide, and
// gives it the clock.
func useLot(tb testing.TB, now func() int64) {
	before, naps := lot, parking.MostNaps
	lot = parking.NewLot(1, now)
	parking.MostNaps = 2 // fewer states
	tb.Cleanup(func() { lot, parking.MostNaps = before, naps })
}

func (s *simulation) enlist(n int) {
	s.lot = parking.NewLot(1, func() int64 { return s.clock })
	lot = s.lot
	s.clock = 1
	for i := range n {
		s.actors = append(s.actors, &actor{w: parking.NewWaiter(uint64(FirstID + i))})
	}
}

// deliver wakes a chain: each waiter in it gets its one wake-up.
func (s *simulation) deliver(chain *parking.Waiter) {
	for chain != nil {
		w := chain
		chain, w.WakeNext = w.WakeNext, nil
		a := s.actors[w.ID-FirstID]
		a.tokens++
		if a.tokens > 1 {
			panic(fmt.Sprintf("waiter %d has %d wake-ups", w.ID, a.tokens))
		}
	}
}

// settleOwn takes the wake-up that a withdrawn or served actor is still owed, as
// every thread must before it uses its waiter again.
func (a *actor) settleOwn() {
	owed := 0
	if a.w.State.Load() != parking.Queued {
		owed = 1
	}
	if a.tokens != owed {
		panic(fmt.Sprintf("waiter %d withdrew in state %d with %d wake-ups", a.w.ID, a.w.State.Load(), a.tokens))
	}
	a.tokens = 0
}

func (a *actor) consume() {
	if a.tokens != 1 {
		panic("consumed a wake-up that was not there")
	}
	a.tokens = 0
}

// enabled lists the steps that the phases allow.
func (s *simulation) enabled() []step {
	var all []step
	for i, a := range s.actors {
		for _, act := range s.allowed(a) {
			all = append(all, step{i, act})
		}
	}
	return append(all, step{0, actTick})
}

func (s *simulation) allowed(a *actor) []action {
	switch a.phase {
	case outside:
		if s.shared {
			return []action{actLock, actTry, actRead, actTryRead}
		}
		return []action{actLock, actTry}
	case writing:
		if s.shared {
			return []action{actUnlock, actRelease, actDowngrade}
		}
		return []action{actUnlock, actRelease, actCede}
	case reading:
		return []action{actUnlock}
	case paused:
		return []action{actRejoin, actQuit}
	}
	if a.w.Napping() {
		all := []action{actNapped, actGrabNapped, actGiveUp, actPause}
		if a.tokens > 0 {
			all = append(all, actWake)
		}
		return all
	}
	if a.tokens == 0 {
		return []action{actGiveUp, actPause}
	}
	if a.kind == parking.Shared {
		return []action{actWake, actGiveUp, actPause}
	}
	return []action{actWake, actGrab, actGiveUp, actPause}
}

// after puts the actor into the phase that the verdict says.
func (a *actor) after(v Verdict, held phase, k parking.Kind) {
	switch v {
	case Acquired:
		a.phase = held
	case Park, Nap:
		a.phase, a.kind = asleep, k
	case Granted:
		a.consume()
		a.phase = held
	default:
		panic(fmt.Sprintf("verdict %d", v))
	}
}

// view is everything about a lock that can be seen between two steps; a model's
// view must equal the lock's.
type view struct {
	Word   uint64
	Queues [2][]uint64 // ids in order of service
	Woken  [2][]uint64 // ids of the notified
	Phases []phase
	Tokens []int
}

func (s *simulation) view(w *word) view {
	v := view{Word: w.load()}
	for _, x := range lot.Snapshot() {
		v.Queues[x.Kind] = append(v.Queues[x.Kind], x.ID)
		if x.State == parking.Notified {
			v.Woken[x.Kind] = append(v.Woken[x.Kind], x.ID)
		}
	}
	for _, a := range s.actors {
		v.Phases = append(v.Phases, a.phase)
		v.Tokens = append(v.Tokens, a.tokens)
	}
	return v
}

// key names a state by what its future depends on. Actors that differ in nothing but
// their number are interchangeable, so they are named by their circumstances, sorted.
// More of an actor's circumstances is what a lock knows.
func (s *simulation) key(w *word, q *parking.Queue, interval int64, more ...func(*actor) any) string {
	state := w.load()
	var all []string
	for _, a := range s.actors {
		place := 0 // in the order of arrival, with those who are paused
		for _, b := range s.actors {
			if b.w.Ticket != 0 && b.w.Ticket <= a.w.Ticket {
				place++
			}
		}
		name := fmt.Sprint(a.phase, a.kind, a.tokens, a.w.State.Load(), place, a.w.InQueue(), a.w.ID == state>>OwnerShift,
			a.w.Napping(), a.w.Napped())
		for _, f := range more {
			name += fmt.Sprint(" ", f(a))
		}
		all = append(all, name)
	}
	slices.Sort(all)
	late := q.Head(parking.Exclusive) != nil && q.HeadWaited() >= interval
	lateShared := q.Len(parking.Shared) > 0 && q.SharedWaited() >= interval
	return fmt.Sprint(all, state&flagsMask, late, lateShared, q.Due, q.Owed)
}

// checkWaiters holds between two steps, whatever the lock: who sleeps has a wake-up
// exactly if somebody took it out of Queued.
func (s *simulation) checkWaiters() error {
	for _, a := range s.actors {
		state := a.w.State.Load()
		switch {
		case a.phase == asleep && (state == parking.Queued) != (a.tokens == 0):
			return fmt.Errorf("waiter %d sleeps in state %d with %d wake-ups", a.w.ID, state, a.tokens)
		case a.phase == asleep && state != parking.Granted && !a.w.InQueue():
			return fmt.Errorf("waiter %d sleeps in no queue", a.w.ID)
		case a.phase != asleep && (a.tokens != 0 || a.w.InQueue()):
			return fmt.Errorf("waiter %d, %v, is queued or has a wake-up", a.w.ID, a.phase)
		case a.phase != asleep && a.phase != paused && (state != parking.Idle || a.w.Ticket != 0):
			return fmt.Errorf("waiter %d, %v, was not forgotten", a.w.ID, a.phase)
		}
	}
	return nil
}

// useLotOf puts back the lot of a simulation that was made before another.
func useLotOf(tb testing.TB, s sim) {
	before := lot
	lot = s.ownLot()
	tb.Cleanup(func() { lot = before })
}

func (s *simulation) ownLot() *parking.Lot { return s.lot }
