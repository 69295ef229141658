package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/schema"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

const initSample = `{"host":"web-1","latency":120}` + "\n" + `{"host":"web-2","latency":95}` + "\n"

// initialize runs init against the emulated account.
func initialize(
	t *testing.T, fake *fakeaws.AWS, stdin, terminal io.Reader, args ...string,
) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{
		env: testkit.Environment(nil), stdout: &out, stderr: &errs, stdin: stdin, answers: terminal, now: time.Now,
		load: func(context.Context) (aws.Config, error) { return testkit.Emulated(fake), nil },
	}
	err = p.Run(t.Context(), append([]string{"init"}, args...))
	return out.String(), errs.String(), err
}

// Three flags are enough: what init writes is valid, its test passes, and the daemon that runs it alerts for a record
// that is out of range, and says when it is over.
func TestInitMakesWhatAlerts(t *testing.T) {
	t.Parallel()
	sample, file := testkit.ConfigFile(t, initSample), filepath.Join(t.TempDir(), "kinesis-alerter.yaml")
	stdout, _, err := initialize(t, nil, nil, nil, "--stream", testkit.TestStream, "--topic-arn", testkit.TestTopicARN,
		"--sample", sample, "--output", file)
	require.NoError(t, err)
	require.Contains(t, stdout, "alert when latency > 150, for each host")
	tests := filepath.Join(filepath.Dir(file), "rules.test.yaml")
	for _, command := range [][]string{
		{"check", "--config", file}, {"rules", "test", tests},
	} {
		require.Contains(t, stdout, "kinesis-alerter "+strings.Join(command, " "))
		code, out, errs := invoke(t, command...)
		require.Equal(t, ExitOK, code, out+errs)
		require.Empty(t, errs, "no warnings")
	}
	require.Contains(t, stdout, `kinesis-alerter put '{"host":"web-1","latency":225}' --config `+file)
	beside, err := os.ReadFile(filepath.Join(filepath.Dir(file), schema.FileName))
	require.NoError(t, err)
	require.Equal(t, string(schema.JSON()), string(beside))

	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		loaded, err := config.LoadConfig(t.Context(), file, testkit.Environment(nil))
		require.NoError(t, err)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) { *c = loaded.Config })
		time.Sleep(10 * time.Second)
		fake.Kinesis.Put(testkit.TestStream, "web-1", []byte(`{"host":"web-1","latency":140}`))
		fake.Kinesis.Put(testkit.TestStream, "web-1", []byte(`{"host":"web-1","latency":900}`))
		time.Sleep(5 * time.Second)
		messages := fake.SNS.Messages(testkit.TestTopicARN)
		require.Len(t, messages, 1)
		require.Equal(t, "web-1: latency above 150", messages[0].Subject)
		require.Equal(t,
			"web-1: latency is 900, and should be at most 150.\nRecord: {\"host\":\"web-1\",\"latency\":900}\n"+
				"Rule latency-high of the stream ExampleOutputStream\n", messages[0].Body)
		time.Sleep(3 * time.Minute)
		messages = fake.SNS.Messages(testkit.TestTopicARN)
		require.Len(t, messages, 2)
		require.Equal(t, "[RESOLVED] web-1: latency above 150", messages[1].Subject)
		require.Equal(t,
			"web-1: latency is no longer above 150.\nRule latency-high of the stream ExampleOutputStream\n",
			messages[1].Body)
		require.NoError(t, d.End())
	})
}

// Without a sample it reads a few records of the stream, and sees what the partition key is.
func TestInitReadsTheStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 4)
		flags := []string{"--stream", testkit.TestStream, "--topic-arn", testkit.TestTopicARN, "--output", "-"}
		began := time.Now()
		_, _, err := initialize(t, fake, nil, nil, flags...)
		require.ErrorContains(t, err, "give --sample FILE")
		require.LessOrEqual(t, time.Since(began), 2*initPatience)
		for range 30 {
			for _, host := range []string{"a", "b", "c", "d"} {
				fake.Kinesis.Put(testkit.TestStream, host, []byte(`{"host":"`+host+`","cpu":12}`))
			}
		}
		time.Sleep(time.Hour) // it is quiet since
		stdout, stderr, err := initialize(t, fake, nil, nil, flags...)
		require.NoError(t, err)
		require.Contains(t, stderr, "one call a second")
		require.Contains(t, stdout, "from 50 records")
		require.Contains(t, stdout, "the partition key, which is host here")
		require.Contains(t, stdout, "when: 'cpu > 15'")
		loaded, err := config.ParseConfig(t.Context(), "printed", []byte(stdout), testkit.Environment(nil))
		require.NoError(t, err)
		require.Equal(t, testkit.TestStream, loaded.Stream.Name)
	})
}

