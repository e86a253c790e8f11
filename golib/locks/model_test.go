package locks

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ft_utils/golib/parking"
)

// model is the reference that random traces are compared with: what the documents
// promise, on plain slices, with no thought of concurrency. Places in the queue follow
// the order of arrival.
type model struct {
	interval int64
	clock    int64
	arrivals int

	writer  int // actor, or none
	readers int
	queue   [2][]int // actors in order of arrival
	woken   int      // exclusive actor, or none
	naps    int      // of the woken one
	mayNap  bool
	due     bool
	owed    bool

	arrived []int   // by actor; 0: not waiting
	since   []int64 // by actor: when it arrived
	coming  []bool  // by actor: notified, of the shared ones
	head    []int64 // by actor: when it became the longest exclusive waiter; 0: not yet
	phases  []phase
	kinds   []parking.Kind
	tokens  []int
	granted []bool
}

const none = -1

func newModel(actors int, interval int64) *model {
	return &model{
		interval: interval, clock: 1, writer: none, woken: none,
		arrived: make([]int, actors), since: make([]int64, actors), coming: make([]bool, actors), head: make([]int64, actors), phases: make([]phase, actors),
		kinds: make([]parking.Kind, actors), tokens: make([]int, actors), granted: make([]bool, actors),
	}
}

func (m *model) vacant() bool { return m.writer == none && m.readers == 0 }

func (m *model) longest() int { return m.queue[parking.Exclusive][0] }

func (m *model) waiting(k parking.Kind) int { return len(m.queue[k]) }

func (m *model) late() bool { return m.clock-m.head[m.longest()] >= m.interval }

func (m *model) startHead() {
	if m.waiting(parking.Exclusive) > 0 && m.head[m.longest()] == 0 {
		m.head[m.longest()] = m.clock
	}
}

func (m *model) park(a int, k parking.Kind) {
	if m.arrived[a] == 0 {
		m.arrivals++
		m.arrived[a], m.since[a], m.head[a] = m.arrivals, m.clock, 0
	}
	m.phases[a], m.kinds[a] = asleep, k
	m.queue[k] = append(m.queue[k], a)
	slices.SortFunc(m.queue[k], func(a, b int) int { return m.arrived[a] - m.arrived[b] })
	m.startHead()
}

func (m *model) unpark(a int) {
	k := m.kinds[a]
	if k == parking.Exclusive && m.longest() == a {
		m.due = false
	}
	m.queue[k] = slices.DeleteFunc(m.queue[k], func(b int) bool { return a == b })
	if m.woken == a {
		m.woken = none
	}
	m.coming[a] = false
	m.owed = m.owed && m.waiting(parking.Shared) > 0
	m.startHead()
}

// grant lets a waiter have the lock; it will learn so when it is awake.
func (m *model) grant(a int) {
	if (m.woken != a || m.naps > 0) && !m.coming[a] {
		m.tokens[a] = 1
	}
	m.unpark(a)
	m.granted[a] = true
	if m.kinds[a] == parking.Shared {
		m.readers++
		return
	}
	m.writer = a
	m.overtake()
}

// overtake is a queued writer's going ahead of the queued readers.
func (m *model) overtake() { m.owed = m.owed || m.lateReaders() }

func (m *model) lateReaders() bool {
	q := m.queue[parking.Shared]
	return len(q) > 0 && m.clock-m.since[q[0]] >= m.interval
}

func (m *model) notify() {
	if m.woken == none {
		m.woken, m.naps = m.longest(), 0
		m.tokens[m.woken] = 1
	}
}

func (m *model) notifyReaders() {
	for _, a := range m.queue[parking.Shared] {
		if !m.coming[a] {
			m.coming[a], m.tokens[a] = true, 1
		}
	}
}

// baton says whether a release may leave the lock to an actor that is on its way.
func (m *model) baton() bool {
	on := m.woken != none
	if m.waiting(parking.Exclusive) == 0 {
		on = slices.Contains(m.coming, true)
	}
	return on && !m.due && !m.owed
}

func (m *model) admit() {
	for m.waiting(parking.Shared) > 0 {
		m.grant(m.queue[parking.Shared][0])
	}
}

// hold makes an actor that is not asleep any more a holder or a bystander.
func (m *model) hold(a int, p phase) {
	m.phases[a], m.granted[a], m.arrived[a] = p, false, 0
}

func (m *model) take(a int, k parking.Kind) {
	if k == parking.Shared {
		m.readers++
		m.hold(a, reading)
	} else {
		m.writer = a
		m.hold(a, writing)
	}
}

func (m *model) may(k parking.Kind) bool {
	if k == parking.Shared {
		return m.writer == none && m.waiting(parking.Exclusive) == 0
	}
	return m.vacant()
}

func (m *model) do(st step) {
	a := st.who
	switch st.act {
	case actTick:
		m.clock += max(m.interval, 1)
	case actLock, actTry:
		m.lock(a, parking.Exclusive, st.act == actLock)
	case actRead, actTryRead:
		m.lock(a, parking.Shared, st.act == actRead)
	case actRejoin:
		m.lock(a, m.kinds[a], true)
	case actUnlock, actRelease:
		m.release(a, st.act == actRelease)
	case actDowngrade:
		m.writer, m.readers = none, 1
		m.hold(a, reading)
		switch {
		case m.owed:
			m.admit()
		case m.waiting(parking.Exclusive) == 0:
			m.notifyReaders()
		}
	case actCede:
		if m.waiting(parking.Exclusive) > 0 {
			next := m.longest()
			m.park(a, parking.Exclusive)
			m.grant(next)
		}
	case actWake, actGrab, actNapped, actGrabNapped:
		m.wake(a)
	case actGiveUp:
		m.giveUp(a, outside)
	case actPause:
		m.giveUp(a, paused)
	case actQuit:
		m.hold(a, outside)
	}
}

