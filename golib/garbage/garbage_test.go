package garbage

import (
	"runtime"
	"testing"
)

func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumGC
}

func TestCollectsOnlyWhenEnoughIsLeft(t *testing.T) {
	defer func() { guest, left = false, 0 }()
	processors := runtime.GOMAXPROCS(0)
	Guest()
	before := collections()
	Add(most - 1)
	if n := collections() - before; n != 0 {
		t.Fatalf("%d collections before the limit", n)
	}
	Add(1)
	if n := collections() - before; n != 1 {
		t.Fatalf("%d collections at the limit instead of 1", n)
	}
	Add(1)
	if n := collections() - before; n != 1 {
		t.Fatal("the count did not start anew")
	}
	if runtime.GOMAXPROCS(0) != processors {
		t.Fatal("the number of processors was not put back")
	}
}

func TestLeavesOtherProgramsAlone(t *testing.T) {
	left = 0
	before := collections()
	Add(2 * most)
	if n := collections() - before; n != 0 {
		t.Fatalf("%d collections in a program whose own collector runs", n)
	}
}
