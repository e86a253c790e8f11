//go:build !explore

package locks

import "sync/atomic"

// word is the one atomic word of a lock. All of its operations are sequentially
// consistent, as sync/atomic's are and as those in C are (__ATOMIC_SEQ_CST): what
// a holder wrote before it released happens before what the next holder reads.
type word struct{ v atomic.Uint64 }

func (w *word) load() uint64             { return w.v.Load() }
func (w *word) store(s uint64)           { w.v.Store(s) } // where nobody else changes it
func (w *word) cas(old, new uint64) bool { return w.v.CompareAndSwap(old, new) }