func (m *model) lock(a int, k parking.Kind, wait bool) {
	if m.may(k) {
		m.take(a, k)
	} else if wait {
		m.park(a, k)
	}
}

func (m *model) release(a int, judge bool) {
	wasReading := m.phases[a] == reading
	m.hold(a, outside)
	if wasReading {
		m.readers--
		if m.readers > 0 || m.waiting(parking.Exclusive) == 0 {
			return // readers that wait without a writer are on their way
		}
	}
	m.writer = none
	writers := m.waiting(parking.Exclusive)
	switch {
	case !judge && m.baton():
	case m.owed, writers == 0 && m.lateReaders(): // for minTurn; here the clock moves by more
		m.admit()
	case writers == 0:
		m.notifyReaders()
	case m.due || m.late():
		m.grant(m.longest())
	default:
		m.notify()
		m.overtake()
	}
}

func (m *model) wake(a int) {
	m.tokens[a] = 0
	switch {
	case m.granted[a] && m.kinds[a] == parking.Shared:
		m.hold(a, reading)
	case m.granted[a]:
		m.hold(a, writing)
	case m.kinds[a] == parking.Shared:
		m.comeToRead(a)
	case m.vacant():
		m.unpark(a)
		m.take(a, parking.Exclusive)
		m.overtake()
	case m.mayNap && !m.due && !m.late() && m.naps < int(parking.MostNaps):
		m.naps++
	default:
		m.due = m.due || m.late()
		m.woken = none
	}
}

func (m *model) comeToRead(a int) {
	if !m.may(parking.Shared) {
		m.coming[a] = false
		return
	}
	m.unpark(a)
	m.take(a, parking.Shared)
	m.notifyReaders()
}

func (m *model) giveUp(a int, next phase) {
	m.tokens[a] = 0
	if m.granted[a] {
		m.wake(a)
		return
	}
	m.unpark(a)
	m.phases[a] = next
	if next == outside {
		m.hold(a, outside)
	}
	switch {
	case m.writer == none && m.waiting(parking.Exclusive) == 0:
		m.notifyReaders()
	case m.vacant() && m.waiting(parking.Exclusive) > 0:
		m.notify()
	}
}

func (m *model) look(wordOf func(*model) uint64) view {
	v := view{Word: wordOf(m), Phases: slices.Clone(m.phases), Tokens: slices.Clone(m.tokens)}
	for k := range m.queue {
		for _, a := range m.queue[k] {
			v.Queues[k] = append(v.Queues[k], uint64(FirstID+a))
		}
	}
	if m.woken != none {
		v.Woken[parking.Exclusive] = []uint64{uint64(FirstID + m.woken)}
	}
	for _, a := range m.queue[parking.Shared] {
		if m.coming[a] {
			v.Woken[parking.Shared] = append(v.Woken[parking.Shared], uint64(FirstID+a))
		}
	}
	return v
}

// flag is f if the condition holds.
func flag(holds bool, f uint64) uint64 {
	if holds {
		return f
	}
	return 0
}

func (m *model) intervalWord() uint64 {
	parked := m.waiting(parking.Exclusive) > 0
	w := flag(parked, IntervalParked) | flag(m.woken != none, IntervalWoken) |
		flag(m.due || parked && m.interval == 0, IntervalHandoff)
	return w | uint64(FirstID+m.writer)<<OwnerShift*flag(m.writer != none, 1)
}

func (m *model) rwWord() uint64 {
	w := flag(m.waiting(parking.Exclusive) > 0, RWWritersParked) | flag(m.waiting(parking.Shared) > 0, RWReadersParked) |
		flag(m.woken != none || m.waiting(parking.Exclusive) == 0 && slices.Contains(m.coming, true), RWWoken) | flag(m.due, RWHandoff) | flag(m.owed, RWOwed)
	if m.writer != none {
		return w | writerWord(uint64(FirstID+m.writer))
	}
	return w | uint64(m.readers)*oneReader
}

// TestModel compares random traces with the model, step by step.
func TestModel(t *testing.T) {
	useLot(t, nil)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	const actors = 6
	for _, c := range []struct {
		name     string
		sim      sim
		interval int64
		word     func(*model) uint64
	}{
		{"interval", newIntervalSim(actors, 100), 100, (*model).intervalWord},
		{"interval, napping", newNappingSim(actors, 100), 100, (*model).intervalWord},
		{"strict", newIntervalSim(actors, 0), 0, (*model).intervalWord},
		{"rw", newRWSim(actors), rwInterval, (*model).rwWord},
	} {
		t.Run(c.name, func(t *testing.T) {
			useLotOf(t, c.sim)
			m := newModel(actors, c.interval)
			m.mayNap = strings.HasSuffix(c.name, "napping")
			compare(t, seed, c.sim, m.do, func() view { return m.look(c.word) })
		})
	}
}

// compare takes a simulation and its model through one random trace.
func compare(t *testing.T, seed uint64, s sim, do func(step), look func() view) {
	t.Helper()
	const steps = 40_000
	random := rand.New(rand.NewPCG(seed, 0))
	var trace []step
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("seed %d, %d steps, the last %v: %v", seed, len(trace), tail(trace), r)
		}
	}()
	for range steps {
		all := s.enabled()
		st := all[random.IntN(len(all))]
		trace = append(trace, st)
		s.do(st)
		do(st)
		if err := s.check(); err != nil {
			panic(err)
		}
		if got, want := s.look(), look(); !reflect.DeepEqual(got, want) {
			panic(fmt.Sprintf("\n got %+v\nwant %+v", got, want))
		}
	}
}

func tail(trace []step) []step { return trace[max(0, len(trace)-12):] }
