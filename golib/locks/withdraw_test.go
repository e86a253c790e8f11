package locks

import (
	"slices"
	"strings"
	"testing"
)

// drive takes a simulation through a trace such as "A:lock B:lock A:unlock".
func drive(t *testing.T, s sim, trace string) {
	t.Helper()
	for _, name := range strings.Fields(trace) {
		i := slices.IndexFunc(s.enabled(), func(st step) bool { return st.String() == name })
		if i < 0 {
			t.Fatalf("%s is not possible in %+v", name, s.look())
		}
		s.do(s.enabled()[i])
		if err := s.check(); err != nil {
			t.Fatalf("after %s: %v", name, err)
		}
	}
}

// outcome is what a scenario ends in: the actors by what they do, and those of them
// that have an unconsumed wake-up.
func outcome(v view) string {
	var all []string
	for i, p := range v.Phases {
		one := string('A'+rune(i)) + ":" + p.String()
		if v.Tokens[i] != 0 {
			one += "+token"
		}
		all = append(all, one)
	}
	return strings.Join(all, " ")
}

// TestWithdraw forces every order of a withdrawal and the wake-up that it races with.
func TestWithdraw(t *testing.T) {
	useLot(t, nil)
	interval := func() sim { return newIntervalSim(3, 100) }
	strict := func() sim { return newIntervalSim(3, 0) }
	rw := func() sim { return newRWSim(4) }
	for _, c := range []struct {
		name  string
		make  func() sim
		trace string
		want  string
		queue []uint64 // the exclusive waiters
	}{
		{"before any wake-up", interval, "A:lock B:lock B:give-up",
			"A:writing B:outside C:outside", nil},
		{"after the notification, the lock free: the baton goes to the next", interval,
			"A:lock B:lock C:lock A:unlock B:give-up",
			"A:outside B:outside C:asleep+token", []uint64{4}},
		{"after the notification, the lock barged: its release notifies the next", interval,
			"A:lock B:lock C:lock A:unlock A:try B:give-up A:unlock",
			"A:outside B:outside C:asleep+token", []uint64{4}},
		{"after the notification, nobody else waits", interval, "A:lock B:lock A:unlock B:give-up C:try",
			"A:outside B:outside C:writing", nil},
		{"after the grant: it holds the lock", interval, "A:lock B:lock tick A:unlock B:give-up",
			"A:outside B:writing C:outside", nil},
		{"after notification and grant: one wake-up, and it holds the lock", interval,
			"A:lock B:lock A:unlock A:try tick A:release B:give-up",
			"A:outside B:writing C:outside", nil},
		{"one that was to be served next", interval,
			"A:lock B:lock C:lock A:unlock A:try tick B:wake B:give-up A:unlock",
			"A:outside B:outside C:asleep+token", []uint64{4}},
		{"in the middle of the queue", strict, "A:lock B:lock C:lock B:give-up A:unlock",
			"A:outside B:outside C:asleep+token", nil},
		{"a signal: the old place is kept", strict, "A:lock B:lock C:lock B:pause B:rejoin A:unlock",
			"A:outside B:asleep+token C:asleep", []uint64{4}},
		{"a signal after the notification", interval, "A:lock B:lock C:lock A:unlock B:pause A:lock B:rejoin",
			"A:writing B:asleep C:asleep+token", []uint64{3, 4}},
		{"a signal, and the lock is free when its handler returns", interval,
			"A:lock B:lock C:lock A:unlock B:pause B:rejoin",
			"A:outside B:writing C:asleep+token", []uint64{4}},
		{"a signal whose handler raises: the next time is a new arrival", strict,
			"A:lock B:lock C:lock B:pause B:quit B:lock A:unlock",
			"A:outside B:asleep C:asleep+token", []uint64{3}},
		{"a ceding owner that gives up", strict, "A:lock B:lock A:cede A:give-up B:wake B:unlock",
			"A:outside B:outside C:outside", nil},
		{"a signal does not restart the longest waiter's clock", interval,
			"A:lock B:lock tick B:pause B:rejoin A:unlock",
			"A:outside B:asleep+token C:outside", nil},

		{"a writer behind readers lets readers in", rw, "A:read B:lock C:read D:read B:give-up",
			"A:reading B:outside C:asleep+token D:asleep+token", nil},
		{"one of two writers does not", rw, "A:read B:lock C:read D:lock B:give-up",
			"A:reading B:outside C:asleep D:asleep", []uint64{5}},
		{"a notified writer, the word free, lets readers in", rw, "A:lock B:lock C:read A:unlock B:give-up",
			"A:outside B:outside C:asleep+token D:outside", nil},
		{"a notified writer passes the baton to the next", rw, "A:lock B:lock C:lock A:unlock B:give-up",
			"A:outside B:outside C:asleep+token D:outside", []uint64{4}},
		{"a writer that was granted holds", rw, "A:read B:lock C:read tick A:unlock B:give-up",
			"A:outside B:writing C:asleep D:outside", nil},
		{"a notified writer behind readers lets readers in", rw, "A:read B:lock C:read A:unlock B:give-up C:wake",
			"A:outside B:outside C:reading D:outside", nil},
		{"a reader behind a writer", rw, "A:lock B:read B:give-up A:unlock",
			"A:outside B:outside C:outside D:outside", nil},
		{"a reader that was granted reads", rw, "A:lock B:read tick A:unlock B:give-up",
			"A:outside B:reading C:outside D:outside", nil},
		{"a notified reader, the only one", rw, "A:lock B:read A:unlock B:give-up A:lock",
			"A:writing B:outside C:outside D:outside", nil},
		{"a notified reader passes the baton to one that came later", rw,
			"A:lock B:read A:unlock A:lock C:read A:unlock B:give-up",
			"A:outside B:outside C:asleep+token D:outside", nil},
		{"a notified reader, while a writer holds the lock: its release sends the other", rw,
			"A:lock B:read A:unlock A:lock C:read B:give-up A:unlock",
			"A:outside B:outside C:asleep+token D:outside", nil},
		{"the owed reader gives up: the writers go on", rw,
			"A:lock B:lock C:read D:lock tick A:unlock B:wake C:give-up B:unlock",
			"A:outside B:outside C:outside D:asleep+token", []uint64{5}},
		{"a signal: a writer keeps its place", rw, "A:lock B:lock C:lock B:pause B:rejoin tick A:unlock",
			"A:outside B:asleep+token C:asleep D:outside", []uint64{4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.make()
			drive(t, s, strings.ReplaceAll(c.trace, "tick", "A:tick"))
			v := s.look()
			if got := outcome(v); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got := v.Queues[0]; !slices.Equal(got, c.queue) {
				t.Errorf("the queue is %v, not %v", got, c.queue)
			}
		})
	}
}

