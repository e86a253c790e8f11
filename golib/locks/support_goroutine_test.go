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
	nobodyQueued(t)
}

func nobodyQueued(t *testing.T) {
	t.Helper()
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

// timely says whether the lock was taken; the only error may be the time's end.
func timely(t *testing.T, err error) bool {
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	return err == nil
}
