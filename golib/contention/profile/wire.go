package profile

import "math/bits"

// message is one of protobuf's, as it is being written. Zeros and empty strings are what a reader takes for granted,
// and are left out.
type message []byte

// The wire types that pprof's format uses, and the two that a reader has to pass over.
const (
	wireVarint = 0
	wireFixed8 = 1
	wireBytes  = 2
	wireFixed4 = 5
)

func (m *message) varint(n uint64) {
	for n >= 0x80 {
		*m = append(*m, byte(n)|0x80)
		n >>= 7
	}
	*m = append(*m, byte(n))
}

func (m *message) number(field int, n int64) {
	if n != 0 {
		m.varint(uint64(field)<<3 | wireVarint)
		m.varint(uint64(n))
	}
}

func (m *message) bytes(field int, b []byte) {
	m.varint(uint64(field)<<3 | wireBytes)
	m.varint(uint64(len(b)))
	*m = append(*m, b...)
}

// numbers writes a repeated field.
func (m *message) numbers(field int, all []int64) {
	if len(all) == 0 {
		return
	}
	size := 0
	for _, n := range all {
		size += (bits.Len64(uint64(n)|1) + 6) / 7
	}
	m.varint(uint64(field)<<3 | wireBytes)
	m.varint(uint64(size))
	for _, n := range all {
		m.varint(uint64(n))
	}
}

// field is one field of a message that is being read: n if it is a number, b if it is anything longer.
type field struct {
	number int
	n      uint64
	b      []byte
}

// take reads the first varint of b; ok is false where there is none.
func take(b []byte) (n uint64, rest []byte, ok bool) {
	for i := 0; i < len(b) && i < 10; i++ {
		n |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}

// fields calls each for the fields of a message in turn, and returns whether it is well formed. Fields of fixed length
// are passed over.
func fields(b []byte, each func(f field) bool) bool {
	for len(b) > 0 {
		key, rest, ok := take(b)
		if !ok || key>>3 == 0 {
			return false
		}
		f := field{number: int(key >> 3)}
		switch key & 7 {
		case wireVarint:
			f.n, rest, ok = take(rest)
		case wireBytes:
			var size uint64
			if size, rest, ok = take(rest); ok && size <= uint64(len(rest)) {
				f.b, rest = rest[:size:size], rest[size:]
			} else {
				ok = false
			}
		case wireFixed8, wireFixed4:
			size := 8
			if key&7 == wireFixed4 {
				size = 4
			}
			if len(rest) < size {
				return false
			}
			b = rest[size:]
			continue
		default:
			return false
		}
		if !ok || !each(f) {
			return false
		}
		b = rest
	}
	return true
}

// list returns what f adds to a repeated field of numbers, which writers may pack or not.
func (f *field) list(all []int64) ([]int64, bool) {
	if f.b == nil {
		return append(all, int64(f.n)), true
	}
	if all == nil {
		all = make([]int64, 0, len(f.b))
	}
	for b := f.b; len(b) > 0; {
		n, rest, ok := take(b)
		if !ok {
			return nil, false
		}
		all, b = append(all, int64(n)), rest
	}
	return all, true
}
