package locks

import (
	"fmt"

	"ft_utils/golib/parking"
)

// The invariants of the words. They hold whenever the bucket's lock is held by
// nobody else, whatever runs outside: flags change under that lock only, together
// with the queue.

// table says which flags a word may have with what above them.
type table map[string][]uint64

func (t table) legal(row string, flags uint64) bool {
	for _, f := range t[row] {
		if f == flags {
			return true
		}
	}
	return false
}

// intervalTable is the comment on IntervalLock's word, as data.
var intervalTable = table{
	"free": {0, IntervalParked | IntervalWoken},
	"held": {0, IntervalParked, IntervalParked | IntervalWoken, IntervalParked | IntervalHandoff},
}

// strictTable is the part that remains when the interval is 0.
var strictTable = table{
	"free": {0},
	"held": {0, IntervalParked | IntervalHandoff},
}

func intervalRow(s uint64) (string, uint64) {
	if s>>OwnerShift == 0 {
		return "free", s & flagsMask
	}
	return "held", s & flagsMask
}

// rwTable is the comment on ReaderWriterLock's word, as data, without bias.
var rwTable = table{
	"free": {0, RWWritersParked | RWWoken, RWWritersParked | RWWoken | RWReadersParked,
		RWWritersParked | RWWoken | RWReadersParked | RWOwed, RWReadersParked | RWWoken, RWReadersParked | RWWoken | RWOwed},
	"read": append([]uint64{0, RWReadersParked | RWWoken, RWReadersParked | RWWoken | RWOwed},
		append(parkedWriters(0, RWReadersParked), RWWritersParked|RWReadersParked|RWOwed)...),
	"written": append([]uint64{0, RWReadersParked, RWReadersParked | RWOwed,
		RWReadersParked | RWWoken, RWReadersParked | RWOwed | RWWoken},
		parkedWriters(0, RWReadersParked, RWReadersParked|RWOwed)...),
}

// parkedWriters combines what may be said of parked writers with what may be said
// of readers beside them.
func parkedWriters(readers ...uint64) []uint64 {
	var all []uint64
	for _, r := range readers {
		for _, f := range []uint64{0, RWWoken, RWHandoff} {
			all = append(all, RWWritersParked|f|r)
		}
	}
	return all
}

func rwRow(s uint64) (string, uint64) {
	switch {
	case s&RWWriter != 0:
		return "written", s & flagsMask &^ RWWriter
	case s>>OwnerShift != 0:
		return "read", s & flagsMask
	}
	return "free", s & flagsMask
}

// woken counts the notified waiters of a key by their kind.
type woken [2]int

// checkQueue is what IntervalLock and ReaderWriterLock ask of a queue.
func checkQueue(q *parking.Queue, notified woken, free bool) error {
	if n := notified[parking.Exclusive]; n > 1 || (q.Notified() != nil) != (n == 1) {
		return fmt.Errorf("%d waiters are notified, the queue knows %v", n, q.Notified())
	}
	if n := notified[parking.Shared]; n != q.NotifiedShared() {
		return fmt.Errorf("%d shared waiters are notified, the queue knows %d", n, q.NotifiedShared())
	}
	if free && q.Len(parking.Exclusive) > 0 && q.Notified() == nil {
		return fmt.Errorf("free with %d parked, and nobody is on its way", q.Len(parking.Exclusive))
	}
	if q.Due && q.Len(parking.Exclusive) == 0 || q.Owed && q.Len(parking.Shared) == 0 {
		return fmt.Errorf("due %v or owed %v to nobody", q.Due, q.Owed)
	}
	return nil
}

// notifiedOf counts the notified waiters of a key. It enters the lot.
func notifiedOf(key uintptr) (n woken) {
	for _, w := range lot.Snapshot() {
		if w.Key == key && w.State == parking.Notified {
			n[w.Kind]++
		}
	}
	return n
}

// check looks at a lock that no operation is changing but inline ones.
func (l *IntervalLock) check() error {
	notified := notifiedOf(keyOf(&l.word))
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	return l.checkEntered(q, notified)
}

func (l *IntervalLock) checkEntered(q *parking.Queue, notified woken) error {
	s := l.word.load()
	row, flags := intervalRow(s)
	t := intervalTable
	if l.interval == 0 {
		t = strictTable
	}
	if !t.legal(row, flags) {
		return fmt.Errorf("word %#x: flags %#b are illegal when %s", s, flags, row)
	}
	want := l.flags(q)
	if w := q.Notified(); lot.Profiling() && w != nil && w.Napping() && row == "held" && flags == want&^IntervalWoken {
		want = flags // the next release is to be judged
	}
	if flags != want {
		return fmt.Errorf("word %#x: flags %#b, the queue says %#b", s, flags, want)
	}
	return checkQueue(q, notified, row == "free")
}

func (l *ReaderWriterLock) check() error {
	notified := notifiedOf(keyOf(&l.word))
	q := lot.Enter(keyOf(&l.word))
	defer q.Leave()
	return l.checkEntered(q, notified)
}

func (l *ReaderWriterLock) checkEntered(q *parking.Queue, notified woken) error {
	s := l.word.load()
	row, flags := rwRow(s)
	if !rwTable.legal(row, flags) {
		return fmt.Errorf("word %#x: flags %#b are illegal when %s", s, flags, row)
	}
	if want := l.flags(q); flags != want {
		return fmt.Errorf("word %#x: flags %#b, the queue says %#b", s, flags, want)
	}
	if q.Len(parking.Shared) > 0 && open(s) && q.NotifiedShared() == 0 {
		return fmt.Errorf("word %#x: readers are kept out by nobody, and none is on its way", s)
	}
	return checkQueue(q, notified, row == "free")
}
