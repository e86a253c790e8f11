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
//	  id    1      0      0     held; release notifies the longest waiter, unless one naps (below)
//	  id    1      1      0     held; a notified waiter is on its way: release just frees
//	  id    1      0      1     held; release hands over to the longest waiter
//	  0     1      1      0     free; a notified waiter is on its way, anybody may barge
//	 otherwise                  never
//
// The owner changes from 0 by anybody's compare-and-swap, and to 0 by the
// owner's, in C or Go, without the bucket's lock, but only in the rows without
// judgement: a word without flags, or parked and woken without handoff. The flags
// change under the bucket's lock only, together with the queue that they stand
// for (flags below says how).
//
// A lock that is handed over directly costs a context switch for each release;
// one that lets running threads barge starves the sleeping ones. So release lets
// them barge until the longest waiter has been the longest for a turn (turn below:
// the interval, or less where many wait), then it hands over: after Go's sync.Mutex
// (normal and starving mode), with the bound made the lock's own parameter. With n
// waiting, nobody waits longer than n turns and one critical section of each. An
// interval of 0 hands over always: strict first come, first served.
//
// The notified waiter finds the lock taken again where one thread is at it all the time.
// To be notified anew at the next release would cost that thread a system call each time;
// so the waiter naps and looks again by itself, until its turn. While contention is profiled
// (parking.Lot.Profile) a nap clears woken: the release is judged, for the holder to be charged,
// and finding one notified sets woken again.
const (
	IntervalParked  = 1 << 0 // somebody is queued
	IntervalWoken   = 1 << 1 // the queue's head was notified and will come
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

// held writes the flags of the queue into the word while the owner, the one on
// whose behalf this runs, cannot change.
func (l *IntervalLock) held(q *parking.Queue, owner uint64) {
	for s := l.word.load(); !l.word.cas(s, owner<<OwnerShift|l.flags(q)); {
		s = l.word.load()
	}
}

// Contend takes the lock for w, or queues it. It is also what a woken waiter
// calls: it learns whether the lock was handed to it, or tells that its own
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
		owner := s >> OwnerShift
		// Only one that was notified can have taken the word itself. Another finds its
		// own id there when it waits for a lock that it holds, for somebody to release.
		claimed := owner == w.ID && q.Notified() == w
		if owner == 0 {
			if !l.word.cas(s, s|w.ID<<OwnerShift) {
				continue
			}
			claimed = true
		}
		if claimed {
			if w.InQueue() {
				q.Remove(w)
			}
			l.held(q, w.ID)
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
// waiter that is not due naps instead; then nothing changes, but that while
// contention is profiled the next release is to be judged.
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
	if notified == w {
		q.Requeue(w)
	} else {
		q.Push(w, parking.Exclusive)
	}
	return Park, true
}

// Withdraw takes w, which gave up, out of the queue. It answers whether w had been
// served before: then it holds the lock. The state of w stays as it was, so that the
// caller can tell whether a wake-up is still owed to it: consume it, then call
// Forget, or Contend again to wait on in the old place.
func (l *IntervalLock) Withdraw(w *parking.Waiter, why Reason) (served bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	if w.State.Load() == parking.Granted {
		return true, nil
	}
	notified := q.Notified() == w
	q.Remove(w)
	if notified && l.Owner() == w.ID { // its own compare-and-swap took it
		l.held(q, w.ID)
		return true, nil
	}
	giveUp(q, why)
	return false, l.refresh(q)
}

// refresh writes the flags of the queue into the word, whoever holds the lock. When
// nobody does and nobody is on his way, it sends the longest waiter.
func (l *IntervalLock) refresh(q *parking.Queue) (chain *parking.Waiter) {
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
	handOver := head != nil && (yields || l.due(q))
	for {
		s := l.word.load()
		if s>>OwnerShift != owner {
			return false, nil
		}
		var next uint64
		if handOver {
			next = head.ID<<OwnerShift | l.flagsBehind(q)
		} else if head != nil {
			next = l.flagsWith(q, true)
		}
		if !l.word.cas(s, next) {
			continue
		}
		if handOver {
			q.Remove(head)
			return true, q.Grant(head, nil)
		}
		if head != nil && q.Notified() == nil {
			chain = q.Notify()
		}
		return true, chain
	}
}

// flagsBehind is what flags will be once the head has left the queue. Another than the
// head may have been notified: the head can have come back into an older place.
func (l *IntervalLock) flagsBehind(q *parking.Queue) uint64 {
	if q.Len(parking.Exclusive) == 1 {
		return 0
	}
	f := uint64(IntervalParked)
	if w := q.Notified(); w != nil && w != q.Head(parking.Exclusive) {
		f |= IntervalWoken
	}
	if l.interval == 0 {
		f |= IntervalHandoff
	}
	return f
}

func (l *IntervalLock) handOver(q *parking.Queue, head *parking.Waiter) *parking.Waiter {
	q.Remove(head)
	l.held(q, head.ID)
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
