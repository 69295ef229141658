package answer

import "errors"

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
func (e *BadError) RetryableError() bool { return true }

// BadAnswer is the HTTP status, for those who know errors by what they can do.
func (e *BadError) BadAnswer() int { return e.Status }

// Is reports whether err is about a bad answer.
func Is(err error) bool {
	_, bad := errors.AsType[*BadError](err)
	return bad
}

// refusal is an error of a reader that did not want to read a body. It says nothing about the answer.
type refusal interface {
	error
	Unread() bool
}
