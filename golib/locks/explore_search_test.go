//go:build explore

package locks

import (
	"fmt"
	"strings"
	"testing"
)

// frame is a point where the search chose.
type frame struct {
	all  []choice
	next int
}

// explorer is a search.
type explorer struct {
	x     *world
	stack []frame
	seen  map[uint64]struct{}
	ends  int
}

func (e *explorer) step(f frame) {
	c := f.all[f.next]
	e.x.enter(e.x.threads[c.thread], c.option)
}

// descend goes on from the current state to an end or to a known state.
func (e *explorer) descend() error {
	for {
		if err := e.x.check(); err != nil {
			return err
		}
		name := e.x.name()
		if _, known := e.seen[name]; known {
			return nil
		}
		e.seen[name] = struct{}{}
		f := frame{all: e.x.choices()}
		if len(f.all) == 0 {
			e.ends++
			return e.x.finished()
		}
		e.stack = append(e.stack, f)
		e.step(f)
	}
}

// back drops the choices that are exhausted and says whether any is left.
func (e *explorer) back() bool {
	for n := len(e.stack); n > 0; n = len(e.stack) {
		f := &e.stack[n-1]
		if f.next++; f.next < len(f.all) {
			return true
		}
		e.stack = e.stack[:n-1]
	}
	return false
}

func (e *explorer) trace() string {
	var b strings.Builder
	for _, f := range e.stack {
		c := f.all[f.next]
		fmt.Fprintf(&b, " %c", 'A'+c.thread)
		if c.option != 0 {
			fmt.Fprintf(&b, "/%d", c.option)
		}
	}
	return b.String()
}

// explore searches all interleavings of the programs, one for each thread.
func explore(t *testing.T, make func() subject, programs ...string) {
	t.Helper()
	e, runs, err := search(t, make, programs)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%q: %d states, %d schedules, %d different ends", programs, len(e.seen), runs, e.ends)
}

// search is explore, up to the first thing that must never be.
func search(t *testing.T, make func() subject, programs []string) (e *explorer, runs int, err error) {
	e = &explorer{seen: map[uint64]struct{}{}}
	connect(t, func() *world { return e.x })
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("after%s: %v", e.trace(), r)
		}
	}()
	for more := true; more; more = e.back() {
		runs++
		e.x = newWorld(make, programs)
		e.x.start()
		for _, f := range e.stack {
			e.step(f)
		}
		if err := e.descend(); err != nil {
			return e, runs, fmt.Errorf("after%s: %w", e.trace(), err)
		}
		e.x.abort()
	}
	return e, runs, nil
}
