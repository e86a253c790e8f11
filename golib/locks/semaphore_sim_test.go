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
			v, chain := m.Release(n, most)
			return v == Acquired, chain
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

// semaphoreSim is a simulation of Semaphore. Those who have a permit are reading.
type semaphoreSim struct {
	simulation
	m     *Semaphore
	total int // permits in the word and in the actors' hands
}

func newSemaphoreSim(actors int) *semaphoreSim {
	s := &semaphoreSim{m: new(Semaphore)}
	s.enlist(actors)
	return s
}

func (s *semaphoreSim) enabled() []step {
	return s.steps(func(a *actor) []action {
		switch a.phase {
		case outside:
			return []action{actTake, actTry, actGive, actGiveTwo}
		case reading:
			return []action{actGive, actKeep}
		}
		return a.sleeping()
	})
}

func (s *semaphoreSim) do(st step) {
	a := s.actors[st.who]
	switch st.act {
	case actTake, actTry:
		if s.m.try() {
			a.phase = reading
		} else if st.act == actTake {
			a.after(s.m.Contend(a.w), reading, parking.Exclusive)
		}
	case actGive:
		s.give(a, 1)
	case actGiveTwo:
		s.give(a, 2)
	case actKeep:
		a.phase = outside
		s.total--
	case actWake:
		a.consume()
		a.after(s.m.Contend(a.w), reading, parking.Exclusive)
	case actRejoin:
		a.after(s.m.Contend(a.w), reading, parking.Exclusive)
	case actGiveUp:
		a.withdrawn(s.m.Withdraw(a.w, TimedOut), reading, outside)
	case actPause:
		a.withdrawn(s.m.Withdraw(a.w, Looking), reading, paused)
	case actQuit:
		a.w.Forget()
		a.phase = outside
	}
}

func (s *semaphoreSim) give(a *actor, n uint64) {
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

// withdrawn puts an actor that gave up where the verdict says.
func (a *actor) withdrawn(v Verdict, held, next phase) {
	a.settleOwn()
	if v == Acquired {
		next = held
	}
	if next != paused {
		a.w.Forget()
	}
	a.phase = next
}

func (s *semaphoreSim) check() error {
	hands := s.granted()
	for _, a := range s.actors {
		if a.phase == reading {
			hands++
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
	if !semaphoreTable.legal(row, flags) {
		return fmt.Errorf("word %#x: flags %#b are illegal with permits: %s", s, flags, row)
	}
	if flags != flag(q.Len(parking.Exclusive) > 0, SemaphoreParked) || q.Len(parking.Shared) > 0 || notified != (woken{}) {
		return fmt.Errorf("word %#x with %d in the queue, %d notified", s, q.Len(parking.Exclusive), notified)
	}
	return nil
}

// semaphoreTable is the comment on Semaphore's word, as data.
var semaphoreTable = table{"none": {0, SemaphoreParked}, "some": {0}}

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
	return fmt.Sprint(s.key(&s.m.word, q, 1), s.m.word.load())
}

// semaphoreModel is the reference.
type semaphoreModel struct {
	*model
	permits int
}

func (m *semaphoreModel) do(st step) {
	a := st.who
	switch st.act {
	case actTake, actTry, actRejoin:
		if m.permits > 0 {
			m.permits--
			m.hold(a, reading)
		} else if st.act != actTry {
			m.park(a, parking.Exclusive)
		}
	case actGive:
		m.give(a, 1)
	case actGiveTwo:
		m.give(a, 2)
	case actKeep, actQuit:
		m.hold(a, outside)
	default:
		m.endSleep(a, st.act, reading)
	}
}

func (m *semaphoreModel) give(a, n int) {
	if m.permits+n > mostPermits {
		return
	}
	m.hold(a, outside)
	for m.permits += n; m.permits > 0 && m.waiting(parking.Exclusive) > 0; m.permits-- {
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
