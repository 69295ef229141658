//go:build e2e

package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/fakeaws/npm"
)

// The accounts of the stream, and of the topic and the dead letters. The tables are in the one that moto starts with.
const motoStream, motoTopics = "111111111111", "222222222222"

// roleIn is the role that reaches an account.
func roleIn(account string) string { return "arn:aws:iam::" + account + ":role/alerter" }

// TestE2EThreeAccounts runs the built daemon in one account, with the stream in another one and in another region, and
// topic and dead letters in a third one. It is killed in the middle. Nothing is lost, and nothing is asked of the wrong
// account: only the tables are in its own.
func TestE2EThreeAccounts(t *testing.T) {
	const readable, unreadable = 400, 10
	ctx, url := t.Context(), npm.Moto(t)
	home := aws.Config{
		Region: npm.Region, Credentials: credentials.NewStaticCredentialsProvider("TEST", "test", ""),
		BaseEndpoint: &url, HTTPClient: fakeaws.LoopbackClient(),
	}
	in := func(account string) aws.Config {
		cfg := home.Copy()
		cfg.Region = "eu-west-1"
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(home),
			roleIn(account)))
		return cfg
	}
	streams, topics, queues := kinesis.NewFromConfig(in(motoStream)), sns.NewFromConfig(in(motoTopics)),
		sqs.NewFromConfig(in(motoTopics))
	_, err := streams.CreateStream(ctx, &kinesis.CreateStreamInput{
		StreamName: aws.String("far"), ShardCount: aws.Int32(2),
	})
	require.NoError(t, err)
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("far")})
	require.NoError(t, err)
	require.Contains(t, *topic.TopicArn, motoTopics)
	queue := map[string]*string{}
	for _, name := range []string{"alerts", "letters"} {
		made, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
		require.NoError(t, err)
		queue[name] = made.QueueUrl
	}
	_, err = topics.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"),
		Endpoint:   aws.String("arn:aws:sqs:eu-west-1:" + motoTopics + ":alerts"),
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	require.NoError(t, err)

	config := fmt.Sprintf(`stream:
  arn: arn:aws:kinesis:eu-west-1:%s:stream/far
  role_arn: %s
  application: far
  start: trim_horizon
leases: {duration: 3s}
rules:
  - {name: every, when: n >= 0, topics: [far]}
topics:
  far: {arn: "%s", role_arn: "%s", external_id: of-home, rate: unlimited, email: false, message: "{{ .Record.Data }}"}
dead_letter:
  sqs: https://sqs.eu-west-1.amazonaws.com/%s/letters
  role_arn: %[4]s
  external_id: of-home
  invalid: true
server: {listen: "127.0.0.1:0"}
`, motoStream, roleIn(motoStream), *topic.TopicArn, roleIn(motoTopics), motoTopics)
	binary := buildDaemon(t)
	first := startDaemon(t, binary, "first", config, "AWS_ENDPOINT_URL="+url)
	first.ready()
	put := func(from, to int) {
		var entries []types.PutRecordsRequestEntry
		for n := from; n < to; n++ {
			data := fmt.Sprintf(`{"n":%d}`, n)
			if n >= readable {
				data = `{"n":`
			}
			entries = append(entries, types.PutRecordsRequestEntry{
				PartitionKey: aws.String(fmt.Sprint("key-", n)), Data: []byte(data),
			})
		}
		_, err := streams.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String("far"), Records: entries})
		require.NoError(t, err)
	}
	put(0, readable/2)
	eventually(t, 30*time.Second, "some records have alerted", func() bool {
		return first.metric("kinesis_alerter_records_total", `outcome="alerted"`) > 0
	})
	first.kill()
	put(readable/2, readable+unreadable)
	second := startDaemon(t, binary, "second", config, "AWS_ENDPOINT_URL="+url)

	got, letters, repeated := map[int]bool{}, map[string]bool{}, 0
	eventually(t, time.Minute, "every record is where it belongs", func() bool {
		second.running()
		receive(ctx, t, queues, queue["alerts"], func(body string) {
			var record struct{ N int }
			require.NoError(t, json.Unmarshal([]byte(body), &record), body)
			if got[record.N] {
				repeated++
			}
			got[record.N] = true
		})
		receive(ctx, t, queues, queue["letters"], func(body string) { letters[body] = true })
		return len(got) == readable && len(letters) >= unreadable
	})
	code, _ := second.terminate()
	require.Zero(t, code)
	t.Logf("%d records put, %d found, %d repeated after the SIGKILL, %d dead letters", readable+unreadable, len(got),
		repeated, len(letters))

	tables, err := dynamodb.NewFromConfig(home).ListTables(ctx, &dynamodb.ListTablesInput{})
	require.NoError(t, err)
	require.Equal(t, []string{"far"}, tables.TableNames)
	for _, account := range []string{motoStream, motoTopics} {
		tables, err := dynamodb.NewFromConfig(in(account)).ListTables(ctx, &dynamodb.ListTablesInput{})
		require.NoError(t, err)
		require.Empty(t, tables.TableNames, "the tables are those of the process")
	}
	require.NotContains(t, second.states(1000), "credentials")
}

// receive takes what is in a queue.
func receive(ctx context.Context, t *testing.T, from *sqs.Client, queue *string, take func(body string)) {
	t.Helper()
	for {
		out, err := from.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10})
		require.NoError(t, err)
		if len(out.Messages) == 0 {
			return
		}
		for _, m := range out.Messages {
			take(*m.Body)
			_, err := from.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: m.ReceiptHandle})
			require.NoError(t, err)
		}
	}
}
