package consumer

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"

	"kinesis-alerter/internal/testkit"
)

// TestCloudWatchCost prints what a record of 200 log events costs, page to watermark, beside unpacking it and taking
// its messages as plain records of text. The two are interleaved, and compared by the CPU that they take.
func TestCloudWatchCost(t *testing.T) {
	testkit.Long(t)
	const events, rounds, repeats = 200, 15, 40
	for _, c := range []struct {
		name, when string
		message    func(i int) string
	}{
		{"text", `message contains "Task timed out"`, func(i int) string {
			return fmt.Sprintf("2026-11-30T00:%02d:%02d.%03dZ\t%08x-%04x-4b2c-9d3e-%012x\tINFO\tprocessed order %d "+
				"in %d ms\n",
				i%60, i*7%60, i*331%1000, i*2654435761, i*40503%65536, i*1103515245, 100000+i*7919%99991, i*37%400)
		}},
		{"json", `message contains "Task timed out"`, jsonMessage},
		{"json, by a member", `json.ms > 100000`, jsonMessage},
	} {
		var messages, list []string
		for i := range events {
			m := c.message(i)
			messages = append(messages, m)
			quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(m)
			list = append(list, fmt.Sprintf(`{"id":"392546712300000000000000000000000000000000000000%08d",`+
				`"timestamp":%d,"message":"%s"}`, i, 1796000000000+i*13, quoted))
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write([]byte(`{"messageType":"DATA_MESSAGE","owner":"000000000000","logGroup":"/aws/lambda/pay",` +
			`"logStream":"2026/11/30/[$LATEST]a1b2","subscriptionFilters":["to-kinesis"],"logEvents":[` +
			strings.Join(list, ",") + "]}"))
		require.NoError(t, z.Close())

		plan, faults := decode.Input{Preset: "cloudwatch_logs"}.Compile(decode.DefaultLimits())
		require.Empty(t, faults)
		logs := costShard(t, alert.FormatJSON, c.when)
		logs.intake.decoder = plan.Decoder(decode.NewBudget())
		texts := costShard(t, alert.FormatText, `data contains "Task timed out"`)
		one, many := costPage(packed.Bytes()), costPage()
		for _, m := range messages {
			many.Records = append(many.Records, costPage([]byte(m)).Records...)
		}
		var reader gzip.Reader
		var src bytes.Reader
		out := make([]byte, 0, 1<<20)
		gunzip := func() {
			src.Reset(packed.Bytes())
			_ = reader.Reset(&src)
			b := bytes.NewBuffer(out[:0])
			_, _ = b.ReadFrom(&reader)
		}
		var a, g, p []float64
		for range rounds {
			a = append(a, cpu(t, repeats, func() { logs.ingest(one) }))
			g = append(g, cpu(t, repeats, gunzip))
			p = append(p, cpu(t, repeats, func() { texts.ingest(many) }))
		}
		slices.Sort(a)
		slices.Sort(g)
		slices.Sort(p)
		mid := rounds / 2
		before := logs.pipeline.Status().Records[alert.Unmatched]
		logs.ingest(one)
		require.EqualValues(t, events, logs.pipeline.Status().Records[alert.Unmatched]-before, "each event is judged")
		allocs := testing.AllocsPerRun(20, func() { logs.ingest(one) })
		t.Logf("%s: %.1f us; gunzip %.1f + plain text %.1f: ratio %.2f (best of each %.2f); %.2f allocations an event",
			c.name, a[mid], g[mid], p[mid], a[mid]/(g[mid]+p[mid]), a[0]/(g[0]+p[0]), allocs/events)
		require.LessOrEqual(t, allocs/events, 2.0)
	}
}

func jsonMessage(i int) string {
	return fmt.Sprintf(`{"level":"INFO","time":"2026-11-30T00:%02d:%02d.%03dZ","requestId":"%08x-%04x","ms":%d,`+
		`"order":%d,"message":"processed order","customer":{"id":"c-%d","tier":"gold"},"price":%d.50,`+
		`"region":"us-east-1","version":"1.2.3"}`, i%60, i*7%60, i*331%1000, i*2654435761, i*40503%65536, i*37%400,
		100000+i*7919%99991, i%77, i%99)
}

func costShard(t *testing.T, format, when string) *shard {
	t.Helper()
	reg := prometheus.NewRegistry()
	topic := alert.TopicConfig{ARN: "arn:aws:sns:us-east-1:000000000000:t"}
	cfg := alert.Config{Format: format, Topics: map[string]alert.TopicConfig{"t": topic}}
	cfg.Rules = []alert.RuleConfig{{Name: "r", Topics: []string{"t"}, When: when}}
	compiled, err := cfg.Compile()
	require.NoError(t, err)
	p, err := alert.New(compiled, alert.Deps{Stream: "arn", Log: zap.NewNop(), Registerer: reg})
	require.NoError(t, err)
	return loneShard(t, p, reg, lanes.Config{
		Parallelism: 10, MaxBytes: 64 << 20, Publisher: publisherFunc(func(context.Context, *alert.Alert) error {
			return nil
		}),
	})
}

func costPage(data ...[]byte) *read.Page {
	p := &read.Page{At: time.Now()}
	for i, d := range data {
		p.Records = append(p.Records, types.Record{
			Data: d, PartitionKey: aws.String("partitionkey"),
			SequenceNumber:              aws.String(fmt.Sprintf("495903382714902566085596925383615710959%017d", i)),
			ApproximateArrivalTimestamp: &p.At,
		})
	}
	return p
}

// cpu is how many microseconds of CPU a call takes.
func cpu(t *testing.T, repeats int, do func()) float64 {
	t.Helper()
	used := func() int64 {
		var u syscall.Rusage
		require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	for range repeats {
		do()
	}
	return float64(used()-before) / 1000 / float64(repeats)
}
