package locks

import (
	"context"
	"errors"
	"testing"
	"time"
)

// errGone is the cause of the contexts that a crew cancels.
var errGone = errors.New("gone")

// crew is a number of goroutines, each in one wait that can be cancelled.
type crew struct {
	t     *testing.T
	waits []*oneWait // by id
}

type oneWait struct {
	cancel context.CancelCauseFunc
	ended  chan result
	over   bool // the result was received
}

// result is what a wait returned.
type result struct {
	number int
	err    error
}

func newCrew(t *testing.T) *crew { return &crew{t: t} }

// start begins a wait, which is told its id.
func (c *crew) start(wait func(ctx context.Context, id int) (int, error)) (id int) {
	ctx, cancel := context.WithCancelCause(context.Background())
	id = len(c.waits)
	w := &oneWait{cancel: cancel, ended: make(chan result, 1)}
	c.waits = append(c.waits, w)
	go func() {
		number, err := wait(ctx, id)
		w.ended <- result{number, err}
	}()
	return id
}

func (c *crew) cancel(id int) { c.waits[id].cancel(errGone) }

// result waits for the end of a wait.
func (c *crew) result(id int) result {
	c.t.Helper()
	w := c.waits[id]
	select {
	case r := <-w.ended:
		w.over = true
		w.cancel(nil)
		return r
	case <-time.After(limit):
		c.t.Fatalf("wait %d does not end; waiters %+v", id, lot.Snapshot())
	}
	panic("not reached")
}

// ends waits for the end of a wait and compares what it returned.
func (c *crew) ends(id, number int, err error) {
	c.t.Helper()
	if got := c.result(id); got != (result{number, err}) {
		c.t.Fatalf("wait %d returned %+v, not %+v", id, got, result{number, err})
	}
}

// disband cancels what still waits: no goroutine outlives the lot of its test.
func (c *crew) disband() {
	c.t.Helper()
	for id, w := range c.waits {
		if !w.over {
			c.cancel(id)
			c.result(id)
		}
	}
}
