package deadletter

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/fakeaws"
)

func apiFault(code string, status int) fakeaws.Fault {
	return fakeaws.Fault{Kind: fakeaws.Before, Err: &fakeaws.Error{Code: code, Message: "injected", Status: status}}
}

// verdicts has the error codes of the three services' models and references that a send can meet.
func verdicts() map[string]delivery.Verdict {
	throttled, service := delivery.Retry.Because(delivery.ReasonThrottled), delivery.Retry.Because(
		delivery.ReasonServiceError,
	)
	creds, broken := delivery.Retry.Because(
		delivery.ReasonCredentials,
	), delivery.Retry.Because(delivery.ReasonConnection)
	large := delivery.Shrink.Because(reasonTooLarge)
	denied, missing := delivery.Hold.Because(delivery.ReasonNotAuthorized), delivery.Hold.Because(reasonMissing)
	refused, key := delivery.Hold.Because(reasonRefused), delivery.Hold.Because(delivery.ReasonKMSKey)
	keyDenied, signature := delivery.Hold.Because(
		delivery.ReasonKMSAccess,
	), delivery.Hold.Because(delivery.ReasonSignature)
	return map[string]delivery.Verdict{
		// SQS
		"QueueDoesNotExist": missing, "AWS.SimpleQueueService.NonExistentQueue": missing, "InvalidAddress": refused,
		"AWS.SimpleQueueService.UnsupportedOperation": refused, "UnsupportedOperation": refused,
		"QueueDeletedRecently":   refused,
		"InvalidMessageContents": large, "InvalidParameterValue": large, "InvalidAttributeValue": large,
		"InvalidSecurity": signature,
		"KmsAccessDenied": keyDenied, "KMS.AccessDeniedException": keyDenied, "KmsDisabled": key,
		"KmsInvalidKeyUsage":        key,
		"KMS.InvalidStateException": key, "KmsNotFound": key, "KmsOptInRequired": key, "KmsThrottled": throttled,
		"RequestThrottled": throttled, "OverLimit": throttled,
		// SNS
		"NotFound": missing, "AuthorizationError": denied, "EndpointDisabled": refused, "InvalidParameter": large,
		"KMSAccessDenied": keyDenied, "KMSDisabled": key, "KMSInvalidState": key, "KMSOptInRequired": key,
		"KMSThrottling": throttled, "Throttled": throttled, "InternalError": service,
		// S3
		"NoSuchBucket": missing, "AccessDenied": denied, "AllAccessDisabled": denied, "AccountProblem": denied,
		"InvalidBucketName": refused, "PermanentRedirect": refused, "AuthorizationHeaderMalformed": refused,
		"IllegalLocationConstraintException": refused, "MethodNotAllowed": refused, "InvalidRequest": refused,
		"EntityTooLarge": large, "SlowDown": throttled, "OperationAborted": service, "ServiceUnavailable": service,
		"RequestTimeout": service, "IncompleteBody": broken, "BadDigest": broken, "XAmzContentSHA256Mismatch": broken,
		"RequestTimeTooSkewed": creds, "InvalidAccessKeyId": signature, "KMS.DisabledException": key,
		"KMS.NotFoundException": key,
		// all
		"AccessDeniedException": denied, "ExpiredToken": creds, "ExpiredTokenException": creds,
		"ThrottlingException":      throttled,
		"TooManyRequestsException": throttled, "RequestLimitExceeded": throttled, "SignatureDoesNotMatch": signature,
		"UnrecognizedClientException": signature, "InvalidClientTokenId": signature, "OptInRequired": signature,
		"ValidationException": large, "InternalFailure": service,
		"NobodyHasSeenThis": delivery.Hold.Because(delivery.ReasonUnknown),
	}
}

// The codes go over the wire of each protocol, so that the SDK's reading of them is tested as well.
func TestClassifyCodes(t *testing.T) {
	for _, k := range []kind{toQueue(), toTopic(), toBucket()} {
		w := newWorld(t, k)
		for code, want := range verdicts() {
			remove := w.fail(apiFault(code, http.StatusBadRequest))
			_, err := w.destination.put(t.Context(), "key", []byte("document"))
			remove()
			require.Error(t, err)
			require.Equal(t, want, classify(err), "%s of %s", code, k.name)
		}
	}
}

func TestEveryReasonHasItsMetric(t *testing.T) {
	w := newWorld(t, toQueue())
	for _, v := range verdicts() {
		require.NotNil(t, w.metrics.failures[v.Reason], v.Reason)
		if v.Class == delivery.Hold {
			require.NotNil(t, w.metrics.faults[v.Reason], v.Reason)
		}
	}
}

func TestClassifyOtherErrors(t *testing.T) {
	status := func(code int, err error) error {
		return &smithy.OperationError{ServiceID: "S3", OperationName: "PutObject", Err: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: err,
		}}
	}
	sts := func(err error) error {
		return &smithy.OperationError{ServiceID: "S3", Err: fmt.Errorf("get identity: %w", &smithy.OperationError{
			ServiceID: "STS", OperationName: "AssumeRoleWithWebIdentity", Err: err,
		})}
	}
	generic := &smithy.GenericAPIError{Code: "UnknownError"}
	for name, test := range map[string]struct {
		err  error
		want delivery.Verdict
	}{
		"413":                {status(413, generic), delivery.Shrink.Because(reasonTooLarge)},
		"502":                {status(502, generic), delivery.Retry.Because(delivery.ReasonServiceError)},
		"403 without a code": {status(403, generic), delivery.Hold.Because(delivery.ReasonNotAuthorized)},
		"404 without a code": {status(404, generic), delivery.Hold.Because(reasonMissing)},
		"301 without a code": {status(301, generic), delivery.Hold.Because(delivery.ReasonUnknown)},
		"400 without a code": {status(400, errors.New("EOF")), delivery.Hold.Because(delivery.ReasonUnknown)},
		"STS refuses the role": {
			sts(status(403, &smithy.GenericAPIError{Code: "AccessDenied"})),
			delivery.Hold.Because(delivery.ReasonCredentialsRefused),
		},
		"topic elsewhere": {
			&smithy.GenericAPIError{Code: "InvalidParameter", Message: "Invalid parameter: TopicArn"},
			delivery.Hold.Because(reasonRefused),
		},
		"code without a status": {
			&smithy.GenericAPIError{Code: "NobodyHasSeenThis"}, delivery.Hold.Because(delivery.ReasonUnknown),
		},
	} {
		require.Equal(t, test.want, classify(test.err), name)
	}
}
