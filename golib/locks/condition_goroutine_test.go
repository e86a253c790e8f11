package locks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"ft_utils/golib/parking"
)

// lockers are the locks that a condition is tested with.
var lockers = map[string]func() sync.Locker{
	"interval":   func() sync.Locker { return NewIntervalLock(50 * time.Microsecond) },
	"strict":     func() sync.Locker { return NewIntervalLock(0) },
	"write":      func() sync.Locker { return new(ReaderWriterLock) },
	"sync.Mutex": func() sync.Locker { return new(sync.Mutex) },
}

// eachLocker runs a test with every lock, and with conditions and locks in one bucket or
// in many.
func eachLocker(t *testing.T, test func(t *testing.T, l sync.Locker)) {
	for name, make := range lockers {
		for _, buckets := range []int{1, 256} {
			t.Run(fmt.Sprint(name, " ", buckets), func(t *testing.T) {
				useLot(t, parking.Now)
				lot = parking.NewLot(buckets, parking.Now) // useLot puts the old one back
				test(t, make())
				nobodyQueued(t)
			})
		}
	}
}

// TestStressCondition passes numbers through a queue that holds one. Consumers that give up
// come again, so a notification that is lost hangs it.
func TestStressCondition(t *testing.T) {
	eachLocker(t, func(t *testing.T, l sync.Locker) {
		filled, emptied := NewCondition(l), NewCondition(l)
		const producers, consumers, each = 3, 3, 300
		item, sum := 0, 0 // guarded by the lock
		together(t, producers+consumers, func(i int, r *rand.Rand) {
			mine, other := filled, emptied
			if i < producers {
				mine, other = other, mine
			}
			for k := range each {
				l.Lock()
				for (item != 0) == (i < producers) {
					stressWait(t, mine, r)
				}
				if i < producers {
					item = k + 1
				} else {
					sum, item = sum+item, 0
				}
				if r.IntN(8) == 0 {
					other.NotifyAll()
				} else {
					other.Notify(1)
				}
				l.Unlock()
			}
		})
		if want := producers * each * (each + 1) / 2; sum != want || item != 0 {
			t.Errorf("consumed %d, not %d", sum, want)
		}
		nobodyLeft(t, &filled.condition.word)
		nobodyLeft(t, &emptied.condition.word)
	})
}

func stressWait(t *testing.T, c *GoCondition, r *rand.Rand) {
	if r.IntN(8) != 0 {
		c.Wait()
		return
	}
	ctx, cancel := briefly(r)
	defer cancel()
	timely(t, c.WaitContext(ctx))
}

// TestConditionOrder lets goroutines wait one after the other and sees them go on so. With
// an IntervalLock nobody wakes before the lock is released.
func TestConditionOrder(t *testing.T) {
	useLot(t, parking.Now)
	l := NewIntervalLock(DefaultInterval)
	cond := NewCondition(l)
	const n = 12
	var served []int // guarded by the lock
	c := newCrew(t)
	for i := range n {
		c.start(func(_ context.Context, id int) (int, error) {
			cond.Lock()
			defer cond.Unlock()
			cond.Wait()
			served = append(served, id)
			return 0, nil
		})
		await(t, "a waiter", func() bool { return cond.Waiters() == i+1 })
	}
	l.Lock()
	moved := 0
	for _, k := range []int{0, 1, 4, n} {
		cond.Notify(k)
		moved = min(n, moved+k)
		if cond.Waiters() != n-moved || l.Waiters() != moved {
			t.Errorf("%d wait for a notification, %d for the lock", cond.Waiters(), l.Waiters())
		}
		if woken := notifiedOf(keyOf(&l.word)); woken[parking.Exclusive] != 0 {
			t.Error("a notification under the lock woke somebody")
		}
	}
	l.Unlock()
	for id := range n {
		c.ends(id, 0, nil)
	}
	if !slices.IsSorted(served) || len(served) != n {
		t.Errorf("served in the order %v", served)
	}
	nobodyLeft(t, &l.word)
	nobodyLeft(t, &cond.condition.word)
}

