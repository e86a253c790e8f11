package locks

import (
	"context"
	"errors"

	"ft_utils/golib/parking"
)

// Barrier for goroutines; the policy is that of barrier.go.

// ErrBroken is what a wait returns that another party, an Abort or a Reset made fail.
var ErrBroken = errors.New("locks: the barrier is broken or was reset")

// GoBarrier lets a fixed number of goroutines meet, round after round.
//
// What the parties of a round did before Wait happens before its action, and that before
// what they do after Wait. It must not be copied after first use.
type GoBarrier struct {
	barrier Barrier
	action  func() error // nil: none
}

// NewBarrier makes a barrier for at least one party (it panics otherwise). The last party
// of each round calls action, unless that is nil, before any of them goes on. An error of
// the action, or a panic, breaks the barrier. The action must not wait for the barrier.
func NewBarrier(parties int, action func() error) *GoBarrier {
	if parties < 1 {
		panic("locks: NewBarrier for no party")
	}
	return &GoBarrier{barrier: Barrier{parties: uint64(parties)}, action: action}
}

// Wait waits until all parties have come and the action has returned. Each party of a
// round gets a number of its own, from 0 for the first that came. It returns [ErrBroken]
// when the barrier is broken, or gets broken or reset meanwhile, and the error of the
// action to the party that ran it.
func (b *GoBarrier) Wait() (int, error) { return b.wait(nil) }

// WaitContext is Wait, or returns the cause of ctx's end. A party whose ctx ends, before
// or while it waits, breaks the barrier: the others would wait for it for ever. Once all
// have come, while the action runs, the end of ctx changes nothing.
func (b *GoBarrier) WaitContext(ctx context.Context) (int, error) { return b.wait(ctx) }

func (b *GoBarrier) wait(ctx context.Context) (int, error) {
	w := newSleeper()
	defer sleepers.Put(w)
	for {
		arrival := b.barrier.Arrive(w)
		number := w.Number
		switch arrival {
		case Broken:
			return 0, ErrBroken
		case Last:
			if err := b.complete(ctx, number); err != nil {
				return 0, err
			}
			return b.Parties() - 1, nil
		}
		told, err := b.sleep(ctx, w)
		switch {
		case err != nil:
			return 0, err
		case told == Passed:
			return int(number), nil
		case told == Failed:
			return 0, ErrBroken
		}
	}
}

// sleep waits for the end of the round of w and returns what that told w. When ctx ends
// before, it breaks the barrier.
func (b *GoBarrier) sleep(ctx context.Context, w *parking.Waiter) (Outcome, error) {
	defer w.Forget()
	if !wokenBefore(ctx, w) {
		departure, chain := b.barrier.Withdraw(w, TimedOut)
		if departure == Left {
			parking.Wake(chain)
			return Failed, context.Cause(ctx)
		}
		<-w.Ready() // on its way, or all have come and it comes when the action returns
	}
	return Outcome(w.Outcome), nil
}

// complete is what the last party of a round does. Unless that round ends well, it fails.
func (b *GoBarrier) complete(ctx context.Context, round uint64) error {
	opens := false
	defer func() {
		if !opens {
			parking.Wake(b.barrier.Fail(round))
		}
	}()
	if err := ended(ctx); err != nil {
		return err
	}
	if b.action != nil {
		if err := b.action(); err != nil {
			return err
		}
	}
	opens = true
	opened, chain := b.barrier.Open(round)
	parking.Wake(chain)
	if !opened {
		return ErrBroken // by an Abort or a Reset while the action ran
	}
	return nil
}

// Abort breaks the barrier: all who wait, and all who come before a Reset, get [ErrBroken].
func (b *GoBarrier) Abort() { parking.Wake(b.barrier.Break()) }

// Reset makes the barrier as new. Those who wait get [ErrBroken].
func (b *GoBarrier) Reset() { parking.Wake(b.barrier.Reset()) }

// Broken says whether the barrier is broken; it may be outdated at once.
func (b *GoBarrier) Broken() bool { return b.barrier.word.load()&BarrierBroken != 0 }

// Parties is the number of goroutines that meet.
func (b *GoBarrier) Parties() int { return int(b.barrier.parties) }

// Waiters is the number of parties that wait for others to come; it may be outdated at
// once.
func (b *GoBarrier) Waiters() int {
	s := b.barrier.word.load()
	if s&BarrierFull != 0 {
		return 0
	}
	return int(s >> OwnerShift)
}
