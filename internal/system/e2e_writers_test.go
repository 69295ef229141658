//go:build e2e

package system_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/fakeaws/npm"
)

// TestE2EWriters reads what real writers put, as it comes: gzip by boto3, KPL aggregates by the libraries of npm and
// PyPI, and CloudWatch Logs' subscription of moto. The daemon is killed in the middle. Every record alerts, and nothing
// else does.
func TestE2EWriters(t *testing.T) {
	const records = 450
	ctx, url := t.Context(), npm.Moto(t)
	cfg := aws.Config{
		Region: npm.Region, Credentials: credentials.NewStaticCredentialsProvider("TEST", "test", ""),
		BaseEndpoint: &url, HTTPClient: fakeaws.LoopbackClient(),
	}
	streams, topics, queues := kinesis.NewFromConfig(cfg), sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	binary := buildDaemon(t)
	for _, c := range []struct{ name, input, number string }{
		{"gzip", "[decompress: auto, split: lines]", "n"},
		{"aggregates", "[decompress: auto]", "n"},
		{"npm", "[split: lines]", "n"},
		{"logs", "cloudwatch_logs", "json.n"},
	} {
		_, err := streams.CreateStream(ctx, &kinesis.CreateStreamInput{
			StreamName: &c.name, ShardCount: aws.Int32(2),
		})
		require.NoError(t, err)
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &c.name})
			require.NoError(t, err)
			queue, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &c.name})
			require.NoError(t, err)
			_, err = topics.Subscribe(ctx, &sns.SubscribeInput{
				TopicArn: topic.TopicArn, Protocol: aws.String("sqs"),
				Endpoint:   aws.String("arn:aws:sqs:us-east-1:123456789012:" + c.name),
				Attributes: map[string]string{"RawMessageDelivery": "true"},
			})
			require.NoError(t, err)
			if c.name == "logs" {
				write(t, url, "subscribe", 0, 0)
			}
			put := func(from, to int) {
				if c.name == "npm" {
					putAggregates(ctx, t, streams, from, to)
					return
				}
				write(t, url, c.name, from, to)
			}
			config := fmt.Sprintf(`stream: {name: %[1]s, application: writers-%[1]s, start: trim_horizon}
leases: {duration: 3s}
input: %[2]s
rules:
  - {name: every, when: %[3]s >= 0, key: %[3]s}
topics:
  one: {arn: "%[4]s", rate: unlimited, email: false, message: "{{ .Key }}"}
server: {listen: "127.0.0.1:0"}
`, c.name, c.input, c.number, *topic.TopicArn)
			got, repeated := map[int]bool{}, 0
			take := func() {
				receive(ctx, t, queues, queue.QueueUrl, func(body string) {
					n, err := strconv.Atoi(body)
					require.NoError(t, err, body)
					require.True(t, n >= 0 && n < records, body)
					if got[n] {
						repeated++
					}
					got[n] = true
				})
			}
			first := startDaemon(t, binary, "first", config, "AWS_ENDPOINT_URL="+url)
			first.ready()
			put(0, records/2)
			eventually(t, 30*time.Second, "some records have alerted", func() bool {
				take()
				return len(got) > 0
			})
			first.kill()
			put(records/2, records)
			second := startDaemon(t, binary, "second", config, "AWS_ENDPOINT_URL="+url)
			eventually(t, time.Minute, "every record has alerted", func() bool {
				second.running()
				take()
				return len(got) == records
			})
			require.Zero(t, second.metric("kinesis_alerter_records_total", `outcome="invalid"`))
			code, _ := second.terminate()
			require.Zero(t, code)
			take()
			t.Logf("%d records, %d alerted, %d repeated after the SIGKILL", records, len(got), repeated)
		})
	}
}

// write has Python write records.
func write(t *testing.T, url, what string, from, to int) {
	t.Helper()
	python := filepath.Join("..", "..", "bin", "moto", "bin", "python")
	script := filepath.Join("testdata", "writers", "writers.py")
	cmd := exec.CommandContext(t.Context(), python, script, url, what, strconv.Itoa(from), strconv.Itoa(to))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// putAggregates puts the aggregates that npm's library makes.
func putAggregates(ctx context.Context, t *testing.T, to *kinesis.Client, from, end int) {
	t.Helper()
	cmd := exec.CommandContext(ctx, "node", filepath.Join("testdata", "writers", "aggregate.js"), strconv.Itoa(from),
		strconv.Itoa(end))
	modules, err := filepath.Abs(filepath.Join("..", "tools", "node_modules"))
	require.NoError(t, err)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var aggregate struct {
			Key  string
			Data []byte
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &aggregate))
		_, err := to.PutRecord(ctx, &kinesis.PutRecordInput{
			StreamName: aws.String("npm"), PartitionKey: &aggregate.Key, Data: aggregate.Data,
		})
		require.NoError(t, err)
	}
}
