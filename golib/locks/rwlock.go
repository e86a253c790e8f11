package locks

import "ft_utils/golib/parking"

// The word of a ReaderWriterLock:
//
//	63                            8 7      6        5    4    3       2     1       0
//	┌──────────────────────────────┬──────┬────────┬────┬────┬───────┬─────┬───────┬───────┐
//	│ writer's id, or the number of│writer│revoking│bias│owed│handoff│woken│readers│writers│
//	│ readers that are counted here│      │        │    │    │       │     │parked │parked │
//	└──────────────────────────────┴──────┴────────┴────┴────┴───────┴─────┴───────┴───────┘
//
//	upper  writer bias revoking parked flags
//	  0      0     0      0       none     free
//	  n      0     0      0       *        n readers
//	  id     1     0      0       any      one writer
//	  n      0     1      0       none     biased: n readers here, more in the threads' records
//	  n      0     0      1       none     being revoked: the records are being counted into n
//	  0      0     0      0       writers+woken (+readers (+owed))   free; a notified writer
//	                                       is on its way, writers may barge, readers may not
//	  0      0     0      0       readers+woken (+owed)   free; notified readers are on their
//	                                       way, anybody may barge
//	 otherwise                             never
//
//	 * none; or writers parked; or readers parked and woken.
//	 Everywhere: handoff with writers parked, owed with readers. Woken stands for the
//	 writer that was notified while writers are parked, else for notified readers; never
//	 beside handoff.
//
// The five flags of the queue (bits 0 to 4) change under the bucket's lock only.
// Without it, a compare-and-swap may: add a reader while there is neither writer
// nor parked writer; put a writer into a word with nothing above the flags and neither
// bias nor revoking; take the writer out, or a reader that is the last, when there are no
// flags, or woken without handoff and owed; take out a reader that is not the last.
//
// Bias and revoking belong to C (BRAVO, Dice and Kogan, USENIX ATC 2019): set from a
// word with no writer and no flags, and cleared before anybody can park.
// Go keeps them and answers Retry to a writer that meets them.
//
// A waiting writer keeps new readers out, and writers go before readers that wait. As
// with IntervalLock, nobody is given the lock asleep at first: a release notifies the
// next writer, or all readers when no writer waits, and they compete with those that run.
// One that is given the lock asleep holds up all others for a context switch. They go to
// sleep in their turn, and soon every operation costs one: eight threads that write one
// time in ten are 200 times as fast without that (make bench ROWS=mix).
//
// Two bounds keep the competition fair. A writer that has been the longest for a turn
// (turn in locks.go) is handed the lock. Readers that have waited for minTurn are let in
// by the next release when no writer waits. A release that lets writers go ahead of
// readers that have waited for rwInterval makes them owed: the next release of a writer
// lets them in, together (after phase-fair locks, Brandenburg and Anderson, 2010). It
// makes no difference whether one of the queued writers got the lock in between, since
// they may all give up.
const (
	RWWritersParked = 1 << 0 // a writer is queued
	RWReadersParked = 1 << 1 // a reader is queued
	RWWoken         = 1 << 2 // those whose turn it is were notified and will come
	RWHandoff       = 1 << 3 // the longest waiting writer is to be served without competition
	RWOwed          = 1 << 4 // the queued readers go before the next writer
	RWBias          = 1 << 5 // readers may publish in their thread's record
	RWRevoking      = 1 << 6 // a writer counts the records into the word
	RWWriter        = 1 << 7 // the upper bits are a writer's id
)

// RWQueueFlags are the flags that stand for the queue.
const RWQueueFlags = RWWritersParked | RWReadersParked | RWWoken | RWHandoff | RWOwed

// RWPlain is the set of queue flags (bit f for the flags f) with which the last holder leaves without judgement: nobody
// is queued, or those who were notified are on their way and nobody is to be served before others.
const RWPlain = 1<<0 | 1<<RWWoken | 1<<(RWWoken|RWWritersParked) | 1<<(RWWoken|RWReadersParked) |
	1<<(RWWoken|RWWritersParked|RWReadersParked)

// rwInterval bounds how long those who run go before those who wait.
const rwInterval = int64(DefaultInterval)

// plain says whether the last holder may leave a word without judgement.
func plain(s uint64) bool { return RWPlain>>(s&RWQueueFlags)&1 != 0 }

// oneReader is what a reader adds to the word.
const oneReader = 1 << OwnerShift

// ReaderWriterLock is a lock for many readers or one writer. A waiting writer
// keeps new readers out.
//
// A write release happens before every later acquisition returns; a read release
// happens before every later write acquisition returns. A try that fails promises
// nothing. The zero value is ready. It must not be copied after first use.
type ReaderWriterLock struct {
	word word
}

