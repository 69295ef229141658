package checkpoint

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

// VerbReset begins a stream that was created anew under an old name.
const VerbReset Verb = "reset"

// Reset is the plan of beginning a stream to which a lease table does not belong yet. Nothing is written before Apply.
type Reset struct {
	// Table is about Old, which was created at OldCreated; the stream is Stream, created at Created.
	Table, Old, Stream  string
	OldCreated, Created time.Time
	// To is where the shards of the new stream begin.
	To table.Start
	// Changes are of the shards that the stream has, Gone are those of the old one, whose rows go.
	Changes []Change
	Gone    []string
	// Live are workers that still run on the table. They end by themselves when they find that the stream is another one.
	Live []string

	admin  *Admin
	before *table.Application
}

// ErrSameStream is the reason why there is nothing to reset.
var ErrSameStream = errors.New("the lease table belongs to this very stream")

// NewReset plans to begin the stream of config with a table that is about another one: at TRIM_HORIZON, at a time, or, with
// latest, with what arrives from now on. It looks for half a lease duration whether workers still run on the table.
func NewReset(ctx context.Context, config Config, deps Deps, to table.Start) (*Reset, error) {
	before, err := table.ReadApplication(ctx, &table.Client{DB: deps.DynamoDB, Name: config.WithDefaults().Table})
	if err != nil {
		return nil, err
	}
	if config.StreamName == "" && config.StreamARN == "" {
		config.StreamARN = before.StreamARN
	}
	store, err := New(config, deps)
	if err != nil {
		return nil, err
	}
	r := &Reset{
		Table: store.cfg.Table, Old: before.StreamARN, OldCreated: time.Unix(before.StreamCreated, 0).UTC(), To: to,
		admin: &Admin{store: store, app: before}, before: before,
	}
	return r, r.plan(ctx)
}

func (r *Reset) plan(ctx context.Context) error {
	s := r.admin.store
	arn, created, err := s.catalog.describe(ctx)
	if err != nil {
		return err
	}
	if s.opener.sameStream(r.before, arn, created) == nil {
		return fmt.Errorf("%w, %s, created %s: nothing to reset; leases rewind --all --to trim_horizon reads it again", ErrSameStream, arn, r.OldCreated.Format(time.RFC3339))
	}
	r.Stream, r.Created = arn, time.Unix(created, 0).UTC()
	s.mu.Lock()
	s.view.app, s.view.duration = r.before, r.before.Duration
	s.mu.Unlock()
	if _, _, err := s.catalog.list(ctx); err != nil {
		return err
	}
	if err := s.watcher.scan(ctx); err != nil {
		return err
	}
	r.Changes, r.Gone = nil, nil
	t := r.admin.snapshot()
	for i := range t.Shards {
		row := t.Shards[i]
		if !row.Listed {
			r.Gone = append(r.Gone, row.Shard)
			continue
		}
		c := Change{Verb: VerbReset, Before: row, After: row, exists: s.view.rows[row.Shard] != nil, breaks: true, moves: true}
		c.After.Position, c.After.Resolved, c.After.CaughtUp, c.After.StartAt = position.Position{}, "", time.Time{}, r.To
		if c.exists || r.To.Kind != table.StartLatest {
			r.Changes = append(r.Changes, c.settled())
		}
	}
	owners := map[string]bool{}
	for id, p := range s.view.peers {
		if !p.Fenced {
			owners[id] = true
		}
	}
	live, err := r.admin.observe(ctx, owners)
	if err != nil {
		return err
	}
	r.Live = slices.DeleteFunc(slices.Sorted(maps.Keys(live)), func(id string) bool { return !live[id] })
	return nil
}

// Apply makes the plan: the rows of the shards first, and last the row that says which stream the table is about. Until then
// every worker refuses the table, so that a reset which was cut off can be repeated. It refuses while workers run on the
// table, unless it is forced.
func (r *Reset) Apply(ctx context.Context, force bool) error {
	if len(r.Live) > 0 && !force {
		return fmt.Errorf("%w: %s; stop the workers of the application, or wait until they have found that the stream is another one, and repeat the command",
			ErrLeaseLive, strings.Join(r.Live, ", "))
	}
	s := r.admin.store
	for _, id := range r.Gone {
		e := &table.Write{}
		e.IfPresent(table.AttrKey)
		if err := s.table.Remove(ctx, id, e); err != nil {
			if _, gone := table.Refused(err); !gone {
				return fmt.Errorf("delete the row of shard %s: %w", id, err)
			}
		}
	}
	for _, c := range r.Changes {
		if err := r.admin.Write(ctx, c); err != nil {
			return fmt.Errorf("reset shard %s: %w", c.After.Shard, err)
		}
		r.admin.dropState(ctx, c)
	}
	app, err := s.opener.newApplication(ctx, r.Stream, r.Created.Unix())
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
	_, err = s.table.Update(ctx, table.KeyApplication, e)
	landed, _, unknown := s.table.Settle(ctx, table.KeyApplication, err, func(it table.Item) bool { return table.Text(it[table.AttrTable]) == app.Generation })
	if err := outcome(landed, unknown); err != nil {
		return fmt.Errorf("row %s: %w", table.KeyApplication, err)
	}
	_, err = s.watcher.bumpFleet(ctx)
	return err
}
