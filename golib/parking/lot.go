// Package parking is an address-keyed parking lot: it keeps the queues of those
// who wait for a lock, so that the lock itself stays one word.
//
// The idea is WebKit's WTF::ParkingLot and Rust's parking_lot. Two things differ.
// Nobody sleeps in here: an operation says whom to wake, and its caller does so
// after the bucket's lock is released, in whatever way its threads sleep. And
// the waiters' memory belongs to the waiters.
//
// What an operation on a lock does, in this order:
//
//	q := lot.Enter(key)   // takes the bucket's lock
//	...                   // re-check the word, change the queue, change the word
//	q.Leave()             // releases it
//	wake the chain        // outside: a woken thread must not run into the lock
//
// Between Enter and Leave nothing may block, call back into C or Python, or
// enter the lot again.
package parking

import (
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"
)

// cacheLine is what the prefetcher of current x86-64 and arm64 machines fetches
// at once: two lines of 64 bytes.
const cacheLine = 128

// bucketCount is a power of two. 256 buckets keep 64 busy locks apart with few
// collisions (BenchmarkEnter) and take 32 KiB.
const bucketCount = 256

// Lot is a parking lot. Use NewLot.
type Lot struct {
	buckets []bucket
	shift   uint
	now     func() int64
	profile atomic.Int64 // when profiling began; 0: it is off
}

type bucketState struct {
	mu       mutex
	queues   *Queue // those with waiters, and the one that is entered
	free     *Queue // spare nodes
	tickets  uint64
	counters Counters
}

type bucket struct {
	bucketState
	_ [(cacheLine - unsafe.Sizeof(bucketState{})%cacheLine) % cacheLine]byte
}

// A bucket fills whole cache lines; the compiler refuses this line otherwise.
const _ = -(unsafe.Sizeof(bucket{}) % cacheLine)

// epoch is where the lot's clock starts; differences are all that counts.
var epoch = time.Now()

// Now is the monotonic clock of the lot, in nanoseconds.
func Now() int64 { return int64(time.Since(epoch)) }

// NewLot makes a lot of n buckets, a power of two, that reads time from now.
func NewLot(n int, now func() int64) *Lot {
	if n <= 0 || n&(n-1) != 0 {
		panic("parking: the number of buckets must be a power of two")
	}
	return &Lot{
		buckets: make([]bucket, n),
		shift:   uint(64 - bits.TrailingZeros(uint(n))),
		now:     now,
	}
}

// Default is the lot of the process.
var Default = NewLot(bucketCount, Now)

// bucketOf spreads addresses by the golden ratio (Knuth, TAOCP 3, 6.4).
func (l *Lot) bucketOf(key uintptr) *bucket {
	if len(l.buckets) == 1 {
		return &l.buckets[0]
	}
	return &l.buckets[(uint64(key)*0x9E3779B97F4A7C15)>>l.shift]
}

// Queue holds those who wait for one key, while its bucket is locked.
//
// Due and Owed belong to the lock's policy. Due ends when the longest exclusive waiter
// leaves the queue, Owed when the last shared one does.
type Queue struct {
	Due  bool // the longest exclusive waiter is to be served next, without competition
	Owed bool // the shared waiters are to be served before the next exclusive one

	lists          [kinds]list
	notified       *Waiter // the exclusive waiter that was woken to compete, if any
	notifiedShared int     // how many shared waiters were
	charged        int64   // until when holders have been charged; see Lot.Charge

	key    uintptr
	lot    *Lot
	bucket *bucket
	next   *Queue
}

// Enter locks the bucket of key and returns the queue of key.
func (l *Lot) Enter(key uintptr) *Queue {
	b := l.bucketOf(key)
	b.mu.Lock()
	return b.queue(l, key)
}

// EnterBoth locks the buckets of two keys, in the order of their addresses, and returns
// the queues. LeaveBoth ends it.
func (l *Lot) EnterBoth(key1, key2 uintptr) (q1, q2 *Queue) {
	first, second := l.bucketOf(key1), l.bucketOf(key2)
	if uintptr(unsafe.Pointer(second)) < uintptr(unsafe.Pointer(first)) {
		first, second = second, first
	}
	first.mu.Lock()
	if second != first {
		second.mu.Lock()
	}
	return l.bucketOf(key1).queue(l, key1), l.bucketOf(key2).queue(l, key2)
}

