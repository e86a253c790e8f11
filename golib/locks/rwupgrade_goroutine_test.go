package locks

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"ft_utils/golib/parking"
)

// TestStressUpgrade has what was read under the upgradable lock be true when it is upgraded.
func TestStressUpgrade(t *testing.T) {
	useLot(t, parking.Now)
	l := new(ReaderWriterLock)
	const goroutines, rounds = 8, 1500
	a, b := 0, 0 // guarded by the lock; equal when no writer is inside
	var writes, inside atomic.Int64
	stop := make(chan struct{})
	watcher := watch(t, stop, func() (*parking.Queue, func() error) {
		q := lot.Enter(keyOf(&l.word))
		return q, func() error { return l.checkEntered(q, known(q)) }
	})
	change := func() {
		a++
		b++
		writes.Add(1)
	}
	up := func(r *rand.Rand) {
		if inside.Add(1) != 1 {
			t.Error("two have the upgradable read lock")
		}
		seen := a
		if upgradedInTime(l, r) {
			if a != seen || b != seen {
				t.Errorf("%d was read, %d and %d are written over", seen, a, b)
			}
			change()
			switch r.IntN(3) {
			case 0:
				inside.Add(-1)
				l.Unlock()
				return
			case 1:
				inside.Add(-1)
				l.DowngradeLock()
				if a != seen+1 {
					t.Error("a writer came after the upgraded one")
				}
				l.RUnlock()
				return
			}
			l.DowngradeToUpgradable()
			seen++
		}
		if a != seen || b != seen {
			t.Error("a writer came beside the upgradable reader")
		}
		inside.Add(-1)
		if r.IntN(4) == 0 {
			l.DowngradeUpgradable()
			l.RUnlock()
		} else {
			l.UnlockUpgradable()
		}
	}
	together(t, goroutines, func(_ int, r *rand.Rand) {
		for range rounds {
			switch r.IntN(6) {
			case 0:
				l.Lock()
				change()
				l.Unlock()
			case 1, 2:
				l.LockUpgradable()
				up(r)
			case 3:
				if l.TryLockUpgradable() {
					up(r)
				}
			default:
				l.RLock()
				if a != b {
					t.Error("a reader sees half a write")
				}
				l.RUnlock()
			}
		}
	})
	close(stop)
	join(t, watcher)
	if int64(a) != writes.Load() {
		t.Errorf("%d writes, the count is %d", writes.Load(), a)
	}
	nobodyLeft(t, &l.word)
	nobodyLeft(t, &l.gate.word)
}

// upgradedInTime upgrades in one of the ways there are.
func upgradedInTime(l *ReaderWriterLock, r *rand.Rand) bool {
	switch r.IntN(4) {
	case 0:
		return l.TryUpgrade()
	case 1:
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(200))*time.Microsecond)
		defer cancel()
		return l.UpgradeContext(ctx) == nil
	}
	l.Upgrade()
	return true
}

func TestUpgradeGivesUp(t *testing.T) {
	useLot(t, parking.Now)
	l := new(ReaderWriterLock)
	l.RLock()
	l.LockUpgradable()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	result := make(chan error)
	go func() { result <- l.UpgradeContext(ctx) }()
	await(t, "the upgrade to wait", func() bool { return l.WritersWaiting() == 1 })
	if l.TryRLock() {
		t.Error("a reader came in while an upgrade waited")
	}
	cancel(gone)
	if err := <-result; !errors.Is(err, gone) {
		t.Error(err)
	}
	if err := l.UpgradeContext(ctx); !errors.Is(err, gone) {
		t.Error(err)
	}
	if l.Readers() != 2 || !l.UpgradableLocked() || !l.TryRLock() {
		t.Errorf("%d readers after an upgrade that was given up", l.Readers())
	}
	l.RUnlock()
	l.RUnlock()
	l.Upgrade()
	if !l.WriterLocked() || l.TryLockUpgradable() {
		t.Error("not upgraded")
	}
	l.Unlock()
	if err := l.LockUpgradableContext(ctx); !errors.Is(err, gone) || l.UpgradableLocked() {
		t.Error(err)
	}
	nobodyLeft(t, &l.word)
}

// TestUpgradableWaitsForAWriter gives the gate back when it comes too late for the read lock.
func TestUpgradableWaitsForAWriter(t *testing.T) {
	useLot(t, parking.Now)
	l := new(ReaderWriterLock)
	l.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- l.LockUpgradableContext(ctx) }()
	await(t, "it to wait", func() bool { return lot.Waiting(keyOf(&l.word), parking.Shared) == 1 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || l.UpgradableLocked() {
		t.Error(err)
	}
	l.Unlock()
	nobodyLeft(t, &l.word)
}
