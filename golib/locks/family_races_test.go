package locks

import (
	"slices"
	"strings"
	"testing"
)

// TestFamilyRaces forces the orders of events that matter.
func TestFamilyRaces(t *testing.T) {
	useLot(t, nil)
	semaphore := func() sim { return newSemaphoreSim(4, false) }
	weighted := func() sim { return newSemaphoreSim(4, true) }
	event := func() sim { return newEventSim(3) }
	condition := func() sim { return newConditionSim(4, 100, false) }
	foreign := func() sim { return newConditionSim(3, 100, true) }
	barrier := func() sim { return newBarrierSim(4, 3) }
	for _, c := range []struct {
		name  string
		make  func() sim
		trace string
		want  string
		queue []uint64 // the exclusive waiters; of a condition's lock
		word  uint64
	}{
		{"a permit goes to the longest, not to one that runs", semaphore, "A:take B:take C:give D:try",
			"A:asleep+token B:asleep C:outside D:outside", []uint64{3}, SemaphoreParked},
		{"two permits for three", semaphore, "A:take B:take C:take D:give-two",
			"A:asleep+token B:asleep+token C:asleep D:outside", []uint64{4}, SemaphoreParked},
		{"two permits for one", semaphore, "A:take D:give-two",
			"A:asleep+token B:outside C:outside D:outside", nil, onePermit},
		{"given up before the grant: the permit stays", semaphore, "A:take A:give-up D:give",
			"A:outside B:outside C:outside D:outside", nil, onePermit},
		{"given up after the grant: it has the permit", semaphore, "A:take D:give A:give-up",
			"A:reading B:outside C:outside D:outside", nil, 0},
		{"given up in the middle of the queue", semaphore, "A:take B:take C:take B:give-up D:give-two",
			"A:asleep+token B:outside C:asleep+token D:outside", nil, 0},
		{"a signal: the old place is kept", semaphore, "A:take B:take A:pause A:rejoin D:give",
			"A:asleep+token B:asleep C:outside D:outside", []uint64{3}, SemaphoreParked},
		{"a signal: nothing is kept for one that is away", semaphore, "A:take B:take A:pause D:give A:rejoin",
			"A:asleep B:asleep+token C:outside D:outside", []uint64{2}, SemaphoreParked},
		{"the last withdrawal leaves a clean word", semaphore, "A:take A:pause D:give A:rejoin",
			"A:reading B:outside C:outside D:outside", nil, 0},

		{"one that wants two waits for both", weighted, "D:give A:take-two",
			"A:asleep B:outside C:outside D:outside", []uint64{2}, onePermit | SemaphoreParked},
		{"and keeps its place", weighted, "D:give A:take-two B:take C:try D:give",
			"A:asleep+token B:asleep C:outside D:outside", []uint64{3}, SemaphoreParked},
		{"when it gives up, those behind it go on", weighted, "D:give A:take-two B:take C:take A:give-up",
			"A:outside B:asleep+token C:asleep D:outside", []uint64{4}, SemaphoreParked},
		{"given up behind it: it waits on", weighted, "D:give A:take-two B:take B:give-up",
			"A:asleep B:outside C:outside D:outside", []uint64{2}, onePermit | SemaphoreParked},
		{"given up after the grant: it has both", weighted, "A:take-two B:take D:give-two A:give-up",
			"A:reading B:asleep C:outside D:outside", []uint64{3}, SemaphoreParked},
		{"as many as the permits go to", weighted, "D:give A:take-two B:take C:take D:give-two",
			"A:asleep+token B:asleep+token C:asleep D:outside", []uint64{4}, SemaphoreParked},

		{"set wakes all", event, "A:await B:await C:set",
			"A:asleep+token B:asleep+token C:outside", nil, EventSet},
		{"set and cleared: those who waited go all the same", event, "A:await C:set C:clear B:await A:wake",
			"A:outside B:asleep C:outside", nil, EventParked},
		{"given up before the set", event, "A:await A:give-up C:set",
			"A:outside B:outside C:outside", nil, EventSet},
		{"given up after the set: one wake-up", event, "A:await B:await C:set A:give-up",
			"A:outside B:asleep+token C:outside", nil, EventSet},
		{"clearing keeps those who wait", event, "A:await C:clear",
			"A:asleep B:outside C:outside", nil, EventParked},

		{"to notify is to move: nobody wakes", condition, "A:lock A:wait B:lock B:notify",
			"A:asleep B:writing C:outside D:outside", []uint64{2}, 3<<OwnerShift | IntervalParked},
		{"in order of arrival, behind those who queue", condition,
			"A:lock A:wait B:lock B:wait C:lock D:lock C:notify-all",
			"A:asleep B:asleep C:writing D:asleep", []uint64{5, 2, 3}, 4<<OwnerShift | IntervalParked},
		{"given up after the move, in the lock's queue: the lock's waiters go on", condition,
			"A:lock A:wait B:lock B:wait C:lock C:notify-all A:give-up C:unlock",
			"A:outside B:asleep+token C:outside D:outside", []uint64{3}, IntervalParked | IntervalWoken},
		{"given up before the notification: the next gets it", condition,
			"A:lock A:wait B:lock B:wait A:give-up A:notify",
			"A:writing B:asleep C:outside D:outside", []uint64{3}, 2<<OwnerShift | IntervalParked},
		{"notified while the lock is free: the first is woken", condition,
			"A:lock A:wait B:lock B:wait C:notify-all",
			"A:asleep+token B:asleep C:outside D:outside", []uint64{2, 3}, IntervalParked | IntervalWoken},
		{"notified while another has the lock: its release wakes", condition,
			"A:lock A:wait C:lock D:notify C:unlock",
			"A:asleep+token B:outside C:outside D:outside", []uint64{2}, IntervalParked | IntervalWoken},
		{"one who waits hands the lock over", condition, "A:lock B:lock A:wait",
			"A:asleep B:asleep+token C:outside D:outside", nil, 3 << OwnerShift},
		{"a foreign lock: each is woken", foreign, "A:lock A:wait B:lock B:wait C:lock C:notify-all A:wake",
			"A:asleep B:asleep+token C:writing", []uint64{2}, 4<<OwnerShift | IntervalParked},
		{"a foreign lock: given up after the notification", foreign, "A:lock A:wait C:notify A:give-up",
			"A:writing B:outside C:outside", nil, 2 << OwnerShift},

		{"the last comes", barrier, "A:arrive B:arrive C:arrive C:open",
			"A:asleep+token B:asleep+token C:outside D:outside", nil, 0},
		{"a time-out breaks it for all", barrier, "A:arrive B:arrive A:give-up C:arrive",
			"A:outside B:asleep+token C:outside D:outside", nil, BarrierBroken},
		{"one that was interrupted does not count", barrier, "A:arrive B:arrive A:pause C:arrive",
			"A:outside B:asleep C:asleep D:outside", []uint64{3, 4}, 2 * oneArrival},
		{"interrupted while the action runs", barrier, "A:arrive B:arrive C:arrive A:pause C:open",
			"A:outside B:asleep+token C:outside D:outside", nil, 0},
		{"the next round waits for the action", barrier, "A:arrive B:arrive C:arrive D:arrive",
			"A:asleep B:asleep C:writing D:asleep", []uint64{2, 3}, 2*oneArrival | BarrierFull},
		{"and then begins", barrier, "A:arrive B:arrive C:arrive D:arrive C:open D:wake",
			"A:asleep+token B:asleep+token C:outside D:asleep", []uint64{5}, oneArrival},
		{"reset during the action: the new round is not opened by the old", barrier,
			"A:arrive B:arrive C:arrive D:reset D:arrive A:wake A:arrive C:open",
			"A:asleep B:asleep+token C:outside D:asleep", []uint64{5, 2}, 2 * oneArrival},
		{"abort during the action", barrier, "A:arrive B:arrive C:arrive D:abort C:open A:wake A:arrive",
			"A:outside B:asleep+token C:outside D:outside", nil, BarrierBroken},
		{"a reset mends it", barrier, "A:arrive D:abort D:reset B:arrive",
			"A:asleep+token B:asleep C:outside D:outside", []uint64{3}, oneArrival},
		{"given up after the round was opened: it passed", barrier, "A:arrive B:arrive C:arrive C:open A:give-up",
			"A:outside B:asleep+token C:outside D:outside", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.make()
			drive(t, s, strings.ReplaceAll(c.trace, "tick", "A:tick"))
			v := s.look()
			if got := outcome(v); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := v.Queues[0]; !slices.Equal(got, c.queue) {
				t.Errorf("the queue is %v, not %v", got, c.queue)
			}
			if v.Word != c.word {
				t.Errorf("the word is %#x, not %#x", v.Word, c.word)
			}
		})
	}
}

