package awsfault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/awsfault"
)

func TestCodesOfAllServices(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]awsfault.Kind{
		"ProvisionedThroughputExceededException":  awsfault.Throttled,
		"ThrottlingException":                     awsfault.Throttled,
		"LimitExceededException":                  awsfault.Throttled,
		"KMSThrottlingException":                  awsfault.KMSThrottled,
		"KmsThrottled":                            awsfault.KMSThrottled,
		"KMS.ThrottlingException":                 awsfault.KMSThrottled,
		"InternalFailure":                         awsfault.Unavailable,
		"ExpiredTokenException":                   awsfault.Expired,
		"UnrecognizedClientException":             awsfault.Signature,
		"AccessDenied":                            awsfault.Denied,
		"AuthorizationError":                      awsfault.Denied,
		"ResourceNotFoundException":               awsfault.Missing,
		"NotFound":                                awsfault.Missing,
		"AWS.SimpleQueueService.NonExistentQueue": awsfault.Missing,
		"KMSAccessDeniedException":                awsfault.KMSDenied,
		"KmsInvalidState":                         awsfault.KMSKey,
		"KMS.DisabledException":                   awsfault.KMSKey,
		"InvalidParameter":                        awsfault.Other,
		"":                                        awsfault.Other,
	} {
		require.Equal(t, want, awsfault.Of(code), code)
	}
}

// A key that is throttled, denied or disabled needs three different fixes: no operator is sent to the wrong one.
func TestRemediesOfKeysDiffer(t *testing.T) {
	t.Parallel()
	r := awsfault.Resource{Name: "the stream", Actions: "kinesis:GetRecords", KeyActions: "kms:Decrypt"}
	require.Contains(t, awsfault.KMSThrottled.Remedy(r), "request rate")
	require.NotContains(t, awsfault.KMSThrottled.Remedy(r), "kms:Decrypt")
	require.Contains(t, awsfault.KMSDenied.Remedy(r), "kms:Decrypt")
	require.Contains(t, awsfault.KMSKey.Remedy(r), "enable")
	require.Equal(t, "allow kinesis:GetRecords on the stream in the role's policy", awsfault.Denied.Remedy(r))
	r.HasPolicy = true
	require.True(t, strings.HasSuffix(awsfault.Denied.Remedy(r), "and in the policy of the stream"))
}

func TestExplainNamesActionAndResource(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"AccessDeniedException":       "grant it to the role",
		"ResourceNotFoundException":   "create it or correct its name",
		"UnrecognizedClientException": "does not accept the credentials",
		"ValidationException":         "dynamodb:PutItem on table t",
	} {
		api := &smithy.GenericAPIError{Code: code}
		err := awsfault.Explain(api, "dynamodb:PutItem", "table t")
		require.ErrorIs(t, err, api)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "dynamodb:PutItem")
		require.ErrorContains(t, err, "table t")
	}
	require.ErrorContains(t, awsfault.Explain(errors.New("no route to host"), "dynamodb:PutItem", "table t"), "table t")
}
