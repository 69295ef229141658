package deadletter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

func apiFault(code string, status int) fakeaws.Fault {
	return fakeaws.Fault{Kind: fakeaws.Before, Err: &fakeaws.Error{Code: code, Message: "injected", Status: status}}
}

// verdicts has the error codes of the three services' models and references that a send can meet.
func verdicts() map[string]verdict {
	throttled, service := verdict{retry, reasonThrottled}, verdict{retry, reasonServiceError}
	creds, broken := verdict{retry, reasonCredentials}, verdict{retry, reasonConnection}
	large := verdict{shrink, reasonTooLarge}
	denied, missing := verdict{hold, reasonNotAuthorized}, verdict{hold, reasonMissing}
	refused, key := verdict{hold, reasonRefused}, verdict{hold, reasonKMSKey}
	keyDenied, signature := verdict{hold, reasonKMSAccess}, verdict{hold, reasonSignature}
	return map[string]verdict{
		// SQS
		"QueueDoesNotExist": missing, "AWS.SimpleQueueService.NonExistentQueue": missing, "InvalidAddress": refused,
		"AWS.SimpleQueueService.UnsupportedOperation": refused, "UnsupportedOperation": refused, "QueueDeletedRecently": refused,
		"InvalidMessageContents": large, "InvalidParameterValue": large, "InvalidAttributeValue": large, "InvalidSecurity": signature,
		"KmsAccessDenied": keyDenied, "KMS.AccessDeniedException": keyDenied, "KmsDisabled": key, "KmsInvalidKeyUsage": key,
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
		"RequestTimeTooSkewed": creds, "InvalidAccessKeyId": signature, "KMS.DisabledException": key, "KMS.NotFoundException": key,
		// all
		"AccessDeniedException": denied, "ExpiredToken": creds, "ExpiredTokenException": creds, "ThrottlingException": throttled,
		"TooManyRequestsException": throttled, "RequestLimitExceeded": throttled, "SignatureDoesNotMatch": signature,
		"UnrecognizedClientException": signature, "InvalidClientTokenId": signature, "OptInRequired": signature,
		"ValidationException": large, "InternalFailure": service, "NobodyHasSeenThis": {hold, reasonUnknown},
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
		require.NotNil(t, w.metrics.failures[v.reason], v.reason)
		if v.class == hold {
			require.NotNil(t, w.metrics.faults[v.reason], v.reason)
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
		want verdict
	}{
		"429":                   {status(429, generic), verdict{retry, reasonThrottled}},
		"413":                   {status(413, generic), verdict{shrink, reasonTooLarge}},
		"502":                   {status(502, generic), verdict{retry, reasonServiceError}},
		"403 without a code":    {status(403, generic), verdict{hold, reasonNotAuthorized}},
		"404 without a code":    {status(404, generic), verdict{hold, reasonMissing}},
		"301 without a code":    {status(301, generic), verdict{hold, reasonUnknown}},
		"400 without a code":    {status(400, errors.New("EOF")), verdict{hold, reasonUnknown}},
		"200, not to be read":   {status(200, &smithy.DeserializationError{Err: errors.New("EOF")}), verdict{retry, reasonBadAnswer}},
		"deadline":              {&aws.RequestCanceledError{Err: context.DeadlineExceeded}, verdict{retry, reasonTimeout}},
		"refused connection":    {&net.OpError{Op: "dial", Err: errors.New("refused")}, verdict{retry, reasonConnection}},
		"name server":           {&net.DNSError{IsTimeout: true}, verdict{retry, reasonTimeout}},
		"broken connection":     {&smithyhttp.RequestSendError{Err: errors.New("EOF")}, verdict{retry, reasonConnection}},
		"no credentials":        {errors.New("no EC2 IMDS role found"), verdict{retry, reasonClient}},
		"STS is out":            {sts(status(503, generic)), verdict{retry, reasonCredentials}},
		"STS refuses the role":  {sts(status(403, &smithy.GenericAPIError{Code: "AccessDenied"})), verdict{hold, reasonCredentialsFault}},
		"topic elsewhere":       {&smithy.GenericAPIError{Code: "InvalidParameter", Message: "Invalid parameter: TopicArn"}, verdict{hold, reasonRefused}},
		"code without a status": {&smithy.GenericAPIError{Code: "NobodyHasSeenThis"}, verdict{hold, reasonUnknown}},
	} {
		require.Equal(t, test.want, classify(test.err), name)
	}
}
