package system

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// A topic without subscribers is a problem from the start, and one that lost a subscription while no worker ran is one.
func TestStatusOfTopicsThatNobodyHears(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		client := sns.NewFromConfig(testkit.Emulated(fake))
		_, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(testkit.TestTopic)})
		require.NoError(t, err)
		listen := func(_ *config.Config, o *daemon.Options) { o.Listener = page }
		d := testdaemon.StartDaemon(t, fake, listen)
		time.Sleep(5 * time.Second)
		s := page.Status(t)
		require.Equal(t, status.LevelCritical, s.Level)
		require.Equal(t, "Topic oncall reaches no one: it has no subscription.", s.Summary)
		require.Equal(t, "oncall", coded(s, "topic_unheard").Object)

		_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: aws.String(testkit.TestTopicARN), Protocol: aws.String("email"),
			Endpoint: aws.String("oncall@example.com"),
		})
		require.NoError(t, err)
		time.Sleep(7 * time.Minute)
		require.Equal(t, "Topic oncall reaches no one: 1 subscription is not confirmed.", page.Status(t).Summary)
		require.Contains(t, d.Log.String(), `"msg":"problem appeared","code":"topic_unheard","object":"oncall"`)

		_, err = fake.SNS.Confirm(testkit.TestTopicARN, "oncall@example.com")
		require.NoError(t, err)
		require.NoError(t, testkit.Subscribe(t.Context(), client, testkit.TestTopicARN))
		time.Sleep(7 * time.Minute)
		require.Empty(t, page.Status(t).Problems)
		require.Equal(t, status.Subscriptions{
			At: page.Status(t).Topics[0].Subscriptions.At, Confirmed: 2, Had: 2,
		}, page.Status(t).Topics[0].Subscriptions)
		require.NoError(t, d.End())

		gone := fake.SNS.Subscriptions(testkit.TestTopicARN)[0].ARN // while no worker lives
		_, err = client.Unsubscribe(t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &gone})
		require.NoError(t, err)
		page = testdaemon.NewPage()
		d = testdaemon.StartDaemon(t, fake, listen)
		time.Sleep(30 * time.Second)
		s = page.Status(t)
		require.Equal(t, status.LevelWarning, s.Level)
		require.Equal(t, "Topic oncall has 1 confirmed subscription, it had 2 within the last day.", s.Summary)
		require.NoError(t, testkit.SubscribeTo(t.Context(), client, testkit.TestTopicARN, "reserve"))
		time.Sleep(7 * time.Minute)
		require.Empty(t, page.Status(t).Problems)

		denied := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "GetTopicAttributes", Err: &fakeaws.Error{
				Code: "AuthorizationError", Message: "no", Status: 403,
			},
		})
		time.Sleep(7 * time.Minute)
		s = page.Status(t)
		require.Equal(t, status.LevelInfo, s.Level)
		require.Equal(t, "All is well; topic oncall: its subscriptions are not known (AuthorizationError: no).",
			s.Summary)
		denied()
		// a failure that passes
		fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceSNS, Operation: "GetTopicAttributes"})
		time.Sleep(10 * time.Minute)
		require.Equal(t, status.LevelInfo, page.Status(t).Level, "still not known")
		require.NoError(t, d.End())
	})
}

// An address that got more than ten messages within a second is switched off by SNS, and the rest is not delivered.
func TestStatusOfAnAddressThatSNSSwitchedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		client := sns.NewFromConfig(testkit.Emulated(fake))
		_, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(testkit.TestTopic)})
		require.NoError(t, err)
		_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: aws.String(testkit.TestTopicARN), Protocol: aws.String("email"),
			Endpoint: aws.String("oncall@example.com"),
		})
		require.NoError(t, err)
		_, err = fake.SNS.Confirm(testkit.TestTopicARN, "oncall@example.com")
		require.NoError(t, err)
		d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Listener = page })
		time.Sleep(20 * time.Second)
		require.Empty(t, page.Status(t).Problems)
		for range 30 {
			fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
			fake.Kinesis.Put(testkit.TestStream, "patient-2", []byte(`{"heartRate":180}`))
		}
		time.Sleep(7 * time.Minute)
		require.Equal(t, "Topic oncall reaches no one: 1 subscription is not confirmed.", page.Status(t).Summary)
		require.NoError(t, d.End())
	})
}
