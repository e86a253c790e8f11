package parking

// Order lists the ids of one kind in order of service. The queue is entered.
func (q *Queue) Order(k Kind) []uint64 {
	var ids []uint64
	for w := q.lists[k].head; w != nil; w = w.next {
		ids = append(ids, w.ID)
	}
	return ids
}

// Spares is the number of queue nodes that a bucket keeps for later.
func (l *Lot) Spares(key uintptr) int {
	n := 0
	for q := l.bucketOf(key).free; q != nil; q = q.next {
		n++
	}
	return n
}

// Bucket says in which bucket a key is.
func (l *Lot) Bucket(key uintptr) *bucket { return l.bucketOf(key) }
