package profile

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// least has all that a profile needs, and a sample.
const least = `{"start_unix_ns": 1, "duration_ns": 2,
	"frames": [{"function": "f", "file": "a.py", "line": 3}],
	"locks": [{"id": 4, "kind": "Lock", "name": "a.py:1"}],
	"samples": [{"role": "waiter", "lock": 0, "side": "exclusive", "count": 1, "ns": 5, "stack": [0]}]}`

func TestJSONThereAndBack(t *testing.T) {
	for n := range uint64(200) {
		p := random(n)
		text := p.JSON()
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, []byte(text), "\t", "  "); err != nil {
			t.Fatalf("profile %d is no JSON: %v", n, err)
		}
		got, err := FromJSON(text)
		if err != nil {
			t.Fatalf("profile %d: %v", n, err)
		}
		if !reflect.DeepEqual(got, p) {
			t.Fatalf("profile %d:\n%+v\ninstead of\n%+v", n, got, p)
		}
		if got, err := FromJSON(spaced.String()); err != nil || !reflect.DeepEqual(got, p) {
			t.Fatalf("profile %d with spaces: %v", n, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	p, err := FromJSON(least)
	if err != nil {
		t.Fatal(err)
	}
	if p.Rate != 1 || p.Minimum != 0 || p.Command != "" || p.Samples[0].Thread != "" {
		t.Errorf("%+v", p)
	}
}

func TestUnknownNamesArePassedOver(t *testing.T) {
	more := strings.Replace(least, `"role"`, `"x": [{"y": -1.5e3, "z": [true, false, null, "\"]"]}, {}], "role"`, 1)
	if _, err := FromJSON(more); err != nil {
		t.Error(err)
	}
}

// TestStringsAreThoseOfJSON compares with Go's own reader, which too replaces what is no text.
func TestStringsAreThoseOfJSON(t *testing.T) {
	for _, s := range []string{
		`"plain"`, `"a\"b\\c\/d\b\f\n\r\t"`, `"\u00e4\u20ac"`, `"\ud83d\ude00"`, `"\udc80.py"`, `"\ud83dx"`,
		`"\ud83d\u0041"`, `"ä€😀"`, "\"\xff\xfe\"", `"\u0000"`,
	} {
		var want string
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatal(err)
		}
		p, err := FromJSON(strings.Replace(least, `"a.py"`, s, 1))
		if err != nil || p.Frames[0].File != want {
			t.Errorf("%s: %v, %+q instead of %+q", s, err, p.Frames[0].File, want)
		}
		again, err := FromJSON(p.JSON())
		if err != nil || again.Frames[0].File != want {
			t.Errorf("%s written and read: %v", s, err)
		}
	}
}

func TestRefusesOtherJSON(t *testing.T) {
	for _, c := range []struct{ old, new, sentence string }{
		{"{", "", "an object is missing at byte 0"},
		{`"ns": 5, `, "", `there is no "ns" in the object`},
		{`"frames"`, `"frame"`, `there is no "frames" in the object`},
		{`"ns": 5`, `"ns": -5`, "an integer from 0 to 2^63-1 is missing"},
		{`"ns": 5`, `"ns": 05`, "an integer from 0 to 2^63-1 is missing"},
		{`"ns": 5`, `"ns": 9223372036854775808`, "an integer from 0 to 2^63-1 is missing"},
		{`"ns": 5`, `"ns": 5.0`, "a number that is no integer"},
		{`"ns": 5`, `"ns": "5"`, "an integer from 0 to 2^63-1 is missing"},
		{`"f"`, `"f`, "a comma is missing"},
		{`"f"`, `"\x"`, "an unknown escape"},
		{`"f"`, `"\u12"`, "four hexadecimal digits are missing"},
		{`"f"`, "\"\n\"", "a string does not end"},
		{`[0]}]}`, `[0]}]} x`, "something follows the end"},
		{`[0]}]}`, `[0`, "a comma is missing"},
		{`[0]`, `[0,]`, "an integer from 0 to 2^63-1 is missing"},
		{`[0]`, `[1]`, "sample 0 of the profile names frame 1 of 1"},
		{`"lock": 0`, `"lock": 1`, "sample 0 of the profile names lock 1 of 1"},
		{`"waiter"`, `"owner"`, `has the role "owner" instead of waiter or holder`},
		{`"exclusive"`, `"shared"`, `has the side "shared" instead of`},
		{`"ns": 5`, `"histogram": [1, 1], "ns": 5`, "counts 1, and its histogram 2"},
		{`"duration_ns"`, `"rate": 0, "duration_ns"`, "the rate of a profile is at least 1, not 0"},
		{`"duration_ns"`, `"x": ` + strings.Repeat("[", 1000) + `, "duration_ns"`, "the nesting is too deep"},
		{`"duration_ns"`, `"x": nul, "duration_ns"`, "a value is missing"},
	} {
		text := strings.Replace(least, c.old, c.new, 1)
		if text == least {
			t.Fatalf("%s: nothing changed", c.old)
		}
		_, err := FromJSON(text)
		if err == nil || !strings.Contains(err.Error(), c.sentence) {
			t.Errorf("%s for %s: %v", c.new, c.old, err)
		}
	}
}

// FuzzJSON compares what is accepted with Go's own reader.
func FuzzJSON(f *testing.F) {
	f.Add(least)
	f.Add(random(1).JSON())
	f.Fuzz(func(t *testing.T, text string) {
		p, err := FromJSON(text)
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("no JSON, and accepted: %q", text)
		}
		again, err := FromJSON(p.JSON())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "written and read", again, p)
		p.Speedscope()
		if _, err := FromPprof(p.Pprof()); err != nil {
			t.Fatal(err)
		}
	})
}
