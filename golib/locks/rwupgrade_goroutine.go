package locks

import (
	"context"

	"ft_utils/golib/parking"
)

// Upgradable reading for goroutines; the policy is that of rwupgrade.go.

type upgradeSide struct{ l *ReaderWriterLock }

func (p upgradeSide) contend(w *parking.Waiter) Verdict { return p.l.ContendUpgrade(w) }
func (p upgradeSide) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return p.l.WithdrawUpgrade(w, why)
}

// openGate gives back the gate when s, the word that its caller held, says that it had it.
func (l *ReaderWriterLock) openGate(s uint64) {
	if s&(RWWriter|RWUpgraded) == RWWriter|RWUpgraded {
		l.gate.Unlock()
	}
}

// LockUpgradable takes the upgradable read lock: the caller reads, with other readers, and may
// [ReaderWriterLock.Upgrade]. One goroutine has it at a time. A goroutine that reads must not
// call it: the one that has it may be waiting for that read lock.
func (l *ReaderWriterLock) LockUpgradable() {
	l.gate.Lock()
	l.RLock()
}

// LockUpgradableContext takes the upgradable read lock, or returns the cause of ctx's end.
func (l *ReaderWriterLock) LockUpgradableContext(ctx context.Context) error {
	if err := l.gate.LockContext(ctx); err != nil {
		return err
	}
	err := l.RLockContext(ctx)
	if err != nil {
		l.gate.Unlock()
	}
	return err
}

// TryLockUpgradable takes the upgradable read lock when nobody has it and no writer has the lock or
// waits for it, and says whether it did. A failed try promises nothing.
func (l *ReaderWriterLock) TryLockUpgradable() bool {
	if !l.gate.TryLock() {
		return false
	}
	if !l.TryRLock() {
		l.gate.Unlock()
		return false
	}
	return true
}

// UnlockUpgradable gives the upgradable read lock up. It panics when nobody has it; after an
// upgrade it is [ReaderWriterLock.Unlock] that gives the lock up.
func (l *ReaderWriterLock) UnlockUpgradable() {
	l.mustBeUpgradable("UnlockUpgradable")
	l.RUnlock()
	l.gate.Unlock()
}

// DowngradeUpgradable turns the upgradable read lock into a read lock. It panics when nobody has it.
func (l *ReaderWriterLock) DowngradeUpgradable() {
	l.mustBeUpgradable("DowngradeUpgradable")
	l.gate.Unlock()
}

func (l *ReaderWriterLock) mustBeUpgradable(what string) {
	if s := l.word.load(); l.gate.Owner() == 0 || s&RWWriter != 0 {
		panic("locks: " + what + " of a ReaderWriterLock that nobody reads upgradably")
	}
}

// TryUpgrade turns the upgradable read lock into the write lock when no other goroutine reads, and
// says whether it did. A failed try promises nothing.
func (l *ReaderWriterLock) TryUpgrade() bool {
	l.mustBeUpgradable("TryUpgrade")
	for {
		s := l.word.load()
		if !alone(s) {
			return false
		}
		if l.word.cas(s, s&RWQueueFlags|upgradedWord(anonymous)) {
			return true
		}
	}
}

// Upgrade turns the upgradable read lock into the write lock, with no other writer in between: what
// was read still holds. It waits until the others that read have gone, and keeps new ones out
// meanwhile. It panics when nobody has the upgradable read lock. [ReaderWriterLock.Unlock] gives
// the write lock up, [ReaderWriterLock.DowngradeToUpgradable] turns it back.
func (l *ReaderWriterLock) Upgrade() {
	if !l.TryUpgrade() {
		l.upgradeSlow(nil)
	}
}

// UpgradeContext is Upgrade, or returns the cause of ctx's end: then the caller has the upgradable
// read lock as before.
func (l *ReaderWriterLock) UpgradeContext(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return err
	}
	if l.TryUpgrade() {
		return nil
	}
	return l.upgradeSlow(ctx)
}

func (l *ReaderWriterLock) upgradeSlow(ctx context.Context) error {
	w := newSleeper()
	return sleep(ctx, upgradeSide{l}, w, l.ContendUpgrade(w))
}

// DowngradeToUpgradable turns the write lock, which came of an upgrade, back into the upgradable
// read lock, with no writer in between. It panics when it did not come of one.
func (l *ReaderWriterLock) DowngradeToUpgradable() {
	if s := l.word.load(); s&RWWriter == 0 || s&RWUpgraded == 0 {
		panic("locks: DowngradeToUpgradable of a ReaderWriterLock that nobody has upgraded")
	}
	parking.Wake(l.Downgrade())
}

// UpgradableLocked says whether a goroutine has the upgradable read lock, has upgraded it or is
// about to have it; it may be outdated at once.
func (l *ReaderWriterLock) UpgradableLocked() bool { return l.gate.Owner() != 0 }
