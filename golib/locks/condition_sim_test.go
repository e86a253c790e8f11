package locks

import (
	"fmt"
	"math"

	"ft_utils/golib/parking"
)

// yield is how C releases the lock of one that goes to sleep next.
func (l *IntervalLock) yield(id uint64) *parking.Waiter {
	for {
		if l.word.cas(id<<OwnerShift, 0) {
			return nil
		}
		if released, chain := l.YieldFrom(id); released {
			return chain
		}
	}
}

// conditionSim is a simulation of a Condition with an IntervalLock. Notifications also
// come from actors that do not hold it: then somebody else has released it meanwhile.
// With foreign the lock is taken for one that is not ours: who is notified is woken.
type conditionSim struct {
	*intervalSim
	c       *Condition
	foreign bool
	aside   bool // the lock is ours, but nobody is moved into its queue
}

func newConditionSim(actors int, interval int64, foreign bool) *conditionSim {
	return &conditionSim{newIntervalSim(actors, interval), new(Condition), foreign, false}
}

func newAsideSim(actors int, interval int64) *conditionSim {
	return &conditionSim{newIntervalSim(actors, interval), new(Condition), false, true}
}

// enlisted says whether an actor waits for a notification, or has one and does not know.
func (s *conditionSim) enlisted(a *actor) bool {
	return a.phase == asleep && a.w.Key.Load() == keyOf(&s.c.word)
}

func (s *conditionSim) enabled() []step {
	return append(s.steps(func(a *actor) []action {
		if s.enlisted(a) {
			if a.tokens > 0 {
				return []action{actWake, actGiveUp}
			}
			return []action{actGiveUp}
		}
		all := s.allowed(a)
		switch a.phase {
		case writing:
			all = append(all, actWait, actNotify, actNotifyAll)
		case outside:
			all = append(all, actNotify, actNotifyAll)
		}
		return all
	}), step{0, actTick})
}

func (s *conditionSim) do(st step) {
	a := s.actors[st.who]
	switch {
	case st.act == actWait:
		s.mustOwn(a.w)
		if s.aside {
			s.c.EnlistAside(a.w)
		} else {
			s.c.Enlist(a.w)
		}
		a.phase, a.kind = asleep, parking.Exclusive
		s.deliver(s.l.yield(a.w.ID))
	case st.act == actNotify:
		s.deliver(s.notify(1))
	case st.act == actNotifyAll:
		s.deliver(s.notify(math.MaxUint64))
	case st.act == actWake && s.enlisted(a):
		a.consume()
		s.retake(st.who)
	case st.act == actGiveUp && s.enlisted(a):
		if notified := s.c.Withdraw(a.w, TimedOut); notified != (a.tokens == 1) {
			panic(fmt.Sprintf("notified: %v, with %d wake-ups", notified, a.tokens))
		}
		a.settleOwn()
		s.retake(st.who)
	default:
		s.intervalSim.do(st)
	}
}

func (s *conditionSim) notify(n uint64) *parking.Waiter {
	if s.foreign {
		return s.c.Notify(n)
	}
	return s.c.NotifyInto(s.l, n)
}

// retake is the end of a wait for an actor that was not moved into the lock's queue.
func (s *conditionSim) retake(who int) {
	s.actors[who].w.Forget()
	s.intervalSim.do(step{who, actLock})
}

func (s *conditionSim) check() error {
	if err := s.checkHolders(); err != nil {
		return err
	}
	q := lot.Enter(keyOf(&s.c.word))
	defer q.Leave()
	return s.c.checkEntered(q)
}

// checkHolders is intervalSim's check, but a grant by the condition gives no lock.
func (s *conditionSim) checkHolders() error {
	holders := 0
	for _, a := range s.actors {
		if a.phase == writing || a.phase == asleep && !s.enlisted(a) && a.w.State.Load() == parking.Granted {
			holders++
			s.mustOwn(a.w)
		}
	}
	if owned := s.l.Owner() != 0; holders > 1 || owned != (holders == 1) {
		return fmt.Errorf("%d holders of word %#x", holders, s.l.word.load())
	}
	if err := s.checkWaiters(); err != nil {
		return err
	}
	return s.l.check()
}

// conditionTable is the comment on Condition's word, as data.
var conditionTable = table{"": {0, ConditionParked}}

func (c *Condition) checkEntered(q *parking.Queue) error {
	s := c.word.load()
	if s != flag(q.Len(parking.Exclusive) > 0, ConditionParked) || q.Len(parking.Shared) > 0 || q.Notified() != nil {
		return fmt.Errorf("the condition's word %#x with %d in the queue", s, q.Len(parking.Exclusive))
	}
	return nil
}

// look shows those who wait for a notification as shared waiters of the lock.
func (s *conditionSim) look() view {
	v := s.view(&s.l.word)
	v.Queues = [2][]uint64{}
	for _, x := range lot.Snapshot() {
		kind := flag(x.Key == keyOf(&s.c.word), uint64(parking.Shared))
		v.Queues[kind] = append(v.Queues[kind], x.ID)
	}
	return v
}

func (s *conditionSim) row() (string, uint64) { return "", s.c.word.load() }

func (s *conditionSim) name() string {
	q := lot.Enter(keyOf(&s.l.word))
	defer q.Leave()
	return s.key(&s.l.word, q, s.l.interval, func(a *actor) any { return s.enlisted(a) })
}

// conditionModel is the reference.
type conditionModel struct {
	*model
	foreign  bool
	aside    bool
	enlisted []int // in order of arrival
	told     []bool
}

func (m *conditionModel) do(st step) {
	a := st.who
	at := -1
	for i, b := range m.enlisted {
		if a == b {
			at = i
		}
	}
	switch {
	case st.act == actWait:
		m.hold(a, asleep)
		m.kinds[a], m.writer = parking.Exclusive, none
		if m.waiting(parking.Exclusive) > 0 {
			m.grant(m.longest())
		}
		m.enlisted = append(m.enlisted, a)
	case st.act == actNotify:
		m.tell(1)
	case st.act == actNotifyAll:
		m.tell(len(m.enlisted))
	case m.told[a] && (st.act == actWake || st.act == actGiveUp):
		m.told[a], m.tokens[a] = false, 0
		m.hold(a, outside)
		m.lock(a, parking.Exclusive, true)
	case at >= 0 && st.act == actGiveUp:
		m.enlisted = append(m.enlisted[:at:at], m.enlisted[at+1:]...)
		m.hold(a, outside)
		m.lock(a, parking.Exclusive, true)
	default:
		m.model.do(st)
	}
}

func (m *conditionModel) tell(n int) {
	for ; n > 0 && len(m.enlisted) > 0; n-- {
		a := m.enlisted[0]
		m.enlisted = m.enlisted[1:]
		if m.foreign || m.aside {
			m.told[a], m.tokens[a] = true, 1
		} else {
			m.park(a, parking.Exclusive)
		}
	}
	if !m.foreign && m.vacant() && m.waiting(parking.Exclusive) > 0 {
		m.notify()
	}
}

func (m *conditionModel) look() view {
	v := m.model.look((*model).intervalWord)
	for _, a := range m.enlisted {
		v.Queues[parking.Shared] = append(v.Queues[parking.Shared], uint64(FirstID+a))
	}
	return v
}
