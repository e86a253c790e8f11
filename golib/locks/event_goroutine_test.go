package locks

import (
	"math/rand/v2"
	"testing"

	"ft_utils/golib/parking"
)

// TestStressEvent has each round's event set once, and what was written before seen.
func TestStressEvent(t *testing.T) {
	useLot(t, parking.Now)
	const goroutines, rounds = 6, 400
	var events [rounds]GoEvent
	var written [rounds]int
	together(t, goroutines, func(i int, r *rand.Rand) {
		for k := range events {
			e := &events[k]
			if k%goroutines == i {
				written[k] = k
				e.Set()
				continue
			}
			if r.IntN(4) == 0 {
				ctx, cancel := briefly(r)
				err := e.WaitContext(ctx)
				cancel()
				if !timely(t, err) {
					continue
				}
			} else {
				e.Wait()
			}
			if written[k] != k {
				t.Errorf("event %d shows %d", k, written[k])
			}
		}
	})
	for k := range events {
		if s := events[k].event.word.load(); s != EventSet {
			t.Errorf("event %d is %#x in the end", k, s)
		}
	}
	nobodyQueued(t)
}

// TestEventIsSet has the race detector see that IsSet shows what was written before Set.
func TestEventIsSet(t *testing.T) {
	const rounds = 2000
	var events [rounds]GoEvent
	var written [rounds]int
	together(t, 2, func(i int, _ *rand.Rand) {
		for k := range events {
			if i == 0 {
				written[k] = k
				events[k].Set()
			} else if events[k].IsSet() && written[k] != k {
				t.Errorf("event %d shows %d", k, written[k])
			}
		}
	})
}

// TestStressEventToggled has one goroutine set and clear an event that others wait for: a
// wait that was begun before a Set ends, however soon the event is cleared.
func TestStressEventToggled(t *testing.T) {
	useLot(t, parking.Now)
	const waiters, rounds = 4, 300
	e, gone := NewEvent(), NewBarrier(waiters+1, nil)
	together(t, waiters+1, func(i int, _ *rand.Rand) {
		for range rounds {
			if i < waiters {
				e.Wait()
			} else {
				await(t, "the waiters", func() bool { return e.Waiters() == waiters })
				e.Set()
				e.Clear()
			}
			if _, err := gone.Wait(); err != nil {
				t.Error(err)
			}
		}
	})
	nobodyLeft(t, &e.event.word)
}
