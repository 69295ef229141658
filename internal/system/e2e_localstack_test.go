//go:build e2e

package system_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws/npm"
)

// The files of the local stack do outside of it what they do in it: the init script, run twice, makes what the producer
// and the daemon need, the daemon runs on its configuration as it stands there, and alerts.sh prints what a subscriber
// gets, whether it comes before the queue or the queue goes while it runs. deploy/localstack/check.sh runs it, and says
// with AWS_CLI which AWS CLI there is.
func TestLocalStackFiles(t *testing.T) {
	cli := os.Getenv("AWS_CLI")
	require.NotEmpty(t, cli, "AWS_CLI names no AWS CLI; deploy/localstack/check.sh runs this test")
	folder, err := filepath.Abs("../../deploy/localstack")
	require.NoError(t, err)
	at := emulators{kinesis: npm.Kinesis(t), dynamodb: npm.DynamoDB(t), messaging: npm.Messaging(t)}
	// LocalStack's awslocal is the AWS CLI with the emulator's address (the CLI's version 1 takes no notice of
	// AWS_ENDPOINT_URL_SQS). This one has three addresses.
	awslocal := filepath.Join(t.TempDir(), "awslocal")
	out := filepath.Join(t.TempDir(), "out") // while it exists no server answers
	wrapper := `#!/bin/sh
if [ -e "` + out + `" ]; then
	echo 'Could not connect to the endpoint URL' >&2
	exit 255
fi
case $1 in
kinesis) url=$AWS_ENDPOINT_URL_KINESIS ;;
*) url=$AWS_ENDPOINT_URL_SNS ;;
esac
exec ` + cli + ` --endpoint-url "$url" "$@"
`
	require.NoError(t,
		os.WriteFile(awslocal,
			[]byte(wrapper), 0o700))
	// As in compose.yaml, but that one emulator is three servers here. Nothing of the user's own is read.
	env := append(os.Environ(),
		"AWS_ENDPOINT_URL_KINESIS="+at.kinesis, "AWS_ENDPOINT_URL_DYNAMODB="+at.dynamodb,
		"AWS_ENDPOINT_URL_SNS="+at.messaging, "AWS_ENDPOINT_URL_SQS="+at.messaging,
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_CLI="+awslocal,
	)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.CommandContext(ctx, name, args...)
		c.Env = env
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s %s:\n%s", name, strings.Join(args, " "), out)
		t.Logf("%s %s:\n%s", filepath.Base(name), strings.Join(args, " "), out)
		return string(out)
	}
	alerts := startAlerts(t, filepath.Join(folder, "alerts.sh"), env)
	eventually(t, time.Minute, "alerts.sh waits for its queue", func() bool {
		return strings.Contains(alerts(), "waiting for the queue alerts\n")
	})

	script := filepath.Join(folder, "init", "10-resources.sh")
	first := run(script)
	require.Contains(t, first, "stream ExampleInputStream: ACTIVE\n")
	require.Equal(t, first, run(script), "what exists is left as it is")

	binary := buildDaemon(t)
	logPath := filepath.Join(t.ArtifactDir(), "daemon.log")
	log, err := os.Create(logPath)
	require.NoError(t, err)
	daemon := exec.Command(binary, "run", "--config",
		filepath.Join(folder, "config", "kinesis-alerter.yaml"), "--listen", "127.0.0.1:0")
	daemon.Env, daemon.Stdout, daemon.Stderr = env, log, log
	require.NoError(t, daemon.Start())
	exited := make(chan error, 1)
	go func() { exited <- daemon.Wait() }()
	text := func() string {
		data, err := os.ReadFile(logPath)
		require.NoError(t, err)
		return string(data)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		if t.Failed() {
			t.Log("the daemon's log:\n", text())
		}
	})

	// The producer of compose.yaml, faster, so that the forests have learned within a second.
	produce := func(seed string) {
		run(binary, "produce", "heart-rate", "--stream", "ExampleInputStream", "--rate", "1000", "--keys", "10",
			"--count", "4000", "--seed", seed)
	}
	produce("7")

	// What a subscriber gets. So many alerts at once are above the topic's rate, so a digest may be among them; its
	// further lines are indented.
	alert := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d  (critical|warning ) +[0-9a-f]{64}  .*[Hh]eart rate \d+`)
	eventually(t, time.Minute, "alerts.sh prints an alert", func() bool { return alert.MatchString(alerts()) })
	for line := range strings.Lines(alerts()) {
		require.Regexp(t,
			`^(\d\d:\d\d:\d\d  (critical|warning ) +[0-9a-f]{64}  \S| {10}|waiting for the queue|the queue alerts is there)`, line)
	}

	// The emulator is stopped, and has forgotten the queue when it is back.
	queue := strings.TrimSpace(run(awslocal, "sqs", "get-queue-url", "--region", "us-east-1", "--queue-name", "alerts",
		"--query", "QueueUrl", "--output", "text"))
	run(awslocal, "sqs", "delete-queue", "--region", "us-east-1", "--queue-url", queue)
	require.NoError(t, os.WriteFile(out, nil, 0o600))
	eventually(t, time.Minute, "alerts.sh waits for its queue again", func() bool {
		return strings.Count(alerts(), "waiting for the queue alerts\n") == 2
	})
	before := len(alerts())
	require.NoError(t, os.Remove(out))
	run(script)
	produce("8")
	printed := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d  (critical|warning ) +[0-9a-f]{64}  \S`) // alone or in a digest
	eventually(t, time.Minute, "alerts.sh prints an alert after the outage", func() bool {
		return printed.MatchString(alerts()[before:])
	})

	// What Prometheus scrapes, and what the container's health check asks.
	admin := regexp.MustCompile(`"admin": ?"([^"]+)"`).FindStringSubmatch(text())
	require.NotNil(t, admin, "the daemon says where its admin server is")
	run(binary, "healthcheck", "--listen", admin[1])
	scored := regexp.MustCompile(`(?m)^kinesis_alerter_alerts_published_total{rule="anomaly",.*} [1-9]`)
	eventually(t, time.Minute, "an alert by the score is accepted", func() bool {
		response, err := http.Get("http://" + admin[1] + "/metrics")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		return err == nil && scored.Match(body)
	})

	require.NoError(t, daemon.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-exited:
		require.NoError(t, err, "an orderly stop ends with 0")
	case <-ctx.Done():
		require.Fail(t, "the daemon did not stop")
	}
}

// startAlerts runs alerts.sh until the test ends, and returns what reads its output. It must not end before.
func startAlerts(t *testing.T, script string, env []string) func() string {
	t.Helper()
	path := filepath.Join(t.ArtifactDir(), "alerts.txt")
	output, err := os.Create(path)
	require.NoError(t, err)
	c := exec.Command(script)
	c.Env, c.Stdout, c.Stderr = env, output, output
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with the CLI that it waits for
	require.NoError(t, c.Start())
	var ended error
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		ended = c.Wait()
	}()
	read := func() string {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(data)
	}
	t.Cleanup(func() {
		select {
		case <-exited:
			t.Errorf("alerts.sh ended by itself: %v\n%s", ended, read())
		default:
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			<-exited
		}
		_ = output.Close()
		t.Log("alerts.sh:\n", read())
	})
	return read
}
