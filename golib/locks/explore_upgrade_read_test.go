//go:build explore

package locks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"ft_utils/golib/parking"
)

// Upgradable reading beside the read path of C (explore_read_test.go), as rwupgrade.c does it:
//
//	up, upgrade, timed-upgrade, down, downgrade    as in explore_upgrade_test.go
type exploredReadsUp struct {
	*exploredReads
	bug upgradeFlaw
}

// upgradeFlaw is a mistake that the search has to find.
type upgradeFlaw int

const (
	noFlaw         upgradeFlaw = iota
	upgradesBiased             // it looks at the count only, and not whether readers are biased
	clearsTagFirst             // it empties its slot before it has the write lock
	forgetsTag                 // it becomes the writer and leaves its slot occupied
	upgradeFlaws
)

func newExploredReadsUp(threads int, biased bool, bug upgradeFlaw) *exploredReadsUp {
	return &exploredReadsUp{newExploredReads(threads, biased, sound), bug}
}

// biasedUpgrader is the upgrade with what C does at Retry.
type biasedUpgrader struct {
	l  *exploredReadsUp
	th *thread
}

func (p biasedUpgrader) contend(w *parking.Waiter) Verdict {
	for {
		if v := p.l.ContendUpgrade(w); v != Retry {
			return v
		}
		p.l.revoke(p.th)
	}
}

func (p biasedUpgrader) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return p.l.WithdrawUpgrade(w, why)
}

// up is ft_rw_upgradable().
func (l *exploredReadsUp) up(th *thread) {
	if !l.gate.word.cas(0, th.w.ID<<OwnerShift) {
		th.wait(&l.gate, l.gate.Contend(th.w), byToken, func() {})
	}
	th.site = 1
	for {
		th.at("enter")
		s := l.word.load()
		if !open(s) {
			p := exploredRead{th, l.ReaderWriterLock}
			th.wait(p, p.contend(th.w), byToken, func() {})
			break
		}
		if l.word.cas(s, s+oneReader) {
			break
		}
	}
	th.at("note")
	l.tag(th).swap(tagCounted)
	*l.nested(th) = 1
	th.hold(upgradable)
}

// tryUpgrade is upgrade_try().
func (l *exploredReadsUp) tryUpgrade(id uint64) bool {
	s := l.word.load()
	if l.bug == upgradesBiased {
		return s>>OwnerShift == 1 && l.word.cas(s, s&RWQueueFlags|upgradedWord(id))
	}
	return alone(s) && l.word.cas(s, s&RWQueueFlags|upgradedWord(id))
}

// upgrade is ft_rw_upgrade().
func (l *exploredReadsUp) upgrade(th *thread, other int) {
	if l.bug == clearsTagFirst {
		l.tag(th).swap(0)
	}
	if l.bug != upgradesBiased && l.word.load()&(RWBias|RWRevoking) != 0 {
		l.revoke(th)
	}
	th.at("try")
	if !l.tryUpgrade(th.w.ID) {
		th.site, th.way = 1, other
		th.at("contend")
		p := biasedUpgrader{l, th}
		if !th.wait(p, p.contend(th.w), other, func() {}) {
			return
		}
	}
	th.at("upgraded")
	*l.nested(th) = 0
	if l.bug != forgetsTag {
		l.tag(th).swap(0)
	}
	th.hold(upgraded)
}

// down is ft_rw_downgrade_to_upgradable(), or ft_rw_downgrade().
func (l *exploredReadsUp) down(th *thread, to phase) {
	th.holding = to
	*l.nested(th) = 1
	if !l.word.cas(upgradedWord(th.w.ID), oneReader) {
		th.release(l.Downgrade())
	}
	th.at("note")
	l.tag(th).swap(tagCounted)
	if to == reading {
		l.leave(th)
	}
}

func (l *exploredReadsUp) leave(th *thread) {
	th.site = 1
	th.at("gate")
	if !l.gate.word.cas(th.w.ID<<OwnerShift, 0) {
		th.release(l.gate.Release())
	}
}

