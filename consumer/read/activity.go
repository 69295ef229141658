package read

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

// What a shard waits for before it can read. A pause between two reads is not such a wait.
const (
	// WaitsForState: a snapshot in DynamoDB, without which evaluation cannot begin.
	WaitsForState = "state"
	// WaitsForKinesis: the answer of a call.
	WaitsForKinesis = "kinesis"
	// WaitsForMemory: the byte budget of the process. Records of all shards whose alerts wait have used it up.
	WaitsForMemory = "memory"
	// WaitsForAlerts: room among the shard's own records whose alerts wait.
	WaitsForAlerts = "alerts"
	// WaitsForOutputs: room among the records that wait for an output stream.
	WaitsForOutputs = "outputs"
)

// Activity is what a shard's goroutine does, for others to see. It costs a page two atomic writes, and a record
// nothing.
type Activity struct {
	at atomic.Uint32 // a place: what the goroutine does
	// trouble is the failures in a row up to the last call of Kinesis; nil after one that succeeded.
	trouble atomic.Pointer[trouble]
	// throttled and evaluating are times, in nanoseconds since 1970: when Kinesis last throttled a call, and since when
	// the evaluator has been at work without a wait in between. 0 is never.
	throttled, evaluating atomic.Int64
}

// trouble is a number of calls of Kinesis in a row that failed.
type trouble struct {
	code  string // of the last one
	since time.Time
}

// Status is what a shard waits for, and how its reads fare.
type Status struct {
	// WaitsFor is one of the constants of that name, or empty.
	WaitsFor string `json:"waits_for,omitempty"`
	// ReadError is why the last call of Kinesis failed: its error code, timeout or unreachable; empty when it
	// succeeded.
	ReadError string `json:"read_error,omitempty"`
	// ReadFailing is when the first of the failures in a row was; zero while calls succeed.
	ReadFailing time.Time `json:"read_failing,omitzero"`
	// Throttled is when Kinesis last throttled a call; zero for never.
	Throttled time.Time `json:"throttled,omitzero"`
	// Evaluating is since when the evaluator has been at work without a wait in between; zero while it is not.
	Evaluating time.Time `json:"evaluating,omitzero"`
}

type place uint32

const (
	atState place = iota // before anything was read
	atNothing
	atKinesis
	atMemory
)

func (a *Activity) enter(at place) { a.at.Store(uint32(at)) }

// StateLoaded ends the wait for the state.
func (a *Activity) StateLoaded() { a.enter(atNothing) }

// Status reads the activity; room is WaitsForAlerts or WaitsForOutputs where the shard waits for such room. Safe for
// concurrent use.
func (a *Activity) Status(room string) Status {
	code, since := a.failing()
	return Status{
		WaitsFor: cmp.Or(room, a.waitsFor()), ReadError: code, ReadFailing: since,
		Throttled: instant(a.throttled.Load()), Evaluating: instant(a.evaluating.Load()),
	}
}

// waitsFor returns what the shard waits for before it can read.
func (a *Activity) waitsFor() string {
	return [...]string{WaitsForState, "", WaitsForKinesis, WaitsForMemory}[a.at.Load()]
}

// failed records an error of Kinesis, succeeded an answer.
func (a *Activity) failed(now time.Time, err error) {
	t := &trouble{code: readCode(err), since: now}
	if before := a.trouble.Load(); before != nil {
		t.since = before.since
	}
	a.trouble.Store(t)
}

func (a *Activity) succeeded() {
	if a.trouble.Load() != nil {
		a.trouble.Store(nil)
	}
}

// failing returns why the last call failed, and the time of the first failure in a row; both are zero while calls
// succeed.
func (a *Activity) failing() (code string, since time.Time) {
	if t := a.trouble.Load(); t != nil {
		return t.code, t.since
	}
	return "", time.Time{}
}

// StartEvaluating records that the evaluator gets something to do.
func (a *Activity) StartEvaluating() { a.evaluating.Store(time.Now().UnixNano()) }

// StopEvaluating records that the evaluator is done, or that its shard waits.
func (a *Activity) StopEvaluating() { a.evaluating.Store(0) }

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

// Remedy returns what an operator does about an error code of Kinesis, or about reads without an answer. role is
// as whom the stream is read; empty for the process itself.
func Remedy(code, role string) string {
	switch code {
	case answer.Code:
		return "check AWS_ENDPOINT_URL, proxies and the network: what answers there is not AWS, or AWS has a fault"
	case "timeout", "unreachable", "":
		return "if it does not pass: check the network, DNS, proxies, AWS_REGION and AWS_ENDPOINT_URL"
	}
	remedy := awsfault.Of(code).Remedy(awsfault.Stream().By(role))
	return cmp.Or(remedy, "if it does not pass: see AWS' health page")
}
