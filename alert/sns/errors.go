package sns

import (
	"net/http"
	"strings"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/awsfault"
)

// The reasons of failures that only SNS has, as metric labels.
const (
	reasonKMSThrottled alert.Reason = "kms_throttled"

	reasonTopicRefused alert.Reason = "topic_refused"

	reasonInvalidParameter alert.Reason = "invalid_parameter"
	reasonBody             alert.Reason = "body"
	reasonSubject          alert.Reason = "subject"
	reasonStructure        alert.Reason = "structure"
	reasonAttribute        alert.Reason = "attribute"
)

// Reasons are the reasons of all verdicts and rejections of SNS.
func (*Service) Reasons() dispatch.Reasons {
	return dispatch.Reasons{
		Retry:  []alert.Reason{reasonInvalidParameter, reasonKMSThrottled},
		Hold:   []alert.Reason{reasonTopicRefused},
		Reject: rejectReasons(),
	}
}

func rejectReasons() []alert.Reason {
	return []alert.Reason{reasonInvalidParameter, reasonBody, reasonSubject, reasonStructure, reasonAttribute}
}

// RejectReasons are the reasons that a RejectedError of a publisher to SNS can have, for the metrics of what becomes of
// such an alert.
func RejectReasons() []alert.Reason { return append(dispatch.RejectReasons(), rejectReasons()...) }

// Remedy is what to do about a topic that is held or fails; empty where waiting is all.
func (*Service) Remedy(r alert.Reason, role string) string {
	return delivery.Remedy(r, awsfault.Topic().By(role), map[alert.Reason]awsfault.Kind{
		reasonKMSThrottled:     awsfault.KMSThrottled,
		dispatch.ReasonMissing: awsfault.Missing,
		reasonTopicRefused:     awsfault.Refused,
	})
}

// classify judges the error of a whole call. Nothing that it does not know is ever a rejection: a rejected alert is
// lost, and no other mistake is as bad. Nor is what STS says about the role and not about the topic.
func classify(err error) delivery.Verdict { return delivery.Classify(err, byCode, byStatus) }

// byStatus judges an answer whose code says nothing.
func byStatus(status int) (delivery.Verdict, bool) {
	if status == http.StatusRequestEntityTooLarge {
		return delivery.Shrink.Because(dispatch.ReasonBatchTooLong), true
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
		return delivery.Hold.Because(dispatch.ReasonMissing), true
	}
	switch strings.TrimSuffix(code, "Exception") {
	case "BatchRequestTooLong", "TooManyEntriesInBatchRequest", "RequestEntityTooLarge":
		return delivery.Shrink.Because(dispatch.ReasonBatchTooLong), true

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
