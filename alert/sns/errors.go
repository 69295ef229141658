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

// errTopicEnded says that a topic has left the configuration; its name may belong to another one.
var errTopicEnded = errors.New("topic has left the configuration")

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

// remedies has the reasons for which a topic is held, and what mends each.
func remedies() map[alert.Reason]string {
	return map[alert.Reason]string{
		reasonNotAuthorized: "allow sns:Publish on the topic in the role's policy and in the topic's policy",
		reasonTopicMissing:  "create the topic or correct its ARN",
		reasonTopicRefused:  "check that the ARN is a topic in the region of AWS_REGION",
		reasonKMSAccess: "allow kms:GenerateDataKey and kms:Decrypt on the topic's key in the role's policy and in the " +
			"key's policy",
		reasonKMSKey:           "enable the topic's KMS key, or set another KmsMasterKeyId on the topic",
		reasonSignature:        "check the credentials and the clock of this machine",
		reasonCredentialsFault: "check the role that the daemon assumes: STS refused to give credentials",
		reasonUnknown:          "look up the error code in the SNS API reference",
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
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = answer.HTTPStatusCode()
	}
	apiErr, coded := errors.AsType[smithy.APIError](err)
	if coded {
		if v, ok := byCode(apiErr.ErrorCode(), apiErr.ErrorMessage()); ok {
			return v
		}
	}
	netErr, network := errors.AsType[net.Error](err)
	switch {
	case status == http.StatusTooManyRequests:
		return verdict{retry, reasonThrottled}
	case status == http.StatusRequestEntityTooLarge:
		return verdict{split, reasonBatchTooLong}
	case status >= http.StatusInternalServerError:
		return verdict{retry, reasonServiceError}
	case status >= http.StatusBadRequest, status == 0 && coded:
		return verdict{hold, reasonUnknown}
	case errors.Is(err, context.DeadlineExceeded), network && netErr.Timeout():
		return verdict{retry, reasonTimeout}
	case status != 0:
		return verdict{retry, reasonBadAnswer}
	case network, connectionFailed(err):
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
