package deadletter

import (
	"maps"
	"net/http"
	"strings"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// The reasons of failures that only a letter has, as metric labels.
const (
	reasonTooLarge alert.Reason = "too_large"

	reasonMissing alert.Reason = "destination_missing"
	reasonRefused alert.Reason = "destination_refused"
)

// retryReasons are the reasons for which a letter is sent again without anybody mending anything.
func retryReasons() []alert.Reason {
	return append(delivery.RetryReasons(), reasonTooLarge)
}

// remedies has the reasons for which the destination is held, and what mends each.
func remedies() map[alert.Reason]string {
	all := delivery.Remedies()
	maps.Copy(all, map[alert.Reason]string{
		delivery.ReasonNotAuthorized: "allow sqs:SendMessage, sns:Publish or s3:PutObject on the destination in the role's " +
			"policy and in the destination's own policy",
		reasonMissing: "create the queue, topic or bucket, or correct dead_letter",
		reasonRefused: "check that dead_letter names a standard queue, a standard topic or a bucket in the region of " +
			"AWS_REGION, and that a queue's MaximumMessageSize is not below 16 KiB",
		delivery.ReasonKMSAccess: "allow kms:GenerateDataKey and kms:Decrypt on the destination's key in the role's policy " +
			"and in the key's policy",
		delivery.ReasonKMSKey:  "enable the destination's KMS key, or give the destination another one",
		delivery.ReasonUnknown: "look up the error code in the API reference of the destination's service",
	})
	return all
}

// classify judges the error of a call. No error ends a letter: what is not known is held, where somebody sees it.
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
	name := strings.TrimSuffix(strings.TrimPrefix(code, "AWS.SimpleQueueService."), "Exception")
	if v, ok := delivery.ByCode(name); ok { // before the keys: KmsThrottled is no fault
		return v, true
	}
	if key, ok := cutKMS(name); ok {
		if key == "AccessDenied" {
			return delivery.Hold.Because(delivery.ReasonKMSAccess), true
		}
		return delivery.Hold.Because(delivery.ReasonKMSKey), true
	}
	switch name {
	case "OverLimit":
		return delivery.Retry.Because(delivery.ReasonThrottled), true
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
	case "NotFound", "ResourceNotFound", "NonExistentQueue", "QueueDoesNotExist", "NoSuchBucket":
		return delivery.Hold.Because(reasonMissing), true
	case "InvalidAddress", "UnsupportedOperation", "QueueDeletedRecently", "EndpointDisabled", "InvalidBucketName",
		"PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
		"IllegalLocationConstraint", "InvalidBucketState", "MethodNotAllowed", "InvalidRequest",
		"InvalidObjectState":
		return delivery.Hold.Because(reasonRefused), true
	case "InvalidToken", "NotSignedUp", "MissingSecurityHeader":
		return delivery.Hold.Because(delivery.ReasonSignature), true
	}
	return delivery.Verdict{}, false
}

// cutKMS returns what a code says of a KMS key: KmsDisabled of SQS, KMSDisabled of SNS, KMS.Disabled of S3.
func cutKMS(name string) (string, bool) {
	if len(name) < 3 || !strings.EqualFold(name[:3], "kms") {
		return "", false
	}
	return strings.TrimPrefix(name[3:], "."), true
}
