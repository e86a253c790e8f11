package locks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"ft_utils/golib/locks"
)

func ExampleIntervalLock() {
	l := locks.NewIntervalLock(locks.DefaultInterval)
	total := 0 // guarded by l
	var adding sync.WaitGroup
	for range 4 {
		adding.Go(func() {
			for range 1000 {
				l.Lock()
				total++
				l.Unlock()
			}
		})
	}
	adding.Wait()
	fmt.Println(total)
	// Output: 4000
}

// A holder that is busy for long makes room: Cede returns when the other has had the lock.
func ExampleIntervalLock_Cede() {
	l := locks.NewIntervalLock(time.Hour)
	l.Lock()
	go func() {
		l.Lock()
		fmt.Println("the other goroutine has the lock")
		l.Unlock()
	}()
	for l.Waiters() == 0 {
		l.Poll() // too early: the other has not waited for an hour
	}
	fmt.Println("it waits")
	l.Cede()
	fmt.Println("and here the lock is back")
	l.Unlock()
	// Output:
	// it waits
	// the other goroutine has the lock
	// and here the lock is back
}

func ExampleIntervalLock_LockContext() {
	l := locks.NewIntervalLock(0)
	l.Lock() // somebody has it

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	err := l.LockContext(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	fmt.Println("in the queue:", l.Waiters())
	// Output:
	// true
	// in the queue: 0
}

// A table that is read by many and replaced now and then.
func ExampleReaderWriterLock() {
	var l locks.ReaderWriterLock
	prices := map[string]int{"tea": 3} // guarded by l

	l.Lock()
	prices["coffee"] = 4
	l.DowngradeLock() // goes on as a reader; no writer comes in between
	fmt.Println(prices["coffee"])
	l.RUnlock()

	l.RLock()
	defer l.RUnlock()
	fmt.Println(prices["tea"], l.Readers())
	// Output:
	// 4
	// 3 1
}

// At most three units of work at once; a large job counts for two.
func ExampleGoSemaphore() {
	room := locks.NewBoundedSemaphore(3)
	var jobs sync.WaitGroup
	for _, size := range []int{1, 2, 1, 2, 1} {
		jobs.Go(func() {
			if err := room.AcquireContext(context.Background(), size); err != nil {
				fmt.Println(err)
				return
			}
			defer room.Release(size)
			// … work
		})
	}
	jobs.Wait()
	fmt.Println("permits:", room.Permits())
	fmt.Println(room.Release(1))
	// Output:
	// permits: 3
	// locks: more permits than the semaphore can have
}

// A pool that is made smaller while it is in use.
func ExampleGoResizableSemaphore() {
	pool := locks.NewResizableSemaphore(4)
	fmt.Println(pool.Acquire(3), pool.Value())
	pool.Resize(2)
	fmt.Println(pool.Value(), pool.Acquire(3))
	fmt.Println(pool.Release(3), pool.Value())
	// Output:
	// <nil> 1
	// -1 locks: more permits than the semaphore can have
	// <nil> 2
}

func ExampleGoEvent() {
	loaded := locks.NewEvent()
	var table []string // written before loaded is set
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			loaded.Wait()
			fmt.Println(len(table), "rows")
		})
	}
	table = strings.Fields("one two three")
	loaded.Set()
	readers.Wait()
	// Output:
	// 3 rows
	// 3 rows
	// 3 rows
}

// A queue that a consumer waits for. Close tells it that nothing comes any more.
func ExampleGoCondition() {
	c := locks.NewCondition(locks.NewIntervalLock(locks.DefaultInterval))
	var items []int // guarded by the lock, as is closed
	closed := false

	var consumer sync.WaitGroup
	consumer.Go(func() {
		for {
			c.Lock()
			for len(items) == 0 && !closed {
				c.Wait()
			}
			taken := items
			items = nil
			over := closed
			c.Unlock()
			for _, item := range taken {
				fmt.Println(item)
			}
			if over {
				return
			}
		}
	})
	for item := range 3 {
		c.Lock()
		items = append(items, item)
		c.Notify(1)
		c.Unlock()
	}
	c.Lock()
	closed = true
	c.NotifyAll()
	c.Unlock()
	consumer.Wait()
	// Output:
	// 0
	// 1
	// 2
}

// A condition works with any lock. A wait that is given up has the lock all the same.
func ExampleGoCondition_WaitContext() {
	var mu sync.Mutex
	c := locks.NewCondition(&mu)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("closing"))

	mu.Lock()
	defer mu.Unlock()
	fmt.Println(c.WaitContext(ctx))
	// Output: closing
}

// Each round, every worker adds a number of its own, and the action sums them up.
func ExampleGoBarrier() {
	const workers, rounds = 3, 2
	var numbers [workers]int
	b := locks.NewBarrier(workers, func() error {
		sum := 0
		for _, n := range numbers {
			sum += n
		}
		fmt.Println("sum:", sum)
		return nil
	})
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			for round := range rounds {
				numbers[i] = i + 10*round
				if _, err := b.Wait(); err != nil {
					fmt.Println(err)
					return
				}
			}
		})
	}
	all.Wait()
	// Output:
	// sum: 3
	// sum: 33
}

// A party that fails breaks the barrier, so that the others do not wait for it.
func ExampleGoBarrier_Abort() {
	b := locks.NewBarrier(3, nil)
	ended := make(chan string)
	for range 2 {
		go func() {
			_, err := b.Wait()
			ended <- fmt.Sprint(errors.Is(err, locks.ErrBroken))
		}()
	}
	b.Abort() // instead of coming
	results := []string{<-ended, <-ended}
	slices.Sort(results)
	fmt.Println(results, b.Broken())

	b.Reset()
	fmt.Println(b.Broken())
	// Output:
	// [true true] true
	// false
}
