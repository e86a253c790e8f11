package locks

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"ft_utils/golib/parking"
)

// rwUpSim is a simulation of ReaderWriterLock with upgradable readers. The gate is not in it: one
// actor at a time is let through.
type rwUpSim struct{ *rwSim }

func newRWUpSim(actors int) *rwUpSim { return &rwUpSim{newRWSim(actors)} }

// gateTaken says whether an actor has the gate.
func (s *rwUpSim) gateTaken() bool {
	return slices.ContainsFunc(s.actors, func(a *actor) bool { return a.ups || a.phase == upgradable || a.phase == upgraded })
}

func (s *rwUpSim) enabled() []step {
	var all []step
	for i, a := range s.actors {
		for _, act := range s.allowedUp(a) {
			all = append(all, step{i, act})
		}
	}
	return append(all, step{0, actTick})
}

func (s *rwUpSim) allowedUp(a *actor) []action {
	switch {
	case a.phase == outside && !s.gateTaken():
		return append(s.allowed(a), actTryUp)
	case a.phase == upgradable:
		return []action{actUnlock, actUpgrade, actReadOn}
	case a.phase == upgraded:
		return []action{actUnlock, actRelease, actDowngrade, actDown}
	case a.ups && a.phase == asleep && a.tokens > 0:
		return []action{actWake, actGiveUp, actPause}
	}
	return s.allowed(a)
}

func (s *rwUpSim) do(st step) {
	a := s.actors[st.who]
	switch {
	case st.act == actTick:
		s.rwSim.do(st)
	case st.act == actTryUp:
		if s.l.TryRLock() {
			a.phase = upgradable
		}
	case st.act == actUpgrade:
		if word := s.l.word.load(); alone(word) && s.l.word.cas(word, word&RWQueueFlags|upgradedWord(a.w.ID)) {
			a.phase = upgraded
		} else {
			s.contendUp(a)
		}
	case a.ups:
		s.doUpgrading(a, st.act)
	case a.phase == upgradable:
		a.phase = reading
		if st.act == actUnlock {
			s.release(a, st.act)
		}
	case a.phase == upgraded:
		s.releaseUpgraded(a, st.act)
	default:
		s.rwSim.do(st)
	}
}

func (s *rwUpSim) contendUp(a *actor) {
	v := s.l.ContendUpgrade(a.w)
	a.after(v, upgraded, parking.Exclusive)
	a.ups = v == Park
}

func (s *rwUpSim) doUpgrading(a *actor, act action) {
	switch act {
	case actWake:
		a.consume()
		s.contendUp(a)
	case actGiveUp:
		s.withdrawUp(a, TimedOut, upgradable)
	case actPause:
		s.withdrawUp(a, Interrupted, paused)
	case actRejoin:
		s.contendUp(a)
	case actQuit:
		a.w.Forget()
		a.phase, a.ups = upgradable, false
	default:
		panic(act.String())
	}
}

func (s *rwUpSim) withdrawUp(a *actor, why Reason, next phase) {
	served, chain := s.l.WithdrawUpgrade(a.w, why)
	a.settleOwn()
	s.deliver(chain)
	if served {
		next = upgraded
	}
	if next != paused {
		a.w.Forget()
	}
	a.phase, a.ups = next, next == paused
}

func (s *rwUpSim) releaseUpgraded(a *actor, act action) {
	switch {
	case act == actDowngrade:
		a.phase = reading
		s.deliver(s.l.Downgrade())
	case act == actDown:
		a.phase = upgradable
		s.deliver(s.l.Downgrade())
	default:
		a.phase = outside
		if act == actRelease || !s.l.inlineUnlock() {
			s.deliver(s.l.ReleaseWrite())
		}
	}
}

// check counts one that waits to upgrade as nobody: it has given its count back, and there is no
// writer all the same.
func (s *rwUpSim) check() error {
	writers, readers, waits := 0, 0, false
	for _, a := range s.actors {
		granted := a.phase == asleep && a.w.State.Load() == parking.Granted
		switch {
		case a.phase == upgraded, granted && a.ups:
			writers++
			if s.l.word.load()&^RWQueueFlags != upgradedWord(a.w.ID) {
				return fmt.Errorf("%d has upgraded, the word says %#x", a.w.ID, s.l.word.load())
			}
		case a.phase == asleep && a.ups:
			waits = true
		case a.phase == writing, granted && a.kind == parking.Exclusive:
			writers++
			s.mustOwn(a.w)
		case a.phase == reading, granted, a.phase == upgradable, a.phase == paused && a.ups:
			readers++
		}
	}
	if writers > 1 || writers > 0 && readers > 0 || waits && readers == 0 {
		return fmt.Errorf("%d writers beside %d readers, one that upgrades waits: %v", writers, readers, waits)
	}
	if s.l.WriterLocked() != (writers == 1) || s.l.Readers() != readers {
		return fmt.Errorf("%d writers and %d readers hold word %#x", writers, readers, s.l.word.load())
	}
	if err := s.checkWaiters(); err != nil {
		return err
	}
	return s.l.check()
}

