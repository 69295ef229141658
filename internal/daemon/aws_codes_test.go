package daemon

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/testkit"
)

// TestCodesOfAWSAreAClosedSet: an endpoint cannot make series, or end the process, by what it calls its errors.
func TestCodesOfAWSAreAClosedSet(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"ProvisionedThroughputExceededException": "ProvisionedThroughputExceededException", "Throttling": "Throttling",
		"ThrottlingException":             "ThrottlingException",
		"ConditionalCheckFailedException": "ConditionalCheckFailedException",
		"KMS.Throttling":                  "KMS.Throttling", credentials.CodeUnavailable: credentials.CodeUnavailable,
		"Bad\xff\xfe": "other", "E\x1b[2J": "other", "": "other", "Invented": "other", "OKException": "other",
	} {
		require.Equal(t, want, closedCode(code), code)
	}
	reg := prometheus.NewRegistry()
	clients := NewClients(testkit.Emulated(nil), reg, nil)
	for i := range 50 {
		code := fmt.Sprintf("Code%d", i)
		options := clients.Kinesis.Options()
		options.HTTPClient = clientFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusBadRequest, Header: http.Header{
					"X-Amzn-Errortype": {code}, "Content-Type": {"application/x-amz-json-1.1"},
				},
				Body: http.NoBody,
			}, nil
		})
		_, err := kinesis.New(options).ListShards(context.WithoutCancel(t.Context()), &kinesis.ListShardsInput{})
		var api smithy.APIError
		require.ErrorAs(t, err, &api)
		require.Equal(t, code, api.ErrorCode(), "the page and the log have it as it is")
	}
	n, err := testutil.GatherAndCount(reg, "kinesis_alerter_aws_requests_total")
	require.NoError(t, err)
	require.LessOrEqual(t, n, 10)
}

type clientFunc func(*http.Request) (*http.Response, error)

func (f clientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }
