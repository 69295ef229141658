package alert_test

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
)

// benchRecord is 200 bytes with nine fields, none of which a benchmark rule matches.
const benchRecord = `{"TICKER_SYMBOL":"QXZ","SECTOR":"HEALTHCARE","CHANGE":-1.27,"PRICE":60.18,"COL1":"some ` +
	`text","REGION":"us-east-1",` +
	`"ACCOUNT":"000000000000","ANOMALY_SCORE":0.8731,"NOTE":"nothing to see, all is well....."}`

func benchEvaluator(tb testing.TB, rules int) (*alert.Evaluator, *alert.Record) {
	tb.Helper()
	config := alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}}
	for i := range rules {
		config.Rules = append(config.Rules, alert.RuleConfig{
			Name: fmt.Sprintf("rule-%d", i),
			When: fmt.Sprintf(`ANOMALY_SCORE > %d.5 && COL1 != ""`, 3+i),
		})
	}
	p, err := alert.NewOf(config, alert.Deps{
		Stream: streamARN, Log: zap.NewNop(),
		Registerer: prometheus.NewRegistry(),
	})
	require.NoError(tb, err)
	return p.Shard("shardId-000000000000"), &alert.Record{
		Shard: "shardId-000000000000", PartitionKey: "partitionkey", SequenceNumber: "1",
		Arrival: time.Unix(1700000000, 0), Data: []byte(benchRecord),
	}
}

// cpuTime is what the process has used so far, collector included. Run with -cpu 1, it is what a record costs on a busy
// machine, too.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEvaluate is the cost of a record that no rule matches, decoding included.
func BenchmarkEvaluate(b *testing.B) {
	for _, rules := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) {
			e, rec := benchEvaluator(b, rules)
			b.ReportAllocs()
			began := cpuTime(b)
			for b.Loop() {
				if d := e.Evaluate(rec); d.Outcome != alert.Unmatched {
					b.Fatal(d)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkForms is the cost of one rule by the form of its condition: native, and through the virtual machine.
func BenchmarkForms(b *testing.B) {
	for _, c := range []struct{ name, when string }{
		{"predicate", `ANOMALY_SCORE > 3.0`},
		{"disjunction", `ANOMALY_SCORE > 3.0 || PRICE > 1000 || SECTOR == "ENERGY"`},
		{"regular expression", `SECTOR matches "^ENERGY"`},
		{"undefined", `nosuch > 3.0`},
		{"machine behind predicate", `ANOMALY_SCORE > 3.0 && abs(CHANGE / (PRICE - CHANGE)) * 100 > 1`},
		{"machine", `abs(CHANGE / (PRICE - CHANGE)) * 100 > 5`},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, oneRule(alert.RuleConfig{Name: "r", When: c.when}))
			rec := record("1", benchRecord)
			b.ReportAllocs()
			for b.Loop() {
				if d := w.evaluator.Evaluate(rec); d.Outcome != alert.Unmatched {
					b.Fatal(d)
				}
			}
		})
	}
}

