package parking_test

import (
	"testing"

	"ft_utils/golib/parking"
)

// TestCharge follows two waiters through charges that come now and then.
func TestCharge(t *testing.T) {
	const key = 8
	now := int64(100)
	lot := parking.NewLot(1, func() int64 { return now })
	first, second := parking.NewWaiter(2), parking.NewWaiter(3)
	push := func(w *parking.Waiter, k parking.Kind) {
		q := lot.Enter(key)
		q.Push(w, k)
		q.Leave()
	}
	charge := func(want int64) {
		t.Helper()
		if got := lot.Charge(key); got != want {
			t.Errorf("charged %d at %d instead of %d", got, now, want)
		}
	}
	push(first, parking.Exclusive)
	now = 110
	charge(0) // it is off
	lot.Profile(true)
	charge(0)
	now = 120
	charge(10) // since it is on, though the wait began before
	push(second, parking.Shared)
	now = 125
	charge(10)
	charge(0)
	for _, w := range []*parking.Waiter{first, second} {
		q := lot.Enter(key)
		q.Remove(w)
		q.Leave()
		w.Forget()
	}
	now = 140
	charge(0) // nobody waits
	push(first, parking.Exclusive)
	now = 147
	charge(7)
	lot.Profile(false)
	now = 150
	charge(0)
	lot.Profile(true)
	now = 151
	charge(1)
}
