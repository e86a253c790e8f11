package profile

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	pprof "github.com/google/pprof/profile"
)

func parse(t *testing.T, p *Profile) *pprof.Profile {
	t.Helper()
	got, err := pprof.ParseData(p.Pprof())
	if err != nil {
		t.Fatal(err)
	}
	if err := got.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return got
}

// example is the profile of a small store, with a round number of everything.
func example() *Profile {
	return &Profile{
		Start: 1_790_000_000_000_000_001, Duration: 2_000_000_000, Command: "'my store.py' --threads 4",
		Rate: 1, DroppedStacks: 2, DroppedSamples: 3, Minimum: 1000,
		Frames: []Frame{
			{"Store.put", "/srv/store.py", 12, 10},
			{"<module>", "/srv/my store.py", 40, 1},
			{"Store.get", "/srv/store.py", 22, 20},
			{"Condition.wait", "/usr/lib/python3.13/threading.py", 360, 300},
		},
		Locks: []Lock{{0x7f01, "IntervalLock", "cache"}, {0x7f02, "Event", "store.py:7"}},
		Samples: []Sample{
			{
				Role: Waiter, Side: "exclusive", Thread: "worker-1", Lock: 0, Count: 4, Ns: 3_000_500, Max: 2_000_000,
				Histogram: append(make([]int64, 8), 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1), Stack: []int{0, 1},
			},
			{Role: Waiter, Side: Wait, Thread: "MainThread", Lock: 1, Count: 1, Ns: 7e9, Max: 7e9, Stack: []int{3, 1}},
			{Role: Holder, Side: "exclusive", Thread: "worker-2", Lock: 0, Count: 9, Ns: 2_500_000, Stack: []int{2, 1}},
			{Role: Waiter, Side: "exclusive", Thread: "worker-3", Lock: 0, Count: 1, Ns: 2000, Max: 2000},
		},
	}
}

func TestPprofHeader(t *testing.T) {
	got := parse(t, example())
	var types []string
	for _, vt := range got.SampleType {
		types = append(types, vt.Type+"/"+vt.Unit)
	}
	want := "contentions/count delay/nanoseconds waits/count waiting/nanoseconds charges/count blocking/nanoseconds"
	if s := strings.Join(types, " "); s != want {
		t.Errorf("sample types %s", s)
	}
	if got.DefaultSampleType != "delay" || got.Period != 1 || *got.PeriodType != (pprof.ValueType{Type: "contentions", Unit: "count"}) {
		t.Errorf("default %q, period %d of %v", got.DefaultSampleType, got.Period, got.PeriodType)
	}
	if got.TimeNanos != 1_790_000_000_000_000_001 || got.DurationNanos != 2_000_000_000 {
		t.Errorf("time %d, duration %d", got.TimeNanos, got.DurationNanos)
	}
	comments := strings.Join(got.Comments, "\n")
	for _, part := range []string{"sampled in time", "--threads 4", "1000 ns", "stacks of 2", "for 3 contentions"} {
		if !strings.Contains(comments, part) {
			t.Errorf("%q is in no comment: %q", part, got.Comments)
		}
	}
	m := got.Mapping
	if len(m) != 1 || m[0].File != "my store.py" || !m[0].HasFunctions || !m[0].HasFilenames || !m[0].HasLineNumbers {
		t.Errorf("mapping %v", m)
	}
}

func TestPprofSamples(t *testing.T) {
	got := parse(t, example())
	total := make([]int64, len(valueTypes))
	for _, s := range got.Sample {
		for i, v := range s.Value {
			total[i] += v
		}
	}
	if want := []int64{5, 3_002_500, 1, 7e9, 9, 2_500_000}; !equalInts(total, want) {
		t.Errorf("totals %v instead of %v", total, want)
	}
	first := got.Sample[0]
	for key, want := range map[string]string{
		"lock": "cache", "id": "0x7f01", "kind": "IntervalLock", "side": "exclusive", "thread": "worker-1", "role": "waiter",
	} {
		if v := first.Label[key]; len(v) != 1 || v[0] != want {
			t.Errorf("label %s: %q", key, v)
		}
	}
	if v := first.NumLabel["waited"]; len(v) != 1 || v[0] != 256 || first.NumUnit["waited"][0] != "nanoseconds" {
		t.Errorf("waited %v %v", v, first.NumUnit)
	}
	if len(first.Location) != 2 {
		t.Fatalf("%d locations", len(first.Location))
	}
	line := first.Location[0].Line[0]
	if f := *line.Function; line.Line != 12 || f.Name != "store.Store.put" || f.SystemName != "Store.put" ||
		f.Filename != "/srv/store.py" || f.StartLine != 10 {
		t.Errorf("innermost frame %+v at line %d", f, line.Line)
	}
	if name := first.Location[1].Line[0].Function.Name; name != "my store.<module>" {
		t.Errorf("outermost frame %q", name)
	}
	last := got.Sample[len(got.Sample)-1]
	if name := last.Location[0].Line[0].Function.Name; name != noStack {
		t.Errorf("a stack that was dropped is %q", name)
	}
}

