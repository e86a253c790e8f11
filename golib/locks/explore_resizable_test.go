//go:build explore

package locks

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"ft_utils/golib/parking"
)

// The programs:
//
//	take, timed, signalled   a permit, as those of a semaphore; -two: two permits at once
//	give                     all permits that the thread holds
//	limit-0, limit-1, …      a resize; by one thread only

type exploredResizable struct {
	*ResizableSemaphore
	held     []int // by thread
	resizing bool  // the limit may be stored and not counted yet
}

func newExploredResizable(threads int, limit uint64) *exploredResizable {
	m := &exploredResizable{ResizableSemaphore: new(ResizableSemaphore), held: make([]int, threads)}
	m.limit.v = limit
	return m
}

func (m *exploredResizable) theWord() *word { return &m.word }

func (m *exploredResizable) perform(th *thread, op string) {
	held := &m.held[th.w.ID-FirstID]
	name, two := strings.CutSuffix(op, "-two")
	other := map[string]int{"timed": byTime, "signalled": bySignal}[name]
	switch {
	case name == "take" || other != 0:
		n := 1 + number(two)
		if m.take(n) || m.takeSlow(th, n, other) {
			*held += int(n)
			th.hold(reading)
		}
	case op == "give":
		n := *held
		if n == 0 {
			return
		}
		*held, th.holding = 0, outside
		given, chain := m.give(uint64(n))
		if !given {
			panic("a release was refused")
		}
		th.release(chain)
	case strings.HasPrefix(op, "limit-"):
		m.resizing = true
		chain := m.resize(uint64(op[len(op)-1] - '0'))
		m.resizing = false
		th.release(chain)
	default:
		panic(op)
	}
}

func (m *exploredResizable) takeSlow(th *thread, n uint64, other int) bool {
	th.at("contend")
	th.w.Number = n
	p := resizableWait{m.ResizableSemaphore, new(Permission)}
	got := th.wait(p, p.contend(th.w), other, func() {})
	return got && Permission(th.w.Outcome) == Permitted
}

func (m *exploredResizable) checkEntered(q *parking.Queue, notified woken) error {
	if m.resizing {
		return m.checkFlags(q, notified)
	}
	return m.ResizableSemaphore.checkEntered(q, notified)
}

func (m *exploredResizable) share(x *world, b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.limit.v)
	for i, n := range m.held {
		w := x.threads[i].w
		b = append(b, byte(n), byte(w.Number), byte(w.Outcome))
	}
	return b
}

// checkWorld finds every permit that is taken once. One that is given back is between a
// thread's hand and the word, so it is asked of the word only that it does not have fewer.
func (m *exploredResizable) checkWorld(x *world) error {
	n := 0
	for i, th := range x.threads {
		n += m.held[i]
		if th.w.State.Load() == parking.Granted && Permission(th.w.Outcome) == Permitted {
			n += int(th.w.Number)
		}
	}
	if taken := int(m.word.v >> OwnerShift); taken < n {
		return fmt.Errorf("%d permits in hand, word %#x", n, m.word.v)
	}
	return nil
}

func (m *exploredResizable) ended(x *world) error {
	if m.word.v&^uint64(ResizableResizes) != 0 {
		return fmt.Errorf("the word ends as %#x", m.word.v)
	}
	return x.allEnded()
}

func TestExploreResizable(t *testing.T) {
	for _, programs := range [][]string{
		{"take give", "take-two give", "limit-1 limit-2"},
		{"take-two give", "timed-two give", "limit-1 limit-3"},
		{"take give", "signalled-two give", "limit-0 limit-2"},
		{"take give", "timed-two give", "signalled give"},
	} {
		explore(t, func() subject { return newExploredResizable(len(programs), 2) }, programs...)
	}
}

// TestExplorePause shows that nobody enters once a resize to 0 has returned.
func TestExplorePause(t *testing.T) {
	for _, programs := range [][]string{{"take give", "timed-two give", "limit-0 closed limit-2"}} {
		explore(t, func() subject { return exploredPause{newExploredResizable(len(programs), 2)} }, programs...)
	}
}

type exploredPause struct{ *exploredResizable }

func (m exploredPause) perform(th *thread, op string) {
	if op != "closed" {
		m.exploredResizable.perform(th, op)
		return
	}
	taken := m.word.v >> OwnerShift
	th.pause(always)
	if m.word.v>>OwnerShift > taken {
		panic("somebody came in while the semaphore was closed")
	}
}
