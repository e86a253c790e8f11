package locks

import (
	"context"
	"sync"
	"testing"

	"golang.org/x/sync/semaphore"
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

// BenchmarkSemaphore takes and gives a permit of two, alone and with GOMAXPROCS*4
// goroutines, on ours and on that of golang.org/x/sync.
func BenchmarkSemaphore(b *testing.B) {
	ctx := context.Background()
	ours, theirs := NewBoundedSemaphore(2), semaphore.NewWeighted(2)
	for name, pair := range map[string]func(){
		"ours": func() {
			_ = ours.AcquireContext(ctx, 1)
			_ = ours.Release(1)
		},
		"x/sync": func() {
			_ = theirs.Acquire(ctx, 1)
			theirs.Release(1)
		},
	} {
		b.Run("alone/"+name, func(b *testing.B) {
			for b.Loop() {
				pair()
			}
		})
		b.Run("contended/"+name, func(b *testing.B) {
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					pair()
				}
			})
		})
	}
}

// pinger is what two goroutines play ping-pong with.
type pinger struct {
	sync.Locker
	wait, notifyAll func()
}

// BenchmarkCondition has two goroutines take turns, and nine of whom one goes at a time,
// on a condition of ours and on sync.Cond.
func BenchmarkCondition(b *testing.B) {
	for name, make := range map[string]func() pinger{
		"ours":             func() pinger { return ourPinger(NewIntervalLock(DefaultInterval)) },
		"ours, sync.Mutex": func() pinger { return ourPinger(new(sync.Mutex)) },
		"sync.Cond": func() pinger {
			c := sync.NewCond(new(sync.Mutex))
			return pinger{c.L, c.Wait, c.Broadcast}
		},
	} {
		b.Run("2/"+name, func(b *testing.B) { pingPong(b, make(), 2) })
		b.Run("9/"+name, func(b *testing.B) { pingPong(b, make(), 9) })
	}
}

func ourPinger(l sync.Locker) pinger {
	c := NewCondition(l)
	return pinger{l, c.Wait, c.NotifyAll}
}

// pingPong has n goroutines take turns until the first has had its share.
func pingPong(b *testing.B, p pinger, n int) {
	turn, stop := 0, false // guarded by the lock
	play := func(i int, more func() bool) {
		p.Lock()
		defer p.Unlock()
		for more() {
			for turn != i && !stop {
				p.wait()
			}
			turn = (i + 1) % n
			p.notifyAll()
		}
	}
	var others sync.WaitGroup
	for i := 1; i < n; i++ {
		others.Go(func() { play(i, func() bool { return !stop }) })
	}
	play(0, b.Loop)
	p.Lock()
	stop = true
	p.notifyAll()
	p.Unlock()
	others.Wait()
}
