package locks

import "ft_utils/golib/parking"

// The word of an Event:
//
//	63      2   1      0
//	┌────────┬──────┬───────┐
//	│   0    │parked│  set  │
//	└────────┴──────┴───────┘
//
//	set parked
//	 0    0     clear, nobody waits
//	 0    1     clear, somebody waits
//	 1    0     set
//	 1    1     never: setting lets all waiters go
//
// Parked changes under the bucket's lock only. Without it, a compare-and-swap may set a
// word without parked, and clear a word that is set.
const (
	EventSet    = 1 << 0 // the flag that the Event is
	EventParked = 1 << 1 // somebody is queued
)

// Event is a flag that can be waited for. It is the policy; goroutines use a [GoEvent].
//
// What was written before Set is seen by everybody whose wait it ends. The zero value is
// clear. It must not be copied after first use.
type Event struct {
	word word
}

// Await queues w, unless the event is set.
func (e *Event) Await(w *parking.Waiter) Verdict {
	q := lot.Enter(keyOf(&e.word))
	defer q.Leave()
	if w.State.Load() == parking.Granted {
		w.Forget()
		return Acquired
	}
	if w.New() {
		q.Count().Contended++
	}
	for {
		s := e.word.load()
		if s&EventSet != 0 {
			w.Forget()
			return Acquired
		}
		if e.word.cas(s, EventParked) {
			q.Push(w, parking.Shared)
			return Park
		}
	}
}

// Withdraw takes w, which gave up, out of the queue; see IntervalLock.Withdraw.
func (e *Event) Withdraw(w *parking.Waiter, why Reason) (served bool) {
	q := lot.Enter(keyOf(&e.word))
	defer q.Leave()
	if withdraw(q, w, why) {
		return true
	}
	e.settle(q)
	return false
}

// settle writes into the word whether somebody is queued still. It was parked, so nobody
// else changes it.
func (e *Event) settle(q *parking.Queue) {
	if q.Len(parking.Shared) == 0 {
		e.word.store(0)
	}
}

// Set sets the event and returns those who waited for it.
func (e *Event) Set() *parking.Waiter {
	q := lot.Enter(keyOf(&e.word))
	defer q.Leave()
	for s := e.word.load(); !e.word.cas(s, EventSet); {
		s = e.word.load()
	}
	return q.GrantShared()
}
