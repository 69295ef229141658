package deadletter

import (
	"net/http"
	"strings"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/awsfault"
)

// The reasons of failures that only a dead letter has, as metric labels.
const (
	reasonTooLarge alert.Reason = "too_large"

	reasonMissing alert.Reason = "destination_missing"
	reasonRefused alert.Reason = "destination_refused"
)

// retryReasons are the reasons for which a dead letter is sent again without a change of the configuration.
func retryReasons() []alert.Reason {
	return append(delivery.RetryReasons(), reasonTooLarge)
}

// holdReasons are the reasons for which the destination is held.
func holdReasons() []alert.Reason {
	return append(delivery.HoldReasons(), reasonMissing, reasonRefused)
}

// remedy is what an operator does about one of them, for a call that was made as a role.
func remedy(r alert.Reason, role string) string {
	return delivery.Remedy(r, awsfault.DeadLetters().By(role), map[alert.Reason]awsfault.Kind{
		reasonMissing: awsfault.Missing,
		reasonRefused: awsfault.Refused,
	})
}

// classify judges the error of a call. No error ends a dead letter: what is not known is held, where an operator sees
// it.
func classify(err error) delivery.Verdict { return delivery.Classify(err, byCode, byStatus) }

// byStatus judges an answer whose code says nothing. A redirection is a bucket of another region, not an answer that
// cannot be read.
func byStatus(status int) (delivery.Verdict, bool) {
	switch {
	case status == http.StatusRequestEntityTooLarge:
		return delivery.Shrink.Because(reasonTooLarge), true
	case status == http.StatusForbidden:
		return delivery.Hold.Because(delivery.ReasonNotAuthorized), true
	case status == http.StatusNotFound:
		return delivery.Hold.Because(reasonMissing), true
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		return delivery.Hold.Because(delivery.ReasonUnknown), true
	}
	return delivery.Verdict{}, false
}

// byCode judges an error code. One error has several names: with and without "Exception" at its end, and for SQS with
// the prefix of its former protocol.
//
// Sources: types/errors.go of the SDK's sqs v1.52.10, sns v1.47.9 and s3 v1.114.8, "Error responses" of the S3 API
// reference, the common errors of the SQS and SNS API references, and the throttling codes of the SDK's aws/retry.
func byCode(code, message string) (delivery.Verdict, bool) {
	if v, ok := delivery.ByCode(code); ok {
		return v, true
	}
	if awsfault.Of(code) == awsfault.Missing {
		return delivery.Hold.Because(reasonMissing), true
	}
	switch strings.TrimSuffix(strings.TrimPrefix(code, "AWS.SimpleQueueService."), "Exception") {
	case "OperationAborted", "ConditionalRequestConflict":
		return delivery.Retry.Because(delivery.ReasonServiceError), true
	case "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch":
		return delivery.Retry.Because(delivery.ReasonConnection), true

	case "EntityTooLarge", "RequestEntityTooLarge", "MessageTooLong", "BatchRequestTooLong", "InvalidMessageContents":
		return delivery.Shrink.Because(reasonTooLarge), true
	case "InvalidParameter", "ParameterValueInvalid", "InvalidParameterValue", "InvalidParameterCombination",
		"InvalidAttributeValue", "Validation", "ValidationError":
		// This is how SQS and SNS refuse a long message. SNS answers so as well to a topic of another region.
		if strings.Contains(message, "TopicArn") {
			return delivery.Hold.Because(reasonRefused), true
		}
		return delivery.Shrink.Because(reasonTooLarge), true

	case "AllAccessDisabled", "AccountProblem", "Forbidden":
		return delivery.Hold.Because(delivery.ReasonNotAuthorized), true
	case "InvalidAddress", "UnsupportedOperation", "QueueDeletedRecently", "EndpointDisabled", "InvalidBucketName",
		"PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
		"IllegalLocationConstraint", "InvalidBucketState", "MethodNotAllowed", "InvalidRequest",
		"InvalidObjectState":
		return delivery.Hold.Because(reasonRefused), true
	}
	return delivery.Verdict{}, false
}
