//go:build explore

package locks

// word is the word of a lock when a test explores the interleavings: before each
// access it gives control back to the test, and after it tells what it saw.
type word struct{ v uint64 }

var (
	beforeAccess = func() {}
	observed     = func(uint64) {}
)

func (w *word) load() uint64 {
	beforeAccess()
	observed(w.v)
	return w.v
}

func (w *word) store(s uint64) {
	beforeAccess()
	w.v = s
}

func (w *word) cas(old, new uint64) bool {
	beforeAccess()
	if w.v != old {
		observed(0)
		return false
	}
	w.v = new
	observed(1)
	return true
}
