package locks

import (
	"fmt"

	"ft_utils/golib/parking"
)

// resize is the change of the limit as in C: without judgement where nobody waits. It is
// called by one at a time.
func (m *ResizableSemaphore) resize(limit uint64) (chain *parking.Waiter) {
	if m.word.load()&ResizableParked != 0 {
		return m.Resize(limit)
	}
	m.limit.store(limit)
	for {
		s := m.word.load()
		if s&ResizableParked != 0 {
			return m.Resize(limit)
		}
		if m.word.cas(s, resized(s)) {
			return nil
		}
	}
}

// mostLimit is the largest limit of the simulated semaphore, which begins with it.
const mostLimit = 3

// resizableSim is a simulation of ResizableSemaphore. Those who have permits are reading.
type resizableSim struct {
	simulation
	m    *ResizableSemaphore
	held []int // by actor: permits in its hands, or that it waits for
}

func newResizableSim(actors int) *resizableSim {
	s := &resizableSim{m: new(ResizableSemaphore), held: make([]int, actors)}
	s.enlist(actors)
	s.m.limit.store(mostLimit)
	return s
}

func (s *resizableSim) enabled() []step {
	all := s.steps(func(a *actor) []action {
		switch a.phase {
		case outside:
			return []action{actTake, actTakeTwo, actTry, actGive}
		case reading:
			return []action{actGive}
		}
		return a.sleeping()
	})
	if s.m.limit.load() < mostLimit {
		all = append(all, step{0, actGrow})
	}
	if s.m.limit.load() > 0 {
		all = append(all, step{0, actShrink})
	}
	return all
}

func (s *resizableSim) do(st step) {
	a := s.actors[st.who]
	switch st.act {
	case actTake:
		s.take(st.who, 1, true)
	case actTakeTwo:
		s.take(st.who, 2, true)
	case actTry:
		s.take(st.who, 1, false)
	case actGive:
		s.give(st.who)
	case actGrow:
		s.deliver(s.m.resize(s.m.limit.load() + 1))
	case actShrink:
		s.deliver(s.m.resize(s.m.limit.load() - 1))
	case actWake:
		a.consume()
		fallthrough
	case actRejoin:
		s.contend(a)
	case actGiveUp:
		s.withdraw(a, TimedOut, outside)
	case actPause:
		s.withdraw(a, Looking, paused)
	case actQuit:
		a.w.Forget()
		a.phase = outside
	}
}

// take takes n permits without judgement, or waits for them.
func (s *resizableSim) take(who int, n uint64, wait bool) {
	a := s.actors[who]
	s.held[who] = int(n)
	if s.m.take(n) {
		a.phase = reading
	} else if wait {
		a.w.Number = n
		s.contend(a)
	}
}

func (s *resizableSim) contend(a *actor) {
	v := s.m.Contend(a.w)
	a.after(v, resizableEnd(a), parking.Exclusive)
}

// resizableEnd is the phase that the end of a wait leads to.
func resizableEnd(a *actor) phase {
	if Permission(a.w.Outcome) == Excessive {
		return outside
	}
	return reading
}

// give gives back what the actor has, or is misuse: more than all permits that are taken.
func (s *resizableSim) give(who int) {
	a := s.actors[who]
	before := s.m.word.load()
	if a.phase != reading {
		if given, chain := s.m.give(before>>OwnerShift + 1); given || chain != nil || s.m.word.load() != before {
			panic("a refused release changed something")
		}
		return
	}
	given, chain := s.m.give(uint64(s.held[who]))
	if !given {
		panic("a release was refused")
	}
	a.phase = outside
	s.deliver(chain)
}

func (s *resizableSim) withdraw(a *actor, why Reason, next phase) {
	over, chain := s.m.Withdraw(a.w, why)
	a.withdrawn(over, resizableEnd(a), next)
	s.deliver(chain)
}

func (s *resizableSim) check() error {
	hands := 0
	for i, a := range s.actors {
		granted := a.phase == asleep && a.w.State.Load() == parking.Granted && Permission(a.w.Outcome) == Permitted
		if a.phase == reading || granted {
			hands += s.held[i]
		}
	}
	if taken := int(s.m.word.load() >> OwnerShift); taken != hands {
		return fmt.Errorf("%d permits taken in the word %#x, %d in hand", taken, s.m.word.load(), hands)
	}
	if err := s.checkWaiters(); err != nil {
		return err
	}
	q := lot.Enter(keyOf(&s.m.word))
	defer q.Leave()
	return s.m.checkEntered(q, woken{})
}

func (m *ResizableSemaphore) checkEntered(q *parking.Queue, notified woken) error {
	if err := m.checkFlags(q, notified); err != nil {
		return err
	}
	s, limit := m.word.load(), m.limit.load()
	w := q.Head(parking.Exclusive)
	if w != nil && room(w.Number, s>>OwnerShift, limit) {
		return fmt.Errorf("word %#x keeps one waiting that wants %d of %d", s, w.Number, limit)
	}
	for ; w != nil; w = w.Next() {
		if excessive(w.Number, limit) {
			return fmt.Errorf("one waits for %d permits of %d", w.Number, limit)
		}
	}
	return nil
}

