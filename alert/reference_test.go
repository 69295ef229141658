package alert_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/reference"
)

// shape is a condition as a rule has it, and as a function.
type shape struct {
	when  string
	holds func(reference.Record) reference.Verdict
}

// shapes are conditions that the index takes, and such that it cannot take.
func shapes() []shape {
	number := func(r reference.Record, name string) (float64, bool) {
		x, ok := r.Fields[name].(int)
		return float64(x), ok
	}
	of := func(is bool, defined ...bool) reference.Verdict {
		switch {
		case slices.Contains(defined, false):
			return reference.Undefined
		case is:
			return reference.Yes
		}
		return reference.No
	}
	v := func(is func(v float64) bool) func(reference.Record) reference.Verdict {
		return func(r reference.Record) reference.Verdict {
			x, ok := number(r, "v")
			return of(is(x), ok)
		}
	}
	kind := func(is func(string) bool) func(reference.Record) reference.Verdict {
		return func(r reference.Record) reference.Verdict {
			x, ok := r.Fields["kind"].(string)
			return of(is(x), ok)
		}
	}
	return []shape{
		{"v > 5", v(func(x float64) bool { return x > 5 })},
		{"v == 7", v(func(x float64) bool { return x == 7 })},
		{"v > 3 && v < 9", v(func(x float64) bool { return x > 3 && x < 9 })},
		{`kind == "beat"`, kind(func(x string) bool { return x == "beat" })},
		{`kind in ["beat", "x"]`, kind(func(x string) bool { return x == "beat" || x == "x" })},
		{`kind != "x"`, kind(func(x string) bool { return x != "x" })},
		{`kind startsWith "b"`, kind(func(x string) bool { return strings.HasPrefix(x, "b") })},
		{"up", func(r reference.Record) reference.Verdict {
			x, ok := r.Fields["up"].(bool)
			return of(x, ok)
		}},
		{"!(v > 4)", v(func(x float64) bool { return !(x > 4) })},
		{"v * 2 + 1 > 12", v(func(x float64) bool { return x*2+1 > 12 })},
		{"v > w", func(r reference.Record) reference.Verdict {
			x, one := number(r, "v")
			y, two := number(r, "w")
			return of(x > y, one, two)
		}},
		{"v > 7 || up", func(r reference.Record) reference.Verdict {
			x, number := number(r, "v")
			y, flag := r.Fields["up"].(bool)
			if number && x > 7 || flag && y {
				return reference.Yes
			}
			return of(false, number, flag)
		}},
		{"true", func(reference.Record) reference.Verdict { return reference.Yes }},
	}
}

