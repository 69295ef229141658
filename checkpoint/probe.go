package checkpoint

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// iterator asks for an iterator of a shard, at a sequence number for those kinds that want one.
func (s *Store) iterator(ctx context.Context, shard string, kind types.ShardIteratorType, sequence *string) (*string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*callTimeout)
	defer cancel()
	in := &kinesis.GetShardIteratorInput{ShardId: &shard, ShardIteratorType: kind, StartingSequenceNumber: sequence}
	in.StreamName, in.StreamARN = s.streamID()
	out, err := s.stream.GetShardIterator(ctx, in)
	if err != nil {
		return nil, err
	}
	if aws.ToString(out.ShardIterator) == "" {
		return nil, errors.New("GetShardIterator named no iterator")
	}
	return out.ShardIterator, nil
}

// exists asks Kinesis for a shard that its listings do not show.
func (s *Store) exists(ctx context.Context, shard string) (bool, error) {
	_, err := s.iterator(ctx, shard, types.ShardIteratorTypeTrimHorizon, nil)
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
		return false, nil
	}
	if err != nil {
		return false, fault("kinesis:GetShardIterator", "shard "+shard, err)
	}
	return true, nil
}

// goesOn asks Kinesis whether a shard has a next iterator behind its last record, which a closed one has not.
func (s *Store) goesOn(ctx context.Context, shard string) (bool, error) {
	it, err := s.iterator(ctx, shard, types.ShardIteratorTypeLatest, nil)
	if err != nil {
		return false, fault("kinesis:GetShardIterator", "shard "+shard, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*callTimeout)
	defer cancel()
	in := &kinesis.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(1)}
	_, in.StreamARN = s.streamID()
	out, err := s.stream.GetRecords(ctx, in)
	if err != nil {
		return false, fmt.Errorf("read the tip: %w", fault("kinesis:GetRecords", "shard "+shard, err))
	}
	return aws.ToString(out.NextShardIterator) != "", nil
}
