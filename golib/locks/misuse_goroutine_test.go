package locks

import (
	"fmt"
	"testing"
)

// panicOf is what f panics with, in words.
func panicOf(f func()) (words string) {
	defer func() {
		if r := recover(); r != nil {
			words = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

// TestMisuse checks that misuse panics with a sentence and changes nothing.
func TestMisuse(t *testing.T) {
	var i IntervalLock
	var rw ReaderWriterLock
	m := NewBoundedSemaphore(1)
	c := NewCondition(&i)
	for name, f := range map[string]func(){
		"IntervalLock.Unlock":       i.Unlock,
		"IntervalLock.Cede":         i.Cede,
		"RUnlock":                   rw.RUnlock,
		"RLocker.Unlock":            rw.RLocker().Unlock,
		"ReaderWriterLock.Unlock":   rw.Unlock,
		"DowngradeLock":             rw.DowngradeLock,
		"UnlockUpgradable":          rw.UnlockUpgradable,
		"DowngradeUpgradable":       rw.DowngradeUpgradable,
		"Upgrade":                   rw.Upgrade,
		"TryUpgrade":                func() { rw.TryUpgrade() },
		"UpgradeContext":            func() { _ = rw.UpgradeContext(t.Context()) },
		"DowngradeToUpgradable":     rw.DowngradeToUpgradable,
		"NewSemaphore, negative":    func() { NewSemaphore(-1) },
		"NewSemaphore, many":        func() { NewSemaphore(SemaphoreMost + 1) },
		"NewBoundedSemaphore":       func() { NewBoundedSemaphore(-1) },
		"NewBoundedSemaphore, many": func() { NewBoundedSemaphore(SemaphoreMost + 1) },
		"Acquire, negative":         func() { m.Acquire(-1) },
		"Acquire, too many":         func() { m.Acquire(2) },
		"AcquireContext":            func() { _ = m.AcquireContext(t.Context(), -1) },
		"TryAcquire":                func() { m.TryAcquire(-1) },
		"Release":                   func() { _ = m.Release(-1) },
		"NewCondition":              func() { NewCondition(nil) },
		"Notify":                    func() { c.Notify(-1) },
		"GoCondition.Unlock":        c.Unlock,
		"NewBarrier":                func() { NewBarrier(0, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			if s := panicOf(f); len(s) < 20 {
				t.Errorf("panicked with %q", s)
			}
			if i.Locked() || rw.word.load() != 0 || rw.UpgradableLocked() || m.Permits() != 1 {
				t.Error("the lock changed")
			}
		})
	}
}
