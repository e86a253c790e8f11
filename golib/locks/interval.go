package locks

import (
	"time"

	"ft_utils/golib/parking"
)

// The word of an IntervalLock:
//
//	63            8 7     3   2       1      0
//	┌──────────────┬───────┬───────┬──────┬──────┐
//	│ owner's id   │   0   │handoff│woken │parked│
//	└──────────────┴───────┴───────┴──────┴──────┘
//
//	owner parked woken handoff
//	  0     0      0      0     free
//	  id    0      0      0     held, nobody waits
//	  id    1      0      0     held; release notifies the longest waiter unless one naps (below),
//	                            or hands over
//	  id    1      1      0     held; a notified waiter is on its way: release need not ask
//	  id    1      0      1     held; release hands over to the longest waiter
//	  0     1      1      0     free; a notified waiter is on its way, anybody may barge
//	 otherwise                  never
//
// The flags change under the bucket's lock only, together with the queue that they
// stand for (flags below says how). Without it, a compare-and-swap in C or Go may put
// an owner into a word that has none, and take the owner out in the rows without
// judgement: a word without flags, or parked and woken without handoff. There a release
// may ask for judgement all the same. C does now and then, since the notified waiter may
// be long in coming (pybind/types/core/pace.h).
//
// A lock that is handed over directly costs a context switch for each release;
// one that lets running threads barge starves the sleeping ones. So release lets
// them barge until the longest waiter has been the longest for a turn (turn in locks.go:
// the interval, or less where many wait), then it hands over: after Go's sync.Mutex
// (normal and starving mode), with the bound made the lock's own parameter. With n
// waiting, nobody waits longer than n turns and one critical section of each. An
// interval of 0 hands over always: strict first come, first served.
//
// Where one thread is at the lock all the time, the notified waiter finds it taken again.
// To notify it anew at the next release would cost that thread a system call each time. So
// a waiter that can nap does, and looks again by itself, until its turn. While contention is
// profiled (parking.Lot.Profile) it clears woken when it goes to nap: then the next release is
// judged, so that the holder is charged. That release sets woken again, and wakes nobody.
const (
	IntervalParked  = 1 << 0 // somebody is queued
	IntervalWoken   = 1 << 1 // a queued waiter was notified and will come
	IntervalHandoff = 1 << 2 // the queue's head is to be served next

	IntervalFlags = IntervalParked | IntervalWoken | IntervalHandoff
)

// IntervalPlain is the set of flags (bit f for the flags f) with which a release needs no judgement: nobody is
// queued, or the one that was notified is on its way.
const IntervalPlain = 1<<0 | 1<<(IntervalParked|IntervalWoken)

// IntervalLock is a mutual exclusion lock that hands over fairly.
//
// The n-th release happens before the m-th acquisition returns, for n < m. A try
// that fails promises nothing. The zero value is a lock with interval 0. It must
// not be copied after first use.
type IntervalLock struct {
	word     word
	interval int64 // nanoseconds; constant after construction
}

// NewIntervalLock makes a lock with an interval of at least 0.
func NewIntervalLock(interval time.Duration) *IntervalLock {
	return &IntervalLock{interval: max(0, int64(interval))}
}

// due says whether the longest waiter is to be served before those who run.
func (l *IntervalLock) due(q *parking.Queue) bool {
	return q.Due || q.HeadWaited() >= turn(l.interval, q.Len(parking.Exclusive))
}

// flags is what the word has to say of the queue.
func (l *IntervalLock) flags(q *parking.Queue) uint64 {
	if q.Len(parking.Exclusive) == 0 {
		return 0
	}
	return l.flagsWith(q, q.Notified() != nil)
}

// flagsWith is what the word has to say of a queue that is not empty; woken says whether
// a notified waiter is on its way.
func (l *IntervalLock) flagsWith(q *parking.Queue, woken bool) uint64 {
	f := uint64(IntervalParked)
	if woken {
		f |= IntervalWoken
	}
	if q.Due || l.interval == 0 {
		f |= IntervalHandoff
	}
	return f
}

// settle writes the flags of the queue into the word, below the owner on whose behalf
// this runs.
func (l *IntervalLock) settle(q *parking.Queue, owner uint64) {
	l.word.store(owner<<OwnerShift | l.flags(q))
}

// Contend takes the lock for w, or queues it. It is also what a woken waiter
// calls: it learns that the lock was handed to it, or tells that its own
// compare-and-swap took it, or goes back to sleep in its place.
func (l *IntervalLock) Contend(w *parking.Waiter) Verdict {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	if w.State.Load() == parking.Granted {
		napped := w.Napping()
		w.Forget()
		if napped {
			return Granted
		}
		return Acquired
	}
	if w.New() {
		q.Count().Contended++
	}
	for {
		s := l.word.load()
		free := s>>OwnerShift == 0
		// Only one that was notified can have taken the word itself. Another finds its
		// own id there when it waits for a lock that it holds, for somebody to release.
		mine := q.Notified() == w && s>>OwnerShift == w.ID
		switch {
		case mine:
			q.Remove(w)
			l.settle(q, w.ID) // it alone may release
			w.Forget()
			return Acquired
		case free && !l.word.cas(s, w.ID<<OwnerShift|l.flagsWithout(q, w)):
			continue
		case free:
			// From now on any thread may release, where that is allowed: the word has all
			// of its flags already, and is not written here again.
			if w.InQueue() {
				q.Remove(w)
			}
			w.Forget()
			return Acquired
		}
		if v, ok := l.park(q, w, s); ok {
			return v
		}
	}
}

