package sns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// smithyError is an error answer of SNS.
type smithyError struct{ code, message string }

func (e *smithyError) Error() string               { return e.code }
func (e *smithyError) ErrorCode() string           { return e.code }
func (e *smithyError) ErrorMessage() string        { return e.message }
func (*smithyError) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

// verdicts has every code of the SNS model (types/errors.go of the SDK), of the service's common errors and of the SDK's
// throttling codes.
func verdicts() map[string]verdict {
	throttled, service := verdict{retry, reasonThrottled}, verdict{retry, reasonServiceError}
	creds, tooLong := verdict{retry, reasonCredentials}, verdict{split, reasonBatchTooLong}
	invalid := verdict{reject, reasonInvalidParameter}
	denied, missing := verdict{hold, reasonNotAuthorized}, verdict{hold, reasonTopicMissing}
	refused, key := verdict{hold, reasonTopicRefused}, verdict{hold, reasonKMSKey}
	signature, unknown := verdict{hold, reasonSignature}, verdict{hold, reasonUnknown}
	return map[string]verdict{
		"AuthorizationError": denied, "AccessDenied": denied, "AccessDeniedException": denied, "NotAuthorized": denied,
		"NotFound": missing, "ResourceNotFound": missing, "ResourceNotFoundException": missing,
		"EndpointDisabled": refused, "PlatformApplicationDisabled": refused, "OptedOut": refused, "InvalidState": refused,
		"VerificationException": refused,
		"KMSAccessDenied":       {hold, reasonKMSAccess},
		"KMSDisabled":           key, "KMSInvalidState": key, "KMSNotFound": key, "KMSOptInRequired": key,
		"InvalidSecurity": signature, "SignatureDoesNotMatch": signature, "IncompleteSignature": signature,
		"InvalidSignatureException": signature, "InvalidClientTokenId": signature, "UnrecognizedClientException": signature,
		"InvalidAccessKeyId": signature, "MissingAuthenticationToken": signature, "AuthFailure": signature,
		"OptInRequired": signature, "SubscriptionRequiredException": signature,

		"InvalidParameter": invalid, "ParameterValueInvalid": invalid, "InvalidParameterValue": invalid,
		"ValidationException": invalid, "ValidationError": invalid, "UserError": invalid,
		"BatchEntryIdsNotDistinct": invalid, "InvalidBatchEntryId": invalid, "EmptyBatchRequest": invalid,

		"BatchRequestTooLong": tooLong, "TooManyEntriesInBatchRequest": tooLong, "RequestEntityTooLarge": tooLong,

		"Throttling": throttled, "ThrottlingException": throttled, "ThrottledException": throttled, "Throttled": throttled,
		"RequestThrottledException": throttled, "RequestThrottled": throttled, "EC2ThrottledException": throttled,
		"KMSThrottling": throttled, "KMSThrottlingException": throttled, "TooManyRequestsException": throttled,
		"ProvisionedThroughputExceededException": throttled, "RequestLimitExceeded": throttled,
		"BandwidthLimitExceeded": throttled, "LimitExceededException": throttled, "SlowDown": throttled,
		"PriorRequestNotComplete": throttled, "TransactionInProgressException": throttled,

		"InternalError": service, "InternalFailure": service, "InternalServerError": service, "ServiceUnavailable": service,
		"RequestTimeout": service, "ConcurrentAccess": service,
		"ExpiredToken": creds, "ExpiredTokenException": creds, "RequestExpired": creds, "RequestTimeTooSkewed": creds,

		// Of the model, but of other operations. Should PublishBatch ever answer with one of them, nothing burns.
		"FilterPolicyLimitExceeded": unknown, "ReplayLimitExceeded": unknown, "StaleTag": unknown, "TagLimitExceeded": unknown,
		"SubscriptionLimitExceeded": unknown, "TagPolicy": unknown, "TopicLimitExceeded": unknown,
		"NobodyHasSeenThis": unknown,
	}
}

// The codes go over the wire, so that the SDK's reading of them is tested as well.
func TestClassifyCodes(t *testing.T) {
	emulator := fakeaws.New(fakeaws.Options{})
	client := newClient(emulator)
	for code, want := range verdicts() {
		emulator.Faults.Clear()
		emulator.Faults.Add(apiFault(code, 400))
		_, err := client.PublishBatch(t.Context(), &sns.PublishBatchInput{
			TopicArn: new(testARN), PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
				{Id: new("0"), Message: new("body")},
			},
		})
		require.Error(t, err)
		require.Equal(t, want, classify(err), code)
	}
}

