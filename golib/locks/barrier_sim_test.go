package locks

import (
	"fmt"

	"ft_utils/golib/parking"
)

// barrierSim is a simulation of Barrier. The party that runs the action is writing.
type barrierSim struct {
	simulation
	b      *Barrier
	round  []uint64 // by actor: the round whose action it runs
	number []uint64 // by actor: what it was told when it arrived
}

func newBarrierSim(actors int, parties uint64) *barrierSim {
	s := &barrierSim{b: &Barrier{parties: parties}, round: make([]uint64, actors), number: make([]uint64, actors)}
	s.enlist(actors)
	return s
}

func (s *barrierSim) enabled() []step {
	return s.steps(func(a *actor) []action {
		switch a.phase {
		case outside:
			return []action{actArrive, actReset, actAbort}
		case writing:
			return []action{actOpen, actAbort}
		}
		return a.sleeping()
	})
}

func (s *barrierSim) do(st step) {
	a := s.actors[st.who]
	switch st.act {
	case actArrive:
		s.arrive(st.who)
	case actOpen:
		opened, chain := s.b.Open(s.round[st.who])
		if !opened && chain != nil {
			panic("a round that is over woke somebody")
		}
		a.phase = outside
		s.deliver(chain)
	case actReset:
		s.deliver(s.b.Reset())
	case actAbort: // by the one that runs the action: it raised
		if a.phase == writing {
			a.phase = outside
			s.deliver(s.b.Fail(s.round[st.who]))
		} else {
			s.deliver(s.b.Break())
		}
	case actWake:
		a.consume()
		s.goOn(st.who)
	case actGiveUp:
		s.withdraw(st.who, TimedOut)
	case actPause: // and the handler raises
		s.withdraw(st.who, Interrupted)
	}
}

func (s *barrierSim) arrive(who int) {
	a := s.actors[who]
	arrived := s.b.word.load() >> OwnerShift
	arrival := s.b.Arrive(a.w)
	if arrival == Broken {
		return
	}
	s.round[who], s.number[who] = a.w.Number, a.w.Number
	if arrival == Last {
		a.phase = writing
		if a.w.Number != s.b.round {
			panic("the last party was told the wrong round")
		}
		return
	}
	a.phase, a.kind = asleep, parking.Exclusive
	if s.b.word.load()&BarrierFull != 0 {
		a.kind, arrived = parking.Shared, s.b.parties
	}
	if arrival != Waits || s.number[who] != arrived {
		panic(fmt.Sprintf("party %d was told %d, number %d", arrived, arrival, s.number[who]))
	}
}

// goOn is what a woken party does.
func (s *barrierSim) goOn(who int) {
	a := s.actors[who]
	a.w.Forget()
	a.phase = outside
	if Outcome(a.w.Outcome) == Another {
		s.arrive(who)
	}
}

func (s *barrierSim) withdraw(who int, why Reason) {
	a := s.actors[who]
	departure, chain := s.b.Withdraw(a.w, why)
	if departure == Stays {
		return
	}
	a.settleOwn()
	s.deliver(chain)
	if departure == Ended && why == TimedOut {
		s.goOn(who)
		return
	}
	a.w.Forget()
	a.phase = outside
}

func (s *barrierSim) check() error {
	running := 0
	for i, a := range s.actors {
		if a.phase == writing && s.round[i] == s.b.round {
			running++
		}
	}
	if full := s.b.word.load()&BarrierFull != 0; running > 1 || full != (running == 1) {
		return fmt.Errorf("word %#x with %d actions of this round", s.b.word.load(), running)
	}
	if err := s.checkWaiters(); err != nil {
		return err
	}
	q := lot.Enter(keyOf(&s.b.word))
	defer q.Leave()
	return s.b.checkEntered(q, woken{})
}