// TestFairness says whom a release serves, by the clock.
func TestFairness(t *testing.T) {
	useLot(t, nil)
	const token = "asleep+token"
	for _, c := range []struct {
		name  string
		make  func() sim
		trace string
		want  string
		owner byte // A to D, or 0
	}{
		{"before the interval it lets others barge", func() sim { return newIntervalSim(2, 100) },
			"A:lock B:lock A:unlock", "A:outside B:" + token, 0},
		{"after the interval it hands over", func() sim { return newIntervalSim(2, 100) },
			"A:lock B:lock A:tick A:unlock", "A:outside B:" + token, 'B'},
		{"one that was beaten all the interval is due", func() sim { return newIntervalSim(2, 100) },
			"A:lock B:lock A:unlock A:lock A:tick B:wake A:unlock", "A:outside B:" + token, 'B'},
		{"the clock starts when a waiter becomes the longest", func() sim { return newIntervalSim(3, 100) },
			"A:lock B:lock C:lock A:tick A:unlock B:wake B:unlock", "A:outside B:outside C:" + token, 0},
		{"an interval of 0 is strict", func() sim { return newIntervalSim(3, 0) },
			"A:lock B:lock C:lock A:unlock A:lock B:wake B:unlock", "A:asleep B:outside C:" + token, 'C'},
		{"cede serves the longest and queues last", func() sim { return newIntervalSim(3, 100) },
			"A:lock B:lock C:lock A:cede B:wake B:cede C:wake C:cede", "A:" + token + " B:asleep C:asleep", 'A'},
		{"cede hands over to one that was notified", func() sim { return newIntervalSim(2, 100) },
			"A:lock B:lock A:unlock A:try A:cede", "A:asleep B:" + token, 'B'},
		{"writers go before readers", func() sim { return newRWSim(4) },
			"A:lock B:read C:lock D:lock A:unlock C:wake C:unlock", "A:outside B:asleep C:outside D:" + token, 0},
		{"readers that a writer overtook after the interval go before the next", func() sim { return newRWSim(4) },
			"A:lock B:lock C:read D:lock A:tick A:unlock B:wake B:unlock", "A:outside B:outside C:" + token + " D:asleep", 0},
		{"also when those writers have given up", func() sim { return newRWSim(4) },
			"A:lock B:read A:tick C:lock D:lock A:unlock C:give-up A:try A:unlock", "A:outside B:" + token + " C:outside D:" + token, 0},
		{"they were admitted: a writer finds them in the word", func() sim { return newRWSim(4) },
			"A:lock B:lock C:read D:lock A:tick A:unlock B:wake B:unlock A:try C:wake", "A:outside B:outside C:reading D:asleep", 0},
		{"before the interval the last reader lets running writers barge", func() sim { return newRWSim(3) },
			"A:read B:read C:lock A:unlock B:unlock A:try", "A:writing B:outside C:" + token, 'A'},
		{"but no readers", func() sim { return newRWSim(3) },
			"A:read B:read C:lock A:unlock B:unlock A:try-read A:read", "A:asleep B:outside C:" + token, 0},
		{"after the interval it hands over", func() sim { return newRWSim(3) },
			"A:read B:read C:lock A:unlock A:tick B:unlock", "A:outside B:outside C:" + token, 'C'},
		{"notified readers compete with running writers", func() sim { return newRWSim(3) },
			"A:lock B:read C:read A:unlock A:lock B:wake C:wake", "A:writing B:asleep C:asleep", 'A'},
		{"until the interval is over: then they are let in", func() sim { return newRWSim(3) },
			"A:lock B:read C:read A:unlock A:lock B:wake A:tick C:wake A:unlock A:try", "A:outside B:" + token + " C:" + token, 0},
		{"the first of the notified readers sends those that came later", func() sim { return newRWSim(3) },
			"A:lock B:read A:unlock A:lock C:read A:unlock B:wake", "A:outside B:reading C:" + token, 0},
		{"a writer that waits keeps notified readers out", func() sim { return newRWSim(4) },
			"A:lock B:read A:unlock A:lock C:lock A:unlock B:wake C:wake C:unlock", "A:outside B:" + token + " C:outside D:outside", 0},
		{"a downgrade lets no writer in between", func() sim { return newRWSim(3) },
			"A:lock B:lock C:read A:downgrade", "A:reading B:asleep C:asleep", 0},
		{"a downgrade without writers lets readers in", func() sim { return newRWSim(3) },
			"A:lock B:read C:read A:downgrade", "A:reading B:" + token + " C:" + token, 0},
		{"writers hand over after the interval", func() sim { return newRWSim(2) },
			"A:lock B:lock A:tick A:unlock", "A:outside B:" + token, 'B'},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.make()
			drive(t, s, c.trace)
			if got := outcome(s.look()); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			owner := byte(0)
			if row, _ := s.row(); row == "held" || row == "written" {
				owner = 'A' + byte(s.look().Word>>OwnerShift-FirstID)
			}
			if owner != c.owner {
				t.Errorf("held by %c, not %c", owner, c.owner)
			}
		})
	}
}