// park queues w, provided that the word is still s, held by another. Owner and
// flags change in one step: an owner that releases later sees the flags and comes
// through the bucket's lock; one that released before makes this fail. A notified
// waiter that can nap and is not due does that instead, and nothing changes; while contention
// is profiled, the next release is to be judged.
func (l *IntervalLock) park(q *parking.Queue, w *parking.Waiter, s uint64) (v Verdict, done bool) {
	notified := q.Notified()
	if notified == w {
		if l.due(q) {
			q.Due = true
		} else if q.MayNap(w) {
			if lot.Profiling() && !l.word.cas(s, s&^IntervalWoken) {
				return Nap, false
			}
			q.Nap(w)
			return Nap, true
		}
	}
	f := l.flagsWith(q, notified != nil && notified != w)
	if !l.word.cas(s, s&^flagsMask|f) {
		return Park, false
	}
	q.Park(w, parking.Exclusive)
	return Park, true
}

// Withdraw takes w, which gave up, out of the queue. It answers whether w had been
// served before: then it holds the lock. The state of w stays as it was, so that the
// caller can tell whether a wake-up is still owed to it: consume it, then call
// Forget, or Contend again to wait on in the old place. A waiter that has tried the word
// itself asks Contend what became of it before it may withdraw.
func (l *IntervalLock) Withdraw(w *parking.Waiter, why Reason) (served bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	if withdraw(q, w, why) {
		return true, nil
	}
	return false, l.send(q)
}

// send writes the flags of the queue into the word, whoever holds the lock. When nobody
// does, and no waiter is on its way, it notifies the longest.
func (l *IntervalLock) send(q *parking.Queue) (chain *parking.Waiter) {
	for {
		s := l.word.load()
		if s>>OwnerShift == 0 && q.Notified() == nil && q.Len(parking.Exclusive) > 0 {
			chain = q.Notify()
		}
		if l.word.cas(s, s&^flagsMask|l.flags(q)) {
			return chain
		}
	}
}

// Release gives the lock up for its owner, where the word says that judgement is
// needed, and returns the waiters to wake.
func (l *IntervalLock) Release() *parking.Waiter {
	_, chain := l.ReleaseFrom(l.Owner())
	return chain
}

// ReleaseFrom takes the lock from owner. It answers false, and changes nothing, when
// owner does not hold it any more: where any thread may release, another was faster.
func (l *IntervalLock) ReleaseFrom(owner uint64) (released bool, chain *parking.Waiter) {
	return l.releaseFrom(owner, false)
}

// YieldFrom is ReleaseFrom for an owner that goes to sleep next: it hands over to the
// longest waiter at once, since the owner will not come back before it.
func (l *IntervalLock) YieldFrom(owner uint64) (released bool, chain *parking.Waiter) {
	return l.releaseFrom(owner, true)
}

func (l *IntervalLock) releaseFrom(owner uint64, yields bool) (released bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	head := q.Head(parking.Exclusive)
	hand := head != nil && (yields || l.due(q))
	for {
		s := l.word.load()
		if s>>OwnerShift != owner {
			return false, nil
		}
		var next uint64
		if hand {
			next = head.ID<<OwnerShift | l.flagsWithout(q, head)
		} else if head != nil {
			next = l.flagsWith(q, true)
		}
		if !l.word.cas(s, next) {
			continue
		}
		if hand {
			q.Remove(head)
			return true, q.Grant(head, nil)
		}
		if head != nil && q.Notified() == nil {
			chain = q.Notify()
		}
		return true, chain
	}
}

// flagsWithout is what flags will be once w has left the queue, if it is in it. Another
// than the head may have been notified: the head may have come back into an older place.
func (l *IntervalLock) flagsWithout(q *parking.Queue, w *parking.Waiter) uint64 {
	if !w.InQueue() {
		return l.flags(q)
	}
	if q.Len(parking.Exclusive) == 1 {
		return 0
	}
	f := uint64(IntervalParked)
	if n := q.Notified(); n != nil && n != w {
		f |= IntervalWoken
	}
	if l.interval == 0 || q.Due && q.Head(parking.Exclusive) != w {
		f |= IntervalHandoff
	}
	return f
}

// handOver makes head the owner, for an owner that gives the lock up.
func (l *IntervalLock) handOver(q *parking.Queue, head *parking.Waiter) *parking.Waiter {
	q.Remove(head)
	l.settle(q, head.ID)
	return q.Grant(head, nil)
}

// CedeTo hands the lock of its owner to the longest waiter and queues w, the
// owner, as the last. It answers false, and does nothing, when nobody waits.
func (l *IntervalLock) CedeTo(w *parking.Waiter) (ceded bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	head := q.Head(parking.Exclusive)
	if head == nil {
		return false, nil
	}
	q.Count().Cedes++
	q.Push(w, parking.Exclusive)
	return true, l.handOver(q, head)
}

// Owner is the id of the holder, 0 when the lock is free.
func (l *IntervalLock) Owner() uint64 { return l.word.load() >> OwnerShift }

// Waiters is the number of those who wait.
func (l *IntervalLock) Waiters() int {
	return lot.Waiting(keyOf(&l.word), parking.Exclusive)
}
