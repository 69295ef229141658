package produce

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/arns"
	"kinesis-alerter/internal/awsfault"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/sleep"
)

const (
	// callTimeout bounds a call. It is long: whether the stream took a call that was given up is not known.
	callTimeout = 30 * time.Second
	// lastAnswer is how long a stop waits for the answer to a call that is under way.
	lastAnswer = 2 * time.Second
	// patience is how long calls may fail before the sender gives up: a restart and an outage that passes take less.
	patience = 2 * time.Minute
	// shortestWait and longestWait are between two calls where the first failed, or the stream refused some of it.
	shortestWait, longestWait = 50 * time.Millisecond, 2 * time.Second
	// mostPerPut and mostBytesPerPut are Kinesis' limits of a PutRecords call.
	mostPerPut, mostBytesPerPut = 500, 10 << 20
)

// sender puts batches into a stream. A call that fails for a while is made again. The zero value but for Client and
// Stream is ready.
type sender struct {
	Client *kinesis.Client
	// Stream is a name or an ARN.
	Stream string
	// Trouble, if set, gets the error that has calls repeated, and nil when they are answered again.
	Trouble func(error)

	repeated int // records of calls without an answer, which were put again
	failing  bool
	wait     time.Duration // before the next call
}

// result is what became of one record of a batch: a place in a shard, or a refusal.
type result struct {
	Shard, Sequence string
	Refused         bool
}

// send puts a batch once the stream answers. It returns nil when ctx ends before. The end of ctx does not cut a call
// short at once, so that the count is right. A call that takes longer than lastAnswer is given up with an error: it is
// not known whether the stream took the batch.
func (s *sender) send(ctx context.Context, batch []types.PutRecordsRequestEntry) ([]result, error) {
	for began := time.Now(); ; {
		if s.wait > 0 && !sleep.For(ctx, s.wait) || ctx.Err() != nil {
			return nil, nil //nolint:nilerr // the end of ctx is none
		}
		out, err := s.call(ctx, batch)
		switch {
		case err == nil:
			if s.failing {
				s.tell(nil)
			}
			return s.results(out), nil
		case !passes(err):
			return nil, awsfault.Advise(err, "PutRecords", "stream "+s.Stream)
		case time.Since(began) > patience:
			return nil, fmt.Errorf(
				"no success for %s: %w", patience, awsfault.Advise(err, "PutRecords", "stream "+s.Stream),
			)
		}
		if (!answered(err) || answer.Is(err)) && sent(err) {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("interrupted before the stream answered the last call, so that it may have %s "+
					"more: %w", config.Plural(len(batch), "record"), err)
			}
			s.repeated += len(batch)
		}
		if !s.failing {
			s.tell(err)
		}
		s.backOff()
	}
}

func (s *sender) call(ctx context.Context, batch []types.PutRecordsRequestEntry) (*kinesis.PutRecordsOutput, error) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if sleep.For(call, lastAnswer) {
			cancel()
		}
	})
	defer stop()
	in := &kinesis.PutRecordsInput{Records: batch}
	if arns.Region(s.Stream) != "" {
		in.StreamARN = &s.Stream
	} else {
		in.StreamName = &s.Stream
	}
	out, err := s.Client.PutRecords(call, in)
	if err == nil && len(out.Records) != len(batch) {
		return nil, fmt.Errorf("the answer is about %d records, and %d were put", len(out.Records), len(batch))
	}
	return out, err
}

// results reads an answer. After one with refusals the next call waits: the shard gets more than it takes.
func (s *sender) results(out *kinesis.PutRecordsOutput) []result {
	all, refused := make([]result, len(out.Records)), false
	for i, r := range out.Records {
		all[i] = result{aws.ToString(r.ShardId), aws.ToString(r.SequenceNumber), r.ErrorCode != nil}
		refused = refused || all[i].Refused
	}
	if refused {
		s.backOff()
	} else {
		s.wait = 0
	}
	return all
}

func (s *sender) backOff() { s.wait = min(max(2*s.wait, shortestWait), longestWait) }

func (s *sender) tell(err error) {
	s.failing = err != nil
	if s.Trouble != nil {
		s.Trouble(err)
	}
}

// passes reports whether a failure may be over soon.
func passes(err error) bool {
	if _, none := errors.AsType[*credentials.Error](err); none {
		return false
	}
	if !answered(err) {
		return true
	}
	if res, ok := errors.AsType[*awshttp.ResponseError](err); ok &&
		res.HTTPStatusCode() >= http.StatusInternalServerError {
		return true
	}
	api, coded := errors.AsType[smithy.APIError](err)
	if !coded {
		return true // an answer that cannot be read
	}
	kind := awsfault.Of(api.ErrorCode())
	return kind == awsfault.Throttled || kind == awsfault.KMSThrottled || kind == awsfault.Unavailable
}

// sent reports whether the service may have the call: there was a connection.
func sent(err error) bool {
	network, ok := errors.AsType[*net.OpError](err)
	return !ok || network.Op != "dial"
}

// answered reports whether the service sent anything back.
func answered(err error) bool {
	_, coded := errors.AsType[smithy.APIError](err)
	res, ok := errors.AsType[*awshttp.ResponseError](err)
	return coded || ok && res.HTTPStatusCode() > 0
}
