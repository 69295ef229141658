package answer

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"
)

// Code names bad answers where other errors have their service's code.
const Code = "bad_answer"

// BadError is an answer that cannot be used. It says nothing about whether the operation took effect.
type BadError struct {
	Service, Operation string
	// What is wrong, without values of the answer.
	What string
	// Status is the HTTP status; 0 where it does not matter.
	Status int
	// Time says that the times of records are all that is wrong.
	Time bool
	// Err is the SDK's error, if it had one.
	Err error
}

func (e *BadError) Error() string {
	return "the answer of " + e.Service + " " + e.Operation + " cannot be used: " + e.What
}

func (e *BadError) Unwrap() error { return e.Err }

// RetryableError makes the SDK's retryer try again, whatever the status was.
func (*BadError) RetryableError() bool { return true }

// BadAnswer returns the HTTP status, for callers that know errors by their methods.
func (e *BadError) BadAnswer() int { return e.Status }

// Is reports whether err is a bad answer.
func Is(err error) bool {
	_, bad := errors.AsType[*BadError](err)
	return bad
}

// refusal is an error of a reader that did not want to read a body. It says nothing about the answer.
type refusal interface {
	error
	Unread() bool
}

const (
	// mostText is what is kept of a text of AWS, and mostCode of an error code, in bytes. The other end chooses them,
	// and they go into logs, onto pages and into what retries compare.
	mostText = 2 << 10
	mostCode = 64
)

// cut is the beginning of a text.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// cutError is an error whose text would have been too long.
type cutError struct {
	error // as it came

	text string
}

func (e *cutError) Error() string { return e.text }
func (e *cutError) Unwrap() error { return e.error }

// cutAPIError is a cutError of a service.
type cutAPIError struct {
	cutError

	code, message string
	fault         smithy.ErrorFault
}

func (e *cutAPIError) ErrorCode() string             { return e.code }
func (e *cutAPIError) ErrorMessage() string          { return e.message }
func (e *cutAPIError) ErrorFault() smithy.ErrorFault { return e.fault }

// shortened is an error with texts of a length that can be logged and shown. What it wraps is still found in it.
func shortened(err error) error {
	if err == nil || len(err.Error()) <= mostText {
		return err
	}
	short := cutError{error: err, text: cut(err.Error(), mostText)}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return &cutAPIError{short, cut(api.ErrorCode(), mostCode), cut(api.ErrorMessage(), mostText), api.ErrorFault()}
	}
	return &short
}
