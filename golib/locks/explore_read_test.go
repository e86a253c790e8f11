//go:build explore

package locks

import (
	"encoding/binary"
	"errors"
	"fmt"

	"ft_utils/golib/parking"
)

// The read path of C (pybind/types/locks/rwread.c, and rwlock.c that calls it), each of its
// atomic accesses one step, with the real slow paths behind it. A thread has one slot:
// there is one lock. Reads-to-bias is left out: the programs say when it is 0.
//
//	read        read-locks and waits    read-bias  … and biases after a counted read
//	timed-read  … or gives up           again      reads once more while it reads
//	write, timed, grab, unlock, downgrade, tick    as in explore_locks_test.go

// The tags of a slot: FT_TAG_….
const (
	tagPublished = 1
	tagCounted   = 2
)

// flaw is a mistake that the search has to find.
type flaw int

const (
	sound         flaw = iota
	checksFirst        // the reader looks at the word before it publishes, not after
	plainRetract       // the reader takes its tag back by a store
	plainClear         // the release reads the tag and then stores 0
	alwaysUncount      // the release uncounts whatever the tag was
	neverUncount       // the release forgets what a revocation has counted
	tagFirst           // the revoker turns the tag before it adds to the word
	keepsGone          // the revoker leaves the count of a reader that is gone
	noRevoking         // the revoker takes bias away and marks nothing
	skipsScan          // the revoker counts nobody
	biasAnyway         // a reader sets bias whatever the flags
	ignoresWriter      // a reader is counted although a writer is in or waits
	flaws
)

// update is any other atomic operation of C; swap, add and and are such.
func (w *word) update(f func(uint64) uint64) uint64 {
	beforeAccess()
	old := w.v
	w.v = f(old)
	observed(old)
	return old
}

func (w *word) swap(v uint64) uint64 { return w.update(func(uint64) uint64 { return v }) }
func (w *word) add(n uint64) uint64  { return w.update(func(old uint64) uint64 { return old + n }) }
func (w *word) and(m uint64) uint64  { return w.update(func(old uint64) uint64 { return old & m }) }

type exploredReads struct {
	*ReaderWriterLock
	bug      flaw
	tags     []word // by thread
	depth    []int
	registry bool // its lock is taken
}

func newExploredReads(threads int, biased bool, bug flaw) *exploredReads {
	l := &exploredReads{ReaderWriterLock: new(ReaderWriterLock), bug: bug, tags: make([]word, threads), depth: make([]int, threads)}
	l.word.v = flag(biased, RWBias)
	return l
}

func (l *exploredReads) theWord() *word         { return &l.word }
func (l *exploredReads) tag(th *thread) *word   { return &l.tags[th.w.ID-FirstID] }
func (l *exploredReads) nested(th *thread) *int { return &l.depth[th.w.ID-FirstID] }

// publish is publish().
func (l *exploredReads) publish(th *thread) bool {
	tag := l.tag(th)
	if l.bug == checksFirst {
		if l.word.load()&RWBias == 0 {
			return false
		}
		tag.swap(tagPublished)
		return true
	}
	tag.swap(tagPublished)
	th.at("published")
	if l.word.load()&RWBias != 0 {
		return true
	}
	th.at("retract")
	if l.bug == plainRetract {
		tag.swap(0)
	} else if !tag.cas(tagPublished, 0) {
		return true
	}
	return false
}

// tryRead is ft_read_try().
func (l *exploredReads) tryRead(th *thread, bias bool) bool {
	if l.word.load()&RWBias != 0 {
		th.at("publish")
		if l.publish(th) {
			return true
		}
	}
	for {
		th.at("count")
		s := l.word.load()
		if !open(s) && l.bug != ignoresWriter {
			return false
		}
		if l.word.cas(s, s+oneReader) {
			th.at("note")
			l.tag(th).swap(tagCounted)
			if bias {
				th.at("counted")
				l.maybeBias()
			}
			return true
		}
	}
}

func (l *exploredReads) maybeBias() {
	s := l.word.load()
	if s&(RWWriter|RWQueueFlags|RWRevoking|RWBias) == 0 || l.bug == biasAnyway && s&RWWriter == 0 {
		l.word.cas(s, s|RWBias)
	}
}

// read is ft_rw_read().
func (l *exploredReads) read(th *thread, bias bool, other int) bool {
	if l.tryRead(th, bias) {
		*l.nested(th) = 1
		return true
	}
	th.at("contend")
	p := exploredRead{th, l.ReaderWriterLock}
	if !th.wait(p, p.contend(th.w), other, func() {}) {
		return false
	}
	th.at("granted")
	l.tag(th).swap(tagCounted)
	*l.nested(th) = 1
	return true
}

// unread is ft_rw_unread().
func (l *exploredReads) unread(th *thread) {
	depth, tag := l.nested(th), l.tag(th)
	if *depth--; *depth > 0 {
		return
	}
	th.holding = outside
	var was uint64
	if l.bug == plainClear {
		was = tag.load()
		tag.swap(0)
	} else {
		was = tag.swap(0)
	}
	counted := was == tagCounted
	if counted && l.bug != neverUncount || l.bug == alwaysUncount {
		l.uncount(th)
	}
}

// uncount is uncount().
func (l *exploredReads) uncount(th *thread) {
	for {
		th.at("uncount")
		s := l.word.load()
		if s>>OwnerShift == 1 && !plain(s) {
			th.at("release")
			th.release(l.ReleaseRead())
			return
		}
		if l.word.cas(s, s-oneReader) {
			return
		}
	}
}

