package system

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/cli"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

// An alert of a rule that remembers, so that no record can make it again, and that SNS refuses, becomes a dead letter,
// and once SNS takes it, letters redrive publishes the same alert, with the same words and the same id.
func TestLettersComeBack(t *testing.T) {
	testkit.Long(t)
	fake, file, _ := loopbackDaemon(t) // whose rule does not match
	const queue = "https://sqs.us-east-1.amazonaws.com/000000000000/letters"
	_, err := sqs.NewFromConfig(testkit.Emulated(fake)).CreateQueue(
		t.Context(), &sqs.CreateQueueInput{QueueName: new("letters")},
	)
	require.NoError(t, err)
	text, err := os.ReadFile(file) //nolint:gosec // in the test's own folder
	require.NoError(t, err)
	file = testkit.ConfigFile(t, strings.NewReplacer(
		"application: loopback", "application: letters", `"heartRate > 149"`, `"heartRate < 50", dedup: 1h`,
	).Replace(string(text))+"dead_letter: {sqs: "+queue+"}\n")

	var refused string
	takes := fake.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
		if !strings.Contains(e.Body, "42") {
			return nil
		}
		refused = e.Body
		return &fakeaws.EntryFailure{Code: "InvalidParameter", Message: "Invalid parameter", SenderFault: true}
	})
	fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":42}`))
	ctx, stop := context.WithCancel(t.Context())
	exit := make(chan int, 1)
	go func() {
		out := &testkit.SyncBuffer{}
		exit <- cli.Main(ctx, []string{"run", "--config", file, "--listen", "127.0.0.1:0"},
			testkit.Environment(nil), out, out)
	}()
	testkit.WaitFor(t, "the dead letter", func() bool { return fake.SQS.Len(queue) > 0 })
	stop()
	require.Equal(t, cli.ExitOK, <-exit)
	takes()

	letters := func(code int, args ...string) (out, errs string) {
		var stdout, stderr bytes.Buffer
		require.Equal(t, code, cli.Main(t.Context(), append([]string{"letters"}, args...), testkit.Environment(nil),
			&stdout, &stderr), "%s%s", &stdout, &stderr)
		return stdout.String(), stderr.String()
	}
	type printed struct {
		Letters []struct {
			ID      string `json:"id"`
			AlertID string `json:"alert_id"`
			Message *struct{ Body string }
		}
		Published int
		DryRun    bool `json:"dry_run"`
	}
	read := func(text string) (p printed) {
		require.NoError(t, json.Unmarshal([]byte(text), &p), text)
		return p
	}
	out, _ := letters(cli.ExitOK, "list", "--config", file, "--json")
	all := read(out)
	require.Len(t, all.Letters, 1)
	require.True(t, all.DryRun)
	id := all.Letters[0].ID
	out, _ = letters(cli.ExitOK, "show", id, "--config", file)
	require.Contains(t, out, "alert_id  "+all.Letters[0].AlertID)
	require.Contains(t, out, `{"heartRate":42}`)
	out, _ = letters(cli.ExitOK, "redrive", "--config", file)
	require.Contains(t, out, "1 letter: 0 published, 1 to publish, 0 stay\n"+
		"nothing was published; repeat the command with --yes\n")
	require.Equal(t, 1, fake.SQS.Len(queue), "it is dry without --yes")
	out, _ = letters(cli.ExitOK, "redrive", "--config", file, "--rule", "other", "--yes")
	require.Contains(t, out, "1 letter: 0 published, 0 to publish, 0 stay, 1 left out by --reason and --rule")
	out, _ = letters(cli.ExitOK, "redrive", "--config", file, "--yes", "--json")
	require.Equal(t, 1, read(out).Published)
	require.Zero(t, fake.SQS.Len(queue))
	var found bool
	for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
		if m.Attributes["alert_id"].StringValue == all.Letters[0].AlertID {
			found = true
			require.Equal(t, refused, m.Body)
		}
	}
	require.True(t, found)
	_, errs := letters(cli.ExitFailed, "show", id, "--config", file)
	require.Contains(t, errs, "no letter "+id+" is there")
	_, errs = letters(cli.ExitFailed, "list", "--config", file, "--from", "s3://nosuch")
	require.Contains(t, errs, "nosuch does not exist in this region and account (s3:ListBucket)")
}
