package dispatch_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/fakeaws"
)

// From a record to the message that a subscriber gets.
func TestAlertOfThePipelineIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rules, err := alert.Config{
			Rules:  []alert.RuleConfig{{Name: "hot", When: "heartRate > 149", Severity: "critical"}},
			Topics: map[string]alert.TopicConfig{"oncall": {ARN: w.arn}},
		}.Compile()
		require.NoError(t, err)
		pipeline, err := alert.New(rules, alert.Deps{
			Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/ExampleOutputStream",
			Log:    zap.NewNop(), Registerer: prometheus.NewRegistry(),
		})
		require.NoError(t, err)
		record := newAlert(1).Record
		record.Data = []byte(`{"heartRate": 171}`)
		decision := pipeline.Shard(record.Shard).Evaluate(&record)
		require.Len(t, decision.Alerts, 1)
		require.NoError(t, w.Publish(t.Context(), decision.Alerts[0]))
		m := w.SNS.Messages(w.arn)[0]
		require.Equal(t, "Anomaly detected", m.Subject)
		require.Equal(t, `Anomaly detected ...  {"heartRate": 171}`, m.Body)
		require.Equal(t, decision.Alerts[0].ID, m.Attributes["alert_id"].StringValue)
		require.Equal(t, "critical", m.Attributes["severity"].StringValue)
	})
}

func TestTopicThatNobodyConfiguredIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := newAlert(1)
		a.Topic = "nowhere"
		refusal, ok := errors.AsType[*alert.RejectedError](w.PublishMessage(t.Context(), a, newMessage(a, "body")))
		require.True(t, ok)
		require.Equal(t, alert.ReasonUnknownTopic, refusal.Reason)
	})
}

func TestCallersShareCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		start := time.Now()
		var ends []<-chan error
		for i := range 100 {
			ends = append(ends, w.send(t.Context(), i))
		}
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.Equal(t, 10, w.calls(), "100 alerts need 10 calls")
		require.LessOrEqual(t, time.Since(start), dispatch.DefaultLinger)
		require.Len(t, w.SNS.Messages(w.arn), 100)
		require.InDelta(t, 100, w.published(), 0)
		require.Equal(t, 100, w.audit.Len())
	})
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Delay, Delay: time.Second})
		var ends []<-chan error
		for i := range 100 {
			ends = append(ends, w.send(t.Context(), i))
		}
		time.Sleep(time.Second / 2)
		require.Equal(t, dispatch.DefaultInFlight, w.calls())
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.Equal(t, 10, w.calls())
	})
}

func TestCallKeepsWithinTheTopicsSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sized(4096))
		var ends []<-chan error
		for i := range 10 {
			ends = append(ends, w.sendAs(t.Context(), i, strings.Repeat("x", 900)))
		}
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.Equal(t, 3, w.calls(), "four messages of about 1 KB fit into a call of 4 KB")
		require.Zero(t, w.failures(dispatch.ReasonBatchTooLong))
	})
}

// TestLatencyOfWhatTimeBroughtAbout counts from then: five minutes without a record are no five minutes of latency,
// and no age.
func TestLatencyOfWhatTimeBroughtAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *setup) { s.cfg.MaxRecordAge = time.Minute })
		a := newAlert(1)
		a.Record.Arrival, a.At = time.Now().Add(-5*time.Minute), time.Now().Add(-time.Second)
		require.NoError(t, w.PublishMessage(t.Context(), a, newMessage(a, "body")))
		require.Equal(t, time.Second+dispatch.DefaultLinger, w.audit.All()[0].ContextMap()["latency"])
	})
}

func TestAuditLineSaysWhatWasPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := newAlert(1)
		a.Record.Arrival = time.Now().Add(-3 * time.Second)
		require.NoError(t, w.PublishMessage(t.Context(), a, newMessage(a, "body")))
		line := w.audit.All()[0]
		require.Equal(t, "alert published", line.Message)
		fields := line.ContextMap()
		require.Equal(t, w.SNS.Messages(w.arn)[0].MessageID, fields["message_id"])
		require.Equal(t, 3*time.Second+dispatch.DefaultLinger, fields["latency"])
		delete(fields, "message_id")
		delete(fields, "latency")
		require.Equal(t, map[string]any{
			"alert_id": a.ID, "rule": "hot", "topic": "oncall", "shard": "shardId-000000000000",
			"sequence_number": "1001",
			"sub":             uint32(2), "partition_key_sha256": "227ba5f2c6c9109f",
		}, fields)
		require.NoError(t, testutil.GatherAndCompare(w.reg, strings.NewReader(`
# HELP kinesis_alerter_slo_events_total Published alerts by result: good when the time from the record's arrival to SNS' answer met the target.
# TYPE kinesis_alerter_slo_events_total counter
kinesis_alerter_slo_events_total{result="bad"} 1
kinesis_alerter_slo_events_total{result="good"} 0
`), "kinesis_alerter_slo_events_total"))
		require.Equal(t, []string{a.ID}, exemplars(t, w.reg, "kinesis_alerter_alert_latency_seconds"))
	})
}

// exemplars are the alert ids that a histogram's buckets name.
func exemplars(t *testing.T, reg *prometheus.Registry, name string) []string {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	var ids []string
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, b := range f.GetMetric()[0].GetHistogram().GetBucket() {
			for _, label := range b.GetExemplar().GetLabel() {
				require.Equal(t, "alert_id", label.GetName())
				ids = append(ids, label.GetValue())
			}
		}
	}
	return ids
}

func TestLatencyOfASkewedClockIsZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := newAlert(1)
		a.Record.Arrival = time.Now().Add(time.Minute)
		require.NoError(t, w.PublishMessage(t.Context(), a, newMessage(a, "body")))
		require.Equal(t, time.Duration(0), w.audit.All()[0].ContextMap()["latency"])
	})
}

func TestLatencyOnTargetIsGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := newAlert(1)
		a.Record.Arrival = time.Now().Add(dispatch.DefaultLinger - dispatch.DefaultLatencyTarget)
		require.NoError(t, w.PublishMessage(t.Context(), a, newMessage(a, "body")))
		require.InDelta(t, 1, w.metric("slo_events_total", "result", "good"), 0)
		require.Zero(t, w.metric("slo_events_total", "result", "bad"))
	})
}

func TestEverySeriesExistsFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for name, want := range map[string]int{
			"kinesis_alerter_alerts_published_total":   1,
			"kinesis_alerter_publish_failures_total":   25,
			"kinesis_alerter_publish_retries_total":    11,
			"kinesis_alerter_topic_fault":              8,
			"kinesis_alerter_publish_duration_seconds": 1,
			"kinesis_alerter_alert_latency_seconds":    1,
			"kinesis_alerter_slo_events_total":         2,
			"kinesis_alerter_topic_digest_mode":        1,
			"kinesis_alerter_topic_rate_share":         1,
			"kinesis_alerter_digests_total":            1,
			"kinesis_alerter_digest_members_total":     1,
			"kinesis_alerter_alerts_given_up_total":    2,
		} {
			n, err := testutil.GatherAndCount(w.reg, name)
			require.NoError(t, err)
			require.Equal(t, want, n, name)
		}
		problems, err := testutil.GatherAndLint(w.reg)
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestAttemptsStayInsideTheTrustWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		start := time.Now()
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.BlackHole, Times: 1})
		w.trust.Store(&window{start.Add(2 * time.Second), true})
		end := w.send(t.Context(), 1)
		time.Sleep(2*time.Second + time.Millisecond)
		synctest.Wait()
		require.InDelta(t, 1, w.failures("trust_window"), 0, "the attempt ends with the window, not after 5 s")

		w.trust.Store(&window{start.Add(time.Hour), false})
		time.Sleep(time.Minute)
		require.Equal(t, 1, w.calls(), "nothing starts outside the window")

		w.trust.Store(&window{time.Now().Add(dispatch.DefaultTrustMargin / 2), true})
		time.Sleep(dispatch.DefaultTrustMargin / 4)
		require.Equal(t, 1, w.calls(), "nor with less than the margin left")

		opened := time.Now()
		w.trust.Store(&window{opened.Add(time.Hour), true})
		require.NoError(t, <-end)
		require.LessOrEqual(t, time.Since(opened), dispatch.TrustPoll)
	})
}

func TestCancelledBeforeItWasSentIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.trust.Store(&window{})
		cause := errors.New("lease lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		lost := w.send(ctx, 1)
		kept := w.send(t.Context(), 2)
		time.Sleep(time.Second)
		cancel(cause)
		w.trust.Store(&window{time.Now().Add(time.Hour), true}) // in the same moment
		require.ErrorIs(t, <-lost, cause)
		require.NoError(t, <-kept)
		require.Len(t, w.SNS.Messages(w.arn), 1)
		w.stop()
		require.Zero(t, w.Ready("oncall"))
	})
}

func TestCancelledWhileSentReturnsAtOnceAndCountsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Delay, Delay: time.Second})
		cause := errors.New("drain took too long")
		ctx, cancel := context.WithCancelCause(t.Context())
		end := w.send(ctx, 1)
		time.Sleep(time.Second / 2)
		cancel(cause)
		start := time.Now()
		require.ErrorIs(t, <-end, cause)
		require.Zero(t, time.Since(start))
		time.Sleep(time.Second)
		require.InDelta(t, 1, w.published(), 0)
		require.Equal(t, 1, w.audit.Len())
	})
}

func TestPublisherThatStopsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.BlackHole})
		under := w.send(t.Context(), 1)
		time.Sleep(time.Second)
		waiting := w.send(t.Context(), 2)
		start := time.Now()
		w.stop()
		require.Zero(t, time.Since(start), "a call under way is cut off")
		require.ErrorIs(t, <-under, dispatch.ErrStopped)
		require.ErrorIs(t, <-waiting, dispatch.ErrStopped)
		require.ErrorIs(t, <-w.send(t.Context(), 3), dispatch.ErrStopped)
		require.Error(t, w.Run(t.Context()))
		require.Zero(
			t,
			w.failures(delivery.ReasonConnection)+w.failures(delivery.ReasonTimeout)+w.failures(delivery.ReasonClient),
			"no fault of SNS",
		)
	})
}

func TestPublishBeforeRunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := dispatch.New(
			dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: dispatch.TestARN}}},
			dispatch.Deps{Service: serviceOf(t, newClient(nil))},
		)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		a := newAlert(1)
		require.EqualError(t, p.PublishMessage(ctx, a, newMessage(a, "body")), "enough")
	})
}
