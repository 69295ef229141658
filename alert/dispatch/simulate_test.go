package dispatch_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	alertsns "kinesis-alerter/alert/sns"
)

// told is what is compared of a digest.
type told struct {
	after   time.Duration
	count   int
	subject string
}

// bothWays hands alerts over at their times, to a publisher and to a simulation, and returns the digests of each.
func bothWays(t fataler, rate float64, digest time.Duration, at []time.Duration) (published, simulated []told) {
	t.Helper()
	w := newWorld(t, func(s *setup) { s.rate, s.digest = rate, digest })
	defer w.stop()
	synctest.Wait()
	start := time.Now()
	var alerts []*alert.Alert
	var ends []<-chan error
	for i, after := range at {
		time.Sleep(time.Until(start.Add(after)))
		a := newAlert(i)
		a.At = time.Now()
		alerts = append(alerts, alert.NewAlert(*a, newMessage(a, "body "+strconv.Itoa(i))))
		end := make(chan error, 1)
		if !w.Gather(a, func(err error) { end <- err }) {
			ends = append(ends, w.send(context.Background(), i))
			synctest.Wait()
			continue
		}
		ends = append(ends, end)
	}
	ended(t, ends...)
	for _, d := range w.digests() {
		n, err := strconv.Atoi(d.Attributes["count"].StringValue)
		require.NoError(t, err)
		published = append(published, told{d.At.Sub(start), n, d.Subject})
	}
	sent, err := alertsns.Simulate(
		context.Background(),
		dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: w.arn, Rate: rate, Digest: digest}}},
		alerts,
	)
	require.NoError(t, err)
	for _, d := range sent {
		require.Equal(t, "oncall", d.Topic)
		simulated = append(simulated, told{d.At.Sub(start), d.Count, d.Subject})
	}
	return published, simulated
}

// The simulation has the storm's decisions a second time, without the goroutines: they must not drift apart.
func TestSimulateAgreesWithPublisher(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		// Times of their own: what comes at the same instant may be taken in any order by a publisher's goroutines.
		gaps := rapid.SliceOfN(
			rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(50, 300), rapid.IntRange(1_000, 15_000)), 1, 120,
		).Draw(rt, "gaps in ms")
		rate := rapid.SampledFrom([]float64{8, 2, 1.0 / 6}).Draw(rt, "rate")
		digest := rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second}).Draw(rt, "digest")
		var at []time.Duration
		after := time.Duration(0)
		for _, gap := range gaps {
			// never at the moment of a turn or the end of a linger
			after += time.Duration(gap)*time.Millisecond + 7*time.Microsecond
			at = append(at, after)
		}
		var published, simulated []told
		synctest.Test(t, func(t *testing.T) { published, simulated = bothWays(t, rate, digest, at) })
		if len(published) != len(simulated) {
			rt.Fatalf("published %v, simulated %v", published, simulated)
		}
		for i := range published {
			if published[i] != simulated[i] {
				rt.Fatalf("published %v, simulated %v", published, simulated)
			}
		}
	})
}

func TestSimulateBurst(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	cfg := dispatch.Config{Topics: map[string]dispatch.TopicConfig{
		"oncall": {ARN: "arn:aws:sns:us-east-1:000000000000:oncall", Rate: 8},
		"free":   {ARN: "arn:aws:sns:us-east-1:000000000000:free"},
	}}
	var alerts []*alert.Alert
	for i := range 420 {
		for _, topic := range []string{"oncall", "free"} {
			a := newAlert(i)
			a.Topic, a.At, a.Record.Arrival = topic, start, start
			alerts = append(alerts, alert.NewAlert(*a, newMessage(a, "body")))
		}
	}
	sent, err := alertsns.Simulate(t.Context(), cfg, alerts)
	require.NoError(t, err)
	require.Len(t, sent, 1, "a topic without a rate has no digests")
	require.Equal(t, start.Add(dispatch.DefaultDigest), sent[0].At)
	require.Equal(t, 412, sent[0].Count)
	require.Equal(t, "412 alerts: hot", sent[0].Subject)
	require.Contains(t, sent[0].Body, "+412 of hot, 412 keys")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = alertsns.Simulate(ctx, cfg, alerts)
	require.ErrorIs(t, err, context.Canceled)
	_, err = alertsns.Simulate(t.Context(), dispatch.Config{}, alerts)
	require.ErrorContains(t, err, "topics")
}