// checkFlags holds in the middle of a resize too.
func (m *ResizableSemaphore) checkFlags(q *parking.Queue, notified woken) error {
	s := m.word.load()
	row, flags := resizableRow(s)
	if !resizableTable.legal(row, flags) {
		return fmt.Errorf("word %#x: flags %#b are illegal with permits taken: %s", s, flags, row)
	}
	if flags != flag(q.Len(parking.Exclusive) > 0, ResizableParked) || q.Len(parking.Shared) > 0 || notified != (woken{}) {
		return fmt.Errorf("word %#x with %d in the queue, %d notified", s, q.Len(parking.Exclusive), notified)
	}
	return nil
}

// resizableTable is the comment on ResizableSemaphore's word, as data, without the count.
var resizableTable = table{"none": {0, ResizableParked}, "some": {0, ResizableParked}}

func resizableRow(s uint64) (string, uint64) { return semaphoreRow(s &^ ResizableResizes) }

func (s *resizableSim) look() view            { return s.view(&s.m.word) }
func (s *resizableSim) row() (string, uint64) { return resizableRow(s.m.word.load()) }

// name leaves the count of resizes out: nothing but a race depends on it.
func (s *resizableSim) name() string {
	q := lot.Enter(keyOf(&s.m.word))
	defer q.Leave()
	held := map[*actor]int{}
	for i, a := range s.actors {
		held[a] = s.held[i]
	}
	var plain word
	plain.store(s.m.word.load() &^ ResizableResizes)
	return fmt.Sprint(plain.load(), s.m.limit.load(), s.key(&plain, q, 1, func(a *actor) any {
		switch {
		case a.phase == outside:
			return nil
		case a.phase == asleep && a.w.State.Load() == parking.Granted:
			return [2]any{held[a], a.w.Outcome}
		}
		return held[a]
	}))
}

// resizableModel is the reference.
type resizableModel struct {
	*model
	limit, taken, resizes int
	wanted                []int  // by actor: permits that it waits for or has
	refused               []bool // by actor: its wait ended without them, and it does not know yet
}

func newResizableModel(actors int) *resizableModel {
	return &resizableModel{model: newModel(actors, 1), limit: mostLimit, wanted: make([]int, actors), refused: make([]bool, actors)}
}

func (m *resizableModel) do(st step) {
	a := st.who
	switch st.act {
	case actTake, actTry:
		m.take(a, 1, st.act == actTake)
	case actTakeTwo:
		m.take(a, 2, true)
	case actRejoin:
		m.take(a, m.wanted[a], true)
	case actGive:
		if m.phases[a] == reading {
			m.taken -= m.wanted[a]
			m.hold(a, outside)
		}
	case actGrow:
		m.resize(m.limit + 1)
	case actShrink:
		m.resize(m.limit - 1)
	case actQuit:
		m.hold(a, outside)
	default:
		served := reading
		if m.refused[a] {
			served = outside
		}
		m.refused[a] = false
		m.endSleep(a, st.act, served)
	}
	m.deal()
}

func (m *resizableModel) take(a, n int, wait bool) {
	m.wanted[a] = n
	before := 0 // who wait and came before
	for _, b := range m.queue[parking.Exclusive] {
		if m.arrived[a] == 0 || m.arrived[b] < m.arrived[a] {
			before++
		}
	}
	switch {
	case before == 0 && m.taken+n <= m.limit && (wait || m.waiting(parking.Exclusive) == 0):
		m.taken += n
		m.hold(a, reading)
	case wait && m.limit > 0 && n > m.limit:
		m.hold(a, outside)
	case wait:
		m.park(a, parking.Exclusive)
	}
}

// resize ends the waits for more than the new limit.
func (m *resizableModel) resize(limit int) {
	m.limit = limit
	m.resizes++
	for i := 0; limit > 0 && i < m.waiting(parking.Exclusive); {
		if a := m.queue[parking.Exclusive][i]; m.wanted[a] > limit {
			m.refused[a] = true
			m.serve(a)
		} else {
			i++
		}
	}
}

// deal serves the longest waiters as far as the permits go.
func (m *resizableModel) deal() {
	for m.waiting(parking.Exclusive) > 0 && m.taken+m.wanted[m.longest()] <= m.limit {
		m.taken += m.wanted[m.longest()]
		m.serve(m.longest())
	}
}

func (m *resizableModel) word(*model) uint64 {
	parked := flag(m.waiting(parking.Exclusive) > 0, ResizableParked)
	return uint64(m.taken)*onePermit | uint64(m.resizes)*ResizableResize&ResizableResizes | parked
}
