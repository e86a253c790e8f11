//go:build explore

package locks

import (
	"encoding/binary"
	"errors"
	"testing"

	"ft_utils/golib/parking"
)

// Upgradable reading, beside what a ReaderWriterLock does otherwise (explore_locks_test.go):
//
//	up       takes the upgradable read lock and waits
//	upgrade  if it has that; timed-upgrade … or gives up, signalled-upgrade … or withdraws once
//	down     turns an upgraded write lock back; downgrade turns it into a read lock
//	read-up  turns the upgradable read lock into a read lock
//
// The gate is a lock that is explored elsewhere; here it is used for real.
type exploredUpgrade struct{ exploredRW }

func newExploredUpgrade() subject { return exploredUpgrade{exploredRW{new(ReaderWriterLock)}} }

func (l exploredUpgrade) perform(th *thread, op string) {
	switch op {
	case "up":
		l.up(th)
	case "upgrade", "timed-upgrade", "signalled-upgrade":
		if th.holding == upgradable {
			other := map[string]int{"timed-upgrade": byTime, "signalled-upgrade": bySignal}[op]
			if l.upgradeInline(th.w.ID) || th.wait(upgradeSide{l.ReaderWriterLock}, l.ContendUpgrade(th.w), other, func() {}) {
				th.hold(upgraded)
			}
		}
	case "down":
		if th.holding == upgraded {
			th.holding = upgradable
			th.release(l.Downgrade())
		}
	case "downgrade":
		if th.holding == upgraded {
			th.holding = reading
			th.release(l.Downgrade())
			l.leave(th)
		}
	case "read-up":
		if th.holding == upgradable {
			th.holding = reading
			l.leave(th)
		}
	case "unlock":
		if held := th.holding; held == upgradable || held == upgraded {
			l.unlockBoth(th)
			return
		}
		fallthrough
	default:
		l.exploredRW.perform(th, op)
	}
}

func (l exploredUpgrade) up(th *thread) {
	if !l.gate.word.cas(0, th.w.ID<<OwnerShift) {
		th.wait(&l.gate, l.gate.Contend(th.w), byToken, func() {})
	}
	th.site = 1
	th.at("gate")
	if l.TryRLock() || l.read(th, byToken) {
		th.hold(upgradable)
	}
}

// upgradeInline is the fast path, as TryUpgrade and C's.
func (l exploredUpgrade) upgradeInline(id uint64) bool {
	s := l.word.load()
	return alone(s) && l.word.cas(s, s&RWQueueFlags|upgradedWord(id))
}

func (l exploredUpgrade) unlockBoth(th *thread) {
	held := th.holding
	th.holding = outside
	if held == upgradable {
		if !l.inlineRUnlock() {
			th.release(l.ReleaseRead())
		}
	} else if !l.inlineUnlock() {
		th.release(l.ReleaseWrite())
	}
	th.site = 1
	th.at("gate")
	l.leave(th)
}

func (l exploredUpgrade) leave(th *thread) {
	if !l.gate.word.cas(th.w.ID<<OwnerShift, 0) {
		th.release(l.gate.Release())
	}
}

// share adds the gate: its word, and whose waiters are in its queue.
func (l exploredUpgrade) share(x *world, b []byte) []byte {
	due, owed := lot.Debts(keyOf(&l.gate.word))
	b = binary.LittleEndian.AppendUint64(b, l.gate.word.v<<2|number(due)<<1|number(owed))
	for _, th := range x.threads {
		b = append(b, byte(number(th.w.Key.Load() == keyOf(&l.gate.word))))
	}
	return b
}

func (l exploredUpgrade) ended(x *world) error {
	if err := x.allEnded(); err != nil {
		return err
	}
	if l.word.v != 0 || l.gate.word.v != 0 {
		return errors.New("the lock or its gate is not free in the end")
	}
	return nil
}

// checkWorld finds a count that is too low, and one that upgrades which nobody would hand over to.
func (l exploredUpgrade) checkWorld(x *world) error {
	s := l.word.v
	if s&RWWriter == 0 && s>>OwnerShift > uint64(len(x.threads)) {
		return errors.New("more readers are counted than there are threads")
	}
	for _, th := range x.threads {
		if th.holding == upgraded && s&^RWQueueFlags != upgradedWord(th.w.ID) {
			return errors.New("the word does not say who has upgraded")
		}
		if th.w.InQueue() && th.w.First() && (s&RWHandoff == 0 || s&RWWriter != 0 || s>>OwnerShift == 0) {
			return errors.New("one that upgrades waits, and nobody is to hand over to it")
		}
		if th.w.First() && th.w.State.Load() == parking.Notified {
			return errors.New("one that upgrades was woken to compete")
		}
	}
	return nil
}

func TestExploreUpgrade(t *testing.T) {
	for _, programs := range [][]string{
		{"up upgrade unlock", "up upgrade unlock"},
		{"up upgrade unlock", "read unlock", "read unlock"},
		{"up upgrade unlock", "lock unlock", "read unlock"},
		{"up upgrade unlock", "up upgrade unlock", "read unlock"},
		{"up upgrade unlock", "up unlock", "lock unlock"},
		{"up upgrade down unlock", "lock unlock", "read unlock"},
		{"up upgrade downgrade unlock", "lock unlock", "up unlock"},
		{"up timed-upgrade unlock", "lock unlock", "read unlock"},
		{"up timed-upgrade upgrade unlock", "read unlock", "timed unlock"},
		{"up signalled-upgrade unlock", "lock unlock", "read unlock"},
		{"up signalled-upgrade unlock", "timed-read unlock", "timed unlock"},
		{"up upgrade unlock", "grab unlock", "read unlock", "tick"},
		{"up read-up unlock", "up upgrade unlock", "lock unlock"},
	} {
		t.Run("upgrade", func(t *testing.T) { explore(t, newExploredUpgrade, programs...) })
	}
}

func TestExploreUpgradeLong(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for _, programs := range [][]string{
		{"up signalled-upgrade unlock", "lock unlock", "read unlock", "tick"},
		{"up upgrade down unlock", "up timed-upgrade unlock", "read unlock"},
		{"up upgrade unlock", "lock unlock lock unlock", "read unlock", "tick"}, // owed readers
		{"lock unlock up upgrade unlock", "read unlock", "read unlock"},         // notified readers are on their way
		{"up upgrade unlock", "lock unlock", "read unlock", "timed-read unlock"},
	} {
		t.Run("upgrade", func(t *testing.T) { explore(t, newExploredUpgrade, programs...) })
	}
}
