//go:build e2e

package system_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/internal/fakeaws"
)

// TestE2ERedriveIsKilled: of 10,000 letters in a queue, a bucket or a file, each alert reaches a FIFO topic once,
// although the process that redrives them is killed in the middle, and started again.
func TestE2ERedriveIsKilled(t *testing.T) {
	binary := buildDaemon(t)
	for _, kind := range []string{"queue", "bucket", "file"} {
		t.Run(kind, func(t *testing.T) { killedRedrive(t, binary, kind) })
	}
}

func killedRedrive(t *testing.T, binary, kind string) {
	t.Helper()
	const total, kills = 10_000, 3
	fake := fakeaws.New(fakeaws.Options{})
	server := httptest.NewServer(fake)
	defer server.Close()
	cfg := aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "x", ""),
		HTTPClient: fakeaws.LoopbackClient(), BaseEndpoint: &server.URL,
	}
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{
		Name: aws.String("oncall.fifo"), Attributes: map[string]string{"FifoTopic": "true"},
	})
	require.NoError(t, err)
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("letters")})
	require.NoError(t, err)
	_, err = buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("letters")})
	require.NoError(t, err)

	to, from := deadletter.Config{SQS: *queue.QueueUrl}, *queue.QueueUrl
	if kind == "bucket" {
		to, from = deadletter.Config{S3: "letters"}, "s3://letters"
	}
	sender, err := deadletter.New(to, deadletter.Deps{
		Stream:      "arn:aws:kinesis:us-east-1:000000000000:stream/readings",
		Application: "readings", SQS: queues, S3: buckets,
	})
	require.NoError(t, err)
	for i := range total {
		id := fmt.Sprintf("%064d", i)
		require.NoError(t, sender.Send(t.Context(), &alert.Letter{
			Record: alert.Record{
				Shard: "shardId-000000000000", PartitionKey: fmt.Sprint("key-", i%50),
				SequenceNumber: fmt.Sprint(1_000_000 + i), Arrival: time.Now(), Data: []byte(`{"n":1}`),
			},
			Condition: alert.ConditionAge, Reason: "max_record_age", AlertID: id, Rule: "every", Topic: "all",
			Kind: alert.KindFiring, Message: &alert.Message{
				Subject: "found again", Body: fmt.Sprint("alert ", i),
				Attributes: []alert.Attribute{{Name: "alert_id", Type: "String", Value: id}},
			},
		}))
	}
	if kind == "file" {
		from = filepath.Join(t.TempDir(), "letters.json")
		require.NoError(t, os.WriteFile(from, []byte(strings.Join(fake.SQS.Bodies(*queue.QueueUrl), "\n")), 0o600))
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `stream: {name: readings}
rules: [{name: every, when: n >= 0}]
topics: {all: {arn: %q, rate: unlimited, email: false}}
`, *topic.TopicArn), 0o600))

	began := time.Now()
	redrive := func() (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(binary, "letters", "redrive", "--config", config, "--from", from, "--yes")
		cmd.Env = append(os.Environ(), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=x",
			"AWS_ENDPOINT_URL="+server.URL)
		out := &bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, out
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return cmd, out
	}
	accepted := func() int { return fake.SNS.Count(*topic.TopicArn) }
	for i := range kills {
		cmd, out := redrive()
		eventually(
			t, 2*time.Minute, "letters are published", func() bool { return accepted() >= (i+1)*total/(kills+2) },
		)
		require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
		require.ErrorContains(t, cmd.Wait(), "killed", "%s", out)
		require.Less(t, accepted(), total)
	}
	cmd, out := redrive()
	require.NoError(t, cmd.Wait(), "%s", out)
	require.Contains(t, out.String(), " 0 to publish, 0 stay")

	seen := map[string]int{}
	for _, m := range fake.SNS.Messages(*topic.TopicArn) {
		seen[m.Attributes["alert_id"].StringValue]++
	}
	require.Len(t, seen, total, "0 lost")
	require.Equal(t, total, accepted(), "0 repeats")
	switch kind {
	case "queue":
		require.Zero(t, fake.SQS.Len(*queue.QueueUrl))
	case "bucket":
		require.Empty(t, fake.S3.Keys("letters"))
	}
	t.Logf("%d letters, %d SIGKILLs, %s: 0 lost, 0 repeats; %d repeats were dropped by the topic", total, kills,
		time.Since(began).Round(time.Second), fake.SNS.Duplicates(*topic.TopicArn))
}
