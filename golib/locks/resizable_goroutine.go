package locks

import (
	"context"
	"strconv"

	"ft_utils/golib/parking"
)

// ResizableSemaphore for goroutines; the policy is that of resizable.go.

// GoResizableSemaphore counts permits up to a limit that can be changed, for goroutines.
// Permits that are taken stay taken when the limit falls below them. One that waits for
// many permits keeps its place: later ones cannot take them away one by one.
//
// The n-th release happens before the acquisition that it allows. A try that fails
// promises nothing. The zero value has a limit of 0. It must not be copied after first use.
type GoResizableSemaphore struct {
	semaphore ResizableSemaphore
}

// NewResizableSemaphore makes a semaphore with that many permits; with a limit of 0 all
// wait until it is resized. It panics when limit is negative or above [SemaphoreMost].
func NewResizableSemaphore(limit int) *GoResizableSemaphore {
	m := new(GoResizableSemaphore)
	m.semaphore.limit.cas(0, limited(limit))
	return m
}

// limited is a limit, which must not be negative or too large.
func limited(limit int) uint64 {
	n := numbered(limit)
	if n > SemaphoreMost {
		panic("locks: a semaphore cannot have " + strconv.Itoa(limit) + " permits")
	}
	return n
}

// TryAcquire takes n permits when they are there and nobody waits, and says whether it
// did. A failed try promises nothing. It panics when n is negative.
func (m *GoResizableSemaphore) TryAcquire(n int) bool { return m.semaphore.take(numbered(n)) }

// take takes n permits from a word without parked.
func (m *ResizableSemaphore) take(n uint64) bool {
	for {
		s := m.word.load()
		if s&ResizableParked != 0 || !room(n, s>>OwnerShift, m.limit.load()) {
			return false
		}
		if m.word.cas(s, s+n*onePermit) {
			return true
		}
	}
}

// Acquire takes n permits, and waits for as long as it takes. When n is more than a limit
// that is not 0, also by a Resize while it waits, it returns [ErrTooManyPermits]. It
// panics when n is negative.
func (m *GoResizableSemaphore) Acquire(n int) error { return m.acquire(nil, numbered(n)) }

// AcquireContext is Acquire, but returns the cause of ctx's end if that comes first.
func (m *GoResizableSemaphore) AcquireContext(ctx context.Context, n int) error {
	if err := ended(ctx); err != nil {
		return err
	}
	return m.acquire(ctx, numbered(n))
}

func (m *GoResizableSemaphore) acquire(ctx context.Context, n uint64) error {
	if m.semaphore.take(n) {
		return nil
	}
	w := newSleeper()
	w.Number = n
	p := resizableWait{&m.semaphore, new(Permission)}
	if err := sleep(ctx, p, w, p.contend(w)); err != nil {
		return err
	}
	if *p.how == Excessive {
		return ErrTooManyPermits
	}
	return nil
}

// resizableWait is the wait for as many permits as the waiter's Number says. How it ended
// is noted before the waiter is another's.
type resizableWait struct {
	m   *ResizableSemaphore
	how *Permission
}

func (p resizableWait) contend(w *parking.Waiter) Verdict {
	v := p.m.Contend(w)
	if v == Acquired { // else it is queued, and whoever ends its wait writes there
		*p.how = Permission(w.Outcome)
	}
	return v
}

func (p resizableWait) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	over, chain := p.m.Withdraw(w, why)
	*p.how = Permission(w.Outcome)
	return over, chain
}

// Release gives n permits back and hands them to those who wait longest. Any goroutine may
// call it. When fewer are taken it returns [ErrTooManyPermits] and has changed nothing. It
// panics when n is negative.
func (m *GoResizableSemaphore) Release(n int) error {
	released, chain := m.semaphore.give(numbered(n))
	parking.Wake(chain)
	if !released {
		return ErrTooManyPermits
	}
	return nil
}

// give gives n permits back, without judgement where nobody waits.
func (m *ResizableSemaphore) give(n uint64) (released bool, chain *parking.Waiter) {
	for {
		s := m.word.load()
		switch {
		case n > s>>OwnerShift:
			return false, nil
		case s&ResizableParked != 0:
			return m.Release(n)
		case m.word.cas(s, s-n*onePermit):
			return true, nil
		}
	}
}

// Resize changes the limit. Permits that are taken stay taken, so that the value may be
// negative for a while. Those who wait for more than a limit that is not 0 get
// [ErrTooManyPermits]. It panics when limit is negative or above [SemaphoreMost].
func (m *GoResizableSemaphore) Resize(limit int) { parking.Wake(m.semaphore.Resize(limited(limit))) }

// Limit is the number of permits, those that are taken included.
func (m *GoResizableSemaphore) Limit() int { return int(m.semaphore.limit.load()) }

// Value is the number of permits that can be taken; it is negative where more are taken
// than the limit is now. It may be outdated at once.
func (m *GoResizableSemaphore) Value() int {
	for {
		s := m.semaphore.word.load()
		limit := m.semaphore.limit.load()
		if m.semaphore.word.load() == s {
			return int(limit) - int(s>>OwnerShift)
		}
	}
}

// Waiters is the number of those who wait; it may be outdated at once.
func (m *GoResizableSemaphore) Waiters() int {
	return lot.Waiting(keyOf(&m.semaphore.word), parking.Exclusive)
}
