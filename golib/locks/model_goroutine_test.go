package locks

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"ft_utils/golib/parking"
)

// The models of the goroutines' operations: random traces of one operation at a time, with
// real goroutines asleep, against what the documents promise, on plain slices. After each
// operation the model says which waits have ended, and how; the others go on waiting.

// modelSteps is the length of a trace.
const modelSteps = 1500

// trace takes random steps and compares after each.
func trace(t *testing.T, step func(c *crew, r *rand.Rand), same func() bool) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	c := newCrew(t)
	for i := range modelSteps {
		step(c, r)
		await(t, "what the model says", same)
		if t.Failed() {
			t.Fatalf("after %d steps", i+1)
		}
	}
	c.disband()
	nobodyQueued(t)
}

// wanting is a wait in a model's queue.
type wanting struct{ id, n int }

// drop takes a random wait out of a queue and cancels it.
func drop(c *crew, r *rand.Rand, queue []wanting) []wanting {
	if len(queue) == 0 {
		return queue
	}
	i := r.IntN(len(queue))
	c.cancel(queue[i].id)
	c.ends(queue[i].id, 0, errGone)
	return slices.Delete(queue, i, i+1)
}

type semaphoreReference struct {
	permits, most int
	queue         []wanting
}

func (m *semaphoreReference) free(n int) bool { return len(m.queue) == 0 && m.permits >= n }

func (m *semaphoreReference) deal(c *crew) {
	for len(m.queue) > 0 && m.permits >= m.queue[0].n {
		m.permits -= m.queue[0].n
		c.ends(m.queue[0].id, 0, nil)
		m.queue = m.queue[1:]
	}
}

func (m *semaphoreReference) acquire(c *crew, s *GoSemaphore, n int) {
	id := c.start(func(ctx context.Context, _ int) (int, error) { return 0, s.AcquireContext(ctx, n) })
	switch {
	case n > m.most:
		c.ends(id, 0, ErrTooManyPermits)
	case m.free(n):
		m.permits -= n
		c.ends(id, 0, nil)
	default:
		m.queue = append(m.queue, wanting{id, n})
	}
}

func (m *semaphoreReference) release(c *crew, s *GoSemaphore, n int) {
	err := s.Release(n)
	if refused := m.permits+n > m.most; refused != errors.Is(err, ErrTooManyPermits) || !refused && err != nil {
		c.t.Errorf("a release of %d to %d gave %v", n, m.permits, err)
	} else if !refused {
		m.permits += n
		m.deal(c)
	}
}

func TestModelSemaphore(t *testing.T) {
	useLot(t, parking.Now)
	const most = 5
	s, m := NewBoundedSemaphore(most), &semaphoreReference{permits: most, most: most}
	trace(t, func(c *crew, r *rand.Rand) {
		switch n := r.IntN(4); r.IntN(5) {
		case 0:
			if got, want := s.TryAcquire(n), m.free(n); got != want {
				t.Errorf("a try for %d: %v", n, got)
			} else if got {
				m.permits -= n
			}
		case 1, 2:
			m.acquire(c, s, n+n/3*r.IntN(4)) // up to one too many
		case 3:
			m.release(c, s, n)
		case 4:
			m.queue = drop(c, r, m.queue)
			m.deal(c)
		}
	}, func() bool { return s.Permits() == m.permits && s.Waiters() == len(m.queue) })
}

func TestModelEvent(t *testing.T) {
	useLot(t, parking.Now)
	e := NewEvent()
	set, queue := false, []wanting(nil)
	trace(t, func(c *crew, r *rand.Rand) {
		switch r.IntN(6) {
		case 0:
			e.Clear()
			set = false
		case 1:
			e.Set()
			set = true
			for _, w := range queue {
				c.ends(w.id, 0, nil)
			}
			queue = nil
		case 2:
			queue = drop(c, r, queue)
		default:
			id := c.start(func(ctx context.Context, _ int) (int, error) { return 0, e.WaitContext(ctx) })
			if set {
				c.ends(id, 0, nil)
			} else {
				queue = append(queue, wanting{id: id})
			}
		}
	}, func() bool { return e.IsSet() == set && e.Waiters() == len(queue) })
}

