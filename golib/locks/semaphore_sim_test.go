package locks

import (
	"fmt"

	"ft_utils/golib/parking"
)

// try and give are the transitions of a Semaphore without judgement, as in C.
func (m *Semaphore) try() bool {
	for {
		s := m.word.load()
		if s < onePermit {
			return false
		}
		if m.word.cas(s, s-onePermit) {
			return true
		}
	}
}

func (m *Semaphore) give(n, most uint64) (given bool, chain *parking.Waiter) {
	for {
		s := m.word.load()
		permits := s >> OwnerShift
		switch {
		case permits > most || n > most-permits:
			return false, nil
		case s&SemaphoreParked != 0:
			return m.Release(n, most)
		case m.word.cas(s, (permits+n)<<OwnerShift):
			return true, nil
		}
	}
}

// sleeping lists what an actor may do that sleeps or has withdrawn to run a handler.
func (a *actor) sleeping() []action {
	switch {
	case a.phase == paused:
		return []action{actRejoin, actQuit}
	case a.tokens == 0:
		return []action{actGiveUp, actPause}
	}
	return []action{actWake, actGiveUp, actPause}
}

// steps combines actors with what each may do.
func (s *simulation) steps(allowed func(*actor) []action) (all []step) {
	for i, a := range s.actors {
		for _, act := range allowed(a) {
			all = append(all, step{i, act})
		}
	}
	return all
}

// granted counts the actors that were granted what they wait for and do not know yet.
func (s *simulation) granted() (n int) {
	for _, a := range s.actors {
		if a.phase == asleep && a.w.State.Load() == parking.Granted {
			n++
		}
	}
	return n
}

// mostPermits is the bound of the simulated semaphore.
const mostPermits = 3

// semaphoreSim is a simulation of Semaphore. Those who have permits are reading. With
// weighted, as goroutines use it, some want two; without, as C does, all want one, and
// some withdraw for a moment.
type semaphoreSim struct {
	simulation
	m        *Semaphore
	weighted bool
	held     []int // by actor: permits in its hands
	total    int   // permits in the word and in the actors' hands
}

func newSemaphoreSim(actors int, weighted bool) *semaphoreSim {
	s := &semaphoreSim{m: new(Semaphore), weighted: weighted, held: make([]int, actors)}
	s.enlist(actors)
	return s
}

func (s *semaphoreSim) enabled() []step {
	return s.steps(func(a *actor) []action {
		switch {
		case a.phase == outside && s.weighted:
			return []action{actTake, actTakeTwo, actTry, actGive, actGiveTwo}
		case a.phase == outside:
			return []action{actTake, actTry, actGive, actGiveTwo}
		case a.phase == reading:
			return []action{actGive, actKeep}
		case !s.weighted:
			return a.sleeping()
		case a.tokens == 0:
			return []action{actGiveUp}
		}
		return []action{actWake, actGiveUp}
	})
}

func (s *semaphoreSim) do(st step) {
	a := s.actors[st.who]
	switch st.act {
	case actTake:
		s.take(st.who, 1, true)
	case actTakeTwo:
		s.take(st.who, 2, true)
	case actTry:
		s.take(st.who, 1, false)
	case actGive:
		s.give(st.who, 1)
	case actGiveTwo:
		s.give(st.who, 2)
	case actKeep:
		a.phase = outside
		s.total -= s.held[st.who]
	case actWake:
		a.consume()
		fallthrough
	case actRejoin:
		a.after(s.m.contendFor(a.w, a.w.Number), reading, parking.Exclusive)
	case actGiveUp:
		s.withdraw(a, TimedOut, outside)
	case actPause:
		s.withdraw(a, Looking, paused)
	case actQuit:
		a.w.Forget()
		a.phase = outside
	}
}

// take takes n permits without judgement, as C or as goroutines do, or waits for them.
func (s *semaphoreSim) take(who int, n uint64, wait bool) {
	a := s.actors[who]
	s.held[who] = int(n)
	switch {
	case s.weighted && s.m.take(n) || !s.weighted && s.m.try():
		a.phase = reading
	case wait && s.weighted:
		a.after(s.m.contendFor(a.w, n), reading, parking.Exclusive)
	case wait:
		a.after(s.m.Contend(a.w), reading, parking.Exclusive)
	}
}

// give makes n permits, or gives back what the actor has.
func (s *semaphoreSim) give(who int, n uint64) {
	a := s.actors[who]
	if a.phase == reading {
		n = uint64(s.held[who])
	}
	before := s.m.word.load()
	given, chain := s.m.give(n, mostPermits)
	switch {
	case !given:
		if s.m.word.load() != before || chain != nil {
			panic("a refused release changed something")
		}
	case a.phase == reading:
		a.phase = outside
	default:
		s.total += int(n)
	}
	s.deliver(chain)
}

func (s *semaphoreSim) withdraw(a *actor, why Reason, next phase) {
	if s.weighted {
		served, chain := s.m.withdraw(a.w, why)
		a.withdrawn(served, reading, next)
		s.deliver(chain)
		return
	}
	a.withdrawn(s.m.Withdraw(a.w, why), reading, next)
}