// drawRule draws a rule of any kind of memory, with whatever may go with it. In a stream of several shards it is about
// partition keys.
func drawRule(t *rapid.T, name string, before []string, sharded bool) reference.Rule {
	s := rapid.SampledFrom(shapes()).Draw(t, "shape")
	r := reference.Rule{Holds: s.holds}
	r.Name, r.When = name, s.when
	seconds := func(what string, of ...int) time.Duration {
		return time.Duration(rapid.SampledFrom(of).Draw(t, what)) * time.Second
	}
	maybe := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
	stretch := func(what string) alert.Stretch {
		if rapid.Bool().Draw(t, what) {
			return alert.Stretch{Records: rapid.IntRange(1, 3).Draw(t, what)}
		}
		return alert.Stretch{Time: seconds(what, 4, 25, 70, 300)}
	}
	kind := rapid.SampledFrom([]string{"records", "episode", "episode", "sliding", "tumbling", "absence"}).Draw(t,
		"kind")
	switch kind {
	case "sliding", "tumbling":
		r.Window.Length, r.Window.Tumbling = seconds("length", 12, 60, 120), kind == "tumbling"
		if kind == "sliding" && rapid.Bool().Draw(t, "step") {
			r.Window.Step = r.Window.Length / 4
		}
		r.Window.Aggregate = rapid.SampledFrom([]string{"", "sum", "avg", "min", "max", "rate", "distinct"}).Draw(t,
			"aggregate")
		if r.Window.Aggregate != "" && r.Window.Aggregate != "rate" {
			r.Window.Of = "v"
			r.Of = func(rec reference.Record) (float64, bool) {
				x, ok := rec.Fields["v"].(int)
				return float64(x), ok
			}
		}
		bounds := map[string][]string{
			"": {"1", "2", "4"}, "sum": {"6", "20"}, "rate": {"0.05", "0.2"},
			"distinct": {"1", "2"},
		}
		r.Window.Is = rapid.SampledFrom([]string{">", ">=", "<", "<=", "==", "!="}).Draw(t, "is") + " " +
			rapid.SampledFrom(append(bounds[r.Window.Aggregate], "3", "5")).Draw(t, "bound")
		if maybe("min_records") {
			r.Window.MinRecords = 2
		}
	case "absence":
		r.Absence.After = seconds("after", 6, 30, 90)
		switch {
		case !sharded && maybe("of shard"):
			r.Absence.Of = alert.AbsenceOfShard
		case maybe("give_up"):
			r.Absence.GiveUp = seconds("give_up", 20, 120, 600)
		}
	}
	if kind != "absence" && kind != "records" {
		if kind == "episode" || maybe("for") {
			if rapid.Bool().Draw(t, "for") {
				r.For = stretch("for")
			}
		}
		if kind == "episode" || rapid.Bool().Draw(t, "ends") {
			r.Resolve = stretch("resolve")
		}
	}
	if (kind == "absence" || !r.Resolve.IsZero()) && maybe("repeats") {
		r.RepeatInterval = seconds("repeat_interval", 5, 45, 90)
	}
	if maybe("dedup") {
		r.Dedup = seconds("dedup", 3, 40, 600)
	}
	if r.Absence.Of == "" && maybe("severity") {
		r.Severity = `v > 7 ? "critical" : v > 3 ? "warning" : "info"`
		r.Grade = func(rec reference.Record) string {
			switch x, ok := rec.Fields["v"].(int); {
			case !ok:
				return alert.SeverityWarning // an expression that gives none
			case x > 7:
				return alert.SeverityCritical
			case x > 3:
				return alert.SeverityWarning
			}
			return alert.SeverityInfo
		}
	}
	if maybe("quiet") {
		r.Quiet = []alert.QuietConfig{rapid.SampledFrom(
			[]alert.QuietConfig{{From: "12:02", To: "12:05"}, {From: "12:20", To: "12:01"}}).Draw(t, "hours")}
	}
	if !sharded {
		if maybe("rate_limit") {
			r.RateLimit = alert.Rate{Events: 2, Per: 16 * time.Second} // an eighth a second, which is exact
		}
		if r.Absence.Of == "" && maybe("key") {
			r.Key = "name"
			r.Group = func(rec reference.Record) string { return rec.Fields["name"].(string) }
		}
	}
	if len(before) > 0 && maybe("inhibited_by") {
		r.InhibitedBy = []string{rapid.SampledFrom(before).Draw(t, "inhibitor")}
	}
	return r
}

// drawRules draws a valid set of rules.
func drawRules(t *rapid.T, sharded bool) []reference.Rule {
	var out []reference.Rule
	var names []string
	for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
		r := drawRule(t, fmt.Sprint("rule-", i), names, sharded)
		if err := lawConfig(append(slices.Clone(out), r), nil, nil).Validate(); err != nil {
			r.InhibitedBy = nil // by one that is active for no longer than a moment, for instance
		}
		out, names = append(out, r), append(names, r.Name)
	}
	return out
}

