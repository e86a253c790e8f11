// Package garbage collects garbage in time where Go is a guest in another program.
//
// Go's collector starts a thread for each processor when it first runs. A program that only wanted a lock should not
// have to find a hundred threads more. The locks make no garbage; reports do, so they say how much, and it is
// collected with one thread before Go's collector would begin.
package garbage

import (
	"runtime"
	"sync"
)

// most is half of what Go's collector waits for at least.
const most = 2 << 20

var (
	mu    sync.Mutex
	guest bool
	left  int
)

// Guest says that this program is a guest in another. Without it Add does nothing.
func Guest() {
	mu.Lock()
	defer mu.Unlock()
	guest = true
}

// Add tells of n bytes that have become garbage, or soon will. It may collect.
func Add(n int) {
	mu.Lock()
	defer mu.Unlock()
	left += n
	if guest && left >= most {
		left = 0
		collect()
	}
}

// collect runs the collector while there is one processor in Go's eyes, so that it starts one thread at most.
func collect() {
	n := runtime.GOMAXPROCS(1)
	runtime.GC()
	runtime.GOMAXPROCS(n)
}
