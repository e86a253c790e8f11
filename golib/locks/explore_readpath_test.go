//go:build explore

package locks

import "testing"

// biasedFrom tells the two starts apart.
var biasedFrom = map[string]bool{"biased": true, "not biased": false}

func TestExploreReads(t *testing.T) {
	for name, biased := range biasedFrom {
		for _, programs := range [][]string{
			{"read unlock read unlock", "write unlock"},
			{"read unlock", "read unlock", "write unlock"},
			{"read unlock", "write unlock", "timed unlock"},
			{"read again unlock unlock", "read-bias unlock", "write unlock"},
			{"read-bias unlock", "read-bias unlock", "timed unlock"},
			{"read-bias unlock", "write unlock", "timed unlock"},
			{"timed-read unlock", "write unlock", "grab unlock"},
			{"read-bias unlock", "write downgrade unlock", "read unlock"},
		} {
			t.Run(name, func(t *testing.T) {
				explore(t, func() subject { return newExploredReads(len(programs), biased, sound) }, programs...)
			})
		}
	}
}

func TestExploreReadsLong(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for name, biased := range biasedFrom {
		for _, programs := range [][]string{
			{"read-bias unlock", "write unlock", "timed unlock", "tick"},
			{"read-bias unlock read unlock", "read unlock", "write unlock"},
			{"read-bias unlock read-bias unlock", "write unlock write unlock"},
			{"write downgrade unlock", "write unlock", "read-bias unlock"},
		} {
			t.Run(name, func(t *testing.T) {
				explore(t, func() subject { return newExploredReads(len(programs), biased, sound) }, programs...)
			})
		}
	}
}

// TestExploreReadFlaws makes each mistake and sees it found.
func TestExploreReadFlaws(t *testing.T) {
	for bug := sound + 1; bug < flaws; bug++ {
		programs := []string{"read-bias unlock", "write unlock", "timed unlock"}
		_, runs, err := search(t, func() subject { return newExploredReads(len(programs), true, bug) }, programs)
		if err == nil {
			t.Errorf("flaw %d was not found in %d schedules", bug, runs)
			continue
		}
		t.Logf("flaw %d, schedule %d: %v", bug, runs, err)
	}
}
