package locks

import (
	"context"

	"ft_utils/golib/parking"
)

// IntervalLock for goroutines; the policy is that of interval.go.

func (l *IntervalLock) contend(w *parking.Waiter) Verdict { return l.Contend(w) }
func (l *IntervalLock) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return l.Withdraw(w, why)
}

// TryLock takes the lock when it is free and says whether it did. A failed try
// promises nothing.
func (l *IntervalLock) TryLock() bool {
	return l.word.cas(0, anonymous<<OwnerShift) || l.barge()
}

// barge takes a lock that is free while a notified waiter is on its way to it.
func (l *IntervalLock) barge() bool {
	for {
		s := l.word.load()
		if s>>OwnerShift != 0 {
			return false
		}
		if l.word.cas(s, s|anonymous<<OwnerShift) {
			return true
		}
	}
}

// Lock takes the lock, and waits for as long as it takes.
func (l *IntervalLock) Lock() {
	if !l.word.cas(0, anonymous<<OwnerShift) {
		l.lockSlow(nil)
	}
}

// LockContext takes the lock, or returns the cause of ctx's end.
func (l *IntervalLock) LockContext(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return err
	}
	if l.TryLock() {
		return nil
	}
	return l.lockSlow(ctx)
}

func (l *IntervalLock) lockSlow(ctx context.Context) error {
	w := newSleeper()
	return sleep(ctx, l, w, l.Contend(w))
}

// Unlock gives the lock up. It panics when nobody holds it.
func (l *IntervalLock) Unlock() {
	if !l.word.cas(anonymous<<OwnerShift, 0) {
		l.unlockSlow()
	}
}

func (l *IntervalLock) unlockSlow() {
	for {
		s := l.word.load()
		if s>>OwnerShift == 0 {
			panic("locks: Unlock of an IntervalLock that nobody holds")
		}
		f := s & flagsMask
		if IntervalPlain>>f&1 == 0 {
			parking.Wake(l.Release())
			return
		}
		if l.word.cas(s, f) {
			return
		}
	}
}

// unlockToSleep is Unlock for a holder that sleeps next, so it hands the lock to the
// longest waiter. It does nothing when nobody holds the lock.
func (l *IntervalLock) unlockToSleep() {
	for owner := l.Owner(); owner != 0; owner = l.Owner() {
		if l.word.cas(owner<<OwnerShift, 0) {
			return
		}
		if released, chain := l.YieldFrom(owner); released {
			parking.Wake(chain)
			return
		}
	}
}

// Cede hands the lock to the one that has waited longest and returns when the
// caller has it again. When nobody waits it returns at once. It panics when nobody
// holds the lock.
func (l *IntervalLock) Cede() {
	s := l.word.load()
	if s>>OwnerShift == 0 {
		panic("locks: Cede of an IntervalLock that nobody holds")
	}
	if s&IntervalParked == 0 {
		return
	}
	w := newSleeper()
	ceded, chain := l.CedeTo(w)
	if !ceded {
		sleepers.Put(w)
		return
	}
	parking.Wake(chain)
	_ = sleep(nil, l, w, Park)
}

// Poll cedes when the turn of the longest waiter has come. (A goroutine's Lock does
// not read the clock; the Python type counts from the acquisition.)
func (l *IntervalLock) Poll() {
	if l.word.load()&IntervalParked != 0 && l.waitedEnough() {
		l.Cede()
	}
}

func (l *IntervalLock) waitedEnough() bool {
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	return q.Len(parking.Exclusive) > 0 && l.due(q)
}

// Locked says whether somebody holds the lock; it may be outdated at once.
func (l *IntervalLock) Locked() bool { return l.Owner() != 0 }