func (s *rwUpSim) name() string {
	q := lot.Enter(keyOf(&s.l.word))
	defer q.Leave()
	return s.key(&s.l.word, q, rwInterval, func(a *actor) any { return a.ups })
}

// upModel is the reference with upgradable readers.
type upModel struct {
	*model
	ups []bool // by actor: waits to upgrade, or is paused in that
}

func (m *upModel) do(st step) {
	a := st.who
	switch {
	case st.act == actTryUp:
		if m.may(parking.Shared) {
			m.readers++
			m.hold(a, upgradable)
		}
	case st.act == actUpgrade:
		m.upgrade(a, true)
	case st.act == actReadOn:
		m.phases[a] = reading
	case m.ups[a] && st.act != actTick:
		m.doUpgrading(a, st.act)
	case m.phases[a] == upgradable && st.act == actUnlock:
		m.phases[a] = reading
		m.model.do(st)
	case st.act == actDown:
		m.model.do(step{a, actDowngrade})
		m.phases[a] = upgradable
	default:
		m.model.do(st)
	}
	if m.writer == none {
		m.upped = none
	}
}

// upgrade: without judgement readers that it goes ahead of are owed nothing.
func (m *upModel) upgrade(a int, inline bool) {
	if m.readers == 1 {
		m.readers, m.writer, m.upped, m.ups[a] = 0, a, a, false
		m.hold(a, upgraded)
		if !inline {
			m.overtake()
		}
		return
	}
	m.readers--
	if m.arrived[a] == 0 {
		m.arrived[a], m.since[a], m.head[a] = -1, m.clock, 0
	}
	m.park(a, parking.Exclusive)
	m.due, m.first, m.ups[a] = true, a, true
}

func (m *upModel) doUpgrading(a int, act action) {
	m.tokens[a] = 0
	switch {
	case act == actRejoin:
		m.upgrade(a, false)
	case act == actQuit:
		m.ups[a] = false
		m.hold(a, upgradable)
	case m.granted[a]:
		m.ups[a] = false
		m.hold(a, upgraded)
	default: // it gives up, or is paused
		m.unpark(a)
		m.readers++
		m.phases[a] = paused
		if act == actGiveUp {
			m.ups[a] = false
			m.hold(a, upgradable)
		}
		if m.waiting(parking.Exclusive) == 0 {
			m.notifyReaders()
		}
	}
}

// TestModelUpgrade compares random traces with the model, as TestModel.
func TestModelUpgrade(t *testing.T) {
	useLot(t, nil)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	const actors = 6
	s := newRWUpSim(actors)
	useLotOf(t, s)
	m := &upModel{newModel(actors, rwInterval), make([]bool, actors)}
	compare(t, seed, s, m.do, func() view { return m.look((*model).rwWord) })
}

// TestUpgradeOrder says whom the last of the other readers serves, and what giving up leaves.
func TestUpgradeOrder(t *testing.T) {
	useLot(t, nil)
	for name, c := range map[string]struct{ trace, want string }{
		"before a writer that is due": {
			"A:read B:try-up C:lock A:tick B:upgrade A:unlock", "A:outside B:asleep+token C:asleep"},
		"before readers that are owed": {
			"A:lock B:read A:tick C:lock A:unlock C:give-up A:read C:try-up C:upgrade A:unlock",
			"A:outside B:asleep+token C:asleep+token"},
		"new readers are kept out": {
			"A:read B:try-up B:upgrade C:try-read C:read", "A:reading B:asleep C:asleep"},
		"giving up lets them in": {
			"A:read B:try-up B:upgrade C:read B:give-up", "A:reading B:upgradable C:asleep+token"},
		"but not before a writer": {
			"A:read B:try-up B:upgrade C:lock B:give-up A:unlock", "A:outside B:upgradable C:asleep"},
		"a signal: it keeps its place": {
			"A:read B:try-up B:upgrade C:lock B:pause B:rejoin A:unlock", "A:outside B:asleep+token C:asleep"},
		"alone after a signal": {
			"A:read B:try-up B:upgrade C:lock B:pause A:unlock B:rejoin", "A:outside B:upgraded C:asleep"},
		"it gives up when it has been handed the lock": {
			"A:read B:try-up B:upgrade A:unlock B:give-up", "A:outside B:upgraded C:outside"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newRWUpSim(3)
			drive(t, s, c.trace)
			if got := outcome(s.look()); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
