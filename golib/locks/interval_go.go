package locks

import (
	"context"
	"sync"

	"ft_utils/golib/parking"
)

// The goroutines' side of IntervalLock. It sleeps on channels; the policy is that
// of interval.go.

// sleepers keeps waiters between waits. Each wait gets an id of its own, because
// the id stays in the word for as long as the lock is held.
var sleepers = sync.Pool{New: func() any { return parking.NewWaiter(0) }}

func newSleeper() *parking.Waiter {
	w := sleepers.Get().(*parking.Waiter)
	w.ID = ids.Add(1)
	return w
}

// policy is what waiting needs of a lock.
type policy interface {
	contend(w *parking.Waiter) Verdict
	withdraw(w *parking.Waiter, why Reason) (Verdict, *parking.Waiter)
}

// sleep waits until w, which v says is parked, has the lock or ctx is done.
func sleep(ctx context.Context, p policy, w *parking.Waiter, v Verdict) error {
	var done <-chan struct{}
	if ctx != nil {
		done = ctx.Done()
	}
	for v == Park {
		select {
		case <-w.Ready():
			v = p.contend(w)
		case <-done:
			return giveUpSleep(ctx, p, w)
		}
	}
	sleepers.Put(w)
	return nil
}

func giveUpSleep(ctx context.Context, p policy, w *parking.Waiter) error {
	v, chain := p.withdraw(w, TimedOut)
	parking.Wake(chain) // first: w's own wake-up may take its time
	if w.State.Load() != parking.Queued {
		<-w.Ready() // it is owed and on its way
	}
	w.Forget()
	sleepers.Put(w)
	if v == Acquired {
		return nil
	}
	return context.Cause(ctx)
}

func (l *IntervalLock) contend(w *parking.Waiter) Verdict { return l.Contend(w) }
func (l *IntervalLock) withdraw(w *parking.Waiter, why Reason) (Verdict, *parking.Waiter) {
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

// LockContext takes the lock, or returns the cause of ctx's end and has changed
// nothing. When both happen at once either may be returned.
func (l *IntervalLock) LockContext(ctx context.Context) error {
	if l.word.cas(0, anonymous<<OwnerShift) {
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
	v, chain := l.CedeTo(w)
	parking.Wake(chain)
	_ = sleep(nil, l, w, v)
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
