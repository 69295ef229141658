package alert_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/filter"
)

func scoring(score ...alert.ScoreConfig) alert.Config {
	return alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {Message: `{{ .Record.Data }}`}}, Score: score,
		Rules: []alert.RuleConfig{{Name: "high", When: "ANOMALY_SCORE > 2"}},
	}
}

// beats are records of AWS' heart rate sample.
func beats(n int, seed uint64) []*alert.Record {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // reproducible
	out := make([]*alert.Record, n)
	for i := range out {
		rate, kind := 60+random.IntN(41), "NORMAL"
		if random.Float64() < 0.01 {
			rate, kind = 150+random.IntN(51), "HIGH"
		}
		out[i] = &alert.Record{
			Shard: shardID, PartitionKey: fmt.Sprintf("patient-%d", i%3), SequenceNumber: fmt.Sprint(100_000 + i),
			Arrival: noon().Add(time.Duration(i) * 10 * time.Millisecond),
			Data:    fmt.Appendf(nil, `{"heartRate":%d,"rateType":%q}`, rate, kind),
		}
	}
	return out
}

// TestScoreIsPartOfTheRecord: filters, rules and templates see what Kinesis Data Analytics would have written to its
// output stream.
func TestScoreIsPartOfTheRecord(t *testing.T) {
	t.Parallel()
	config := scoring(alert.ScoreConfig{Fields: []string{"heartRate"}, Explain: true, Threshold: "auto"})
	var pattern filter.Pattern
	require.NoError(t, pattern.UnmarshalJSON([]byte(`{"data":{"ANOMALY_SCORE":[{"numeric":[">",0]}]}}`)))
	config.Filter = []filter.Pattern{pattern}
	w := newWorld(t, config)
	records := beats(3000, 1)
	var alerts []*alert.Alert
	for i, rec := range records {
		d := w.evaluator.Evaluate(rec)
		require.Equal(t, i < 256, d.Outcome == alert.Filtered, "the first 256 scores are 0, as the service's")
		alerts = append(alerts, d.Alerts...)
	}
	require.NotEmpty(t, alerts)
	for i, a := range alerts {
		m, err := a.Render()
		require.NoError(t, err)
		var scored struct {
			HeartRate   float64 `json:"heartRate"`
			Score       float64 `json:"ANOMALY_SCORE"`
			Anomaly     bool    `json:"ANOMALY"`
			Explanation map[string]struct {
				Direction string `json:"DIRECTION"`
				Strength  string `json:"STRENGTH"`
				Score     string `json:"ATTRIBUTION_SCORE"`
			} `json:"ANOMALY_EXPLANATION"`
		}
		require.NoError(t, json.Unmarshal([]byte(m.Body), &scored), m.Body)
		require.Greater(t, scored.HeartRate, 149.0)
		require.Greater(t, scored.Score, 2.0)
		if i == 0 { // later ones can lie below those before
			require.Equal(t, "HIGH", scored.Explanation["heartRate"].Direction)
		}
		require.Equal(t, fmt.Sprintf("%.4f", scored.Score), scored.Explanation["heartRate"].Score)
		require.InDelta(t, scored.Score, a.Value, 0)
	}
	require.NotContains(t, string(records[0].Data), "ANOMALY", "the page is not touched")
}

// TestScoresSurviveARestart: bit for bit, with a forest for each key, in the middle of anything.
func TestScoresSurviveARestart(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "partition_key", "rateType"} {
		config := scoring(
			alert.ScoreConfig{Fields: []string{"heartRate"}, Key: key, Trees: 10, Threshold: "auto"},
			alert.ScoreConfig{As: "other", Fields: []string{"heartRate"}, Trees: 5, Shingle: 2, Scoring: "standard"},
		)
		config.Rules = []alert.RuleConfig{{Name: "every", When: "ANOMALY_SCORE >= 0"}}
		whole, restarted := newWorld(t, config).evaluator, newWorld(t, config).evaluator
		require.True(t, whole.Stateful())
		for i, rec := range beats(2000, 2) {
			want, got := whole.Evaluate(rec), restarted.Evaluate(rec)
			require.Equal(t, allOf(t, want.Alerts), allOf(t, got.Alerts))
			if i%333 == 332 {
				state := restarted.State()
				restarted = newWorld(t, config).evaluator
				require.NoError(t, restarted.Restore(state))
				require.Equal(t, state, restarted.State())
			}
		}
	}
}

