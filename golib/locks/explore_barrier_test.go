//go:build explore

package locks

import (
	"fmt"
	"testing"
)

// The programs of a Barrier:
//
//	arrive, timed, signalled   meets the others; or runs out of time; or is interrupted
//	raise                      as arrive, and when it runs the action, that raises
//	reset, abort
type exploredBarrier struct {
	*Barrier
	round []int // by thread: the round that it came in

	// By round: whether its parties were let go, and the numbers of those who passed.
	opened  [8]bool
	numbers [8][]uint64
}

func newExploredBarrier(threads int, parties uint64) *exploredBarrier {
	return &exploredBarrier{Barrier: &Barrier{parties: parties}, round: make([]int, threads)}
}

func (b *exploredBarrier) theWord() *word { return &b.word }

func (b *exploredBarrier) perform(th *thread, op string) {
	switch op {
	case "reset":
		th.release(b.Reset())
	case "abort":
		th.release(b.Break())
	default:
		for b.arrive(th, op) == Another {
			th.w.Forget()
		}
		th.w.Forget()
	}
}

// arrive is one round of wait_for_all() in C.
func (b *exploredBarrier) arrive(th *thread, op string) Outcome {
	th.at("arrive")
	mine := &b.round[th.w.ID-FirstID]
	arrival := b.Arrive(th.w)
	*mine = int(b.Barrier.round)
	th.pause(always) // C reads the number after it has left the bucket
	number := th.w.Number
	switch arrival {
	case Broken:
		return Failed
	case Last:
		b.complete(th, op, number)
		return Passed
	}
	th.at("parked", number)
	switch other := map[string]int{"timed": byTime, "signalled": bySignal}[op]; th.sleep(other, false) {
	case byToken:
		th.tokens--
	case byTime:
		departure, chain := b.Withdraw(th.w, TimedOut)
		if departure == Left {
			th.release(chain)
			return Failed
		}
		th.at("late", number)
		th.pause(when(func() bool { return th.tokens > 0 }))
		th.tokens--
	case bySignal:
		if departure, _ := b.Withdraw(th.w, Interrupted); departure == Ended {
			th.at("interrupted")
			th.pause(when(func() bool { return th.tokens > 0 }))
			th.tokens--
		}
		return Failed
	}
	return b.told(*mine, number, Outcome(th.w.Outcome))
}

// told checks what a party hears against what became of its round.
func (b *exploredBarrier) told(mine int, number uint64, o Outcome) Outcome {
	switch {
	case o == Passed && !b.opened[mine]:
		panic("a party passed in a round that was not opened")
	case o == Failed && b.opened[mine] && number < b.parties:
		panic("a party failed in a round that was opened")
	case o == Another && number != b.parties:
		panic("a party of this round was sent to the next")
	case o == Passed:
		b.numbers[mine] = append(b.numbers[mine], number)
	}
	return o
}

// complete is the last party: it runs the action, of one step.
func (b *exploredBarrier) complete(th *thread, op string, round uint64) {
	th.at("action", round)
	th.pause(always)
	if op == "raise" {
		th.release(b.Fail(round))
		return
	}
	opened, chain := b.Open(round)
	if opened {
		b.opened[round] = true
		b.numbers[round] = append(b.numbers[round], b.parties-1)
	}
	th.release(chain)
}

func (b *exploredBarrier) share(x *world, bytes []byte) []byte {
	bytes = append(bytes, byte(b.Barrier.round))
	for i, th := range x.threads {
		bytes = append(bytes, byte(b.round[i]), byte(th.w.Outcome), byte(th.w.Number))
	}
	for i, numbers := range b.numbers {
		set := byte(0)
		for _, n := range numbers {
			set |= 1 << n
		}
		bytes = append(bytes, set, byte(len(numbers)), byte(number(b.opened[i])))
	}
	return bytes
}

// ended lets those sleep who wait for parties that do not come.
func (b *exploredBarrier) ended(x *world) error {
	signals, asleep := false, 0
	for _, th := range x.threads {
		for _, op := range th.program {
			signals = signals || op == "signalled"
		}
		if th.alive && th.w.InQueue() && th.tokens == 0 {
			asleep++
		} else if th.alive {
			return fmt.Errorf("thread %d hangs", th.w.ID)
		}
	}
	if s := b.word.v; asleep > 0 && s != uint64(asleep)*oneArrival || s&BarrierFull != 0 || s>>OwnerShift >= b.parties {
		return fmt.Errorf("%d sleep for ever, word %#x", asleep, s)
	}
	for round, numbers := range b.numbers {
		seen := uint32(0)
		for _, n := range numbers {
			seen |= 1 << n
		}
		if want := uint32(1)<<b.parties - 1; b.opened[round] && !signals && (seen != want || len(numbers) != int(b.parties)) {
			return fmt.Errorf("round %d was passed by %v", round, numbers)
		}
	}
	if asleep > 0 {
		return nil
	}
	return x.allEnded()
}

func TestExploreBarrier(t *testing.T) {
	for parties, all := range map[uint64][][]string{
		2: {
			{"arrive arrive", "arrive arrive"},
			{"arrive", "arrive", "arrive"},
			{"arrive arrive", "arrive", "timed"},
			{"arrive", "timed", "signalled arrive"},
			{"arrive", "arrive", "reset arrive"},
			{"arrive arrive", "raise", "reset"},
			{"arrive", "timed", "abort reset"},
		},
		3: {
			{"arrive arrive", "arrive arrive", "arrive arrive"},
			{"arrive", "timed", "arrive reset"},
			{"arrive", "signalled", "timed timed"},
		},
	} {
		for _, programs := range all {
			t.Run(fmt.Sprint(parties), func(t *testing.T) {
				explore(t, func() subject { return newExploredBarrier(len(programs), parties) }, programs...)
			})
		}
	}
}
