package sns

import (
	"errors"
	"maps"
	"net/http"
	"strings"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/awsfault"
)

// ErrStopped is returned by Publish when Run has ended and the alert was not accepted.
var ErrStopped = errors.New("sns publisher is stopped")

// errTopicEnded says that a topic has left the configuration; its name may belong to another one.
var errTopicEnded = errors.New("topic has left the configuration")

// The reasons of failures and retries that only a publisher has, as metric labels.
const (
	reasonTrustWindow  alert.Reason = "trust_window"
	reasonBatchTooLong alert.Reason = "batch_too_long"

	reasonKMSThrottled alert.Reason = "kms_throttled"

	reasonTopicMissing alert.Reason = "topic_missing"
	reasonTopicRefused alert.Reason = "topic_refused"

	reasonInvalidParameter alert.Reason = "invalid_parameter"
	reasonTooLarge         alert.Reason = "too_large"
	reasonRender           alert.Reason = "render"
	reasonBody             alert.Reason = "body"
	reasonSubject          alert.Reason = "subject"
	reasonStructure        alert.Reason = "structure"
	reasonAttribute        alert.Reason = "attribute"
	reasonUnknownTopic                  = alert.ReasonUnknownTopic
)

// retryReasons are the reasons for which an alert is sent again without anybody mending anything.
func retryReasons() []alert.Reason {
	return append(delivery.RetryReasons(), reasonTrustWindow, reasonBatchTooLong, reasonInvalidParameter, reasonKMSThrottled)
}

// remedies has the reasons for which a topic is held, and what an operator does about each.
func remedies() map[alert.Reason]string {
	r := resource()
	all := delivery.Remedies(r)
	maps.Copy(all, map[alert.Reason]string{
		reasonTopicMissing:     awsfault.Missing.Remedy(r),
		reasonTopicRefused:     "check that the ARN is that of a topic",
		delivery.ReasonUnknown: "look up the error code in the SNS API reference",
	})
	return all
}

func resource() awsfault.Resource {
	return awsfault.Resource{
		Name: "the topic", Actions: "sns:Publish", HasPolicy: true, KeyActions: "kms:GenerateDataKey and kms:Decrypt",
		Found: "create the topic or correct its ARN",
	}
}

// remedyOf is what to do about a topic that is held or fails; empty where waiting is all.
func remedyOf(r alert.Reason) string {
	if r == reasonKMSThrottled {
		return awsfault.KMSThrottled.Remedy(resource())
	}
	return remedies()[r]
}

// rejectReasons are the reasons of RejectedError.
func rejectReasons() []alert.Reason {
	return []alert.Reason{
		reasonInvalidParameter, reasonTooLarge, reasonRender, reasonBody, reasonSubject, reasonStructure, reasonAttribute,
	}
}

// classify judges the error of a whole call. Nothing that it does not know is ever a rejection: burning alerts is the
// one mistake that cannot be made good. Nor is what STS says about the role and not about the topic.
func classify(err error) delivery.Verdict { return delivery.Classify(err, byCode, byStatus) }

// byStatus judges an answer whose code says nothing.
func byStatus(status int) (delivery.Verdict, bool) {
	if status == http.StatusRequestEntityTooLarge {
		return delivery.Shrink.Because(reasonBatchTooLong), true
	}
	return delivery.Verdict{}, false
}

// classifyEntry judges one failed entry of a call that SNS answered.
func classifyEntry(code, message string, senderFault bool) delivery.Verdict {
	if v, ok := byCode(code, message); ok {
		return v
	}
	if senderFault {
		return delivery.Reject.Because(reasonInvalidParameter)
	}
	return delivery.Retry.Because(delivery.ReasonServiceError)
}

// byCode judges an error code: a name of the SNS model, or one that all services have.
//
// Sources: types/errors.go of the SDK's sns v1.47.9, the throttling codes of its aws/retry, and the common errors of
// the SNS API reference.
func byCode(code, message string) (delivery.Verdict, bool) {
	kind := awsfault.Of(code)
	if kind == awsfault.KMSThrottled {
		return delivery.Retry.Because(reasonKMSThrottled), true
	}
	if kind == awsfault.Missing {
		return delivery.Hold.Because(reasonTopicMissing), true
	}
	switch strings.TrimSuffix(code, "Exception") {
	case "BatchRequestTooLong", "TooManyEntriesInBatchRequest", "RequestEntityTooLarge":
		return delivery.Shrink.Because(reasonBatchTooLong), true

	case "InvalidParameter", "ParameterValueInvalid", "InvalidParameterValue", "InvalidParameterCombination":
		// SNS answers so as well when the topic's ARN belongs to another region than the client: no message's fault.
		if strings.Contains(message, "TopicArn") {
			return delivery.Hold.Because(reasonTopicRefused), true
		}
		return delivery.Reject.Because(reasonInvalidParameter), true
	case "Validation", "ValidationError", "UserError", "BatchEntryIdsNotDistinct", "InvalidBatchEntryId",
		"EmptyBatchRequest":
		return delivery.Reject.Because(reasonInvalidParameter), true
	case "EndpointDisabled", "PlatformApplicationDisabled", "OptedOut", "InvalidState", "Verification":
		return delivery.Hold.Because(reasonTopicRefused), true
	}
	return delivery.ByCode(code)
}
