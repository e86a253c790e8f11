package contention

import (
	"encoding/json"
	"errors"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"ft_utils/golib/locks"
	"ft_utils/golib/parking"
)

// counters reads what StatsJSON writes.
func counters(t *testing.T, b []byte) map[string]uint64 {
	t.Helper()
	var pairs []json.RawMessage
	if err := json.Unmarshal(b, &pairs); err != nil || len(pairs)%2 != 0 {
		t.Fatalf("%s: %v", b, err)
	}
	found := map[string]uint64{}
	for i := 0; i < len(pairs); i += 2 {
		var name string
		var n uint64
		if err := errors.Join(json.Unmarshal(pairs[i], &name), json.Unmarshal(pairs[i+1], &n)); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		found[name] = n
	}
	return found
}

func TestStats(t *testing.T) {
	got := counters(t, appendStats(nil, parking.Counters{
		Contended: 1, Parks: 2, Notifies: 3, Handoffs: 4, Cedes: 5, Timeouts: 6, Interrupts: 1<<64 - 1,
	}))
	want := map[string]uint64{
		"contended": 1, "parks": 2, "notifies": 3, "handoffs": 4, "cedes": 5, "timeouts": 6, "interrupts": 1<<64 - 1,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	if n := reflect.TypeFor[parking.Counters]().NumField(); n != len(want) {
		t.Errorf("there are %d counters, %d are reported", n, len(want))
	}
}

type wait struct {
	Key      uint64
	ID       uint64
	Kind     string
	Notified bool
	Waited   float64
}

func TestSnapshot(t *testing.T) {
	if s := string(appendWaits(nil, nil)); s != "[]" {
		t.Errorf("nobody waits: %s", s)
	}
	b := appendWaits(nil, []parking.Wait{
		{Key: 1<<63 + 1, ID: 1 << 55, Kind: parking.Exclusive, State: parking.Notified, Waited: 1_500_000_001},
		{Key: 8, ID: 3, Kind: parking.Shared, State: parking.Queued, Waited: 0},
	})
	var got []wait
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	want := []wait{{1<<63 + 1, 1 << 55, "exclusive", true, 1.500000001}, {8, 3, "shared", false, 0}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

// TestReportsTheLocks goes through the exported functions once, with a real waiter.
func TestReportsTheLocks(t *testing.T) {
	l := locks.NewIntervalLock(0)
	holder, w := parking.NewWaiter(1<<50), parking.NewWaiter(1<<50+1)
	if l.Contend(holder) != locks.Acquired || l.Contend(w) != locks.Park {
		t.Fatal("the lock does not queue")
	}
	var waits []wait
	if err := json.Unmarshal([]byte(SnapshotJSON()), &waits); err != nil || len(waits) != 1 || waits[0].ID != w.ID {
		t.Errorf("snapshot: %v, %v", waits, err)
	}
	parking.Wake(l.Release())
	if l.Contend(w) != locks.Acquired {
		t.Fatal("the lock was not handed over")
	}
	l.Release()
	stats := counters(t, []byte(StatsJSON()))
	if stats["handoffs"] == 0 || stats["parks"] == 0 || SnapshotJSON() != "[]" {
		t.Errorf("stats: %v, waiting: %s", stats, SnapshotJSON())
	}
}

// TestStaysSmall keeps out what would dominate the size of the shared library.
func TestStaysSmall(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, heavy := range []string{"encoding/json", "fmt", "reflect"} {
		if strings.Contains("\n"+string(out), "\n"+heavy+"\n") {
			t.Errorf("golib depends on %s", heavy)
		}
	}
}