// Leave unlocks the bucket. The queue must not be touched afterwards.
func (q *Queue) Leave() {
	b := q.bucket
	b.dropEmpty(q)
	b.mu.Unlock()
}

// LeaveBoth ends EnterBoth.
func LeaveBoth(q1, q2 *Queue) {
	b1, b2 := q1.bucket, q2.bucket
	b1.dropEmpty(q1)
	b2.dropEmpty(q2)
	b1.mu.Unlock()
	if b2 != b1 {
		b2.mu.Unlock()
	}
}

// queue finds or makes the queue of key.
func (b *bucket) queue(l *Lot, key uintptr) *Queue {
	q := b.find(key)
	if q == nil {
		q = b.take()
		q.key, q.lot, q.bucket = key, l, b
		q.next, b.queues = b.queues, q
	}
	return q
}

func (b *bucket) dropEmpty(q *Queue) {
	if q.lists[Exclusive].n == 0 && q.lists[Shared].n == 0 {
		b.drop(q)
	}
}

func (b *bucket) find(key uintptr) *Queue {
	for q := b.queues; q != nil; q = q.next {
		if q.key == key {
			return q
		}
	}
	return nil
}

func (b *bucket) take() *Queue {
	q := b.free
	if q == nil {
		return new(Queue)
	}
	b.free = q.next
	return q
}

func (b *bucket) drop(q *Queue) {
	for p := &b.queues; ; p = &(*p).next {
		if *p == q {
			*p = q.next
			break
		}
	}
	*q = Queue{next: b.free}
	b.free = q
}

// Now reads the lot's clock.
func (q *Queue) Now() int64 { return q.lot.now() }

// Count returns the counters of this bucket, to be changed before Leave.
func (q *Queue) Count() *Counters { return &q.bucket.counters }

// Len is the number of waiters of one kind.
func (q *Queue) Len(k Kind) int { return q.lists[k].n }

// Head is the longest waiter of one kind, or nil.
func (q *Queue) Head(k Kind) *Waiter { return q.lists[k].head }

// Notified is the exclusive waiter that was woken to compete, or nil.
func (q *Queue) Notified() *Waiter { return q.notified }

// NotifiedShared is the number of shared waiters that were woken to compete.
func (q *Queue) NotifiedShared() int { return q.notifiedShared }

// SharedWaited is how long the longest shared waiter has waited.
func (q *Queue) SharedWaited() int64 { return q.Now() - q.lists[Shared].head.Since }

// HeadWaited is how long the longest exclusive waiter has been the longest.
func (q *Queue) HeadWaited() int64 { return q.Now() - q.lists[Exclusive].head.headSince }

// Push queues w, in its old place when it was withdrawn and not forgotten.
func (q *Queue) Push(w *Waiter, k Kind) {
	if w.New() {
		q.bucket.tickets++
		w.Ticket = q.bucket.tickets
		w.Since, w.headSince = q.Now(), 0
		q.bucket.counters.Parks++
	}
	w.kind, w.aside, w.napping = k, false, false
	w.Key.Store(q.key)
	l := &q.lists[k]
	head := l.head
	l.insert(w)
	w.State.Store(Queued)
	if k == Exclusive && l.head != head {
		q.startHead() // Due stays: one that comes back before the head has waited longer
	}
}

// Remove takes w out of the queue and leaves its state as it was, so that w can tell
// whether a wake-up is owed to it.
func (q *Queue) Remove(w *Waiter) {
	l := &q.lists[w.kind]
	wasHead := l.head == w
	l.remove(w)
	q.unnotify(w)
	if w.kind == Exclusive && wasHead {
		q.Due = false
		q.startHead()
	}
	if q.lists[Shared].n == 0 {
		q.Owed = false
	}
}

// startHead starts the clock of a new longest exclusive waiter. One that comes back
// after a signal handler keeps the time that it had waited.
func (q *Queue) startHead() {
	if head := q.lists[Exclusive].head; head != nil && head.headSince == 0 {
		head.headSince = q.Now()
	}
}