// drawSilences draws silences. Those for windows and whole shards have no condition, since the last record does not
// represent these.
func drawSilences(t *rapid.T, rules []reference.Rule) ([]reference.Silence, []string) {
	var out []reference.Silence
	var when []string
	vague := slices.ContainsFunc(rules, func(r reference.Rule) bool {
		return r.Window.Length > 0 ||
			r.Absence.Of != ""
	})
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "silences") {
		from := noon().UnixMilli() + int64(rapid.SampledFrom([]int{0, 10, 60, 200}).Draw(t, "from"))*1000
		s := reference.Silence{From: from, Until: from +
			int64(rapid.SampledFrom([]int{15, 90, 400}).Draw(t, "until"))*1000}
		if rapid.Bool().Draw(t, "of a rule") {
			s.Rules = []string{"rule-0"}
		}
		condition := shape{}
		if !vague && rapid.Bool().Draw(t, "of records") {
			condition = rapid.SampledFrom(shapes()).Draw(t, "condition")
		}
		s.When = condition.holds
		out, when = append(out, s), append(when, condition.when)
	}
	return out, when
}

func lawConfig(rules []reference.Rule, silences []reference.Silence, when []string) alert.Config {
	c := alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}}
	for _, r := range rules {
		c.Rules = append(c.Rules, r.RuleConfig)
	}
	for i, s := range silences {
		c.Silences = append(c.Silences, alert.SilenceConfig{
			Name: fmt.Sprint("silence-", i), Rules: s.Rules, When: when[i], From: rfc3339(s.From),
			Until: rfc3339(s.Until),
		})
	}
	return c
}

func rfc3339(at int64) string { return time.UnixMilli(at).UTC().Format(time.RFC3339Nano) }

// drawRecord draws a record some time after the one before.
func drawRecord(t *rapid.T, at int64) reference.Record {
	pause := rapid.SampledFrom([]int64{
		0, 500, 1000, 1000, 3000, 5000, 10_000, 10_000, 30_000, 61_000, 130_000,
		700_000,
	}).Draw(t, "pause")
	rec := reference.Record{
		Key: fmt.Sprint("key-", rapid.IntRange(0, 3).Draw(t, "key")), At: at + pause,
		Fields: map[string]any{},
	}
	if rapid.IntRange(0, 9).Draw(t, "has v") > 0 {
		rec.Fields["v"] = rapid.IntRange(0, 10).Draw(t, "v")
	}
	rec.Fields["w"] = rapid.IntRange(0, 10).Draw(t, "w")
	rec.Fields["up"] = rapid.Bool().Draw(t, "up")
	rec.Fields["kind"] = rapid.SampledFrom([]string{"beat", "x", "other"}).Draw(t, "kind")
	rec.Fields["name"] = rapid.SampledFrom([]string{"one", "two"}).Draw(t, "name")
	return rec
}

// wordsOf are words as lines, by rule and key, in order.
func wordsOf(words []reference.Word) map[string][]string {
	out := map[string][]string{}
	for _, w := range words {
		of := w.Rule + " " + w.Key
		out[of] = append(out[of], w.String())
	}
	return out
}

func wordOf(a *alert.Alert) reference.Word {
	return reference.Word{At: a.At.UnixMilli(), Kind: a.Kind, Rule: a.Rule, Key: a.Key, Severity: a.Severity}
}