// On a terminal it asks; without one it names the flags that are missing.
func TestInitAsks(t *testing.T) {
	t.Parallel()
	sample := testkit.ConfigFile(t, initSample)
	stdout, stderr, err := initialize(t, nil, nil, strings.NewReader("orders\n"+testkit.TestTopicARN+"\n"+sample+"\n"),
		"--output", "-")
	require.NoError(t, err)
	require.Contains(t, stderr, "Name or ARN of the stream: ")
	require.Contains(t, stdout, "name: orders\n")
	_, _, err = initialize(t, nil, nil, nil, "--sample", sample)
	require.EqualError(t, err, "init: give --stream NAME and --topic-arn ARN")
	_, _, err = initialize(
		t, nil, nil, strings.NewReader("\n"), "--topic-arn", testkit.TestTopicARN, "--sample", sample,
	)
	require.EqualError(t, err, "init: give --stream NAME")
	_, stderr, err = initialize(t, nil, nil, strings.NewReader(""), "--sample", sample)
	require.EqualError(t, err, "init: the input ended without an answer; nothing was written")
	require.NotContains(t, stderr, "ARN of the SNS topic", "Ctrl-D ends it")
	stdout, _, err = initialize(t, nil, strings.NewReader(initSample), nil, "--stream", "orders", "--topic-arn",
		testkit.TestTopicARN, "--sample", "-", "--output", "-")
	require.NoError(t, err)
	require.Contains(t, stdout, "from 2 records")
	_, _, err = initialize(t, nil, nil, nil, "--stream", "or ders", "--topic-arn", testkit.TestTopicARN, "--sample",
		sample,
		"--output", "-")
	require.ErrorContains(t, err, "init: --stream or ders: must be 1 to 128 letters")
	_, _, err = initialize(
		t, nil, nil, nil, "--stream", "orders", "--topic-arn", "oncall", "--sample", sample, "--output", "-",
	)
	require.ErrorContains(t, err, "init: --topic-arn oncall: must be the ARN of an SNS topic")
}

// What cannot be written is refused before anything is read.
func TestInitIntoNowhere(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "none", "kinesis-alerter.yaml")
	_, _, err := initialize(t, nil, nil, nil, "--stream", "s", "--topic-arn", testkit.TestTopicARN, "--output", file)
	require.ErrorContains(t, err, "there is no folder "+filepath.Dir(file))
}

// Nobody has to answer: Ctrl-C ends a question.
func TestInitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	silent, typing := io.Pipe()
	t.Cleanup(func() { _ = typing.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	p := &program{env: testkit.Environment(nil), stdout: &out, stderr: &errs, answers: silent, now: time.Now}
	require.ErrorIs(t, p.Run(ctx, []string{"init"}), context.Canceled)
}

// Nothing is overwritten, and nothing is written by half, unless that is wanted.
func TestInitOverwritesNothing(t *testing.T) {
	t.Parallel()
	sample := testkit.ConfigFile(t, initSample)
	for _, name := range []string{"kinesis-alerter.yaml", "rules.test.yaml", schema.FileName} {
		folder := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("mine"), 0o600))
		flags := []string{
			"--stream", "s", "--topic-arn", testkit.TestTopicARN, "--sample", sample, "--output",
			filepath.Join(folder, "kinesis-alerter.yaml"),
		}
		_, _, err := initialize(t, nil, nil, nil, flags...)
		require.ErrorContains(t, err, name+" is there already; give --force")
		files, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Len(t, files, 1)
		_, _, err = initialize(t, nil, nil, nil, append(flags, "--force")...)
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(folder, name)) //nolint:gosec // of this test
		require.NoError(t, err)
		require.NotEqual(t, "mine", string(text))
	}
}

// The byte order mark of an editor is no part of a record; UTF-16 is refused.
func TestByteOrderMarks(t *testing.T) {
	t.Parallel()
	const mark = "\ufeff"
	args := []string{"--stream", "orders", "--topic-arn", testkit.TestTopicARN, "--sample", "-", "--output", "-"}
	want, _, err := initialize(t, nil, strings.NewReader(initSample), nil, args...)
	require.NoError(t, err)
	got, _, err := initialize(t, nil, strings.NewReader(mark+initSample), nil, args...)
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, _, err = initialize(t, nil, strings.NewReader("\xff\xfe{\x00}\x00"), nil, args...)
	require.ErrorContains(t, err, "the text is in UTF-16: save it as UTF-8")
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create("s", 1)
		_, errs, err := runPut(t, fake, mark+`{"a":1}`, "put", "--stream", "s", "--file", "-")
		require.NoError(t, err)
		require.Empty(t, errs)
		_, _, err = runPut(t, fake, "\xff\xfe{\x00}\x00", "put", "--stream", "s", "--file", "-")
		require.ErrorContains(t, err, "line 1: the text is in UTF-16: save it as UTF-8")
	})
	report, _, err := runPut(t, nil, "", "rules", "backtest", "--config", "testdata/explain.yaml", "--json",
		"--archive",
		testkit.ConfigFile(t, mark+`{"data":"eyJhIjoxfQ=="}`+"\n"))
	require.NoError(t, err)
	require.Contains(t, report, `"records": 1`)
}
