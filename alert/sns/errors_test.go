package sns

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/fakeaws"
)

// smithyError is an error answer of SNS.
type smithyError struct{ code, message string }

func (e *smithyError) Error() string               { return e.code }
func (e *smithyError) ErrorCode() string           { return e.code }
func (e *smithyError) ErrorMessage() string        { return e.message }
func (*smithyError) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

// verdicts has every code of the SNS model (types/errors.go of the SDK), of the service's common errors and of the
// SDK's throttling codes.
func verdicts() map[string]delivery.Verdict {
	throttled, service := delivery.Retry.Because(delivery.ReasonThrottled), delivery.Retry.Because(
		delivery.ReasonServiceError,
	)
	creds, tooLong := delivery.Retry.Because(delivery.ReasonCredentials), delivery.Shrink.Because(
		dispatch.ReasonBatchTooLong,
	)
	invalid := delivery.Reject.Because(reasonInvalidParameter)
	denied, missing := delivery.Hold.Because(
		delivery.ReasonNotAuthorized,
	), delivery.Hold.Because(dispatch.ReasonMissing)
	refused, key := delivery.Hold.Because(reasonTopicRefused), delivery.Hold.Because(delivery.ReasonKMSKey)
	signature, unknown := delivery.Hold.Because(delivery.ReasonSignature), delivery.Hold.Because(delivery.ReasonUnknown)
	return map[string]delivery.Verdict{
		"AuthorizationError": denied, "AccessDenied": denied, "AccessDeniedException": denied, "NotAuthorized": denied,
		"NotFound": missing, "ResourceNotFound": missing, "ResourceNotFoundException": missing,
		"EndpointDisabled": refused, "PlatformApplicationDisabled": refused, "OptedOut": refused,
		"InvalidState":          refused,
		"VerificationException": refused,
		"KMSAccessDenied":       delivery.Hold.Because(delivery.ReasonKMSAccess),
		"KMSDisabled":           key, "KMSInvalidState": key, "KMSNotFound": key, "KMSOptInRequired": key,
		"InvalidSecurity": signature, "SignatureDoesNotMatch": signature, "IncompleteSignature": signature,
		"InvalidSignatureException": signature, "InvalidClientTokenId": signature,
		"UnrecognizedClientException": signature,
		"InvalidAccessKeyId":          signature, "MissingAuthenticationToken": signature, "AuthFailure": signature,
		"OptInRequired": signature, "SubscriptionRequiredException": signature,

		"InvalidParameter": invalid, "ParameterValueInvalid": invalid, "InvalidParameterValue": invalid,
		"ValidationException": invalid, "ValidationError": invalid, "UserError": invalid,
		"BatchEntryIdsNotDistinct": invalid, "InvalidBatchEntryId": invalid, "EmptyBatchRequest": invalid,

		"BatchRequestTooLong": tooLong, "TooManyEntriesInBatchRequest": tooLong, "RequestEntityTooLarge": tooLong,

		"Throttling": throttled, "ThrottlingException": throttled, "ThrottledException": throttled,
		"Throttled":                 throttled,
		"RequestThrottledException": throttled, "RequestThrottled": throttled, "EC2ThrottledException": throttled,
		"KMSThrottling":          delivery.Retry.Because(reasonKMSThrottled),
		"KMSThrottlingException": delivery.Retry.Because(reasonKMSThrottled), "TooManyRequestsException": throttled,
		"ProvisionedThroughputExceededException": throttled, "RequestLimitExceeded": throttled,
		"BandwidthLimitExceeded": throttled, "LimitExceededException": throttled, "SlowDown": throttled,
		"PriorRequestNotComplete": throttled, "TransactionInProgressException": throttled,

		"InternalError": service, "InternalFailure": service, "InternalServerError": service,
		"ServiceUnavailable": service,
		"RequestTimeout":     service, "ConcurrentAccess": service,
		"ExpiredToken": creds, "ExpiredTokenException": creds, "RequestExpired": creds, "RequestTimeTooSkewed": creds,

		// Of the model, but of other operations. Should PublishBatch ever answer with one of them, nothing burns.
		"FilterPolicyLimitExceeded": unknown, "ReplayLimitExceeded": unknown, "StaleTag": unknown,
		"TagLimitExceeded":          unknown,
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
		emulator.Faults.Add(fakeaws.Fault{
			Kind: fakeaws.Before, Err: &fakeaws.Error{Code: code, Message: "injected", Status: 400},
		})
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
		want delivery.Verdict
	}{
		"413":                {status(413, generic), delivery.Shrink.Because(dispatch.ReasonBatchTooLong)},
		"503 without a body": {status(503, errors.New("EOF")), delivery.Retry.Because(delivery.ReasonServiceError)},
		"403 of a proxy":     {status(403, generic), delivery.Hold.Because(delivery.ReasonUnknown)},
		"301 of a proxy":     {status(301, generic), delivery.Retry.Because(delivery.ReasonBadAnswer)},
		"sts refuses the call": {
			sts(&smithyError{code: "ValidationError"}), delivery.Hold.Because(delivery.ReasonCredentialsRefused),
		},
		"another region's topic": {
			&smithyError{"InvalidParameter", "Invalid parameter: TopicArn"}, delivery.Hold.Because(reasonTopicRefused),
		},
	} {
		require.Equal(t, test.want, classify(test.err), name)
	}
}

func TestClassifyEntries(t *testing.T) {
	for code, want := range verdicts() {
		if want.Reason == delivery.ReasonUnknown {
			continue
		}
		require.Equal(t, want, classifyEntry(code, "", true), "%s: the code says more than SenderFault", code)
		require.Equal(t, want, classifyEntry(code, "", false), code)
	}
	require.Equal(t, delivery.Reject.Because(reasonInvalidParameter), classifyEntry("NobodyHasSeenThis", "", true))
	require.Equal(t, delivery.Retry.Because(delivery.ReasonServiceError), classifyEntry("NobodyHasSeenThis", "", false))
}

// Every verdict must be announced, or counting it would panic. A fault needs a remedy.
func TestEveryReasonIsAnnounced(t *testing.T) {
	service := &Service{}
	shared := delivery.RetryReasons()
	announced := service.Reasons()
	retry := append(append(shared, dispatch.ReasonBatchTooLong), announced.Retry...)
	hold := append(append(delivery.HoldReasons(), dispatch.ReasonMissing), announced.Hold...)
	for code, v := range verdicts() {
		switch v.Class {
		case delivery.Hold:
			require.Contains(t, hold, v.Reason, code)
			require.NotEmpty(t, service.Remedy(v.Reason, ""))
		case delivery.Retry, delivery.Shrink, delivery.Reject:
			require.Contains(t, retry, v.Reason, code)
		}
	}
	for _, r := range RejectReasons() {
		require.Contains(t, append(dispatch.RejectReasons(), announced.Reject...), r)
	}
}
