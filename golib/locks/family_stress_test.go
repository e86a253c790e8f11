package locks

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"ft_utils/golib/parking"
)

// A small driver: the family's operations for goroutines, asleep on channels.

type semaphoreSide struct{ m *Semaphore }
type eventSide struct{ e *Event }

func (p semaphoreSide) contend(w *parking.Waiter) Verdict { return p.m.Contend(w) }
func (p semaphoreSide) withdraw(w *parking.Waiter, why Reason) (Verdict, *parking.Waiter) {
	return p.m.Withdraw(w, why), nil
}

func (p eventSide) contend(w *parking.Waiter) Verdict { return p.e.Await(w) }
func (p eventSide) withdraw(w *parking.Waiter, why Reason) (Verdict, *parking.Waiter) {
	return p.e.Withdraw(w, why), nil
}

func (m *Semaphore) take(ctx context.Context) error {
	if m.try() {
		return nil
	}
	w := newSleeper()
	return sleep(ctx, semaphoreSide{m}, w, m.Contend(w))
}

func (e *Event) await(ctx context.Context) error {
	w := newSleeper()
	return sleep(ctx, eventSide{e}, w, e.Await(w))
}

// wait waits for a notification or the end of ctx, and takes l again. It says whether it
// was notified.
func (c *Condition) wait(ctx context.Context, l *IntervalLock, w *parking.Waiter) bool {
	c.Enlist(w)
	parking.Wake(l.yield(w.ID))
	var done <-chan struct{}
	if ctx != nil {
		done = ctx.Done()
	}
	v := Park
	select {
	case <-w.Ready():
		if w.Key.Load() != keyOf(&c.word) {
			v = l.Contend(w)
			break
		}
		w.Forget()
		return l.retake(w)
	case <-done:
		if c.Withdraw(w, TimedOut) == Withdrawn {
			w.Forget()
			l.retake(w)
			return false
		}
		if w.Key.Load() == keyOf(&c.word) {
			<-w.Ready()
			w.Forget()
			return l.retake(w)
		}
	}
	for v == Park {
		<-w.Ready()
		v = l.Contend(w)
	}
	return true
}

// retake takes a lock for a waiter that keeps its id.
func (l *IntervalLock) retake(w *parking.Waiter) bool {
	for v := l.Contend(w); v == Park; v = l.Contend(w) {
		<-w.Ready()
	}
	return true
}

func (l *IntervalLock) leave() {
	if !l.inlineUnlock() {
		parking.Wake(l.Release())
	}
}

func TestStressSemaphore(t *testing.T) {
	useLot(t, parking.Now)
	m := new(Semaphore)
	const permits, goroutines, rounds = 3, 8, 1500
	m.give(permits, SemaphoreMost)
	var inside atomic.Int32
	stop := make(chan struct{})
	watcher := watch(t, stop, func() (*parking.Queue, func() error) {
		q := lot.Enter(keyOf(&m.word))
		return q, func() error { return m.checkEntered(q, woken{}) }
	})
	together(t, goroutines, func(_ int, r *rand.Rand) {
		for range rounds {
			switch r.IntN(4) {
			case 0:
				if !m.try() {
					continue
				}
			case 1:
				ctx, cancel := briefly(r)
				err := m.take(ctx)
				cancel()
				if !timely(t, err) {
					continue
				}
			default:
				_ = m.take(nil)
			}
			if n := inside.Add(1); n > permits {
				t.Errorf("%d are inside", n)
			}
			if r.IntN(4) == 0 {
				runtime.Gosched()
			}
			inside.Add(-1)
			given, chain := m.give(1, permits)
			if !given {
				t.Error("a permit was refused")
			}
			parking.Wake(chain)
		}
	})
	close(stop)
	join(t, watcher)
	if s := m.word.load(); s != permits*onePermit {
		t.Errorf("the word is %#x in the end", s)
	}
	if left := lot.Snapshot(); len(left) != 0 {
		t.Errorf("waiters in the end: %+v", left)
	}
}

// TestStressEvent has each round's event set once, and what was written before seen.
func TestStressEvent(t *testing.T) {
	useLot(t, parking.Now)
	const goroutines, rounds = 6, 400
	var events [rounds]Event
	var written [rounds]int
	together(t, goroutines, func(i int, r *rand.Rand) {
		for k := range events {
			e := &events[k]
			if k%goroutines == i {
				written[k] = k
				parking.Wake(e.set())
				continue
			}
			if r.IntN(4) == 0 {
				ctx, cancel := briefly(r)
				err := e.await(ctx)
				cancel()
				if !timely(t, err) {
					continue
				}
			} else {
				_ = e.await(nil)
			}
			if written[k] != k {
				t.Errorf("event %d shows %d", k, written[k])
			}
		}
	})
	for k := range events {
		if s := events[k].word.load(); s != EventSet {
			t.Errorf("event %d is %#x in the end", k, s)
		}
	}
	if left := lot.Snapshot(); len(left) != 0 {
		t.Errorf("waiters in the end: %+v", left)
	}
}

