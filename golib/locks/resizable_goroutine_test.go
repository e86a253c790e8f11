package locks

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"ft_utils/golib/parking"
)

// TestStressResizable has goroutines want one to three permits while the limit changes.
func TestStressResizable(t *testing.T) {
	useLot(t, parking.Now)
	const most, goroutines, rounds = 4, 8, 1500
	m := NewResizableSemaphore(most)
	var inside atomic.Int32
	stop := make(chan struct{})
	watcher := watch(t, stop, func() (*parking.Queue, func() error) {
		q := lot.Enter(keyOf(&m.semaphore.word))
		return q, func() error { return m.semaphore.checkEntered(q, woken{}) }
	})
	together(t, goroutines, func(i int, r *rand.Rand) {
		for range rounds {
			if i == 0 {
				m.Resize(1 + r.IntN(most))
				continue
			}
			n := 1 + r.IntN(3)
			if !stressResizable(t, m, n, r) {
				continue
			}
			if now := inside.Add(int32(n)); now > most {
				t.Errorf("%d permits are in use", now)
			}
			inside.Add(-int32(n))
			if err := m.Release(n); err != nil {
				t.Error(err)
			}
		}
		m.Resize(most)
	})
	close(stop)
	join(t, watcher)
	if m.Value() != most || !m.TryAcquire(most) {
		t.Errorf("%d permits are left of %d", m.Value(), m.Limit())
	}
	m.semaphore.word.store(0)
	nobodyLeft(t, &m.semaphore.word)
}

func stressResizable(t *testing.T, m *GoResizableSemaphore, n int, r *rand.Rand) bool {
	var err error
	switch r.IntN(4) {
	case 0:
		return m.TryAcquire(n)
	case 1:
		ctx, cancel := briefly(r)
		defer cancel()
		if err = m.AcquireContext(ctx, n); !errors.Is(err, ErrTooManyPermits) {
			return timely(t, err)
		}
	default:
		err = m.Acquire(n)
	}
	if err != nil && !errors.Is(err, ErrTooManyPermits) {
		t.Error(err)
	}
	return err == nil
}

// TestResizableRefuses asks for more than the limit, and gives back more than is taken.
func TestResizableRefuses(t *testing.T) {
	useLot(t, parking.Now)
	m := NewResizableSemaphore(3)
	for name, err := range map[string]error{
		"above the limit": m.Acquire(4),
		"with a context":  m.AcquireContext(t.Context(), 4),
		"not taken":       m.Release(1),
	} {
		if !errors.Is(err, ErrTooManyPermits) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m.TryAcquire(4) || m.Value() != 3 || m.Limit() != 3 {
		t.Errorf("%d of %d", m.Value(), m.Limit())
	}
	for name, f := range map[string]func(){
		"negative limit": func() { m.Resize(-1) },
		"large limit":    func() { NewResizableSemaphore(SemaphoreMost + 1) },
		"Acquire":        func() { _ = m.Acquire(-1) },
		"Release":        func() { _ = m.Release(-1) },
	} {
		if s := panicOf(f); len(s) < 20 {
			t.Errorf("%s panicked with %q", name, s)
		}
	}
}

// TestResizeWhileWaiting shrinks below what is taken and what is waited for, pauses, grows.
func TestResizeWhileWaiting(t *testing.T) {
	useLot(t, parking.Now)
	m := NewResizableSemaphore(4)
	if err := m.Acquire(3); err != nil {
		t.Fatal(err)
	}
	c := newCrew(t)
	acquire := func(n int) int {
		id := c.start(func(ctx context.Context, _ int) (int, error) { return n, m.AcquireContext(ctx, n) })
		await(t, "the waiter", func() bool { return m.Waiters() == id+1 })
		return id
	}
	large, small := acquire(4), acquire(1)
	m.Resize(0)
	if m.Value() != -3 || m.Waiters() != 2 {
		t.Errorf("paused: %d, %d wait", m.Value(), m.Waiters())
	}
	m.Resize(2)
	c.ends(large, 4, ErrTooManyPermits)
	if err := m.Release(1); err != nil || m.Value() != 0 || m.Waiters() != 1 {
		t.Errorf("%v, %d, %d wait", err, m.Value(), m.Waiters())
	}
	m.Resize(3)
	c.ends(small, 1, nil)
	if m.Value() != 0 {
		t.Errorf("%d left", m.Value())
	}
}

func TestModelResizable(t *testing.T) {
	useLot(t, parking.Now)
	s, m := NewResizableSemaphore(5), &resizableReference{limit: 5}
	trace(t, func(c *crew, r *rand.Rand) {
		switch n := r.IntN(4); r.IntN(6) {
		case 0:
			if got, want := s.TryAcquire(n), m.free(n); got != want {
				t.Errorf("a try for %d: %v", n, got)
			} else if got {
				m.taken += n
			}
		case 1, 2:
			m.acquire(c, s, n+n/3*r.IntN(4))
		case 3:
			err := s.Release(n)
			if refused := n > m.taken; refused != errors.Is(err, ErrTooManyPermits) || !refused && err != nil {
				t.Errorf("a release of %d of %d gave %v", n, m.taken, err)
			} else if !refused {
				m.taken -= n
			}
		case 4:
			m.queue = drop(c, r, m.queue)
		case 5:
			m.limit = r.IntN(7)
			s.Resize(m.limit)
			m.refuse(c)
		}
		m.deal(c)
	}, func() bool {
		return s.Value() == m.limit-m.taken && s.Limit() == m.limit && s.Waiters() == len(m.queue)
	})
}

// resizableReference is the model: a limit, what is taken of it, and a queue.
type resizableReference struct {
	limit, taken int
	queue        []wanting
}

func (m *resizableReference) free(n int) bool { return len(m.queue) == 0 && m.taken+n <= m.limit }

func (m *resizableReference) over(n int) bool { return m.limit > 0 && n > m.limit }

func (m *resizableReference) acquire(c *crew, s *GoResizableSemaphore, n int) {
	id := c.start(func(ctx context.Context, _ int) (int, error) { return 0, s.AcquireContext(ctx, n) })
	switch {
	case m.over(n):
		c.ends(id, 0, ErrTooManyPermits)
	case m.free(n):
		m.taken += n
		c.ends(id, 0, nil)
	default:
		m.queue = append(m.queue, wanting{id, n})
	}
}

func (m *resizableReference) refuse(c *crew) {
	var left []wanting
	for _, w := range m.queue {
		if m.over(w.n) {
			c.ends(w.id, 0, ErrTooManyPermits)
		} else {
			left = append(left, w)
		}
	}
	m.queue = left
}

func (m *resizableReference) deal(c *crew) {
	for len(m.queue) > 0 && m.taken+m.queue[0].n <= m.limit {
		m.taken += m.queue[0].n
		c.ends(m.queue[0].id, 0, nil)
		m.queue = m.queue[1:]
	}
}
