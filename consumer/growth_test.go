package consumer

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
)

// acceptingClient accepts everything at once.
type acceptingClient struct {
	sns.Client
	accepted atomic.Int64
}

func (c *acceptingClient) PublishBatch(_ context.Context, in *awssns.PublishBatchInput,
	_ ...func(*awssns.Options),
) (*awssns.PublishBatchOutput, error) {
	out := &awssns.PublishBatchOutput{}
	for _, e := range in.PublishBatchRequestEntries {
		out.Successful = append(out.Successful, snstypes.PublishBatchResultEntry{Id: e.Id, MessageId: e.Id})
	}
	c.accepted.Add(int64(len(out.Successful)))
	return out, nil
}

func (*acceptingClient) GetTopicAttributes(context.Context, *awssns.GetTopicAttributesInput,
	...func(*awssns.Options),
) (*awssns.GetTopicAttributesOutput, error) {
	return &awssns.GetTopicAttributesOutput{}, nil
}

// TestNothingGrowsWithRecordsOrAlerts plays 200,000 records that make 40,000 alerts through a shard, rules that
// remember and the publisher; SCALE=1 plays ten million that make two, in minutes, and leaves a heap profile in
// growth.pprof. The keys of one rule push those of others out. The topic with a rate gets one alert in 20 records: its
// rate is what more would wait for.
func TestNothingGrowsWithRecordsOrAlerts(t *testing.T) {
	records := 200_000
	if os.Getenv("SCALE") != "" {
		records = 10_000_000
	}
	const perPage, most = 1000, 384 << 10 // less than ten bytes an alert
	arn := "arn:aws:sns:us-east-1:000000000000:t"
	client := &acceptingClient{}
	topics, err := sns.New(client, nil)
	require.NoError(t, err)
	publisher, err := dispatch.New(dispatch.Config{Topics: map[string]dispatch.TopicConfig{
		"unlimited": {ARN: arn}, "limited": {ARN: arn, Rate: 30_000, Rules: []string{"muted"}},
	}}, dispatch.Deps{Service: topics, Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- publisher.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-ended)
	}()

	registry := prometheus.NewRegistry()
	rules, err := alert.Config{
		Topics: map[string]alert.TopicConfig{"unlimited": {ARN: arn}, "limited": {ARN: arn}},
		State:  alert.StateConfig{MaxKeys: 2000},
		Rules: []alert.RuleConfig{
			{Name: "each", When: "v % 10 == 0", Topics: []string{"unlimited"}},
			{Name: "both", When: "v % 20 == 0", Topics: []string{"unlimited", "limited"}},
			{Name: "muted", When: "v > 0", Key: "v % 500", Dedup: time.Hour, Topics: []string{"limited"}},
			{
				Name: "excursion", When: "v % 2 == 0", Key: "v % 7", Resolve: alert.Stretch{Time: time.Hour},
				Topics: []string{"limited"},
			},
			{
				Name: "distinct", When: "v > 0", Key: "v % 3", Window: alert.WindowConfig{
					Length: 10 * time.Second, Aggregate: "distinct", Of: "k", Is: "> 9000",
				}, Topics: []string{"limited"},
			},
			{
				Name: "sum", When: "v > 0", Window: alert.WindowConfig{
					Length: time.Minute, Aggregate: "sum", Of: "v", Is: "> 1e15",
				}, Topics: []string{"limited"},
			},
			{Name: "absent", Absence: alert.AbsenceConfig{After: time.Hour}, Topics: []string{"limited"}},
		},
	}.Compile()
	require.NoError(t, err)
	pipeline, err := alert.New(rules, alert.Deps{Stream: "arn", Log: zap.NewNop(), Registerer: registry})
	require.NoError(t, err)
	s := loneShard(t, pipeline, registry, lanes.Config{Parallelism: 1000, MaxBytes: 64 << 20, Publisher: publisher})
	s.intake.fleet = func() alert.Fleet { return alert.Fleet{} }
	s.memory.opened = true

	n, now := 0, time.Now()
	play := func(count int) (heap int64) {
		for range count / perPage {
			p := &read.Page{At: now}
			for range perPage {
				n++
				at := now.Add(time.Duration(n) * time.Millisecond)
				p.Records = append(p.Records, types.Record{
					Data:         fmt.Appendf(nil, `{"v":%d,"k":"key-%d"}`, n, n),
					PartitionKey: aws.String(fmt.Sprint("key-", n%5000)),
					SequenceNumber: aws.String(fmt.Sprintf("495903382714902566085596925383615710959%017d",
						n)),
					ApproximateArrivalTimestamp: &at,
				})
			}
			s.ingest(p)
		}
		require.Eventually(t, func() bool { return s.progress.unsettled() == 0 }, 10*time.Minute, 10*time.Millisecond)
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc) //nolint:gosec // bytes
	}
	before := play(50_000)
	after := play(records)
	t.Logf("%d records and %d alerts: from %d KiB to %d KiB", n, client.accepted.Load(), before>>10, after>>10)
	if os.Getenv("SCALE") != "" {
		f, err := os.Create("growth.pprof")
		require.NoError(t, err)
		require.NoError(t, pprof.WriteHeapProfile(f))
		require.NoError(t, f.Close())
	}
	require.Less(t, after-before, int64(most), "something grows with records or alerts")
	runtime.KeepAlive(s)
}
