//go:build explore

package locks

import (
	"encoding/binary"
	"fmt"
	"testing"

	"ft_utils/golib/parking"
)

// The programs of a Condition with its lock. Who awaits takes one of the items.
//
//	await         waits until there is an item
//	timed-await   … or waits once, and gives up at any moment
//	put, put-two  one item and notify, two and notify_all
//	put-late      notifies when the lock is released already: another thread released it
//	visit         just holds the lock
//	tick          the interval passes
type exploredCondition struct {
	*IntervalLock
	c     *Condition
	how   conditionSetup
	items int
}

type conditionSetup struct {
	interval int64
	foreign  bool // the notified are woken
	first    int  // the condition's bucket of two; -1: all in one
}

// newExploredCondition looks for addresses in the buckets that are wanted.
func newExploredCondition(how conditionSetup) *exploredCondition {
	var locks [64]IntervalLock
	var conditions [64]Condition
	x := &exploredCondition{IntervalLock: &locks[0], c: &conditions[0], how: how}
	if how.first >= 0 {
		two := parking.NewLot(2, nil)
		for i := range locks {
			if two.Index(keyOf(&locks[i].word)) != how.first {
				x.IntervalLock = &locks[i]
			}
			if two.Index(keyOf(&conditions[i].word)) == how.first {
				x.c = &conditions[i]
			}
		}
		if two.Index(keyOf(&x.word)) == how.first || two.Index(keyOf(&x.c.word)) != how.first {
			panic("no addresses in both buckets")
		}
	}
	x.interval = how.interval
	return x
}

func (x *exploredCondition) theWord() *word { return &x.word }
func (x *exploredCondition) buckets() int   { return 1 + int(number(x.how.first >= 0)) }

func (x *exploredCondition) enlisted(th *thread) bool { return th.w.Key.Load() == keyOf(&x.c.word) }

func (x *exploredCondition) acquire(th *thread, site int) {
	th.site = site
	if !x.word.cas(0, th.w.ID<<OwnerShift) {
		th.at("contend")
		th.wait(x.IntervalLock, x.Contend(th.w), byToken, func() {})
	}
	th.hold(writing)
}

func (x *exploredCondition) leave(th *thread) {
	th.at("leave")
	th.holding = outside
	if !x.inlineUnlock() {
		th.release(x.Release())
	}
}

// wait is wait_until() in C.
func (x *exploredCondition) wait(th *thread, other int) {
	th.at("wait")
	x.c.Enlist(th.w)
	th.at("enlisted")
	th.holding = outside
	chain := x.yield(th.w.ID)
	th.way = other
	th.at("yielded", idsOf(chain)...)
	th.deliver(chain)
	th.at("asleep")
	moved, v := false, Park
	if th.sleep(other, false) == byToken {
		th.tokens--
		if moved = !x.enlisted(th); moved {
			th.site = 3
			th.at("coming")
			v = x.Contend(th.w)
		}
	} else {
		given := x.c.Withdraw(th.w, TimedOut)
		moved = given && !x.enlisted(th)
		th.at("gave up", number(given), number(moved))
		if given && !moved {
			th.pause(when(func() bool { return th.tokens > 0 }))
			th.tokens--
		}
	}
	if !moved {
		th.w.Forget()
		x.acquire(th, 2)
		return
	}
	th.site = 3
	th.wait(x.IntervalLock, v, byToken, func() {})
	th.site = 2
	th.hold(writing)
}

func (x *exploredCondition) notify(th *thread, n uint64) {
	th.at("notify")
	if x.c.word.load() == 0 {
		return
	}
	var chain *parking.Waiter
	if x.how.foreign {
		chain = x.c.Notify(n)
	} else {
		chain = x.c.NotifyInto(x.IntervalLock, n)
	}
	th.at("notified", idsOf(chain)...)
	th.deliver(chain)
}

func (x *exploredCondition) perform(th *thread, op string) {
	if op == "tick" {
		th.tick(max(x.interval, 1))
		return
	}
	x.acquire(th, 1)
	switch op {
	case "await":
		for x.items == 0 {
			x.wait(th, byToken)
		}
		x.items--
	case "timed-await":
		if x.items == 0 {
			x.wait(th, byTime)
		}
		x.items = max(0, x.items-1)
	case "put":
		x.items++
		x.notify(th, 1)
	case "put-two":
		x.items += 2
		x.notify(th, 2)
	case "put-late":
		x.items++
		x.leave(th)
		x.notify(th, 1)
		return
	}
	x.leave(th)
}

func (x *exploredCondition) share(w *world, b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, x.c.word.v)
	b = append(b, byte(x.items))
	for _, th := range w.threads {
		b = append(b, byte(number(x.enlisted(th))))
	}
	return b
}

func (x *exploredCondition) checkWorld(*world) error {
	key := keyOf(&x.c.word)
	if lot.Entered(key) {
		return nil
	}
	q := lot.Enter(key)
	defer q.Leave()
	return x.c.checkEntered(q)
}

func (x *exploredCondition) ended(w *world) error {
	if x.word.v != 0 || x.c.word.v != 0 {
		return fmt.Errorf("the words end as %#x and %#x", x.word.v, x.c.word.v)
	}
	return w.allEnded()
}

func TestExploreCondition(t *testing.T) {
	for name, how := range map[string]conditionSetup{
		"one bucket":            {100, false, -1},
		"the condition's first": {100, false, 0},
		"the lock's first":      {100, false, 1},
		"foreign lock":          {100, true, 0},
	} {
		for _, programs := range [][]string{
			{"await", "await", "put-two"},
			{"await", "timed-await", "put put"},
			{"await", "put", "visit", "tick"},
			{"await", "put-late", "visit"},
			{"timed-await", "await", "put-late put"},
		} {
			t.Run(name, func(t *testing.T) {
				explore(t, func() subject { return newExploredCondition(how) }, programs...)
			})
		}
	}
}
