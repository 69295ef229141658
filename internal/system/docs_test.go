package system

import (
	"encoding"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/cli"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/status"
)

// describing is a Registerer that keeps the descriptions of what is registered.
type describing struct {
	prometheus.Registerer
	metrics map[string]string // name -> labels and help, as columns of a table
}

var description = regexp.MustCompile(`fqName: "([^"]+)", help: "([^"]*)".*variableLabels: {([^}]*)}`)

func (d *describing) Register(c prometheus.Collector) error {
	ch := make(chan *prometheus.Desc, 100)
	c.Describe(ch)
	close(ch)
	for desc := range ch {
		if m := description.FindStringSubmatch(desc.String()); m != nil {
			d.metrics[m[1]] = strings.ReplaceAll(m[3], ",", ", ") + " | " + m[2]
		}
	}
	return nil
}

func (d *describing) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		_ = d.Register(c)
	}
}

// everyMetric registers what the daemon registers of its own.
func everyMetric(t *testing.T) map[string]string {
	t.Helper()
	d := &describing{Registerer: prometheus.NewRegistry(), metrics: map[string]string{}}
	c := config.Config{
		Stream: config.StreamConfig{Name: "stream"},
		Rules:  []alert.RuleConfig{{Name: "rule", When: "a > 1"}},
		Topics: map[string]alert.TopicConfig{"topic": {ARN: "arn:aws:sns:us-east-1:000000000000:topic"}},
	}.WithDefaults()
	require.NoError(t, c.Validate())
	p := c.Parts()
	logs, err := daemon.NewLoggers(c.Log, os.Stderr, d)
	require.NoError(t, err)
	defer logs.Close(t.Context())
	daemon.CurrentBuild().Register(d)
	clients := daemon.NewClients(aws.Config{Region: "us-east-1"}, d, answer.NewWatch(zap.NewNop(), d))
	clients.Credentials.Observe(zap.NewNop(), d)
	rules, err := p.Alert.Compile()
	require.NoError(t, err)
	_, err = alert.New(rules, alert.Deps{Stream: "arn", Log: zap.NewNop(), Registerer: d})
	require.NoError(t, err)
	store, err := checkpoint.New(p.Checkpoint, checkpoint.Deps{
		DynamoDB: clients.DynamoDB, Stream: clients.Kinesis, Log: zap.NewNop(), Registerer: d,
	})
	require.NoError(t, err)
	topics, err := sns.New(clients.SNS, d)
	require.NoError(t, err)
	_, err = dispatch.New(p.SNS, dispatch.Deps{
		Service: topics, Trust: store.Trust, Log: zap.NewNop(), Audit: zap.NewNop(), Registerer: d,
	})
	require.NoError(t, err)
	_, err = consumer.New(p.Consumer, consumer.Deps{
		Leases: daemon.Leases{Store: store}, Kinesis: clients.Kinesis, Log: zap.NewNop(), Registerer: d,
	})
	require.NoError(t, err)
	_, err = daemon.DeadLetters(deadletter.Config{
		SQS: "https://sqs.us-east-1.amazonaws.com/000000000000/letters",
	}, "arn:aws:kinesis:us-east-1:000000000000:stream/stream",
		"application", clients, daemon.Loggers{Operational: zap.NewNop(), Audit: zap.NewNop()}, d)
	require.NoError(t, err)
	daemon.NewReloader(c, nil, zap.NewNop(), d)
	status.RegisterProblems(d, func() status.Status { return status.Status{} })
	status.RegisterClock(d, clock.New(nil))
	return d.metrics
}

// TestREADMENamesEveryMetric keeps the table of metrics true; what it prints on failure is the table.
func TestREADMENamesEveryMetric(t *testing.T) {
	_, got, ok := strings.Cut(readREADME(t), "\n## Metrics\n")
	require.True(t, ok)
	_, got, _ = strings.Cut(got, "\n|")
	got, _, _ = strings.Cut(got, "\n\n")
	metrics := everyMetric(t)
	var want strings.Builder
	want.WriteString(" metric | labels | means |\n|---|---|---|")
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		short, ours := strings.CutPrefix(name, "kinesis_alerter_")
		require.True(t, ours, name)
		fmt.Fprintf(&want, "\n| `%s` | %s |", short, metrics[name])
	}
	require.Equal(t, want.String(), got, "the table of metrics in README.md")
}

// TestREADMENamesEveryKey keeps the table of configuration keys true.
func TestREADMENamesEveryKey(t *testing.T) {
	readme := readREADME(t)
	for _, key := range configKeys(reflect.TypeFor[config.Config](), "") {
		require.True(t, //nolint:testifylint // Contains would print the whole page
			strings.Contains(readme, "`"+key+"`"), "README.md does not tell of %s", key)
	}
	for _, c := range cli.Commands() {
		require.True(t, strings.Contains(readme, "| `"+c.Name()), //nolint:testifylint // as above
			"README.md does not tell of the command %s", c.Name())
	}
}

// configKeys lists the leaves of a configuration type as the documentation writes them.
func configKeys(t reflect.Type, prefix string) []string {
	var keys []string
	for field := range t.Fields() {
		name := prefix + strings.Split(field.Tag.Get("yaml"), ",")[0]
		kind := field.Type
		switch {
		case kind.Kind() == reflect.Slice && isSection(kind.Elem()):
			keys = append(keys, configKeys(kind.Elem(), name+"[].")...)
		case kind.Kind() == reflect.Map && isSection(kind.Elem()):
			keys = append(keys, configKeys(kind.Elem(), name+".NAME.")...)
		case isSection(kind):
			keys = append(keys, configKeys(kind, name+".")...)
		default:
			keys = append(keys, name)
		}
	}
	return keys
}

// isSection reports whether a type has keys of its own in the file, and is not written as one text.
func isSection(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t.NumField() == 0 || t.Field(0).Tag.Get("yaml") == "" {
		return false
	}
	return !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func readREADME(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	return string(text)
}

// The image is built with the least toolchain that has no known vulnerability, which is what go.mod names.
func TestTheImageIsBuiltWithTheToolchainOfGoMod(t *testing.T) {
	t.Parallel()
	named := func(file, pattern string) string {
		text, err := os.ReadFile(file) //nolint:gosec // of this repository
		require.NoError(t, err)
		found := regexp.MustCompile(pattern).FindSubmatch(text)
		require.NotNil(t, found, file)
		return string(found[1])
	}
	require.Equal(t, named("../../go.mod", `(?m)^toolchain go([\d.]+)$`),
		named("../../Dockerfile", `(?m)^ARG BUILD_IMAGE=golang:([\d.]+)`))
}
