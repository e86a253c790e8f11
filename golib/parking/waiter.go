package parking

import "sync/atomic"

// State says how far a Waiter is. It changes under the lock of the bucket that the
// waiter's key hashes to, but for the return to Idle. The waiter itself may read it
// without that lock once it has consumed its wake-up, because whoever woke it changed
// the state before.
//
//	Idle ──push──▶ Queued ──notify──▶ Notified ──grant──▶ Granted
//	                 │  ▲                 │
//	                 │  └──requeue, nap───┘
//	                 └──────────grant────────────────────▶ Granted
//
// A notified waiter that naps is Queued and stays its queue's notified one: it comes back
// by the clock, or is woken by a grant.
//
// A waiter is owed exactly one wake-up for each step out of Queued that
// somebody else takes for it (notify or grant). Notified to Granted owes none:
// the waiter is awake already, or its wake-up is on the way.
type State = uint32

// The states of a Waiter.
const (
	Idle     State = iota // in no queue
	Queued                // in a queue, asleep or about to be
	Notified              // in a queue, woken to compete for the lock
	Granted               // out of the queue, with the lock, or what else it waited for
)

// Kind says with whom a Waiter can share what it wants.
type Kind = uint32

// The kinds of a Waiter.
const (
	Exclusive Kind = iota // excludes everybody
	Shared                // shares with others of its kind
	kinds
)

// Waiter is one blocked thread or goroutine. It lives in the memory of the one
// that waits, so that waiting allocates nothing: on the Go heap for a goroutine,
// in a C thread record for a Python thread. Nothing in a waiter of the second
// sort ever points to the Go heap.
//
// The exported fields are shared with C: their offsets are part of the
// generated header.
type Waiter struct {
	// WakeNext chains the waiters that one operation woke. It belongs to
	// whoever ran that operation until it has woken this waiter.
	WakeNext *Waiter
	// Chain is where pybind/bridge leaves, for C, the chain that this waiter's own
	// last operation woke. (WakeNext cannot serve: it may still be read by whoever
	// woke this waiter.)
	Chain *Waiter
	// Token is what a waiter in C sleeps on: its semaphore. Go never reads it.
	Token uintptr
	// ID is put into the lock's word when the lock is handed over. It is not
	// zero and no two waiters that live at the same time share one.
	ID uint64
	// State is written under the bucket's lock, but for the return to Idle, which
	// the waiter itself writes, in no queue any more.
	State atomic.Uint32
	// Outcome is what whoever ends the wait tells the waiter; the lock says what. It is
	// written under the bucket's lock.
	Outcome uint32
	// Naps says whether the waiter can sleep for a short time by the clock (0: it cannot).
	// It is constant.
	Naps uint32
	// Number is what an operation numbers the waiter with, or, in the queue of a
	// semaphore, how many permits it wants. It is the waiter's own once that operation
	// has returned.
	Number uint64
	// Key is what the waiter was queued for last, the address of a word. It changes
	// under the bucket's lock of the old key and that of the new one.
	Key atomic.Uintptr
	// Ticket is the place in the order of arrival, and Since the time of
	// arrival on the lot's clock. Push sets them when Ticket is 0. A waiter that
	// withdrew to run a signal handler keeps both, and queues in its old place.
	Ticket uint64
	Since  int64
	// Charge is where the bridge leaves, for the C side, how long others have waited for
	// the lock that this thread has released: see Lot.Charge. 0: nothing to tell.
	Charge int64

	aside      bool   // must not be moved: see Condition.Aside and EnlistAside
	napping    bool   // sleeps by the clock, notified: see Queue.Nap
	napped     uint32 // how often it has since it was notified
	headSince  int64  // when it became the longest exclusive waiter; 0: not yet
	kind       Kind
	queued     bool // in a queue; State cannot tell, it outlives a withdrawal
	next, prev *Waiter

	ready chan struct{} // what a goroutine sleeps on; nil in C memory
}

// NewWaiter makes a waiter for a goroutine.
func NewWaiter(id uint64) *Waiter {
	return &Waiter{ID: id, ready: make(chan struct{}, 1)}
}

// Ready delivers the wake-up of a goroutine's waiter.
func (w *Waiter) Ready() <-chan struct{} { return w.ready }

// firstTicket is that of a waiter which goes before all others: PushFirst.
const firstTicket = 1

// First says whether w goes before all others, since PushFirst and until it is granted what it
// waits for.
func (w *Waiter) First() bool { return w.Ticket == firstTicket }

// New says whether the next push of w is an arrival: the wait begins, rather than going on
// after a signal handler.
func (w *Waiter) New() bool { return w.Ticket == 0 }

// InQueue says whether w is in a queue. It is asked under the bucket's lock.
func (w *Waiter) InQueue() bool { return w.queued }

// Next is the waiter behind w in its queue, or nil. It is asked under the bucket's lock.
func (w *Waiter) Next() *Waiter { return w.next }

// SetAside marks a queued waiter, under its bucket's lock, as one that must not be moved to
// another queue, and Aside tells it. A new push ends that.
func (w *Waiter) SetAside() { w.aside = true }

// Aside says whether SetAside was called since the last push.
func (w *Waiter) Aside() bool { return w.aside }

// Napping says whether w has been told to nap, and not to sleep since.
func (w *Waiter) Napping() bool { return w.napping }

// Napped is how often w has napped since it was notified.
func (w *Waiter) Napped() uint32 { return w.napped }

// shown is the state that a report says: one that naps is on its way.
func (w *Waiter) shown() State {
	if s := w.State.Load(); s != Queued || !w.napping {
		return s
	}
	return Notified
}

// Forget ends a wait: the next push is a new arrival.
func (w *Waiter) Forget() {
	w.Ticket, w.headSince = 0, 0
	w.State.Store(Idle)
}

// Wake wakes every goroutine of a chain. The chain is read before each
// wake-up: a woken waiter may be gone or queued elsewhere at once.
func Wake(chain *Waiter) {
	for chain != nil {
		w := chain
		chain, w.WakeNext = w.WakeNext, nil
		w.ready <- struct{}{} // never blocks: at most one wake-up is owed
	}
}

// list is a queue of waiters in order of arrival.
type list struct {
	head, tail *Waiter
	n          int
}

// insert puts w behind everybody whose ticket is smaller. A new arrival has
// the largest ticket, so the walk from the tail ends at once.
func (l *list) insert(w *Waiter) {
	after := l.tail
	for after != nil && after.Ticket > w.Ticket {
		after = after.prev
	}
	w.prev = after
	if after == nil {
		w.next, l.head = l.head, w
	} else {
		w.next, after.next = after.next, w
	}
	if w.next == nil {
		l.tail = w
	} else {
		w.next.prev = w
	}
	w.queued = true
	l.n++
}

func (l *list) remove(w *Waiter) {
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.next, w.prev, w.queued = nil, nil, false
	l.n--
}
