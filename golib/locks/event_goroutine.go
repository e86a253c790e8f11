package locks

import (
	"context"

	"ft_utils/golib/parking"
)

// Event for goroutines; the policy is that of event.go.

// GoEvent is a flag that can be waited for, set and cleared by any goroutine.
//
// What happened before Set happens before every wait returns that finds the event set or
// is ended by that Set. The zero value is clear. It must not be copied after first use.
type GoEvent struct {
	event Event
}

// NewEvent makes an event that is clear.
func NewEvent() *GoEvent { return new(GoEvent) }

// IsSet says whether the event is set; it may be outdated at once.
func (e *GoEvent) IsSet() bool { return e.event.word.load()&EventSet != 0 }

// Set sets the event and lets go all who wait for it. They go even if the event is
// cleared at once.
func (e *GoEvent) Set() {
	if !e.event.word.cas(0, EventSet) {
		e.setSlow()
	}
}

func (e *GoEvent) setSlow() {
	if !e.IsSet() {
		parking.Wake(e.event.Set())
	}
}

// Clear clears the event: from now on those who come wait.
func (e *GoEvent) Clear() { e.event.word.cas(EventSet, 0) }

// Wait waits until the event is set.
func (e *GoEvent) Wait() {
	if !e.IsSet() {
		_ = e.waitSlow(nil)
	}
}

// WaitContext waits until the event is set, or returns the cause of ctx's end.
func (e *GoEvent) WaitContext(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return err
	}
	if e.IsSet() {
		return nil
	}
	return e.waitSlow(ctx)
}

func (e *GoEvent) waitSlow(ctx context.Context) error {
	w := newSleeper()
	return sleep(ctx, eventWait{&e.event}, w, e.event.Await(w))
}

// eventWait is the wait for an event.
type eventWait struct{ e *Event }

func (p eventWait) contend(w *parking.Waiter) Verdict { return p.e.Await(w) }
func (p eventWait) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return p.e.Withdraw(w, why), nil
}

// Waiters is the number of those who wait; it may be outdated at once.
func (e *GoEvent) Waiters() int { return lot.Waiting(keyOf(&e.event.word), parking.Shared) }
