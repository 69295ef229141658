package checkpoint

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/awsfault"
)

// Causes of the end of a lease, as context.Cause of Lease.Context tells them.
var (
	// ErrLeaseLost: this process may no longer act on the shard. Stop at once; nothing that was not yet committed
	// will be.
	ErrLeaseLost = errors.New("lease lost")
	// ErrLeaseHandedOff: the shard belongs to the worker that HandOff named in the table.
	ErrLeaseHandedOff = errors.New("lease handed off")
	// ErrLeaseReleased: Release or Stop gave the lease back.
	ErrLeaseReleased = errors.New("lease released")
	// ErrShardGone: the stream no longer lists the shard.
	ErrShardGone = errors.New("shard is no longer in the stream")
	// ErrShardEnded: Finish wrote SHARD_END.
	ErrShardEnded = errors.New("shard ended")
)

// Faults for which Run returns. None of them mends itself.
var (
	// ErrOtherStream: the table's progress belongs to another stream, or to one that was deleted and created anew.
	ErrOtherStream = errors.New("lease table belongs to another stream")
	// ErrForeignTable: the table holds rows that this program did not write.
	ErrForeignTable = errors.New("table is not a lease table of kinesis-alerter")
	// ErrFormat: the table was written by a version with another row format.
	ErrFormat = errors.New("lease table has another format")
)

// ErrStateTooLarge is the reason of a SaveState with more than MaxState bytes.
var ErrStateTooLarge = errors.New("state is too large to be stored")

// ErrStateAhead is the reason of a SaveState of a position that was not offered yet. A stored state never includes more
// than the stored checkpoint: what it includes beyond would be resolved by nobody after a restart.
var ErrStateAhead = errors.New("state is ahead of the progress that was offered")

// StateError is a stored snapshot that cannot be had back.
type StateError struct{ Shard, Version, Table, What string }

func (e *StateError) Error() string {
	return fmt.Sprintf("state of shard %s, version %s in table %s, is lost: %s", e.Shard, e.Version, e.Table, e.What)
}

// ErrNoHandoff is the answer of HandOff when no handoff is requested, or no longer.
var ErrNoHandoff = errors.New("no handoff is requested")

var (
	errTableGone   = errors.New("lease table is gone")
	errStopped     = errors.New("store stopped")
	errRowVanished = errors.New("row vanished")
	errNoSummary   = errors.New("the answer has no summary")
)

// ConfigError is one value that cannot be.
type ConfigError struct {
	Field string // path in the configuration file, such as "leases.duration"
	Value any
	Rule  string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Field, e.Value, e.Rule) }

// ConfigField is the path of the value in the configuration file.
func (e *ConfigError) ConfigField() string { return e.Field }

// callError is a call that failed, with the resource that it was about, such as "table heart-rate-alerts".
type callError struct {
	err      error
	resource string
}

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// errorCode names an error of a call in one word: the service's code, that the answer was bad, or that
// there was none.
func errorCode(err error) string {
	if answer.Is(err) {
		return answer.Code
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, ErrFormat):
		return "AnotherFormat"
	case errors.Is(err, ErrForeignTable):
		return "ForeignTable"
	}
	return "unreachable"
}

// fault says what is wrong with a call.
func fault(permission, resource string, err error) error {
	return &callError{awsfault.Explain(err, permission, resource), resource}
}

// isDenied reports whether a permission is missing.
func isDenied(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && awsfault.Of(api.ErrorCode()) == awsfault.Denied
}

// isFatal reports whether waiting cannot help.
func isFatal(err error) bool {
	return errors.Is(err, ErrOtherStream) || errors.Is(err, ErrForeignTable) || errors.Is(err, ErrFormat)
}

// isOver reports whether err says that a lease had ended already, so that there is nothing left to do for it.
func isOver(err error) bool {
	return errors.Is(err, ErrLeaseLost) || errors.Is(err, ErrLeaseHandedOff) || errors.Is(err, ErrLeaseReleased) || errors.Is(err, ErrShardEnded)
}

func isNotFound(err error) bool {
	var nf *types.ResourceNotFoundException
	return errors.As(err, &nf)
}

// refused reports whether a condition did not hold, and the row as it was if the service told.
func refused(err error) (map[string]types.AttributeValue, bool) {
	var ccf *types.ConditionalCheckFailedException
	if !errors.As(err, &ccf) {
		return nil, false
	}
	return ccf.Item, true
}

// cause is why a context ended, never nil for one that did.
func cause(ctx context.Context) error { return context.Cause(ctx) }