// TestWordsAreThoseOfTheReference: whatever a rule remembers and however its condition is written, each key has the
// alerts of the reference model, with the same times; with ticks, restarts and reloads at any time, in any format.
func TestWordsAreThoseOfTheReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t, false)
		silences, when := drawSilences(t, rules)
		config := lawConfig(rules, silences, when)
		pipeline := func() *alert.Pipeline {
			p, err := alert.NewOf(config, alert.Deps{
				Stream: streamARN, Log: zap.NewNop(),
				Registerer: prometheus.NewRegistry(),
			})
			require.NoError(t, err)
			return p
		}
		format := drawFormat(t, config)
		p := pipeline()
		e := p.Shard(shardID)
		e.Agree(alert.HashKey{1}, format)
		world := reference.World{Rules: rules, Silences: silences, Every: 500}
		world.Pass(noon().UnixMilli())
		var told []reference.Word
		take := func(alerts []*alert.Alert) {
			for _, a := range alerts {
				told = append(told, wordOf(a))
			}
		}
		now := noon().UnixMilli()
		tick := func(to int64) {
			take(e.Tick(alert.Tick{CaughtUp: time.UnixMilli(to + 2000)}))
		}
		tick(now)
		for i := range rapid.IntRange(1, 60).Draw(t, "records") {
			rec := drawRecord(t, now)
			for ; now+60_000 < rec.At; now += 60_000 {
				tick(now) // or more than sixty repeats would be due at once
			}
			if now = rec.At; i > 0 && rapid.IntRange(0, 9).Draw(t, "late") == 0 {
				rec.At -= 500
			}
			switch rapid.SampledFrom([]string{"", "", "", "tick", "restart", "reload"}).Draw(t, "step") {
			case "tick":
				tick(rec.At)
			case "restart":
				state := e.State()
				p = pipeline()
				e = p.Shard(shardID)
				e.Agree(alert.HashKey{1}, format)
				require.NoError(t, e.Restore(state))
			case "reload":
				require.NoError(t, p.UpdateTo(config))
			}
			data, err := json.Marshal(rec.Fields)
			t.Log(time.UnixMilli(rec.At).UTC().Format("15:04:05.000"), rec.Key, string(data))
			require.NoError(t, err)
			take(e.Evaluate(&alert.Record{
				Shard: shardID, PartitionKey: rec.Key, SequenceNumber: fmt.Sprint(1000 + i),
				Arrival: time.UnixMilli(rec.At), Data: data,
			}).Alerts)
			world.Record(rec)
			compare(t, rules, world.Words(), told)
		}
		for end := now + 1_500_000; now < end; now += 60_000 {
			tick(now)
			world.Pass(now)
		}
		compare(t, rules, world.Words(), told)
	})
}

// TestWordsOfReshardsAreThoseOfTheReference: wherever the records of a key go after splits and merges, and whichever
// shard is restarted, the shards together make the alerts that the reference model makes for one.
func TestWordsOfReshardsAreThoseOfTheReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t, true)
		silences, when := drawSilences(t, rules)
		p, err := alert.NewOf(lawConfig(rules, silences, when),
			alert.Deps{Stream: streamARN, Log: zap.NewNop(), Registerer: prometheus.NewRegistry()})
		require.NoError(t, err)
		c := &clan{t: t, pipeline: p, shards: map[string]*clanShard{}, said: map[string]int{}}
		c.add(0, 3, nil, nil, "shard-000")
		world := reference.World{Rules: rules, Silences: silences, Every: 500}
		now := noon().UnixMilli()
		world.Pass(now)
		settle := func(to int64) { // what waits for longer may have missed more than sixty repeats
			at := time.UnixMilli(to + 2000)
			c.tick(at)
			c.settle(at)
		}
		settle(now)
		for i := range rapid.IntRange(1, 50).Draw(t, "records") {
			rec := drawRecord(t, now)
			for ; now+60_000 < rec.At; now += 60_000 {
				settle(now)
			}
			now = rec.At
			at := time.UnixMilli(now)
			switch rapid.SampledFrom([]string{
				"", "", "", "split", "split", "merge", "restart", "restart", "ask",
				"settle",
			}).Draw(t, "step") {
			case "split":
				id := rapid.SampledFrom(c.open).Draw(t, "shard")
				if s := c.shards[id]; s.first < s.last {
					c.split(id, at)
				}
			case "merge":
				if len(c.open) > 1 {
					slices.SortFunc(c.open, func(a, b string) int { return c.shards[a].first - c.shards[b].first })
					n := rapid.IntRange(0, len(c.open)-2).Draw(t, "shard")
					settle(now) // what is due in a shard that is merged, and waits, may be lost with it
					c.merge(c.open[n], c.open[n+1], at)
				}
			case "restart":
				c.save(rapid.SampledFrom(c.open).Draw(t, "shard"), true)
			case "ask":
				c.ask(rapid.SampledFrom(c.open).Draw(t, "shard"))
			case "settle":
				settle(now)
			}
			data, err := json.Marshal(rec.Fields)
			require.NoError(t, err)
			t.Log(time.UnixMilli(rec.At).UTC().Format("15:04:05.000"), rec.Key, string(data))
			place := int(rec.Key[len(rec.Key)-1] - '0')
			for _, id := range c.open {
				if s := c.shards[id]; place >= s.first && place <= s.last {
					c.take(s.evaluator.Evaluate(&alert.Record{
						Shard: id, PartitionKey: rec.Key, SequenceNumber: fmt.Sprint(1000 + i), Arrival: at, Data: data,
					}).Alerts)
				}
			}
			world.Record(rec)
		}
		for end := now + 1_500_000; now < end; now += 60_000 {
			settle(now)
			world.Pass(now)
		}
		// Alerts that waited for other shards may come after later ones.
		slices.SortStableFunc(c.told, func(a, b reference.Word) int { return cmp.Compare(a.At, b.At) })
		compare(t, rules, world.Words(), c.told)
	})
}

