package alert_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/payload"
)

const (
	streamARN = "arn:aws:kinesis:us-east-1:000000000000:stream/ExampleOutputStream"
	shardID   = "shardId-000000000006"
)

// world is a pipeline with one shard and all its outputs.
type world struct {
	pipeline  *alert.Pipeline
	evaluator *alert.Evaluator
	registry  *prometheus.Registry
	logs      *observer.ObservedLogs
}

func newWorld(tb testing.TB, config alert.Config) *world {
	tb.Helper()
	core, logs := observer.New(zap.DebugLevel)
	w := &world{registry: prometheus.NewPedanticRegistry(), logs: logs}
	p, err := alert.NewOf(config, alert.Deps{Stream: streamARN, Log: zap.New(core), Registerer: w.registry})
	require.NoError(tb, err)
	w.pipeline, w.evaluator = p, p.Shard(shardID)
	return w
}

func oneRule(r alert.RuleConfig) alert.Config {
	return alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: []alert.RuleConfig{r}}
}

// TestSampleParity: without rules the messages are those of AWS's sample Lambda function, to the letter.
func TestSampleParity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alert.Config{Topics: map[string]alert.TopicConfig{"ExampleTopic": {}}})
	for _, payload := range []string{
		`{"heartRate":180,"rateType":"HIGH","ANOMALY_SCORE":3.1}`, "QXZ,HEALTHCARE,-1.2",
		"not\x00JSON", "",
	} {
		d := w.evaluator.Evaluate(record("1", payload))
		require.Equal(t, alert.Alerted, d.Outcome)
		require.Len(t, d.Alerts, 1)
		require.Equal(t, "ExampleTopic", d.Alerts[0].Topic)
		require.Empty(t, d.Alerts[0].Rule)
		m, err := d.Alerts[0].Render()
		require.NoError(t, err)
		require.Equal(t, alert.Message{
			Subject:   "Anomaly detected",
			Body:      "Anomaly detected ...  " + payload,
			Structure: "string",
			Attributes: []alert.Attribute{
				{Name: "String", Type: "String", Value: "New records have been processed."},
			},
		}, m)
	}
	d := w.evaluator.Evaluate(record("1", "M\xfcller"))
	require.Equal(t, alert.Decision{Outcome: alert.Invalid, Reason: alert.ReasonInvalidUTF8}, d)
	d = w.evaluator.Evaluate(record("1", strings.Repeat("x", payload.MaxRecordBytes+1)))
	require.Equal(t, alert.Decision{Outcome: alert.Invalid, Reason: alert.ReasonTooLarge}, d)
}

func TestEvaluateAlertsOfRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}, "archive": {}},
		Rules: []alert.RuleConfig{
			{Name: "high", When: "ANOMALY_SCORE > 3.0", Severity: "critical", Topics: []string{"oncall", "archive"}},
			{Name: "present", When: "ANOMALY_SCORE != nil", Topics: []string{"archive"}},
		},
	})
	rec := record("1", `{"ANOMALY_SCORE":3.1}`)
	d := w.evaluator.Evaluate(rec)
	require.Equal(t, alert.Alerted, d.Outcome)
	var got []string
	ids := make(map[string]bool)
	for _, a := range d.Alerts {
		got = append(got, a.Rule+" to "+a.Topic)
		ids[a.ID] = true
		require.Equal(t, *rec, a.Record)
		m, err := a.Render()
		require.NoError(t, err)
		require.Equal(t, "Anomaly detected", m.Subject)
		require.Equal(t, `Anomaly detected ...  {"ANOMALY_SCORE":3.1}`, m.Body)
		severity := map[string]string{"high": "critical", "present": "warning"}[a.Rule]
		require.Equal(t, []alert.Attribute{
			{Name: "alert_id", Type: "String", Value: a.ID},
			{Name: "rule", Type: "String", Value: a.Rule},
			{Name: "severity", Type: "String", Value: severity},
			{Name: "kind", Type: "String", Value: "firing"},
		}, m.Attributes)
	}
	require.Equal(t, []string{"high to oncall", "high to archive", "present to archive"}, got)
	require.Len(t, ids, 3)

	require.Equal(t, alert.Unmatched, w.evaluator.Evaluate(record("2", `{"anomaly_score":9}`)).Outcome)
}