// notifyBoth notifies, holding the lock or not, and compares who goes on.
func notifyBoth(c *crew, r *rand.Rand, cond *GoCondition, n int, queue []wanting) []wanting {
	locked := r.IntN(2) == 0
	if locked {
		cond.Lock()
	}
	if n > 3 {
		cond.NotifyAll()
		n = len(queue)
	} else {
		cond.Notify(n)
		n = min(n, len(queue))
	}
	if locked {
		cond.Unlock()
	}
	for _, w := range queue[:n] {
		c.ends(w.id, 0, nil)
	}
	return queue[n:]
}

func TestModelCondition(t *testing.T) {
	eachLocker(t, func(t *testing.T, l sync.Locker) {
		cond := NewCondition(l)
		var served, want []int // served is guarded by the lock
		var queue []wanting
		trace(t, func(c *crew, r *rand.Rand) {
			switch r.IntN(6) {
			case 0:
				before := queue
				queue = notifyBoth(c, r, cond, r.IntN(5), queue)
				for _, w := range before[:len(before)-len(queue)] {
					want = append(want, w.id)
				}
			case 1, 2:
				queue = drop(c, r, queue)
			default:
				queue = append(queue, wanting{id: c.start(func(ctx context.Context, id int) (int, error) {
					cond.Lock()
					defer cond.Unlock()
					err := cond.WaitContext(ctx)
					if err == nil {
						served = append(served, id)
					}
					return 0, err
				})})
			}
		}, func() bool { return cond.Waiters() == len(queue) })
		cond.Lock()
		if _, moved := l.(*IntervalLock); !moved { // those who are woken come in any order
			slices.Sort(served)
			slices.Sort(want)
		}
		if !slices.Equal(served, want) {
			t.Errorf("served %v, not %v", served, want)
		}
		cond.Unlock()
	})
}

type barrierReference struct {
	parties, actions int
	broken           bool
	queue            []wanting
}

// end ends the round with err for all who wait.
func (m *barrierReference) end(c *crew, broken bool, err error) {
	for i, w := range m.queue {
		if err == nil {
			c.ends(w.id, i, nil)
		} else {
			c.ends(w.id, 0, err)
		}
	}
	m.queue, m.broken = nil, broken
}

func (m *barrierReference) arrive(c *crew, b *GoBarrier, fails error) {
	id := c.start(func(ctx context.Context, _ int) (int, error) { return b.WaitContext(ctx) })
	switch {
	case m.broken:
		c.ends(id, 0, ErrBroken)
	case len(m.queue)+1 < m.parties:
		m.queue = append(m.queue, wanting{id: id})
	case fails != nil:
		c.ends(id, 0, fails)
		m.actions++
		m.end(c, true, ErrBroken)
	default:
		c.ends(id, m.parties-1, nil)
		m.actions++
		m.end(c, false, nil)
	}
}

func TestModelBarrier(t *testing.T) {
	useLot(t, parking.Now)
	const parties = 3
	why := errors.New("the action fails")
	var fails error // written while nobody arrives
	actions := 0    // the action's
	b := NewBarrier(parties, func() error {
		actions++
		return fails
	})
	m := &barrierReference{parties: parties}
	trace(t, func(c *crew, r *rand.Rand) {
		switch r.IntN(12) {
		case 0:
			b.Abort()
			m.end(c, true, ErrBroken)
		case 1, 2:
			b.Reset()
			m.end(c, false, ErrBroken)
		case 3:
			before := len(m.queue)
			if m.queue = drop(c, r, m.queue); len(m.queue) < before {
				m.end(c, true, ErrBroken)
			}
		default:
			fails = nil
			if r.IntN(8) == 0 {
				fails = why
			}
			m.arrive(c, b, fails)
		}
	}, func() bool { return b.Broken() == m.broken && b.Waiters() == len(m.queue) })
	if actions != m.actions {
		t.Errorf("%d actions, not %d", actions, m.actions)
	}
}