// drawFormat draws a format. Only later ones store a key's last alert, its severity, and since when a window is
// watched.
func drawFormat(t *rapid.T, c alert.Config) int {
	if slices.ContainsFunc(c.Silences, func(s alert.SilenceConfig) bool { return s.When != "" }) {
		return alert.StateFormat
	}
	for _, r := range c.Rules {
		if r.Window.Length > 0 || r.Dedup > 0 || !r.RateLimit.IsZero() ||
			len(r.Quiet)+len(r.InhibitedBy)+len(c.Silences) > 0 || strings.Contains(r.Severity, "?") {
			return rapid.IntRange(2, alert.StateFormat).Draw(t, "format")
		}
	}
	return rapid.IntRange(1, alert.StateFormat).Draw(t, "format")
}

// compare compares the alerts.
func compare(t *rapid.T, rules []reference.Rule, want, got []reference.Word) {
	wanted, found := wordsOf(want), wordsOf(got)
	for _, of := range slices.Sorted(maps.Keys(maps.Collect(maps.All(wanted)))) {
		found[of] = append(found[of], make([]string, 0)...)
	}
	for _, of := range slices.Sorted(maps.Keys(found)) {
		if !slices.Equal(wanted[of], found[of]) {
			name, _, _ := strings.Cut(of, " ")
			i := slices.IndexFunc(rules, func(r reference.Rule) bool { return r.Name == name })
			first := 0
			for first < min(len(wanted[of]), len(found[of])) && wanted[of][first] == found[of][first] {
				first++
			}
			around := func(lines []string) string {
				return strings.Join(append(lines[max(0, first-4):min(first+6, len(lines))], "…"), "\n ")
			}
			t.Fatalf("%s\nof the reference:\n %s\nof the evaluator:\n %s\nrules:\n%s", of, around(wanted[of]),
				around(found[of]), shown(t, rules[:i+1]))
		}
	}
}

// shown are rules without what they do not say.
func shown(t *rapid.T, rules []reference.Rule) string {
	var out strings.Builder
	for _, r := range rules {
		text, err := json.Marshal(r.RuleConfig)
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, json.Unmarshal(text, &fields))
		var said func(map[string]any) map[string]any
		said = func(fields map[string]any) map[string]any {
			maps.DeleteFunc(fields, func(_ string, x any) bool {
				inner, ok := x.(map[string]any)
				return ok && len(said(inner)) == 0 || x == nil || x == "" || x == 0.0 || x == false
			})
			return fields
		}
		text, err = json.Marshal(said(fields))
		require.NoError(t, err)
		fmt.Fprintf(&out, "%s\n", text)
	}
	return out.String()
}
