package parking

// Profile begins or ends profiling: charges are told from now on, or none.
func (l *Lot) Profile(on bool) {
	var since int64
	if on {
		since = max(l.now(), 1)
	}
	l.profile.Store(since)
}

// Profiling says whether it is on.
func (l *Lot) Profiling() bool { return l.profile.Load() != 0 }

// Charge is for how long, all together, those who wait for key have waited since the last
// charge: what the holder who now lets go is charged with. 0 unless Profile is on. It is
// sampled in time: holders that came and went since without being asked are not charged, and
// the one that is asked is charged with their time as well.
func (l *Lot) Charge(key uintptr) (sum int64) {
	since := l.profile.Load()
	if since == 0 {
		return 0
	}
	b := l.bucketOf(key)
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.find(key)
	if q == nil {
		return 0
	}
	now := l.now()
	since = max(since, q.charged)
	for k := range q.lists {
		for w := q.lists[k].head; w != nil; w = w.next {
			sum += max(now-max(w.Since, since), 0)
		}
	}
	q.charged = now
	return sum
}
