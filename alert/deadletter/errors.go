package deadletter

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

// class says what to do about an error.
type class uint8

const (
	// retry: it may pass; send again after a backoff.
	retry class = iota
	// shrink: the document may be too large; leave the payload out, and if that does not help either, hold.
	shrink
	// hold: the destination or our access to it is misconfigured; keep everything and probe.
	hold
)

// The reasons of failures, as metric labels.
const (
	reasonThrottled    alert.Reason = "throttled"
	reasonServiceError alert.Reason = "service_error"
	reasonTimeout      alert.Reason = "timeout"
	reasonConnection   alert.Reason = "connection"
	reasonCredentials  alert.Reason = "credentials"
	reasonBadAnswer    alert.Reason = "bad_answer"
	reasonClient       alert.Reason = "client"
	reasonTooLarge     alert.Reason = "too_large"

	reasonNotAuthorized    alert.Reason = "not_authorized"
	reasonMissing          alert.Reason = "destination_missing"
	reasonRefused          alert.Reason = "destination_refused"
	reasonKMSAccess        alert.Reason = "kms_access_denied"
	reasonKMSKey           alert.Reason = "kms_key_unusable"
	reasonSignature        alert.Reason = "signature"
	reasonCredentialsFault alert.Reason = "credentials_refused"
	reasonUnknown          alert.Reason = "unknown"
)

// retryReasons are the reasons for which a letter is sent again without anybody mending anything.
func retryReasons() []alert.Reason {
	return []alert.Reason{
		reasonThrottled, reasonServiceError, reasonTimeout, reasonConnection, reasonCredentials, reasonBadAnswer,
		reasonClient, reasonTooLarge,
	}
}

// remedies has the reasons for which the destination is held, and what mends each.
func remedies() map[alert.Reason]string {
	return map[alert.Reason]string{
		reasonNotAuthorized: "allow sqs:SendMessage, sns:Publish or s3:PutObject on the destination in the role's policy and " +
			"in the destination's own policy",
		reasonMissing: "create the queue, topic or bucket, or correct dead_letter",
		reasonRefused: "check that dead_letter names a standard queue, a standard topic or a bucket in the region of " +
			"AWS_REGION, and that a queue's MaximumMessageSize is not below 16 KiB",
		reasonKMSAccess: "allow kms:GenerateDataKey and kms:Decrypt on the destination's key in the role's policy and in the " +
			"key's policy",
		reasonKMSKey:           "enable the destination's KMS key, or give the destination another one",
		reasonSignature:        "check the credentials and the clock of this machine",
		reasonCredentialsFault: "check the role that the daemon assumes: STS refused to give credentials",
		reasonUnknown:          "look up the error code in the API reference of the destination's service",
	}
}

// verdict is what an error means for a letter.
type verdict struct {
	class  class
	reason alert.Reason
}

// classify judges the error of a call. No error ends a letter: what is not known is held, where somebody sees it.
func classify(err error) verdict {
	if foreign := credentialCall(err); foreign != nil {
		// STS said it, about the role and not about the destination.
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
		return verdict{shrink, reasonTooLarge}
	case status >= http.StatusInternalServerError:
		return verdict{retry, reasonServiceError}
	case status == http.StatusForbidden:
		return verdict{hold, reasonNotAuthorized}
	case status == http.StatusNotFound:
		return verdict{hold, reasonMissing}
	case status >= http.StatusMultipleChoices, status == 0 && coded:
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

// byCode judges an error code. One error has several names: with and without "Exception" at its end, and for SQS with
// the prefix of its former protocol.
//
// Sources: types/errors.go of the SDK's sqs v1.52.10, sns v1.47.9 and s3 v1.114.8, "Error responses" of the S3 API
// reference, the common errors of the SQS and SNS API references, and the throttling codes of the SDK's aws/retry.
func byCode(code, message string) (verdict, bool) {
	name := strings.TrimSuffix(strings.TrimPrefix(code, "AWS.SimpleQueueService."), "Exception")
	if strings.Contains(name, "Throttl") { // KmsThrottled, KMS.Throttling, RequestThrottled and whatever comes next
		return verdict{retry, reasonThrottled}, true
	}
	if key, ok := cutKMS(name); ok {
		if key == "AccessDenied" {
			return verdict{hold, reasonKMSAccess}, true
		}
		return verdict{hold, reasonKMSKey}, true
	}
	switch name {
	case "RequestLimitExceeded", "TooManyRequests", "SlowDown", "BandwidthLimitExceeded", "LimitExceeded", "OverLimit",
		"PriorRequestNotComplete", "TransactionInProgress":
		return verdict{retry, reasonThrottled}, true
	case "InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Unavailable", "RequestTimeout",
		"OperationAborted", "ConditionalRequestConflict", "ConcurrentAccess":
		return verdict{retry, reasonServiceError}, true
	case "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch":
		return verdict{retry, reasonConnection}, true
	case "ExpiredToken", "TokenRefreshRequired", "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return verdict{retry, reasonCredentials}, true

	case "EntityTooLarge", "RequestEntityTooLarge", "MessageTooLong", "BatchRequestTooLong", "InvalidMessageContents":
		return verdict{shrink, reasonTooLarge}, true
	case "InvalidParameter", "ParameterValueInvalid", "InvalidParameterValue", "InvalidParameterCombination",
		"InvalidAttributeValue", "Validation", "ValidationError":
		// This is how SQS and SNS refuse a long message. SNS answers so as well to a topic of another region.
		if strings.Contains(message, "TopicArn") {
			return verdict{hold, reasonRefused}, true
		}
		return verdict{shrink, reasonTooLarge}, true

	case "AuthorizationError", "AccessDenied", "NotAuthorized", "UnauthorizedOperation", "AllAccessDisabled",
		"AccountProblem", "Forbidden":
		return verdict{hold, reasonNotAuthorized}, true
	case "NotFound", "ResourceNotFound", "NonExistentQueue", "QueueDoesNotExist", "NoSuchBucket":
		return verdict{hold, reasonMissing}, true
	case "InvalidAddress", "UnsupportedOperation", "QueueDeletedRecently", "EndpointDisabled", "InvalidBucketName",
		"PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
		"IllegalLocationConstraint", "InvalidBucketState", "MethodNotAllowed", "InvalidRequest",
		"InvalidObjectState":
		return verdict{hold, reasonRefused}, true
	case "InvalidSecurity", "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignature", "InvalidClientTokenId",
		"UnrecognizedClient", "InvalidAccessKeyId", "InvalidToken", "MissingAuthenticationToken", "AuthFailure",
		"OptInRequired", "SubscriptionRequired", "NotSignedUp", "MissingSecurityHeader":
		return verdict{hold, reasonSignature}, true
	}
	return verdict{}, false
}

// cutKMS returns what a code says of a KMS key: KmsDisabled of SQS, KMSDisabled of SNS, KMS.Disabled of S3.
func cutKMS(name string) (string, bool) {
	if len(name) < 3 || !strings.EqualFold(name[:3], "kms") {
		return "", false
	}
	return strings.TrimPrefix(name[3:], "."), true
}

// credentialCall returns the error of a call that the SDK made to get credentials, or nil when err is of the destination.
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
