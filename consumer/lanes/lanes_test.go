package lanes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
)

// lanesWorld runs lanes with a publisher of the test's making and notes what was settled and refused.
type lanesWorld struct {
	*Lanes
	mu       sync.Mutex
	Resolved []*Task
	Held     []string
	Refusals []Refusal
	Kept     int // tasks that keep something of their page
}

func (w *lanesWorld) Freed(*Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Kept--
}

func (w *lanesWorld) Settled(t *Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Resolved = append(w.Resolved, t)
}

func (w *lanesWorld) Refused(r Refusal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Refusals = append(w.Refusals, r)
	if r.Disposition == Held {
		w.Held = append(w.Held, r.ID)
	}
}

func (w *lanesWorld) heldKeys() int {
	n, _, _ := w.Waiting()
	return n
}

func newLanesWorld(t *testing.T, parallelism int, publish func(context.Context, *alert.Alert) error) *lanesWorld {
	t.Helper()
	return lanesWorldOf(t, Config{Parallelism: parallelism, MaxBytes: 1 << 20, Publisher: publishFunc(publish)})
}

func lanesWorldOf(t *testing.T, cfg Config) *lanesWorld {
	t.Helper()
	w := &lanesWorld{}
	cfg.Owner = w
	w.Lanes = New(t.Context(), cfg)
	return w
}

// submit queues a task when there is room for it.
func (w *lanesWorld) submit(ctx context.Context, key string, t *Task) error {
	if err := w.Reserve(ctx, t.Bytes, time.Hour, func() {}); err != nil {
		return err
	}
	t.Key = key
	w.Submit(t)
	return nil
}

func alerts(ids ...string) *Task {
	t := &Task{Bytes: 100}
	for _, id := range ids {
		t.Alerts = append(t.Alerts, &alert.Alert{ID: id})
	}
	return t
}

func TestLanesKeepTheOrderOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		published := map[string][]string{}
		atOnce, most := 0, 0
		w := newLanesWorld(t, 3, func(_ context.Context, a *alert.Alert) error {
			mu.Lock()
			if atOnce++; atOnce > most {
				most = atOnce
			}
			mu.Unlock()
			time.Sleep(time.Duration(len(a.ID)%7) * 10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			atOnce--
			published[a.ID[:1]] = append(published[a.ID[:1]], a.ID)
			return nil
		})
		want := map[string][]string{}
		for i := range 200 {
			key := string(rune('a' + i/4%8)) // neighbours share a key
			id := fmt.Sprintf("%s%0*d", key, 1+i%5, i)
			want[key] = append(want[key], id)
			require.NoError(t, w.submit(t.Context(), key, alerts(id)))
		}
		require.NoError(t, w.Quiet(t.Context()))
		require.Equal(t, want, published)
		require.Equal(t, 3, most, "three keys at once, not more")
		require.Len(t, w.Resolved, 200)
		w.Stop(errStop)
	})
}

func TestLanesHoldOnlyTheKeyOfARejectedAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLanesWorld(t, 1, func(_ context.Context, a *alert.Alert) error {
			switch a.ID {
			case "poison":
				return &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
			case "panic":
				panic("template")
			}
			return nil
		})
		require.NoError(t, w.submit(t.Context(), "a", alerts("poison")))
		require.NoError(t, w.submit(t.Context(), "a", alerts("behind-poison")))
		require.NoError(t, w.submit(t.Context(), "b", alerts("first", "panic", "never")))
		for i := range 50 {
			require.NoError(t, w.submit(t.Context(), "c", alerts(fmt.Sprint(i))))
		}
		require.NoError(t, w.Quiet(t.Context()))
		require.Len(t, w.Resolved, 50, "the other key went on, with the only worker")
		require.Equal(t, []string{"poison", "panic"}, w.Held)
		require.Equal(t, 2, w.heldKeys())
		w.Stop(errStop)
	})
}

func TestLanesStopReadingWhenTooMuchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLanesWorld(t, 10, func(ctx context.Context, _ *alert.Alert) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		for i := range MaxUnresolved {
			require.NoError(t, w.submit(t.Context(), fmt.Sprint(i), alerts("x")))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.submit(ctx, "one more", alerts("x")), context.DeadlineExceeded)
		w.Stop(errStop)
		require.Empty(t, w.Resolved)
		require.ErrorIs(t, w.submit(t.Context(), "after stop", alerts("x")), errStop)
	})
}

// What a topic refuses while the process stops is left to the next owner: no key stands in the way of a drain, nothing
// is reported as held or settled, and the keys whose alerts go elsewhere are drained.
func TestLanesLeaveWhatATopicRefusesAtAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLanesWorld(t, 1, func(_ context.Context, a *alert.Alert) error {
			if a.Topic == "gone" {
				return alert.ErrHeld
			}
			return nil
		})
		left := alerts("left", "behind")
		left.Alerts[0].Topic = "gone"
		require.NoError(t, w.submit(t.Context(), "a", left))
		later := alerts("later")
		later.Alerts[0].Topic = "gone"
		require.NoError(t, w.submit(t.Context(), "a", later))
		require.NoError(t, w.submit(t.Context(), "b", alerts("fine")))
		require.NoError(t, w.Quiet(t.Context()))
		require.True(t, w.Leaves())
		require.Len(t, w.Resolved, 1)
		require.Equal(t, "fine", w.Resolved[0].Alerts[0].ID)
		require.Empty(t, w.Refusals)
		require.Zero(t, w.heldKeys())
		w.Stop(errStop)
	})
}

// TestLanesOfOneTopicHoldNoOther: a topic does not answer, and all of its workers wait for it. The others get the
// alerts of the same rules, keys and records.
func TestLanesOfOneTopicHoldNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		published := map[string]int{}
		answers := make(chan struct{})
		w := newLanesWorld(t, 3, func(ctx context.Context, a *alert.Alert) error {
			if a.Topic == "silent" {
				select {
				case <-answers:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			published[a.Topic]++
			return nil
		})
		const n = 100
		for i := range n {
			both := alerts("a", "b", "c")
			both.Alerts[0].Topic, both.Alerts[1].Topic, both.Alerts[2].Topic = "silent", "heard", "silent"
			require.NoError(t, w.submit(t.Context(), fmt.Sprint(i%20), both))
		}
		synctest.Wait()
		require.Equal(t, map[string]int{"heard": n}, published)
		require.Empty(t, w.Resolved, "a task is done with all of its alerts")
		close(answers)
		require.NoError(t, w.Quiet(t.Context()))
		require.Equal(t, map[string]int{"heard": n, "silent": 2 * n}, published)
		require.Len(t, w.Resolved, n)
		requireEmpty(t, w.Lanes)
		require.Empty(t, w.publishing)
		w.Stop(errStop)
	})
}

// TestLanesOfATopicThatComesLater: a rule gets a second topic because the first one does not answer. The second one
// gets the next alert, whatever waits for the first.
func TestLanesOfATopicThatComesLater(t *testing.T) {
	rules := func(of ...string) *alert.Rules {
		arn := "arn:aws:sns:us-east-1:000000000000:"
		set, err := alert.Config{
			Rules:  []alert.RuleConfig{{Name: "r", When: "true", Topics: of}},
			Topics: map[string]alert.TopicConfig{"chat": {ARN: arn + "chat"}, "oncall": {ARN: arn + "oncall"}},
		}.Compile()
		require.NoError(t, err)
		return set
	}
	pipeline, err := alert.New(rules("chat"), alert.Deps{
		Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/s", Log: zap.NewNop(),
		Registerer: prometheus.NewRegistry(),
	})
	require.NoError(t, err)
	eval := pipeline.Shard("shardId-000000000000")
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan string, 1)
		w := lanesWorldOf(t, Config{
			Parallelism: 3, MaxBytes: 1 << 20, Instead: pipeline.Redirect, HasTopic: pipeline.HasTopic,
			Publisher: publishFunc(func(ctx context.Context, a *alert.Alert) error {
				if a.Topic == "chat" {
					<-ctx.Done()
					return context.Cause(ctx)
				}
				heard <- a.Record.SequenceNumber
				return nil
			}),
		})
		for n, of := range [][]string{{"chat"}, {"chat", "oncall"}} {
			require.NoError(t, pipeline.Update(rules(of...)))
			d := eval.Evaluate(&alert.Record{
				Shard: "shardId-000000000000", SequenceNumber: fmt.Sprint(n), PartitionKey: "k", Data: []byte("{}"),
			})
			require.NoError(t, w.submit(t.Context(), "k", &Task{Bytes: 100, Alerts: slices.Clone(d.Alerts)}))
		}
		synctest.Wait()
		require.Equal(t, "1", <-heard)
		w.Stop(errStop)
	})
}

