//go:build !explore

package parking

import "sync"

// mutex is a bucket's lock.
type mutex = sync.Mutex
