//go:build explore

package locks

import (
	"fmt"
	"strings"
	"testing"

	"ft_utils/golib/parking"
)

// The programs of the family are words too:
//
//	take, timed, signalled   a permit, or the end of an event's wait; as in explore_locks_test.go
//	take-two, timed-two      two permits at once
//	give, give-two           permits that the thread holds
//	set, clear               the event

type semaphorePolicy struct{ m *Semaphore }

func (p semaphorePolicy) contend(w *parking.Waiter) Verdict { return p.m.Contend(w) }
func (p semaphorePolicy) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	if served, chain := p.m.withdraw(w, why); chain == nil {
		return served, nil
	}
	panic("the end of a wait for one permit let others go")
}

type exploredSemaphore struct {
	*Semaphore
	weighted bool // as goroutines use it: no try overlooks those who wait, none of them comes back
	total    int
	held     []int // by thread
}

func newExploredSemaphore(threads, permits int, weighted bool) *exploredSemaphore {
	m := &exploredSemaphore{new(Semaphore), weighted, permits, make([]int, threads)}
	m.word.v = uint64(permits) * onePermit
	return m
}

func (m *exploredSemaphore) theWord() *word { return &m.word }

func (m *exploredSemaphore) perform(th *thread, op string) {
	held := &m.held[th.w.ID-FirstID]
	other := map[string]int{"timed": byTime, "timed-two": byTime, "signalled": bySignal}[op]
	switch op {
	case "take", "timed", "signalled", "take-two", "timed-two":
		n := 1 + number(strings.HasSuffix(op, "-two"))
		if m.weighted && m.take(n) || !m.weighted && m.try() || m.takeSlow(th, n, other) {
			*held += int(n)
			th.hold(reading)
		}
	case "give", "give-two":
		n := 1 + number(op == "give-two")
		if *held < int(n) {
			return
		}
		given, chain := m.give(n, uint64(m.total))
		if !given {
			panic("a release was refused")
		}
		if *held -= int(n); *held == 0 {
			th.holding = outside
		}
		th.release(chain)
	default:
		panic(op)
	}
}

func (m *exploredSemaphore) takeSlow(th *thread, n uint64, other int) bool {
	th.at("contend")
	if m.weighted {
		return th.wait(semaphoreWait{m.Semaphore}, m.contendFor(th.w, n), other, func() {})
	}
	return th.wait(semaphorePolicy{m.Semaphore}, m.Contend(th.w), other, func() {})
}

func (m *exploredSemaphore) share(x *world, b []byte) []byte {
	for _, n := range m.held {
		b = append(b, byte(n))
	}
	return b
}

// checkWorld finds every permit once.
func (m *exploredSemaphore) checkWorld(x *world) error {
	n := int(m.word.v >> OwnerShift)
	for i, th := range x.threads {
		n += m.held[i]
		if th.w.State.Load() == parking.Granted {
			n += int(th.w.Number)
		}
	}
	if n != m.total {
		return fmt.Errorf("%d permits of %d, word %#x", n, m.total, m.word.v)
	}
	return nil
}

func (m *exploredSemaphore) ended(x *world) error {
	if m.word.v != uint64(m.total)*onePermit {
		return fmt.Errorf("the word ends as %#x", m.word.v)
	}
	return x.allEnded()
}

func TestExploreSemaphore(t *testing.T) {
	for permits, all := range map[int][][]string{
		1: {
			{"take give take give", "take give", "timed give"},
			{"take give", "signalled give", "timed give"},
		},
		2: {
			{"timed timed give-two give", "timed give", "signalled give"},
			{"take give take give", "take give", "take give"},
		},
	} {
		for _, programs := range all {
			t.Run(fmt.Sprint(permits), func(t *testing.T) {
				explore(t, func() subject { return newExploredSemaphore(len(programs), permits, false) }, programs...)
			})
		}
	}
}

func TestExploreWeightedSemaphore(t *testing.T) {
	for _, programs := range [][]string{
		{"take-two give-two", "take give", "take give"},
		{"take give", "timed-two give-two", "take give"},
		{"timed-two give-two", "take give take give", "timed give"},
		{"take-two give give", "timed-two give give", "timed give"},
	} {
		explore(t, func() subject { return newExploredSemaphore(len(programs), 2, true) }, programs...)
	}
}

type eventPolicy struct{ e *Event }

func (p eventPolicy) contend(w *parking.Waiter) Verdict { return p.e.Await(w) }
func (p eventPolicy) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return p.e.Withdraw(w, why), nil
}

type exploredEvent struct{ *Event }

func (e exploredEvent) theWord() *word { return &e.word }

func (e exploredEvent) perform(th *thread, op string) {
	other := map[string]int{"timed": byTime, "signalled": bySignal}[op]
	switch op {
	case "take", "timed", "signalled":
		if e.word.load()&EventSet != 0 {
			return
		}
		th.at("contend")
		th.wait(eventPolicy{e.Event}, e.Await(th.w), other, func() {})
	case "set":
		th.release(e.set())
	case "clear":
		e.clear()
	default:
		panic(op)
	}
}

func (e exploredEvent) ended(x *world) error {
	if e.word.v != EventSet {
		return fmt.Errorf("the word ends as %#x", e.word.v)
	}
	return x.allEnded()
}

func TestExploreEvent(t *testing.T) {
	for _, programs := range [][]string{
		{"take", "timed", "set"},
		{"take take", "signalled timed", "set clear set"},
		{"take", "take timed", "set clear set"},
	} {
		explore(t, func() subject { return exploredEvent{new(Event)} }, programs...)
	}
}