// withdrawn puts an actor that gave up into the phase that the answer says.
func (a *actor) withdrawn(served bool, held, next phase) {
	a.settleOwn()
	if served {
		next = held
	}
	if next != paused {
		a.w.Forget()
	}
	a.phase = next
}

func (s *semaphoreSim) check() error {
	hands := 0
	for i, a := range s.actors {
		if a.phase == reading || a.phase == asleep && a.w.State.Load() == parking.Granted {
			hands += s.held[i]
		}
	}
	if permits := int(s.m.word.load() >> OwnerShift); permits+hands != s.total {
		return fmt.Errorf("%d permits in the word %#x, %d in hand, not %d", permits, s.m.word.load(), hands, s.total)
	}
	if err := s.checkWaiters(); err != nil {
		return err
	}
	q := lot.Enter(keyOf(&s.m.word))
	defer q.Leave()
	return s.m.checkEntered(q, woken{})
}

func (m *Semaphore) checkEntered(q *parking.Queue, notified woken) error {
	s := m.word.load()
	row, flags := semaphoreRow(s)
	if !weightedTable.legal(row, flags) {
		return fmt.Errorf("word %#x: flags %#b are illegal with permits: %s", s, flags, row)
	}
	if flags != flag(q.Len(parking.Exclusive) > 0, SemaphoreParked) || q.Len(parking.Shared) > 0 || notified != (woken{}) {
		return fmt.Errorf("word %#x with %d in the queue, %d notified", s, q.Len(parking.Exclusive), notified)
	}
	if w := q.Head(parking.Exclusive); w != nil && w.Number <= s>>OwnerShift {
		return fmt.Errorf("word %#x keeps one waiting that wants %d", s, w.Number)
	}
	return nil
}

// weightedTable is the comment on Semaphore's word, as data; semaphoreTable is what
// remains of it when all want one permit.
var (
	weightedTable  = table{"none": {0, SemaphoreParked}, "some": {0, SemaphoreParked}}
	semaphoreTable = table{"none": {0, SemaphoreParked}, "some": {0}}
)

func semaphoreRow(s uint64) (string, uint64) {
	if s>>OwnerShift == 0 {
		return "none", s & flagsMask
	}
	return "some", s & flagsMask
}

func (s *semaphoreSim) look() view            { return s.view(&s.m.word) }
func (s *semaphoreSim) row() (string, uint64) { return semaphoreRow(s.m.word.load()) }

func (s *semaphoreSim) name() string {
	q := lot.Enter(keyOf(&s.m.word))
	defer q.Leave()
	held := map[*actor]int{}
	for i, a := range s.actors {
		held[a] = s.held[i]
	}
	return fmt.Sprint(s.m.word.load(), s.key(&s.m.word, q, 1, func(a *actor) any {
		if a.phase == outside {
			return nil
		}
		return held[a]
	}))
}

// semaphoreModel is the reference.
type semaphoreModel struct {
	*model
	permits int
	wanted  []int // by actor: permits that it waits for or has
}

func newSemaphoreModel(actors int) *semaphoreModel {
	return &semaphoreModel{model: newModel(actors, 1), wanted: make([]int, actors)}
}

func (m *semaphoreModel) do(st step) {
	a := st.who
	switch st.act {
	case actTake, actTry:
		m.take(a, 1, st.act == actTake)
	case actTakeTwo:
		m.take(a, 2, true)
	case actRejoin:
		m.take(a, m.wanted[a], true)
	case actGive:
		m.give(a, 1)
	case actGiveTwo:
		m.give(a, 2)
	case actKeep, actQuit:
		m.hold(a, outside)
	default:
		m.endSleep(a, st.act, reading)
		m.deal()
	}
}

func (m *semaphoreModel) take(a, n int, wait bool) {
	m.wanted[a] = n
	switch {
	case m.waiting(parking.Exclusive) == 0 && m.permits >= n:
		m.permits -= n
		m.hold(a, reading)
	case wait:
		m.park(a, parking.Exclusive)
	}
}

func (m *semaphoreModel) give(a, n int) {
	if m.phases[a] == reading {
		n = m.wanted[a]
	}
	if m.permits+n > mostPermits {
		return
	}
	m.hold(a, outside)
	m.permits += n
	m.deal()
}

// deal serves the longest waiters as far as the permits go.
func (m *semaphoreModel) deal() {
	for m.waiting(parking.Exclusive) > 0 && m.permits >= m.wanted[m.longest()] {
		m.permits -= m.wanted[m.longest()]
		m.serve(m.longest())
	}
}

// serve ends the wait of an actor, which will learn so when it is awake.
func (m *model) serve(a int) {
	m.unpark(a)
	m.tokens[a], m.granted[a] = 1, true
}

// endSleep is a wake-up, or the end of a wait that was given up.
func (m *model) endSleep(a int, act action, served phase) {
	m.tokens[a] = 0
	switch {
	case m.granted[a]:
		m.hold(a, served)
	case act == actGiveUp:
		m.unpark(a)
		m.hold(a, outside)
	case act == actPause:
		m.unpark(a)
		m.phases[a] = paused
	default:
		panic("woken for nothing")
	}
}

func (m *semaphoreModel) word(*model) uint64 {
	return uint64(m.permits)*onePermit | flag(m.waiting(parking.Exclusive) > 0, SemaphoreParked)
}
