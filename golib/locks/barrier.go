package locks

import "ft_utils/golib/parking"

// The word of a Barrier:
//
//	63             8 7     2   1      0
//	┌───────────────┬───────┬──────┬──────┐
//	│ arrived       │   0   │ full │broken│
//	└───────────────┴───────┴──────┴──────┘
//
//	arrived full broken
//	   n     0     0     n of the parties wait, n below the parties
//	   n     1     0     the last one has come and runs the action; n wait for it
//	   0     0     1     broken
//
// All changes are made under the bucket's lock. Those who have arrived are exclusive
// waiters, so that they keep their order; those who come while it is full are shared ones
// and wait for the next round.
const (
	BarrierBroken = 1 << 0 // every wait fails until a reset
	BarrierFull   = 1 << 1 // all have come, the action runs
)

const oneArrival = 1 << OwnerShift

// Arrival is what a Barrier tells a waiter that arrives.
type Arrival int32

// The arrivals.
const (
	// Waits: a party that has to wait. Its number, from 0, is in Number; or the number of
	// parties, for one that waits for the next round.
	Waits Arrival = iota
	// Last: the last party. It runs the action and calls Open or Fail with the round,
	// which is in Number.
	Last
	// Broken: the barrier is broken, nobody waits for it.
	Broken
)

// Departure is what a Barrier tells a waiter that gives up.
type Departure int32

// The departures.
const (
	// Left: the waiter is in no queue any more.
	Left Departure = iota
	// Ended: its wait had ended before, and nothing changed.
	Ended
	// Stays: all have come in time, only the action is not done. The waiter sleeps on, and
	// nothing changed.
	Stays
)

// Outcome is what a Barrier tells a waiter whose wait it ended.
type Outcome uint32

// The outcomes.
const (
	Passed  Outcome = iota // all parties came, and the action is done
	Failed                 // the barrier was broken or reset
	Another                // the next round has begun: arrive again
)

// Barrier lets a fixed number of parties meet. It is the policy; goroutines use a
// [GoBarrier].
//
// What the parties did before they arrived happens before what they do after it. It must
// not be copied after first use.
type Barrier struct {
	word    word
	parties uint64 // constant after construction
	round   uint64 // the number of this round, from 0; under the bucket's lock
}

// Arrive is the arrival of w.
func (b *Barrier) Arrive(w *parking.Waiter) Arrival {
	q := lot.Enter(keyOf(&b.word))
	defer q.Leave()
	s := b.word.load()
	switch arrived := s >> OwnerShift; {
	case s&BarrierBroken != 0:
		return Broken
	case s&BarrierFull != 0:
		w.Number = b.parties
		q.Push(w, parking.Shared)
		return Waits
	case arrived+1 == b.parties:
		w.Number = b.round
		b.word.store(s | BarrierFull)
		return Last
	default:
		b.word.store(s + oneArrival)
		w.Number = arrived
		q.Push(w, parking.Exclusive)
		return Waits
	}
}

// Withdraw takes w, which gave up, out of the queue. A party that runs out of time breaks
// the barrier for all, unless the action runs; one that is interrupted just does not count
// any more.
func (b *Barrier) Withdraw(w *parking.Waiter, why Reason) (Departure, *parking.Waiter) {
	q := lot.Enter(keyOf(&b.word))
	defer q.Leave()
	if why == TimedOut && w.InQueue() && b.word.load()&BarrierFull != 0 {
		return Stays, nil
	}
	arrived := q.Len(parking.Exclusive)
	if withdraw(q, w, why) {
		return Ended, nil
	}
	if why == TimedOut {
		return Left, b.fail(q, BarrierBroken)
	}
	if q.Len(parking.Exclusive) < arrived {
		b.word.store(b.word.load() - oneArrival)
	}
	return Left, nil
}

// Open ends the round: all who arrived pass. It answers false, and does nothing, when that
// round was ended by a Break or Reset meanwhile.
func (b *Barrier) Open(round uint64) (opened bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&b.word))
	defer q.Leave()
	if b.round != round {
		return false, nil
	}
	b.round++
	b.word.store(0)
	return true, b.end(q, parking.Shared, Another, b.end(q, parking.Exclusive, Passed, nil))
}

// Fail is Break for the party whose action failed in that round. It does nothing when the
// round was ended by a Break or Reset meanwhile.
func (b *Barrier) Fail(round uint64) *parking.Waiter {
	q := lot.Enter(keyOf(&b.word))
	defer q.Leave()
	if b.round != round {
		return nil
	}
	return b.fail(q, BarrierBroken)
}

// Break fails everybody who waits, and everybody who comes until a Reset.
func (b *Barrier) Break() *parking.Waiter {
	q := lot.Enter(keyOf(&b.word))
	defer q.Leave()
	return b.fail(q, BarrierBroken)
}

// Reset fails everybody who waits and makes the barrier as new.
func (b *Barrier) Reset() *parking.Waiter {
	q := lot.Enter(keyOf(&b.word))
	defer q.Leave()
	return b.fail(q, 0)
}

// fail ends the round for all who wait and leaves the word s.
func (b *Barrier) fail(q *parking.Queue, s uint64) *parking.Waiter {
	b.round++
	b.word.store(s)
	return b.end(q, parking.Shared, Failed, b.end(q, parking.Exclusive, Failed, nil))
}

// end ends the waits of one kind and puts them before chain.
func (b *Barrier) end(q *parking.Queue, k parking.Kind, o Outcome, chain *parking.Waiter) *parking.Waiter {
	for w := q.Head(k); w != nil; w = q.Head(k) {
		w.Outcome = uint32(o)
		q.Remove(w)
		chain = q.Grant(w, chain)
	}
	return chain
}
