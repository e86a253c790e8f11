package profile

import (
	"math/rand/v2"
	"reflect"
	"sort"
	"strconv"
	"testing"
)

// seed makes the random profiles of a run the same each time; a failure names the profile's number.
const seed = 20260801

func random(n uint64) *Profile {
	r := rand.New(rand.NewPCG(seed, n))
	p := &Profile{
		Start: 1_790_000_000_000_000_000 + r.Int64N(1e15), Duration: r.Int64N(1e12),
		Command: "store.py --threads " + strconv.Itoa(r.IntN(9)),
		Rate:    1 + r.Int64N(3)*9, Minimum: r.Int64N(2) * 1000,
		DroppedStacks: r.Int64N(3), DroppedSamples: r.Int64N(3),
	}
	for i := range 1 + r.IntN(20) {
		p.Frames = append(p.Frames, Frame{
			Function: []string{"Store.put", "<module>", "Store.get.<locals>.<lambda>", "größe", "run"}[r.IntN(5)],
			File:     []string{"/srv/store.py", "/usr/lib/queue.py", "<string>", "/srv/pkg/__init__.py"}[r.IntN(4)],
			Line:     int64(i + 1), FirstLine: r.Int64N(3),
		})
	}
	for i := range 1 + r.IntN(4) {
		p.Locks = append(p.Locks, Lock{0x7f00_0000_0000 + int64(i)*64, "IntervalLock", "store.py:" + strconv.Itoa(i)})
	}
	for i := range r.IntN(30) {
		p.Samples = append(p.Samples, randomSample(r, p, i))
	}
	return p
}

func randomSample(r *rand.Rand, p *Profile, i int) Sample {
	s := Sample{
		Role: Waiter, Side: []string{"exclusive", "read", "write", Wait}[r.IntN(4)],
		Lock: r.IntN(len(p.Locks)), Thread: "worker " + strconv.Itoa(i), // the thread keeps samples apart
	}
	for range r.IntN(8) {
		s.Stack = append(s.Stack, r.IntN(len(p.Frames)))
	}
	if r.IntN(3) == 0 {
		s.Role, s.Count, s.Ns = Holder, r.Int64N(1000), r.Int64N(1e10)
		return s
	}
	for range 1 + r.IntN(100) {
		wait := r.Int64N(1 << r.IntN(40))
		for len(s.Histogram) <= bucket(wait) {
			s.Histogram = append(s.Histogram, 0)
		}
		s.Histogram[bucket(wait)]++
		s.Count, s.Ns, s.Max = s.Count+1, s.Ns+wait, max(s.Max, wait)
	}
	return s
}

// canonical returns p with the parts of its samples in full, so that profiles can be compared that number what they
// share in another order.
func canonical(p *Profile) []string {
	all := []string{strconv.FormatInt(p.Rate, 10) + " " + p.Command}
	for i := range p.Samples {
		s := p.Samples[i]
		w := &printer{}
		p.Locks[s.Lock].print(w)
		for _, frame := range s.Stack {
			p.Frames[frame].print(w)
		}
		s.Lock, s.Stack = 0, nil
		s.print(w)
		all = append(all, string(w.b))
	}
	sort.Strings(all)
	return all
}

func equal(t *testing.T, what string, got, want *Profile) {
	t.Helper()
	if a, b := canonical(got), canonical(want); !reflect.DeepEqual(a, b) {
		t.Fatalf("%s:\n%v\ninstead of\n%v", what, a, b)
	}
}
