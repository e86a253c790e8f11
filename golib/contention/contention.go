// Package contention reports to Python, by way of gopy, what the locks have counted and who waits, and converts
// profiles. Every exported function takes strings and returns one, and no error; the driver in pybind/driver
// refuses anything else.
//
// The JSON is written by hand: it is all numbers and fixed words, and encoding/json with its reflection
// would be the largest part of the shared library.
package contention

import (
	"strconv"

	"ft_utils/golib/garbage"
	"ft_utils/golib/parking"
)

// StatsJSON returns the counters of all locks of the process as a JSON array: a name, its number, and so on. They only
// grow. (No object, since CPython 3.13 crashes where it has no memory for the sixth name of one.)
func StatsJSON() string {
	return report(appendStats(nil, parking.Default.Counters()))
}

// SnapshotJSON returns who waits for what, as a JSON array of objects: key is the address of the lock's
// word, id the waiter's, kind "exclusive" or "shared", notified whether it was woken to compete, and
// waited how long it has been there, in seconds.
func SnapshotJSON() string {
	return report(appendWaits(nil, parking.Default.Snapshot()))
}

// report makes a string of b. What led to b is about as large as b and the string together.
func report(b []byte) string {
	garbage.Add(4 * cap(b))
	return string(b)
}

func appendStats(b []byte, c parking.Counters) []byte {
	b = append(b, '[')
	for i, f := range [...]struct {
		name  string
		value uint64
	}{
		{"contended", c.Contended},
		{"parks", c.Parks},
		{"notifies", c.Notifies},
		{"handoffs", c.Handoffs},
		{"cedes", c.Cedes},
		{"timeouts", c.Timeouts},
		{"interrupts", c.Interrupts},
	} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, f.name), ',')
		b = strconv.AppendUint(b, f.value, 10)
	}
	return append(b, ']')
}

func appendWaits(b []byte, waits []parking.Wait) []byte {
	b = append(b, '[')
	for i := range waits {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendWait(b, &waits[i])
	}
	return append(b, ']')
}

func appendWait(b []byte, w *parking.Wait) []byte {
	kind := `"exclusive"`
	if w.Kind == parking.Shared {
		kind = `"shared"`
	}
	b = appendName(append(b, '{'), true, "key")
	b = strconv.AppendUint(b, uint64(w.Key), 10)
	b = appendName(b, false, "id")
	b = strconv.AppendUint(b, w.ID, 10)
	b = append(appendName(b, false, "kind"), kind...)
	b = strconv.AppendBool(appendName(b, false, "notified"), w.State == parking.Notified)
	b = appendName(b, false, "waited")
	b = strconv.AppendFloat(b, float64(w.Waited)/1e9, 'f', 9, 64)
	return append(b, '}')
}

// appendName appends an object's next name.
func appendName(b []byte, first bool, name string) []byte {
	if !first {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}
