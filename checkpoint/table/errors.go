package table

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/awsfault"
	"kinesis-alerter/internal/credentials"
)

// Faults for which Run returns. None of them goes away by itself.
var (
	// ErrOtherStream: the table's progress belongs to another stream, or to one that was deleted and recreated.
	ErrOtherStream = errors.New("lease table belongs to another stream")
	// ErrForeignTable: the table holds rows that this program did not write.
	ErrForeignTable = errors.New("table is not a lease table of kinesis-alerter")
	// ErrFormat: the table was written by a version with another row format.
	ErrFormat = errors.New("lease table has another format")
)

// CallError is a call that failed, with the resource that it was about, such as "table heart-rate-alerts".
type CallError struct {
	err      error
	Resource string
}

func (e *CallError) Error() string { return e.err.Error() }

func (e *CallError) Unwrap() error { return e.err }

// Fault returns what is wrong with a call.
func Fault(permission, resource string, err error) error {
	return &CallError{awsfault.Explain(err, permission, resource), resource}
}

// IsDenied reports whether a permission is missing.
func IsDenied(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && awsfault.Of(api.ErrorCode()) == awsfault.Denied
}

// IsNotFound reports whether a call says that there is no such table.
func IsNotFound(err error) bool {
	var nf *types.ResourceNotFoundException
	return errors.As(err, &nf)
}

// Refused reports whether a condition did not hold, and the row as it was if the service sent it.
func Refused(err error) (map[string]types.AttributeValue, bool) {
	var ccf *types.ConditionalCheckFailedException
	if !errors.As(err, &ccf) {
		return nil, false
	}
	return ccf.Item, true
}

// ErrGone is why a table that was there once is not created again.
var ErrGone = errors.New("lease table is gone")

// Code names an error of a call in one word: the service's code, that the answer was bad, or that
// there was none.
func Code(err error) string {
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

// IsFatal reports whether waiting cannot help.
func IsFatal(err error) bool {
	return errors.Is(err, ErrOtherStream) || errors.Is(err, ErrForeignTable) ||
		errors.Is(err, ErrFormat)
}

// RefusesCredentials reports whether AWS does not accept the credentials: for good, or not yet, which cannot be
// distinguished.
func RefusesCredentials(err error) bool {
	code, blamed := credentials.Blames(err)
	return blamed && code != credentials.CodeUnavailable
}

// FaultText is the text by which faults are distinguished, without request ids, which differ every time.
func FaultText(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if op, ok := errors.AsType[*smithy.OperationError](err); ok {
			return op.OperationName + " " + api.ErrorCode() + " " + api.ErrorMessage()
		}
		return api.ErrorCode() + " " + api.ErrorMessage()
	}
	return err.Error()
}
