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

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

// exportFormat is the version of an Export.
const exportFormat = 1

// Export is the progress of an application, to be kept or moved to another table. Its JSON names are stable. The
// state of rules is no part of it: a shard whose progress was imported begins with none.
type Export struct {
	Format        int             `json:"format"`
	Table         string          `json:"table"`
	StreamARN     string          `json:"stream_arn"`
	StreamCreated time.Time       `json:"stream_created"`
	Exported      time.Time       `json:"exported"`
	Shards        []ExportedShard `json:"shards"`
}

// ExportedShard is one shard of an Export.
type ExportedShard struct {
	Shard      string `json:"shard"`
	Checkpoint string `json:"checkpoint,omitempty"`
	// SubSequence is the last settled user record inside the record of the checkpoint; absent when all of it is
	// settled.
	SubSequence *uint32 `json:"sub_sequence,omitempty"`
	Resolved    string  `json:"resolved,omitempty"`
	// Input is the hash of the input that counts places inside records; absent without one.
	Input string `json:"input,omitempty"`
	// StartAt is where a shard without a checkpoint starts.
	StartAt    table.Start `json:"start_at,omitzero"`
	CaughtUp   time.Time   `json:"caught_up,omitzero"`
	Generation uint32      `json:"generation,omitempty"`
	Paused     bool        `json:"paused,omitempty"`
	Parents    []string    `json:"parents,omitempty"`
}

// Export reads the table for Import. A shard without a checkpoint is exported with the position at which it would
// start, because another table begins at another time. Config.Start must be that of the workers.
func (a *Admin) Export(ctx context.Context, now time.Time) (Export, error) {
	t, err := a.Table(ctx)
	if err != nil {
		return Export{}, err
	}
	out := Export{
		Format: exportFormat, Table: t.Table, StreamARN: t.Stream,
		StreamCreated: time.Unix(a.source.Application().StreamCreated, 0).UTC(), Exported: now.UTC(),
		Shards: []ExportedShard{},
	}
	for i := range t.Shards {
		r := &t.Shards[i]
		if r.State == table.ShardSkipped {
			continue
		}
		x := ExportedShard{
			Shard: r.Shard, Checkpoint: r.Position.Sequence, Resolved: r.Resolved, CaughtUp: r.CaughtUp.UTC(),
			Generation: r.Generation, Paused: r.Paused, Parents: r.Parents, StartAt: r.StartAt, Input: r.Input,
		}
		switch p := r.Position; {
		case p.IsZero() && r.StartAt.Kind == table.StartLatest:
			x.StartAt = table.Start{Kind: table.StartTrimHorizon}
			if from := a.source.StartOf(r.Shard); from.Timestamp != nil {
				x.StartAt = table.Start{Kind: table.StartTime, Time: from.Timestamp.UTC()}
			}
		case !p.IsZero() && p.Sequence != position.ShardEnd && p.Sub != position.WholeRecord:
			x.SubSequence = &p.Sub
		}
		out.Shards = append(out.Shards, x)
	}
	return out, nil
}

// Import plans to store the progress of an Export of the same stream. Shards that left the stream are skipped.
// A shard's generation never goes down. What cannot be imported is a fault of the plan.
func (a *Admin) Import(ctx context.Context, from Export) (plan ImportPlan, err error) {
	if from.Format != exportFormat {
		return plan, fmt.Errorf("%w: the export has format %d, this version reads %d", table.ErrFormat, from.Format,
			exportFormat)
	}
	if err := a.source.Refresh(ctx); err != nil {
		return plan, err
	}
	if from.StreamARN != a.source.Application().StreamARN ||
		from.StreamCreated.Unix() != a.source.Application().StreamCreated {
		return plan, fmt.Errorf("%w: the export is about %s, created %s; table %s is about %s, created %s",
			table.ErrOtherStream,
			from.StreamARN, from.StreamCreated.UTC().Format(time.RFC3339), a.source.Client().Name,
			a.source.Application().StreamARN, time.Unix(a.source.Application().StreamCreated,
				0).UTC().Format(time.RFC3339))
	}
	in := map[string]LeaseRow{}
	for _, x := range from.Shards {
		r := LeaseRow{
			Shard: x.Shard, Position: position.Position{Sequence: x.Checkpoint}, Resolved: x.Resolved,
			StartAt:  x.StartAt,
			Input:    x.Input,
			CaughtUp: x.CaughtUp, Generation: x.Generation, Paused: x.Paused,
		}
		if !r.Position.IsZero() {
			r.Position.Sub = position.WholeRecord
			if x.SubSequence != nil {
				r.Position.Sub = *x.SubSequence
			}
			if x.Checkpoint != position.ShardEnd && !position.ValidSequence(x.Checkpoint) {
				plan.Faults = append(plan.Faults, RowFault{
					Row:   x.Shard,
					Cause: fmt.Sprintf("the checkpoint %s is no sequence number", table.Quoted(x.Checkpoint)),
				})
				continue
			}
		}
		in[x.Shard] = r
	}
	return plan, a.planImport(ctx, in, nil, true, &plan)
}

