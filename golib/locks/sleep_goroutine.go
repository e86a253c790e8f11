package locks

import (
	"context"
	"sync"

	"ft_utils/golib/parking"
)

// How goroutines wait: asleep on the channel of a waiter of their own.

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
	withdraw(w *parking.Waiter, why Reason) (served bool, chain *parking.Waiter)
}

// sleep waits until w, which v says is parked, has the lock or ctx is done.
func sleep(ctx context.Context, p policy, w *parking.Waiter, v Verdict) error {
	for v == Park {
		if !wokenBefore(ctx, w) {
			return giveUpSleep(ctx, p, w)
		}
		v = p.contend(w)
	}
	sleepers.Put(w)
	return nil
}

// wokenBefore waits for the wake-up of w and consumes it, or answers false when ctx ends
// before.
func wokenBefore(ctx context.Context, w *parking.Waiter) bool {
	if ctx == nil || ctx.Done() == nil { // a select of one channel would cost more
		<-w.Ready()
		return true
	}
	select {
	case <-w.Ready():
		return true
	case <-ctx.Done():
		return false
	}
}

func giveUpSleep(ctx context.Context, p policy, w *parking.Waiter) error {
	served, chain := p.withdraw(w, TimedOut)
	parking.Wake(chain) // first: w's own wake-up may take its time
	if w.State.Load() != parking.Queued {
		<-w.Ready() // it is owed and on its way
	}
	w.Forget()
	sleepers.Put(w)
	if served {
		return nil
	}
	return context.Cause(ctx)
}

// ended is the cause of the end of ctx, or nil while it goes on.
func ended(ctx context.Context) error {
	if ctx == nil || ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
