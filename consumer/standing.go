package consumer

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aws/smithy-go"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/awsfault"
)

// What a shard waits for before it can read on, as ShardStatus tells it. A pause between two reads is none of it.
const (
	// WaitsForState: a snapshot in DynamoDB, without which evaluation cannot begin.
	WaitsForState = "state"
	// WaitsForKinesis: the answer of a call.
	WaitsForKinesis = "kinesis"
	// WaitsForMemory: byte credits of the process, which the records of all shards have taken whose alerts wait.
	WaitsForMemory = "memory"
	// WaitsForAlerts: room among the shard's own records whose alerts wait.
	WaitsForAlerts = "alerts"
)

// standing is what a shard's goroutine stands at, for others to see. It costs a page two atomic writes, and a record nothing.
type standing struct {
	at atomic.Uint32 // a stand
	// trouble is the failures in a row up to the last call of Kinesis; nil when that one succeeded, and before the first one.
	trouble atomic.Pointer[trouble]
	// throttled and evaluating are times, in nanoseconds since 1970: when Kinesis throttled a call for the last time, and since
	// when the shard's goroutine has been in the evaluator without a wait in between. 0 is never.
	throttled, evaluating atomic.Int64
}

// trouble is what calls of Kinesis in a row came to.
type trouble struct {
	code  string // of the last one
	since time.Time
}

type stand uint32

const (
	standsAtState stand = iota // before anything was read
	standsAtNothing
	standsAtKinesis
	standsAtMemory
)

func (s *standing) enter(at stand) { s.at.Store(uint32(at)) }

// waitsFor is what the shard waits for; alerts says that it waits for room among its own.
func (s *standing) waitsFor(alerts bool) string {
	switch {
	case alerts:
		return WaitsForAlerts
	case stand(s.at.Load()) == standsAtState:
		return WaitsForState
	case stand(s.at.Load()) == standsAtKinesis:
		return WaitsForKinesis
	case stand(s.at.Load()) == standsAtMemory:
		return WaitsForMemory
	}
	return ""
}

// failed notes an error of Kinesis, succeeded an answer.
func (s *standing) failed(now time.Time, err error) {
	t := &trouble{code: readCode(err), since: now}
	if before := s.trouble.Load(); before != nil {
		t.since = before.since
	}
	s.trouble.Store(t)
}

func (s *standing) succeeded() {
	if s.trouble.Load() != nil {
		s.trouble.Store(nil)
	}
}

// code is why the last call failed, and since the time of the first failure in a row; both are zero while calls succeed.
func (s *standing) code() (code string, since time.Time) {
	if t := s.trouble.Load(); t != nil {
		return t.code, t.since
	}
	return "", time.Time{}
}

// evaluates notes that the evaluator begins with something now, and idles that it does not work.
func (s *standing) evaluates() { s.evaluating.Store(time.Now().UnixNano()) }
func (s *standing) idles()     { s.evaluating.Store(0) }

// instant is a time of a standing.
func instant(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

// readCode names the error of a call of Kinesis: its code, or that the answer was bad, or that there was none.
func readCode(err error) string {
	if answer.Is(err) {
		return answer.Code
	}
	if apiErr, ok := errors.AsType[smithy.APIError](err); ok {
		return apiErr.ErrorCode()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "unreachable"
}

// ReadRemedy is what an operator does about an error code of Kinesis, or about reads without an answer.
func ReadRemedy(code string) string {
	switch code {
	case answer.Code:
		return "check AWS_ENDPOINT_URL, proxies and the network: what answers there is not AWS, or AWS is unwell"
	case "timeout", "unreachable", "":
		return "if it does not pass: check the network, DNS, proxies, AWS_REGION and AWS_ENDPOINT_URL"
	}
	remedy := awsfault.Of(code).Remedy(awsfault.Resource{
		Name: "the stream", Actions: "kinesis:GetRecords and kinesis:GetShardIterator", KeyActions: "kms:Decrypt",
		Crowded: "see who else reads the stream: Kinesis allows five reads a second and 2 MB/s a shard to all readers together; " +
			"set processing.poll_interval to 1s in each application, or take a reader away",
		Found: "the stream or the shard does not exist: was it deleted, or is AWS_REGION another one?",
	})
	return cmp.Or(remedy, "if it does not pass: see AWS' health page")
}
