package locks

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"ft_utils/golib/parking"
)

// limit bounds every wait of these tests: what takes longer hangs.
const limit = 30 * time.Second

// join waits for goroutines to end.
func join(t *testing.T, done *sync.WaitGroup) {
	t.Helper()
	ended := make(chan struct{})
	go func() { done.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(limit):
		buf := make([]byte, 1<<16)
		t.Fatalf("goroutines hang; waiters %+v\n%s", lot.Snapshot(), buf[:runtime.Stack(buf, true)])
	}
}

// await lets others run until the condition holds. It serves where the event is a
// goroutine going to sleep in the lot, which nothing announces.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s; waiters %+v", what, lot.Snapshot())
		}
	}
}

// together starts n goroutines at one moment and joins them.
func together(t *testing.T, n int, body func(i int, r *rand.Rand)) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		done.Go(func() {
			<-start
			body(i, rand.New(rand.NewPCG(seed, uint64(i))))
		})
	}
	close(start)
	join(t, &done)
}

// nobodyLeft fails when a waiter or a holder was forgotten.
func nobodyLeft(t *testing.T, w *word) {
	t.Helper()
	if s := w.load(); s != 0 {
		t.Errorf("the word is %#x in the end", s)
	}
	if left := lot.Snapshot(); len(left) != 0 {
		t.Errorf("waiters in the end: %+v", left)
	}
}

// watch checks a lock over and over while others use it, until stop is closed.
func watch(t *testing.T, stop <-chan struct{}, enter func() (*parking.Queue, func() error)) *sync.WaitGroup {
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			q, check := enter()
			err := check()
			q.Leave()
			if err != nil {
				t.Error(err)
				return
			}
			runtime.Gosched()
		}
	})
	return &done
}

// briefly is a context that ends within a short while, or has ended.
func briefly(r *rand.Rand) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Duration(r.IntN(200))*time.Microsecond)
}

// known is what a queue knows of its notified waiters, for checks that run while the lot
// is entered.
func known(q *parking.Queue) woken {
	n := woken{parking.Shared: q.NotifiedShared()}
	if q.Notified() != nil {
		n[parking.Exclusive] = 1
	}
	return n
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

// timely says whether the lock was taken; the only error may be the time's end.
func timely(t *testing.T, err error) bool {
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	return err == nil
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
