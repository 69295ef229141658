package system

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/internal/cli"
	"kinesis-alerter/internal/testkit"
)

// A dead letter of an output record is shown with its output and key, and redriven to the output's stream, whose rule
// would alert for it.
func TestOutputLettersComeBack(t *testing.T) {
	testkit.Long(t)
	fake, file, _ := loopbackDaemon(t)
	const queue = "https://sqs.us-east-1.amazonaws.com/000000000000/letters"
	client := sqs.NewFromConfig(testkit.Emulated(fake))
	_, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: new("letters")})
	require.NoError(t, err)
	fake.Kinesis.Create("scored", 1)
	text, err := os.ReadFile(file) //nolint:gosec // in the test's own folder
	require.NoError(t, err)
	file = testkit.ConfigFile(t, string(text)+"dead_letter: {sqs: "+queue+"}\noutputs: {scored: {stream: scored}}\n")
	sender, err := deadletter.New(deadletter.Config{SQS: queue}, deadletter.Deps{
		Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/" + testkit.TestStream, Application: "app", SQS: client,
	})
	require.NoError(t, err)
	record := alert.Record{
		Shard: "shardId-000000000000", SequenceNumber: "42", PartitionKey: "a",
		Data: []byte(`{"heartRate":190,"score":3.1}`),
	}
	require.NoError(t, sender.Send(t.Context(), &alert.Letter{
		Record: record, Condition: alert.ConditionRetries, Reason: "output_failing", Output: "scored",
		OutputKey: "ward-3",
	}))
	letters := func(args ...string) string {
		var stdout, stderr bytes.Buffer
		require.Equal(t, cli.ExitOK, cli.Main(t.Context(), append([]string{"letters"}, args...),
			testkit.Environment(nil),
			&stdout, &stderr), "%s%s", &stdout, &stderr)
		return stdout.String()
	}
	out := letters("list", "--config", file)
	require.Regexp(t, `(?m)output_failing +- +output scored +would be written$`, out)
	id, _, _ := strings.Cut(strings.Split(out, "\n")[1], " ")
	require.Contains(t, letters("show", id, "--config", file), "output    scored\nkey       ward-3\n")
	before := len(fake.SNS.Messages(testkit.TestTopicARN))
	require.Contains(t, letters("redrive", "--config", file, "--yes"), "1 letter: 1 published, 0 to publish, 0 stay\n")
	require.Zero(t, fake.SQS.Len(queue))
	written := fake.Kinesis.Records("scored")
	require.Len(t, written, 1)
	require.Equal(t, "ward-3", written[0].PartitionKey)
	require.Equal(t, string(record.Data), string(written[0].Data))
	require.Len(t, fake.SNS.Messages(testkit.TestTopicARN), before, "no rule judges it")
}