// TestChildrenBeginWithTheForestOfTheirParent: both, where the forest is the shard's, and each with its own keys.
func TestChildrenBeginWithTheForestOfTheirParent(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "partition_key"} {
		config := scoring(alert.ScoreConfig{Fields: []string{"heartRate"}, Key: key, Trees: 10})
		config.Rules[0].When = "ANOMALY_SCORE > 0"
		parent := newWorld(t, config).evaluator
		records := beats(1500, 3)
		for _, rec := range records {
			parent.Evaluate(rec)
		}
		state := parent.State()
		child := newWorld(t, config).evaluator
		require.NoError(t, child.Inherit([][]byte{state},
			alert.Heir{Owns: func(k string) bool { return k == "patient-1" }}))
		outcome := func(e *alert.Evaluator, k string) alert.Outcome {
			rec := *records[0]
			rec.PartitionKey = k
			return e.Evaluate(&rec).Outcome
		}
		require.Equal(t, alert.Alerted, outcome(child, "patient-1"))
		want := alert.Alerted
		if key != "" {
			want = alert.Unmatched // a forest that has seen nothing
		}
		require.Equal(t, want, outcome(child, "patient-2"))
	}
}

func TestRecordsWithoutAPointHaveNoScore(t *testing.T) {
	t.Parallel()
	config := scoring(alert.ScoreConfig{Fields: []string{"a", "o.b"}})
	config.Rules = []alert.RuleConfig{{Name: "scored", When: "ANOMALY_SCORE != nil"}}
	w := newWorld(t, config)
	for payload, want := range map[string]alert.Outcome{
		`{"a":1,"o":{"b":2}}`: alert.Alerted, ` {"a":1, "o":{"b":-2.5e3} } `: alert.Alerted,
		`{"a":1}`: alert.Unmatched, `{"a":null,"o":{"b":2}}`: alert.Unmatched, `{"a":"1","o":{"b":2}}`: alert.Unmatched,
		`{}`:                                    alert.Unmatched,
		`{"a":1,"o":{"b":2},"ANOMALY_SCORE":7}`: alert.Alerted, `{"a":NaN}`: alert.Invalid, `[1]`: alert.Invalid,
		``:                        alert.Filtered,
		`{"a":1e400,"o":{"b":2}}`: alert.Unmatched, // no number of ours, and no field of a rule
	} {
		require.Equal(t, want, w.evaluator.Evaluate(record("1", payload)).Outcome, payload)
	}
	require.NoError(t, testutil.GatherAndCompare(w.registry, strings.NewReader(`
# HELP kinesis_alerter_unscored_records_total Records without a score, by reason: a field is no number, or the record has the score's field already.
# TYPE kinesis_alerter_unscored_records_total counter
kinesis_alerter_unscored_records_total{reason="field",score="ANOMALY_SCORE"} 4
kinesis_alerter_unscored_records_total{reason="scored",score="ANOMALY_SCORE"} 1
`), "kinesis_alerter_unscored_records_total"))
}

// TestRecordsWithTheMembersOfAScoreStayValid: a second member of one name would make the record invalid.
func TestRecordsWithTheMembersOfAScoreStayValid(t *testing.T) {
	t.Parallel()
	config := scoring(alert.ScoreConfig{Fields: []string{"a"}, Threshold: "auto", Explain: true})
	config.Rules = []alert.RuleConfig{{Name: "every", When: "true"}}
	w := newWorld(t, config)
	for _, member := range []string{"ANOMALY", "ANOMALY_BEGINS", "ANOMALY_EXPLANATION", "ANOMALY_SCORE"} {
		d := w.evaluator.Evaluate(record("1", `{"a":1,"`+member+`":null}`))
		require.Equal(t, alert.Alerted, d.Outcome, member)
	}
}

func TestForestsAreForgottenUnderTheirBound(t *testing.T) {
	t.Parallel()
	config := scoring(alert.ScoreConfig{Fields: []string{"heartRate"}, Key: "partition_key", Memory: 1 << 20})
	w := newWorld(t, config)
	for i, rec := range beats(600, 4) {
		rec.PartitionKey = fmt.Sprintf("patient-%d", i%100)
		w.evaluator.Evaluate(rec)
	}
	families, err := w.registry.Gather()
	require.NoError(t, err)
	i := slices.IndexFunc(families,
		func(f *dto.MetricFamily) bool { return f.GetName() == "kinesis_alerter_score_evictions_total" })
	require.Positive(t, families[i].GetMetric()[0].GetCounter().GetValue())
	require.Less(t, len(w.evaluator.State()), 1<<20)
}

