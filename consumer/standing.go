package consumer

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/aws/smithy-go"

	"kinesis-alerter/internal/answer"
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
	// trouble is the error code of the last call of Kinesis; nil when that one succeeded, and before the first one.
	trouble atomic.Pointer[string]
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
func (s *standing) failed(err error) { s.trouble.Store(new(readCode(err))) }

func (s *standing) succeeded() {
	if s.trouble.Load() != nil {
		s.trouble.Store(nil)
	}
}

func (s *standing) code() string {
	if code := s.trouble.Load(); code != nil {
		return *code
	}
	return ""
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
