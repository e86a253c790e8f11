// Package locks holds the locks: one file for each lock's word and policy, and
// beside it one for its use from goroutines.
//
// # For goroutines
//
//   - [IntervalLock]: one at a time. It is handed over fairly, and its holder can make
//     room for others with Cede and Poll.
//   - [ReaderWriterLock]: many readers or one writer.
//   - [GoSemaphore], by [NewSemaphore] or [NewBoundedSemaphore]: permits, one or many at
//     a time.
//   - [GoResizableSemaphore]: the same, up to a limit that can be changed.
//   - [GoEvent]: a flag that can be waited for.
//   - [GoCondition]: waits until others have changed what a lock guards.
//   - [GoBarrier]: a fixed number of goroutines meet, round after round.
//
// A method whose name ends in Context returns the cause of its context's end when that
// comes before what it waits for, also when it came before the call. Then nothing was
// taken, the caller is in no queue, and those whom it kept out go on. When both happen at
// once either may be returned. The other methods wait for as long as it takes.
//
// Misuse panics, as in package sync, and has changed nothing. Two answers that a correct
// program may get are errors: [ErrTooManyPermits] and [ErrBroken]. Goroutines have no
// identity, so no lock knows its owner: any goroutine may release it, no goroutine may
// take it twice, and there is no lock that can be taken again by its holder.
//
// # Policies
//
// A lock is one word. A caller that finds it free takes it with one compare-and-swap,
// inline, in Go or in C. Everything that needs judgement is an operation of the
// policy file: it runs under the lock of the word's bucket in the parking lot,
// re-checks the word, says what became of it and names the waiters to wake. It
// never blocks. So the same policy serves goroutines, which sleep on channels,
// and Python threads, which sleep in C. Contend, Withdraw and the other methods that
// take or return a waiter are such operations, and [Semaphore], [ResizableSemaphore],
// [Event], [Condition] and [Barrier] have no others: their Go types wrap them.
//
// The bits of the words and the layout of the structs are declared here and
// nowhere else; pybind/headergen writes them into the C header.
package locks

//go:generate go run ft_utils/pybind/headergen

import (
	"sync/atomic"
	"time"
	"unsafe"

	"ft_utils/golib/parking"
)

// Verdict is what a waiter that contends is told.
type Verdict int32

// The verdicts.
const (
	// Acquired: the caller holds the lock.
	Acquired Verdict = iota
	// Park: the caller is queued; it sleeps until it is woken.
	Park
	// Retry: the word is in a state that only C can end (read bias, or its
	// revocation). C does so and asks again.
	Retry
	// Nap: the caller stays in the queue as one that is on its way; it sleeps for a short
	// time by the clock, or until it is woken, and asks again.
	Nap
	// Granted: the caller, which napped, holds the lock, and is owed the wake-up that came
	// with it.
	Granted
)

// Reason says why a wait is given up.
type Reason int32

// The reasons.
const (
	TimedOut    Reason = iota
	Interrupted        // by an exception from a signal handler
	Looking            // for a moment, to run signal handlers; it may come back
)

// DefaultInterval is CPython's switch interval: a thread that takes part in a
// program with the GIL is used to running that long before it is asked to make
// room.
const DefaultInterval = 5 * time.Millisecond

// minTurn is the least that a turn is cut down to. A hand-over leaves the lock idle for up to
// 70 µs: a context switch, or two with the GIL. Turns of 1 ms made 8 threads with work
// outside the lock a sixth slower than turns of 2 ms.
const minTurn = 2 * int64(time.Millisecond)

// turn is for how long those who run may go before the longest of n waiters: the interval,
// shared out among the waiters, so that each is served once an interval while there are few
// enough (as the scheduling period of Linux's CFS).
func turn(interval int64, n int) int64 {
	return max(interval/int64(n), min(interval, minTurn))
}

// lot is the parking lot of all locks; tests replace it by a smaller one.
var lot = parking.Default

// OwnerShift is where a word's upper part starts: the owner's id, or the number of
// readers, permits or parties. Below it there is room for eight flags.
const OwnerShift = 8

// flagsMask covers the flags of a word.
const flagsMask = 1<<OwnerShift - 1

// anonymous is the owner's id that an uncontended goroutine leaves in a word:
// goroutines have no identity, so the word can only say that somebody has it.
// Waiters and Python threads have ids of their own, above it.
const anonymous = 1

// FirstID is the smallest id that a waiter may have.
const FirstID = anonymous + 1

// keyOf is the key of a lock in the lot: the address of its word. So a lock must not
// move, and stacks do: the assignment, which never happens, makes the compiler put every
// lock on the heap.
func keyOf(w *word) uintptr {
	if w == nil {
		pinned = w
	}
	return uintptr(unsafe.Pointer(w))
}

var pinned *word

// ids numbers the waiters of goroutines.
var ids atomic.Uint64

func init() { ids.Store(anonymous) }

// withdraw takes w, which gives up, out of the queue, unless it has been granted what it
// waits for: then it is in no queue any more.
func withdraw(q *parking.Queue, w *parking.Waiter, why Reason) (granted bool) {
	if w.State.Load() == parking.Granted {
		return true
	}
	switch why {
	case TimedOut:
		q.Count().Timeouts++
	case Interrupted:
		q.Count().Interrupts++
	}
	q.Remove(w)
	return false
}
