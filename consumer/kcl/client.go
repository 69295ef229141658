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

func (w *Worker) listShards() *kinesis.ListShardsOutput {
	out := &kinesis.ListShardsOutput{}
	for _, id := range w.table.Grants(w.ctx) {
		// No parents: the library's own wait for them ignores stop and reads a missing row as a deleted parent
		// (defects 5 to 8). The lease table grants a child only when its parents have ended.
		out.Shards = append(out.Shards, types.Shard{
			ShardId:             &id,
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("0")},
		})
	}
	return out
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
