package system

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// What the page says over a daemon's life: it waits for its stream, all is well, a topic refuses, DynamoDB is out, it
// stops.
func TestStatusOverTheLifeOfADaemon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener = page
			c.Rules = append(c.Rules, alert.RuleConfig{
				Name: "watched", When: "heartRate > 10", Mode: alert.ModeShadow, Topics: []string{"oncall"},
			})
		})
		time.Sleep(20 * time.Second)
		s := page.Status(t)
		require.Equal(t, "starting", s.State)
		require.Equal(t, status.LevelWarning, s.Level)
		require.Equal(t,
			"Starting; waits for the stream ExampleOutputStream in Kinesis (ResourceNotFoundException), for "+
				"20 s so far.", s.Summary)
		require.Contains(t, page.Get(t, "/", "text/html"), s.Summary)

		fake.Kinesis.Create(testkit.TestStream, 2)
		time.Sleep(30 * time.Second)
		require.Equal(t, "All is well: 2 shards are read here, lag 0 s.", page.Status(t).Summary)
		low, _ := fake.Kinesis.Split(testkit.TestStream, "shardId-000000000000")
		for i := range 120 {
			rate := "60"
			if i%40 == 0 {
				rate = "180"
			}
			fake.Kinesis.Put(testkit.TestStream, "patient-"+strings.Repeat("x", i%3), []byte(`{"heartRate":`+rate+`}`))
			time.Sleep(500 * time.Millisecond)
		}
		s = page.Status(t)
		require.Equal(t, status.LevelOK, s.Level, s.Summary)
		require.Equal(t, map[string]int{
			"held": 3, "foreign": 0, "unread": 0, "blocked": 0, "paused": 0, "ended": 1, "skipped": 0,
		}, s.ShardCounts)
		require.Equal(t, low, s.Shards[1].ID, "a child stands behind its parent")
		require.Equal(t, []string{"shardId-000000000000"}, s.Shards[1].Parents)
		require.Less(t, s.At.Sub(*s.Shards[1].Reading.Checkpoint), 5*time.Second)
		require.Len(t, s.Workers, 1)
		require.Equal(t, 3, s.Workers[0].Shards)
		require.Equal(t, uint64(3), s.Records["alerted"])
		require.Equal(t, uint64(117), s.Records["unmatched"])
		require.Equal(t, uint64(3), s.Rules[0].Published)
		require.Equal(t, uint64(3), s.Rules[0].Matched)
		require.Equal(t, "shadow", s.Rules[1].Mode)
		require.Equal(t, uint64(120), s.Rules[1].Published)
		require.Len(t, s.Alerts, 3)
		require.Equal(t, "pa…-xx", s.Alerts[0].Key)
		require.Equal(t, fake.SNS.Messages(testkit.TestTopicARN)[2].Attributes["alert_id"].StringValue, s.Alerts[0].ID)
		require.InDelta(t, 2, s.History.Records[len(s.History.Records)-2], 0.3)

		refuse := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Err: &fakeaws.Error{
				Code: "AuthorizationError", Status: 403,
			},
		})
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(5 * time.Second)
		s = page.Status(t)
		require.Equal(t, "Topic oncall: access denied (AuthorizationError), 1 alert waits.", s.Summary)
		require.Equal(t, status.LevelCritical, s.Level)
		require.Contains(t, s.Problems[0].Remedy, "sns:Publish")
		require.Equal(t, "not_authorized", s.Topics[0].Fault)
		refuse()
		time.Sleep(2 * time.Minute)
		require.Equal(t, status.LevelOK, page.Status(t).Level)

		out := fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		time.Sleep(6 * time.Second)
		require.Regexp(t, `^DynamoDB: no success for \d\S* s \(no answer\), trust in the leases ends in \d\S* s\.$`,
			page.Status(t).Summary)
		time.Sleep(40 * time.Second)
		s = page.Status(t)
		require.Regexp(t,
			`^DynamoDB: no success for 4\d s \(no answer\), trust in the leases has ended: nothing is read or published\.`, s.Summary)
		require.Nil(t, s.Worker.TrustedUntil)
		out()
		time.Sleep(time.Minute)
		require.Equal(t, status.LevelOK, page.Status(t).Level)
		before := len(fake.History.Events())
		page.Get(t, "/", "text/html")
		require.Len(t, fake.History.Events(), before, "a page view calls nobody")

		hang := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.BlackHole,
		})
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(time.Second)
		d.Stop()
		time.Sleep(2 * time.Second)
		s = page.Status(t)
		require.Equal(t, "stopping", s.State)
		require.Equal(t, "The daemon is stopping: it drains its shards and hands them over.", s.Summary)
		require.Equal(t, "stopping", s.Shards[slices.IndexFunc(s.Shards, func(x status.Shard) bool {
			return x.Reading != nil
		})].Reading.Phase)
		hang()
		require.NoError(t, d.End())
	})
}

