//go:build e2e

// Package image_test runs the container image as an orchestrator would. check.sh builds the image and calls it.
package image_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

const (
	// admin is where the image's own command line puts the admin server. check.sh runs all of this in a network of its
	// own, so that the port is free and loopback is all there is.
	admin       = "http://127.0.0.1:9464"
	binary      = "/usr/local/bin/kinesis-alerter"
	configPath  = "/etc/kinesis-alerter/kinesis-alerter.yaml"
	memory      = 256 << 20
	stopBudget  = 25 * time.Second
	grace       = "60"
	nonroot     = "65532"
	region      = "us-east-1"
	streamName  = "readings"
	application = "image-test"
)

// image is the image under test, and how it is run.
type image struct {
	t      *testing.T
	podman []string
	name   string
}

func newImage(t *testing.T) *image {
	t.Helper()
	name, podman := os.Getenv("IMAGE"), strings.Fields(os.Getenv("PODMAN"))
	if name == "" || len(podman) == 0 {
		t.Skip("IMAGE and PODMAN say what to run, and how; make deploy-check sets them")
	}
	return &image{t: t, podman: podman, name: name}
}

// call runs podman. code is its exit code, which for run and exec is that of the process in the container.
func (i *image) call(args ...string) (output string, code int) {
	i.t.Helper()
	c := exec.CommandContext(context.WithoutCancel(i.t.Context()), i.podman[0], //nolint:gosec // the test's own command
		append(i.podman[1:len(i.podman):len(i.podman)], args...)...)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		require.NoError(i.t, err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// run is a subtest, with the image reporting to it.
func (i *image) run(name string, check func(i *image)) {
	i.t.Run(name, func(t *testing.T) { check(&image{t, i.podman, i.name}) })
}

func (i *image) must(args ...string) string {
	i.t.Helper()
	out, code := i.call(args...)
	require.Zero(i.t, code, "podman %s: %s", strings.Join(args, " "), out)
	return strings.TrimSpace(out)
}

// restricted is how the image is meant to be run: nothing may be written, and nothing gained.
func restricted(args ...string) []string {
	return append([]string{
		"--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
		"--memory", strconv.Itoa(memory),
		"--network", "host", "--no-healthcheck",
		// podman's defaults are more than the limits of many machines.
		"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
	}, args...)
}

// emulator serves an account on loopback.
func emulator(t *testing.T) (endpoint string, cfg aws.Config) {
	t.Helper()
	account := fakeaws.New(fakeaws.Options{Region: region})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: account, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	endpoint = "http://" + l.Addr().String()
	return endpoint, aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		BaseEndpoint: &endpoint,
		HTTPClient:   fakeaws.LoopbackClient(),
	}
}

// subscribedTopic makes a topic with a queue behind it.
func subscribedTopic(t *testing.T, cfg aws.Config) (topic, queue string) {
	t.Helper()
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	made, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("alerts")})
	require.NoError(t, err)
	q, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("alerts")})
	require.NoError(t, err)
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: made.TopicArn, Protocol: aws.String("sqs"),
		Endpoint:   aws.String("arn:aws:sqs:" + region + ":000000000000:alerts"),
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	require.NoError(t, err)
	return *made.TopicArn, *q.QueueUrl
}

