package locks

import (
	"context"
	"errors"
	"strconv"

	"ft_utils/golib/parking"
)

// Semaphore for goroutines; the policy is that of semaphore.go.

// ErrTooManyPermits is the answer to a request for more permits than the semaphore can
// ever have, and to a release that would give it more.
var ErrTooManyPermits = errors.New("locks: more permits than the semaphore can have")

// GoSemaphore counts permits, for goroutines. One that waits for many permits keeps its
// place: later ones cannot take them away one by one.
//
// The n-th release happens before the acquisition that it allows. A try that fails
// promises nothing. The zero value has no permits and takes none. It must not be copied
// after first use.
type GoSemaphore struct {
	semaphore Semaphore
	most      uint64 // permits that it can have; constant after construction
}

// NewSemaphore makes a semaphore with that many permits. More can be made by Release. It
// panics when permits is negative or above [SemaphoreMost].
func NewSemaphore(permits int) *GoSemaphore { return newSemaphore(permits, SemaphoreMost) }

// NewBoundedSemaphore makes a semaphore with that many permits, and refuses a release
// that would make them more. It panics when permits is negative or above [SemaphoreMost].
func NewBoundedSemaphore(permits int) *GoSemaphore {
	return newSemaphore(permits, numbered(permits))
}

func newSemaphore(permits int, most uint64) *GoSemaphore {
	n := numbered(permits)
	if n > SemaphoreMost {
		panic("locks: a semaphore cannot have " + strconv.Itoa(permits) + " permits")
	}
	m := &GoSemaphore{most: most}
	m.semaphore.word.cas(0, n*onePermit)
	return m
}

// numbered is n, which must not be negative.
func numbered(n int) uint64 {
	if n < 0 {
		panic("locks: the number " + strconv.Itoa(n) + " is negative")
	}
	return uint64(n)
}

// TryAcquire takes n permits when they are there and nobody waits, and says whether it
// did. A failed try promises nothing. It panics when n is negative.
func (m *GoSemaphore) TryAcquire(n int) bool { return m.semaphore.take(numbered(n)) }

// take takes n permits from a word without parked.
func (m *Semaphore) take(n uint64) bool {
	for {
		s := m.word.load()
		if s&SemaphoreParked != 0 || s>>OwnerShift < n {
			return false
		}
		if m.word.cas(s, s-n*onePermit) {
			return true
		}
	}
}

// Acquire takes n permits, and waits for as long as it takes. It panics when n is
// negative, or more than the semaphore can ever have.
func (m *GoSemaphore) Acquire(n int) {
	if err := m.acquire(nil, numbered(n)); err != nil {
		panic("locks: Acquire of more permits than the semaphore can have would wait for ever")
	}
}

// AcquireContext takes n permits, or returns the cause of ctx's end. When more than the
// semaphore can ever have are asked for it returns [ErrTooManyPermits] at once. It panics
// when n is negative.
func (m *GoSemaphore) AcquireContext(ctx context.Context, n int) error {
	if err := ended(ctx); err != nil {
		return err
	}
	return m.acquire(ctx, numbered(n))
}

func (m *GoSemaphore) acquire(ctx context.Context, n uint64) error {
	if m.semaphore.take(n) {
		return nil
	}
	if n > m.most {
		return ErrTooManyPermits
	}
	w := newSleeper()
	return sleep(ctx, semaphoreWait{&m.semaphore}, w, m.semaphore.contendFor(w, n))
}

// semaphoreWait is the wait for as many permits as the waiter's Number says.
type semaphoreWait struct{ m *Semaphore }

func (p semaphoreWait) contend(w *parking.Waiter) Verdict { return p.m.contendFor(w, w.Number) }
func (p semaphoreWait) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return p.m.withdraw(w, why)
}

// Release adds n permits and hands them to those who wait longest. Any goroutine may call
// it. When there would be more than the semaphore can have it returns [ErrTooManyPermits]
// and has changed nothing. It panics when n is negative.
func (m *GoSemaphore) Release(n int) error {
	add := numbered(n)
	for {
		s := m.semaphore.word.load()
		permits := s >> OwnerShift
		switch {
		case s&SemaphoreParked != 0:
			released, chain := m.semaphore.Release(add, m.most)
			parking.Wake(chain)
			if !released {
				return ErrTooManyPermits
			}
			return nil
		case permits > m.most || add > m.most-permits:
			return ErrTooManyPermits
		case m.semaphore.word.cas(s, s+add*onePermit):
			return nil
		}
	}
}

// Permits is the number of permits that can be taken; it may be outdated at once.
func (m *GoSemaphore) Permits() int { return int(m.semaphore.word.load() >> OwnerShift) }

// Waiters is the number of those who wait; it may be outdated at once.
func (m *GoSemaphore) Waiters() int {
	return lot.Waiting(keyOf(&m.semaphore.word), parking.Exclusive)
}
