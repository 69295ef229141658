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
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/cli"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testkit"
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
	_, err = output.New(p.Output, output.Deps{
		Client: func(string, output.StreamConfig) (output.API, error) { return clients.Kinesis, nil },
		Trust:  store.Trust, Log: zap.NewNop(), Registerer: d,
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

// The page of metrics is made from the registry: `go test ./internal/system -run TestReferenceOfMetrics -update`.
func TestReferenceOfMetrics(t *testing.T) {
	t.Parallel()
	kinds := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(kinesis_alerter_[a-z_]+) (\w+) `).
		FindAllStringSubmatch(testkit.TextOf(t, "testdata/metrics.golden"), -1) {
		kinds[m[1]] = m[2]
	}
	users, alerts := alertsByMetric(t)
	metrics := everyMetric(t)
	var page strings.Builder
	page.WriteString(metricsHead)
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		short, ours := strings.CutPrefix(name, "kinesis_alerter_")
		require.True(t, ours, name)
		kind := kinds[name]
		if kind == "" { // it exists with some configurations only
			kind = "gauge"
			if strings.HasSuffix(name, "_total") {
				kind = "counter"
			}
		}
		labels, help, _ := strings.Cut(metrics[name], " | ")
		used := slices.Sorted(maps.Keys(users[name]))
		for i, alert := range used {
			used[i] = "[" + alert + "]"
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s | %s |\n", short, kind, labels, help, strings.Join(used, " "))
	}
	page.WriteString("\n")
	for _, alert := range slices.Sorted(maps.Keys(alerts)) {
		fmt.Fprintf(&page, "[%s]: ../../deploy/runbooks/KinesisAlerter%[1]s.md\n", alert)
	}
	testkit.Golden(t, "../../../docs/reference/metrics.md", page.String())
}

const metricsHead = `# Metrics

Every metric of the daemon, from its registry. All names begin with ` + "`kinesis_alerter_`" + `. The last column names the alerts of
[deploy/prometheus](../../deploy/prometheus/README.md) that use it. [Metrics](../metrics.md) says where to begin.

| metric | type | labels | means | alerts |
|---|---|---|---|---|
`

// alertsByMetric returns which alerting rules use a metric, themselves or by a recording rule, without their common
// prefix, and all of these alerts.
func alertsByMetric(t *testing.T) (users map[string]map[string]bool, alerts map[string]bool) {
	t.Helper()
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(testkit.TextOf(t, "../../deploy/prometheus/rules.yaml")), &rules))
	name := regexp.MustCompile(`kinesis_alerter_[a-z_]+`)
	series := regexp.MustCompile(`_(bucket|sum|count)$`)
	users, alerts = map[string]map[string]bool{}, map[string]bool{}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alert, is := strings.CutPrefix(rule.Alert, "KinesisAlerter")
			if !is {
				continue
			}
			for _, metric := range name.FindAllString(rule.Expr, -1) {
				metric = series.ReplaceAllString(metric, "")
				if users[metric] == nil {
					users[metric] = map[string]bool{}
				}
				users[metric][alert], alerts[alert] = true, true
			}
		}
	}
	require.NotEmpty(t, alerts)
	return users, alerts
}

// The reference names every key and every command.
func TestReferenceIsComplete(t *testing.T) {
	t.Parallel()
	keys := testkit.TextOf(t, "../../docs/reference/configuration.md")
	for _, key := range configKeys(reflect.TypeFor[config.Config](), "") {
		require.True(t, strings.Contains(keys, "`"+key+"`"), //nolint:testifylint // Contains would print the whole page
			"docs/reference/configuration.md does not have %s", key)
	}
	commands := testkit.TextOf(t, "../../docs/reference/commands.md")
	for _, c := range cli.Commands() {
		require.True(t, strings.Contains(commands, "| `"+c.Name()), //nolint:testifylint // as above
			"docs/reference/commands.md does not have %s", c.Name())
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
