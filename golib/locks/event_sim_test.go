package locks

import (
	"fmt"

	"ft_utils/golib/parking"
)

// set and clear are the transitions of an Event without judgement, as in C.
func (e *Event) set() *parking.Waiter {
	if e.word.cas(0, EventSet) || e.word.load()&EventSet != 0 {
		return nil
	}
	return e.Set()
}

func (e *Event) clear() { e.word.cas(EventSet, 0) }

// eventSim is a simulation of Event.
type eventSim struct {
	simulation
	e *Event
}

func newEventSim(actors int) *eventSim {
	s := &eventSim{e: new(Event)}
	s.enlist(actors)
	return s
}

func (s *eventSim) enabled() []step {
	return s.steps(func(a *actor) []action {
		if a.phase == outside {
			return []action{actAwait, actSet, actRelease, actClear}
		}
		return a.sleeping()
	})
}

func (s *eventSim) do(st step) {
	a := s.actors[st.who]
	switch st.act {
	case actWake:
		a.consume()
		fallthrough
	case actAwait, actRejoin:
		a.after(s.e.Await(a.w), outside, parking.Shared)
	case actSet:
		s.deliver(s.e.set())
	case actRelease: // through the bucket although the word may not ask for it
		s.deliver(s.e.Set())
	case actClear:
		s.e.clear()
	case actGiveUp:
		a.withdrawn(s.e.Withdraw(a.w, TimedOut), outside, outside)
	case actPause:
		a.withdrawn(s.e.Withdraw(a.w, Looking), outside, paused)
	case actQuit:
		a.w.Forget()
		a.phase = outside
	}
}

func (s *eventSim) check() error {
	if err := s.checkWaiters(); err != nil {
		return err
	}
	q := lot.Enter(keyOf(&s.e.word))
	defer q.Leave()
	return s.e.checkEntered(q, woken{})
}

// eventTable is the comment on Event's word, as data.
var eventTable = table{"": {0, EventParked, EventSet}}

func (e *Event) checkEntered(q *parking.Queue, notified woken) error {
	s := e.word.load()
	if !eventTable.legal("", s) {
		return fmt.Errorf("word %#x is illegal", s)
	}
	if parked := s&EventParked != 0; parked != (q.Len(parking.Shared) > 0) || q.Len(parking.Exclusive) > 0 || notified != (woken{}) {
		return fmt.Errorf("word %#x with %d in the queue, %d notified", s, q.Len(parking.Shared), notified)
	}
	return nil
}

func (s *eventSim) look() view            { return s.view(&s.e.word) }
func (s *eventSim) row() (string, uint64) { return "", s.e.word.load() }

func (s *eventSim) name() string {
	q := lot.Enter(keyOf(&s.e.word))
	defer q.Leave()
	return s.key(&s.e.word, q, 1)
}

// eventModel is the reference.
type eventModel struct {
	*model
	set bool
}

func (m *eventModel) do(st step) {
	a := st.who
	switch st.act {
	case actAwait, actRejoin:
		if m.set {
			m.hold(a, outside)
		} else {
			m.park(a, parking.Shared)
		}
	case actSet, actRelease:
		for m.set = true; m.waiting(parking.Shared) > 0; {
			m.serve(m.queue[parking.Shared][0])
		}
	case actClear:
		m.set = false
	case actQuit:
		m.hold(a, outside)
	default:
		m.endSleep(a, st.act, outside)
	}
}

func (m *eventModel) word(*model) uint64 {
	return flag(m.set, EventSet) | flag(m.waiting(parking.Shared) > 0, EventParked)
}