func TestImage(t *testing.T) {
	i := newImage(t)
	endpoint, cfg := emulator(t)
	streams := kinesis.NewFromConfig(cfg)
	_, err := streams.CreateStream(t.Context(), &kinesis.CreateStreamInput{
		StreamName: aws.String(streamName), ShardCount: aws.Int32(1),
	})
	require.NoError(t, err)
	topic, queue := subscribedTopic(t, cfg)

	file := filepath.Join(t.TempDir(), "kinesis-alerter.yaml")
	text := fmt.Appendf(nil, `stream: {name: %s, application: %s, start: trim_horizon}
rules: [{name: high, when: value > 3, topics: [oncall]}]
topics: {oncall: {arn: "%s", message: "{{ .Record.Data }}"}}
`, streamName, application, topic)
	require.NoError(t, os.WriteFile(file, text, 0o644)) //nolint:gosec // another user reads it in the container

	environment := []string{
		"--env", "AWS_REGION=" + region, "--env", "AWS_ACCESS_KEY_ID=test", "--env", "AWS_SECRET_ACCESS_KEY=test",
		"--env", "AWS_ENDPOINT_URL=" + endpoint, "--env", "AWS_EC2_METADATA_DISABLED=true",
	}
	id := i.must(append(append([]string{"run", "--detach"}, restricted(environment...)...),
		"--volume", file+":"+configPath+":ro", i.name)...)
	t.Cleanup(func() {
		logs, _ := i.call("logs", id)
		i.must("rm", "--force", id)
		if t.Failed() {
			_, _ = io.WriteString(t.Output(), logs)
		}
	})
	await(t, "ready", func() bool { return status("/readyz") == http.StatusOK })

	i.run("the process", func(i *image) { i.checkProcess(id) })
	i.run("the platforms", func(i *image) { i.checkPlatforms() })
	i.run("labels and defaults", func(i *image) { i.checkConfig() })

	i.run("nothing can be written", func(i *image) {
		out, code := i.call(append(append([]string{"exec"}, environment...), id, binary, "leases", "export",
			"/tmp/leases.json", "--config", configPath)...)
		require.Equal(i.t, 1, code, out)
		require.Contains(i.t, out, "read-only file system")
	})
	i.run("health", func(i *image) {
		// the image's HEALTHCHECK; podman itself would need systemd's timers for it
		test := i.inspect().Healthcheck.Test
		require.Equal(i.t, []string{"CMD", binary, "healthcheck"}, test)
		require.Equal(i.t, "ok", i.must(append([]string{"exec", id}, test[1:]...)...))
	})
	i.run("the memory limit is the container's", func(i *image) {
		require.InDelta(i.t, memory*9/10, metric(i.t, "go_gc_gomemlimit_bytes"), 10)
	})
	i.run("a record becomes an alert", func(i *image) {
		for _, data := range []string{`{"value":1}`, `{"value":7}`} {
			_, err := streams.PutRecord(i.t.Context(), &kinesis.PutRecordInput{
				StreamName: aws.String(streamName), PartitionKey: aws.String("k"), Data: []byte(data),
			})
			require.NoError(i.t, err)
		}
		queues := sqs.NewFromConfig(cfg)
		var bodies []string
		await(i.t, "an alert", func() bool {
			out, err := queues.ReceiveMessage(i.t.Context(), &sqs.ReceiveMessageInput{
				QueueUrl: &queue, WaitTimeSeconds: 1,
			})
			require.NoError(i.t, err)
			for _, m := range out.Messages {
				bodies = append(bodies, *m.Body)
			}
			return len(bodies) > 0
		})
		require.Equal(i.t, []string{`{"value":7}`}, bodies)
	})
	i.run("SIGTERM drains", func(i *image) {
		began := time.Now()
		i.must("stop", "--time", grace, id)
		require.Less(i.t, time.Since(began), stopBudget)
		require.Equal(i.t, "0", i.must("inspect", "--format", "{{.State.ExitCode}}", id))
		logs := i.must("logs", id)
		require.Contains(i.t, logs, `signal: terminated`)
		require.Regexp(i.t, `"msg":"stopped".*"clean":true`, logs)
	})
	i.run("a configuration without a file", func(i *image) {
		out := i.must(append(append([]string{"run", "--rm"}, restricted("--env", "ALERTER="+string(text))...), i.name,
			"check", "--config", "env:ALERTER")...)
		require.Equal(i.t, "env:ALERTER: valid; 1 rule, 1 topic", out)
	})
	i.run("without a configuration it says what is missing", func(i *image) {
		out, code := i.call(append(append([]string{"run", "--rm"}, restricted()...), i.name)...)
		require.Equal(i.t, 2, code)
		require.Contains(i.t, out, configPath+": no such file or directory")
	})
}

