package parking

// Counters are the events of one bucket, changed under its lock. All only grow.
type Counters struct {
	Contended  uint64 // acquisitions, and waits for events, that the word alone could not decide
	Parks      uint64 // times that a waiter was sent to sleep
	Notifies   uint64 // waiters woken to compete
	Handoffs   uint64 // locks handed to a waiter directly
	Cedes      uint64 // cede and poll calls that handed the lock over
	Timeouts   uint64 // waits given up because the time was over
	Interrupts uint64 // waits broken off by a signal
}

func (c *Counters) add(d *Counters) {
	c.Contended += d.Contended
	c.Parks += d.Parks
	c.Notifies += d.Notifies
	c.Handoffs += d.Handoffs
	c.Cedes += d.Cedes
	c.Timeouts += d.Timeouts
	c.Interrupts += d.Interrupts
}

// Wait is one entry of a snapshot: who waits for what.
type Wait struct {
	Key    uintptr // address of the lock's word
	ID     uint64  // the waiter's id
	Kind   Kind    // Exclusive or Shared
	State  State   // Queued or Notified
	Waited int64   // nanoseconds since it arrived
}

// Counters sums the buckets. Each bucket is read consistently, the sum is not
// one moment's.
func (l *Lot) Counters() Counters {
	var sum Counters
	for i := range l.buckets {
		b := &l.buckets[i]
		b.mu.Lock()
		sum.add(&b.counters)
		b.mu.Unlock()
	}
	return sum
}

// Snapshot lists the waiters, those of one lock and kind in order of service.
// Each bucket is read consistently, the whole is not one moment's.
func (l *Lot) Snapshot() []Wait {
	var all []Wait
	for i := range l.buckets {
		b := &l.buckets[i]
		b.mu.Lock()
		now := l.now()
		for q := b.queues; q != nil; q = q.next {
			for k := range q.lists {
				for w := q.lists[k].head; w != nil; w = w.next {
					all = append(all, Wait{q.key, w.ID, w.kind, w.shown(), now - w.Since})
				}
			}
		}
		b.mu.Unlock()
	}
	return all
}

// Waiting is the number of waiters of one key and kind.
func (l *Lot) Waiting(key uintptr, k Kind) int {
	b := l.bucketOf(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.find(key); q != nil {
		return q.lists[k].n
	}
	return 0
}

// Interrupted counts a wait for key that an exception from a signal handler ended.
func (l *Lot) Interrupted(key uintptr) {
	b := l.bucketOf(key)
	b.mu.Lock()
	b.counters.Interrupts++
	b.mu.Unlock()
}
