//go:build explore

package locks

import (
	"fmt"
	"testing"

	"ft_utils/golib/parking"
)

// A Lock that any thread may release. The programs are words:
//
//	lock, timed, signalled   as in explore_locks_test.go; nobody tries the word before asking
//	free   releases the lock, whichever thread has taken it; refused when it is free
//	ask    the same, and judged also where the word does not call for it, as C does now and then
//	naps, tick
//
// What is held is not a thread's own, so what counts is the number of takings and of
// releases: a release that was not refused makes the lock free, once.
type exploredAnybody struct {
	*IntervalLock
	taken, freed int
}

func (l *exploredAnybody) theWord() *word { return &l.word }

func (l *exploredAnybody) perform(th *thread, op string) {
	other := map[string]int{"timed": byTime, "signalled": bySignal}[op]
	switch op {
	case "lock", "timed", "signalled":
		if l.word.cas(0, th.w.ID<<OwnerShift) || th.wait(l.IntervalLock, l.Contend(th.w), other, func() {}) {
			l.taken++
		}
	case "free", "ask":
		if freed, chain := l.free(op == "ask"); freed {
			l.freed++
			th.release(chain)
		}
	case "naps":
		th.w.Naps = 1
	case "tick":
		th.tick(max(l.interval, 1))
	default:
		panic(op)
	}
}

// free is the release of C.
func (l *exploredAnybody) free(asks bool) (bool, *parking.Waiter) {
	for {
		s := l.word.load()
		owner, flags := s>>OwnerShift, s&flagsMask
		switch {
		case owner == 0:
			return false, nil
		case IntervalPlain>>flags&1 == 0 || asks && flags != 0:
			if freed, chain := l.ReleaseFrom(owner); freed {
				return true, chain
			}
		case l.word.cas(s, flags):
			return true, nil
		}
	}
}

func (l *exploredAnybody) share(_ *world, b []byte) []byte {
	return append(b, byte(l.taken), byte(l.freed))
}

// ended allows threads to sleep for ever, while the lock is held: the release that would
// have woken them came before they took it.
func (l *exploredAnybody) ended(x *world) error {
	held := int(number(l.word.v>>OwnerShift != 0))
	if l.taken-l.freed != held {
		return fmt.Errorf("%d times taken, %d times freed, and the word ends as %#x", l.taken, l.freed, l.word.v)
	}
	if held == 0 {
		return x.allEnded()
	}
	for i, th := range x.threads {
		if th.tokens != 0 {
			return fmt.Errorf("thread %c ends with %d wake-ups", 'A'+i, th.tokens)
		}
	}
	return nil
}

func TestExploreReleaseByAnybody(t *testing.T) {
	for name, interval := range map[string]int64{"strict": 0, "interval": 100} {
		for _, programs := range [][]string{
			{"lock free", "lock free"},
			{"lock free", "lock free", "free free"},
			{"lock lock", "lock", "free free free"},
			{"lock lock", "ask lock", "free free ask"},
			{"lock free lock", "timed free", "free free"},
			{"lock free lock", "signalled free", "free ask"},
			{"lock", "timed free", "free free", "tick"},
			{"lock lock free", "naps lock free", "free free"},
			{"lock free lock free", "naps timed ask", "free free"},
		} {
			t.Run(name, func(t *testing.T) {
				explore(t, func() subject { return &exploredAnybody{IntervalLock: &IntervalLock{interval: interval}} }, programs...)
			})
		}
	}
}
