package rehearse

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
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/sleep"
)

// ExplainRecord explains a record as evaluation sees it.
func ExplainRecord(pipeline *alert.Pipeline, u *decode.UserRecord) alert.Explanation {
	if !u.Undecidable() {
		return pipeline.Explain(new(u.Kept()))
	}
	d := u.Decide(alert.Poison)
	e := alert.Explanation{
		Shard: u.Shard, PartitionKey: u.PartitionKey, SequenceNumber: u.SequenceNumber, SubSequence: u.SubSequence,
		Arrival: u.Arrival,
		Outcome: d.Outcome, Reason: d.Reason,
	}
	if fault, ok := errors.AsType[*payload.Fault](u.Err); ok {
		if e.Detail = fault.Detail; fault.Defect == payload.BadAggregate {
			e.Likely = payload.LikelyAggregate
		}
	}
	return e
}

// Hint looks once more at a record that cannot be read, for an explanation of it.
func Hint(ctx context.Context, e *alert.Explanation, u *decode.UserRecord) {
	if e.Likely != "" || e.Detail != "" {
		e.Hint = u.Hint(ctx)
	}
}

// RecordReader reads one record of a stream.
type RecordReader struct {
	Client          *kinesis.Client
	Stream          consumer.Config
	Shard, Sequence string
}

const (
	// ReadBudget is how long a record is tried to be read, through throttling and failures that pass.
	ReadBudget = 10 * time.Second
	// ReadAttempt bounds one call.
	ReadAttempt = 5 * time.Second
)

// errPasses marks a failure that may pass.
var errPasses = errors.New("this usually passes; try again")

func (r *RecordReader) Read(ctx context.Context) (*alert.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, ReadBudget)
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
				err = fmt.Errorf("shard %s answers without records: %w", r.Shard, errPasses)
			}
			return nil, err
		}
	}
}

// attempt makes one call of GetRecords, on a new iterator where there is none. Without record and error it returns the
// iterator to continue with.
func (r *RecordReader) attempt(ctx context.Context, iterator string) (rec *alert.Record, next string, err error) {
	ctx, cancel := context.WithTimeout(answer.With(ctx, &answer.Expect{Shard: r.Shard, AnyTime: true}), ReadAttempt)
	defer cancel()
	if iterator == "" {
		in := &kinesis.GetShardIteratorInput{
			ShardId: &r.Shard, ShardIteratorType: kinesistypes.ShardIteratorTypeAtSequenceNumber,
			StartingSequenceNumber: &r.Sequence,
		}
		in.StreamName, in.StreamARN = r.Name()
		out, err := r.Client.GetShardIterator(ctx, in)
		if err != nil {
			return nil, "", r.Failed(err)
		}
		iterator = aws.ToString(out.ShardIterator)
	}
	in := &kinesis.GetRecordsInput{ShardIterator: &iterator, Limit: aws.Int32(1)}
	_, in.StreamARN = r.Name()
	out, err := r.Client.GetRecords(ctx, in)
	if err != nil {
		return nil, "", r.Failed(err)
	}
	if len(out.Records) == 0 {
		if out.NextShardIterator == nil || aws.ToInt64(out.MillisBehindLatest) == 0 {
			return nil, "",
				fmt.Errorf("shard %s has no record with the number %s, and none behind it: the number is of another "+
					"shard, or the retention "+
					"of the stream has passed since. A payload that you have elsewhere can be explained with "+
					"--data FILE", r.Shard, r.Sequence)
		}
		return nil, aws.ToString(out.NextShardIterator), nil
	}
	answer.Untime(out.Records, answer.Time(out.ResultMetadata, time.Now()))
	got := &out.Records[0]
	if number := aws.ToString(got.SequenceNumber); number != r.Sequence {
		return nil, "",
			fmt.Errorf("shard %s has no record with the number %s (any more): the next one is %s, arrived %s. The "+
				"retention of the stream "+
				"has passed, or the number is of another shard. A payload that you have elsewhere can be explained "+
				"with --data FILE",
				r.Shard, r.Sequence, number, recordArrival(got,
					answer.Time(out.ResultMetadata, time.Now())).Format(time.RFC3339))
	}
	return &alert.Record{
		Shard: r.Shard, PartitionKey: aws.ToString(got.PartitionKey), SequenceNumber: r.Sequence,
		Arrival: recordArrival(got, answer.Time(out.ResultMetadata, time.Now())), Data: got.Data,
	}, "", nil
}

// Name is how the stream is called: by ARN where that is configured.
func (r *RecordReader) Name() (name, arn *string) {
	if r.Stream.StreamARN != "" {
		return nil, &r.Stream.StreamARN
	}
	return &r.Stream.StreamName, nil
}

// Failed returns what to do about an error of Kinesis. What may pass wraps errPasses.
func (r *RecordReader) Failed(err error) error {
	if _, invalid := errors.AsType[*kinesistypes.InvalidArgumentException](err); invalid {
		return fmt.Errorf("shard %s has no record with the number %s: is the number of another shard? Messages, "+
			"dead letters and log lines "+
			"name the two together: %w", r.Shard, r.Sequence, err)
	}
	if _, missing := errors.AsType[*kinesistypes.ResourceNotFoundException](err); missing {
		return fmt.Errorf("there is no stream %s with a shard %s (any more); kinesis-alerter leases list shows the "+
			"shards: %w",
			cmp.Or(r.Stream.StreamARN, r.Stream.StreamName), r.Shard, err)
	}
	if _, none := errors.AsType[*credentials.Error](err); none {
		return fmt.Errorf("reading shard %s: %w", r.Shard, awsfault.Explain(err, "", "the stream"))
	}
	api, answered := errors.AsType[smithy.APIError](err)
	if !answered || passes(err) {
		return fmt.Errorf("reading shard %s: %w: %w", r.Shard, errPasses, err)
	}
	if awsfault.Of(api.ErrorCode()) == awsfault.Denied {
		return fmt.Errorf("reading shard %s needs kinesis:GetShardIterator and kinesis:GetRecords on the stream, "+
			"and kms:Decrypt where it is "+
			"encrypted%s: %w", r.Shard, awsfault.Granted(err), err)
	}
	return fmt.Errorf("reading shard %s: %w", r.Shard, err)
}

// passes reports whether a call of Kinesis can be made again in the hope of another answer.
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

// ForgetIDs leaves out alert ids that would be wrong.
func ForgetIDs(e *alert.Explanation) {
	if e.Publishes != nil {
		e.Publishes.AlertID = ""
	}
	for i := range e.Rules {
		for j := range e.Rules[i].Publishes {
			e.Rules[i].Publishes[j].AlertID = ""
		}
	}
}
