package kcl

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
)

// client makes the Kinesis client that the library sees. A middleware in front of all others answers its calls.
func (w *Worker) client() *kinesis.Client {
	answer := middleware.InitializeMiddlewareFunc("kinesis-alerter", func(
		_ context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler,
	) (out middleware.InitializeOutput, meta middleware.Metadata, err error) {
		switch p := in.Parameters.(type) {
		case *kinesis.ListShardsInput:
			err = w.guarded("", func() error { out.Result = w.listShards(); return nil })
		case *kinesis.GetShardIteratorInput:
			out.Result = &kinesis.GetShardIteratorOutput{ShardIterator: p.ShardId}
			err = w.guarded(*p.ShardId, func() error { return w.shards.Begin(*p.ShardId) })
		case *kinesis.GetRecordsInput:
			out.Result, err = w.placeholder(*p.ShardIterator)
		default:
			err = fmt.Errorf("the KCL made an unexpected call: %T", p)
		}
		return out, meta, err
	})
	return kinesis.New(kinesis.Options{
		Region: "none", Credentials: aws.AnonymousCredentials{},
		APIOptions: []func(*middleware.Stack) error{func(s *middleware.Stack) error {
			return s.Initialize.Add(answer, middleware.Before)
		}},
	})
}

// stopPause is between two listings while the library is shut down and has not noticed.
const stopPause = 10 * time.Millisecond

// listShards lists the one shard to start next. The library starts one a listing, and looks at all that it was shown:
// with all shards of the process, thousands take it minutes. A shard that is no longer listed is forgotten by its event
// loop. Its consumer has a status of its own, and reads until Next ends it.
func (w *Worker) listShards() *kinesis.ListShardsOutput {
	id, ok := w.table.NextGrant(w.ctx)
	if !ok {
		<-time.After(stopPause)
		return &kinesis.ListShardsOutput{}
	}
	// No parents: the library's own wait for them ignores stop and reads a missing row as a deleted parent (defects 5
	// to 8). The lease table grants a child only when its parents have ended.
	return &kinesis.ListShardsOutput{Shards: []types.Shard{{
		ShardId: &id, SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("0")},
	}}}
}

// placeholder answers GetRecords with one record in place of the next page.
func (w *Worker) placeholder(id string) (*kinesis.GetRecordsOutput, error) {
	var at time.Time
	var last bool
	err := w.guarded(id, func() (err error) {
		at, last, err = w.shards.Next(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	// One millisecond behind, so that the library does not sleep before it asks again.
	out := &kinesis.GetRecordsOutput{MillisBehindLatest: aws.Int64(1), NextShardIterator: &id}
	if last {
		out.NextShardIterator = nil
	}
	out.Records = []types.Record{{
		Data: []byte("page"), PartitionKey: &id, SequenceNumber: aws.String("0"), ApproximateArrivalTimestamp: &at,
	}}
	return out, nil
}
