package alert_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// The text is in the log and in dead letters: without a failure it mentions none.
func TestGivenUpErrorWithoutAFailure(t *testing.T) {
	t.Parallel()
	require.EqualError(t, &alert.GivenUpError{Condition: alert.ConditionAge},
		"given up (RecordAgeExceeded) after 0 attempts")
	require.EqualError(t, &alert.GivenUpError{Condition: alert.ConditionAge, Attempts: 2, Err: errors.New("throttled")},
		"given up (RecordAgeExceeded) after 2 attempts: throttled")
}

// The text of an AWS error is on the page and in the log: one bounded line, without control characters, and without the
// parts of a request that AWS repeats after a line break.
func TestErrorTextIsOneBoundedLine(t *testing.T) {
	t.Parallel()
	signature := &smithy.GenericAPIError{
		Code:    "SignatureDoesNotMatch",
		Message: "The signature does not match.\n\nThe Canonical String should have been 'x-amz-security-token:SECRET'",
	}
	for want, err := range map[string]error{
		"": nil,
		"AuthorizationError: User: arn:aws:sts::1:role is not authorized": &smithy.OperationError{
			ServiceID: "SNS", Err: &smithy.GenericAPIError{
				Code:    "AuthorizationError",
				Message: "User: arn:aws:sts::1:role is not authorized",
			},
		},
		"SignatureDoesNotMatch: The signature does not match.": &alert.RejectedError{Err: signature},
		"no response in time": fmt.Errorf("call: %w", context.DeadlineExceeded),
		"dial tcp: refused": &url.Error{ //nolint:gosec // it must not be shown
			Op: "Post", URL: "https://user:secret@sns",
			Err: errors.New("dial tcp: refused"),
		},
		"a b [31m": errors.New("a\tb\x1b[31m\r\nc"),
		"Code":     &smithy.GenericAPIError{Code: "Code"},
		"C: " + strings.Repeat("é", 200) + "…": &smithy.GenericAPIError{Code: "C", Message: strings.Repeat("é", 300)},
		"\uFFFDx": errors.New("\xffx"),
	} {
		require.Equal(t, want, alert.ErrorText(err))
	}
}
