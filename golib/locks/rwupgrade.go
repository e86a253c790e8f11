package locks

import "ft_utils/golib/parking"

// Upgradable reading of a ReaderWriterLock (the upgrade ownership of boost's upgrade_mutex and
// folly's SharedMutex): a reader that may become the writer with no other writer in between. Two
// readers that both wanted that would wait for each other, so there is one of them at a time.
//
//	upgradable reader   has the gate, and is counted as one reader
//	upgraded writer     has the gate, and is the writer; the word says so (RWUpgraded)
//
// The gate is a lock of its own, taken before the read lock and given back after it. So nothing
// changes for other readers and writers, and those who wait for the gate keep nobody out.
//
// One that upgrades and is the only reader becomes the writer by a compare-and-swap. Else it
// gives its count back and queues as the very first of the writers, in one step. From then on
// writers are parked, which keeps new readers out, and handoff is set, so that the last of the
// other readers hands over to it, before all others, owed readers too. While it waits at least
// one other reader is counted, so no writer can get in; if it gives up it is counted again.
//
//	upper   writer  upgraded  flags
//	  n       0        0      writers parked + handoff (+ readers parked (+ owed)): one that
//	                          upgrades may wait, as the first; n others read
//	  id      1        1      as with any writer
//
// Who has the gate is known to C by the gate's word, to goroutines by what they have called.

// upgradedWord is the word of a writer that was an upgradable reader.
func upgradedWord(id uint64) uint64 { return writerWord(id) | RWUpgraded }

// wordOf is the word of a queued writer once it has the lock.
func wordOf(w *parking.Waiter) uint64 {
	if w.First() {
		return upgradedWord(w.ID)
	}
	return writerWord(w.ID)
}

// alone says whether the one reader that is counted is the only reader there is.
func alone(s uint64) bool { return s&^RWQueueFlags == oneReader }

// ContendGate takes the gate for w, or queues it; see IntervalLock.Contend.
func (l *ReaderWriterLock) ContendGate(w *parking.Waiter) Verdict { return l.gate.Contend(w) }

// WithdrawGate takes w, which gave up, out of the gate's queue; see IntervalLock.Withdraw.
func (l *ReaderWriterLock) WithdrawGate(w *parking.Waiter, why Reason) (served bool, chain *parking.Waiter) {
	return l.gate.Withdraw(w, why)
}

// ContendUpgrade turns w, the upgradable reader, into the writer, or queues it; until the lock is
// handed to it the other readers go on. It answers Retry while readers are biased.
func (l *ReaderWriterLock) ContendUpgrade(w *parking.Waiter) Verdict {
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
		switch {
		case s&(RWBias|RWRevoking) != 0:
			return Retry
		case alone(s):
			if l.word.cas(s, s&RWQueueFlags|upgradedWord(w.ID)) {
				l.overtaken(q)
				l.settle(q, upgradedWord(w.ID))
				w.Forget()
				return Acquired
			}
		case l.word.cas(s, (s-oneReader)&^RWWoken|RWWritersParked|RWHandoff):
			q.PushFirst(w)
			q.Due = true // until w leaves the queue
			return Park
		}
	}
}

// WithdrawUpgrade takes w, which gave up, out of the queue: it is the upgradable reader again. See
// IntervalLock.Withdraw.
func (l *ReaderWriterLock) WithdrawUpgrade(w *parking.Waiter, why Reason) (served bool, chain *parking.Waiter) {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	if withdraw(q, w, why) {
		return true, nil
	}
	for s := l.word.load(); !l.word.cas(s, s+oneReader); { // others read, or w would be the writer
		s = l.word.load()
	}
	return false, l.send(q)
}