// TestDecisionsOutliveTheNextRecord: lanes keep alerts while the evaluator continues.
func TestDecisionsOutliveTheNextRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{Name: "r", When: "n > 0", Message: "{{ .Fields.n }}"}))
	var kept []*alert.Alert
	for i := range 5 {
		kept = append(kept, w.evaluator.Evaluate(
			record(fmt.Sprint(i), fmt.Sprintf(`{"n":%d,"s":"\n"}`, i+1))).Alerts...)
	}
	for i, a := range kept {
		m, err := a.Render()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i+1), m.Body)
	}
}

func TestEvaluateText(t *testing.T) {
	t.Parallel()
	config := oneRule(alert.RuleConfig{
		Name: "r",
		When: `data matches "ERROR|FATAL" && partition_key startsWith "part"`,
	})
	config.Format = alert.FormatText
	w := newWorld(t, config)
	require.Equal(t, alert.Alerted, w.evaluator.Evaluate(record("1", "2026-11-22 ERROR disk full")).Outcome)
	require.Equal(t, alert.Unmatched, w.evaluator.Evaluate(record("2", "2026-11-22 INFO all is well")).Outcome)
	require.Equal(t, alert.Unmatched, w.evaluator.Evaluate(record("3", "")).Outcome)
	require.Equal(t, alert.Poison(alert.ReasonInvalidUTF8), w.evaluator.Evaluate(record("4", "ERROR \xff")))
}

// TestEvaluateAge: age counts from the latest arrival of the shard, not from a clock.
func TestEvaluateAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{Name: "late", When: `age >= duration("5s")`}))
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		arrival time.Duration
		want    alert.Outcome
	}{
		{0, alert.Unmatched},
		{10 * time.Second, alert.Unmatched},
		{6 * time.Second, alert.Unmatched},
		{5 * time.Second, alert.Alerted},
		{time.Minute, alert.Unmatched},
	} {
		rec := record("1", `{}`)
		rec.Arrival = start.Add(c.arrival)
		require.Equal(t, c.want, w.evaluator.Evaluate(rec).Outcome, "arrival %v", c.arrival)
	}
}

func TestEvaluateReportsHiddenFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{Name: "r", When: `shard == "mine" || order.age > 3`}))
	for range 3 {
		d := w.evaluator.Evaluate(record("1", `{"shard":"mine","age":1,"order":{"age":2,"shard":"x"}}`))
		require.Equal(t, alert.Unmatched, d.Outcome, "the built-in name wins")
	}
	require.NoError(t, testutil.GatherAndCompare(w.registry, strings.NewReader(`
# HELP kinesis_alerter_shadowed_fields_total Records with a field that a rule cannot see, because a built-in name hides it.
# TYPE kinesis_alerter_shadowed_fields_total counter
kinesis_alerter_shadowed_fields_total{field="age"} 0
kinesis_alerter_shadowed_fields_total{field="arrival"} 0
kinesis_alerter_shadowed_fields_total{field="data"} 0
kinesis_alerter_shadowed_fields_total{field="partition_key"} 0
kinesis_alerter_shadowed_fields_total{field="shard"} 3
`), "kinesis_alerter_shadowed_fields_total"))
	require.Equal(t, 1, w.logs.Len(), "said once")
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules: []alert.RuleConfig{
			{Name: "high", When: `ANOMALY_SCORE > 3.0`},
			{Name: "text", When: `COL1 != ""`},
		},
	})
	payloads := []string{
		`{"ANOMALY_SCORE":4}`, `{"ANOMALY_SCORE":1,"COL1":null}`, `{"ANOMALY_SCORE":"4"}`, `{}`, `{`,
		`{"ANOMALY_SCORE":1e400}`,
	}
	for i, payload := range payloads {
		w.pipeline.Resolved(w.evaluator.Evaluate(record(fmt.Sprint(i), payload)))
	}
	w.pipeline.Resolved(alert.Poison(alert.ReasonBadAggregate))
	w.pipeline.Resolved(alert.Poison("a reason from nowhere"))
	w.pipeline.Resolved(alert.Decision{Outcome: alert.DeadLettered})

	require.NoError(t, testutil.GatherAndCompare(w.registry, strings.NewReader(`
# HELP kinesis_alerter_records_total Records that are done, by outcome. The outcomes and the records left add up to the records read.
# TYPE kinesis_alerter_records_total counter
kinesis_alerter_records_total{outcome="alerted"} 1
kinesis_alerter_records_total{outcome="dead_lettered"} 1
kinesis_alerter_records_total{outcome="expired"} 0
kinesis_alerter_records_total{outcome="filtered"} 0
kinesis_alerter_records_total{outcome="invalid"} 4
kinesis_alerter_records_total{outcome="over_budget"} 0
kinesis_alerter_records_total{outcome="suppressed"} 0
kinesis_alerter_records_total{outcome="unmatched"} 3
# HELP kinesis_alerter_invalid_records_total Records that could not be read, by the first defect, dead letters included.
# TYPE kinesis_alerter_invalid_records_total counter
kinesis_alerter_invalid_records_total{reason="bad_aggregate"} 1
kinesis_alerter_invalid_records_total{reason="bad_columns"} 0
kinesis_alerter_invalid_records_total{reason="bad_compression"} 0
kinesis_alerter_invalid_records_total{reason="bad_encoding"} 0
kinesis_alerter_invalid_records_total{reason="bad_envelope"} 0
kinesis_alerter_invalid_records_total{reason="duplicate_key"} 0
kinesis_alerter_invalid_records_total{reason="empty"} 0
kinesis_alerter_invalid_records_total{reason="invalid_utf8"} 0
kinesis_alerter_invalid_records_total{reason="lone_surrogate"} 0
kinesis_alerter_invalid_records_total{reason="non_finite"} 0
kinesis_alerter_invalid_records_total{reason="not_json"} 0
kinesis_alerter_invalid_records_total{reason="not_object"} 0
kinesis_alerter_invalid_records_total{reason="number_range"} 1
kinesis_alerter_invalid_records_total{reason="other"} 1
kinesis_alerter_invalid_records_total{reason="panic"} 0
kinesis_alerter_invalid_records_total{reason="rejected"} 0
kinesis_alerter_invalid_records_total{reason="too_deep"} 0
kinesis_alerter_invalid_records_total{reason="too_large"} 0
kinesis_alerter_invalid_records_total{reason="trailing_data"} 0
kinesis_alerter_invalid_records_total{reason="truncated"} 1
kinesis_alerter_invalid_records_total{reason="unpack_limit"} 0
# HELP kinesis_alerter_rule_matches_total Records that a rule matched, whether or not an alert was sent.
# TYPE kinesis_alerter_rule_matches_total counter
kinesis_alerter_rule_matches_total{rule="high"} 1
kinesis_alerter_rule_matches_total{rule="text"} 0
# HELP kinesis_alerter_rule_undefined_total Records that a rule did not match because a term was undefined, by the first cause.
# TYPE kinesis_alerter_rule_undefined_total counter
kinesis_alerter_rule_undefined_total{reason="failed",rule="high"} 0
kinesis_alerter_rule_undefined_total{reason="failed",rule="text"} 0
kinesis_alerter_rule_undefined_total{reason="inexact",rule="high"} 0
kinesis_alerter_rule_undefined_total{reason="inexact",rule="text"} 0
kinesis_alerter_rule_undefined_total{reason="missing",rule="high"} 1
kinesis_alerter_rule_undefined_total{reason="missing",rule="text"} 3
kinesis_alerter_rule_undefined_total{reason="mistyped",rule="high"} 1
kinesis_alerter_rule_undefined_total{reason="mistyped",rule="text"} 0
kinesis_alerter_rule_undefined_total{reason="not_finite",rule="high"} 0
kinesis_alerter_rule_undefined_total{reason="not_finite",rule="text"} 0
kinesis_alerter_rule_undefined_total{reason="null",rule="high"} 0
kinesis_alerter_rule_undefined_total{reason="null",rule="text"} 1
kinesis_alerter_rule_undefined_total{reason="over_budget",rule="high"} 0
kinesis_alerter_rule_undefined_total{reason="over_budget",rule="text"} 0
`), "kinesis_alerter_records_total", "kinesis_alerter_invalid_records_total", "kinesis_alerter_rule_matches_total",
		"kinesis_alerter_rule_undefined_total"))

	problems, err := testutil.GatherAndLint(w.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Zero(t, w.logs.Len(), "normal operation is silent")
}