// MovingError says that consumers of another library still use their table.
type MovingError struct {
	Table  string
	Shards []string
	Within time.Duration
}

func (e *MovingError) Error() string {
	return fmt.Sprintf(
		"table %s is in use: the leases of %s moved within %s. Stop every consumer of that application, wait for "+
			"its lease duration, and repeat the command",
		e.Table, strings.Join(e.Shards, ", "), e.Within)
}

// ImportTable plans to begin where the consumers of another library stopped: vmware-go-kcl (1 or 2) or the KCL for Java
// (1 to 3), whose table it reads twice, wait apart, which must be more than their lease duration. It refuses with a
// *MovingError when anything moved in between. A Java checkpoint inside an aggregate, or on a plain record, which that
// table cannot tell apart, repeats at most this one record. Children that the other application had not begun start at
// TRIM_HORIZON, parents that it had forgotten count as ended, and shards that it never checkpointed start where this
// application does, which the plan says. Rows that cannot be understood are faults of the plan.
func (a *Admin) ImportTable(ctx context.Context, name string, wait time.Duration) (plan ImportPlan, err error) {
	t := &table.Client{DB: a.source.Client().DB, Name: name}
	before, _, err := readForeign(ctx, t)
	if err != nil {
		return plan, err
	}
	if !sleep.For(ctx, wait) {
		return plan, context.Cause(ctx)
	}
	after, notes, err := readForeign(ctx, t)
	if err != nil {
		return plan, err
	}
	plan.Notes = notes
	moving := map[string]bool{}
	for id, r := range after {
		moving[id] = before[id] != r
	}
	for id := range before {
		if _, ok := after[id]; !ok {
			moving[id] = true
		}
	}
	if moved := slices.DeleteFunc(slices.Sorted(maps.Keys(moving)),
		func(id string) bool { return !moving[id] }); len(moved) > 0 {
		return plan, &MovingError{Table: name, Shards: moved, Within: wait}
	}
	if err := a.source.Refresh(ctx); err != nil {
		return plan, err
	}
	in, unwritten := map[string]LeaseRow{}, map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(after)) {
		row, err := after[id].Place(id)
		switch {
		case err != nil && a.hasShard(id):
			plan.Faults = append(plan.Faults, RowFault{Row: id, Cause: err.Error()})
			continue
		case err == nil && row.Position.IsZero() && row.StartAt.Kind == table.StartLatest:
			unwritten[id] = "the checkpoint " + cmp.Or(after[id].checkpoint, "is missing, which") +
				" means that nothing was ever checkpointed"
		}
		in[id] = row // for a shard that is not in the stream the row makes no difference
	}
	return plan, a.planImport(ctx, in, unwritten, false, &plan)
}

// hasShard reports whether the stream lists a shard.
func (a *Admin) hasShard(id string) bool {
	info := a.source.Tree().Shards[id]
	return info != nil && info.InListing && !info.Absent.Any()
}

// foreignRow is one lease of another library, in text so that two readings can be compared.
type foreignRow struct{ owner, moves, checkpoint, sub, fault string }

