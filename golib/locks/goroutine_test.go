package locks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"ft_utils/golib/parking"
)

// TestStrictOrder lets goroutines queue one after the other and sees them served so.
func TestStrictOrder(t *testing.T) {
	useLot(t, parking.Now)
	l := NewIntervalLock(0)
	const n = 16
	var served []int // guarded by the lock
	var done sync.WaitGroup
	l.Lock()
	for i := range n {
		done.Go(func() {
			l.Lock()
			served = append(served, i)
			l.Unlock()
		})
		await(t, "a waiter", func() bool { return l.Waiters() == i+1 })
	}
	l.Unlock()
	join(t, &done)
	if len(served) != n || !slices.IsSorted(served) {
		t.Errorf("served in the order %v", served)
	}
	nobodyLeft(t, &l.word)
}

// TestCedeOrder passes a lock round in order of arrival.
func TestCedeOrder(t *testing.T) {
	useLot(t, parking.Now)
	l := NewIntervalLock(DefaultInterval)
	const n, rounds = 4, 50
	var served []int // guarded by the lock
	var done sync.WaitGroup
	l.Lock()
	for i := range n {
		done.Go(func() {
			l.Lock()
			for range rounds {
				served = append(served, i)
				l.Cede()
			}
			l.Unlock()
		})
		await(t, "a waiter", func() bool { return l.Waiters() == i+1 })
	}
	l.Cede() // comes back when each has had its first turn
	if len(served) != n || !slices.IsSorted(served) {
		t.Errorf("the first turns: %v", served)
	}
	l.Unlock()
	join(t, &done)
	nobodyLeft(t, &l.word)
	for i := 0; i+n < len(served)-n; i++ {
		if served[i] != served[i+n] {
			t.Fatalf("turn %d of %v breaks the round", i, served)
		}
	}
}

// TestContextEnds checks that a wait which is given up leaves no trace, and that
// those it kept out go on.
func TestContextEnds(t *testing.T) {
	useLot(t, parking.Now)
	why := errors.New("enough")
	var l ReaderWriterLock
	var done sync.WaitGroup
	ctx, cancel := context.WithCancelCause(context.Background())
	l.RLock()
	done.Go(func() {
		if err := l.LockContext(ctx); err != why {
			t.Errorf("the writer got %v", err)
		}
	})
	await(t, "the writer", func() bool { return l.WritersWaiting() == 1 })
	if l.TryRLock() {
		t.Error("a reader went ahead of a waiting writer")
	}
	done.Go(func() {
		l.RLock()
		l.RUnlock()
	})
	await(t, "the reader", func() bool { return len(lot.Snapshot()) == 2 })
	cancel(why)
	join(t, &done)
	l.RUnlock()
	nobodyLeft(t, &l.word)

	i := NewIntervalLock(0)
	i.Lock()
	if err := i.LockContext(ctx); err != why {
		t.Errorf("an ended context gave %v", err)
	}
	i.Unlock()
	nobodyLeft(t, &i.word)
}

// TestMisuse checks that a wrong release panics with a sentence and changes nothing.
func TestMisuse(t *testing.T) {
	var i IntervalLock
	var rw ReaderWriterLock
	for name, f := range map[string]func(){
		"IntervalLock.Unlock": i.Unlock, "IntervalLock.Cede": i.Cede, "RUnlock": rw.RUnlock,
		"ReaderWriterLock.Unlock": rw.Unlock, "DowngradeLock": rw.DowngradeLock,
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if s := fmt.Sprint(recover()); len(s) < 20 {
					t.Errorf("panicked with %q", s)
				}
				if i.Locked() || rw.word.load() != 0 {
					t.Error("the lock changed")
				}
			}()
			f()
		})
	}
}
