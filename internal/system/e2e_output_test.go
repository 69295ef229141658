//go:build e2e

package system_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// TestE2EOutput: the pipe that a process writes its log to is not read, or its reader is gone. Every record becomes an
// alert, and the process stops in its budget. Each alert writes an audit line, so the pipe is full after some hundred.
func TestE2EOutput(t *testing.T) {
	binary := buildDaemon(t)
	for name, leave := range map[string]bool{"nobody reads": false, "the reader is gone": true} {
		t.Run(name, func(t *testing.T) {
			fake := fakeaws.New(fakeaws.Options{})
			server := httptest.NewServer(fake)
			defer server.Close()
			fake.Kinesis.Create("output", 2)
			client := sns.NewFromConfig(aws.Config{
				Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "x", ""),
				HTTPClient: fakeaws.LoopbackClient(),
			}, func(o *sns.Options) { o.BaseEndpoint = &server.URL })
			topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("output")})
			require.NoError(t, err)
			config := filepath.Join(t.TempDir(), "config.yaml")
			require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `stream: {name: output, start: trim_horizon}
rules: [{name: every, when: n >= 0}]
topics: {all: {arn: %q, rate: unlimited, email: false}}
server: {listen: "127.0.0.1:0"}
`, *topic.TopicArn), 0o600))
			read, write, err := os.Pipe()
			require.NoError(t, err)
			defer func() { _ = read.Close() }()
			cmd := exec.Command(binary, "run", "--config", config)
			cmd.Env = append(os.Environ(), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=x",
				"AWS_ENDPOINT_URL="+server.URL)
			cmd.Stdout, cmd.Stderr = write, write
			require.NoError(t, cmd.Start())
			require.NoError(t, write.Close())
			exited := make(chan error, 1)
			go func() { exited <- cmd.Wait() }()
			defer func() { _ = cmd.Process.Kill() }()

			put := func(first, last int) {
				for n := first; n < last; n++ {
					fake.Kinesis.Put("output", strconv.Itoa(n%20), fmt.Appendf(nil, `{"n":%d}`, n))
				}
			}
			count := func() int { return fake.SNS.Count(*topic.TopicArn) }
			put(0, 20)
			eventually(t, 30*time.Second, "the first records are published", func() bool { return count() == 20 })
			if leave {
				require.NoError(t, read.Close())
			}
			put(20, 1020)
			eventually(t, 60*time.Second, "all records are published", func() bool { return count() == 1020 })
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			select {
			case err := <-exited:
				require.NoError(t, err, "a stop with nothing left to do is clean")
			case <-time.After(30 * time.Second):
				t.Fatal("SIGTERM has not ended the process within 30 s")
			}
		})
	}
}
