package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// Verb says what an operator does to a lease.
type Verb string

// The verbs.
const (
	VerbRelease Verb = "release"
	VerbRewind  Verb = "rewind"
	VerbPause   Verb = "pause"
	VerbResume  Verb = "resume"
	VerbImport  Verb = "import"
)

// Change is one planned change of one shard's row. Nothing is written before Apply.
type Change struct {
	Verb          Verb
	Before, After LeaseRow
	// Live says that the change takes the shard away from a worker that is alive. With force the worker finds itself
	// fenced at its next write: it stops at once, and what it published but had not committed is published again, with
	// the same alert ids unless the change is a rewind.
	Live bool

	exists bool // there is a row
	// What the write touches: breaks raises the epoch and removes the owner, moves sets where to read from, pauses sets
	// or removes the pause.
	breaks, moves, pauses bool
	// keeps leaves the snapshot where it is although the progress moves: its generation says that it is from before.
	keeps bool
}

// row is what is stored after the change, as far as an operator decides it.
func (c Change) row() *table.Row {
	a := c.After
	r := &table.Row{
		ID: a.Shard, Owner: a.Owner, Epoch: a.Epoch, Position: a.Position, Resolved: a.Resolved, CaughtUp: a.CaughtUp,
		Input:   a.Input,
		Parents: a.Parents, Paused: a.Paused, Rewinds: a.Generation, StartAt: a.StartAt,
	}
	if r.Ended() {
		r.Position.Sub = position.WholeRecord // as a read returns it
	}
	return r
}

// Skips says whether a rewind goes forward, over records that are not settled: those that arrived since then make no
// alert. Since is zero where the table does not say how far the shard was read.
func (c Change) Skips() (since time.Time, skips bool) {
	to := c.After.StartAt
	if c.Verb != VerbRewind || to.Kind != table.StartTime || c.Before.Position.Sequence == position.ShardEnd {
		return time.Time{}, false
	}
	return c.Before.CaughtUp, c.Before.CaughtUp.Before(to.Time)
}

// Release plans to take the owner off these shards, so that any worker takes them next. Shards without an owner need
// nothing.
func (a *Admin) Release(ctx context.Context, shards []string) ([]Change, error) {
	return a.plan(ctx, VerbRelease, shards, func(c *Change) (bool, error) {
		c.breaks = true
		return c.Before.Owner != "", nil
	})
}

// Rewind plans to read these shards, or all without any, again from a time or from TRIM_HORIZON on. Each gets the next
// generation, so its alerts have new ids. Shards that left the stream are skipped, unless they are named.
func (a *Admin) Rewind(ctx context.Context, shards []string, to table.Start) ([]Change, error) {
	if to.Kind == table.StartLatest {
		return nil, errors.New("rewind: to where? a time or trim_horizon")
	}
	return a.plan(ctx, VerbRewind, shards, func(c *Change) (bool, error) {
		if !c.Before.Listed {
			if len(shards) == 0 {
				return false, nil
			}
			return false, errors.New("its records are past the retention, so there is nothing to read again")
		}
		c.breaks, c.moves = true, true
		// The next owner ends what its rules notified of. What a shard knew at its end its children have.
		c.keeps = c.Before.Position.Sequence != position.ShardEnd
		c.After.Position, c.After.Resolved, c.After.Input, c.After.CaughtUp = position.Position{}, "", "", time.Time{}
		c.After.StartAt, c.After.Generation = to, c.Before.Generation+1
		return true, nil
	})
}

// Pause plans that no worker reads these shards, or all without any, until Resume. A worker that reads one drains and
// releases it, so nothing is repeated. Shards that are read to their end need nothing.
func (a *Admin) Pause(ctx context.Context, shards []string) ([]Change, error) {
	return a.plan(ctx, VerbPause, shards, func(c *Change) (bool, error) {
		c.pauses, c.After.Paused = true, true
		return !c.Before.Paused && c.Before.Position.Sequence != position.ShardEnd &&
			c.Before.State != table.ShardSkipped && c.Before.Listed, nil
	})
}

// Draining are those of these shards, or of all without any, that are paused and still have an owner. A dead one drains
// nothing: it is Silent, or Alive misses it.
func (a *Admin) Draining(ctx context.Context, shards []string) ([]LeaseRow, error) {
	t, err := a.Table(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := t.pick(shards)
	return slices.DeleteFunc(slices.Clone(rows), func(r LeaseRow) bool {
		return !r.Paused || r.Owner == "" || r.Position.Sequence == position.ShardEnd
	}), err
}

// Alive watches the owners of these shards for half a lease duration, and returns those that show a heartbeat.
func (a *Admin) Alive(ctx context.Context, rows []LeaseRow) (map[string]bool, error) {
	owners := map[string]bool{}
	for i := range rows {
		owners[rows[i].Owner] = true
	}
	return a.observe(ctx, owners)
}

// Resume ends a pause.
func (a *Admin) Resume(ctx context.Context, shards []string) ([]Change, error) {
	return a.plan(ctx, VerbResume, shards, func(c *Change) (bool, error) {
		c.pauses, c.After.Paused = true, false
		return c.Before.Paused, nil
	})
}

// plan reads the table and returns the changes that the function change selects. It then finds out which of them would
// break the lease of a live worker. That takes half a lease duration if a shard to be taken has an owner.
func (a *Admin) plan(ctx context.Context, verb Verb, shards []string, change func(*Change) (bool, error)) ([]Change,
	error,
) {
	t, err := a.Table(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := t.pick(shards)
	if err != nil {
		return nil, err
	}
	var out []Change
	var errs []error
	for i := range rows {
		c := Change{Verb: verb, Before: rows[i], After: rows[i], exists: a.source.Row(rows[i].Shard) != nil}
		ok, err := change(&c)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s shard %s: %w", verb, c.Before.Shard, err))
		case ok:
			out = append(out, c.settled())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a.mark(ctx, out)
}

// settled fills in what follows from the kind of the change.
func (c Change) settled() Change {
	if c.breaks && c.exists {
		c.After.Owner, c.After.Silent, c.After.Epoch = "", false, c.Before.Epoch+1
	}
	c.After.Parents = slices.Clone(c.Before.Parents)
	return c
}

// mark finds the changes that break the lease of a live worker.
func (a *Admin) mark(ctx context.Context, changes []Change) ([]Change, error) {
	owners := map[string]bool{}
	for _, c := range changes {
		if c.breaks && c.Before.Owner != "" && !c.Before.Silent {
			owners[c.Before.Owner] = true
		}
	}
	live, err := a.observe(ctx, owners)
	if err != nil {
		return nil, err
	}
	for i := range changes {
		changes[i].Live = changes[i].breaks && live[changes[i].Before.Owner]
	}
	return changes, nil
}
