package consumer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/position"
)

// benchRecord is 200 bytes, and no rule of benchShard matches it.
const benchRecord = `{"heartRate":72,"rateType":"NORMAL","ANOMALY_SCORE":0.8731,"device":"band-000471",` +
	`"firmware":"4.2.1","battery":87,"steps":10412,"site":"eu-central-1a","note":"the quick brown fox jumps over it"}`

// idleLease takes offers and does nothing.
type idleLease struct{ tb testing.TB }

func (l idleLease) Context() context.Context { return l.tb.Context() }
func (idleLease) Start() (types.StartingPosition, uint32, string) {
	return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}, 0, ""
}
func (idleLease) Commit(position.Progress)                         {}
func (idleLease) HandoffRequested() <-chan struct{}                { return nil }
func (idleLease) HandOff(context.Context) error                    { return nil }
func (idleLease) Generation() uint32                               { return 0 }
func (idleLease) CaughtUp() time.Time                              { return time.Time{} }
func (idleLease) KeepLease()                                       {}
func (idleLease) Take() bool                                       { return false }
func (idleLease) Trusted() error                                   { return nil }
func (idleLease) Finish(context.Context, []types.ChildShard) error { return nil }
func (idleLease) Ended(context.Context, time.Time) (bool, error)   { return true, nil }
func (idleLease) Unusable()                                        {}
func (idleLease) Input() string                                    { return "" }
func (idleLease) Recounts()                                        {}
func (idleLease) Retention() time.Duration                         { return 0 }
func (idleLease) Lost(time.Time) (time.Time, bool)                 { return time.Time{}, false }

func (idleLease) LoadState(context.Context) (own []byte, sequence string, sub uint32, parents [][]byte, err error) {
	return nil, "", 0, nil, nil
}
func (idleLease) LoadRewound(context.Context) ([]byte, error)             { return nil, nil }
func (idleLease) SaveState(context.Context, string, uint32, []byte) error { return nil }
func (idleLease) Settled() bool                                           { return true }
func (idleLease) Agreement() ([16]byte, int)                              { return [16]byte{}, alert.StateFormat }
func (idleLease) Inherits(string) bool                                    { return true }
func (idleLease) Family() (parents, siblings []string)                    { return nil, nil }

func (idleLease) Relative(_ context.Context, _, version string) (string, []byte, []string, error) {
	return version, nil, nil, nil
}

func benchShard(tb testing.TB, rules int) *shard {
	tb.Helper()
	reg := prometheus.NewRegistry()
	cfg := alert.Config{Topics: map[string]alert.TopicConfig{"t": {ARN: "arn:aws:sns:us-east-1:000000000000:t"}}}
	for i := range rules {
		cfg.Rules = append(cfg.Rules, alert.RuleConfig{
			Name: fmt.Sprintf("rule-%d", i), Topics: []string{"t"},
			When: fmt.Sprintf(`ANOMALY_SCORE > %d.5 && rateType == "HIGH"`, i+3),
		})
	}
	compiled, err := cfg.Compile()
	require.NoError(tb, err)
	p, err := alert.New(compiled, alert.Deps{Stream: "arn", Log: zap.NewNop(), Registerer: reg})
	require.NoError(tb, err)
	return loneShard(tb, p, reg, lanes.Config{
		Parallelism: 10, MaxBytes: 64 << 20, Publisher: publisherFunc(func(context.Context, *alert.Alert) error {
			return nil
		}),
	})
}

// loneShard is a shard without a Consumer and a lease table.
func loneShard(tb testing.TB, p *alert.Pipeline, reg prometheus.Registerer, cfg lanes.Config) *shard {
	tb.Helper()
	return newShard(tb.Context(), tb.Context(), &tools{
		id: "shardId-000000000000", lease: idleLease{tb}, eval: p.Shard("shardId-000000000000"), pipeline: p,
		credits: read.NewCredits(64 << 20), clock: clock.New(nil), activity: &read.Activity{}, metrics: newMetrics(reg),
		log: zap.NewNop(),
	}, cfg, nil)
}

func benchPage(n int) *read.Page {
	p := &read.Page{At: time.Now()}
	for i := range n {
		p.Records = append(p.Records, types.Record{
			Data: []byte(benchRecord), PartitionKey: aws.String("partitionkey"),
			SequenceNumber:              aws.String(fmt.Sprintf("495903382714902566085596925383615710959%017d", i)),
			ApproximateArrivalTimestamp: &p.At,
		})
	}
	return p
}

// BenchmarkPageToWatermark is the cost of a 200-byte record that matches no rule, from the page to the watermark.
func BenchmarkPageToWatermark(b *testing.B) {
	for _, rules := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) {
			s, p := benchShard(b, rules), benchPage(1000)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N/len(p.Records) + 1 {
				s.ingest(p)
			}
		})
	}
}

// TestRecordWithoutAlertAllocations holds the bar of two allocations per record, page to watermark.
func TestRecordWithoutAlertAllocations(t *testing.T) {
	s, p := benchShard(t, 10), benchPage(1000)
	perPage := testing.AllocsPerRun(20, func() { s.ingest(p) })
	require.LessOrEqual(t, perPage/float64(len(p.Records)), 2.0)
}
