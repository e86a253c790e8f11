package locks

import (
	"context"
	"math"
	"sync"

	"ft_utils/golib/parking"
)

// Condition for goroutines; the policy is that of condition.go.

// GoCondition lets goroutines that hold a lock wait until others have changed what the
// lock guards. The state may have changed again before a notified goroutine has the lock
// back, so waits stand in a loop:
//
//	c.Lock()
//	for !ready() {
//		c.Wait()
//	}
//	... // use what the lock guards
//	c.Unlock()
//
// Those who wait are notified in order of arrival. With an [IntervalLock] a notification
// wakes nobody: the waiter moves to the end of the queue of the lock and sleeps on until
// the lock is its own. With any other lock each notified goroutine wakes and calls its Lock.
//
// A notification happens before the wait that it ends returns. It must not be copied after
// first use.
type GoCondition struct {
	condition Condition
	l         sync.Locker // constant after construction
}

// NewCondition makes a condition with the lock l: an [IntervalLock], a [ReaderWriterLock]
// (its write side, or its read side by RLocker), a sync.Mutex or any other. Several
// conditions can share one lock. It panics when l is nil.
func NewCondition(l sync.Locker) *GoCondition {
	if l == nil {
		panic("locks: NewCondition without a lock")
	}
	return &GoCondition{l: l}
}

// Lock is the Lock of the condition's lock.
func (c *GoCondition) Lock() { c.l.Lock() }

// Unlock is the Unlock of the condition's lock.
func (c *GoCondition) Unlock() { c.l.Unlock() }

// Wait releases the lock, waits for a notification, and returns when the caller has the
// lock again. It never returns without a notification. The caller holds the lock; when
// nobody holds an IntervalLock, Wait panics and has changed nothing, and with other locks
// it does what their Unlock does.
func (c *GoCondition) Wait() { _ = c.wait(nil) }

// WaitContext is Wait, or returns the cause of ctx's end. Then too the caller has the lock
// again, which may take its time, and no notification was used up. The lock is not released
// when ctx has ended before the call.
func (c *GoCondition) WaitContext(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return err
	}
	return c.wait(ctx)
}

func (c *GoCondition) wait(ctx context.Context) error {
	if l, ok := c.l.(*IntervalLock); ok {
		return c.waitMoved(ctx, l)
	}
	return c.waitWoken(ctx)
}

// waitMoved waits with a lock into whose queue the notified move.
func (c *GoCondition) waitMoved(ctx context.Context, l *IntervalLock) error {
	if !l.Locked() {
		panic("locks: Wait with an IntervalLock that nobody holds")
	}
	w := newSleeper()
	c.condition.Enlist(w)
	l.unlockToSleep()
	woken, err := c.sleep(ctx, w)
	v := Park // moved while ctx ended: the wake-up comes from the queue of the lock
	if woken || err != nil {
		v = l.Contend(w)
	}
	_ = sleep(nil, l, w, v)
	return err
}

// waitWoken waits with a lock that the notified have to take by themselves.
func (c *GoCondition) waitWoken(ctx context.Context) error {
	w := newSleeper()
	c.condition.Enlist(w)
	c.unlockEnlisted(w)
	woken, err := c.sleep(ctx, w)
	if !woken && err == nil {
		<-w.Ready() // it is owed and on its way
	}
	w.Forget()
	sleepers.Put(w)
	c.l.Lock()
	return err
}

// unlockEnlisted releases a lock that is not ours. When that panics, w leaves the queue.
func (c *GoCondition) unlockEnlisted(w *parking.Waiter) {
	unlocked := false
	defer func() {
		if !unlocked && c.condition.Withdraw(w, Looking) {
			parking.Wake(c.condition.Notify(1)) // pass it on: this wait never was one
		}
	}()
	c.l.Unlock()
	unlocked = true
}

// sleep ends when w was notified, or with an error and w in no queue when ctx has ended
// before. It says whether it consumed the wake-up of w.
func (c *GoCondition) sleep(ctx context.Context, w *parking.Waiter) (woken bool, err error) {
	if wokenBefore(ctx, w) {
		return true, nil
	}
	if c.condition.Withdraw(w, TimedOut) {
		return false, nil
	}
	w.Forget()
	return false, context.Cause(ctx)
}

// Notify ends the wait of up to n goroutines, those that have waited longest. The caller
// should hold the lock, or a goroutine that is about to wait may miss the change; it need
// not. It panics when n is negative.
func (c *GoCondition) Notify(n int) { c.notify(numbered(n)) }

// NotifyAll ends the wait of all who wait.
func (c *GoCondition) NotifyAll() { c.notify(math.MaxUint64) }

func (c *GoCondition) notify(n uint64) {
	if c.condition.word.load() == 0 {
		return
	}
	if l, ok := c.l.(*IntervalLock); ok {
		parking.Wake(c.condition.NotifyInto(l, n))
	} else {
		parking.Wake(c.condition.Notify(n))
	}
}

// Waiters is the number of those who wait for a notification; it may be outdated at once.
func (c *GoCondition) Waiters() int {
	return lot.Waiting(keyOf(&c.condition.word), parking.Exclusive)
}
