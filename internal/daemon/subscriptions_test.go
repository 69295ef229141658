package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"kinesis-alerter/alert/dispatch"
	alertsns "kinesis-alerter/alert/sns"
)

// What is remembered of the topics survives what another worker wrote, and failures of the table.
func TestSubscriptionMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept, broken, writes := "", errors.New("away"), 0
		confirmed := map[string]int{"a": 2}
		var mu sync.Mutex // of the four above
		locked := func(do func()) {
			mu.Lock()
			defer mu.Unlock()
			do()
		}
		m := &subscriptionMemory{
			topics: func() (out []alertsns.TopicStatus) {
				mu.Lock()
				defer mu.Unlock()
				for arn, n := range confirmed {
					out = append(out, alertsns.TopicStatus{
						TopicStatus:   dispatch.TopicStatus{ARN: arn},
						Subscriptions: alertsns.Subscriptions{Confirmed: n, At: time.Now()},
					})
				}
				return append(out, alertsns.TopicStatus{TopicStatus: dispatch.TopicStatus{ARN: "unknown"}})
			},
			load: func(context.Context) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				return kept, broken
			},
			save: func(_ context.Context, text string) error {
				mu.Lock()
				defer mu.Unlock()
				writes++
				kept = text
				return broken
			},
			log: zaptest.NewLogger(t),
		}
		go func() { _ = m.Run(t.Context()) }()
		time.Sleep(time.Minute)
		require.Zero(t, m.most("a"), "nothing is known before the table answers")
		locked(func() { broken = nil })
		time.Sleep(time.Minute)
		require.Equal(t, 2, m.most("a"))
		locked(func() {
			require.Equal(t, 1, writes)
			kept = `{"a":{"confirmed":5,"at":"` + time.Now().Add(time.Second).Format(time.RFC3339) +
				`"},"gone":{"confirmed":1,"at":"2000-01-01T00:00:00Z"}}`
			confirmed["b"] = 1 // which makes this worker read and write
		})
		time.Sleep(time.Minute)
		require.Equal(t, 5, m.most("a"))
		require.Equal(t, 1, m.most("b"))
		locked(func() { require.Equal(t, 2, writes) })
		time.Sleep(23 * time.Hour)
		require.Equal(t, 5, m.most("a"))
		time.Sleep(2 * time.Hour)
		require.Equal(t, 2, m.most("a"))
		locked(func() {
			require.NotContains(t, kept, "gone")
			require.Less(t, writes, 40, "once an hour")
		})
	})
}

// TestKeptSubscriptionsAreDataFromStrangers: what is kept in the table cannot grow forever, nor expect what no topic
// can have.
func TestKeptSubscriptionsAreDataFromStrangers(t *testing.T) {
	t.Parallel()
	kept := map[string]hadSubscriptions{
		"future":   {Confirmed: 3, At: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
		"more":     {Confirmed: math.MaxInt, At: time.Now()},
		"negative": {Confirmed: -1, At: time.Now()},
		"arn":      {Confirmed: 3, At: time.Now()},
	}
	m := &subscriptionMemory{topics: func() []alertsns.TopicStatus { return nil }}
	m.load = func(context.Context) (string, error) {
		text, err := json.Marshal(kept)
		return string(text), err
	}
	require.NoError(t, m.merge(t.Context()))
	require.Equal(t, 3, m.most("arn"))
	require.Len(t, m.had, 1)
	for i := range 3000 {
		kept[strconv.Itoa(i)] = hadSubscriptions{Confirmed: 1, At: time.Now()}
	}
	require.NoError(t, m.merge(t.Context()))
	require.Len(t, m.had, subscriptionsTopics)
	require.Less(t, len(m.encode()), 64<<10)
}
