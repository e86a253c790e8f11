package locks

import (
	"slices"
	"testing"

	"ft_utils/golib/parking"
)

// sim is a simulation of some lock.
type sim interface {
	enabled() []step
	do(step)
	check() error
	look() view
	name() string
	row() (string, uint64)
	ownLot() *parking.Lot
}

// replay makes a simulation and takes it through a trace.
func replay(make func() sim, trace []step) sim {
	s := make()
	for _, st := range trace {
		s.do(st)
	}
	return s
}

// walk visits every state that whole operations can reach, breadth first, checks
// each, and returns the combinations of flags that it met, by row.
func walk(t *testing.T, make func() sim) map[string][]uint64 {
	t.Helper()
	var trace []step
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("after %v: %v", trace, r)
		}
	}()
	met := map[string][]uint64{}
	start := make()
	seen := map[string]bool{start.name(): true}
	for todo := [][]step{nil}; len(todo) > 0; todo = todo[1:] {
		for _, st := range replay(make, todo[0]).enabled() {
			trace = append(slices.Clip(todo[0]), st)
			s := replay(make, trace)
			if err := s.check(); err != nil {
				t.Fatalf("after %v: %v", trace, err)
			}
			if name := s.name(); !seen[name] {
				seen[name] = true
				todo = append(todo, trace)
				if row, flags := s.row(); !slices.Contains(met[row], flags) {
					met[row] = append(met[row], flags)
				}
			}
		}
	}
	t.Logf("%d states", len(seen))
	return met
}

// TestStates reaches every legal combination of each word's bits and no other.
func TestStates(t *testing.T) {
	useLot(t, nil)
	for _, c := range []struct {
		name  string
		make  func() sim
		table table
	}{
		{"interval", func() sim { return newIntervalSim(4, 100) }, intervalTable},
		{"interval, napping", func() sim { return newNappingSim(3, 100) }, intervalTable},
		{"interval, profiled", func() sim { return newProfiledSim(3, 100) }, intervalTable},
		{"strict", func() sim { return newIntervalSim(4, 0) }, strictTable},
		{"rw", func() sim { return newRWSim(4) }, rwTable},
		{"rw, upgrading", func() sim { return newRWUpSim(4) }, upgradeTable},
		{"semaphore", func() sim { return newSemaphoreSim(4, false) }, semaphoreTable},
		{"semaphore, weighted", func() sim { return newSemaphoreSim(4, true) }, weightedTable},
		{"resizable", func() sim { return newResizableSim(3) }, resizableTable},
		{"event", func() sim { return newEventSim(4) }, eventTable},
		{"condition", func() sim { return newConditionSim(4, 100, false) }, conditionTable},
		{"condition, set aside", func() sim { return newAsideSim(3, 100) }, conditionTable},
		{"condition, foreign lock", func() sim { return newConditionSim(3, 100, true) }, conditionTable},
		{"barrier", func() sim { return newBarrierSim(4, 3) }, barrierTable},
		{"barrier of one", func() sim { return newBarrierSim(3, 1) }, lonelyTable},
	} {
		t.Run(c.name, func(t *testing.T) {
			met := walk(t, c.make)
			for row, want := range c.table {
				got := append(met[row], 0) // the walk starts in a word that it does not return to under a new name
				for _, f := range want {
					if !slices.Contains(got, f) {
						t.Errorf("%s: flags %#b were never reached", row, f)
					}
				}
				for _, f := range got {
					if !slices.Contains(want, f) {
						t.Errorf("%s: flags %#b are not in the table", row, f)
					}
				}
			}
		})
	}
}
