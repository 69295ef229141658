package checkpoint

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
)

// NewAdmin reads the table of config. If config names no stream, it is the one that the table is about. With
// create, a table that does not exist is made, with its #application row; config must name the stream then. Otherwise
// an absent table is an error. The other errors are those of Store.Run, and of calls that fail.
func NewAdmin(ctx context.Context, config Config, deps Deps, create bool) (*admin.Admin, error) {
	if config.StreamName == "" && config.StreamARN == "" {
		app, err := table.ReadApplication(ctx, &table.Client{DB: deps.DynamoDB, Name: config.WithDefaults().Table})
		if err != nil {
			return nil, err
		}
		config.StreamARN = app.StreamARN
	}
	store, err := New(config, deps)
	if err != nil {
		return nil, err
	}
	return admin.New(ctx, &inspection{store: store, create: create})
}

// NewReset plans a reset: to begin the stream of config with a table that is about another one.
func NewReset(ctx context.Context, config Config, deps Deps, to Start) (*admin.Reset, error) {
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
	return admin.NewReset(ctx, &inspection{store: store}, before, to)
}

// inspection looks at a lease table while the workers use it. Its Store is never run: it only provides its table, its
// listing and its rules. It is used by one goroutine, so it takes no lock for what only that one reads.
type inspection struct {
	store *Store
	// create says that the table and its #application row may be created, which an import into a new application needs.
	create bool
}

// Refresh implements admin.Source.
func (i *inspection) Refresh(ctx context.Context) error {
	s := i.store
	app, err := i.application(ctx)
	if err != nil {
		return err
	}
	if err := i.Read(ctx, app); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.lineage.TrustListing()
	return nil
}

func (i *inspection) application(ctx context.Context) (*table.Application, error) {
	s := i.store
	if i.create {
		err := s.opener.tryOpen(ctx)
		return s.view.app, err
	}
	app, err := table.ReadApplication(ctx, s.table)
	if err != nil {
		return nil, err
	}
	arn, created, err := s.catalog.Describe(ctx)
	if err != nil {
		return nil, err
	}
	// A row that does not say when the stream was made is for the workers to correct.
	if err := s.opener.sameStream(app, arn, created); err != nil && (app.StreamARN != arn || app.StreamCreated != 0) {
		return nil, err
	}
	return app, nil
}

// Read implements admin.ResetSource.
func (i *inspection) Read(ctx context.Context, app *table.Application) error {
	i.store.mu.Lock()
	i.store.view.app, i.store.view.duration = app, app.Duration
	i.store.mu.Unlock()
	if _, _, err := i.store.catalog.List(ctx); err != nil {
		return err
	}
	return i.store.watcher.scan(ctx)
}

// Snapshot implements admin.Source.
func (i *inspection) Snapshot() admin.LeaseTable {
	s, v := i.store, &i.store.view
	now := time.Now()
	out := admin.LeaseTable{
		Table: s.cfg.Table, Stream: v.app.StreamARN, T0: v.app.Origin.T0,
		LeaseDuration: v.app.Duration,
	}
	for _, id := range slices.Sorted(maps.Keys(v.lineage.Shards)) {
		info := v.lineage.Shards[id]
		r := v.rows[id]
		if r == nil && info.Absent.Any() {
			continue
		}
		l := admin.RowOf(id, r)
		l.Parents, l.Listed = slices.Clone(info.Parents), info.InListing && !info.Absent.Any()
		l.State = v.shardStatus(id, now).State
		l.Silent = l.Owner != "" && v.liveOwner(l.Owner, now) == ""
		if d := v.damaged[id]; d != nil {
			l.Fault = d.Cause
		} else if v.circles[id] {
			l.Fault = "its parents lead back to the shard itself; " +
				"the stream's are believed, and a running worker rewrites them"
		}
		out.Shards = append(out.Shards, l)
	}
	out.Damaged = v.damagedRows(now)
	return out
}

// Application implements admin.Source.
func (i *inspection) Application() *table.Application { return i.store.view.app }

// Row implements admin.Source.
func (i *inspection) Row(shard string) *table.Row { return i.store.view.rows[shard] }

// Tree implements admin.Source.
func (i *inspection) Tree() *lineage.Tree { return i.store.view.lineage }

// Start implements admin.Source.
func (i *inspection) Start() Start { return i.store.cfg.Start }

// StartOf implements admin.Source.
func (i *inspection) StartOf(shard string) types.StartingPosition { return i.store.view.startOf(shard) }

// Place implements admin.Source.
func (i *inspection) Place(ctx context.Context, shard, sequence string) (refused, note string) {
	return i.store.stream.Place(ctx, shard, sequence)
}

// Client implements admin.Source.
func (i *inspection) Client() *table.Client { return i.store.table }

// Forget implements admin.Source.
func (i *inspection) Forget(ctx context.Context, r *table.Row) {
	if err := i.store.states.Sweep(ctx, r.ID, r.State, r.Epoch+1); err != nil {
		i.store.log.Info("the snapshots of a shard that was moved stay in the state table for now",
			zap.String("shard", r.ID), zap.Error(err))
	}
}

// Notify implements admin.Source.
func (i *inspection) Notify(ctx context.Context) error {
	if _, err := i.store.watcher.bumpFleet(ctx); err != nil {
		return fmt.Errorf("%w; the workers see the change within %s all the same", err, scanEvery)
	}
	return nil
}

// Describe implements admin.ResetSource.
func (i *inspection) Describe(ctx context.Context) (arn string, created int64, err error) {
	return i.store.catalog.Describe(ctx)
}

// SameStream implements admin.ResetSource.
func (i *inspection) SameStream(app *table.Application, arn string, created int64) error {
	return i.store.opener.sameStream(app, arn, created)
}

// Workers implements admin.ResetSource.
func (i *inspection) Workers() map[string]bool {
	out := map[string]bool{}
	for id, p := range i.store.view.peers {
		if !p.Fenced {
			out[id] = true
		}
	}
	return out
}

// NewApplication implements admin.ResetSource.
func (i *inspection) NewApplication(ctx context.Context, arn string, created int64) (*table.Application, error) {
	return i.store.opener.newApplication(ctx, arn, created)
}