// flags is what the word has to say of the queue.
func (l *ReaderWriterLock) flags(q *parking.Queue) uint64 {
	var f uint64
	if q.Len(parking.Exclusive) > 0 {
		f |= RWWritersParked
		if q.Notified() != nil {
			f |= RWWoken
		}
		if q.Due {
			f |= RWHandoff
		}
	}
	if q.Len(parking.Shared) > 0 {
		f |= RWReadersParked
		if q.Owed {
			f |= RWOwed
		}
		if q.Len(parking.Exclusive) == 0 && q.NotifiedShared() > 0 {
			f |= RWWoken
		}
	}
	return f
}

// settle writes the flags of the queue into the word, below the holder on whose behalf
// this runs, or 0: nobody else changes the word meanwhile.
func (l *ReaderWriterLock) settle(q *parking.Queue, holder uint64) {
	l.word.store(holder | l.flags(q))
}

// writerWord is the word of a writer, without the flags of the queue.
func writerWord(id uint64) uint64 { return id<<OwnerShift | RWWriter }

// open says whether a new reader may join: no writer, and none that waits.
func open(s uint64) bool { return s&(RWWriter|RWWritersParked) == 0 }

// vacant says whether a writer may take the word.
func vacant(s uint64) bool { return s&^RWQueueFlags == 0 }

// ContendRead takes a read lock for w, or queues it. A woken reader calls it again: it
// learns whether the lock was granted to it, or competes with those that run. When it
// reads, all others that are queued may come, and it returns those to wake.
func (l *ReaderWriterLock) ContendRead(w *parking.Waiter) (Verdict, *parking.Waiter) {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	if w.State.Load() == parking.Granted {
		w.Forget()
		return Acquired, nil
	}
	if w.New() {
		q.Count().Contended++
	}
	for {
		s := l.word.load()
		if open(s) {
			if !l.word.cas(s, s+oneReader) {
				continue
			}
			chain := l.joined(q, w)
			w.Forget()
			return Acquired, chain
		}
		if l.parkReader(q, w, s) {
			return Park, nil
		}
	}
}

// joined is called when w reads: all other queued readers may. No writer is queued, and
// none could be since.
func (l *ReaderWriterLock) joined(q *parking.Queue, w *parking.Waiter) (chain *parking.Waiter) {
	if w.InQueue() {
		q.Remove(w)
		chain = q.NotifyShared()
		l.refresh(q)
	}
	return chain
}

// parkReader queues w, provided that the word is still s, closed to it. The word and its
// flags change in one step, as in IntervalLock.park.
func (l *ReaderWriterLock) parkReader(q *parking.Queue, w *parking.Waiter, s uint64) bool {
	f := s | RWReadersParked
	if w.InQueue() && s&RWWritersParked == 0 && q.NotifiedShared() == 1 {
		f &^= RWWoken // it was the last that was notified
	}
	if !l.word.cas(s, f) {
		return false
	}
	q.Park(w, parking.Shared)
	return true
}

// ContendWrite takes the write lock for w, or queues it; a woken writer calls it
// again, as IntervalLock.Contend. It answers Retry while readers are biased.
func (l *ReaderWriterLock) ContendWrite(w *parking.Waiter) Verdict {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	if w.State.Load() == parking.Granted {
		w.Forget()
		return Acquired
	}
	if w.New() {
		q.Count().Contended++
	}
	for {
		s := l.word.load()
		mine := q.Notified() == w && s&^uint64(RWQueueFlags) == writerWord(w.ID)
		switch {
		case s&(RWBias|RWRevoking) != 0:
			return Retry
		case mine, vacant(s) && l.word.cas(s, s|writerWord(w.ID)):
			l.took(q, w)
			w.Forget()
			return Acquired
		case vacant(s):
			continue
		}
		if l.parkWriter(q, w, s) {
			return Park
		}
	}
}

// took is called when a compare-and-swap has taken the word for w.
func (l *ReaderWriterLock) took(q *parking.Queue, w *parking.Waiter) {
	if w.InQueue() {
		q.Remove(w)
		l.overtaken(q)
	}
	l.settle(q, writerWord(w.ID))
}

// writerDue says whether the longest waiting writer is to be served before those who run.
func writerDue(q *parking.Queue) bool {
	return q.Due || q.HeadWaited() >= turn(rwInterval, q.Len(parking.Exclusive))
}

// overtaken is called when writers go ahead of the queued readers, if there are any.
func (l *ReaderWriterLock) overtaken(q *parking.Queue) {
	if q.Len(parking.Shared) > 0 && q.SharedWaited() >= rwInterval {
		q.Owed = true
	}
}

