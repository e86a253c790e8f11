package locks

import "ft_utils/golib/parking"

// The word of a ResizableSemaphore:
//
//	63             8 7       1    0
//	┌───────────────┬─────────┬──────┐
//	│ permits taken │ resizes │parked│
//	└───────────────┴─────────┴──────┘
//
//	taken parked
//	  n      0     n permits are taken, nobody waits
//	  n      1     somebody waits, the longest for more than the limit leaves
//
// Resizes counts the changes of the limit, which is a word of its own, modulo 128. Whoever
// takes permits reads the word, then the limit, and then swaps the word: if the limit has
// changed in between, so has the word. So when a resize has returned, nobody takes what
// only the old limit allowed. The limit is stored before it is counted, by one at a time.
//
// Parked changes under the bucket's lock only. Without it, a compare-and-swap may take
// permits from a word without parked, give some back to one, and count a resize of one.
//
// The word counts what is taken rather than what is left, since less than nothing may be
// left: a resize takes no permits away from those who have them.
//
// Permits are handed over in order of arrival: one that wants many holds up those behind
// it. One that wants more than the limit would hold them up for ever, so it is refused,
// when it comes or when a resize makes it so. A limit of 0 is a pause: all wait.
const (
	ResizableParked = 1 << 0 // somebody is queued
	ResizableResize = 1 << 1 // one resize; the count goes up to the owner's part

	ResizableResizes = flagsMask &^ ResizableParked // the count
)

// Permission is how the wait for permits of a ResizableSemaphore has ended: the Outcome of
// its waiter.
type Permission uint32

// The permissions.
const (
	Permitted Permission = iota // it has them
	Excessive                   // it wanted more than the limit, and has none
)

// ResizableSemaphore counts permits up to a limit that can be changed. It is the policy;
// goroutines use a [GoResizableSemaphore].
//
// The n-th release happens before the acquisition that it allows. A try that fails
// promises nothing. The zero value has a limit of 0. It must not be copied after first use.
type ResizableSemaphore struct {
	word  word
	limit word
}

// excessive says whether n permits can never be had.
func excessive(n, limit uint64) bool { return limit != 0 && n > limit }

// room says whether n permits can be had now.
func room(n, taken, limit uint64) bool { return taken <= limit && n <= limit-taken }

// resized is the word after one resize more.
func resized(s uint64) uint64 {
	return s&^ResizableResizes | (s+ResizableResize)&ResizableResizes
}

// Contend takes as many permits as w's Number says, or refuses, or queues w. Acquired ends
// the wait; the Outcome of w says which.
func (m *ResizableSemaphore) Contend(w *parking.Waiter) Verdict {
	q := lot.Enter(keyOf(&m.word))
	defer q.Leave()
	if w.State.Load() == parking.Granted {
		w.Forget()
		return Acquired
	}
	if w.New() {
		q.Count().Contended++
	}
	// One that comes back after a signal handler may find its permits there: while it was
	// away nobody handed them to it.
	head := q.Head(parking.Exclusive)
	first := head == nil || !w.New() && w.Ticket < head.Ticket
	for {
		s := m.word.load()
		limit := m.limit.load()
		switch {
		case excessive(w.Number, limit):
			return finish(w, Excessive)
		case first && room(w.Number, s>>OwnerShift, limit):
			if m.word.cas(s, s+w.Number*onePermit) {
				return finish(w, Permitted)
			}
		case m.word.cas(s, s|ResizableParked):
			q.Push(w, parking.Exclusive)
			return Park
		}
	}
}

// finish ends the wait of w, which is in no queue.
func finish(w *parking.Waiter, how Permission) Verdict {
	w.Outcome = uint32(how)
	w.Forget()
	return Acquired
}

// Withdraw takes w, which gave up, out of the queue, and returns those behind it that need
// not wait any more; see IntervalLock.Withdraw. One whose wait had ended before has an
// Outcome.
func (m *ResizableSemaphore) Withdraw(w *parking.Waiter, why Reason) (over bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&m.word))
	defer q.Leave()
	if withdraw(q, w, why) {
		return true, nil
	}
	return false, m.hand(q)
}

// Release gives n permits back and hands them to those who wait longest. It answers false,
// and changes nothing, when fewer are taken.
func (m *ResizableSemaphore) Release(n uint64) (released bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&m.word))
	defer q.Leave()
	for {
		s := m.word.load()
		if n > s>>OwnerShift {
			return false, nil
		}
		if m.word.cas(s, s-n*onePermit) {
			if s&ResizableParked == 0 {
				return true, nil
			}
			return true, m.hand(q)
		}
	}
}

// Resize changes the limit, and ends the waits that have permits now, or never will.
func (m *ResizableSemaphore) Resize(limit uint64) (chain *parking.Waiter) {
	q := lot.Enter(keyOf(&m.word))
	defer q.Leave()
	m.limit.store(limit)
	for s := m.word.load(); !m.word.cas(s, resized(s)); {
		s = m.word.load()
	}
	last := &chain
	for w := q.Head(parking.Exclusive); w != nil; {
		next := w.Next()
		if excessive(w.Number, limit) {
			last = m.end(q, w, Excessive, last)
			q.Count().Handoffs-- // it is handed nothing
		}
		w = next
	}
	*last = m.hand(q)
	return chain
}

// hand deals the permits that are left to the longest waiters as far as they go, and
// chains these in order of arrival. If the word is parked nobody else changes it.
func (m *ResizableSemaphore) hand(q *parking.Queue) (chain *parking.Waiter) {
	s := m.word.load()
	if s&ResizableParked == 0 {
		return nil
	}
	taken, limit := s>>OwnerShift, m.limit.load()
	n := 0
	for w := q.Head(parking.Exclusive); w != nil && room(w.Number, taken, limit); w = w.Next() {
		taken += w.Number
		n++
	}
	// The word first: one that is granted may go on at once.
	s = taken*onePermit | s&ResizableResizes
	if n < q.Len(parking.Exclusive) {
		s |= ResizableParked
	}
	m.word.store(s)
	for last := &chain; n > 0; n-- {
		last = m.end(q, q.Head(parking.Exclusive), Permitted, last)
	}
	return chain
}

// end ends the wait of w, which sleeps in the queue, and puts it at the end of a chain.
func (m *ResizableSemaphore) end(q *parking.Queue, w *parking.Waiter, how Permission, last **parking.Waiter) **parking.Waiter {
	q.Remove(w)
	w.Outcome = uint32(how)
	*last = q.Grant(w, nil)
	return &w.WakeNext
}
