package locks

import (
	"fmt"

	"ft_utils/golib/parking"
)

// rwSim is a simulation of ReaderWriterLock.
type rwSim struct {
	simulation
	l *ReaderWriterLock
}

func newRWSim(actors int) *rwSim {
	s := &rwSim{l: new(ReaderWriterLock)}
	s.enlist(actors)
	s.shared = true
	return s
}

// inlineUnlock, inlineRUnlock and grab are the transitions without judgement, as in C.
func (l *ReaderWriterLock) inlineUnlock() bool {
	for {
		s := l.word.load()
		if !plain(s) {
			return false
		}
		if l.word.cas(s, s&RWQueueFlags) {
			return true
		}
	}
}

func (l *ReaderWriterLock) inlineRUnlock() bool {
	for {
		s := l.word.load()
		if s>>OwnerShift == 1 && !plain(s) {
			return false
		}
		if l.word.cas(s, s-oneReader) {
			return true
		}
	}
}

func (l *ReaderWriterLock) grab(id uint64) bool {
	for {
		s := l.word.load()
		if !vacant(s) {
			return false
		}
		if l.word.cas(s, s|writerWord(id)) {
			return true
		}
	}
}

func (s *rwSim) do(st step) {
	if st.act == actTick {
		s.clock += rwInterval
		return
	}
	a := s.actors[st.who]
	switch st.act {
	case actLock:
		if s.l.word.cas(0, writerWord(a.w.ID)) {
			a.phase = writing
			return
		}
		s.contend(a, parking.Exclusive)
	case actTry:
		if s.l.grab(a.w.ID) {
			a.phase = writing
		}
	case actRead, actTryRead:
		if s.l.TryRLock() {
			a.phase = reading
		} else if st.act == actRead {
			s.contend(a, parking.Shared)
		}
	case actUnlock, actRelease, actDowngrade:
		s.release(a, st.act)
	default:
		s.doWaiting(a, st.act)
	}
}

func (s *rwSim) contend(a *actor, k parking.Kind) {
	if k == parking.Shared {
		v, chain := s.l.ContendRead(a.w)
		s.deliver(chain)
		a.after(v, reading, k)
	} else {
		a.after(s.l.ContendWrite(a.w), writing, k)
	}
}

func (s *rwSim) release(a *actor, act action) {
	if a.phase == reading {
		a.phase = outside
		if !s.l.inlineRUnlock() {
			s.deliver(s.l.ReleaseRead())
		}
		return
	}
	s.mustOwn(a.w)
	switch {
	case act == actDowngrade:
		a.phase = reading
		s.deliver(s.l.Downgrade())
	case act == actRelease || !s.l.inlineUnlock():
		a.phase = outside
		s.deliver(s.l.ReleaseWrite())
	default:
		a.phase = outside
	}
}

func (s *rwSim) doWaiting(a *actor, act action) {
	switch act {
	case actWake:
		a.consume()
		s.contend(a, a.kind)
	case actGrab:
		a.consume()
		if a.kind == parking.Exclusive {
			s.l.grab(a.w.ID)
		}
		s.contend(a, a.kind)
	case actGiveUp:
		s.withdraw(a, TimedOut, outside)
	case actPause:
		s.withdraw(a, Interrupted, paused)
	case actRejoin:
		s.contend(a, a.kind)
	case actQuit:
		a.w.Forget()
		a.phase = outside
	default:
		panic(act.String())
	}
}

func (s *rwSim) withdraw(a *actor, why Reason, next phase) {
	held := writing
	if a.kind == parking.Shared {
		held = reading
	}
	served, chain := s.l.Withdraw(a.w, why)
	a.settleOwn()
	s.deliver(chain)
	if served {
		next = held
	}
	if next != paused {
		a.w.Forget()
	}
	a.phase = next
}

func (s *rwSim) mustOwn(w *parking.Waiter) {
	if s.l.word.load()&^RWQueueFlags != writerWord(w.ID) {
		panic(fmt.Sprintf("%d writes, the word says %#x", w.ID, s.l.word.load()))
	}
}

func (s *rwSim) check() error {
	writers, readers := 0, 0
	for _, a := range s.actors {
		granted := a.phase == asleep && a.w.State.Load() == parking.Granted
		switch {
		case a.phase == writing, granted && a.kind == parking.Exclusive:
			writers++
			s.mustOwn(a.w)
		case a.phase == reading, granted:
			readers++
		}
	}
	if writers > 1 || writers > 0 && readers > 0 {
		return fmt.Errorf("%d writers beside %d readers", writers, readers)
	}
	if s.l.WriterLocked() != (writers == 1) || s.l.Readers() != readers {
		return fmt.Errorf("%d writers and %d readers hold word %#x", writers, readers, s.l.word.load())
	}
	if err := s.checkWaiters(); err != nil {
		return err
	}
	return s.l.check()
}

func (s *rwSim) look() view { return s.view(&s.l.word) }

func (s *rwSim) name() string {
	q := lot.Enter(keyOf(&s.l.word))
	defer q.Leave()
	return s.key(&s.l.word, q, rwInterval)
}

func (s *rwSim) row() (string, uint64) { return rwRow(s.l.word.load()) }