// readForeign reads the leases of another library's table, and reports which rows are invalid.
func readForeign(ctx context.Context, t *table.Client) (out map[string]foreignRow, notes []string, err error) {
	out = map[string]foreignRow{}
	err = t.Scan(ctx, "", func(it table.Item) error {
		switch {
		case it[table.AttrEpoch] != nil || table.Text(it[table.AttrKey]) == table.KeyApplication:
			return fmt.Errorf("table %s belongs to kinesis-alerter itself: use leases export and leases import FILE",
				t.Name)
		case it[table.AttrJavaLease] != nil:
			id := table.Text(it[table.AttrKey])
			if strings.Contains(id, ":") {
				return fmt.Errorf(
					"table %s: row %s is of a KCL consumer of several streams, which cannot be imported", t.Name, id)
			}
			out[id] = JavaRow(it)
		case it["ShardID"] != nil:
			out[table.Text(it["ShardID"])] = GoRow(it)
		default:
			notes = append(notes, fmt.Sprintf("row %q is no lease of vmware-go-kcl or of a KCL for Java, passed over",
				table.Text(it[table.AttrKey])))
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf(
			"table %s holds no lease of vmware-go-kcl or of a KCL for Java: "+
				"name the lease table of the old application", t.Name)
	}
	return out, notes, err
}

// Place returns, as a row of ours, where a consumer of another library stopped.
func (f foreignRow) Place(id string) (LeaseRow, error) {
	r := LeaseRow{Shard: id}
	if f.fault != "" {
		return r, errors.New(f.fault)
	}
	switch f.checkpoint {
	case "", "LATEST", "AT_TIMESTAMP": // never checkpointed
	case "TRIM_HORIZON":
		r.StartAt = table.Start{Kind: table.StartTrimHorizon}
	case position.ShardEnd:
		r.Position = position.Position{Sequence: position.ShardEnd, Sub: position.WholeRecord}
	default:
		if !position.ValidSequence(f.checkpoint) {
			return r, fmt.Errorf("the checkpoint %s is no sequence number", table.Quoted(f.checkpoint))
		}
		r.Position = position.Position{Sequence: f.checkpoint, Sub: position.WholeRecord}
		if f.sub != "" { // Java writes 0 both for a plain record and for the first of an aggregate
			var sub uint32
			if _, err := fmt.Sscan(f.sub, &sub); err != nil {
				return r, fmt.Errorf("the checkpointSubSequenceNumber %s is none", table.Quoted(f.sub))
			}
			r.Position.Sub = sub
		}
	}
	return r, nil
}

// fillTree adds shards that another library's table does not have, but that follow from those it has. Without a row, a
// child that was not begun would start at the moment of the import and skip what it holds by then, and an ancestor that
// was read and forgotten would be read again.
func (a *Admin) fillTree(in map[string]LeaseRow) {
	tree := a.source.Tree()
	begun, known := map[string]bool{}, map[string]bool{}
	for id, r := range in {
		known[id] = true
		if !r.Position.IsZero() {
			begun[id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(tree.Shards)) {
		if r := in[id]; !r.Position.IsZero() || r.StartAt.Kind != table.StartLatest {
			continue
		}
		switch {
		case !known[id] && tree.Related(id, begun, tree.Children):
			in[id] = LeaseRow{Shard: id, Position: position.Position{
				Sequence: position.ShardEnd,
				Sub:      position.WholeRecord,
			}}
		case tree.Related(id, known, tree.ParentsOf):
			in[id] = LeaseRow{Shard: id, StartAt: table.Start{Kind: table.StartTrimHorizon}}
		}
	}
}

// planImport plans the changes that make rows say what in says. ours says that in is an export, which also knows of
// generations and pauses, and unwritten why a row says nothing.
func (a *Admin) planImport(ctx context.Context, in map[string]LeaseRow, unwritten map[string]string, ours bool,
	plan *ImportPlan,
) error {
	if err := a.verify(ctx, in, plan); err != nil {
		return err
	}
	if !ours {
		a.fillTree(in)
		for _, f := range plan.Faults {
			delete(in, f.Row) // it has a row of its own, so nothing follows from its relatives
		}
	}
	a.remark(in, unwritten, plan)
	var out []Change
	t := a.source.Snapshot()
	listed := 0
	for i := range t.Shards {
		before := t.Shards[i]
		x, ok := in[before.Shard]
		if !ok || !before.Listed {
			continue
		}
		listed++
		c := Change{
			Verb: VerbImport, Before: before, After: before, exists: a.source.Row(before.Shard) != nil,
			breaks: true, moves: true,
		}
		if x.Position.IsZero() && x.StartAt.Kind == table.StartLatest {
			continue // it starts where the application does
		}
		c.After.Position, c.After.StartAt, c.After.Resolved, c.After.CaughtUp = x.Position, x.StartAt, x.Resolved,
			x.CaughtUp
		c.After.Input = x.Input
		if ours {
			c.After.Generation = max(before.Generation, x.Generation)
			c.After.Paused, c.pauses = x.Paused, x.Paused != before.Paused
		}
		if c.exists && c.row().SameAs(Change{After: before}.row()) {
			continue
		}
		out = append(out, c.settled())
	}
	if listed == 0 && len(plan.Faults) == 0 {
		return errors.New("none of the shards to import is in the stream: is it the right table and stream?")
	}
	out, err := a.mark(ctx, out)
	plan.Changes = out
	return err
}
