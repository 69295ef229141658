package daemon

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

// Kinesis calls are made once, because the reader retries; DynamoDB calls have three attempts, within a heartbeat.
func TestAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, reg := fakeaws.New(fakeaws.Options{}), prometheus.NewPedanticRegistry()
		clients := NewClients(testkit.Emulated(fake), reg, nil)
		fake.Faults.Add(fakeaws.Fault{Kind: fakeaws.Before})
		_, err := clients.Kinesis.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("s")})
		require.Error(t, err)
		began := time.Now()
		_, err = clients.DynamoDB.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("t")})
		require.Error(t, err)
		require.Less(t, time.Since(began), time.Second)
		fake.Faults.Clear()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = clients.Kinesis.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String("s")})
		require.Error(t, err)
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP kinesis_alerter_aws_requests_total Attempts of AWS API calls by their result: OK, the service's error code (other where it documents no such code), BadAnswer, Canceled, Timeout or Connection.
# TYPE kinesis_alerter_aws_requests_total counter
kinesis_alerter_aws_requests_total{code="InternalFailure",operation="DescribeTable",service="DynamoDB"} 3
kinesis_alerter_aws_requests_total{code="InternalFailure",operation="ListShards",service="Kinesis"} 1
kinesis_alerter_aws_requests_total{code="OK",operation="GetItem",service="DynamoDB"} 0
kinesis_alerter_aws_requests_total{code="OK",operation="GetRecords",service="Kinesis"} 0
kinesis_alerter_aws_requests_total{code="OK",operation="GetShardIterator",service="Kinesis"} 0
kinesis_alerter_aws_requests_total{code="OK",operation="ListShards",service="Kinesis"} 0
kinesis_alerter_aws_requests_total{code="OK",operation="PublishBatch",service="SNS"} 0
kinesis_alerter_aws_requests_total{code="OK",operation="Scan",service="DynamoDB"} 0
kinesis_alerter_aws_requests_total{code="OK",operation="UpdateItem",service="DynamoDB"} 0
`), "kinesis_alerter_aws_requests_total"))
	})
}

// With AWS_CA_BUNDLE set the SDK refuses HTTP clients that it cannot give the certificates to.
func TestCABundleIsAccepted(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE", Bytes: server.Certificate().Raw,
	}), 0o600))
	t.Setenv("AWS_CA_BUNDLE", bundle)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	cfg, err := LoadAWS(t.Context())
	require.NoError(t, err)
	require.Equal(t, "eu-central-1", cfg.Region)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	require.NoError(t, err)
	response, err := cfg.HTTPClient.Do(request)
	require.NoError(t, err, "the bundle's certificate is trusted")
	require.NoError(t, response.Body.Close())
}

func TestNoRegion(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	_, err := LoadAWS(t.Context())
	require.EqualError(t, err, "AWS configuration: no region; set AWS_REGION, or a region in the profile; for the "+
		"emulator: . bin/emulator.env")
}

// closeCounter is a body that fails when it is read after it was closed, as the SDK's does.
type closeCounter struct {
	io.Reader
	closed bool
}

func (c *closeCounter) Read(p []byte) (int, error) {
	if c.closed {
		return 0, errors.New("read after close")
	}
	return c.Reader.Read(p)
}

func (c *closeCounter) Close() error {
	c.closed = true
	return nil
}

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// The transport may still look at the body after the SDK has closed it.
func TestBodyOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	body := &closeCounter{Reader: strings.NewReader("payload")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/", body)
	require.NoError(t, err)
	_, err = SteadyBody{doFunc(func(sent *http.Request) (*http.Response, error) {
		require.EqualValues(t, 7, sent.ContentLength)
		require.NoError(t, body.Close())
		text, err := io.ReadAll(sent.Body)
		require.NoError(t, err)
		require.Equal(t, "payload", string(text))
		again, err := sent.GetBody()
		require.NoError(t, err)
		text, err = io.ReadAll(again)
		require.NoError(t, err)
		require.Equal(t, "payload", string(text))
		return nil, nil //nolint:nilnil // the answer is not read
	})}.Do(r) //nolint:bodyclose // there is no answer
	require.NoError(t, err)
}

// What goes over plain HTTP to another host is reported: payloads and a token go with it.
func TestPlainEndpointsAreTold(t *testing.T) {
	t.Parallel()
	plain := func(endpoint string) []string {
		cfg := testkit.Emulated(nil)
		cfg.BaseEndpoint = aws.String(endpoint)
		return NewClients(cfg, prometheus.NewRegistry(), nil).Of("", credentials.Role{}).plainEndpoints()
	}
	require.Equal(t, []string{"gateway.example.com:4566"}, plain("http://gateway.example.com:4566"))
	require.Equal(t, []string{"10.0.0.1"}, plain("http://10.0.0.1/aws"))
	for _, endpoint := range []string{
		"https://gateway.example.com", "http://localhost:4566", "http://127.0.0.9", "http://[::1]:80",
		"http://[::ffff:127.0.0.1]",
	} {
		require.Empty(t, plain(endpoint), endpoint)
	}
	require.Empty(t, NewClients(testkit.Emulated(nil), prometheus.NewRegistry(), nil).plainEndpoints())
}
