package daemon

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/answer"
	alertercredentials "kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

// decodedBySDK is how many answers were left to the SDK.
func decodedBySDK(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "kinesis_alerter_sdk_decoded_answers_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("no such metric")
	return 0
}

// TestRecordsAreDecodedHere: all clients of the daemon ask its own decoder, which leaves the end of a shard to the
// SDK. An SDK that stopped asking it would only be noticed by the CPU.
func TestRecordsAreDecodedHere(t *testing.T) {
	t.Parallel()
	fake, reg := fakeaws.New(fakeaws.Options{}), prometheus.NewRegistry()
	fake.Kinesis.Create("s", 1)
	shard, _ := fake.Kinesis.Put("s", "é \"quoted\" </key>", []byte("data"))
	all := NewClients(testkit.Emulated(fake), reg, nil)
	read := func(c clients) *kinesis.GetRecordsOutput {
		at, err := c.Kinesis.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String("s"), ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		require.NoError(t, err)
		out, err := c.Kinesis.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator})
		require.NoError(t, err)
		require.Len(t, out.Records, 1)
		require.Equal(t, "data", string(out.Records[0].Data))
		require.Equal(t, `é "quoted" </key>`, *out.Records[0].PartitionKey)
		require.WithinDuration(t, time.Now(), answer.Time(out.ResultMetadata, time.Time{}), time.Hour)
		return out
	}
	elsewhere := all.Of("arn:aws:kinesis:eu-west-1:000000000000:stream/s", alertercredentials.Role{})
	for _, c := range []clients{all, elsewhere} {
		require.NotNil(t, read(c).NextShardIterator)
		require.IsType(t, all.protocol, c.Kinesis.Options().Protocol)
	}
	require.Zero(t, decodedBySDK(t, reg))
	fake.Kinesis.Split("s", shard)
	require.Len(t, read(all).ChildShards, 2)
	require.InDelta(t, 1, decodedBySDK(t, reg), 0)
}

// TestCompressionIsNotAskedFor: a compressed answer has no length, which is what a page is admitted by. Who sends one
// all the same has sent a bad answer.
func TestCompressionIsNotAskedFor(t *testing.T) {
	t.Parallel()
	body := []byte(`{"Records":[{"Data":"QQ==","SequenceNumber":"1"}],"NextShardIterator":"n"}`)
	compress, asked := false, ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Accept-Encoding")
		if !compress {
			_, _ = w.Write(body)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(body)
		_ = z.Close()
		_, _ = w.Write(packed.Bytes())
	}))
	defer srv.Close()
	client := newHTTPClient()
	all := NewClients(aws.Config{
		Region: "us-east-1", BaseEndpoint: &srv.URL, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, prometheus.NewRegistry(), nil)
	defer client.GetTransport().CloseIdleConnections()
	ask := func() error {
		_, err := all.Kinesis.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")})
		return err
	}
	require.NoError(t, ask())
	require.Contains(t, []string{"", "identity"}, asked)
	compress = true
	require.True(t, answer.Is(ask()))
}
