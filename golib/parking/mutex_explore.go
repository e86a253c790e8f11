//go:build explore

package parking

// mutex is a bucket's lock when a test explores the interleavings: it gives control
// back to the test instead of blocking. The threads of such a test run one at a time.
type mutex struct{ held bool }

// BeforeLock returns when the calling thread may take a bucket's lock; free says whether
// that is free.
var BeforeLock = func(free func() bool) {}

func (m *mutex) Lock() {
	BeforeLock(func() bool { return !m.held })
	if m.held {
		panic("parking: a bucket's lock was taken twice")
	}
	m.held = true
}

func (m *mutex) Unlock() { m.held = false }

// Entered says whether somebody is between Enter and Leave of a key's bucket.
func (l *Lot) Entered(key uintptr) bool { return l.bucketOf(key).mu.held }

// HeadSince is a part of the lot's state that a waiter keeps.
func (w *Waiter) HeadSince() int64 { return w.headSince }

// Kind is the kind that a waiter was queued as.
func (w *Waiter) Kind() Kind { return w.kind }

// Debts are what the policy keeps of a key's queue, read without its bucket's lock.
func (l *Lot) Debts(key uintptr) (due, owed bool) {
	if q := l.bucketOf(key).find(key); q != nil {
		return q.Due, q.Owed
	}
	return false, false
}

// Index is the number of a key's bucket.
func (l *Lot) Index(key uintptr) int {
	b := l.bucketOf(key)
	for i := range l.buckets {
		if b == &l.buckets[i] {
			return i
		}
	}
	panic("parking: a bucket of another lot")
}