func TestClassifyOtherErrors(t *testing.T) {
	status := func(code int, err error) error {
		return &smithy.OperationError{ServiceID: "SNS", OperationName: "PublishBatch", Err: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: err,
		}}
	}
	sts := func(err error) error {
		return &smithy.OperationError{ServiceID: "SNS", Err: fmt.Errorf("get identity: %w", &smithy.OperationError{
			ServiceID: "STS", OperationName: "AssumeRoleWithWebIdentity", Err: err,
		})}
	}
	generic := &smithyError{code: "UnknownError"}
	for name, test := range map[string]struct {
		err  error
		want verdict
	}{
		"429":                    {status(429, generic), verdict{retry, reasonThrottled}},
		"413":                    {status(413, generic), verdict{split, reasonBatchTooLong}},
		"502":                    {status(502, generic), verdict{retry, reasonServiceError}},
		"503 without a body":     {status(503, errors.New("EOF")), verdict{retry, reasonServiceError}},
		"504":                    {status(504, generic), verdict{retry, reasonServiceError}},
		"403 of a proxy":         {status(403, generic), verdict{hold, reasonUnknown}},
		"200, not to be read":    {status(200, &smithy.DeserializationError{Err: errors.New("EOF")}), verdict{retry, reasonBadAnswer}},
		"deadline":               {context.DeadlineExceeded, verdict{retry, reasonTimeout}},
		"deadline, wrapped":      {&aws.RequestCanceledError{Err: context.DeadlineExceeded}, verdict{retry, reasonTimeout}},
		"refused connection":     {&net.OpError{Op: "dial", Err: errors.New("refused")}, verdict{retry, reasonConnection}},
		"name that is unknown":   {&net.DNSError{IsNotFound: true}, verdict{retry, reasonConnection}},
		"name server in trouble": {&net.DNSError{IsTimeout: true}, verdict{retry, reasonTimeout}},
		"broken connection":      {&smithyhttp.RequestSendError{Err: errors.New("EOF")}, verdict{retry, reasonConnection}},
		"no credentials":         {errors.New("no EC2 IMDS role found"), verdict{retry, reasonClient}},
		"sts throttles":          {sts(&smithyError{code: "Throttling"}), verdict{retry, reasonCredentials}},
		"sts is away":            {sts(&net.OpError{Op: "dial", Err: errors.New("refused")}), verdict{retry, reasonCredentials}},
		"sts refuses the role":   {sts(&smithyError{code: "AccessDenied"}), verdict{hold, reasonCredentialsFault}},
		"sts refuses the call":   {sts(&smithyError{code: "ValidationError"}), verdict{hold, reasonCredentialsFault}},
		"another region's topic": {
			&smithyError{"InvalidParameter", "Invalid parameter: TopicArn"}, verdict{hold, reasonTopicRefused},
		},
	} {
		require.Equal(t, test.want, classify(test.err), name)
	}
}

func TestClassifyEntries(t *testing.T) {
	for code, want := range verdicts() {
		if want.reason == reasonUnknown {
			continue
		}
		require.Equal(t, want, classifyEntry(code, "", true), "%s: the code says more than SenderFault", code)
		require.Equal(t, want, classifyEntry(code, "", false), code)
	}
	require.Equal(t, verdict{reject, reasonInvalidParameter}, classifyEntry("NobodyHasSeenThis", "", true))
	require.Equal(t, verdict{retry, reasonServiceError}, classifyEntry("NobodyHasSeenThis", "", false))
}

// Every verdict must have its series, or counting it would panic.
func TestEveryReasonIsCounted(t *testing.T) {
	m := newMetrics(nil, Config{}).topic("oncall")
	for code, v := range verdicts() {
		require.NotNil(t, m.failures[v.reason], code)
		switch v.class {
		case hold:
			require.NotNil(t, m.faults[v.reason], code)
			require.NotEmpty(t, remedies()[v.reason])
		case retry, split, reject:
			require.NotNil(t, m.retries[v.reason], code)
		}
	}
}
