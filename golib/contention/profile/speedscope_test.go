package profile

import (
	"encoding/json"
	"testing"
)

type speedscope struct {
	Schema string `json:"$schema"`
	Shared struct {
		Frames []struct {
			Name, File string
			Line       int
		}
	}
	Profiles []struct {
		Type, Name, Unit string
		Start            *int64 `json:"startValue"`
		End              int64  `json:"endValue"`
		Samples          [][]int
		Weights          []int64
	}
}

func TestSpeedscope(t *testing.T) {
	p := example()
	p.Rate = 10
	var got speedscope
	if err := json.Unmarshal([]byte(p.Speedscope()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Schema == "" || len(got.Profiles) != 3 {
		t.Fatalf("%+v", got)
	}
	for i, want := range []int64{30_025_000, 7e10, 2_500_000} {
		profile := got.Profiles[i]
		var sum int64
		for _, weight := range profile.Weights {
			sum += weight
		}
		if sum != want || profile.End != want || profile.Start == nil || *profile.Start != 0 ||
			profile.Type != "sampled" || profile.Unit != "nanoseconds" || len(profile.Samples) != len(profile.Weights) {
			t.Errorf("profile %d: %+v", i, profile)
		}
	}
	var names []string
	for _, frame := range got.Profiles[0].Samples[0] { // the outermost first
		names = append(names, got.Shared.Frames[frame].Name)
	}
	if len(names) != 3 || names[0] != "my store.<module>" || names[1] != "store.Store.put" || names[2] != "[IntervalLock cache]" {
		t.Errorf("%q", names)
	}
	if f := got.Shared.Frames[0]; f.File != "/srv/store.py" || f.Line != 12 {
		t.Errorf("%+v", f)
	}
}