// TestConditionReadSide waits with a read lock, beside another reader.
func TestConditionReadSide(t *testing.T) {
	useLot(t, parking.Now)
	var l ReaderWriterLock
	cond := NewCondition(l.RLocker())
	ready := false // written under the write lock
	c := newCrew(t)
	id := c.start(func(ctx context.Context, _ int) (int, error) {
		cond.Lock()
		defer cond.Unlock()
		for !ready {
			if err := cond.WaitContext(ctx); err != nil {
				return 0, err
			}
		}
		return l.Readers(), nil
	})
	await(t, "the reader", func() bool { return cond.Waiters() == 1 })
	if l.Readers() != 0 {
		t.Errorf("%d read while they wait", l.Readers())
	}
	l.Lock()
	ready = true
	cond.NotifyAll()
	l.Unlock()
	c.ends(id, 1, nil)
	nobodyLeft(t, &l.word)
}

// TestConditionHoldsTheLock has waits end in every way and checks that each goroutine then
// has the lock: the race detector watches the counter.
func TestConditionHoldsTheLock(t *testing.T) {
	eachLocker(t, func(t *testing.T, l sync.Locker) {
		cond := NewCondition(l)
		const waiters, rounds = 4, 200
		counter, left := 0, waiters // guarded by the lock
		together(t, waiters+1, func(i int, r *rand.Rand) {
			if i == waiters {
				for more := true; more; {
					l.Lock()
					counter++
					cond.Notify(r.IntN(3))
					more = left > 0
					l.Unlock()
				}
				return
			}
			for range rounds {
				l.Lock()
				counter++
				stressWait(t, cond, r)
				counter++
				l.Unlock()
			}
			l.Lock()
			left--
			l.Unlock()
		})
		if counter < 2*waiters*rounds {
			t.Errorf("counted %d", counter)
		}
	})
}

// faulty is a lock whose next Unlock does something before it fails.
type faulty struct {
	sync.Mutex
	fails func()
}

func (l *faulty) Unlock() {
	if f := l.fails; f != nil {
		l.fails = nil
		f()
		panic("no unlock")
	}
	l.Mutex.Unlock()
}

// TestConditionUnlockPanics leaves nobody in the queue when the lock cannot be released,
// and passes on a notification that came in between.
func TestConditionUnlockPanics(t *testing.T) {
	useLot(t, parking.Now)
	l := new(faulty)
	cond := NewCondition(l)
	wait := func() (r any) {
		defer func() { r = recover() }()
		cond.Wait()
		return nil
	}
	l.Lock()
	l.fails = func() {}
	if r := wait(); r != any("no unlock") || cond.Waiters() != 0 {
		t.Errorf("%v, %d waiters", r, cond.Waiters())
	}
	c := newCrew(t)
	l.fails = func() {
		l.Mutex.Unlock()
		c.start(func(ctx context.Context, _ int) (int, error) {
			l.Mutex.Lock()
			defer l.Mutex.Unlock()
			return 0, cond.WaitContext(ctx)
		})
		await(t, "another waiter", func() bool { return cond.Waiters() == 2 })
		l.Mutex.Lock()
		cond.Notify(1) // for the one whose Unlock fails
	}
	if r := wait(); r != any("no unlock") || cond.Waiters() != 0 {
		t.Errorf("%v, %d waiters", r, cond.Waiters())
	}
	l.Unlock()
	c.ends(0, 0, nil)
}

// TestConditionMisuse waits without the lock: nothing changes.
func TestConditionMisuse(t *testing.T) {
	useLot(t, parking.Now)
	for name, l := range map[string]sync.Locker{"interval": new(IntervalLock), "write": new(ReaderWriterLock)} {
		t.Run(name, func(t *testing.T) {
			cond := NewCondition(l)
			for how, wait := range map[string]func(){
				"Wait":        cond.Wait,
				"WaitContext": func() { _ = cond.WaitContext(context.Background()) },
			} {
				if r := panicOf(wait); len(r) < 20 {
					t.Errorf("%s panicked with %q", how, r)
				}
			}
			if cond.Waiters() != 0 || len(lot.Snapshot()) != 0 {
				t.Errorf("waiters %+v", lot.Snapshot())
			}
			l.Lock() // it is free
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(errGone)
			if err := cond.WaitContext(ctx); !errors.Is(err, errGone) {
				t.Errorf("an ended context gave %v", err)
			}
			l.Unlock() // it was held all the time
		})
	}
}
