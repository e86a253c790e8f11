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
// All changes are made under the bucket's lock. Those who have arrived are the queue's
// exclusive side, so that they keep their order; those who come while it is full wait on
// the shared side for the next round.
const (
	BarrierBroken = 1 << 0 // every wait fails until a reset
	BarrierFull   = 1 << 1 // all have come, the action runs
)

const oneArrival = 1 << OwnerShift

// Outcome is what a Barrier tells a waiter whose wait it ended.
type Outcome uint32

// The outcomes.
const (
	Passed  Outcome = iota // all parties came
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
	round   uint64 // rounds begun, under the bucket's lock
}

// Arrive is the arrival of w. It answers Park for a party that has to wait, with its
// number from 0 in Number, or with parties in Number for one that has to wait for the
// next round; Acquired for the last party, with the round in Number, which runs the
// action and calls Open or Fail; Withdrawn when the barrier is broken.
func (b *Barrier) Arrive(w *parking.Waiter) Verdict {
	q := lot.Enter(keyOf(&b.word))
	defer q.Leave()
	s := b.word.load()
	switch arrived := s >> OwnerShift; {
	case s&BarrierBroken != 0:
		return Withdrawn
	case s&BarrierFull != 0:
		w.Number = b.parties
		q.Push(w, parking.Shared)
		return Park
	case arrived+1 == b.parties:
		w.Number = b.round
		b.put(s | BarrierFull)
		return Acquired
	default:
		b.put(s + oneArrival)
		w.Number = arrived
		q.Push(w, parking.Exclusive)
		return Park
	}
}

// put changes the word under the bucket's lock, where nobody else changes it.
func (b *Barrier) put(s uint64) {
	for !b.word.cas(b.word.load(), s) {
	}
}

// Withdraw takes w, which gave up, out of the queue: Withdrawn, or Acquired when its wait
// had ended before. A party that runs out of time breaks the barrier for all; one that is
// interrupted just does not count any more. While the action runs all have come in time:
// Park, and nothing changed.
func (b *Barrier) Withdraw(w *parking.Waiter, why Reason) (Verdict, *parking.Waiter) {
	q := lot.Enter(keyOf(&b.word))
	defer q.Leave()
	if w.State.Load() == parking.Granted {
		return Acquired, nil
	}
	if why == TimedOut && b.word.load()&BarrierFull != 0 {
		return Park, nil
	}
	giveUp(q, why)
	arrived := q.Len(parking.Exclusive)
	q.Remove(w)
	if why == TimedOut {
		return Withdrawn, b.fail(q, BarrierBroken)
	}
	if q.Len(parking.Exclusive) < arrived {
		b.put(b.word.load() - oneArrival)
	}
	return Withdrawn, nil
}

// Open ends the round: all who arrived pass. It answers Withdrawn when that round was
// ended by a Break or Reset meanwhile.
func (b *Barrier) Open(round uint64) (Verdict, *parking.Waiter) {
	q := lot.Enter(keyOf(&b.word))
	defer q.Leave()
	if b.round != round {
		return Withdrawn, nil
	}
	b.round++
	b.put(0)
	return Acquired, b.end(q, parking.Shared, Another, b.end(q, parking.Exclusive, Passed, nil))
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

func (b *Barrier) fail(q *parking.Queue, s uint64) *parking.Waiter {
	b.round++
	b.put(s)
	return b.end(q, parking.Shared, Failed, b.end(q, parking.Exclusive, Failed, nil))
}

// end ends the waits of one side and puts them before chain.
func (b *Barrier) end(q *parking.Queue, side parking.Kind, o Outcome, chain *parking.Waiter) *parking.Waiter {
	for w := q.Head(side); w != nil; w = q.Head(side) {
		w.Outcome = uint32(o)
		q.Remove(w)
		chain = q.Grant(w, chain)
	}
	return chain
}