// parkWriter queues w, provided that the word is still s, held by others. The word
// and its flags change in one step, as in IntervalLock.park.
func (l *ReaderWriterLock) parkWriter(q *parking.Queue, w *parking.Waiter, s uint64) bool {
	notified := q.Notified()
	if notified == w && writerDue(q) {
		q.Due = true
	}
	f := s | RWWritersParked
	if notified == w || notified == nil {
		f &^= RWWoken // it may have stood for readers
	}
	if q.Due {
		f |= RWHandoff
	}
	if !l.word.cas(s, f) {
		return false
	}
	q.Park(w, parking.Exclusive)
	return true
}

// Withdraw takes w, a reader or a writer that gave up, out of the queue, and lets in those
// whom it kept out; see IntervalLock.Withdraw.
func (l *ReaderWriterLock) Withdraw(w *parking.Waiter, why Reason) (served bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	if withdraw(q, w, why) {
		return true, nil
	}
	return false, l.send(q)
}

// refresh writes the flags of the queue into the word, whoever holds it.
func (l *ReaderWriterLock) refresh(q *parking.Queue) {
	for s := l.word.load(); !l.word.cas(s, s&^RWQueueFlags|l.flags(q)); {
		s = l.word.load()
	}
}

// send writes the flags of the queue into the word, whoever holds it, after somebody left
// the queue without the lock. It notifies the next writer when the word is free and no
// writer is on its way, and the queued readers when no writer is left to keep them out.
func (l *ReaderWriterLock) send(q *parking.Queue) (chain *parking.Waiter) {
	for {
		s := l.word.load()
		if chain == nil {
			switch {
			case q.Len(parking.Exclusive) > 0:
				if vacant(s) && q.Notified() == nil {
					chain = q.Notify()
				}
			case s&RWWriter == 0:
				chain = q.NotifyShared()
			}
		}
		if l.word.cas(s, s&^RWQueueFlags|l.flags(q)) {
			return chain
		}
	}
}

// pass gives up a word that its caller holds alone, so that nobody else changes it: to
// those whose turn it is if they have waited long enough, else to whoever comes first.
func (l *ReaderWriterLock) pass(q *parking.Queue) (chain *parking.Waiter) {
	writer := q.Head(parking.Exclusive)
	switch {
	case q.Owed, writer == nil && q.Len(parking.Shared) > 0 && q.SharedWaited() >= minTurn:
		return l.admit(q, 0)
	case writer == nil:
		chain = q.NotifyShared()
	case writerDue(q):
		return l.handOver(q, writer)
	default:
		if q.Notified() == nil {
			chain = q.Notify()
		}
		l.overtaken(q)
	}
	l.settle(q, 0)
	return chain
}

// ReleaseWrite gives the write lock up for its owner, where the word says that
// judgement is needed, and returns the waiters to wake.
func (l *ReaderWriterLock) ReleaseWrite() *parking.Waiter {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	return l.pass(q)
}

// admit lets all queued readers join the holders, counted already.
func (l *ReaderWriterLock) admit(q *parking.Queue, holders uint64) *parking.Waiter {
	n := holders + uint64(q.Len(parking.Shared))
	taken := q.TakeShared()
	l.settle(q, n*oneReader)
	return q.GrantTaken(taken)
}

// handOver makes the longest waiting writer the holder.
func (l *ReaderWriterLock) handOver(q *parking.Queue, writer *parking.Waiter) *parking.Waiter {
	q.Remove(writer)
	l.overtaken(q)
	l.settle(q, writerWord(writer.ID))
	return q.Grant(writer, nil)
}

// ReleaseRead gives up a read lock that is counted in the word, where the word says that
// judgement is needed.
func (l *ReaderWriterLock) ReleaseRead() *parking.Waiter {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	for {
		s := l.word.load()
		if s>>OwnerShift == 1 && s&RWWritersParked != 0 && !plain(s) {
			return l.pass(q) // nobody else changes the word: the parked writer keeps readers out
		}
		if l.word.cas(s, s-oneReader) {
			return nil
		}
	}
}

// Downgrade turns the write lock of its owner into a read lock, and lets in the
// queued readers that need not wait for a writer.
func (l *ReaderWriterLock) Downgrade() *parking.Waiter {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	if q.Owed {
		return l.admit(q, 1)
	}
	var chain *parking.Waiter
	if q.Len(parking.Exclusive) == 0 {
		chain = q.NotifyShared()
	}
	l.settle(q, oneReader)
	return chain
}

// WritersWaiting is the number of writers that wait.
func (l *ReaderWriterLock) WritersWaiting() int {
	return lot.Waiting(keyOf(&l.word), parking.Exclusive)
}
