package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

// Admin looks at a lease table and changes it for an operator, while workers run on it. It holds no
// lease and has no heartbeat. Every change is one conditional write on the owner and the epoch that the operator was
// shown, so none overwrites what a worker did meanwhile. An Admin is used by one goroutine.
type Admin struct{ source Source }

// LeaseRow is one shard as an operator sees it.
type LeaseRow struct {
	Shard string
	// Owner is a worker id, or empty. Silent says that it is fenced or has no row, so that its shards are free.
	Owner  string
	Silent bool
	Epoch  int64
	// Position is the stored checkpoint. Without one the shard starts at StartAt, or, where that is latest, at the
	// application's start.
	Position position.Position
	StartAt  table.Start
	// Resolved describes what is settled above the checkpoint, as the last owner wrote it.
	Resolved string
	// Input is the hash of the input that counts places inside records, in Position and Resolved; empty without one.
	Input string
	// CaughtUp is the last stored time up to which everything was read and settled; zero if unknown. A shard
	// lags by no more than its age.
	CaughtUp time.Time
	// Generation counts how often the shard was rewound.
	Generation uint32
	Paused     bool
	Parents    []string
	// State is never held: an Admin holds nothing.
	State table.ShardState
	// Listed says that the stream still has the shard.
	Listed bool
	// Fault is what is wrong with the row; empty if nothing is known to be. See Check.
	Fault string
}

// LeaseTable is a lease table at one moment.
type LeaseTable struct {
	Table, Stream string
	T0            time.Time
	LeaseDuration time.Duration
	Shards        []LeaseRow // sorted by id
	// Damaged are the rows that no worker can read.
	Damaged []table.DamagedRow
}

// Source is a lease table as an Admin needs it: read while the workers run, without a lease. Snapshot and all that
// follow are of the last Refresh or Read.
type Source interface {
	// Refresh reads application, stream and rows again, and refuses a table that is about another stream.
	Refresh(ctx context.Context) error
	Snapshot() LeaseTable
	Application() *table.Application
	// Row is the row of a shard, or nil.
	Row(shard string) *table.Row
	Tree() *lineage.Tree
	// Start is where the application starts, StartOf where a worker would start a shard that has no checkpoint.
	Start() table.Start
	StartOf(shard string) types.StartingPosition
	// Place asks Kinesis for an iterator behind a position. It returns why the position is none of the shard's, or a
	// remark for the operator.
	Place(ctx context.Context, shard, sequence string) (refused, note string)
	Client() *table.Client
	// Forget deletes the snapshots of a shard whose progress was changed, as far as that works.
	Forget(ctx context.Context, row *table.Row)
	// Notify has the workers look at the table.
	Notify(ctx context.Context) error
}

// New reads the table.
func New(ctx context.Context, source Source) (*Admin, error) {
	a := &Admin{source: source}
	return a, source.Refresh(ctx)
}

// Table reads the whole table.
func (a *Admin) Table(ctx context.Context) (LeaseTable, error) {
	if err := a.source.Refresh(ctx); err != nil {
		return LeaseTable{}, err
	}
	return a.source.Snapshot(), nil
}

// RowOf returns a shard as its row describes it; the row may be nil.
func RowOf(id string, r *table.Row) LeaseRow {
	if r == nil {
		return LeaseRow{Shard: id}
	}
	return LeaseRow{
		Shard: id, Owner: r.Owner, Epoch: r.Epoch, Position: r.Position, StartAt: r.StartAt, Resolved: r.Resolved,
		Input: r.Input, CaughtUp: r.CaughtUp, Generation: r.Rewinds, Paused: r.Paused, Parents: slices.Clone(r.Parents),
	}
}

// NoShardError names shards that neither the stream nor the table knows.
type NoShardError struct {
	Shards []string
	Table  string
}

func (e *NoShardError) Error() string {
	return fmt.Sprintf("no such shard in table %s or its stream: %s; see leases list", e.Table,
		strings.Join(e.Shards, ", "))
}

// pick returns the rows of the named shards, or all where none is named. See position.FindShard for their names.
func (t LeaseTable) pick(shards []string) ([]LeaseRow, error) {
	if len(shards) == 0 {
		return t.Shards, nil
	}
	var out []LeaseRow
	var missing []string
	known := make([]string, len(t.Shards))
	for i := range t.Shards {
		known[i] = t.Shards[i].Shard
	}
	named := make([]string, len(shards))
	for i, name := range shards {
		id, err := position.FindShard(name, known)
		if err != nil {
			return nil, err
		}
		named[i] = id
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(named))) {
		i, ok := slices.BinarySearchFunc(t.Shards, id, func(r LeaseRow,
			id string,
		) int {
			return cmp.Compare(r.Shard, id)
		})
		if !ok {
			missing = append(missing, id)
			continue
		}
		out = append(out, t.Shards[i])
	}
	if missing != nil {
		return nil, &NoShardError{Shards: missing, Table: t.Table}
	}
	return out, nil
}

// observe returns which of these workers are alive: one whose row is there, not fenced, and whose counter moves within
// half a lease duration. A heartbeat comes every third.
func (a *Admin) observe(ctx context.Context, owners map[string]bool) (live map[string]bool, err error) {
	before, err := a.counters(ctx, owners)
	if err != nil || len(before) == 0 {
		return nil, err
	}
	if !sleep.For(ctx, a.source.Application().Duration/2) {
		return nil, context.Cause(ctx)
	}
	after, err := a.counters(ctx, owners)
	if err != nil {
		return nil, err
	}
	live = map[string]bool{}
	for id, n := range after {
		was, seen := before[id]
		live[id] = !seen || n != was
	}
	return live, nil
}