// revoke is ft_read_revoke().
func (l *exploredReads) revoke(th *thread) {
	th.pause(when(func() bool { return !l.registry }))
	l.registry = true
	th.at("revoke")
	s := l.word.load()
	mark := flag(l.bug != noRevoking, RWRevoking)
	for s&RWBias != 0 && !l.word.cas(s, s&^RWBias|mark) {
		s = l.word.load()
	}
	if s&RWBias != 0 {
		if l.bug != skipsScan {
			l.countPublished(th)
		}
		th.at("scanned")
		l.word.and(^uint64(RWRevoking))
	}
	l.registry = false
	th.at("revoked")
}

func (l *exploredReads) countPublished(th *thread) {
	for i := range l.tags {
		tag := &l.tags[i]
		th.at("scan", uint64(i))
		if tag.load() != tagPublished {
			continue
		}
		if l.bug == tagFirst {
			if tag.cas(tagPublished, tagCounted) {
				l.word.add(oneReader)
			}
			continue
		}
		l.word.add(oneReader)
		if !tag.cas(tagPublished, tagCounted) && l.bug != keepsGone {
			l.word.add(^uint64(oneReader) + 1)
		}
	}
}

// biasedWriter is the write side with what C does at Retry.
type biasedWriter struct {
	l  *exploredReads
	th *thread
}

func (p biasedWriter) contend(w *parking.Waiter) Verdict {
	for {
		if v := p.l.ContendWrite(w); v != Retry {
			return v
		}
		p.l.revoke(p.th)
	}
}

func (p biasedWriter) withdraw(w *parking.Waiter, why Reason) (bool, *parking.Waiter) {
	return p.l.Withdraw(w, why)
}

// write is ft_rw_write().
func (l *exploredReads) write(th *thread, other int, grab func()) bool {
	if l.word.cas(0, writerWord(th.w.ID)) {
		return true
	}
	th.at("slow")
	if l.word.load()&(RWBias|RWRevoking) != 0 {
		l.revoke(th)
	}
	th.at("try")
	if s := l.word.load(); vacant(s) && l.word.cas(s, s|writerWord(th.w.ID)) {
		return true
	}
	th.site, th.way = 1, other
	th.at("contend")
	p := biasedWriter{l, th}
	return th.wait(p, p.contend(th.w), other, grab)
}

func (l *exploredReads) perform(th *thread, op string) {
	other := map[string]int{"timed": byTime, "timed-read": byTime}[op]
	switch op {
	case "read", "read-bias", "timed-read":
		if l.read(th, op == "read-bias", other) {
			th.hold(reading)
		}
	case "again":
		if th.holding == reading {
			*l.nested(th)++
			th.pause(always)
		}
	case "write", "timed", "grab":
		grab := func() {
			if op == "grab" {
				l.grab(th.w.ID)
			}
		}
		if l.write(th, other, grab) {
			th.hold(writing)
		}
	case "unlock":
		l.unlock(th)
	case "downgrade":
		if th.holding == writing {
			th.holding = reading
			*l.nested(th) = 1
			if !l.word.cas(writerWord(th.w.ID), oneReader) {
				th.release(l.Downgrade())
			}
			l.tag(th).swap(tagCounted)
		}
	case "tick":
		th.tick(rwInterval)
	default:
		panic(op)
	}
}

func (l *exploredReads) unlock(th *thread) {
	switch th.holding {
	case reading:
		l.unread(th)
	case writing:
		th.holding = outside
		if !l.inlineUnlock() {
			th.release(l.ReleaseWrite())
		}
	}
}

func (l *exploredReads) share(x *world, b []byte) []byte {
	for i := range l.tags {
		b = binary.LittleEndian.AppendUint64(b, l.tags[i].v<<8|uint64(l.depth[i]))
	}
	return append(b, byte(number(l.registry)))
}

// checkWorld bounds the count: it may be too high while a reader that is gone is being
// found out, and never so low that it is below nothing.
func (l *exploredReads) checkWorld(x *world) error {
	s := l.word.v
	if s&RWWriter != 0 {
		return nil
	}
	if n := s >> OwnerShift; n > uint64(len(x.threads)) {
		return fmt.Errorf("word %#x counts %d readers", s, int64(s)>>OwnerShift)
	}
	return nil
}

func (l *exploredReads) checkEntered(q *parking.Queue, notified woken) error {
	s := l.word.v
	if mode := s & (RWBias | RWRevoking); mode != 0 {
		if s&(RWWriter|RWQueueFlags) != 0 || mode == RWBias|RWRevoking || q.Len(parking.Exclusive)+q.Len(parking.Shared) > 0 {
			return fmt.Errorf("word %#x is illegal", s)
		}
		return nil
	}
	return l.ReaderWriterLock.checkEntered(q, notified)
}

func (l *exploredReads) ended(x *world) error {
	if err := x.allEnded(); err != nil {
		return err
	}
	if l.word.v&^RWBias != 0 || l.registry {
		return fmt.Errorf("the word ends as %#x, registry locked: %v", l.word.v, l.registry)
	}
	for i := range l.tags {
		if l.tags[i].v != 0 || l.depth[i] != 0 {
			return errors.New("a slot stays occupied")
		}
	}
	return nil
}
