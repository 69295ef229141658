package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// VerbReset begins a stream that was recreated under an old name.
const VerbReset Verb = "reset"

// Reset is the plan of beginning a stream to which a lease table does not belong yet. Nothing is written before Apply.
type Reset struct {
	// Table is about Old, which was created at OldCreated; the stream is Stream, created at Created.
	Table, Old, Stream  string
	OldCreated, Created time.Time
	// To is where the shards of the new stream begin.
	To table.Start
	// Changes are of the shards that the stream has, Gone are those of the old one, whose rows are deleted.
	Changes []Change
	Gone    []string
	// Live are workers that still run on the table. They end by themselves when they find that the stream is another
	// one.
	Live []string

	source ResetSource
	admin  *Admin
	before *table.Application
}

// ErrSameStream is the reason why there is nothing to reset.
var ErrSameStream = errors.New("the lease table belongs to this very stream")

// ResetSource is what a Reset needs beyond a Source.
type ResetSource interface {
	Source
	// Describe returns ARN and creation time (Unix seconds) of the stream.
	Describe(ctx context.Context) (arn string, created int64, err error)
	// SameStream says why a table is not about this stream; nil when it is.
	SameStream(app *table.Application, arn string, created int64) error
	// Read reads stream and rows, with an #application row that may be about another stream.
	Read(ctx context.Context, app *table.Application) error
	// Workers are those that are not fenced.
	Workers() map[string]bool
	// NewApplication fixes the moment at which the application begins to read a stream.
	NewApplication(ctx context.Context, arn string, created int64) (*table.Application, error)
}

// NewReset plans to begin the stream of the source with a table that is about another one, as its #application row
// before says: at TRIM_HORIZON, at a time, or, with latest, with what arrives from now on. It watches for half a lease
// duration whether workers still run on the table.
func NewReset(ctx context.Context, source ResetSource, before *table.Application, to table.Start) (*Reset, error) {
	r := &Reset{
		Table: source.Client().Name, Old: before.StreamARN, OldCreated: time.Unix(before.StreamCreated, 0).UTC(),
		To:     to,
		source: source, admin: &Admin{source: source}, before: before,
	}
	return r, r.plan(ctx)
}

func (r *Reset) plan(ctx context.Context) error {
	s := r.source
	arn, created, err := s.Describe(ctx)
	if err != nil {
		return err
	}
	if s.SameStream(r.before, arn, created) == nil {
		return fmt.Errorf(
			"%w, %s, created %s: nothing to reset; leases rewind --all --to trim_horizon reads it again",
			ErrSameStream, arn, r.OldCreated.Format(time.RFC3339))
	}
	r.Stream, r.Created = arn, time.Unix(created, 0).UTC()
	if err := s.Read(ctx, r.before); err != nil {
		return err
	}
	r.Changes, r.Gone = nil, nil
	t := s.Snapshot()
	for i := range t.Shards {
		row := t.Shards[i]
		if !row.Listed {
			r.Gone = append(r.Gone, row.Shard)
			continue
		}
		c := Change{
			Verb: VerbReset, Before: row, After: row, exists: s.Row(row.Shard) != nil, breaks: true,
			moves: true,
		}
		c.After.Position, c.After.Resolved, c.After.Input, c.After.CaughtUp = position.Position{}, "", "", time.Time{}
		c.After.StartAt = r.To
		if c.exists || r.To.Kind != table.StartLatest {
			r.Changes = append(r.Changes, c.settled())
		}
	}
	live, err := r.admin.observe(ctx, s.Workers())
	if err != nil {
		return err
	}
	r.Live = slices.DeleteFunc(slices.Sorted(maps.Keys(live)), func(id string) bool { return !live[id] })
	return nil
}

// Apply makes the plan: the rows of the shards first, and last the row that says which stream the table is about.
// Until then every worker refuses the table, so that a reset which was cut off can be repeated. It refuses while
// workers run on the table, unless it is forced.
func (r *Reset) Apply(ctx context.Context, force bool) error {
	if len(r.Live) > 0 && !force {
		return fmt.Errorf(
			"%w: %s; stop the workers of the application, or wait until they have found that the stream is another "+
				"one, and repeat the command",
			ErrLeaseLive, strings.Join(r.Live, ", "))
	}
	s, client := r.source, r.source.Client()
	for _, id := range r.Gone {
		e := &table.Write{}
		e.IfPresent(table.AttrKey)
		if err := client.Remove(ctx, id, e); err != nil {
			if _, gone := table.Refused(err); !gone {
				return fmt.Errorf("delete the row of shard %s: %w", id, err)
			}
		}
	}
	for _, c := range r.Changes {
		if err := r.admin.write(ctx, c); err != nil {
			return fmt.Errorf("reset shard %s: %w", c.After.Shard, err)
		}
		r.admin.dropState(ctx, c)
	}
	app, err := s.NewApplication(ctx, r.Stream, r.Created.Unix())
	if err != nil {
		return err
	}
	app.Duration = r.before.Duration
	now := app.Encode()
	e := &table.Write{}
	e.IfEqual(table.AttrTable, table.Str(r.before.Generation))
	for _, attr := range []string{table.AttrOpen, table.AttrClosed} {
		if now[attr] == nil {
			e.Remove(attr)
		}
	}
	for attr, value := range now {
		if attr != table.AttrKey {
			e.Set(attr, value)
		}
	}
	_, err = client.Update(ctx, table.KeyApplication, e)
	landed, _, unknown := client.Settle(ctx, table.KeyApplication, err,
		func(it table.Item) bool { return table.Text(it[table.AttrTable]) == app.Generation })
	if err := outcome(landed, unknown); err != nil {
		return fmt.Errorf("row %s: %w", table.KeyApplication, err)
	}
	return s.Notify(ctx)
}