func equalInts(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestLongestWaitStandsAlone(t *testing.T) {
	for _, s := range parse(t, example()).Sample {
		if s.NumLabel["waited"] != nil && s.NumLabel["waited"][0] == 2_000_000 {
			if !equalInts(s.Value, []int64{1, 2_000_000, 0, 0, 0, 0}) {
				t.Errorf("%v", s.Value)
			}
			return
		}
	}
	t.Error("there is no sample of the longest wait")
}

func TestPprofThereAndBack(t *testing.T) {
	for n := range uint64(200) {
		p := random(n)
		got, err := FromPprof(p.Pprof())
		if err != nil {
			t.Fatalf("profile %d: %v", n, err)
		}
		if got.Minimum != p.Minimum || got.DroppedStacks != p.DroppedStacks || got.DroppedSamples != p.DroppedSamples ||
			got.Start != p.Start || got.Duration != p.Duration {
			t.Fatalf("profile %d: %+v instead of %+v", n, got, p)
		}
		p.Samples = without(p.Samples, func(s *Sample) bool { return s.Count == 0 && s.Role == Waiter })
		equal(t, "pprof there and back", got, p)
		var rewritten bytes.Buffer
		if err := parse(t, p).WriteUncompressed(&rewritten); err != nil {
			t.Fatal(err)
		}
		again, err := FromPprof(rewritten.Bytes())
		if err != nil {
			t.Fatalf("profile %d as pprof writes it: %v", n, err)
		}
		equal(t, "pprof's own writing", again, got)
	}
}

func without(all []Sample, drop func(*Sample) bool) (left []Sample) {
	for i := range all {
		if !drop(&all[i]) {
			left = append(left, all[i])
		}
	}
	return left
}

// merge has pprof merge the parts, and reads what it writes.
func merge(t *testing.T, parts ...*pprof.Profile) *Profile {
	t.Helper()
	merged, err := pprof.Merge(parts)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := merged.WriteUncompressed(&b); err != nil {
		t.Fatal(err)
	}
	got, err := FromPprof(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestMergedByPprof(t *testing.T) {
	p := example()
	got := merge(t, parse(t, p), parse(t, p))
	if s := got.Samples[0]; s.Count != 8 || s.Ns != 6_001_000 || s.Max != 2_000_000 || s.Histogram[8] != 4 {
		t.Errorf("%+v", s)
	}
}

// TestMergedOfDifferentRates: what happened is what the parts tell together; that is kept when it is written again, and
// merged with a third.
func TestMergedOfDifferentRates(t *testing.T) {
	var parts []*pprof.Profile
	for _, rate := range []int64{1, 10, 1, 3} {
		p := example()
		p.Rate = rate
		parts = append(parts, parse(t, p))
	}
	check := func(got *Profile, times int64, rates ...int64) {
		t.Helper()
		if s := got.Samples[0]; s.Count != 4*times || s.Ns != 3_000_500*times || got.Rate != 1 || !equalInts(got.Rates, rates) {
			t.Errorf("%+v at rate %d of %v", s, got.Rate, got.Rates)
		}
	}
	got := merge(t, parts[:3]...)
	check(got, 12, 1, 10)
	again, err := FromJSON(got.JSON())
	if err != nil {
		t.Fatal(err)
	}
	check(again, 12, 1, 10)
	again, err = FromPprof(again.Pprof())
	if err != nil {
		t.Fatal(err)
	}
	check(again, 12, 1, 10)
	got = merge(t, parse(t, again), parts[3])
	check(got, 15, 1, 3, 10)
}

// TestRate: pprof is told what happened, which is ten times what was recorded, except of holders.
func TestRate(t *testing.T) {
	p := example()
	p.Rate = 10
	got := parse(t, p)
	total := make([]int64, len(valueTypes))
	for _, s := range got.Sample {
		for i, v := range s.Value {
			total[i] += v
		}
	}
	if want := []int64{50, 30_025_000, 10, 7e10, 9, 2_500_000}; !equalInts(total, want) || got.Period != 10 {
		t.Errorf("totals %v, period %d", total, got.Period)
	}
	back, err := FromPprof(p.Pprof())
	if err != nil || back.Samples[0].Count != 4 || back.Samples[0].Ns != 3_000_500 || back.Samples[0].Max != 2_000_000 {
		t.Errorf("%v, %+v", err, back.Samples[0])
	}
}

func TestLengthsAddUp(t *testing.T) {
	for n := range uint64(500) {
		for _, s := range random(n).Samples {
			if s.Role != Waiter {
				continue
			}
			var count, ns int64
			for i, part := range s.lengths() {
				count, ns = count+part.count, ns+part.ns
				if mean := part.ns / part.count; mean < part.at/2 || mean > 2*part.at+1 {
					t.Errorf("profile %d: part %d has the mean %d, and is said to take %d at least", n, i, mean, part.at)
				}
			}
			if count != s.Count || ns != s.Ns {
				t.Fatalf("profile %d: %d waits of %d ns instead of %d of %d", n, count, ns, s.Count, s.Ns)
			}
		}
	}
}

func TestRefusesOtherPprof(t *testing.T) {
	good := example().Pprof()
	for name, b := range map[string][]byte{
		"empty": nil, "text": []byte("not a profile at all\n"), "cut": good[:len(good)/2], "json": []byte(least),
	} {
		if _, err := FromPprof(b); err != errDamaged {
			t.Errorf("%s: %v", name, err)
		}
	}
	cpu := parse(t, example())
	cpu.SampleType[1].Type = "cpu"
	cpu.DefaultSampleType = ""
	var b bytes.Buffer
	if err := cpu.WriteUncompressed(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := FromPprof(b.Bytes()); err != errForeign {
		t.Errorf("other sample types: %v", err)
	}
	difference := parse(t, example())
	difference.Scale(-1)
	b.Reset()
	if err := difference.WriteUncompressed(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := FromPprof(b.Bytes()); err == nil || !strings.Contains(err.Error(), "negative") {
		t.Errorf("a difference: %v", err)
	}
}

// FuzzPprof: whatever the file, there is a profile that can be written, or an error.
func FuzzPprof(f *testing.F) {
	f.Add(example().Pprof())
	f.Add(random(3).Pprof())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := FromPprof(b)
		if err != nil {
			return
		}
		if _, err := FromJSON(p.JSON()); err != nil {
			t.Fatalf("%v: %s", err, p.JSON())
		}
		if _, err := pprof.ParseUncompressed(p.Pprof()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestTop has the pprof command itself read a file.
func TestTop(t *testing.T) {
	file := filepath.Join(t.TempDir(), "contention.pb.gz")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(example().Pprof())
	z.Close()
	if err := os.WriteFile(file, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options string
		want    []string
	}{
		{"-top", []string{`Type: delay`, `File: my store\.py`, `3ms +\S+ +\S+ +3ms +\S+ +store\.Store\.put`, `my store\.<module>`}},
		{"-top -sample_index=blocking", []string{`2\.50ms +100% +100% +2\.50ms +100% +store\.Store\.get`}},
		{"-top -sample_index=waiting", []string{`7s +100% +100% +7s +100% +threading\.Condition\.wait`}},
		{"-top -sample_index=contentions", []string{`4 +80\.00% +80\.00% +4 +80\.00% +store\.Store\.put`}},
		{"-top -tagfocus=waited=1ms:", []string{`2ms +\S+ +\S+ +2ms +\S+ +store\.Store\.put`}},
		{"-tags", []string{`kind: Total`, `IntervalLock`, `worker-1`}},
		{"-comments", []string{`sampled in time`}},
	} {
		args := append(append([]string{"tool", "pprof"}, strings.Fields(c.options)...), file)
		out, err := exec.Command("go", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.options, err, out)
		}
		for _, pattern := range c.want {
			if !regexp.MustCompile(pattern).Match(out) {
				t.Errorf("%s: no %s in\n%s", c.options, pattern, out)
			}
		}
	}
}
