package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"kinesis-alerter/checkpoint/table"
)

// Client makes single calls on the stream, each with a deadline.
type Client struct {
	API       API
	Name, ARN string // the ARN wins
}

// label names the stream in messages.
func (k *Client) label() string { return "stream " + cmp.Or(k.Name, k.ARN) }

// summary is what a stream says of itself.
type summary struct {
	ARN       string
	Created   int64         // Unix seconds
	Retention time.Duration // of its records
	At        time.Time     // the service's own time of the answer, or ours if it has none
}

// Describe asks for the summary of the stream.
func (k *Client) Describe(ctx context.Context) (summary, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*table.CallTimeout)
	defer cancel()
	in := &kinesis.DescribeStreamSummaryInput{}
	in.StreamName, in.StreamARN = k.id()
	began := time.Now()
	out, err := k.API.DescribeStreamSummary(ctx, in)
	if err == nil && out.StreamDescriptionSummary == nil {
		err = errNoSummary
	}
	if err != nil {
		return summary{}, table.Fault("kinesis:DescribeStreamSummary", k.label(), err)
	}
	d := out.StreamDescriptionSummary
	return summary{
		ARN:       aws.ToString(d.StreamARN),
		Created:   aws.ToTime(d.StreamCreationTimestamp).Unix(),
		Retention: time.Duration(aws.ToInt32(d.RetentionPeriodHours)) * time.Hour,
		At:        answer.Time(out.ResultMetadata, began),
	}, nil
}

