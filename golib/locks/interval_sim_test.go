package locks

import (
	"fmt"

	"ft_utils/golib/parking"
)

// intervalSim is a simulation of IntervalLock.
type intervalSim struct {
	simulation
	l *IntervalLock
}

func newIntervalSim(actors int, interval int64) *intervalSim {
	s := &intervalSim{l: &IntervalLock{interval: interval}}
	s.enlist(actors)
	return s
}

// newNappingSim is newIntervalSim with waiters that nap.
func newNappingSim(actors int, interval int64) *intervalSim {
	s := newIntervalSim(actors, interval)
	for _, a := range s.actors {
		a.w.Naps = 1
	}
	return s
}

// newProfiledSim is newNappingSim while contention is profiled.
func newProfiledSim(actors int, interval int64) *intervalSim {
	s := newNappingSim(actors, interval)
	lot.Profile(true)
	return s
}

// inlineUnlock is the release without judgement, as in C.
func (l *IntervalLock) inlineUnlock() bool {
	for {
		s := l.word.load()
		f := s & flagsMask
		if f != 0 && f != IntervalParked|IntervalWoken {
			return false
		}
		if l.word.cas(s, f) {
			return true
		}
	}
}

// grab takes a free word for id and keeps its flags, as in C.
func (l *IntervalLock) grab(id uint64) bool {
	for {
		s := l.word.load()
		if s>>OwnerShift != 0 {
			return false
		}
		if l.word.cas(s, s|id<<OwnerShift) {
			return true
		}
	}
}

func (s *intervalSim) do(st step) {
	if st.act == actTick {
		s.clock += max(s.l.interval, 1)
		return
	}
	a := s.actors[st.who]
	w := a.w
	switch st.act {
	case actLock:
		if s.l.word.cas(0, w.ID<<OwnerShift) {
			a.phase = writing
			return
		}
		a.after(s.l.Contend(w), writing, parking.Exclusive)
	case actTry:
		if s.l.grab(w.ID) {
			a.phase = writing
		}
	case actUnlock:
		s.mustOwn(w)
		a.phase = outside
		if !s.l.inlineUnlock() {
			s.deliver(s.l.Release())
		}
	case actRelease:
		s.mustOwn(w)
		a.phase = outside
		s.deliver(s.l.Release())
	case actCede:
		s.mustOwn(w)
		ceded, chain := s.l.CedeTo(w)
		if ceded {
			a.phase, a.kind = asleep, parking.Exclusive
		}
		s.deliver(chain)
	default:
		s.doWaiting(a, st.act)
	}
}

func (s *intervalSim) doWaiting(a *actor, act action) {
	switch act {
	case actWake:
		a.consume()
		if a.w.State.Load() == parking.Granted { // C looks before it asks
			a.w.Forget()
			a.phase = writing
			return
		}
		a.after(s.l.Contend(a.w), writing, parking.Exclusive)
	case actNapped:
		a.after(s.l.Contend(a.w), writing, parking.Exclusive)
	case actGrabNapped:
		s.l.grab(a.w.ID)
		a.after(s.l.Contend(a.w), writing, parking.Exclusive)
	case actGrab:
		a.consume()
		s.l.grab(a.w.ID)
		a.after(s.l.Contend(a.w), writing, parking.Exclusive)
	case actGiveUp, actPause:
		why, next := TimedOut, outside
		if act == actPause {
			why, next = Interrupted, paused
		}
		served, chain := s.l.Withdraw(a.w, why)
		a.settleOwn()
		s.deliver(chain)
		if served {
			next = writing
		}
		if next != paused {
			a.w.Forget()
		}
		a.phase = next
	case actRejoin:
		a.after(s.l.Contend(a.w), writing, parking.Exclusive)
	case actQuit:
		a.w.Forget()
		a.phase = outside
	default:
		panic(act.String())
	}
}

func (s *intervalSim) mustOwn(w *parking.Waiter) {
	if s.l.Owner() != w.ID {
		panic(fmt.Sprintf("%d holds the lock, the word says %d", w.ID, s.l.Owner()))
	}
}

func (s *intervalSim) check() error {
	holders := 0
	for _, a := range s.actors {
		if a.phase == writing || a.phase == asleep && a.w.State.Load() == parking.Granted {
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

func (s *intervalSim) look() view { return s.view(&s.l.word) }

func (s *intervalSim) name() string {
	q := lot.Enter(keyOf(&s.l.word))
	defer q.Leave()
	return s.key(&s.l.word, q, s.l.interval)
}

func (s *intervalSim) row() (string, uint64) { return intervalRow(s.l.word.load()) }