// TestConditionWithdrawMoved asks the condition for one that sits in the lock's queue by
// now, or holds the lock: it says so and touches nothing.
func TestConditionWithdrawMoved(t *testing.T) {
	useLot(t, nil)
	for _, trace := range []string{
		"A:lock A:wait B:lock B:notify",
		"A:lock A:wait B:lock B:notify B:unlock",
		"A:lock A:wait B:lock B:notify A:tick B:unlock",
	} {
		s := newConditionSim(2, 100, false)
		drive(t, s, trace)
		before, parked := s.look(), lot.Counters()
		if !s.c.Withdraw(s.actors[0].w, TimedOut) {
			t.Errorf("%s: withdrawn", trace)
		}
		if after := s.look(); outcome(after) != outcome(before) || after.Word != before.Word || lot.Counters() != parked {
			t.Errorf("%s: %+v became %+v", trace, before, after)
		}
		if err := s.check(); err != nil {
			t.Error(err)
		}
	}
}

// TestSemaphoreBounds checks the refusals of a release at the ends of the range.
func TestSemaphoreBounds(t *testing.T) {
	useLot(t, nil)
	for _, c := range []struct{ permits, n, most, want uint64 }{
		{0, SemaphoreMost, SemaphoreMost, SemaphoreMost},
		{1, SemaphoreMost, SemaphoreMost, 1},
		{SemaphoreMost, 1, SemaphoreMost, SemaphoreMost},
		{1, 1<<64 - 1, SemaphoreMost, 1},
		{3, 1, 3, 3},
		{5, 1, 3, 5},
		{2, 1, 3, 3},
	} {
		var m Semaphore
		m.word.cas(0, c.permits*onePermit)
		released, chain := m.Release(c.n, c.most)
		if got := m.word.load(); got != c.want*onePermit || chain != nil || released != (c.want != c.permits) {
			t.Errorf("%d and %d of %d: released %v, word %#x", c.permits, c.n, c.most, released, got)
		}
	}
}