func TestScoreConfigErrors(t *testing.T) {
	t.Parallel()
	config := scoring(
		alert.ScoreConfig{Trees: 2000, Scoring: "mean", Threshold: "3.0", Memory: 5, As: "a b"},
		alert.ScoreConfig{Fields: []string{"x", "x"}, Trees: 2000}, alert.ScoreConfig{Fields: []string{"x"}},
		alert.ScoreConfig{Fields: []string{"x"}},
		alert.ScoreConfig{Fields: []string{"x"}, As: "A", Threshold: "auto"},
		alert.ScoreConfig{Fields: []string{"x"}, As: "A_ANOMALY_SCORE", Threshold: "auto"},
	)
	err := config.Validate()
	for _, want := range []string{
		`score[0].as: "a b": must be 1 to 64 letters`, `score[0].fields: "": must name 1 to 30 fields`,
		`score[0].memory: "5": must be at least`,
		`score[0].scoring: "mean": must be kda or standard`,
		`score[1].fields[1]: "x": must be the path of a field, once`,
		`score[1].trees: "2000": must be between 1 and 1000`,
		`score[3].as: "ANOMALY_SCORE": adds ANOMALY_SCORE, as score[1] does; names must be unique`,
		`score[5].as: "A_ANOMALY_SCORE": adds A_ANOMALY, as score[4] does; names must be unique`,
	} {
		require.ErrorContains(t, err, want)
	}
	auto := scoring(
		alert.ScoreConfig{
			Fields: []string{"x"}, Threshold: "auto",
			Auto: alert.AutoConfig{Rate: 2, Group: 0.02, IgnoreNear: alert.NearConfig{Ratio: -1}},
		},
		alert.ScoreConfig{Fields: []string{"x"}, As: "b", Auto: alert.AutoConfig{Floor: 2.5}},
	)
	err = auto.Validate()
	require.ErrorContains(t, err, `score[0].auto: "": rate must be`)
	require.ErrorContains(t, err, `score[0].auto: "": ignore`)
	require.ErrorContains(t, err, `score[1].auto: "": needs threshold: auto`)
	text := scoring(alert.ScoreConfig{Fields: []string{"x"}, Threshold: "3.0"})
	text.Format = alert.FormatText
	err = text.Validate()
	require.ErrorContains(t, err, `score[0]: "": needs the numbers of JSON records`)
	require.ErrorContains(t, err,
		`score[0].threshold: "3.0": must be auto, or left out: with a number, compare ANOMALY_SCORE in a rule`)
}

// TestAutoIsTuned: a floor above all scores finds nothing, and a value that is near what is expected is none.
func TestAutoIsTuned(t *testing.T) {
	t.Parallel()
	found := func(auto alert.AutoConfig) (n int) {
		config := scoring(alert.ScoreConfig{Fields: []string{"heartRate"}, Threshold: "auto", Auto: auto})
		config.Rules = []alert.RuleConfig{{Name: "anomaly", When: "ANOMALY"}}
		e := newWorld(t, config).evaluator
		for _, rec := range beats(3000, 6) {
			if e.Evaluate(rec).Outcome == alert.Alerted {
				n++
			}
		}
		return n
	}
	require.Greater(t, found(alert.AutoConfig{}), 15)
	require.Greater(t, found(alert.AutoConfig{Floor: 2}), 15)
	require.Zero(t, found(alert.AutoConfig{Floor: 10}))
	require.Zero(t, found(alert.AutoConfig{IgnoreNear: alert.NearConfig{Amount: 150}}))
}

// BenchmarkScore is a scored record, decoding and rule included.
func BenchmarkScore(b *testing.B) {
	w := newWorld(b, scoring(alert.ScoreConfig{Fields: []string{"heartRate"}}))
	records := beats(4096, 5)
	b.ReportAllocs()
	began, i := cpuTime(b), 0
	for b.Loop() {
		w.evaluator.Evaluate(records[i%len(records)])
		i++
	}
	b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
}