// TestStressCondition passes numbers through a queue of one place. A lost notification
// hangs it.
func TestStressCondition(t *testing.T) {
	for _, n := range []int{1, 256} { // buckets
		before := lot
		lot = parking.NewLot(n, parking.Now)
		t.Cleanup(func() { lot = before })
		l := NewIntervalLock(50 * time.Microsecond)
		var filled, emptied Condition
		const producers, consumers, each = 3, 3, 800
		place, sum := 0, 0 // guarded by the lock
		together(t, producers+consumers, func(i int, r *rand.Rand) {
			w := parking.NewWaiter(ids.Add(1))
			for k := range each {
				l.retake(w)
				mine, other := &filled, &emptied
				if i < producers {
					mine, other = other, mine
				}
				for (place != 0) == (i < producers) {
					if r.IntN(8) != 0 {
						mine.wait(nil, l, w)
						continue
					}
					ctx, cancel := briefly(r)
					mine.wait(ctx, l, w)
					cancel()
				}
				if i < producers {
					place = k + 1
				} else {
					sum, place = sum+place, 0
				}
				notified := uint64(1)
				if r.IntN(8) == 0 {
					notified = math.MaxUint64
				}
				if other.word.load() != 0 {
					parking.Wake(other.NotifyInto(l, notified))
				}
				l.leave()
			}
		})
		if want := producers * each * (each + 1) / 2; sum != want || place != 0 {
			t.Errorf("consumed %d, not %d", sum, want)
		}
		nobodyLeft(t, &l.word)
		nobodyLeft(t, &filled.word)
		nobodyLeft(t, &emptied.word)
	}
}

// TestConditionOrder lets goroutines wait one after the other and sees them go on so.
func TestConditionOrder(t *testing.T) {
	useLot(t, parking.Now)
	l := NewIntervalLock(DefaultInterval)
	var c Condition
	const n = 12
	var served []int // guarded by the lock
	entered := make(chan struct{})
	ended := make(chan int, n)
	for i := range n {
		go func() {
			w := parking.NewWaiter(ids.Add(1))
			l.retake(w)
			close(entered)
			c.wait(nil, l, w)
			served = append(served, i)
			l.leave()
			ended <- i
		}()
		<-entered
		await(t, "a waiter", func() bool { return lot.Waiting(keyOf(&c.word), parking.Exclusive) == i+1 })
		entered = make(chan struct{})
	}
	l.Lock()
	for _, k := range []uint64{1, 4, math.MaxUint64} {
		if chain := c.NotifyInto(l, k); chain != nil {
			t.Error("a notification under the lock woke somebody")
		}
	}
	l.Unlock()
	for range n {
		select {
		case <-ended:
		case <-time.After(limit):
			t.Fatalf("served %v; waiters %+v", served, lot.Snapshot())
		}
	}
	for i, k := range served {
		if i != k {
			t.Fatalf("served in the order %v", served)
		}
	}
	nobodyLeft(t, &l.word)
	nobodyLeft(t, &c.word)
}

// TestStressBarrier has all parties see what each did before the round.
func TestStressBarrier(t *testing.T) {
	useLot(t, parking.Now)
	const parties, rounds = 5, 800
	b := &Barrier{parties: parties}
	var phase [parties]int // each its owner's, between two barriers
	actions := 0           // the last party's
	together(t, parties, func(i int, r *rand.Rand) {
		w := parking.NewWaiter(ids.Add(1))
		for k := range rounds {
			phase[i] = k + 1
			if r.IntN(16) == 0 {
				runtime.Gosched()
			}
			b.meetAgain(w, &actions)
			for _, p := range phase {
				if p != k+1 {
					t.Errorf("party %d in phase %d meets one in phase %d", i, k+1, p)
				}
			}
			b.meetAgain(w, &actions) // nobody writes before all have read
		}
	})
	if actions != 2*rounds {
		t.Errorf("%d actions in %d rounds", actions, 2*rounds)
	}
	nobodyLeft(t, &b.word)
}

func (b *Barrier) meetAgain(w *parking.Waiter, actions *int) {
	for b.meet(w, actions) == Another {
	}
}

func (b *Barrier) meet(w *parking.Waiter, actions *int) Outcome {
	switch b.Arrive(w) {
	case Withdrawn:
		return Failed
	case Acquired:
		*actions++
		_, chain := b.Open(w.Number)
		parking.Wake(chain)
		return Passed
	}
	<-w.Ready()
	w.Forget()
	return Outcome(w.Outcome)
}
