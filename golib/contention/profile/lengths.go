package profile

import "math/bits"

// buckets is how many powers of two there are for 63 bits.
const buckets = 63

// bucket returns the entry of a histogram that counts a wait of ns.
func bucket(ns int64) int {
	return max(bits.Len64(uint64(ns))-1, 0)
}

// length is count waits of about the same length.
type length struct {
	at        int64 // what each of them took, at least
	count, ns int64
}

// lengths splits s by the length of its waits. The longest one stands alone with what it took to the nanosecond. The
// time of the others is shared out among their entries of the histogram, in proportion to the least that they can have
// taken: what is said of each entry is possible, and what is said of all together exact.
func (s *Sample) lengths() []length {
	counts := s.Histogram
	if len(counts) == 0 && s.Count > 0 {
		counts = make([]int64, bucket(s.Ns/s.Count)+1)
		counts[len(counts)-1] = s.Count
	}
	var split []length
	for i, n := range counts {
		if n > 0 {
			split = append(split, length{at: 1 << i, count: n})
		}
	}
	if len(split) == 0 {
		return nil
	}
	left := s.Ns
	longest := length{count: 1, ns: min(s.longest(split), left)}
	longest.at = longest.ns
	if top := &split[len(split)-1]; top.count > 1 {
		top.count--
	} else {
		split = split[:len(split)-1]
	}
	if len(split) == 0 { // a single wait
		return []length{{at: left, count: 1, ns: left}}
	}
	share(split, left-longest.ns)
	return append(split, longest)
}

// longest returns the time of the longest wait, or the least that it can have been where that is not told.
func (s *Sample) longest(split []length) int64 {
	return max(s.Max, split[len(split)-1].at)
}

// share gives the parts their shares of ns.
func share(parts []length, ns int64) {
	var all float64
	for _, part := range parts {
		all += float64(part.count) * float64(part.at)
	}
	left := ns
	for i := range parts {
		part := &parts[i]
		part.ns = min(int64(float64(ns)*(float64(part.count)*float64(part.at)/all)), left)
		left -= part.ns
	}
	parts[len(parts)-1].ns += left
}
