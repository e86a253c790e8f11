package main

import (
	"bytes"
	"os"
	"testing"
)

// The committed header is the one that golib's present declarations give.
func TestHeaderIsCurrent(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../include/ft_golib.h")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("pybind/include/ft_golib.h is out of date: run `make header`")
	}
}

func TestSnake(t *testing.T) {
	for in, want := range map[string]string{
		"RWWritersParked": "RW_WRITERS_PARKED",
		"OwnerShift":      "OWNER_SHIFT",
		"FirstID":         "FIRST_ID",
		"IntervalParked":  "INTERVAL_PARKED",
	} {
		if got := snake(in); got != want {
			t.Errorf("snake(%q) = %q, want %q", in, got, want)
		}
	}
}