func (a *Admin) counters(ctx context.Context, owners map[string]bool) (map[string]int64, error) {
	out := map[string]int64{}
	for _, id := range slices.Sorted(maps.Keys(owners)) {
		it, err := a.source.Client().Get(ctx, table.KeyWorker+id, true)
		if err != nil {
			return nil, fmt.Errorf("look at worker %s: %w", id, err)
		}
		if it == nil {
			continue
		}
		if w := table.DecodeWorker(it, time.Now()); !w.Fenced {
			out[id] = w.Counter
		}
	}
	return out, nil
}

// ErrLeaseLive is the reason of a change that was refused because a live worker holds the shard.
var ErrLeaseLive = errors.New("held by a live worker")

// ErrLeaseChanged is the reason of a change that was not made because the row is no longer as it was shown.
var ErrLeaseChanged = errors.New("changed in between")

// Apply makes the changes, each by itself and conditional on owner and epoch as shown, and notifies the workers. It
// returns which were made and, joined, why others were not: ErrLeaseLive without force, ErrLeaseChanged, or a failed
// call. What was made stays made.
func (a *Admin) Apply(ctx context.Context, changes []Change, force bool) (made []Change, err error) {
	var errs []error
	for _, c := range changes {
		switch {
		case c.Live && !force:
			err = c.Refusal()
		default:
			err = a.write(ctx, c)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s shard %s: %w", c.Verb, c.After.Shard, err))
			continue
		}
		made = append(made, c)
		a.dropState(ctx, c)
	}
	if len(made) > 0 {
		errs = append(errs, a.source.Notify(ctx))
	}
	return made, errors.Join(errs...)
}

// Refusal is why a change of a live worker's shard is not made without force, and what to do.
func (c Change) Refusal() error {
	if c.Before.Paused {
		return fmt.Errorf("shard %s is %w: %s still drains it. Try again, wait for it with leases pause %s --wait "+
			"10m, "+
			"or take it with --force", c.Before.Shard, ErrLeaseLive, c.Before.Owner, c.Before.Shard)
	}
	return fmt.Errorf("shard %s is %w, %s. Pause it first (leases pause %s), which drains it, or take it with --force",
		c.Before.Shard, ErrLeaseLive, c.Before.Owner, c.Before.Shard)
}

// dropState deletes the snapshots of a shard whose progress was changed: nothing points to them any more. The worker
// that saves the next one deletes what is left.
func (a *Admin) dropState(ctx context.Context, c Change) {
	if r := a.source.Row(c.After.Shard); c.moves && !c.keeps && r != nil && r.State.Version != "" {
		a.source.Forget(ctx, r)
	}
}

// write makes one change.
func (a *Admin) write(ctx context.Context, c Change) error {
	t := a.source.Client()
	after := c.row()
	if !c.exists {
		landed, _, unknown := t.Settle(ctx, after.ID, t.PutNew(ctx, after.Encode()), func(it table.Item) bool {
			r, err := table.DecodeRow(it, time.Now())
			return err == nil && r.SameAs(after)
		})
		return outcome(landed, unknown)
	}
	e := &table.Write{}
	e.IfEqual(table.AttrEpoch, table.Num(c.Before.Epoch))
	if c.Before.Owner == "" {
		e.IfAbsent(table.AttrOwner)
	} else {
		e.IfEqual(table.AttrOwner, table.Str(c.Before.Owner))
	}
	if c.pauses {
		e.Put(table.AttrPaused, &ddb.AttributeValueMemberBOOL{Value: true}, after.Paused)
	}
	if c.breaks {
		e.Set(table.AttrEpoch, table.Num(after.Epoch))
		e.Put(table.AttrOwner, nil, false)
	}
	if c.moves {
		e.Put(table.AttrPosition, table.Str(after.Position.Sequence), after.Progressed())
		e.Put(table.AttrSub, table.Num(int64(after.Position.Sub)), after.Progressed() && !after.Ended())
		e.Put(table.AttrResolved, table.Str(after.Resolved), after.Resolved != "")
		e.Put(table.AttrInput, table.Str(after.Input), after.Input != "")
		e.Put(table.AttrCaughtUp, table.Num(after.CaughtUp.UnixMilli()), !after.CaughtUp.IsZero())
		e.Put(table.AttrRewinds, table.Num(int64(after.Rewinds)), after.Rewinds > 0)
		e.Put(table.AttrStartAt, table.Str(after.StartAt.String()), after.StartAt.Kind != table.StartLatest)
	}
	if c.moves && !c.keeps {
		for _, attr := range table.StateAttributes() { // it belongs to the progress that is removed
			e.Put(attr, nil, false)
		}
	}
	_, err := t.Update(ctx, after.ID, e)
	landed, _, unknown := t.Settle(ctx, after.ID, err, func(it table.Item) bool {
		r, err := table.DecodeRow(it, time.Now())
		return err == nil && r.Epoch == after.Epoch && r.Owner == after.Owner &&
			(!c.pauses || r.Paused == after.Paused) && (!c.moves || r.SameAs(after))
	})
	return outcome(landed, unknown)
}

func outcome(landed bool, unknown error) error {
	switch {
	case landed:
		return nil
	case unknown != nil:
		return unknown
	}
	return fmt.Errorf("%w: look again with leases list and repeat the command", ErrLeaseChanged)
}