func TestNewNamesMissingDependencies(t *testing.T) {
	t.Parallel()
	config := alert.Config{Topics: map[string]alert.TopicConfig{"a": {}}}
	_, err := alert.NewOf(config, alert.Deps{Log: zap.NewNop(), Registerer: prometheus.NewRegistry()})
	require.EqualError(t, err, "alert: Deps.Stream is empty: alert ids need the stream's ARN")
	_, err = alert.NewOf(config, alert.Deps{Stream: streamARN, Registerer: prometheus.NewRegistry()})
	require.EqualError(t, err, "alert: Deps.Log is nil")
	_, err = alert.NewOf(config, alert.Deps{Stream: streamARN, Log: zap.NewNop()})
	require.EqualError(t, err, "alert: Deps.Registerer is nil")
	_, err = alert.NewOf(alert.Config{}, alert.Deps{
		Stream: streamARN, Log: zap.NewNop(),
		Registerer: prometheus.NewRegistry(),
	})
	require.ErrorContains(t, err, "exactly one topic")
}

// TestRulesAreForOnePipeline: two pipelines with the same rules would count for each other.
func TestRulesAreForOnePipeline(t *testing.T) {
	t.Parallel()
	deps := func() alert.Deps {
		return alert.Deps{Stream: streamARN, Log: zap.NewNop(), Registerer: prometheus.NewRegistry()}
	}
	config := alert.Config{Topics: map[string]alert.TopicConfig{"a": {}}}
	rules, err := config.Compile()
	require.NoError(t, err)
	p, err := alert.New(rules, deps())
	require.NoError(t, err)
	_, err = alert.New(rules, deps())
	require.ErrorContains(t, err, "belong to a pipeline already")
	require.ErrorContains(t, p.Update(rules), "belong to a pipeline already")
	d := p.Shard("s").Evaluate(&alert.Record{Shard: "s", SequenceNumber: "1", Data: []byte(`{}`)})
	require.Equal(t, alert.Alerted, d.Outcome, "nothing has changed")
}

// decided is everything about a decision that must repeat after a restart.
func decided(t require.TestingT, d alert.Decision) string {
	var b strings.Builder
	fmt.Fprintln(&b, d.Outcome, d.Reason)
	for _, a := range d.Alerts {
		m, err := a.Render()
		require.NoError(t, err)
		fmt.Fprintln(&b, a.ID, a.Rule, a.Topic, m)
	}
	return b.String()
}

