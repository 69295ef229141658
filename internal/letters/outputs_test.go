package letters

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/testkit"
)

// outputLetter is the letter of a record for an output stream.
func outputLetter(i int, reason alert.Reason) *alert.Letter {
	return &alert.Letter{
		Record: alert.Record{
			Shard: shard, PartitionKey: "source", SequenceNumber: fmt.Sprint(1_000_000 + i), Arrival: time.Now(),
			Data: fmt.Appendf(nil, `{"value":99,"n":%d}`, i),
		},
		Condition: alert.ConditionRetries, Reason: reason, Detail: "as it was",
		Output: "scored", OutputKey: fmt.Sprint("größe-", i),
	}
}

func (w *world) kinesis() *kinesis.Client {
	cfg := testkit.Emulated(w.AWS)
	cfg.APIOptions = append(cfg.APIOptions, answer.New(nil, nil).Install)
	return kinesis.NewFromConfig(cfg)
}

// written is what the output stream has, by partition key.
func (w *world) written() map[string][]string {
	out := map[string][]string{}
	for _, r := range w.Kinesis.Records("scored") {
		out[r.PartitionKey] = append(out[r.PartitionKey], string(r.Data))
	}
	return out
}

// redriveOutputs redrives a queue's letters with a writer of its own.
func (w *world) redriveOutputs(client output.API, dry bool) []Result {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	writer, err := NewWriter(ctx, output.Config{Outputs: map[string]output.StreamConfig{"scored": {Stream: "scored"}}},
		func(string, output.StreamConfig) (output.API, error) { return client, nil })
	require.NoError(w.t, err)
	ended := make(chan error, 1)
	go func() { ended <- writer.Run(ctx) }()
	var results []Result
	config := w.config()
	config.Outputs = map[string]alert.OutputConfig{"scored": {Stream: "scored"}}
	o := Options{
		Write: writer, Publish: nothing{}, Rates: map[string]float64{"oncall": 0},
		Each: func(r Result) { results = append(results, r) },
	}
	if dry {
		o.Write, o.Publish = nil, nil
	}
	require.NoError(w.t, Run(w.t.Context(), w.source("queue"), NewJudge(config, "readings"), o))
	cancel()
	require.NoError(w.t, <-ended)
	return results
}

// nothing is a publisher that is never used.
type nothing struct{}

func (nothing) Status() []dispatch.TopicStatus { return nil }

func (nothing) PublishNow(context.Context, *alert.Alert) (string, error) {
	return "", errors.New("a letter of an output record is no alert")
}

// A letter of an output record goes to the output's stream, with its bytes and its key, and then it is gone. No rule
// judges it, although one would alert. What can never be written stays, and says why.
func TestOutputLettersAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		w.Kinesis.Create("scored", 2)
		unknown, unkeyed, unreadable := outputLetter(1, output.ReasonFailing), outputLetter(2, output.ReasonKey),
			outputLetter(3, "not_json")
		unknown.Output, unkeyed.OutputKey = "gone", ""
		w.send(deadletter.Config{SQS: queueURL}, outputLetter(0, output.ReasonFailing), unknown, unkeyed, unreadable,
			outputLetter(0, output.ReasonRecordAge), outputLetter(4, output.ReasonTooLarge))
		client := w.kinesis()
		for _, r := range w.redriveOutputs(client, true) {
			require.False(t, r.Published)
		}
		require.Empty(t, w.written(), "it is dry")
		require.Equal(t, 6, w.left("queue"))

		time.Sleep(time.Minute) // letters of a queue are hidden from the next reader for a while
		kept := map[string]int{}
		for _, r := range w.redriveOutputs(client, false) {
			kept[r.Kept]++
			require.Empty(t, r.Alerts)
		}
		require.Equal(t, map[string]int{
			"": 3, "the configuration has no output gone": 1,
			"it can never be written as it is (output_key): as it was": 1,
			"it can never be written as it is (not_json): as it was":   1,
		}, kept)
		require.Equal(t, map[string][]string{
			"größe-0": {`{"value":99,"n":0}`}, // of two letters, once
			"größe-4": {`{"value":99,"n":4}`},
		}, w.written())
		require.Equal(t, 3, w.left("queue"))
		require.Empty(t, w.SNS.Messages(standard))
	})
}

// A stream that takes nothing is named with what to do, and its letters stay until it does.
func TestOutputLettersOfAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		w.send(deadletter.Config{SQS: queueURL}, outputLetter(0, output.ReasonFailing))
		results := w.redriveOutputs(w.kinesis(), false)
		require.Len(t, results, 1)
		require.Equal(t,
			"output scored accepts nothing (stream_not_found): create the output stream, or correct its name or "+
				"ARN and AWS_REGION", results[0].Kept)
		require.Equal(t, 1, w.left("queue"))

		w.Kinesis.Create("scored", 1)
		time.Sleep(time.Minute)
		results = w.redriveOutputs(w.kinesis(), false)
		require.Empty(t, results[0].Kept)
		require.Len(t, w.written(), 1)
		require.Zero(t, w.left("queue"))
	})
}

// A record that the stream rejects stays, with what Kinesis said.
func TestOutputLettersThatAreRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		w.Kinesis.Create("scored", 1)
		l := outputLetter(0, output.ReasonTooLarge)
		l.OutputKey = "k"
		w.send(deadletter.Config{SQS: queueURL}, l)
		results := w.redriveOutputs(rejecting{w.kinesis()}, false)
		require.Len(t, results, 1)
		require.Contains(t, results[0].Kept, "output scored: it cannot be written (invalid_parameter): ")
		require.Equal(t, 1, w.left("queue"))
	})
}

// rejecting is a stream that takes no record.
type rejecting struct{ output.API }

func (rejecting) PutRecords(
	context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options),
) (*kinesis.PutRecordsOutput, error) {
	return nil, &smithy.GenericAPIError{Code: "InvalidArgumentException", Message: "no"}
}
