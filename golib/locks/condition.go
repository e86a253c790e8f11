package locks

import "ft_utils/golib/parking"

// The word of a Condition:
//
//	63             1    0
//	┌───────────────┬──────┐
//	│       0       │parked│
//	└───────────────┴──────┘
//
// Parked: somebody waits to be notified. It changes under the bucket's lock only. A caller
// that finds the word 0 has nobody to notify.
//
// To notify a waiter whose lock is one of ours is to move it into that lock's queue: it
// sleeps on until the lock is its own (wait morphing). So nobody is woken only to queue
// again.
const ConditionParked = 1 << 0 // somebody is queued

// Condition is the queue of a condition variable. The lock that goes with it is the
// caller's business: the caller holds it in Enlist, and should in the notifications. It is
// the policy; goroutines use a [GoCondition].
type Condition struct {
	word word
}

// Enlist queues w. The caller then releases the lock, and sleeps.
func (c *Condition) Enlist(w *parking.Waiter) {
	q := lot.Enter(keyOf(&c.word))
	defer q.Leave()
	c.word.cas(0, ConditionParked)
	q.Push(w, parking.Exclusive)
}

// EnlistAside queues w as set aside: a notification ends its wait and never moves it, since its
// thread takes the lock back in a way of its own.
func (c *Condition) EnlistAside(w *parking.Waiter) {
	q := lot.Enter(keyOf(&c.word))
	defer q.Leave()
	c.word.cas(0, ConditionParked)
	q.Push(w, parking.Exclusive)
	w.SetAside()
}

// Withdraw takes w, which gave up, out of the queue. It answers whether w was notified
// before, by a grant or by being moved into the queue of its lock: then nothing changes.
func (c *Condition) Withdraw(w *parking.Waiter, why Reason) (notified bool) {
	q := lot.Enter(keyOf(&c.word))
	defer q.Leave()
	if w.Key.Load() != keyOf(&c.word) || withdraw(q, w, why) {
		return true
	}
	c.settle(q)
	return false
}

// settle writes into the word whether somebody is queued still.
func (c *Condition) settle(q *parking.Queue) {
	if q.Len(parking.Exclusive) == 0 {
		c.word.cas(ConditionParked, 0)
	}
}

// Notify ends the wait of up to n waiters, in order of arrival, and returns them: their
// lock is not one of ours, so each has to take it by itself.
func (c *Condition) Notify(n uint64) *parking.Waiter {
	q := lot.Enter(keyOf(&c.word))
	defer q.Leave()
	var first *parking.Waiter
	last := &first
	for ; n > 0 && q.Len(parking.Exclusive) > 0; n-- {
		w := q.Head(parking.Exclusive)
		q.Remove(w)
		*last, last = q.Grant(w, nil), &w.WakeNext
	}
	c.settle(q)
	return first
}

// NotifyInto moves up to n waiters, in order of arrival, to the end of the queue of l, their
// lock. It returns whom to wake: those that are set aside, whose wait it ends instead, and
// one waiter of l when l is free. That is nobody, as a rule.
func (c *Condition) NotifyInto(l *IntervalLock, n uint64) *parking.Waiter {
	from, to := lot.EnterBoth(keyOf(&c.word), keyOf(&l.word))
	defer parking.LeaveBoth(from, to)
	var aside *parking.Waiter
	for ; n > 0 && from.Len(parking.Exclusive) > 0; n-- {
		w := from.Head(parking.Exclusive)
		if w.Aside() {
			from.Remove(w)
			aside = from.Grant(w, aside)
		} else {
			parking.Move(w, from, to)
		}
	}
	c.settle(from)
	chain := l.send(to)
	if chain == nil {
		return aside
	}
	chain.WakeNext = aside // send wakes one at most
	return chain
}

// Aside is called for w before its thread runs signal handlers while it stays queued. From
// now on a notification ends the wait of w but does not move it: w must not be handed the
// lock while a handler runs that may take the same lock. It answers false, and changes
// nothing, when w was notified before: the handlers have to wait.
func (c *Condition) Aside(w *parking.Waiter) (aside bool) {
	q := lot.Enter(keyOf(&c.word))
	defer q.Leave()
	if w.Key.Load() != keyOf(&c.word) || w.State.Load() == parking.Granted {
		return false
	}
	w.SetAside()
	return true
}
