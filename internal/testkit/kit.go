package testkit

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the format of the Kinesis Producer Library prescribes it
	"encoding/binary"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

//nolint:gochecknoglobals // a flag is one for the whole binary
var update = flag.Bool("update", false, "rewrite the golden files; commit only what you understand")

// Golden compares got with a file in testdata.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	GoldenFile(t, filepath.Join("testdata", name), got)
}

// GoldenFile compares got with a file of the repository that is made by a test.
func GoldenFile(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path) //nolint:gosec // a name from a test
	require.NoError(t, err)
	require.Equal(t, string(want), got, "go test -update rewrites %s", path)
}

// Environment is an environment for ${VAR}.
func Environment(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := pairs[name]
		return value, ok
	}
}

// Emulated is the configuration of clients that reach the emulator.
func Emulated(fake *fakeaws.AWS) aws.Config {
	return aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("worker", "x", ""),
		HTTPClient: &http.Client{Transport: fake},
	}
}

// ConfigFile writes a configuration to a file that ends with the test.
func ConfigFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "alerter.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// The stream and the topic of tests.
const (
	TestStream   = "ExampleOutputStream"
	TestTopic    = "ExampleTopic"
	TestTopicARN = "arn:aws:sns:us-east-1:000000000000:" + TestTopic
)

// AnyRate is a topic that no person reads, so that nothing is gathered into digests.
func AnyRate(arn string) alert.TopicConfig {
	return alert.TopicConfig{ARN: arn, Rate: alert.Rate{Unlimited: true}, Email: new(false)}
}

// CreateTopic creates TestTopic with a subscription.
func CreateTopic(t *testing.T, fake *fakeaws.AWS) {
	t.Helper()
	client := sns.NewFromConfig(Emulated(fake))
	_, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(TestTopic)})
	require.NoError(t, err)
	require.NoError(t, Subscribe(t.Context(), client, TestTopicARN))
}

// Subscribe gives a topic a subscriber; without one the status page reports a problem.
func Subscribe(ctx context.Context, client *sns.Client, topic string) error {
	return SubscribeTo(ctx, client, topic, "pager")
}

// SubscribeTo subscribes a function to a topic.
func SubscribeTo(ctx context.Context, client *sns.Client, topic, function string) error {
	_, err := client.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("lambda"),
		Endpoint: aws.String("arn:aws:lambda:us-east-1:000000000000:function:" + function),
	})
	return err
}

// Messages returns the bodies that SNS accepted.
func Messages(fake *fakeaws.AWS) []string {
	published := fake.SNS.Messages(TestTopicARN)
	bodies := make([]string, len(published))
	for i, p := range published {
		bodies[i] = p.Body
	}
	return bodies
}

// Series is the value of the counter that has the label value.
func Series(t *testing.T, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" {
				return m.GetCounter().GetValue()
			}
			for _, l := range m.GetLabel() {
				if l.GetValue() == label {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	return 0
}

// Gauge is the value of a metric that has one series.
func Gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return 0
}

// WaitFor polls real time until ok.
func WaitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // real processes have no clock of ours
	}
	require.Fail(t, "waited in vain for "+what)
}

// Aggregate packs payloads into one KPL record with one partition key.
func Aggregate(key string, payloads ...string) []byte {
	field := func(number byte, value []byte) []byte {
		return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(value))), value...)
	}
	message := field(1, []byte(key))
	for _, p := range payloads {
		record := append([]byte{1 << 3, 0}, field(3, []byte(p))...)
		if p == "" {
			record = []byte{1 << 3, 9} // a key that is not there
		}
		message = append(message, field(3, record)...)
	}
	sum := md5.Sum(message) //nolint:gosec // see the import
	return append(append([]byte{0xF3, 0x89, 0x9A, 0xC2}, message...), sum[:]...)
}

// Seeded is chance that is the same in every run.
func Seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) } //nolint:gosec // a test wants to repeat itself

// The first shards of a stream.
const (
	Shard0 = "shardId-000000000000"
	Shard1 = "shardId-000000000001"
)

// TextOf is the text of a file.
func TextOf(tb testing.TB, file string) string {
	tb.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // a file of the test's
	require.NoError(tb, err)
	return string(text)
}

// Plotted parses an SVG, and returns how many alerts are marked in it and its texts.
func Plotted(t *testing.T, svg []byte) (marks int, texts []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return marks, texts
		}
		require.NoError(t, err)
		switch x := token.(type) {
		case xml.StartElement:
			for _, a := range x.Attr { // the strokes of the legend are wider
				if x.Name.Local == "circle" && a.Name.Local == "style" && strings.Contains(a.Value, "stroke-width:1;") {
					marks++
				}
			}
		case xml.CharData:
			texts = append(texts, string(x))
		}
	}
}
