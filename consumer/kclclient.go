package consumer

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
)

// kclClient makes the Kinesis client that the KCL worker sees. No call of it reaches the network: a middleware at the
// very front answers from what this process holds.
//
//   - ListShards: the shards that were granted; it blocks while there is nothing new, so an idle event loop is free.
//   - GetShardIterator: begins the shard's life here. The iterator is the shard's id.
//   - GetRecords: the next page, as one small carrier record; the page itself waits in the shard.
//
// The library therefore never paces, never decodes, never takes an aggregate apart and never sees an error that is
// not the end of its consumer.
func (c *Consumer) kclClient() *kinesis.Client {
	answer := middleware.InitializeMiddlewareFunc("kinesis-alerter", func(
		_ context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler,
	) (out middleware.InitializeOutput, meta middleware.Metadata, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = c.panicked(v)
			}
		}()
		switch p := in.Parameters.(type) {
		case *kinesis.ListShardsInput:
			out.Result = c.listShards()
		case *kinesis.GetShardIteratorInput:
			out.Result, err = c.beginShard(*p.ShardId)
		case *kinesis.GetRecordsInput:
			out.Result, err = c.carry(*p.ShardIterator) //nolint:contextcheck // the KCL passes context.TODO; the shard has its own
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

func (c *Consumer) listShards() *kinesis.ListShardsOutput {
	out := &kinesis.ListShardsOutput{}
	for _, id := range c.leases.Grants(c.readCtx) {
		// No parents: the KCL's own wait for them ignores stop and reads a missing row as a deleted parent
		// (defects 5 to 8). The lease table grants a child only when its parents have ended.
		out.Shards = append(out.Shards, types.Shard{
			ShardId:             &id,
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("0")},
		})
	}
	return out
}

func (c *Consumer) beginShard(id string) (*kinesis.GetShardIteratorOutput, error) {
	if err := c.begin(id); err != nil {
		return nil, err
	}
	return &kinesis.GetShardIteratorOutput{ShardIterator: &id}, nil
}

// carry answers GetRecords with a carrier record that stands for the page in shard.current.
func (c *Consumer) carry(id string) (*kinesis.GetRecordsOutput, error) {
	s := c.shard(id)
	if s == nil {
		return nil, errNoLease
	}
	p, err := s.nextPage()
	if err != nil {
		return nil, err
	}
	// One millisecond behind, so that the library does not sleep before it asks again.
	out := &kinesis.GetRecordsOutput{MillisBehindLatest: aws.Int64(1), NextShardIterator: &id}
	if p.proven {
		out.NextShardIterator = nil
	}
	s.hold(&p)
	out.Records = []types.Record{{
		Data: []byte("page"), PartitionKey: &id, SequenceNumber: aws.String("0"), ApproximateArrivalTimestamp: &p.at,
	}}
	return out, nil
}
