package dispatch_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/fakeaws"
)

// to publishes alert i to a topic.
func (w *world) to(ctx context.Context, topic string, i int) <-chan error {
	end := make(chan error, 1)
	go func() {
		a := newAlert(i)
		a.Topic = topic
		end <- w.PublishMessage(ctx, a, newMessage(a, "body"))
	}()
	return end
}

func (w *world) series(t *testing.T, name string) int {
	t.Helper()
	n, err := testutil.GatherAndCount(w.reg, name)
	require.NoError(t, err)
	return n
}

func TestUpdateAddsAndRemovesTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create(t.Context(), t, "second", nil)
		oncall, second := dispatch.TopicConfig{ARN: w.arn, Rules: []string{"hot", "cold"}}, dispatch.TopicConfig{
			ARN: dispatch.TestARN[:len(dispatch.TestARN)-6] + "second",
		}
		require.NoError(
			t, w.Update(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": oncall, "second": second}}),
		)
		require.Equal(t, 3, w.series(t, "kinesis_alerter_alerts_published_total"), "hot, cold, and none of the second")
		ended(t, w.to(t.Context(), "second", 1), w.to(t.Context(), "oncall", 2))
		require.Len(t, w.Status(), 2)

		require.NoError(t, w.Update(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": oncall}}))
		require.True(t, w.Status()[1].Ending)
		time.Sleep(dispatch.Lingers / 2)
		ended(t, w.to(t.Context(), "second", 3)) // of a rule that was
		time.Sleep(dispatch.Lingers - time.Second)
		ended(t, w.to(t.Context(), "second", 4))
		time.Sleep(dispatch.Lingers + time.Second)
		require.Len(t, w.Status(), 1)
		refusal, ok := errors.AsType[*alert.RejectedError](<-w.to(t.Context(), "second", 5))
		require.True(t, ok)
		require.Equal(t, alert.ReasonUnknownTopic, refusal.Reason)
		require.Equal(t, 2, w.series(t, "kinesis_alerter_alerts_published_total"))
		require.Equal(t, 8, w.series(t, "kinesis_alerter_topic_fault"))
		require.Equal(t, 1, w.series(t, "kinesis_alerter_publish_duration_seconds"))

		require.NoError(
			t, w.Update(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": oncall, "second": second}}),
		)
		ended(t, w.to(t.Context(), "second", 6))
	})
}

func TestTopicThatComesBackWhileItEndsStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.create(t.Context(), t, "other", nil)
		cfg := dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: w.arn}}}
		require.NoError(t, w.Update(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"other": {ARN: w.arn}}}))
		time.Sleep(dispatch.Lingers / 2)
		require.NoError(t, w.Update(cfg))
		time.Sleep(time.Hour)
		ended(t, w.send(t.Context(), 1))
		require.Len(t, w.Status(), 1)
		require.False(t, w.Status()[0].Ending)
	})
}

func TestTopicWithAnotherARNIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		w.create(t.Context(), t, "second", nil)
		second := dispatch.TestARN[:len(dispatch.TestARN)-6] + "second"
		synctest.Wait()
		f := apiFault("InternalError", 500)
		f.Operation = "PublishBatch"
		remove := w.Faults.Add(f)
		ends := w.burst(t.Context(), 30)
		ends = append(ends, func() <-chan error {
			time.Sleep(time.Second)
			return w.gather(t, 30)
		}())
		require.NoError(t, w.Update(
			dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: second, Rules: []string{"hot"}}}},
		))
		require.False(t, w.Gather(newAlert(31), nil), "the new one has no storm")
		end := w.send(t.Context(), 32)
		require.Len(t, w.Status(), 2)
		time.Sleep(time.Minute)
		remove()
		ended(t, append(ends, end)...)
		require.Len(t, w.SNS.Messages(second), 1)
		require.Len(t, w.SNS.Messages(w.arn), 9, "what it had goes where it should")
		time.Sleep(dispatch.DefaultDigest)
		synctest.Wait()
		require.Len(t, w.Status(), 1)
		require.Equal(t, 1, w.series(t, "kinesis_alerter_topic_digest_mode"))
	})
}

func TestUpdateOfARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		topic := dispatch.TopicConfig{ARN: w.arn, Rules: []string{"hot"}}
		topic.Rate = 2
		require.NoError(t, w.Update(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": topic}}))
		ends := w.burst(t.Context(), 20)
		synctest.Wait()
		ends = append(ends, w.gather(t, 100))
		require.Len(t, w.SNS.Messages(w.arn), 2)
		require.InDelta(t, 2, w.metric("topic_rate_share"), 0)

		topic.Digest = time.Second
		require.NoError(t, w.Update(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": topic}}))
		start := time.Now()
		ended(t, ends...)
		require.LessOrEqual(t, time.Since(start), 2*time.Second)

		for i := range 20 {
			ends = append(ends, w.send(t.Context(), 200+i))
		}
		time.Sleep(time.Second / 2)
		topic.Rate = 0
		require.NoError(t, w.Update(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": topic}}))
		start = time.Now()
		for _, end := range ends[21:] {
			require.NoError(t, <-end)
		}
		require.LessOrEqual(t, time.Since(start), time.Second, "what waited goes at once")
		require.False(t, w.Gather(newAlert(300), nil))
		n := len(w.SNS.Messages(w.arn))
		start = time.Now()
		for i := range 100 {
			ended(t, w.send(t.Context(), 400+i))
		}
		require.Len(t, w.SNS.Messages(w.arn), n+100, "without a rate every alert is a message")
		require.LessOrEqual(t, time.Since(start), time.Second)
	})
}

func TestUpdateThatIsWrongChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		require.Error(t, w.Update(dispatch.Config{}))
		require.Error(
			t, w.Update(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: w.arn, Rate: -1}}}),
		)
		ended(t, w.send(t.Context(), 1))
		require.Len(t, w.Status(), 1)
	})
}

func TestUpdateBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		emulator := fakeaws.New(fakeaws.Options{})
		p, err := dispatch.New(
			dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: dispatch.TestARN}}},
			dispatch.Deps{Service: serviceOf(t, newClient(emulator))},
		)
		require.NoError(t, err)
		w := &world{AWS: emulator, Publisher: p, client: newClient(emulator)}
		w.create(t.Context(), t, "second", nil)
		end := w.send(t.Context(), 1)
		synctest.Wait()
		second := dispatch.TestARN[:len(dispatch.TestARN)-6] + "second"
		require.NoError(t, p.Update(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: second}}}))
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- p.Run(ctx) }()
		ended(t, end)
		require.Len(t, w.SNS.Messages(second), 1)
		cancel()
		require.NoError(t, <-over)
	})
}

func TestUpdateOfLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		f := apiFault("InternalError", 500)
		f.Operation = "PublishBatch"
		w.Faults.Add(f)
		end := w.send(t.Context(), 1)
		time.Sleep(time.Hour)
		require.NoError(t, w.Update(dispatch.Config{
			Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: w.arn}}, MaxRecordAge: time.Minute,
			LatencyTarget: time.Hour,
		}))
		start := time.Now()
		givenUp(t, <-end, alert.ConditionAge)
		require.LessOrEqual(t, time.Since(start), time.Second)
	})
}