// A secret that the environment gives to the configuration is seen nowhere: not on the page, in the JSON, the text, the
// log or the metrics; not after a reload, and not when that is refused.
func TestStatusKeepsSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		queue, err := sqs.NewFromConfig(testkit.Emulated(fake)).CreateQueue(t.Context(),
			&sqs.CreateQueueInput{QueueName: aws.String("dlq")})
		require.NoError(t, err)
		const token, phrase = "hunter2-7f3a9c", "correct-horse-battery" //nolint:gosec // made up
		env := map[string]string{
			"PAGER_TOKEN": token, "PHRASE": phrase, "STREAM": testkit.TestStream, "DLQ": aws.ToString(queue.QueueUrl),
			"LEVEL": "info", "TOPIC_ARN": testkit.TestTopicARN,
		}
		file := filepath.Join(t.TempDir(), "c.yaml")
		//nolint:gosec // made up
		text := `stream: {name: "${STREAM}", start: trim_horizon}
rules:
  - name: high
    when: heartRate > 149
    severity: critical
    topics: [oncall]
    message: "token ${PAGER_TOKEN}, phrase ${PHRASE}"
    runbook: "https://user:${PHRASE}@example.com/runbook?token=${PAGER_TOKEN}"
    dashboard: "https://ops:literal-password@example.com/d?X-Amz-Signature=0123abcd&x=1"
    labels: {team: "${PHRASE}"}
topics:
  oncall: {arn: "${TOPIC_ARN}"}
dead_letter: {sqs: "${DLQ}"}
log: {level: "${LEVEL}"}
`
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		load := func(ctx context.Context) (*config.LoadedConfig, error) {
			return config.LoadConfig(ctx, file, testkit.Environment(env))
		}
		loaded, err := load(t.Context())
		require.NoError(t, err)
		asks := make(chan os.Signal)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			*c, o.Loaded, o.Listener, o.Reload, o.Reloads = loaded.Config, loaded, page, load, asks
		})
		time.Sleep(5 * time.Second)
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(5 * time.Second)
		require.Contains(t, testkit.Messages(fake)[0], token, "the secret is in use")
		look := func() string {
			var metrics strings.Builder
			families, err := d.Reg.Gather()
			require.NoError(t, err)
			for _, f := range families {
				_, err := expfmt.MetricFamilyToText(&metrics, f)
				require.NoError(t, err)
			}
			seen := page.Get(t, "/", "text/html")
			for name, text := range map[string]string{
				"page": seen, "text": page.Get(t, "/", "*/*"), "JSON": page.Get(t, "/api/v1/status", "*/*"),
				"log": d.Log.String(), "metrics": metrics.String(),
			} {
				require.NotContains(t, text, token, name)
				require.NotContains(t, text, phrase, name)
				require.NotContains(t, text, "literal-password", name)
				require.NotContains(t, text, "0123abcd", name)
			}
			return page.Status(t).Configuration
		}
		shown := look()
		for _, want := range []string{
			"name: ${STREAM}", "message: token ${PAGER_TOKEN}, phrase ${PHRASE}", "arn: ${TOPIC_ARN}", "sqs: ${DLQ}",
			"level: ${LEVEL}", "team: ${PHRASE}",
			"application: kinesis-alerter-${STREAM}", "duration: 10s", "://[redacted]@example.com",
		} {
			require.Contains(t, shown, want)
		}

		changed := strings.Replace(text, "team: \"${PHRASE}\"", "team: \"${PHRASE}\", of: \"${NEW_TOKEN:-none}\"", 1)
		changed = strings.Replace(changed, "heartRate > 149", "heartRate > 140", 1)
		require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
		asks <- os.Interrupt
		time.Sleep(time.Second)
		shown = look()
		require.Contains(t, shown, "of: ${NEW_TOKEN:-none}")
		require.Contains(t, shown, "name: ${STREAM}")
		require.Equal(t, []string{"rule high changed"}, page.Status(t).Reload.Changes)

		require.NoError(t,
			os.WriteFile(file, []byte(strings.Replace(text, "severity: critical", "severity: \"${PAGER_TOKEN}\"", 1)),
				0o600))
		asks <- os.Interrupt
		time.Sleep(time.Second)
		require.Equal(t, shown, look(), "the old configuration stays")
		s := page.Status(t)
		require.False(t, s.Reload.OK)
		require.Equal(t, "line 5: rules[0].severity", s.Reload.Error)
		require.Equal(t, status.LevelWarning, s.Level)
		require.NoError(t, d.End())
	})
}
