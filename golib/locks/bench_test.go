package locks

import (
	"sync"
	"testing"
)

// BenchmarkUncontended compares a pair on each lock with the standard library's.
func BenchmarkUncontended(b *testing.B) {
	i := NewIntervalLock(DefaultInterval)
	var rw ReaderWriterLock
	var m sync.Mutex
	var srw sync.RWMutex
	b.Run("interval", func(b *testing.B) {
		for b.Loop() {
			i.Lock()
			i.Unlock()
		}
	})
	b.Run("sync.Mutex", func(b *testing.B) {
		for b.Loop() {
			m.Lock()
			m.Unlock() //nolint:staticcheck // an empty section is what is measured
		}
	})
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			rw.Lock()
			rw.Unlock()
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			rw.RLock()
			rw.RUnlock()
		}
	})
	b.Run("sync.RWMutex.read", func(b *testing.B) {
		for b.Loop() {
			srw.RLock()
			srw.RUnlock()
		}
	})
}

// BenchmarkContended has GOMAXPROCS*4 goroutines at one lock.
func BenchmarkContended(b *testing.B) {
	for name, l := range map[string]sync.Locker{
		"interval": NewIntervalLock(DefaultInterval), "strict": NewIntervalLock(0),
		"write": new(ReaderWriterLock), "sync.Mutex": new(sync.Mutex),
	} {
		b.Run(name, func(b *testing.B) {
			n := 0
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					l.Lock()
					n++
					l.Unlock()
				}
			})
		})
	}
}

// BenchmarkMixed has one write among ten operations.
func BenchmarkMixed(b *testing.B) {
	type rw interface {
		sync.Locker
		RLock()
		RUnlock()
	}
	for name, l := range map[string]rw{"rw": new(ReaderWriterLock), "sync.RWMutex": new(sync.RWMutex)} {
		b.Run(name, func(b *testing.B) {
			n := 0
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if i%10 == 0 {
						l.Lock()
						n++
						l.Unlock()
					} else {
						l.RLock()
						_ = n
						l.RUnlock()
					}
				}
			})
		})
	}
}

// BenchmarkCede passes a lock between two goroutines.
func BenchmarkCede(b *testing.B) {
	l := NewIntervalLock(DefaultInterval)
	stop := false // guarded by the lock
	var other sync.WaitGroup
	other.Go(func() {
		l.Lock()
		for !stop {
			l.Cede()
		}
		l.Unlock()
	})
	l.Lock()
	for b.Loop() {
		l.Cede()
	}
	stop = true
	l.Unlock()
	other.Wait()
}
