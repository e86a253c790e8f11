package profile

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// large is a profile of many stacks: 4000, of 20 frames each, whose waits are spread over ten powers of two.
func large() *Profile {
	r := rand.New(rand.NewPCG(seed, 0))
	p := &Profile{Rate: 1}
	for i := range 3000 {
		n := strconv.Itoa(i)
		p.Frames = append(p.Frames, Frame{"Class.method_" + n, "/srv/pkg/module_" + strconv.Itoa(i%97) + ".py", int64(i + 3), int64(i)})
	}
	for i := range 50 {
		p.Locks = append(p.Locks, Lock{0x7f0000 + int64(i), "IntervalLock", "module_" + strconv.Itoa(i) + ".py:7"})
	}
	for i := range 4000 {
		s := Sample{Role: Waiter, Side: "exclusive", Thread: "worker-" + strconv.Itoa(i%16), Lock: r.IntN(50)}
		for range 20 {
			s.Stack = append(s.Stack, r.IntN(3000))
		}
		s.Histogram = make([]int64, 20)
		for entry := 10; entry < 20; entry++ {
			s.Histogram[entry] = 1 + r.Int64N(40)
			s.Count += s.Histogram[entry]
			s.Ns += s.Histogram[entry] * 3 << (entry - 1)
		}
		s.Max = 1<<20 - 1
		p.Samples = append(p.Samples, s)
	}
	return p
}

func BenchmarkPprof(b *testing.B) {
	p := large()
	b.ReportAllocs()
	for b.Loop() {
		b.ReportMetric(float64(len(p.Pprof())), "bytes")
	}
}

func BenchmarkFromPprof(b *testing.B) {
	file := large().Pprof()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromPprof(file); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFromJSON(b *testing.B) {
	text := large().JSON()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromJSON(text); err != nil {
			b.Fatal(err)
		}
	}
}
