package checkpoint

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// startPatience is how long a first start waits for a complete list of shards before it takes one that is not.
const startPatience = time.Minute

// sameIdentity compares a summary with #application. A summary that names another stream is believed when two say so
// and no shard shows that it is the same stream. Otherwise #application is corrected once the summary has said so for a
// minute.
func (o *opener) sameIdentity(ctx context.Context, app *table.Application, id lineage.Identity) error {
	s := o.store
	refusal := o.sameStream(app, id.ARN, id.Created)
	s.mu.Lock()
	if refusal == nil {
		o.other = lineage.OtherIdentity{}
		s.mu.Unlock()
		return nil
	}
	o.other.Note(id, time.Now())
	twice, corrected := o.other.Twice(), o.other.Seen.Confirmed()
	first := map[string]string{app.Shard.ID: app.Shard.First}
	for id, info := range s.view.lineage.Shards {
		if s.view.app != nil && info.First != "" { // listed while the summary agreed
			first[id] = info.First
		}
	}
	s.mu.Unlock()
	positions, err := o.firstPositions(ctx)
	if err != nil {
		return err
	}
	shards, _, err := s.catalog.List(ctx)
	if err != nil {
		return err
	}
	switch {
	case !lineage.SameShards(shards, first, positions) && twice:
		return refusal
	case !lineage.SameShards(shards, first, positions):
		return s.stream.Inconsistent("kinesis:DescribeStreamSummary", "OtherStream",
			"it names another stream than the lease table, for the first time")
	case !corrected:
		s.log.Warn("the summary of the stream names another one, but its shards are the same",
			zap.String("arn", id.ARN), zap.Int64("created", id.Created))
		return nil
	}
	return o.correctIdentity(ctx, app, id)
}

// correctIdentity writes what the summary has said for a minute into #application.
func (o *opener) correctIdentity(ctx context.Context, app *table.Application, id lineage.Identity) error {
	s := o.store
	e := &table.Write{}
	e.IfEqual(table.AttrTable, table.Str(app.Generation))
	e.IfEqual(table.AttrStream, table.Str(app.StreamARN))
	if app.StreamCreated != 0 { // else there is no creation time, and any will do
		e.IfEqual(table.AttrCreated, table.Num(app.StreamCreated))
	}
	e.Set(table.AttrStream, table.Str(id.ARN))
	e.Set(table.AttrCreated, table.Num(id.Created))
	if _, err := s.table.Update(ctx, table.KeyApplication, e); err != nil {
		return err
	}
	s.log.Warn("the identity of the stream in the lease table was wrong and is corrected", zap.String("arn", id.ARN),
		zap.Int64("created", id.Created))
	app.StreamARN, app.StreamCreated = id.ARN, id.Created
	return nil
}

// firstPositions returns the checkpoints of the first page of the table: one of them is enough.
func (o *opener) firstPositions(ctx context.Context) (map[string]position.Position, error) {
	page, err := o.store.table.Page(ctx, nil)
	if err != nil {
		return nil, err
	}
	out := map[string]position.Position{}
	for _, it := range page.Items {
		if !table.IsShardKey(table.Text(it[table.AttrKey])) {
			continue
		}
		if r, err := table.DecodeRow(it, time.Now()); err == nil {
			out[r.ID] = r.Position
		}
	}
	return out, nil
}

// describeTwice returns a summary on which two answers agree.
func (o *opener) describeTwice(ctx context.Context, arn string, created int64) error {
	s := o.store
	again, at, err := s.catalog.Describe(ctx)
	if err != nil {
		return err
	}
	if again != arn || at != created {
		return s.stream.Inconsistent("kinesis:DescribeStreamSummary", "InconsistentAnswers",
			"two answers name different streams")
	}
	return nil
}

// firstListing lists the stream for #application. It wants a complete listing, for a while, and returns which shards
// two of them show closed.
func (o *opener) firstListing(ctx context.Context) (shards []types.Shard, closed map[string]bool, at time.Time,
	err error,
) {
	s := o.store
	shards, at, err = s.catalog.List(ctx)
	if err != nil {
		return nil, nil, at, err
	}
	s.mu.Lock()
	wait := !s.catalog.health.complete && time.Since(s.catalog.health.since) < startPatience
	s.mu.Unlock()
	if wait {
		return nil, nil, at, s.stream.Inconsistent("kinesis:ListShards", "IncompleteListing",
			"its open shards do not hold every key, or a parent is open or has other keys")
	}
	if closed = lineage.ClosedIn(shards); len(closed) == 0 {
		return shards, closed, at, nil
	}
	again, _, err := s.catalog.List(ctx)
	if err != nil {
		return nil, nil, at, err
	}
	twice := lineage.ClosedIn(again)
	for id := range closed {
		if !twice[id] {
			delete(closed, id)
		}
	}
	return shards, closed, at, nil
}