// Notify wakes the longest exclusive waiter to compete for the lock. It keeps
// its place. It returns the chain to wake.
func (q *Queue) Notify() *Waiter {
	w := q.lists[Exclusive].head
	w.State.Store(Notified)
	w.WakeNext = nil
	w.napped = 0
	q.notified = w
	q.bucket.counters.Notifies++
	return w
}

// MayNap says whether the notified waiter w may nap: see Nap.
func (q *Queue) MayNap(w *Waiter) bool { return w.Naps != 0 && w.napped < MostNaps }

// Nap sends the notified waiter w, which did not get the lock, to sleep for a short time by
// the clock. It will come back by itself, so it stays notified, and only a grant has to wake
// it.
func (q *Queue) Nap(w *Waiter) {
	w.napped++
	w.State.Store(Queued)
	w.napping = true
}

// MostNaps bounds the naps after one notification: with naps of 0.1 ms they outlast the
// default interval, after which the lock is handed over; a waiter for a lock with a far
// longer interval, or for a holder that keeps it, sleeps until it is notified again. Tests
// change it.
var MostNaps uint32 = 64

// Move puts w, an exclusive waiter that sleeps, from one queue to the end of another. Both
// are entered (EnterBoth).
func Move(w *Waiter, from, to *Queue) {
	from.Remove(w)
	w.Ticket = 0
	to.Push(w, Exclusive)
	to.bucket.counters.Parks-- // it sleeps already
}

// NotifyShared wakes the shared waiters that sleep, to compete for the lock. They keep
// their places. It returns the chain to wake.
func (q *Queue) NotifyShared() (chain *Waiter) {
	for w := q.lists[Shared].tail; w != nil; w = w.prev {
		if w.State.Load() == Queued {
			w.State.Store(Notified)
			w.WakeNext, chain = chain, w
			q.notifiedShared++
			q.bucket.counters.Notifies++
		}
	}
	return chain
}

// unnotify forgets that w was woken to compete, if it was.
func (q *Queue) unnotify(w *Waiter) {
	switch {
	case q.notified == w:
		q.notified = nil
	case w.kind == Shared && w.State.Load() == Notified:
		q.notifiedShared--
	}
}

// Park queues w as Push does; one that is queued, was notified and did not get the lock,
// goes back to sleep in its place.
func (q *Queue) Park(w *Waiter, k Kind) {
	if w.queued {
		q.Requeue(w)
	} else {
		q.Push(w, k)
	}
}

// Requeue sends a notified waiter that did not get the lock back to sleep, in
// its place.
func (q *Queue) Requeue(w *Waiter) {
	q.unnotify(w)
	w.napping = false
	w.State.Store(Queued)
	q.bucket.counters.Parks++
}

// Grant tells w, removed before, that it has what it waited for, and puts it before
// chain, unless it is awake already. It returns the chain to wake. The word must have
// changed before: one that is awake may see its new state at once and go on.
func (q *Queue) Grant(w *Waiter, chain *Waiter) *Waiter {
	awake := w.State.Load() == Notified
	w.Ticket = 0
	q.bucket.counters.Handoffs++
	if awake {
		w.State.Store(Granted)
		return chain
	}
	w.WakeNext = chain
	w.State.Store(Granted)
	return w
}

// TakeShared removes all shared waiters and returns the last of them, for GrantTaken. The
// word changes in between, since some of them may be awake.
func (q *Queue) TakeShared() (last *Waiter) {
	for w := q.lists[Shared].head; w != nil; w = q.lists[Shared].head {
		q.Remove(w)
		w.next, last = last, w
	}
	return last
}

// GrantTaken grants to those that TakeShared returned, and returns the chain to wake.
func (q *Queue) GrantTaken(last *Waiter) (chain *Waiter) {
	for w := last; w != nil; w = last {
		last, w.next = w.next, nil
		chain = q.Grant(w, chain)
	}
	return chain
}

// GrantShared does both, for waiters that are never awake in a queue.
func (q *Queue) GrantShared() *Waiter { return q.GrantTaken(q.TakeShared()) }
