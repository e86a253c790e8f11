package locks

import "ft_utils/golib/parking"

// The word of a Semaphore:
//
//	63             8 7     1    0
//	┌───────────────┬───────┬──────┐
//	│ permits       │   0   │parked│
//	└───────────────┴───────┴──────┘
//
//	permits parked
//	   n      0     n permits, nobody waits
//	   0      1     no permits, somebody waits
//	  n>0     1     never: permits go to those who wait first
//
// Parked changes under the bucket's lock only. Without it, a compare-and-swap may take a
// permit from, or add permits to, a word without parked.
//
// Permits are handed over in order of arrival: a semaphore guards a pool rather than a few
// instructions, so a convoy costs little, and nobody starves.
const SemaphoreParked = 1 << 0 // somebody is queued

// SemaphoreMost is the largest number of permits.
const SemaphoreMost = 1<<(64-OwnerShift) - 1

const onePermit = 1 << OwnerShift

// Semaphore counts permits.
//
// The n-th release happens before the acquisition that it allows. A try that fails
// promises nothing. The zero value has no permits. It must not be copied after first use.
type Semaphore struct {
	word word
}

// Contend takes a permit for w, or queues it.
func (m *Semaphore) Contend(w *parking.Waiter) Verdict {
	q := lot.Enter(keyOf(&m.word))
	defer q.Leave()
	if w.State.Load() == parking.Granted {
		w.Forget()
		return Acquired
	}
	if w.New() {
		q.Count().Contended++
	}
	for {
		s := m.word.load()
		if s >= onePermit {
			if m.word.cas(s, s-onePermit) {
				w.Forget()
				return Acquired
			}
		} else if m.word.cas(s, SemaphoreParked) {
			q.Push(w, parking.Exclusive)
			return Park
		}
	}
}

// Withdraw takes w, which gave up, out of the queue; see IntervalLock.Withdraw.
func (m *Semaphore) Withdraw(w *parking.Waiter, why Reason) Verdict {
	q := lot.Enter(keyOf(&m.word))
	defer q.Leave()
	if w.State.Load() == parking.Granted {
		return Acquired
	}
	giveUp(q, why)
	q.Remove(w)
	if q.Len(parking.Exclusive) == 0 {
		// A word with parked is changed by nobody else.
		m.word.cas(SemaphoreParked, 0)
	}
	return Withdrawn
}

// Release adds n permits, unless there would be more than most, and hands them to those
// who wait longest. It answers Acquired when it did, Retry when there would be too many.
func (m *Semaphore) Release(n, most uint64) (v Verdict, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&m.word))
	defer q.Leave()
	for {
		s := m.word.load()
		waiting := uint64(q.Len(parking.Exclusive))
		handed := min(n, waiting)
		permits := s>>OwnerShift + n - handed
		if s>>OwnerShift > most || n > most-s>>OwnerShift {
			return Retry, nil
		}
		next := permits << OwnerShift
		if waiting > handed {
			next |= SemaphoreParked
		}
		if m.word.cas(s, next) {
			return Acquired, m.hand(q, handed)
		}
	}
}

// hand grants permits to the n longest waiters and chains them in that order.
func (m *Semaphore) hand(q *parking.Queue, n uint64) *parking.Waiter {
	var first *parking.Waiter
	last := &first
	for range n {
		w := q.Head(parking.Exclusive)
		q.Remove(w)
		*last, last = q.Grant(w, nil), &w.WakeNext
	}
	return first
}
