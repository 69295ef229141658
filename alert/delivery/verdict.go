package delivery

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/credentials"
)

// Class says what to do about an error.
type Class uint8

const (
	// Retry is for what may pass: send again after a backoff.
	Retry Class = iota
	// Shrink is for what may be too large: send less at once.
	Shrink
	// Hold is for a destination that is misconfigured, or our access to it: keep everything and probe.
	Hold
	// Reject is for a message that the service will never take: return the error to the caller.
	Reject
)

// Because is the verdict of a class for a reason.
func (c Class) Because(r alert.Reason) Verdict { return Verdict{Class: c, Reason: r} }

// Verdict is what an error means for a sender.
type Verdict struct {
	Class  Class
	Reason alert.Reason
}

// Classify judges the error of a call. byCode is asked first, if a service answered with a code; it should ask ByCode
// for what is not its own. byStatus is asked next, if there was an answer at all, and what both do not know is judged
// by what all services have in common.
//
// An error of the call that got the credentials is about the role and not about the destination: whatever is said of
// it, it is ReasonCredentials if it may pass and ReasonCredentialsRefused otherwise.
func Classify(
	err error, byCode func(code, message string) (Verdict, bool), byStatus func(status int) (Verdict, bool),
) Verdict {
	if none, ok := errors.AsType[*credentials.Error](err); ok {
		return ofCredentials(none, byCode, byStatus)
	}
	if foreign := credentialCall(err); foreign != nil {
		if v := Classify(foreign, byCode, byStatus); v.Class == Retry {
			return Retry.Because(ReasonCredentials)
		}
		return Hold.Because(ReasonCredentialsRefused)
	}
	apiErr, coded := errors.AsType[smithy.APIError](err)
	if coded {
		if v, ok := byCode(apiErr.ErrorCode(), apiErr.ErrorMessage()); ok {
			return v
		}
	}
	answer, answered := errors.AsType[*smithyhttp.ResponseError](err)
	status := 0
	if answered {
		status = answer.HTTPStatusCode()
	}
	// Whatever its status, it is not the service that refuses.
	if bad, ok := errors.AsType[badAnswer](err); ok && max(status, bad.BadAnswer()) < http.StatusInternalServerError {
		return Retry.Because(ReasonBadAnswer)
	}
	if answered {
		if v, ok := byStatus(status); ok {
			return v
		}
	}
	netErr, network := errors.AsType[net.Error](err)
	switch {
	case status == http.StatusTooManyRequests:
		return Retry.Because(ReasonThrottled)
	case status >= http.StatusInternalServerError:
		return Retry.Because(ReasonServiceError)
	case status >= http.StatusBadRequest, status == 0 && coded:
		return Hold.Because(ReasonUnknown)
	case errors.Is(err, context.DeadlineExceeded), network && netErr.Timeout():
		return Retry.Because(ReasonTimeout)
	case status != 0:
		return Retry.Because(ReasonBadAnswer)
	case network, connectionFailed(err):
		return Retry.Because(ReasonConnection)
	}
	return Retry.Because(ReasonClient)
}

// ofCredentials judges that there are none to make a call with. A role that STS refuses is a fault of the
// configuration. Whatever the source of the process's own said may pass.
func ofCredentials(
	none *credentials.Error, byCode func(code, message string) (Verdict, bool),
	byStatus func(status int) (Verdict, bool),
) Verdict {
	if cause := none.Unwrap(); none.Role() != "" && cause != nil {
		if v := Classify(cause, byCode, byStatus); v.Class != Retry {
			return Hold.Because(ReasonCredentialsRefused)
		}
	}
	return Retry.Because(ReasonCredentials)
}

// badAnswer is an answer that does not say what it should; BadAnswer is its HTTP status.
type badAnswer interface {
	error
	BadAnswer() int
}

// credentialCall returns the error of a call that the SDK made to get credentials, or nil when err is of the
// destination.
func credentialCall(err error) error {
	if outer, ok := errors.AsType[*smithy.OperationError](err); ok {
		if inner, ok := errors.AsType[*smithy.OperationError](outer.Err); ok {
			return inner
		}
	}
	return nil
}

// connectionFailed says that no complete answer came back over the connection.
func connectionFailed(err error) bool {
	_, ok := errors.AsType[*smithyhttp.RequestSendError](err)
	return ok
}
