package locks

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"

	"ft_utils/golib/parking"
)

func TestStressReaderWriter(t *testing.T) {
	useLot(t, parking.Now)
	l := new(ReaderWriterLock)
	const goroutines, rounds = 8, 2500
	a, b := 0, 0 // guarded by the lock; equal when no writer is inside
	writes := make([]int, goroutines)
	stop := make(chan struct{})
	watcher := watch(t, stop, func() (*parking.Queue, func() error) {
		q := lot.Enter(keyOf(&l.word))
		return q, func() error { return l.checkEntered(q, known(q)) }
	})
	read := func() {
		if a != b {
			t.Error("a reader sees half a write")
		}
	}
	together(t, goroutines, func(i int, r *rand.Rand) {
		for range rounds {
			if r.IntN(3) != 0 {
				if stressRLock(t, l, r) {
					read()
					l.RUnlock()
				}
				continue
			}
			if !stressWLock(t, l, r) {
				continue
			}
			a++
			if r.IntN(4) == 0 {
				runtime.Gosched()
			}
			b++
			writes[i]++
			if r.IntN(4) == 0 {
				l.DowngradeLock()
				read()
				l.RUnlock()
			} else {
				l.Unlock()
			}
		}
	})
	close(stop)
	join(t, watcher)
	sum := 0
	for _, n := range writes {
		sum += n
	}
	if a != sum || b != sum {
		t.Errorf("counted %d and %d, not %d", a, b, sum)
	}
	nobodyLeft(t, &l.word)
}

func stressRLock(t *testing.T, l *ReaderWriterLock, r *rand.Rand) bool {
	switch r.IntN(4) {
	case 0:
		return l.TryRLock()
	case 1:
		ctx, cancel := briefly(r)
		defer cancel()
		return timely(t, l.RLockContext(ctx))
	}
	l.RLock()
	return true
}

func stressWLock(t *testing.T, l *ReaderWriterLock, r *rand.Rand) bool {
	switch r.IntN(4) {
	case 0:
		return l.TryLock()
	case 1:
		ctx, cancel := briefly(r)
		defer cancel()
		return timely(t, l.LockContext(ctx))
	}
	l.Lock()
	return true
}

// TestWriterGivesUp checks that a writer that gives up lets in those it kept out.
func TestWriterGivesUp(t *testing.T) {
	useLot(t, parking.Now)
	var l ReaderWriterLock
	c := newCrew(t)
	l.RLock()
	writer := c.start(func(ctx context.Context, _ int) (int, error) { return 0, l.LockContext(ctx) })
	await(t, "the writer", func() bool { return l.WritersWaiting() == 1 })
	if l.TryRLock() {
		t.Error("a reader went ahead of a waiting writer")
	}
	reader := c.start(func(ctx context.Context, _ int) (int, error) { return 0, l.RLockContext(ctx) })
	await(t, "the reader", func() bool { return len(lot.Snapshot()) == 2 })
	c.cancel(writer)
	c.ends(writer, 0, errGone)
	c.ends(reader, 0, nil)
	if l.Readers() != 2 {
		t.Errorf("%d readers", l.Readers())
	}
	l.RUnlock()
	l.RUnlock()
	nobodyLeft(t, &l.word)
}