// barrierTable is the comment on Barrier's word for three parties, as data; lonelyTable is
// what remains of it for one.
var (
	barrierTable = table{"0": {0, BarrierFull, BarrierBroken}, "1": {0, BarrierFull}, "2": {0, BarrierFull}}
	lonelyTable  = table{"0": {0, BarrierFull, BarrierBroken}}
)

func barrierRow(s uint64) (string, uint64) { return fmt.Sprint(s >> OwnerShift), s & flagsMask }

func (b *Barrier) checkEntered(q *parking.Queue, notified woken) error {
	s := b.word.load()
	arrived := s >> OwnerShift
	if flags := s & flagsMask; arrived >= b.parties || flags > BarrierFull || flags == BarrierBroken && arrived > 0 {
		return fmt.Errorf("word %#x is illegal for %d parties", s, b.parties)
	}
	if int(arrived) != q.Len(parking.Exclusive) || notified != (woken{}) {
		return fmt.Errorf("word %#x with %d in the queue, %d notified", s, q.Len(parking.Exclusive), notified)
	}
	if q.Len(parking.Shared) > 0 && s&BarrierFull == 0 {
		return fmt.Errorf("word %#x keeps %d out", s, q.Len(parking.Shared))
	}
	return nil
}

func (s *barrierSim) look() view            { return s.view(&s.b.word) }
func (s *barrierSim) row() (string, uint64) { return barrierRow(s.b.word.load()) }

func (s *barrierSim) name() string {
	q := lot.Enter(keyOf(&s.b.word))
	defer q.Leave()
	current := map[*actor]bool{}
	for i, a := range s.actors {
		current[a] = s.round[i] == s.b.round
	}
	return fmt.Sprint(s.b.word.load(), s.key(&s.b.word, q, 1, func(a *actor) any {
		switch {
		case a.phase == writing:
			return current[a]
		case a.w.State.Load() == parking.Granted:
			return Outcome(a.w.Outcome) == Another
		}
		return nil
	}))
}

// barrierModel is the reference.
type barrierModel struct {
	*model
	parties      int
	full, broken bool
	runner       int    // who runs the action of this round, or none
	again        []bool // by actor: its wait ended because the next round began
}

func newBarrierModel(actors, parties int) *barrierModel {
	return &barrierModel{model: newModel(actors, 1), parties: parties, runner: none, again: make([]bool, actors)}
}

func (m *barrierModel) do(st step) {
	a := st.who
	switch st.act {
	case actArrive:
		m.arrive(a)
	case actOpen:
		m.hold(a, outside)
		if m.runner == a {
			m.end(true, false)
		}
	case actReset:
		m.end(false, false)
	case actAbort:
		late := m.phases[a] == writing && m.runner != a // its round was ended before
		m.hold(a, outside)
		if !late {
			m.end(false, true)
		}
	default:
		if st.act == actGiveUp && m.full && !m.granted[a] {
			return
		}
		granted, again := m.granted[a], m.again[a]
		m.endSleep(a, actGiveUp, outside)
		switch {
		case granted && again && st.act != actPause:
			m.arrive(a)
		case !granted && st.act == actGiveUp:
			m.end(false, true)
		}
	}
}

func (m *barrierModel) arrive(a int) {
	switch {
	case m.broken:
	case m.full:
		m.park(a, parking.Shared)
	case m.waiting(parking.Exclusive)+1 == m.parties:
		m.full, m.runner = true, a
		m.hold(a, writing)
	default:
		m.park(a, parking.Exclusive)
	}
}

func (m *barrierModel) end(passed, broken bool) {
	m.full, m.broken, m.runner = false, broken, none
	for kind := range m.queue {
		for len(m.queue[kind]) > 0 {
			a := m.queue[kind][0]
			m.again[a] = passed && kind == int(parking.Shared)
			m.serve(a)
		}
	}
}

func (m *barrierModel) word(*model) uint64 {
	return uint64(m.waiting(parking.Exclusive))*oneArrival | flag(m.full, BarrierFull) | flag(m.broken, BarrierBroken)
}
