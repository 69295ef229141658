package system

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// cord is a daemon's line to AWS, which can be cut: what a crash looks like from outside.
type cord struct {
	fake *fakeaws.AWS
	cut  atomic.Bool
}

// RoundTrip implements http.RoundTripper.
func (c *cord) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.cut.Load() {
		return nil, errors.New("the machine is gone")
	}
	return c.fake.RoundTrip(r)
}

// rememberRules is one rule for each kind of memory.
func rememberRules() []alert.RuleConfig {
	second := time.Second
	return []alert.RuleConfig{
		{Name: "dedup", When: "v > 5", Dedup: 20 * second},
		{Name: "for", When: "v > 3", For: alert.Stretch{Records: 3}},
		{Name: "hold", When: "v > 2", For: alert.Stretch{Time: 4 * second}, Resolve: alert.Stretch{Time: 7 * second}},
		{Name: "resolve", When: "v > 6", Resolve: alert.Stretch{Records: 2}, RepeatInterval: 15 * second},
		{Name: "absent", Absence: alert.AbsenceConfig{After: 12 * second}},
		{
			Name: "tumbling", When: "v > 0", Window: alert.WindowConfig{
				Length: 15 * second, Tumbling: true, Aggregate: "sum", Of: "v", Is: "> 40",
			},
		},
		{
			Name: "sliding", When: "v > 0", Window: alert.WindowConfig{
				Length: 12 * second, Step: 2 * second, Aggregate: "avg", Of: "v", Is: "> 5",
			},
		},
		{Name: "score", When: "ANOMALY_SCORE > 0.6", Dedup: 2 * second},
	}
}

// rememberRun puts the same records at the same moments into a stream that is split after three minutes, and returns
// which alerts SNS accepted, by id. With trouble, daemons crash, stop, start and share the shards meanwhile.
func rememberRun(t *testing.T, trouble bool) (accepted map[string]string, repeats int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 2)
		testkit.CreateTopic(t, fake)
		var cords []*cord
		var daemons []*testdaemon.TestDaemon
		start := func() {
			line := &cord{fake: fake}
			cords = append(cords, line)
			daemons = append(daemons, testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
				c.Score = []alert.ScoreConfig{{Fields: []string{"v"}, Trees: 10, Samples: 64}}
				c.Rules = rememberRules()
				for i := range c.Rules {
					c.Rules[i].Topics = []string{"oncall"}
					c.Rules[i].Message = "{{ .Kind }} {{ .Rule }} {{ .Key }} {{ .At }} {{ .Suppressed }}"
					if c.Rules[i].Name == "score" { // bit for bit
						c.Rules[i].Message += " {{ .Fields.ANOMALY_SCORE }}"
					}
				}
				c.Leases.Duration = 5 * time.Second
				o.AWS.HTTPClient = &http.Client{Transport: line}
				o.Host = fmt.Sprint("host-", len(cords))
			}))
		}
		var ending sync.WaitGroup // beside the records, which come at the same moments whatever happens
		end := func(i int, crash bool) {
			d := daemons[i]
			daemons[i] = nil
			if crash {
				cords[i].cut.Store(true)
			}
			ending.Go(func() {
				if err := d.End(); err != nil && !crash {
					t.Errorf("%v\n%s", err, d.Log)
				}
			})
		}
		start()
		time.Sleep(3 * time.Second)
		began := time.Now()
		x := uint32(12345)
		for n := 0; time.Since(began) < 5*time.Minute; n++ {
			x = x*1664525 + 1013904223
			if key := x >> 24 % 6; key != 5 || n%100 <= 40 { // a key that falls silent now and then
				fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("key-%d", key), fmt.Appendf(nil, `{"v":%d}`, x>>16%9))
			}
			time.Sleep(time.Until(began.Add(time.Duration(n+1) * 250 * time.Millisecond)))
			switch {
			case n == 700:
				split(t, fake)
			case !trouble:
			case n == 130:
				end(0, true)
				start()
			case n == 300:
				end(1, false)
				start()
			case n == 420:
				start() // shares the shards, by handoff
			case n == 560:
				end(2, true)
			case n == 760:
				end(3, false)
				start()
			case n == 900:
				end(4, true)
				start()
			}
		}
		time.Sleep(time.Minute)
		for i, d := range daemons {
			if d != nil {
				end(i, false)
			}
		}
		ending.Wait()
		accepted = map[string]string{}
		for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
			id := m.Attributes["alert_id"].StringValue
			if was, again := accepted[id]; again {
				repeats++
				require.Equal(t, was, m.Body, "a repetition with other words")
			}
			accepted[id] = m.Body
		}
	})
	return accepted, repeats
}

// split splits the first open shard in the middle.
func split(t *testing.T, fake *fakeaws.AWS) {
	t.Helper()
	client := kinesis.NewFromConfig(testkit.Emulated(fake))
	_, err := client.SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String(testkit.TestStream), ShardToSplit: aws.String("shardId-000000000000"),
		NewStartingHashKey: aws.String("85070591730234615865843651857942052864"),
	})
	require.NoError(t, err)
}

// TestAlertsAreThoseOfARunWithoutRestart: crashes, stops, takeovers, handoffs and a reshard change nothing of what is
// alerted, whatever the rules remember. A crash may repeat, with the same id and the same words.
func TestAlertsAreThoseOfARunWithoutRestart(t *testing.T) {
	t.Parallel()
	calm, repeats := rememberRun(t, false)
	require.Zero(t, repeats)
	require.Greater(t, len(calm), 100)
	kinds := map[string]bool{}
	for _, body := range calm {
		var kind, rule string
		_, err := fmt.Sscan(body, &kind, &rule)
		require.NoError(t, err)
		kinds[kind+" "+rule] = true
	}
	require.Len(t, kinds, 12, "%v", slices.Sorted(maps.Keys(kinds)))
	troubled, repeats := rememberRun(t, true)
	t.Logf("%d alerts, %d repeated", len(troubled), repeats)
	for id, body := range calm {
		require.True(t, has(troubled, id), "lost: %s", body)
	}
	for id, body := range troubled {
		require.True(t, has(calm, id), "invented: %s", body)
	}
	require.Equal(t, calm, troubled)
}

func has(m map[string]string, id string) bool {
	_, ok := m[id]
	return ok
}