// checkPlatforms looks into the images behind the name, one a platform: each has a static binary of its own.
func (i *image) checkPlatforms() {
	i.t.Helper()
	machines := map[string]elf.Machine{}
	for id := range strings.FieldsSeq(os.Getenv("IMAGES")) {
		architecture := i.must("image", "inspect", "--format", "{{.Architecture}}", id)
		i.must("create", "--name", architecture, "--pull", "never", id)
		file := filepath.Join(i.t.TempDir(), architecture)
		i.must("cp", architecture+":"+binary, file)
		i.must("rm", architecture)
		program, err := elf.Open(file)
		require.NoError(i.t, err)
		machines[architecture] = program.Machine
		for _, part := range program.Progs {
			require.NotEqual(i.t, elf.PT_INTERP, part.Type, "%s is linked dynamically", architecture)
		}
		require.NoError(i.t, program.Close())
	}
	require.Equal(i.t, map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}, machines)
}

// checkProcess looks at the process from outside: there is no shell inside to ask.
func (i *image) checkProcess(id string) {
	i.t.Helper()
	pid := i.must("inspect", "--format", "{{.State.Pid}}", id)
	text, err := os.ReadFile("/proc/" + pid + "/status") //nolint:gosec // the number is podman's
	require.NoError(i.t, err)
	for field, want := range map[string]string{
		"NSpid": pid + " 1", "Uid": nonroot + " " + nonroot + " " + nonroot + " " + nonroot,
		"Gid":    nonroot + " " + nonroot + " " + nonroot + " " + nonroot,
		"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2",
	} {
		found := regexp.MustCompile(`(?m)^` + field + `:\s*(.*)$`).FindSubmatch(text)
		require.NotNil(i.t, found, field)
		require.Equal(i.t, want, strings.Join(strings.Fields(string(found[1])), " "), field)
	}
	mounts, err := os.ReadFile("/proc/" + pid + "/mountinfo") //nolint:gosec // as above
	require.NoError(i.t, err)
	require.Regexp(i.t, `(?m)^\S+ \S+ \S+ \S+ / ro,`, string(mounts), "the root is read-only")
}

// inspected is what the image says of itself.
type inspected struct {
	User        string
	Config      struct{ Labels map[string]string }
	Healthcheck struct{ Test []string }
}

func (i *image) inspect() inspected {
	i.t.Helper()
	var images []inspected
	require.NoError(i.t, json.Unmarshal([]byte(i.must("image", "inspect", i.name)), &images))
	require.Len(i.t, images, 1)
	return images[0]
}

// checkConfig holds it against the build's arguments.
func (i *image) checkConfig() {
	i.t.Helper()
	said := i.inspect()
	label := func(name string) string { return said.Config.Labels["org.opencontainers.image."+name] }
	for _, name := range []string{"title", "description", "version", "revision", "created", "source", "licenses"} {
		require.NotEmpty(i.t, label(name), name)
	}
	require.Equal(i.t, nonroot+":"+nonroot, said.User)
	version := i.must(append(append([]string{"run", "--rm"}, restricted()...), i.name, "version")...)
	require.Contains(i.t, version, fmt.Sprintf("kinesis-alerter %s (revision %.12s, ", label("version"),
		label("revision")))
}

func status(path string) int {
	response, err := http.Get(admin + path)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func metric(t *testing.T, name string) float64 {
	t.Helper()
	response, err := http.Get(admin + "/metrics")
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for line := range bytes.Lines(page) {
		if value, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			number, err := strconv.ParseFloat(strings.TrimSpace(string(value)), 64)
			require.NoError(t, err)
			return number
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func await(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ask(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
