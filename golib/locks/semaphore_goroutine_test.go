package locks

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"ft_utils/golib/parking"
)

// TestStressSemaphore has goroutines want one to three permits of four.
func TestStressSemaphore(t *testing.T) {
	useLot(t, parking.Now)
	const permits, goroutines, rounds = 4, 8, 1500
	m := NewBoundedSemaphore(permits)
	var inside atomic.Int32
	stop := make(chan struct{})
	watcher := watch(t, stop, func() (*parking.Queue, func() error) {
		q := lot.Enter(keyOf(&m.semaphore.word))
		return q, func() error { return m.semaphore.checkEntered(q, woken{}) }
	})
	together(t, goroutines, func(_ int, r *rand.Rand) {
		for range rounds {
			n := 1 + r.IntN(3)
			if !stressPermits(t, m, n, r) {
				continue
			}
			if now := inside.Add(int32(n)); now > permits {
				t.Errorf("%d permits are in use", now)
			}
			if r.IntN(4) == 0 {
				runtime.Gosched()
			}
			inside.Add(-int32(n))
			if err := m.Release(n); err != nil {
				t.Error(err)
			}
		}
	})
	close(stop)
	join(t, watcher)
	if !m.TryAcquire(permits) {
		t.Errorf("%d permits are left", m.Permits())
	}
	nobodyLeft(t, &m.semaphore.word)
}

func stressPermits(t *testing.T, m *GoSemaphore, n int, r *rand.Rand) bool {
	switch r.IntN(4) {
	case 0:
		return m.TryAcquire(n)
	case 1:
		ctx, cancel := briefly(r)
		defer cancel()
		return timely(t, m.AcquireContext(ctx, n))
	}
	m.Acquire(n)
	return true
}

// TestSemaphoreGuards has the race detector watch what a semaphore of one permit guards.
func TestSemaphoreGuards(t *testing.T) {
	useLot(t, parking.Now)
	m := NewSemaphore(1)
	const goroutines, rounds = 6, 1500
	counter, want := 0, make([]int, goroutines)
	together(t, goroutines, func(i int, r *rand.Rand) {
		for range rounds {
			if !stressPermits(t, m, 1, r) {
				continue
			}
			counter++
			want[i]++
			if err := m.Release(1); err != nil {
				t.Error(err)
			}
		}
	})
	for _, n := range want {
		counter -= n
	}
	if counter != 0 || m.Permits() != 1 {
		t.Errorf("counted wrong by %d, %d permits in the end", counter, m.Permits())
	}
}

// TestSemaphoreBounds asks for more, and gives more, than a semaphore can have.
func TestSemaphoreRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		m                   *GoSemaphore
		permits, more, have int
	}{
		"bounded":      {NewBoundedSemaphore(2), 2, 1, 3},
		"bounded by 0": {NewBoundedSemaphore(0), 0, 1, 1},
		"full":         {NewSemaphore(SemaphoreMost), SemaphoreMost, 1, SemaphoreMost + 1},
		"far too many": {NewSemaphore(7), 7, 1<<63 - 1, 1<<63 - 1},
		"zero value":   {new(GoSemaphore), 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.m.Release(c.more); !errors.Is(err, ErrTooManyPermits) {
				t.Errorf("a release too many gave %v", err)
			}
			if err := c.m.AcquireContext(context.Background(), c.have); !errors.Is(err, ErrTooManyPermits) {
				t.Errorf("%d permits: %v", c.have, err)
			}
			if c.m.TryAcquire(c.have) || c.m.Permits() != c.permits {
				t.Errorf("%d permits of %d in the end", c.m.Permits(), c.permits)
			}
			if err := c.m.Release(0); err != nil || !c.m.TryAcquire(0) {
				t.Errorf("no permit at all: %v", err)
			}
		})
	}
}

// TestSemaphoreBoundWhileWaiting refuses a release although somebody waits for permits.
func TestSemaphoreRefusesWhileWaiting(t *testing.T) {
	useLot(t, parking.Now)
	m := NewBoundedSemaphore(3)
	m.Acquire(2)
	c := newCrew(t)
	id := c.start(func(ctx context.Context, _ int) (int, error) { return 0, m.AcquireContext(ctx, 2) })
	await(t, "the waiter", func() bool { return m.Waiters() == 1 })
	if err := m.Release(3); !errors.Is(err, ErrTooManyPermits) || m.Permits() != 1 || m.Waiters() != 1 {
		t.Errorf("a release too many gave %v, %d permits, %d waiters", err, m.Permits(), m.Waiters())
	}
	if err := m.Release(2); err != nil {
		t.Error(err)
	}
	c.ends(id, 0, nil)
	if m.Permits() != 1 {
		t.Errorf("%d permits", m.Permits())
	}
}
