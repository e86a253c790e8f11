package parking

import (
	"slices"
	"sync"
	"testing"
)

// pairOf finds two keys of a lot of two buckets, in one bucket or in both.
func pairOf(l *Lot, together bool) (a, b uintptr) {
	for b = 2; (l.Bucket(1) == l.Bucket(b)) != together; b++ {
	}
	return 1, b
}

// TestMove moves waiters between the queues of two keys, wherever these are.
func TestMove(t *testing.T) {
	for _, together := range []bool{true, false} {
		now := int64(1)
		l := NewLot(2, func() int64 { return now })
		from, to := pairOf(l, together)
		var ws []*Waiter
		queueOf(l, from, func(q *Queue) {
			for id := range uint64(3) {
				ws = append(ws, NewWaiter(id+1))
				q.Push(ws[id], Exclusive)
			}
		})
		there := NewWaiter(9)
		queueOf(l, to, func(q *Queue) { q.Push(there, Exclusive) })
		now += 10
		q1, q2 := l.EnterBoth(from, to)
		q1.Due = true
		Move(ws[0], q1, q2)
		if q1.Due || q1.HeadWaited() != 0 || q2.HeadWaited() != 10 {
			t.Errorf("due %v, the heads waited %d and %d", q1.Due, q1.HeadWaited(), q2.HeadWaited())
		}
		Move(ws[2], q1, q2)
		if got := q2.Order(Exclusive); !slices.Equal(got, []uint64{9, 1, 3}) {
			t.Errorf("moved: %v", got)
		}
		if got := q1.Order(Exclusive); !slices.Equal(got, []uint64{2}) || q1.Len(Exclusive) != 1 {
			t.Errorf("left: %v", got)
		}
		LeaveBoth(q1, q2)
		for i, w := range ws {
			key := to
			if i == 1 {
				key = from
			}
			if w.Key.Load() != key || w.State.Load() != Queued || !w.InQueue() {
				t.Errorf("waiter %d: key %d, state %d", w.ID, w.Key.Load(), w.State.Load())
			}
		}
		queueOf(l, to, func(q *Queue) { // one that was moved keeps its new place
			q.Remove(ws[0])
			q.Push(ws[0], Exclusive)
			if got := q.Order(Exclusive); !slices.Equal(got, []uint64{9, 1, 3}) {
				t.Errorf("back: %v", got)
			}
		})
		q2, q1 = l.EnterBoth(to, from) // the last one goes: its queue is dropped
		Move(ws[1], q1, q2)
		LeaveBoth(q1, q2)
		if l.Waiting(from, Exclusive) != 0 || l.Waiting(to, Exclusive) != 4 {
			t.Errorf("%+v", l.Snapshot())
		}
	}
}

// TestEnterBothEmpty drops both queues, whichever was made first, and keeps their nodes.
func TestEnterBothEmpty(t *testing.T) {
	for _, together := range []bool{true, false} {
		l := NewLot(2, Now)
		a, b := pairOf(l, together)
		for range 3 {
			LeaveBoth(l.EnterBoth(a, b))
			LeaveBoth(l.EnterBoth(b, a))
		}
		spares := l.Spares(a)
		if !together {
			spares += l.Spares(b)
		}
		if spares != 2 || l.Snapshot() != nil {
			t.Errorf("together %v: %d spare nodes, %+v", together, spares, l.Snapshot())
		}
	}
}

// TestEnterBothOrder has goroutines enter the same two keys in both orders: a wrong order
// of locking would deadlock, and the race detector watches the counter.
func TestEnterBothOrder(t *testing.T) {
	for _, together := range []bool{true, false} {
		l := NewLot(2, Now)
		a, b := pairOf(l, together)
		counter := 0 // guarded by both buckets
		var done sync.WaitGroup
		for i := range 4 {
			done.Go(func() {
				for range 1000 {
					x, y := a, b
					if i%2 == 1 {
						x, y = b, a
					}
					q1, q2 := l.EnterBoth(x, y)
					counter++
					LeaveBoth(q1, q2)
				}
			})
		}
		done.Wait()
		if counter != 4000 {
			t.Errorf("counted %d", counter)
		}
	}
}
