package sns

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"kinesis-alerter/alert"
)

// ErrStopped is returned by Publish when Run has ended and the alert was not accepted.
var ErrStopped = errors.New("sns publisher is stopped")

// class says what to do about an error.
type class uint8

const (
	// retry: it may pass; send again after a backoff.
	retry class = iota
	// reject: SNS will never take this message; tell the caller.
	reject
	// hold: the topic or our access to it is misconfigured; keep everything and probe.
	hold
	// split: the call was too large; send it in halves.
	split
)

// The reasons of failures and retries, as metric labels.
const (
	reasonThrottled    alert.Reason = "throttled"
	reasonServiceError alert.Reason = "service_error"
	reasonTimeout      alert.Reason = "timeout"
	reasonTrustWindow  alert.Reason = "trust_window"
	reasonConnection   alert.Reason = "connection"
	reasonCredentials  alert.Reason = "credentials"
	reasonBadAnswer    alert.Reason = "bad_answer"
	reasonClient       alert.Reason = "client"
	reasonBatchTooLong alert.Reason = "batch_too_long"

	reasonNotAuthorized    alert.Reason = "not_authorized"
	reasonTopicMissing     alert.Reason = "topic_missing"
	reasonTopicRefused     alert.Reason = "topic_refused"
	reasonKMSAccess        alert.Reason = "kms_access_denied"
	reasonKMSKey           alert.Reason = "kms_key_unusable"
	reasonSignature        alert.Reason = "signature"
	reasonCredentialsFault alert.Reason = "credentials_refused"
	reasonUnknown          alert.Reason = "unknown"

	reasonInvalidParameter alert.Reason = "invalid_parameter"
	reasonTooLarge         alert.Reason = "too_large"
	reasonRender           alert.Reason = "render"
	reasonBody             alert.Reason = "body"
	reasonSubject          alert.Reason = "subject"
	reasonStructure        alert.Reason = "structure"
	reasonAttribute        alert.Reason = "attribute"
	reasonUnknownTopic     alert.Reason = "unknown_topic"
)

// retryReasons are the reasons for which an alert is sent again without anybody mending anything.
func retryReasons() []alert.Reason {
	return []alert.Reason{
		reasonThrottled, reasonServiceError, reasonTimeout, reasonTrustWindow, reasonConnection, reasonCredentials,
		reasonBadAnswer, reasonClient, reasonBatchTooLong, reasonInvalidParameter,
	}
}

// faultReasons are the reasons for which a topic is held.
func faultReasons() []alert.Reason {
	return []alert.Reason{
		reasonNotAuthorized, reasonTopicMissing, reasonTopicRefused, reasonKMSAccess, reasonKMSKey, reasonSignature,
		reasonCredentialsFault, reasonUnknown,
	}
}

// rejectReasons are the reasons of RejectedError.
func rejectReasons() []alert.Reason {
	return []alert.Reason{
		reasonInvalidParameter, reasonTooLarge, reasonRender, reasonBody, reasonSubject, reasonStructure, reasonAttribute,
	}
}

// verdict is what an error means for the publisher.
type verdict struct {
	class  class
	reason alert.Reason
}

// classify judges the error of a whole call. Nothing that it does not know is ever a rejection: burning alerts is the
// one mistake that cannot be made good.
func classify(err error) verdict {
	if foreign := credentialCall(err); foreign != nil {
		// STS said it, about the role and not about the topic: its ValidationError must not reject an alert.
		if v := classify(foreign); v.class == retry {
			return verdict{retry, reasonCredentials}
		}
		return verdict{hold, reasonCredentialsFault}
	}
	status := 0
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		status = answer.HTTPStatusCode()
	}
	var apiErr smithy.APIError
	if errors.As(err, &apiErr) {
		if v, ok := byCode(apiErr.ErrorCode(), apiErr.ErrorMessage()); ok {
			return v
		}
	}
	var netErr net.Error
	switch {
	case status == http.StatusTooManyRequests:
		return verdict{retry, reasonThrottled}
	case status == http.StatusRequestEntityTooLarge:
		return verdict{split, reasonBatchTooLong}
	case status >= http.StatusInternalServerError:
		return verdict{retry, reasonServiceError}
	case status >= http.StatusBadRequest, status == 0 && apiErr != nil:
		return verdict{hold, reasonUnknown}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return verdict{retry, reasonTimeout}
	case status != 0:
		return verdict{retry, reasonBadAnswer}
	case errors.As(err, &netErr), connectionFailed(err):
		return verdict{retry, reasonConnection}
	}
	return verdict{retry, reasonClient}
}

