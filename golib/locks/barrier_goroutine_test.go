package locks

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"ft_utils/golib/parking"
)

// TestStressBarrier has all parties see what each did before the round, and what the
// action did.
func TestStressBarrier(t *testing.T) {
	useLot(t, parking.Now)
	const parties, rounds = 5, 800
	var phase [parties]int // each its owner's, between two barriers
	actions := 0           // the action's
	b := NewBarrier(parties, func() error {
		actions++
		return nil
	})
	numbers := make([][]int, 2*rounds+1) // by round
	var mu sync.Mutex                    // guards numbers
	meet := func(round int) {
		n, err := b.Wait()
		if err != nil || actions != round {
			t.Errorf("round %d: %v after %d actions", round, err, actions)
		}
		mu.Lock()
		numbers[round] = append(numbers[round], n)
		mu.Unlock()
	}
	together(t, parties, func(i int, r *rand.Rand) {
		for k := range rounds {
			phase[i] = k + 1
			if r.IntN(16) == 0 {
				runtime.Gosched()
			}
			meet(2*k + 1)
			for _, p := range phase {
				if p != k+1 {
					t.Errorf("party %d in phase %d meets one in phase %d", i, k+1, p)
				}
			}
			meet(2*k + 2) // nobody writes before all have read
		}
	})
	for round, all := range numbers[1:] {
		slices.Sort(all)
		if !slices.Equal(all, []int{0, 1, 2, 3, 4}) {
			t.Errorf("round %d had the numbers %v", round+1, all)
		}
	}
	nobodyLeft(t, &b.barrier.word)
}

// TestStressBarrierBroken has parties that run out of time: a round passes for all or
// for nobody.
func TestStressBarrierBroken(t *testing.T) {
	useLot(t, parking.Now)
	const parties, rounds = 3, 200
	var passed [rounds][parties]bool
	var broken [rounds]bool
	for k := range rounds {
		b := NewBarrier(parties, nil)
		together(t, parties, func(i int, r *rand.Rand) {
			ctx, cancel := briefly(r)
			defer cancel()
			_, err := b.WaitContext(ctx)
			passed[k][i] = err == nil
			if err != nil && !errors.Is(err, ErrBroken) && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		broken[k] = b.Broken()
		for _, p := range passed[k] {
			if p == broken[k] {
				t.Fatalf("round %d: passed %v, broken %v", k, passed[k], broken[k])
			}
		}
		if s := b.barrier.word.load() &^ BarrierBroken; s != 0 {
			t.Errorf("the word is %#x in the end", s)
		}
		nobodyQueued(t)
	}
}

// arrive has n parties arrive one after the other.
func arrive(c *crew, b *GoBarrier, n int) (ids []int) {
	for k := range n {
		ids = append(ids, c.start(func(ctx context.Context, _ int) (int, error) { return b.WaitContext(ctx) }))
		await(c.t, "a party", func() bool { return b.Waiters() == k+1 })
	}
	return ids
}

// TestBarrierEndedContext has a party come with a context that has ended: the others need
// not wait for it.
func TestBarrierEndedContext(t *testing.T) {
	useLot(t, parking.Now)
	b := NewBarrier(3, nil)
	c := newCrew(t)
	ids := arrive(c, b, 1)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errGone)
	if _, err := b.WaitContext(ctx); !errors.Is(err, errGone) || !b.Broken() {
		t.Errorf("%v, broken %v", err, b.Broken())
	}
	c.ends(ids[0], 0, ErrBroken)
	nobodyQueued(t)
}

// TestBarrierActionFails sees an action that panics, ends its goroutine, or returns an
// error break the barrier, and a Reset mend it.
func TestBarrierActionFails(t *testing.T) {
	useLot(t, parking.Now)
	why := errors.New("no")
	for name, action := range map[string]func() error{
		"error": func() error { return why },
		"panic": func() error { panic(why) },
		"exit":  func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			fails := true
			b := NewBarrier(3, func() error {
				if fails {
					return action()
				}
				return nil
			})
			c := newCrew(t)
			ids := arrive(c, b, 2)
			ended := make(chan any, 1)
			go func() {
				var err error
				defer func() {
					if r := recover(); r != nil {
						ended <- r
						return
					}
					ended <- err
				}()
				_, err = b.Wait()
			}()
			if got := <-ended; got != any(why) && name != "exit" {
				t.Errorf("the last party got %v", got)
			}
			for _, id := range ids {
				c.ends(id, 0, ErrBroken)
			}
			if _, err := b.Wait(); !b.Broken() || !errors.Is(err, ErrBroken) {
				t.Errorf("broken %v, then %v", b.Broken(), err)
			}
			b.Reset()
			fails = false
			ids = arrive(c, b, 2)
			if n, err := b.Wait(); n != 2 || err != nil {
				t.Errorf("the last party got %d, %v", n, err)
			}
			for k, id := range ids {
				c.ends(id, k, nil)
			}
		})
	}
}

// TestBarrierActionOverruled ends a round while its action runs: that party fails too.
// One that came for the next round is sent away with the others.
func TestBarrierActionOverruled(t *testing.T) {
	useLot(t, parking.Now)
	for name, end := range map[string]func(*GoBarrier){"abort": (*GoBarrier).Abort, "reset": (*GoBarrier).Reset} {
		t.Run(name, func(t *testing.T) {
			runs, finish := make(chan struct{}), make(chan struct{})
			b := NewBarrier(2, func() error {
				close(runs)
				<-finish
				return nil
			})
			c := newCrew(t)
			wait := func(ctx context.Context, _ int) (int, error) { return b.WaitContext(ctx) }
			ids := append(arrive(c, b, 1), c.start(wait))
			<-runs
			next := c.start(wait)
			await(t, "the next round", func() bool { return lot.Waiting(keyOf(&b.barrier.word), parking.Shared) == 1 })
			end(b)
			c.ends(ids[0], 0, ErrBroken)
			c.ends(next, 0, ErrBroken)
			close(finish)
			c.ends(ids[1], 0, ErrBroken)
			if b.Broken() != (name == "abort") {
				t.Errorf("broken %v", b.Broken())
			}
		})
	}
}

// TestBarrierActionInTime cancels parties once all have come: they pass, and the next
// round is only broken when it has begun.
func TestBarrierActionInTime(t *testing.T) {
	useLot(t, parking.Now)
	runs, finish := make(chan struct{}), make(chan struct{})
	b := NewBarrier(2, func() error {
		close(runs)
		<-finish
		return nil
	})
	c := newCrew(t)
	wait := func(ctx context.Context, _ int) (int, error) { return b.WaitContext(ctx) }
	ids := append(arrive(c, b, 1), c.start(wait))
	<-runs
	next := c.start(wait)
	await(t, "the next round", func() bool { return lot.Waiting(keyOf(&b.barrier.word), parking.Shared) == 1 })
	for _, id := range append(ids, next) {
		c.cancel(id)
	}
	close(finish)
	c.ends(ids[0], 0, nil)
	c.ends(ids[1], 1, nil)
	c.ends(next, 0, errGone)
	if !b.Broken() {
		t.Error("the round that nobody can complete is not broken")
	}
}
