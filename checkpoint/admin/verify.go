package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/internal/position"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/checkpoint/table"
)

// ImportPlan is what an import would do. Nothing is written before Apply.
type ImportPlan struct {
	Changes []Change
	// Notes are remarks about what is not imported, a line each.
	Notes []string
	// Faults are rows that cannot be imported. With them an import makes no change, unless it is to leave them out.
	Faults []RowFault
}

// RowFault is a row of a table, or a shard of an export, that cannot be imported.
type RowFault struct {
	Row, Cause string
	// Starts says where its shard starts if the row is left out.
	Starts string
}

func (f RowFault) String() string { return fmt.Sprintf("row %q: %s", f.Row, f.Cause) }

// ImportError is an import that was refused, or that left something out.
type ImportError struct {
	Faults []RowFault
	// LeftOut says that the other rows were imported.
	LeftOut bool
}

func (e *ImportError) Error() string { return strings.Join(e.Lines(), "\n  ") }

// Lines are a line that says how many rows there are, and one for each.
func (e *ImportError) Lines() []string {
	lines := []string{fmt.Sprintf(
		"%d rows cannot be imported, nothing was changed; fix them, or leave them out with --force", len(e.Faults))}
	if e.LeftOut {
		lines[0] = fmt.Sprintf("%d rows were left out", len(e.Faults))
	}
	for _, f := range e.Faults {
		lines = append(lines, fmt.Sprintf("%s; left out, its shard %s", f, f.Starts))
	}
	return lines
}

// optionalText is a text, or nothing where the attribute is missing or null.
func optionalText(it table.Item, attr string) (string, error) {
	switch v := it[attr].(type) {
	case nil, *types.AttributeValueMemberNULL:
		return "", nil
	case *types.AttributeValueMemberS:
		return v.Value, nil
	}
	return "", fmt.Errorf("%s is %s, and should be a text", attr, table.Show(it[attr]))
}

// JavaRow reads a lease of a KCL for Java.
func JavaRow(it table.Item) foreignRow {
	f := foreignRow{moves: table.Show(it[table.AttrJavaLease])}
	var errs [3]error
	if _, ok := it[table.AttrJavaLease].(*types.AttributeValueMemberN); !ok {
		errs[0] = fmt.Errorf("%s is %s, and should be a number: whether the old consumer still runs is unknown",
			table.AttrJavaLease, table.Show(it[table.AttrJavaLease]))
	}
	f.owner = table.Text(it[table.AttrOwner])
	f.checkpoint, errs[1] = optionalText(it, table.AttrPosition)
	switch sub := it["checkpointSubSequenceNumber"].(type) {
	case nil:
	case *types.AttributeValueMemberN:
		f.sub = sub.Value
	default:
		errs[2] = fmt.Errorf("checkpointSubSequenceNumber is %s, and should be a number", table.Show(sub))
	}
	f.fault = table.FaultOf(errs[:]...)
	return f
}

// GoRow reads a lease of vmware-go-kcl.
func GoRow(it table.Item) foreignRow {
	f := foreignRow{owner: table.Text(it["AssignedTo"])}
	var errs [2]error
	f.moves, errs[0] = optionalText(it, "LeaseTimeout")
	if errs[0] != nil {
		f.moves, errs[0] = table.Show(it["LeaseTimeout"]),
			fmt.Errorf("%w: whether the old consumer still runs is unknown", errs[0])
	}
	f.checkpoint, errs[1] = optionalText(it, "Checkpoint")
	f.fault = table.FaultOf(errs[:]...)
	return f
}

// checks is how many positions are checked at once.
const checks = 16

// verify removes from in what cannot be imported, and reports it. rows are the names of the rows that in was made of.
func (a *Admin) verify(ctx context.Context, in map[string]LeaseRow, plan *ImportPlan) error {
	t := a.source.Snapshot()
	inStream := map[string]*LeaseRow{}
	for i := range t.Shards {
		if t.Shards[i].Listed {
			inStream[t.Shards[i].Shard] = &t.Shards[i]
		}
	}
	refused := make(map[string]string)
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(in)) {
		switch {
		case inStream[id] == nil:
			plan.Notes = append(plan.Notes, fmt.Sprintf("row %q: the stream has no such shard, passed over", id))
			delete(in, id)
		case in[id].Position.Sequence == position.ShardEnd && !a.closed(id):
			refused[id] = "the checkpoint is SHARD_END, and the stream shows the shard open: records that are still " +
				"to come would never be read"
		case !in[id].Position.IsZero() && in[id].Position.Sequence != position.ShardEnd:
			ids = append(ids, id)
		}
	}
	causes := make([]string, len(ids))
	notes := make([]string, len(ids))
	var g errgroup.Group
	g.SetLimit(checks)
	for i, id := range ids {
		g.Go(func() (err error) {
			causes[i], notes[i] = a.source.Place(ctx, id, in[id].Position.Sequence)
			return context.Cause(ctx)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, id := range ids {
		if causes[i] != "" {
			refused[id] = causes[i]
		}
		if notes[i] != "" {
			plan.Notes = append(plan.Notes, fmt.Sprintf("row %q: %s", id, notes[i]))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(refused)) {
		plan.Faults = append(plan.Faults, RowFault{Row: id, Cause: refused[id]})
		delete(in, id)
	}
	return nil
}

func (a *Admin) closed(id string) bool {
	info := a.source.Tree().Shards[id]
	return info != nil && info.Last != ""
}

// remark adds what happens to shards that the import leaves alone, and to those whose rows are left out.
func (a *Admin) remark(in map[string]LeaseRow, unwritten map[string]string, plan *ImportPlan) {
	bad, t := map[string]bool{}, a.source.Snapshot()
	for i := range plan.Faults {
		bad[plan.Faults[i].Row] = true
		plan.Faults[i].Starts = a.begins(plan.Faults[i].Row, t)
	}
	for i := range t.Shards {
		id := t.Shards[i].Shard
		_, known := in[id]
		switch why := unwritten[id]; {
		case !t.Shards[i].Listed || bad[id]:
		case why != "":
			plan.Notes = append(plan.Notes, fmt.Sprintf("row %q: %s: not written, the shard %s", id, why,
				a.begins(id, t)))
		case !known:
			plan.Notes = append(plan.Notes, fmt.Sprintf("shard %s has no row: it %s", id, a.begins(id, t)))
		}
	}
}

// begins returns where a shard starts as things are.
func (a *Admin) begins(id string, t LeaseTable) string {
	r := a.source.Row(id)
	if r != nil && r.Progressed() {
		return "stays at the checkpoint " + table.Quoted(r.Position.Sequence)
	}
	from := a.source.StartOf(id)
	switch {
	case slices.ContainsFunc(t.Shards, func(s LeaseRow) bool { return s.Shard == id && s.State == table.ShardSkipped }):
		return "is not read: it was closed before this application began"
	case r != nil && r.StartAt.Kind != table.StartLatest:
		return "starts at " + r.StartAt.String()
	case from.Timestamp != nil:
		return fmt.Sprintf("starts with what arrived after %s (start: %s)", from.Timestamp.UTC().Format(time.RFC3339),
			a.source.Start())
	}
	return "starts at its first record (TRIM_HORIZON)"
}