// BenchmarkAlert is the cost of a record that alerts: the decision with its id, and the words.
func BenchmarkAlert(b *testing.B) {
	w := newWorld(b, oneRule(alert.RuleConfig{
		Name: "r", When: `ANOMALY_SCORE > 0.5`,
		Message: `{{ .Record.Data }} {{ .Fields.PRICE }}`,
	}))
	rec := record("1", benchRecord)
	b.Run("evaluate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.evaluator.Evaluate(rec)
		}
	})
	b.Run("render", func(b *testing.B) {
		a := w.evaluator.Evaluate(rec).Alerts[0]
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.Render(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// dedupKeys evaluates one alerting record for each of so many keys.
func dedupKeys(tb testing.TB, keys int) *alert.Evaluator {
	tb.Helper()
	w := newWorld(tb, oneRule(alert.RuleConfig{Name: "r", When: "v > 0", Dedup: time.Hour}))
	for i := range keys {
		d := w.evaluator.Evaluate(&alert.Record{
			Shard: shardID, PartitionKey: fmt.Sprintf("device-%016d", i), SequenceNumber: fmt.Sprint(i),
			Arrival: noon().Add(time.Duration(i) * time.Millisecond), Data: []byte(`{"v":1}`),
		})
		require.Equal(tb, alert.Alerted, d.Outcome)
	}
	return w.evaluator
}

// BenchmarkSnapshot is the cost of saving and loading what 100,000 keys are remembered by.
func BenchmarkSnapshot(b *testing.B) {
	e := dedupKeys(b, 100_000)
	state := e.State()
	b.Run("save", func(b *testing.B) {
		b.ReportMetric(float64(len(state))/1024, "KiB")
		began := cpuTime(b)
		for b.Loop() {
			e.State()
		}
		b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N)/1e6, "cpu-ms/op")
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if err := e.Restore(state); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestMemoryOfKeys holds the memory of 100,000 live keys below 20 MiB.
func TestMemoryOfKeys(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	e := dedupKeys(t, 100_000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	mib := float64(after.HeapAlloc-before.HeapAlloc) / (1 << 20)
	t.Logf("100,000 keys: %.1f MiB", mib)
	require.Less(t, mib, 20.0)
	runtime.KeepAlive(e)
}

// BenchmarkRemember is the cost of a record with rules that remember, by what it does to them.
func BenchmarkRemember(b *testing.B) {
	for _, c := range []struct {
		name string
		rule alert.RuleConfig
	}{
		{"dedup suppresses", alert.RuleConfig{Name: "r", When: "PRICE > 1", Dedup: time.Hour}},
		{"firing", alert.RuleConfig{Name: "r", When: "PRICE > 1", Resolve: alert.Stretch{Records: 3}}},
		{"window", alert.RuleConfig{
			Name: "r", When: "PRICE > 1",
			Window: alert.WindowConfig{Length: time.Minute, Aggregate: "avg", Of: "PRICE", Is: "> 1000"},
		}},
		{"absence", alert.RuleConfig{Name: "r", Absence: alert.AbsenceConfig{After: time.Minute}}},
		{"distinct", alert.RuleConfig{
			Name: "r", When: "PRICE > 1", Window: alert.WindowConfig{
				Length: time.Minute, Aggregate: "distinct",
				Of: "TICKER_SYMBOL", Is: "> 1000",
			},
		}},
		{"distinct numbers by key", alert.RuleConfig{
			Name: "r", When: "PRICE > 1", Key: "TICKER_SYMBOL",
			Window: alert.WindowConfig{Length: time.Minute, Aggregate: "distinct", Of: "PRICE", Is: "> 1000"},
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, oneRule(c.rule))
			var recs [64]*alert.Record
			for i := range recs { // what distinguishes them
				recs[i] = record("1", strings.NewReplacer("QXZ", fmt.Sprintf("Q%02d", i), "60.18",
					fmt.Sprintf("60.%02d", i)).Replace(benchRecord))
				recs[i].Arrival = noon()
				w.evaluator.Evaluate(recs[i])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				w.evaluator.Evaluate(recs[i%len(recs)])
			}
		})
	}
}

// BenchmarkMute is the cost of a record whose alert is suppressed, by what suppresses it.
func BenchmarkMute(b *testing.B) {
	inhibitor := alert.RuleConfig{
		Name: "first", When: "PRICE > 1", Topics: []string{"oncall"},
		Resolve: alert.Stretch{Records: 3},
	}
	for _, c := range []struct {
		name     string
		rules    []alert.RuleConfig
		silences []alert.SilenceConfig
	}{
		{"dedup", []alert.RuleConfig{{Name: "r", When: "PRICE > 1", Dedup: time.Hour}}, nil},
		{
			"inhibited",
			[]alert.RuleConfig{inhibitor, {Name: "r", When: "PRICE > 1", InhibitedBy: []string{"first"}}},
			nil,
		},
		{
			"silence",
			[]alert.RuleConfig{{Name: "r", When: "PRICE > 1"}},
			[]alert.SilenceConfig{{Name: "s", When: "PRICE > 2", Until: "2099-01-01T00:00:00Z"}},
		},
		{"quiet hours", []alert.RuleConfig{{
			Name: "r", When: "PRICE > 1",
			Quiet: []alert.QuietConfig{{From: "00:00", To: "23:59"}},
		}}, nil},
		{"rate limit", []alert.RuleConfig{{
			Name: "r", When: "PRICE > 1",
			RateLimit: alert.Rate{Events: 1, Per: time.Hour},
		}}, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			for i := range c.rules {
				c.rules[i].Topics = []string{"oncall"}
			}
			w := newWorld(b, alert.Config{
				Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: c.rules,
				Silences: c.silences,
			})
			rec := record("1", benchRecord)
			rec.Arrival = noon()
			w.evaluator.Evaluate(rec)
			b.ReportAllocs()
			began := cpuTime(b)
			for b.Loop() {
				if d := w.evaluator.Evaluate(rec); d.Outcome != alert.Suppressed {
					b.Fatal(d)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
		})
	}
}