// TestDeterminism: the same records give the same decisions, ids and words in a new process, and in an evaluator that
// was used for other records before; how records interleave over shards does not matter.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	config := alert.Config{
		Topics: map[string]alert.TopicConfig{"a": {}, "b": {Message: "{{ .Rule }} {{ .Fields }}"}},
		Rules: []alert.RuleConfig{
			{Name: "score", When: `score > 3 || nosuch > 1`, Topics: []string{"a", "b"}},
			{Name: "machine", When: `any(list, # > 2) && len(name) > 1`, Topics: []string{"b"}},
			{Name: "late", When: `age > duration("3s")`, Topics: []string{"a"}},
		},
	}
	payloads := []string{
		`{"score":4,"name":"ab","list":[1,3]}`, `{"score":9007199254740993,"list":["x"]}`, `{"score":"4"}`, `{`, `[]`,
		`{"name":"\u00e9\n","list":[9]}`, `{"score":1e400}`, `{"order":{"score":5}}`,
	}
	rapid.Check(t, func(t *rapid.T) {
		var records []*alert.Record
		for i := range rapid.IntRange(1, 20).Draw(t, "records") {
			records = append(records, &alert.Record{
				Shard: rapid.SampledFrom([]string{"shardId-000000000000", "shardId-000000000001"}).Draw(t,
					"shard"),
				PartitionKey:   "k",
				SequenceNumber: fmt.Sprint(i),
				Arrival:        time.Unix(1_700_000_000+rapid.Int64Range(0, 9).Draw(t, "arrival"), 0),
				Data:           []byte(rapid.SampledFrom(payloads).Draw(t, "payload")),
			})
		}
		run := func(order []*alert.Record) map[string]string {
			p, err := alert.NewOf(config, alert.Deps{
				Stream: streamARN, Log: zap.NewNop(),
				Registerer: prometheus.NewRegistry(),
			})
			require.NoError(t, err)
			shards := make(map[string]*alert.Evaluator)
			out := make(map[string]string)
			for _, rec := range order {
				if shards[rec.Shard] == nil {
					shards[rec.Shard] = p.Shard(rec.Shard)
				}
				out[rec.Shard+rec.SequenceNumber] = decided(t, shards[rec.Shard].Evaluate(rec))
			}
			return out
		}
		first := run(records)
		require.Equal(t, first, run(records))
		var byShard []*alert.Record
		for _, shard := range []string{"shardId-000000000001", "shardId-000000000000"} {
			for _, rec := range records {
				if rec.Shard == shard {
					byShard = append(byShard, rec)
				}
			}
		}
		require.Equal(t, first, run(byShard))
	})
}

// TestConcurrency is for the race detector: one pipeline, many shards, alerts rendered elsewhere.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{
		Name: "r", When: `abs(score) > 3 && shard != ""`, Message: `{{ .Fields.score }}`,
	}))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			e := w.pipeline.Shard(fmt.Sprint(i))
			for n := range 100 {
				d := e.Evaluate(record(fmt.Sprint(n), `{"score":-4,"shard":1}`))
				for _, a := range d.Alerts {
					wg.Go(func() {
						if m, err := a.Render(); err != nil || m.Body != "-4" {
							t.Error(m, err)
						}
					})
				}
				w.pipeline.Resolved(d)
			}
		})
	}
	wg.Wait()
}

// TestEvaluateAllocations: a record that no rule matches allocates nothing.
func TestEvaluateAllocations(t *testing.T) {
	for _, rules := range []int{1, 10, 100} {
		e, rec := benchEvaluator(t, rules)
		require.Zero(t, testing.AllocsPerRun(100, func() { e.Evaluate(rec) }), "%d rules", rules)
	}
	e, rec := benchEvaluator(t, 10)
	rec.Data = []byte(`{"COL1":"caf\u00e9","ANOMALY_SCORE":"none"}`)
	e.Evaluate(rec)
	require.Zero(t, testing.AllocsPerRun(100, func() { e.Evaluate(rec) }),
		"an escaped text and an undefined comparison")
}
