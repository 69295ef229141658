package output

import (
	"errors"
	"net/http"
	"strings"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/awsfault"
)

const (
	// reasonMissing is a stream that does not exist in the region and account.
	reasonMissing alert.Reason = "stream_not_found"
	// reasonRefused is a stream whose name or state refuses every call.
	reasonRefused alert.Reason = "stream_refused"
	// reasonKMSThrottled is the key of the stream getting more calls than KMS allows.
	reasonKMSThrottled alert.Reason = "kms_throttled"
	// reasonCallTooLarge is a call, or the record in it, that is larger than the stream takes.
	reasonCallTooLarge alert.Reason = "call_too_large"
)

// errNoOutcome says that Kinesis answered a call without an outcome of one of its records.
var errNoOutcome = errors.New("the answer has neither a sequence number nor an error code for the record")

// errShape says that the answer does not fit the call.
var errShape = errors.New("the answer does not have an entry for each record")

// entryError is what Kinesis said about one record of a call.
type entryError struct{ code, message string }

func (e *entryError) Error() string        { return e.code + ": " + e.message }
func (e *entryError) ErrorCode() string    { return e.code }
func (e *entryError) ErrorMessage() string { return e.message }

// classify judges the error of a whole call. Nothing that it does not know is a rejection.
func classify(err error) delivery.Verdict {
	return delivery.Classify(err, byCode, func(status int) (delivery.Verdict, bool) {
		return delivery.Shrink.Because(reasonCallTooLarge), status == http.StatusRequestEntityTooLarge
	})
}

// classifyEntry judges one failed entry of a call that Kinesis answered. It documents two codes of entries; what it
// does not document is a failure of the service.
func classifyEntry(e *entryError) delivery.Verdict {
	if v, ok := byCode(e.code, e.message); ok {
		return v
	}
	return delivery.Retry.Because(delivery.ReasonServiceError)
}

// byCode judges an error code of PutRecords: a name of the Kinesis model, or one that all services have.
//
// Kinesis refuses a whole call for one record that is too large, has no key or too long a one, and for a call that is
// too large. Its message names the member: "Value at 'records.3.member.data' failed to satisfy constraint". What it
// says of the stream's name or ARN is no record's fault.
func byCode(code, message string) (delivery.Verdict, bool) {
	switch awsfault.Of(code) { //nolint:exhaustive // the others are the same for every service
	case awsfault.KMSThrottled:
		return delivery.Retry.Because(reasonKMSThrottled), true
	case awsfault.Missing:
		return delivery.Hold.Because(reasonMissing), true
	}
	lower := strings.ToLower(message)
	switch strings.TrimSuffix(code, "Exception") {
	case "RequestEntityTooLarge", "RequestTooLarge":
		return delivery.Shrink.Because(reasonCallTooLarge), true
	case "Validation", "ValidationError", "InvalidArgument", "InvalidParameterValue":
		switch {
		case strings.Contains(lower, "streamarn"), strings.Contains(lower, "streamname"),
			strings.Contains(lower, "stream arn"), strings.Contains(lower, "stream name"):
			return delivery.Hold.Because(reasonRefused), true
		case strings.Contains(lower, "larger than"), strings.Contains(lower, "size"),
			strings.Contains(lower, "data'") && strings.Contains(lower, "less than or equal"):
			return delivery.Shrink.Because(reasonCallTooLarge), true
		}
		return delivery.Reject.Because(ReasonInvalidParameter), true
	case "ResourceInUse": // it is being created or deleted
		return delivery.Hold.Because(reasonRefused), true
	}
	return delivery.ByCode(code)
}

func retryReasons() []alert.Reason {
	return append(delivery.RetryReasons(), reasonKMSThrottled, reasonCallTooLarge, ReasonInvalidParameter)
}

func holdReasons() []alert.Reason {
	return append(delivery.HoldReasons(), reasonMissing, reasonRefused)
}

// remedy is what to do about an output that is held or fails, for a call that was made as a role; empty where waiting
// is all.
func remedy(r alert.Reason, role string) string {
	return delivery.Remedy(r, awsfault.OutputStream().By(role), map[alert.Reason]awsfault.Kind{
		delivery.ReasonThrottled: awsfault.Throttled,
		reasonKMSThrottled:       awsfault.KMSThrottled,
		reasonMissing:            awsfault.Missing,
		reasonRefused:            awsfault.Refused,
	})
}