// classifyEntry judges one failed entry of a call that SNS answered.
func classifyEntry(code, message string, senderFault bool) verdict {
	if v, ok := byCode(code, message); ok {
		return v
	}
	if senderFault {
		return verdict{reject, reasonInvalidParameter}
	}
	return verdict{retry, reasonServiceError}
}

// byCode judges an error code. Codes are the names of the SNS model and of the service's common errors; a trailing
// "Exception" is ignored, because one name occurs with and without it.
//
// Sources: types/errors.go of the SDK's sns v1.47.9, the throttling codes of its aws/retry, and the common errors of
// the SNS API reference.
func byCode(code, message string) (verdict, bool) {
	switch name := strings.TrimSuffix(code, "Exception"); name {
	case "RequestLimitExceeded", "TooManyRequests", "SlowDown", "BandwidthLimitExceeded", "LimitExceeded",
		"ProvisionedThroughputExceeded", "PriorRequestNotComplete", "TransactionInProgress":
		return verdict{retry, reasonThrottled}, true
	case "InternalError", "InternalFailure", "InternalServerError", "InternalServiceError", "ServiceUnavailable",
		"Unavailable", "RequestTimeout", "ConcurrentAccess":
		return verdict{retry, reasonServiceError}, true
	case "ExpiredToken", "RequestExpired", "TokenRefreshRequired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return verdict{retry, reasonCredentials}, true

	case "BatchRequestTooLong", "TooManyEntriesInBatchRequest", "RequestEntityTooLarge":
		return verdict{split, reasonBatchTooLong}, true

	case "InvalidParameter", "ParameterValueInvalid", "InvalidParameterValue", "InvalidParameterCombination":
		// SNS answers so as well when the topic's ARN belongs to another region than the client: no message's fault.
		if strings.Contains(message, "TopicArn") {
			return verdict{hold, reasonTopicRefused}, true
		}
		return verdict{reject, reasonInvalidParameter}, true
	case "Validation", "ValidationError", "UserError", "BatchEntryIdsNotDistinct", "InvalidBatchEntryId",
		"EmptyBatchRequest":
		return verdict{reject, reasonInvalidParameter}, true

	case "AuthorizationError", "AccessDenied", "NotAuthorized", "UnauthorizedOperation":
		return verdict{hold, reasonNotAuthorized}, true
	case "NotFound", "ResourceNotFound":
		return verdict{hold, reasonTopicMissing}, true
	case "EndpointDisabled", "PlatformApplicationDisabled", "OptedOut", "InvalidState", "Verification":
		return verdict{hold, reasonTopicRefused}, true
	case "KMSAccessDenied":
		return verdict{hold, reasonKMSAccess}, true
	case "KMSDisabled", "KMSInvalidState", "KMSNotFound", "KMSOptInRequired":
		return verdict{hold, reasonKMSKey}, true
	case "InvalidSecurity", "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignature", "InvalidClientTokenId",
		"UnrecognizedClient", "InvalidAccessKeyId", "MissingAuthenticationToken", "AuthFailure", "OptInRequired",
		"SubscriptionRequired":
		return verdict{hold, reasonSignature}, true

	default:
		// Throttling, Throttled, KMSThrottling, RequestThrottled, EC2Throttled, and whatever comes next.
		if strings.Contains(name, "Throttl") {
			return verdict{retry, reasonThrottled}, true
		}
		return verdict{}, false
	}
}

// credentialCall returns the error of a call that the SDK made to get credentials, or nil when err is of SNS itself.
func credentialCall(err error) error {
	var outer, inner *smithy.OperationError
	if errors.As(err, &outer) && errors.As(outer.Err, &inner) {
		return inner
	}
	return nil
}

// connectionFailed says that no complete answer came back over the connection.
func connectionFailed(err error) bool {
	var sendErr *smithyhttp.RequestSendError
	return errors.As(err, &sendErr)
}

// remedy says what mends a fault of a topic.
func remedy(r alert.Reason) string {
	switch r {
	case reasonNotAuthorized:
		return "allow sns:Publish on the topic in the role's policy and in the topic's policy"
	case reasonTopicMissing:
		return "create the topic or correct its ARN"
	case reasonTopicRefused:
		return "check that the ARN is a topic in the region of AWS_REGION"
	case reasonKMSAccess:
		return "allow kms:GenerateDataKey and kms:Decrypt on the topic's key in the role's policy and in the key's policy"
	case reasonKMSKey:
		return "enable the topic's KMS key, or set another KmsMasterKeyId on the topic"
	case reasonSignature:
		return "check the credentials and the clock of this machine"
	case reasonCredentialsFault:
		return "check the role that the daemon assumes: sts refused to give credentials"
	default:
		return "look up the error code in the SNS API reference"
	}
}
