package locks

import (
	"context"
	"errors"
	"sync"
	"testing"

	"ft_utils/golib/parking"
)

// A case of each way to wait with a context. All begin in a state in which wait waits; let
// ends one wait, or with all set every wait, and leaves the lock in that state again once
// the one who waited has gone on.
type waitCase struct {
	name    string
	all     bool
	wait    func(ctx context.Context) error
	let     func()
	waiting func() int
}

func waitCases(t *testing.T) []waitCase {
	interval, strict := NewIntervalLock(DefaultInterval), NewIntervalLock(0)
	var write ReaderWriterLock
	one, two := NewSemaphore(0), NewBoundedSemaphore(2)
	interval.Lock()
	strict.Lock()
	write.Lock()
	two.Acquire(2)
	cases := []waitCase{
		{"interval", false, interval.LockContext, interval.Unlock, interval.Waiters},
		{"strict", false, strict.LockContext, strict.Unlock, strict.Waiters},
		{"write", false, write.LockContext, write.Unlock, write.WritersWaiting},
		{"one permit", false, func(ctx context.Context) error { return one.AcquireContext(ctx, 1) },
			func() { _ = one.Release(1) }, one.Waiters},
		{"two permits", false, func(ctx context.Context) error { return two.AcquireContext(ctx, 2) },
			func() { _ = two.Release(2) }, two.Waiters},
		readCase(t), eventCase(), barrierCase(),
	}
	for name, make := range lockers {
		cases = append(cases, conditionCase(name, make()))
	}
	return cases
}

// readCase has readers wait for a writer, who comes back when they have read.
func readCase(t *testing.T) waitCase {
	l := new(ReaderWriterLock)
	l.Lock()
	waiting := func() int { return lot.Waiting(keyOf(&l.word), parking.Shared) }
	return waitCase{"read", true, func(ctx context.Context) error {
		err := l.RLockContext(ctx)
		if err == nil {
			l.RUnlock()
		}
		return err
	}, func() {
		l.DowngradeLock()
		await(t, "the readers", func() bool { return waiting() == 0 })
		l.RUnlock()
		l.Lock()
	}, waiting}
}

func eventCase() waitCase {
	e := NewEvent()
	return waitCase{"event", true, e.WaitContext, func() {
		e.Set()
		e.Clear()
	}, e.Waiters}
}

// barrierCase has parties wait for one more. One that gives up breaks the barrier, so it
// is mended at the next let.
func barrierCase() waitCase {
	b := NewBarrier(3, nil)
	return waitCase{"barrier", true, func(ctx context.Context) error {
		_, err := b.WaitContext(ctx)
		return err
	}, func() {
		if b.Waiters() == b.Parties()-1 {
			_, _ = b.Wait()
		}
		b.Reset()
	}, b.Waiters}
}

func conditionCase(name string, l sync.Locker) waitCase {
	c := NewCondition(l)
	return waitCase{"condition, " + name, false, func(ctx context.Context) error {
		c.Lock()
		defer c.Unlock()
		return c.WaitContext(ctx)
	}, func() { c.Notify(1) }, c.Waiters}
}

// TestContextEnds checks that a wait which is given up returns the cause and leaves no
// trace, and that the next one is served.
func TestContextEnds(t *testing.T) {
	useLot(t, parking.Now)
	for _, k := range waitCases(t) {
		t.Run(k.name, func(t *testing.T) {
			c := newCrew(t)
			wait := func(ctx context.Context, _ int) (int, error) { return 0, k.wait(ctx) }
			for range 3 {
				id := c.start(wait)
				await(t, "a waiter", func() bool { return k.waiting() == 1 })
				c.cancel(id)
				c.ends(id, 0, errGone)
				if left := lot.Snapshot(); len(left) != 0 || k.waiting() != 0 {
					t.Fatalf("waiters %+v", left)
				}
				if k.name == "barrier" {
					k.let() // mends it
					continue
				}
				id = c.start(wait)
				await(t, "a waiter", func() bool { return k.waiting() == 1 })
				k.let()
				c.ends(id, 0, nil)
			}
		})
	}
}

// TestContextEnded checks that a context that has ended before gives its cause, although
// nobody would have to wait, and that nothing is taken.
func TestContextEnded(t *testing.T) {
	useLot(t, parking.Now)
	i, rw, m, e := NewIntervalLock(0), new(ReaderWriterLock), NewSemaphore(2), NewEvent()
	e.Set()
	lonely := NewBarrier(1, func() error {
		t.Error("the action ran")
		return nil
	})
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errGone)
	for name, wait := range map[string]func(context.Context) error{
		"interval":  i.LockContext,
		"read":      rw.RLockContext,
		"write":     rw.LockContext,
		"semaphore": func(ctx context.Context) error { return m.AcquireContext(ctx, 1) },
		"event":     e.WaitContext,
		"barrier": func(ctx context.Context) error {
			_, err := lonely.WaitContext(ctx)
			return err
		},
	} {
		if err := wait(ctx); !errors.Is(err, errGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if i.Locked() || rw.word.load() != 0 || m.Permits() != 2 || !e.IsSet() || !lonely.Broken() || lonely.Waiters() != 0 {
		t.Error("something was taken")
	}
	nobodyLeft(t, &i.word)
}

// TestContextRaces cancels the first of two waits while one is let go: exactly one of the
// two goes on, whichever it is. Where all are let go, both do, but for the cancelled one.
func TestContextRaces(t *testing.T) {
	useLot(t, parking.Now)
	const rounds = 300
	for _, k := range waitCases(t) {
		t.Run(k.name, func(t *testing.T) {
			c := newCrew(t)
			wait := func(ctx context.Context, _ int) (int, error) { return 0, k.wait(ctx) }
			served := 0
			for range rounds {
				first := c.start(wait)
				await(t, "a waiter", func() bool { return k.waiting() == 1 })
				second := c.start(wait)
				await(t, "two waiters", func() bool { return k.waiting() == 2 })
				raceTo(t, func() { c.cancel(first) }, k.let)
				got := c.result(first)
				if got.err == nil {
					served++
				} else if got.err != errGone && got.err != ErrBroken {
					t.Fatalf("the first wait ended with %v", got.err)
				}
				if got.err == nil && !k.all {
					if k.waiting() != 1 {
						t.Fatalf("the first has been let go, and %d wait", k.waiting())
					}
					k.let()
				}
				secondEnds(c, k, second, got.err)
				if left := lot.Snapshot(); len(left) != 0 {
					t.Fatalf("waiters in the end: %+v", left)
				}
			}
			t.Logf("%d of %d went before they were cancelled", served, rounds)
		})
	}
}

// secondEnds checks how the second wait of a race ended, the first having ended with err.
func secondEnds(c *crew, k waitCase, second int, err error) {
	c.t.Helper()
	if k.name != "barrier" {
		c.ends(second, 0, nil)
		return
	}
	want := error(nil) // all pass or none
	if err != nil {
		want = ErrBroken
	}
	c.ends(second, 0, want)
	k.let() // mends it
}

// raceTo does two things at once.
func raceTo(t *testing.T, a, b func()) {
	t.Helper()
	var done sync.WaitGroup
	done.Go(a)
	done.Go(b)
	join(t, &done)
}
