package delivery_test

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

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

const reasonOwn alert.Reason = "own"

// classify is a sender with one code and one status of its own.
func classify(err error) delivery.Verdict {
	return delivery.Classify(err, func(code, message string) (delivery.Verdict, bool) {
		if code == "Own" || message == "own" {
			return delivery.Reject.Because(reasonOwn), true
		}
		return delivery.ByCode(code)
	}, func(status int) (delivery.Verdict, bool) {
		return delivery.Shrink.Because(reasonOwn), status == http.StatusRequestEntityTooLarge
	})
}

// noAnswerError is an error about what is no answer of the service.
type noAnswerError struct{}

func (noAnswerError) Error() string  { return "no answer" }
func (noAnswerError) BadAnswer() int { return http.StatusBadRequest }

func TestClassify(t *testing.T) {
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
	code := func(code string) error { return &smithy.GenericAPIError{Code: code} }
	generic, refused := code("UnknownError"), &net.OpError{Op: "dial", Err: errors.New("refused")}
	for name, test := range map[string]struct {
		err    error
		class  delivery.Class
		reason alert.Reason
	}{
		"the sender's code":            {status(503, code("Own")), delivery.Reject, reasonOwn},
		"the sender's message":         {&smithy.GenericAPIError{Message: "own"}, delivery.Reject, reasonOwn},
		"the sender's status":          {status(413, generic), delivery.Shrink, reasonOwn},
		"a code says more than status": {status(413, code("SlowDown")), delivery.Retry, delivery.ReasonThrottled},
		"429":                          {status(429, generic), delivery.Retry, delivery.ReasonThrottled},
		"502":                          {status(502, generic), delivery.Retry, delivery.ReasonServiceError},
		"503 without a body":           {status(503, errors.New("EOF")), delivery.Retry, delivery.ReasonServiceError},
		"504":                          {status(504, generic), delivery.Retry, delivery.ReasonServiceError},
		"403 of a proxy":               {status(403, generic), delivery.Hold, delivery.ReasonUnknown},
		"400 without a code":           {status(400, errors.New("EOF")), delivery.Hold, delivery.ReasonUnknown},
		"400 of a proxy that is not AWS": {
			status(400, noAnswerError{}), delivery.Retry, delivery.ReasonBadAnswer,
		},
		"403 of a proxy that is not AWS": {
			status(403, noAnswerError{}), delivery.Retry, delivery.ReasonBadAnswer,
		},
		"a code without a status": {code("NobodyHasSeenThis"), delivery.Hold, delivery.ReasonUnknown},
		"200, not to be read": {
			status(200, &smithy.DeserializationError{Err: errors.New("EOF")}), delivery.Retry, delivery.ReasonBadAnswer,
		},
		"200, and then nothing": {status(200, context.DeadlineExceeded), delivery.Retry, delivery.ReasonTimeout},
		"deadline":              {context.DeadlineExceeded, delivery.Retry, delivery.ReasonTimeout},
		"deadline, wrapped": {
			&aws.RequestCanceledError{Err: context.DeadlineExceeded}, delivery.Retry, delivery.ReasonTimeout,
		},
		"refused connection":     {refused, delivery.Retry, delivery.ReasonConnection},
		"name that is unknown":   {&net.DNSError{IsNotFound: true}, delivery.Retry, delivery.ReasonConnection},
		"name server in trouble": {&net.DNSError{IsTimeout: true}, delivery.Retry, delivery.ReasonTimeout},
		"broken connection": {
			&smithyhttp.RequestSendError{Err: errors.New("EOF")}, delivery.Retry, delivery.ReasonConnection,
		},
		"no credentials": {errors.New("no EC2 IMDS role found"), delivery.Retry, delivery.ReasonClient},
		"STS throttles":  {sts(code("Throttling")), delivery.Retry, delivery.ReasonCredentials},
		"STS is away":    {sts(refused), delivery.Retry, delivery.ReasonCredentials},
		"STS is out":     {sts(status(503, generic)), delivery.Retry, delivery.ReasonCredentials},
		"STS refuses the role": {
			sts(status(403, code("AccessDenied"))), delivery.Hold, delivery.ReasonCredentialsRefused,
		},
		"STS has the sender's code, which is not about the message": {
			sts(code("Own")), delivery.Hold, delivery.ReasonCredentialsRefused,
		},
	} {
		v := classify(test.err)
		require.Equal(t, test.class.Because(test.reason), v, name)
		if v.Class == delivery.Retry {
			require.Contains(
				t, delivery.RetryReasons(), v.Reason, "a counter by reason needs to know it beforehand",
			)
		}
	}
}

// What all services have in common is about no message in particular, and it takes a sender to say what is missing.
func TestCommonCodesRejectNothing(t *testing.T) {
	for code, want := range map[string]delivery.Verdict{
		"SlowDown":         delivery.Retry.Because(delivery.ReasonThrottled),
		"RequestThrottled": delivery.Retry.Because(delivery.ReasonThrottled),
		"InternalError":    delivery.Retry.Because(delivery.ReasonServiceError),
		"ExpiredToken":     delivery.Retry.Because(delivery.ReasonCredentials),
		"AccessDenied":     delivery.Hold.Because(delivery.ReasonNotAuthorized),
		"InvalidSecurity":  delivery.Hold.Because(delivery.ReasonSignature),
	} {
		v, ok := delivery.ByCode(code)
		require.True(t, ok, code)
		require.Equal(t, want, v, code)
	}
	for _, code := range []string{"NotFound", "InvalidParameter", "ValidationError", "RequestEntityTooLarge", ""} {
		_, ok := delivery.ByCode(code)
		require.False(t, ok, code)
	}
}
