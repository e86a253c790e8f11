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
//	   n      1     somebody waits, the longest for more than n permits
//
// Parked changes under the bucket's lock only. Without it, a compare-and-swap may take
// permits from, or add permits to, a word without parked.
//
// Permits are handed over in order of arrival: a semaphore guards a pool rather than a few
// instructions, so a convoy costs little, and nobody starves. A waiter that wants many
// holds up those behind it, which would starve it otherwise. Only waiters in C withdraw for
// a moment and come back into an old place, and each of them wants one permit: a parked
// word of theirs has none.
const SemaphoreParked = 1 << 0 // somebody is queued

// SemaphoreMost is the largest number of permits.
const SemaphoreMost = 1<<(64-OwnerShift) - 1

const onePermit = 1 << OwnerShift

// Semaphore counts permits. It is the policy; goroutines use a [GoSemaphore].
//
// The n-th release happens before the acquisition that it allows. A try that fails
// promises nothing. The zero value has no permits. It must not be copied after first use.
type Semaphore struct {
	word word
}

// Contend takes a permit for w, or queues it.
func (m *Semaphore) Contend(w *parking.Waiter) Verdict { return m.contendFor(w, 1) }

// contendFor takes n permits for w, or queues it.
func (m *Semaphore) contendFor(w *parking.Waiter, n uint64) Verdict {
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
		if s&SemaphoreParked == 0 && s>>OwnerShift >= n {
			if m.word.cas(s, s-n*onePermit) {
				w.Forget()
				return Acquired
			}
		} else if m.word.cas(s, s|SemaphoreParked) {
			w.Number = n
			q.Push(w, parking.Exclusive)
			return Park
		}
	}
}

// Withdraw takes w, which gave up, out of the queue; see IntervalLock.Withdraw. It is for
// waiters that want one permit: while they wait there is none to hand to those behind them.
func (m *Semaphore) Withdraw(w *parking.Waiter, why Reason) (served bool) {
	served, _ = m.withdraw(w, why)
	return served
}

// withdraw takes w, which gave up, out of the queue, and returns those behind it that need
// not wait any more.
func (m *Semaphore) withdraw(w *parking.Waiter, why Reason) (served bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&m.word))
	defer q.Leave()
	if withdraw(q, w, why) {
		return true, nil
	}
	return false, m.hand(q, m.word.load()>>OwnerShift)
}

// Release adds n permits and hands them to those who wait longest. It answers false, and
// changes nothing, when there would be more than most.
func (m *Semaphore) Release(n, most uint64) (released bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&m.word))
	defer q.Leave()
	for {
		s := m.word.load()
		permits := s >> OwnerShift
		if permits > most || n > most-permits {
			return false, nil
		}
		if s&SemaphoreParked != 0 {
			return true, m.hand(q, permits+n)
		}
		if m.word.cas(s, s+n*onePermit) {
			return true, nil
		}
	}
}

// hand deals the permits of a parked word, which nobody else changes, to the longest
// waiters as far as they go, and chains these in order of arrival.
func (m *Semaphore) hand(q *parking.Queue, permits uint64) *parking.Waiter {
	var first *parking.Waiter
	last := &first
	for w := q.Head(parking.Exclusive); w != nil && w.Number <= permits; w = q.Head(parking.Exclusive) {
		q.Remove(w)
		permits -= w.Number
		w.WakeNext = nil
		*last, last = w, &w.WakeNext
	}
	m.settle(q, permits)
	for w := first; w != nil; w = w.WakeNext {
		q.Grant(w, w.WakeNext)
	}
	return first
}

// settle writes into a parked word, which nobody else changes, what permits are left and
// whether somebody is queued still.
func (m *Semaphore) settle(q *parking.Queue, permits uint64) {
	s := permits * onePermit
	if q.Len(parking.Exclusive) > 0 {
		s |= SemaphoreParked
	}
	m.word.store(s)
}
