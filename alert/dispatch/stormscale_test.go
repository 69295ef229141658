package dispatch_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/fakeaws"
)

// full says that the tests run at the scale that is promised.
func full() bool { return os.Getenv("SCALE") != "" }

// stormTest is a fleet of publishers in front of one topic with an e-mail subscription.
type stormTest struct {
	*fakeaws.AWS
	arn        string
	publishers []*dispatch.Publisher
	ledger     *ledger
	told       []atomic.Int32 // by alert: how often its owner was told that it was published
	stop       func()
}

const (
	stormEmail = "oncall@example.com"
	stormLanes = 10 // of each worker
)

func newStormTest(t *testing.T, workers int) *stormTest {
	t.Helper()
	s := &stormTest{AWS: fakeaws.New(fakeaws.Options{}), ledger: &ledger{alerts: map[int]int{}}}
	s.History.CountOnly()
	s.Faults.Add(fakeaws.Fault{Kind: fakeaws.Delay, Delay: 30 * time.Millisecond})
	client := newClient(s.AWS)
	topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: new("oncall")})
	require.NoError(t, err)
	s.arn = *topic.TopicArn
	_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &s.arn, Protocol: new("email"), Endpoint: new(stormEmail),
	})
	require.NoError(t, err)
	_, err = s.SNS.Confirm(s.arn, stormEmail)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range workers {
		p, err := dispatch.New(dispatch.Config{
			Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: s.arn, Rules: []string{"hot"}, Rate: 8}},
		}, dispatch.Deps{
			Service: serviceOf(t, newClient(s.AWS)), Registerer: prometheus.NewRegistry(), Audit: zap.New(s.ledger),
			Share: func() (int, int) { return i, workers },
		})
		require.NoError(t, err)
		s.publishers = append(s.publishers, p)
		running.Go(func() { _ = p.Run(ctx) })
	}
	s.stop = func() {
		cancel()
		running.Wait()
	}
	return s
}

// run publishes alerts, 5,000 a second by all lanes together, until all are resolved.
func (s *stormTest) run(t *testing.T, alerts int) {
	t.Helper()
	s.told = make([]atomic.Int32, alerts)
	lanes := len(s.publishers) * stormLanes
	time.Sleep(5 * time.Second) // a fleet that has just begun sends nothing
	var unresolved, work sync.WaitGroup
	unresolved.Add(alerts)
	for lane := range lanes {
		p := s.publishers[lane%len(s.publishers)]
		work.Go(func() {
			for n, i := 0, lane; i < alerts; n, i = n+1, i+lanes {
				if n%50 == 49 {
					time.Sleep(time.Duration(lanes) * 10 * time.Millisecond)
				}
				a := stormAlert(i)
				done := func(err error) {
					if err == nil {
						s.told[i].Add(1)
					}
					unresolved.Done()
				}
				if !p.Gather(a, done) {
					done(p.PublishMessage(t.Context(), a, newMessage(a, "storm")))
				}
			}
		})
	}
	work.Wait()
	unresolved.Wait()
	s.stop()
}

// stormAlert is alert i, with i in its id.
func stormAlert(i int) *alert.Alert {
	return &alert.Alert{
		ID: fmt.Sprintf("%064d", i), Rule: "hot", Topic: "oncall", Severity: "critical", Value: float64(i), Worse: 1,
		Record: alert.Record{
			Shard: "shardId-000000000000", PartitionKey: strconv.Itoa(i % 100),
			SequenceNumber: strconv.Itoa(1_000_000 + i),
			Arrival:        time.Now(),
		},
	}
}

// check holds the run against what is promised.
func (s *stormTest) check(t *testing.T, alerts int) {
	t.Helper()
	messages := s.SNS.Messages(s.arn)
	for i := 8; i < len(messages); i++ {
		apart := messages[i].At.Sub(messages[i-8].At)
		require.GreaterOrEqual(t, apart, time.Second, "nine messages within %s", apart)
	}
	counts := s.SNS.Subscriptions(s.arn)[0].Counts
	require.Zero(t, counts.Deactivations+counts.Pending, "the e-mail subscription lives")
	require.Equal(t, len(messages), counts.Delivered)
	require.Less(t, len(messages), alerts/20)
	require.Len(t, s.ledger.alerts, alerts, "every alert is in the audit log")
	members := 0
	for i := range alerts {
		require.Equal(t, 1, s.ledger.alerts[i], "alert %d in the audit log", i)
		require.Equal(t, int32(1), s.told[i].Load(), "alert %d", i)
	}
	digests := 0
	for _, m := range messages {
		if m.Attributes["kind"].StringValue != "digest" {
			members++
			continue
		}
		digests++
		n, err := strconv.Atoi(m.Attributes["count"].StringValue)
		require.NoError(t, err)
		members += n
	}
	require.Equal(t, alerts, members, "the messages stand for every alert")
	t.Logf("%d alerts by %d workers in %s: %d messages, %d of them digests", alerts, len(s.publishers),
		messages[len(messages)-1].At.Sub(messages[0].At).Round(time.Second), len(messages), digests)
}

// ledger is an audit log that counts how often each alert is in it.
type ledger struct {
	zapcore.LevelEnabler
	mu     sync.Mutex
	alerts map[int]int
}

func (*ledger) Enabled(zapcore.Level) bool          { return true }
func (l *ledger) With([]zapcore.Field) zapcore.Core { return l }
func (*ledger) Sync() error                         { return nil }
func (l *ledger) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return c.AddCore(e, l)
}

func (l *ledger) Write(_ zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ids, _ := enc.Fields["alert_ids"].([]any)
	if id, ok := enc.Fields["alert_id"]; ok {
		ids = append(ids, id)
	}
	for _, id := range ids {
		i, err := strconv.Atoi(id.(string))
		if err != nil {
			return err
		}
		l.alerts[i]++
	}
	return nil
}
