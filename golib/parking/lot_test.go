package parking

import (
	"slices"
	"strconv"
	"sync"
	"testing"
)

// lotOf makes a lot on which all keys collide, and its clock.
func lotOf(t *testing.T) (*Lot, *int64) {
	t.Helper()
	now := int64(1)
	return NewLot(1, func() int64 { return now }), &now
}

func queueOf(l *Lot, key uintptr, f func(q *Queue)) {
	q := l.Enter(key)
	defer q.Leave()
	f(q)
}

// TestFirst queues one before all others, however often it comes back.
func TestFirst(t *testing.T) {
	l, _ := lotOf(t)
	queueOf(l, 1, func(q *Queue) {
		early, first, late := NewWaiter(1), NewWaiter(2), NewWaiter(3)
		q.Push(early, Exclusive)
		q.Due = true
		q.PushFirst(first)
		q.Push(late, Exclusive)
		for range 2 {
			if got := q.Order(Exclusive); !slices.Equal(got, []uint64{2, 1, 3}) || !first.First() || early.First() {
				t.Errorf("the order is %v", got)
			}
			q.Remove(first)
			if !first.First() || q.Due {
				t.Error("out of the queue it is another one")
			}
			q.PushFirst(first)
		}
		q.Remove(first)
		if q.Grant(first, nil); first.First() {
			t.Error("it stays the first after its wait")
		}
	})
}

func TestOrderOfArrival(t *testing.T) {
	l, _ := lotOf(t)
	var ws []*Waiter
	queueOf(l, 1, func(q *Queue) {
		for id := range uint64(5) {
			w := NewWaiter(id + 1)
			ws = append(ws, w)
			q.Push(w, Exclusive)
		}
		for _, i := range []int{2, 0, 4} { // the middle, the head, the tail
			q.Remove(ws[i])
			if ws[i].InQueue() || ws[i].State.Load() != Queued {
				t.Errorf("waiter %d: in the queue %v, state %d", ws[i].ID, ws[i].InQueue(), ws[i].State.Load())
			}
		}
		if got := q.Order(Exclusive); !slices.Equal(got, []uint64{2, 4}) {
			t.Errorf("left: %v", got)
		}
		for _, i := range []int{4, 2, 0} { // each comes back in its old place
			q.Push(ws[i], Exclusive)
		}
		if got := q.Order(Exclusive); !slices.Equal(got, []uint64{1, 2, 3, 4, 5}) || q.Len(Exclusive) != 5 {
			t.Errorf("back: %v", got)
		}
		q.Remove(ws[1])
		ws[1].Forget()
		q.Push(ws[1], Exclusive) // a new arrival
		if got := q.Order(Exclusive); !slices.Equal(got, []uint64{1, 3, 4, 5, 2}) {
			t.Errorf("forgotten and back: %v", got)
		}
	})
}

func TestHeadClock(t *testing.T) {
	l, now := lotOf(t)
	a, b := NewWaiter(1), NewWaiter(2)
	queueOf(l, 1, func(q *Queue) {
		q.Push(a, Exclusive)
		*now += 10
		q.Push(b, Exclusive)
		q.Due = true
		if got := q.HeadWaited(); got != 10 {
			t.Errorf("the head waited %d", got)
		}
		q.Remove(a)
		if got := q.HeadWaited(); got != 0 || q.Due {
			t.Errorf("the new head waited %d, due %v", got, q.Due)
		}
		*now += 5
		q.Due = true
		q.Push(a, Exclusive) // keeps its place, its clock, and the turn that was due
		if got := q.HeadWaited(); got != 15 || !q.Due || q.Head(Exclusive) != a {
			t.Errorf("the old head waited %d, due %v", got, q.Due)
		}
	})
}

// TestWakeUps counts what each way out of a queue owes.
func TestWakeUps(t *testing.T) {
	l, _ := lotOf(t)
	chained := func(chain *Waiter) (ids []uint64) {
		for ; chain != nil; chain = chain.WakeNext {
			ids = append(ids, chain.ID)
		}
		return ids
	}
	queueOf(l, 1, func(q *Queue) {
		w := NewWaiter(1)
		q.Push(w, Exclusive)
		if got := chained(q.Notify()); !slices.Equal(got, []uint64{1}) || q.Notified() != w {
			t.Errorf("notify wakes %v", got)
		}
		q.Remove(w)
		if got := chained(q.Grant(w, nil)); got != nil || w.State.Load() != Granted || q.Notified() != nil {
			t.Errorf("a grant to one that was notified wakes %v", got)
		}
		w.Forget()
		q.Push(w, Exclusive)
		q.Notify()
		q.Requeue(w)
		q.Remove(w)
		if got := chained(q.Grant(w, nil)); !slices.Equal(got, []uint64{1}) {
			t.Errorf("a grant to one that sleeps again wakes %v", got)
		}
		for id := range uint64(3) {
			q.Push(NewWaiter(id+10), Shared)
		}
		q.Owed = true
		if got := chained(q.GrantShared()); !slices.Equal(got, []uint64{10, 11, 12}) || q.Owed {
			t.Errorf("a grant to readers wakes %v, owed %v", got, q.Owed)
		}
	})
}

// TestCollisions keeps the queues of keys in one bucket apart, and reuses their nodes.
func TestCollisions(t *testing.T) {
	l, now := lotOf(t)
	ws := map[uintptr]*Waiter{}
	for key := uintptr(1); key <= 3; key++ {
		ws[key] = NewWaiter(uint64(key))
		queueOf(l, key, func(q *Queue) { q.Push(ws[key], Kind(key%2)) })
	}
	*now += 7
	if got := l.Snapshot(); len(got) != 3 || got[0].Waited != 7 {
		t.Errorf("snapshot %+v", got)
	}
	for key, w := range ws {
		if l.Waiting(key, Kind(key%2)) != 1 || l.Waiting(key, Kind(1-key%2)) != 0 {
			t.Errorf("key %d", key)
		}
		queueOf(l, key, func(q *Queue) { q.Remove(w) })
	}
	if got := l.Snapshot(); got != nil {
		t.Errorf("left %+v", got)
	}
	spares := l.Spares(1)
	queueOf(l, 9, func(*Queue) {})
	if got := l.Spares(1); got != spares || spares != 3 {
		t.Errorf("%d spare nodes, then %d", spares, got)
	}
	if c := l.Counters(); c.Parks != 3 {
		t.Errorf("counters %+v", c)
	}
}

// TestBuckets checks that neighbouring addresses spread.
func TestBuckets(t *testing.T) {
	l := NewLot(bucketCount, Now)
	used := map[*bucket]bool{}
	for i := range uintptr(bucketCount) {
		used[l.Bucket(0xc000100000+i*64)] = true
	}
	if len(used) < bucketCount/2 {
		t.Errorf("%d neighbours share %d buckets", bucketCount, len(used))
	}
	for _, n := range []int{0, 3, -1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a lot of %d buckets was made", n)
				}
			}()
			NewLot(n, Now)
		}()
	}
}

// BenchmarkEnter has every processor enter 64 keys in turn; the number of buckets
// is chosen by it.
func BenchmarkEnter(b *testing.B) {
	for _, n := range []int{1, 16, 64, 256, 1024} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			l := NewLot(n, Now)
			var next sync.Mutex
			base := uintptr(0)
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				next.Lock()
				base += 7 * 64
				key := base
				next.Unlock()
				for pb.Next() {
					key = (key + 64) % (64 * 64)
					l.Enter(key).Leave()
				}
			})
		})
	}
}