// TestLanesKeepTheOrderOfWhatIsRedirected: a topic leaves the configuration while alerts wait for it. They go to the
// topic that the rule has instead, and before the later ones of their key that are for it anyway.
func TestLanesKeepTheOrderOfWhatIsRedirected(t *testing.T) {
	rules := func(topic string) *alert.Rules {
		set, err := alert.Config{
			Rules:  []alert.RuleConfig{{Name: "r", When: "true", Topics: []string{topic}}},
			Topics: map[string]alert.TopicConfig{topic: {ARN: "arn:aws:sns:us-east-1:000000000000:" + topic}},
		}.Compile()
		require.NoError(t, err)
		return set
	}
	pipeline, err := alert.New(rules("old"), alert.Deps{
		Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/s", Log: zap.NewNop(),
		Registerer: prometheus.NewRegistry(),
	})
	require.NoError(t, err)
	eval := pipeline.Shard("shardId-000000000000")
	made := func(n int) *Task {
		d := eval.Evaluate(&alert.Record{
			Shard: "shardId-000000000000", SequenceNumber: fmt.Sprint(n), PartitionKey: "k", Data: []byte("{}"),
		})
		return &Task{Bytes: 100, Alerts: slices.Clone(d.Alerts)}
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var published []string
		left := make(chan struct{})
		w := lanesWorldOf(t, Config{
			Parallelism: 3, MaxBytes: 1 << 20, Instead: pipeline.Redirect, HasTopic: pipeline.HasTopic,
			Publisher: publishFunc(func(_ context.Context, a *alert.Alert) error {
				if a.Topic == "old" {
					<-left
					time.Sleep(time.Second)
					return &alert.RejectedError{Reason: alert.ReasonUnknownTopic, Err: errors.New("gone")}
				}
				if a.Rule == "other" {
					time.Sleep(10 * time.Second)
				}
				time.Sleep(100 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				published = append(published, a.Topic+" "+a.Record.SequenceNumber)
				return nil
			}),
		})
		other := &Task{Bytes: 100, Alerts: []*alert.Alert{{
			ID: "o", Rule: "other", Topic: "new", Record: alert.Record{SequenceNumber: "other"},
		}}}
		require.NoError(t, w.submit(t.Context(), "k", other))
		for n := range 3 {
			require.NoError(t, w.submit(t.Context(), "k", made(n)))
		}
		require.NoError(t, pipeline.Update(rules("new")))
		for n := range 3 {
			require.NoError(t, w.submit(t.Context(), "k", made(3+n)))
		}
		synctest.Wait()
		mu.Lock()
		require.Empty(t, published)
		mu.Unlock()
		close(left)
		require.NoError(t, w.Quiet(t.Context()))
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, []string{
			"new other", "new 0", "new 1", "new 2", "new 3", "new 4", "new 5",
		}, published)
		require.Len(t, w.Resolved, 7)
		requireEmpty(t, w.Lanes)
		w.Stop(errStop)
	})
}

var errStop = errors.New("stopping")

type publishFunc func(context.Context, *alert.Alert) error

func (f publishFunc) Publish(ctx context.Context, a *alert.Alert) error { return f(ctx, a) }
func (publishFunc) Gather(*alert.Alert, func(error)) bool               { return false }
