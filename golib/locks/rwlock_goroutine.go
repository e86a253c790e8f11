package locks

import (
	"context"
	"sync"

	"ft_utils/golib/parking"
)

// ReaderWriterLock for goroutines; the policy is that of rwlock.go.

type readSide struct{ l *ReaderWriterLock }
type writeSide struct{ l *ReaderWriterLock }

func (p readSide) contend(w *parking.Waiter) Verdict {
	v, chain := p.l.ContendRead(w)
	parking.Wake(chain)
	return v
}
func (p readSide) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return p.l.Withdraw(w, why)
}

func (p writeSide) contend(w *parking.Waiter) Verdict { return p.l.ContendWrite(w) }
func (p writeSide) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return p.l.Withdraw(w, why)
}

// TryRLock takes a read lock when no writer has the lock or waits for it, and says
// whether it did. A failed try promises nothing.
func (l *ReaderWriterLock) TryRLock() bool {
	for {
		s := l.word.load()
		if !open(s) {
			return false
		}
		if l.word.cas(s, s+oneReader) {
			return true
		}
	}
}

// RLock takes a read lock. A goroutine that reads must not call it again: a writer that
// comes in between would wait for the first read lock, and the second for the writer (as
// with sync.RWMutex).
func (l *ReaderWriterLock) RLock() {
	if !l.TryRLock() {
		l.rlockSlow(nil)
	}
}

// RLockContext takes a read lock, or returns the cause of ctx's end.
func (l *ReaderWriterLock) RLockContext(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return err
	}
	if l.TryRLock() {
		return nil
	}
	return l.rlockSlow(ctx)
}

func (l *ReaderWriterLock) rlockSlow(ctx context.Context) error {
	w := newSleeper()
	return sleep(ctx, readSide{l}, w, readSide{l}.contend(w))
}

// RUnlock gives a read lock up. It panics when nobody reads.
func (l *ReaderWriterLock) RUnlock() {
	for {
		s := l.word.load()
		n := s >> OwnerShift
		if n == 0 || s&RWWriter != 0 {
			panic("locks: RUnlock of a ReaderWriterLock that nobody reads")
		}
		if n == 1 && !plain(s) {
			parking.Wake(l.ReleaseRead())
			return
		}
		if l.word.cas(s, s-oneReader) {
			return
		}
	}
}

// TryLock takes the write lock when it is free and says whether it did. A failed
// try promises nothing.
func (l *ReaderWriterLock) TryLock() bool {
	for {
		s := l.word.load()
		if !vacant(s) {
			return false
		}
		if l.word.cas(s, s|writerWord(anonymous)) {
			return true
		}
	}
}

// Lock takes the write lock.
func (l *ReaderWriterLock) Lock() {
	if !l.word.cas(0, anonymous<<OwnerShift|RWWriter) {
		l.lockSlow(nil)
	}
}

// LockContext takes the write lock, or returns the cause of ctx's end. A writer that
// gives up lets in the readers that it kept out.
func (l *ReaderWriterLock) LockContext(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return err
	}
	if l.TryLock() {
		return nil
	}
	return l.lockSlow(ctx)
}

func (l *ReaderWriterLock) lockSlow(ctx context.Context) error {
	w := newSleeper()
	return sleep(ctx, writeSide{l}, w, l.ContendWrite(w))
}

// Unlock gives the write lock up. It panics when nobody writes.
func (l *ReaderWriterLock) Unlock() {
	if !l.word.cas(anonymous<<OwnerShift|RWWriter, 0) {
		l.unlockSlow()
	}
}

func (l *ReaderWriterLock) unlockSlow() {
	for {
		s := l.word.load()
		if s&RWWriter == 0 {
			panic("locks: Unlock of a ReaderWriterLock that nobody writes")
		}
		if !plain(s) {
			parking.Wake(l.ReleaseWrite())
			return
		}
		if l.word.cas(s, s&RWQueueFlags) {
			return
		}
	}
}

// DowngradeLock turns the write lock into a read lock with no writer in between. It
// panics when nobody writes.
func (l *ReaderWriterLock) DowngradeLock() {
	if l.word.load()&RWWriter == 0 {
		panic("locks: DowngradeLock of a ReaderWriterLock that nobody writes")
	}
	parking.Wake(l.Downgrade())
}

// RLocker is the read side of the lock as a sync.Locker: a [GoCondition] can wait with it.
func (l *ReaderWriterLock) RLocker() sync.Locker { return readSide{l} }

// Lock is RLock, for RLocker.
func (p readSide) Lock() { p.l.RLock() }

// Unlock is RUnlock, for RLocker.
func (p readSide) Unlock() { p.l.RUnlock() }

// Readers is the number of read locks, 0 while a writer has the lock; it may be
// outdated at once.
func (l *ReaderWriterLock) Readers() int {
	s := l.word.load()
	if s&RWWriter != 0 {
		return 0
	}
	return int(s >> OwnerShift)
}

// WriterLocked says whether a writer has the lock; it may be outdated at once.
func (l *ReaderWriterLock) WriterLocked() bool { return l.word.load()&RWWriter != 0 }
