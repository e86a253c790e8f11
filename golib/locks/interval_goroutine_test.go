package locks

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

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

func TestStressInterval(t *testing.T) {
	for _, interval := range []time.Duration{0, 50 * time.Microsecond, DefaultInterval} {
		t.Run(interval.String(), func(t *testing.T) {
			useLot(t, parking.Now)
			l := NewIntervalLock(interval)
			const goroutines, rounds = 8, 1500
			counter, want := 0, make([]int, goroutines) // counter is guarded by the lock
			stop := make(chan struct{})
			watcher := watch(t, stop, func() (*parking.Queue, func() error) {
				q := lot.Enter(keyOf(&l.word))
				return q, func() error { return l.checkEntered(q, known(q)) }
			})
			together(t, goroutines, func(i int, r *rand.Rand) {
				for range rounds {
					if !stressLock(t, l, r) {
						continue
					}
					counter++
					want[i]++
					switch r.IntN(8) {
					case 0:
						l.Cede()
					case 1:
						l.Poll()
					case 2:
						runtime.Gosched()
					}
					counter++
					want[i]++
					l.Unlock()
				}
			})
			close(stop)
			join(t, watcher)
			sum := 0
			for _, n := range want {
				sum += n
			}
			if counter != sum {
				t.Errorf("counted %d, not %d", counter, sum)
			}
			nobodyLeft(t, &l.word)
		})
	}
}

func stressLock(t *testing.T, l *IntervalLock, r *rand.Rand) bool {
	switch r.IntN(4) {
	case 0:
		return l.TryLock()
	case 1:
		ctx, cancel := briefly(r)
		defer cancel()
		err := l.LockContext(ctx)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		return err == nil
	}
	l.Lock()
	return true
}

// TestStressCollisions has many locks in one bucket.
func TestStressCollisions(t *testing.T) {
	useLot(t, parking.Now)
	var locks [5]IntervalLock
	var counters, want [5]int
	together(t, 6, func(i int, r *rand.Rand) {
		for n := range 2000 {
			k := (n + i) % len(locks)
			locks[k].Lock()
			counters[k]++
			locks[k].Unlock()
		}
	})
	for k := range locks {
		want[k] = 6 * 2000 / len(locks)
		nobodyLeft(t, &locks[k].word)
	}
	if counters != want {
		t.Errorf("counted %v, not %v", counters, want)
	}
}
