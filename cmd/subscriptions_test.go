package cmd

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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"kinesis-alerter/alert/dispatch"
	alertsns "kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/fakeaws"
)

// A topic that nobody hears is a problem from the start, and one that lost a subscription while no worker ran is one.
func TestStatusOfTopicsThatNobodyHears(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
		fake.Kinesis.Create(testStream, 1)
		client := sns.NewFromConfig(emulated(fake))
		_, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(testTopic)})
		require.NoError(t, err)
		listen := func(_ *Config, o *Options) { o.Listener = page }
		d := startDaemon(t, fake, listen)
		time.Sleep(5 * time.Second)
		s := page.status(t)
		require.Equal(t, LevelCritical, s.Level)
		require.Equal(t, "Topic oncall: nobody hears it, it has no subscription.", s.Summary)
		require.Equal(t, "oncall", s.coded("topic_unheard").Object)

		_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: aws.String(testTopicARN), Protocol: aws.String("email"), Endpoint: aws.String("oncall@example.com"),
		})
		require.NoError(t, err)
		time.Sleep(7 * time.Minute)
		require.Equal(t, "Topic oncall: nobody hears it, 1 subscription is not confirmed.", page.status(t).Summary)
		require.Contains(t, d.log.String(), `"msg":"problem appeared","code":"topic_unheard","object":"oncall"`)

		_, err = fake.SNS.Confirm(testTopicARN, "oncall@example.com")
		require.NoError(t, err)
		require.NoError(t, subscribe(t.Context(), client, testTopicARN))
		time.Sleep(7 * time.Minute)
		require.Empty(t, page.status(t).Problems)
		require.Equal(t, StatusSubscriptions{At: page.status(t).Topics[0].Subscriptions.At, Confirmed: 2, Had: 2}, page.status(t).Topics[0].Subscriptions)
		require.NoError(t, d.end())

		gone := fake.SNS.Subscriptions(testTopicARN)[0].ARN // while no worker lives
		_, err = client.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &gone})
		require.NoError(t, err)
		page = newPipes()
		d = startDaemon(t, fake, listen)
		time.Sleep(30 * time.Second)
		s = page.status(t)
		require.Equal(t, LevelWarning, s.Level)
		require.Equal(t, "Topic oncall has 1 confirmed subscription, it had 2 within the last day.", s.Summary)
		require.NoError(t, subscribeTo(t.Context(), client, testTopicARN, "reserve"))
		time.Sleep(7 * time.Minute)
		require.Empty(t, page.status(t).Problems)

		denied := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "GetTopicAttributes", Err: &fakeaws.Error{Code: "AuthorizationError", Message: "no", Status: 403},
		})
		time.Sleep(7 * time.Minute)
		s = page.status(t)
		require.Equal(t, LevelInfo, s.Level)
		require.Equal(t, "All is well; topic oncall: who hears it is not known (AuthorizationError: no).", s.Summary)
		denied()
		fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceSNS, Operation: "GetTopicAttributes"}) // a failure that passes
		time.Sleep(10 * time.Minute)
		require.Equal(t, LevelInfo, page.status(t).Level, "still not known")
		require.NoError(t, d.end())
	})
}

// An address that got more than ten messages within a second is switched off by SNS, and nobody hears the rest.
func TestStatusOfAnAddressThatSNSSwitchedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
		fake.Kinesis.Create(testStream, 1)
		client := sns.NewFromConfig(emulated(fake))
		_, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(testTopic)})
		require.NoError(t, err)
		_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: aws.String(testTopicARN), Protocol: aws.String("email"), Endpoint: aws.String("oncall@example.com"),
		})
		require.NoError(t, err)
		_, err = fake.SNS.Confirm(testTopicARN, "oncall@example.com")
		require.NoError(t, err)
		d := startDaemon(t, fake, func(_ *Config, o *Options) { o.Listener = page })
		time.Sleep(20 * time.Second)
		require.Empty(t, page.status(t).Problems)
		for range 30 {
			fake.Kinesis.Put(testStream, "patient-1", []byte(`{"heartRate":180}`))
			fake.Kinesis.Put(testStream, "patient-2", []byte(`{"heartRate":180}`))
		}
		time.Sleep(7 * time.Minute)
		require.Equal(t, "Topic oncall: nobody hears it, 1 subscription is not confirmed.", page.status(t).Summary)
		require.NoError(t, d.end())
	})
}

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
						TopicStatus: dispatch.TopicStatus{ARN: arn}, Subscriptions: alertsns.Subscriptions{Confirmed: n, At: time.Now()},
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
		go func() { _ = m.run(t.Context()) }()
		time.Sleep(time.Minute)
		require.Zero(t, m.most("a"), "nothing is known before the table answers")
		locked(func() { broken = nil })
		time.Sleep(time.Minute)
		require.Equal(t, 2, m.most("a"))
		locked(func() {
			require.Equal(t, 1, writes)
			kept = `{"a":{"confirmed":5,"at":"` + time.Now().Add(time.Second).Format(time.RFC3339) + `"},"gone":{"confirmed":1,"at":"2000-01-01T00:00:00Z"}}`
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

// TestKeptSubscriptionsAreDataFromStrangers: what is kept in the table cannot grow for ever, nor expect what no topic can have.
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