// List lists the whole stream. at is the service's own time of the first page, or ours if it has none.
func (k *Client) List(ctx context.Context) (shards []types.Shard, at time.Time, err error) {
	in := &kinesis.ListShardsInput{}
	in.StreamName, in.StreamARN = k.id()
	expect := &answer.Expect{Listed: map[string]bool{}}
	for ; ; expect.Page++ {
		begin := time.Now()
		out, err := k.listPage(answer.With(ctx, expect), in)
		if err != nil {
			return nil, time.Time{}, table.Fault("kinesis:ListShards", k.label(), err)
		}
		if expect.Page == 0 {
			at = answer.Time(out.ResultMetadata, begin)
		}
		shards = append(shards, out.Shards...)
		for i := range out.Shards {
			expect.Listed[aws.ToString(out.Shards[i].ShardId)] = true
		}
		if out.NextToken == nil {
			return shards, at, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

// id names the stream in a call.
func (k *Client) id() (name, arn *string) {
	if k.ARN != "" {
		return nil, &k.ARN
	}
	return &k.Name, nil
}

// iterator asks for an iterator of a shard, at a sequence number for those kinds that want one.
func (k *Client) iterator(ctx context.Context, shard string, kind types.ShardIteratorType, sequence *string) (*string,
	error,
) {
	ctx, cancel := context.WithTimeout(ctx, 3*table.CallTimeout)
	defer cancel()
	in := &kinesis.GetShardIteratorInput{ShardId: &shard, ShardIteratorType: kind, StartingSequenceNumber: sequence}
	in.StreamName, in.StreamARN = k.id()
	out, err := k.API.GetShardIterator(ctx, in)
	if err != nil {
		return nil, err
	}
	if aws.ToString(out.ShardIterator) == "" {
		return nil, errors.New("GetShardIterator named no iterator")
	}
	return out.ShardIterator, nil
}

// Exists asks Kinesis for a shard that its listings do not show.
func (k *Client) Exists(ctx context.Context, shard string) (bool, error) {
	_, err := k.iterator(ctx, shard, types.ShardIteratorTypeTrimHorizon, nil)
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
		return false, nil
	}
	if err != nil {
		return false, table.Fault("kinesis:GetShardIterator", "shard "+shard, err)
	}
	return true, nil
}

// GoesOn asks Kinesis whether a shard has a next iterator behind its last record, which a closed one has not.
func (k *Client) GoesOn(ctx context.Context, shard string) (bool, error) {
	it, err := k.iterator(ctx, shard, types.ShardIteratorTypeLatest, nil)
	if err != nil {
		return false, table.Fault("kinesis:GetShardIterator", "shard "+shard, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*table.CallTimeout)
	defer cancel()
	in := &kinesis.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(1)}
	_, in.StreamARN = k.id()
	out, err := k.API.GetRecords(ctx, in)
	if err != nil {
		return false, fmt.Errorf("read the tip: %w", table.Fault("kinesis:GetRecords", "shard "+shard, err))
	}
	return aws.ToString(out.NextShardIterator) != "", nil
}

func (k *Client) listPage(ctx context.Context, in *kinesis.ListShardsInput) (*kinesis.ListShardsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*table.CallTimeout)
	defer cancel()
	return k.API.ListShards(ctx, in)
}

// Place asks Kinesis for an iterator behind a position. It returns why the position is none of the shard's, or a remark
// for the operator.
func (k *Client) Place(ctx context.Context, shard, sequence string) (refused, note string) {
	_, err := k.iterator(ctx, shard, types.ShardIteratorTypeAfterSequenceNumber, &sequence)
	// it may pass
	for attempt := 0; err != nil && isInvalid(err) && attempt < 2 && sleep.For(ctx, sleep.Backoff(0)); attempt++ {
		_, err = k.iterator(ctx, shard, types.ShardIteratorTypeAfterSequenceNumber, &sequence)
	}
	switch {
	case err == nil:
		return "", ""
	case !isInvalid(err):
		return "", fmt.Sprintf("whether the shard has the checkpoint %s could not be checked: %v",
			table.Quoted(sequence), table.Fault("kinesis:GetShardIterator", "shard "+shard, err))
	}
	oldest, err := k.oldest(ctx, shard)
	switch at := (position.Position{Sequence: sequence, Sub: position.WholeRecord}); {
	case err != nil:
		return "", fmt.Sprintf("Kinesis refuses the checkpoint %s, and why could not be checked: %v",
			table.Quoted(sequence), err)
	case oldest == "":
		return "", fmt.Sprintf(
			"Kinesis refuses the checkpoint %s, and the shard holds no record: it starts at its first one",
			table.Quoted(sequence))
	case at.Compare(position.Position{Sequence: oldest}) < 0:
		return "", fmt.Sprintf(
			"the checkpoint %s has left the stream: the shard starts at the oldest record, those between are missed",
			table.Quoted(sequence))
	}
	return fmt.Sprintf("the checkpoint %s is beyond what the shard has: Kinesis refuses it", table.Quoted(sequence)), ""
}

func isInvalid(err error) bool {
	_, ok := errors.AsType[*types.InvalidArgumentException](err)
	return ok
}

// oldest is the sequence number of the oldest record that a shard holds, or nothing.
func (k *Client) oldest(ctx context.Context, shard string) (string, error) {
	it, err := k.iterator(ctx, shard, types.ShardIteratorTypeTrimHorizon, nil)
	for range 10 { // empty pages may come before it
		if err != nil {
			return "", table.Fault("kinesis:GetRecords", "shard "+shard, err)
		}
		if it == nil {
			return "", nil
		}
		page, cancel := context.WithTimeout(ctx, 5*table.CallTimeout)
		in := &kinesis.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(1)}
		_, in.StreamARN = k.id()
		var out *kinesis.GetRecordsOutput
		out, err = k.API.GetRecords(page, in)
		cancel()
		if err == nil {
			if len(out.Records) > 0 {
				return aws.ToString(out.Records[0].SequenceNumber), nil
			}
			if it = out.NextShardIterator; !sleep.For(ctx, 250*time.Millisecond) { // five calls a second
				return "", context.Cause(ctx)
			}
		}
	}
	return "", nil
}

var errNoSummary = errors.New("the answer has no summary")

// Inconsistent is a fault of answers that are well-formed but contradict each other. Callers retry.
func (k *Client) Inconsistent(permission, code, message string) error {
	return table.Fault(permission, k.label(), &smithy.GenericAPIError{Code: code, Message: message})
}

// API is what the lease table needs of Kinesis; *kinesis.Client has it.
type API interface {
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput,
		...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput,
		...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}
