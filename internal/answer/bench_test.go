package answer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/answer"
)

// BenchmarkGetRecords is the cost of a 200-byte record in a page of 1,000, from the wire to the SDK's types, with the
// checks and without.
func BenchmarkGetRecords(b *testing.B) {
	const size = 1000
	data := strings.Repeat("QUJD", 67)
	var body strings.Builder
	body.WriteString(`{"Records":[`)
	for i := range size {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(
			&body, `{"SequenceNumber":%q,"ApproximateArrivalTimestamp":%d.123,"Data":%q,"PartitionKey":"patient-%d"}`,
			seq(i+1), now-1, data, i%50,
		)
	}
	body.WriteString(`],"NextShardIterator":"n","MillisBehindLatest":0}`)
	for _, checked := range []bool{false, true} {
		b.Run(fmt.Sprintf("checked=%v", checked), func(b *testing.B) {
			cfg := aws.Config{
				Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
				HTTPClient: &reply{status: 200, body: body.String()},
			}
			if checked {
				checker := answer.New(nil, nil)
				cfg.APIOptions = []func(*middleware.Stack) error{checker.Install}
				client := kinesis.NewFromConfig(cfg)
				for range 3 { // the clock of the answers is not ours
					_, _ = client.GetRecords(b.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")})
				}
			}
			client := kinesis.NewFromConfig(cfg)
			ctx := answer.With(b.Context(), &answer.Expect{Subject: "s", Shard: "s", After: seq(0)})
			b.ReportAllocs()
			for b.Loop() {
				out, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("i")})
				require.NoError(b, err)
				require.Len(b, out.Records, size)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/record")
		})
	}
}

// BenchmarkRecords is the check of a record alone.
func BenchmarkRecords(b *testing.B) {
	at := time.Now()
	list := make([]types.Record, 1000)
	for i := range list {
		list[i] = types.Record{
			SequenceNumber: aws.String(seq(i + 1)), Data: []byte("x"), PartitionKey: aws.String("k"),
			ApproximateArrivalTimestamp: &at,
		}
	}
	expect := &answer.Expect{After: seq(0)}
	b.ReportAllocs()
	for b.Loop() {
		if what := answer.Records(list, expect) + answer.Times(list, at); what != "" {
			b.Fatal(what)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(list)), "ns/record")
}