func (l *exploredReadsUp) perform(th *thread, op string) {
	switch {
	case op == "up":
		l.up(th)
	case op == "upgrade" || op == "timed-upgrade":
		if th.holding == upgradable {
			l.upgrade(th, map[string]int{"timed-upgrade": byTime}[op])
		}
	case op == "down" && th.holding == upgraded:
		l.down(th, upgradable)
	case op == "downgrade" && th.holding == upgraded:
		l.down(th, reading)
	case op == "unlock" && th.holding == upgradable:
		l.unread(th)
		l.leave(th)
	case op == "unlock" && th.holding == upgraded:
		th.holding = outside
		if !l.inlineUnlock() {
			th.release(l.ReleaseWrite())
		}
		l.leave(th)
	case op == "down":
	default:
		l.exploredReads.perform(th, op)
	}
}

func (l *exploredReadsUp) share(x *world, b []byte) []byte {
	due, owed := lot.Debts(keyOf(&l.gate.word))
	b = binary.LittleEndian.AppendUint64(b, l.gate.word.v<<2|number(due)<<1|number(owed))
	for _, th := range x.threads {
		b = append(b, byte(number(th.w.Key.Load() == keyOf(&l.gate.word))))
	}
	return l.exploredReads.share(x, b)
}

// checkWorld bounds the count. The one that revokes reads itself here, and counts one too many for
// a moment.
func (l *exploredReadsUp) checkWorld(x *world) error {
	s := l.word.v
	if most := uint64(len(x.threads)) + number(s&RWRevoking != 0); s&RWWriter == 0 && s>>OwnerShift > most {
		return fmt.Errorf("word %#x counts %d readers", s, int64(s)>>OwnerShift)
	}
	return nil
}

func (l *exploredReadsUp) ended(x *world) error {
	if l.gate.word.v != 0 {
		return errors.New("the gate is not free in the end")
	}
	return l.exploredReads.ended(x)
}

func TestExploreUpgradeOfReads(t *testing.T) {
	for name, biased := range biasedFrom {
		for _, programs := range [][]string{
			{"up upgrade unlock", "read unlock", "read unlock"},
			{"up upgrade unlock", "read-bias unlock", "read unlock"},
			{"up upgrade unlock", "read unlock", "write unlock"},
			{"up timed-upgrade unlock", "read-bias unlock", "read unlock"},
			{"up upgrade unlock", "up upgrade unlock", "read unlock"},
			{"up upgrade downgrade unlock", "read unlock", "up unlock"},
		} {
			t.Run(name, func(t *testing.T) {
				explore(t, func() subject { return newExploredReadsUp(len(programs), biased, noFlaw) }, programs...)
			})
		}
	}
}

func TestExploreUpgradeOfReadsLong(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for name, biased := range biasedFrom {
		for _, programs := range [][]string{
			{"up upgrade down unlock", "read-bias unlock", "read unlock"},
			{"up timed-upgrade unlock", "read-bias unlock", "write unlock"},
			{"up upgrade unlock", "read-bias unlock", "timed unlock"},
			{"up upgrade unlock", "read-bias unlock read unlock", "read unlock"},
		} {
			t.Run(name, func(t *testing.T) {
				explore(t, func() subject { return newExploredReadsUp(len(programs), biased, noFlaw) }, programs...)
			})
		}
	}
}

// TestExploreUpgradeFlaws makes each mistake and sees it found.
func TestExploreUpgradeFlaws(t *testing.T) {
	for bug := noFlaw + 1; bug < upgradeFlaws; bug++ {
		found := false
		for _, programs := range [][]string{
			{"up upgrade unlock", "read unlock", "up unlock"},
			{"up upgrade unlock", "read unlock", "write unlock"},
			{"up timed-upgrade unlock", "read unlock", "read unlock"},
		} {
			_, runs, err := search(t, func() subject { return newExploredReadsUp(len(programs), true, bug) }, programs)
			if found = err != nil; found {
				t.Logf("flaw %d, schedule %d: %v", bug, runs, err)
				break
			}
		}
		if !found {
			t.Errorf("flaw %d was not found", bug)
		}
	}
}
