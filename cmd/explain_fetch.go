package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/payload"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/awsfault"
	"kinesis-alerter/internal/sleep"
)

// explainRecord explains a record as evaluation sees it.
func explainRecord(pipeline *alert.Pipeline, u *decode.UserRecord) alert.Explanation {
	if !u.Undecidable() {
		return pipeline.Explain(&u.Record)
	}
	d := u.Decide(alert.Poison)
	e := alert.Explanation{
		Shard: u.Shard, PartitionKey: u.PartitionKey, SequenceNumber: u.SequenceNumber, SubSequence: u.SubSequence, Arrival: u.Arrival,
		Outcome: d.Outcome, Reason: d.Reason,
	}
	if u.Err != nil {
		e.Likely = payload.LikelyAggregate
	}
	return e
}

// recordReader reads one record of a stream.
type recordReader struct {
	client          *kinesis.Client
	stream          consumer.Config
	shard, sequence string
}

const (
	// readBudget is how long a record is tried to be read, through throttling and failures that pass.
	readBudget = 10 * time.Second
	// readAttempt bounds one call.
	readAttempt = 5 * time.Second
)

// errPasses marks a failure that may pass.
var errPasses = errors.New("this usually passes; try again")

func (r *recordReader) read(ctx context.Context) (*alert.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, readBudget)
	defer cancel()
	iterator := ""
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		rec, next, err := r.attempt(ctx, iterator)
		if rec != nil || err != nil && !errors.Is(err, errPasses) {
			return rec, err
		}
		iterator = next // an answer without records: they may come with the next
		if !sleep.For(ctx, wait) {
			if err == nil {
				err = fmt.Errorf("shard %s answers without records: %w", r.shard, errPasses)
			}
			return nil, err
		}
	}
}

// attempt makes one call of GetRecords, on a new iterator where there is none. Without record and error it returns the
// iterator to go on with.
func (r *recordReader) attempt(ctx context.Context, iterator string) (rec *alert.Record, next string, err error) {
	ctx, cancel := context.WithTimeout(answer.With(ctx, &answer.Expect{Shard: r.shard, AnyTime: true}), readAttempt)
	defer cancel()
	if iterator == "" {
		in := &kinesis.GetShardIteratorInput{
			ShardId: &r.shard, ShardIteratorType: kinesistypes.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &r.sequence,
		}
		in.StreamName, in.StreamARN = r.name()
		out, err := r.client.GetShardIterator(ctx, in)
		if err != nil {
			return nil, "", r.failed(err)
		}
		iterator = aws.ToString(out.ShardIterator)
	}
	in := &kinesis.GetRecordsInput{ShardIterator: &iterator, Limit: aws.Int32(1)}
	_, in.StreamARN = r.name()
	out, err := r.client.GetRecords(ctx, in)
	if err != nil {
		return nil, "", r.failed(err)
	}
	if len(out.Records) == 0 {
		if out.NextShardIterator == nil || aws.ToInt64(out.MillisBehindLatest) == 0 {
			return nil, "", fmt.Errorf("shard %s has no record with the number %s, and none behind it: the number is of another shard, or the retention "+
				"of the stream has passed since. A payload that you have elsewhere can be explained with --data FILE", r.shard, r.sequence)
		}
		return nil, aws.ToString(out.NextShardIterator), nil
	}
	answer.Untime(out.Records, answer.Time(out.ResultMetadata, time.Now()))
	got := &out.Records[0]
	if number := aws.ToString(got.SequenceNumber); number != r.sequence {
		return nil, "", fmt.Errorf("shard %s has no record with the number %s (any more): the next one is %s, arrived %s. The retention of the stream "+
			"has passed, or the number is of another shard. A payload that you have elsewhere can be explained with --data FILE",
			r.shard, r.sequence, number, recordArrival(got, answer.Time(out.ResultMetadata, time.Now())).Format(time.RFC3339))
	}
	return &alert.Record{
		Shard: r.shard, PartitionKey: aws.ToString(got.PartitionKey), SequenceNumber: r.sequence,
		Arrival: recordArrival(got, answer.Time(out.ResultMetadata, time.Now())), Data: got.Data,
	}, "", nil
}

// name is how the stream is called: by ARN where that is configured.
func (r *recordReader) name() (name, arn *string) {
	if r.stream.StreamARN != "" {
		return nil, &r.stream.StreamARN
	}
	return &r.stream.StreamName, nil
}

// failed says what to do about an error of Kinesis. What may pass wraps errPasses.
func (r *recordReader) failed(err error) error {
	if _, invalid := errors.AsType[*kinesistypes.InvalidArgumentException](err); invalid {
		return fmt.Errorf("shard %s has no record with the number %s: is the number of another shard? Messages, dead letters and log lines "+
			"name the two together: %w", r.shard, r.sequence, err)
	}
	if _, missing := errors.AsType[*kinesistypes.ResourceNotFoundException](err); missing {
		return fmt.Errorf("there is no stream %s with a shard %s (any more); kinesis-alerter leases list shows the shards: %w",
			cmp.Or(r.stream.StreamARN, r.stream.StreamName), r.shard, err)
	}
	api, answered := errors.AsType[smithy.APIError](err)
	if !answered || passes(err) {
		return fmt.Errorf("reading shard %s: %w: %w", r.shard, errPasses, err)
	}
	if awsfault.Of(api.ErrorCode()) == awsfault.Denied {
		return fmt.Errorf("reading shard %s needs kinesis:GetShardIterator and kinesis:GetRecords on the stream, and kms:Decrypt where it is "+
			"encrypted: %w", r.shard, err)
	}
	return fmt.Errorf("reading shard %s: %w", r.shard, err)
}

// passes says whether a call of Kinesis can be made again in the hope of another answer.
func passes(err error) bool {
	if answer.Is(err) || isThrottling(err) {
		return true
	}
	if _, expired := errors.AsType[*kinesistypes.ExpiredIteratorException](err); expired {
		return true
	}
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && response.HTTPStatusCode() >= http.StatusInternalServerError
}

// forgetIDs leaves out alert ids that would be wrong.
func forgetIDs(e *alert.Explanation) {
	if e.Publishes != nil {
		e.Publishes.AlertID = ""
	}
	for i := range e.Rules {
		for j := range e.Rules[i].Publishes {
			e.Rules[i].Publishes[j].AlertID = ""
		}
	}
}
