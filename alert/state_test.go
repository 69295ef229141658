package alert_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
)

// everyRule is one rule for each thing that can be remembered.
func everyRule() []alert.RuleConfig {
	second := time.Second
	return []alert.RuleConfig{
		{Name: "plain", When: "v > 8"},
		{Name: "dedup", When: "v > 5", Dedup: 7 * second},
		{Name: "for-records", When: "v > 4", For: alert.Stretch{Records: 2}, Dedup: 3 * second},
		{Name: "for-time", When: "v > 3", For: alert.Stretch{Time: 4 * second}, Resolve: alert.Stretch{Records: 1}},
		{Name: "resolve", When: "v > 6", Resolve: alert.Stretch{Time: 5 * second}, RepeatInterval: 3 * second},
		{Name: "field", When: "v > 5", Key: "name", Resolve: alert.Stretch{Records: 2}},
		{Name: "limit", When: "v > 2", RateLimit: alert.Rate{Events: 2, Per: 10 * second}},
		{Name: "absent", Absence: alert.AbsenceConfig{After: 6 * second}, RepeatInterval: 5 * second},
		{Name: "silent", When: "v > 5", Absence: alert.AbsenceConfig{After: 9 * second, Of: "shard"}},
		{Name: "tumbling", When: "v > 0", Window: alert.WindowConfig{
			Length: 5 * second, Tumbling: true,
			Aggregate: "sum", Of: "v", Is: "> 9",
		}},
		{Name: "sliding", When: "v > 0", Window: alert.WindowConfig{
			Length: 6 * second, Step: second, Aggregate: "avg",
			Of: "v / 3", Is: "> 1.5",
		}},
		{
			Name: "distinct", When: "v > 0", Key: `"all"`, Resolve: alert.Stretch{Time: 2 * second},
			Window: alert.WindowConfig{
				Length: 4 * second, Step: 2 * second, Aggregate: "distinct", Of: "v",
				Is: ">= 3",
			},
		},
		{Name: "inhibited", When: "v > 7", InhibitedBy: []string{"resolve", "plain"}, Dedup: second},
		{Name: "tumbling-dedup", When: "v > 0", Window: alert.WindowConfig{
			Length: 4 * second, Tumbling: true,
			Is: ">= 2",
		}, Dedup: 6 * second},
		{
			Name: "tumbling-for", When: "v > 0", For: alert.Stretch{Time: 3 * second},
			Resolve: alert.Stretch{Time: 3 * second},
			Window:  alert.WindowConfig{Length: 2 * second, Tumbling: true, Is: ">= 1"}, RepeatInterval: 4 * second,
		},
		{
			Name: "muted", Absence: alert.AbsenceConfig{After: 3 * second}, InhibitedBy: []string{"silent"},
			Dedup:     5 * second,
			RateLimit: alert.Rate{Events: 2, Per: 7 * second}, Severity: `v > 5 ? "critical" : "info"`,
		},
		{
			Name: "muted-for", When: "v > 3", For: alert.Stretch{Time: 2 * second}, Resolve: alert.Stretch{Records: 2},
			Quiet: []alert.QuietConfig{{From: "12:01", To: "12:02"}}, Severity: `v > 5 ? "critical" : "info"`,
		},
	}
}

// everySilence is a silence of all records, and some that look at them.
func everySilence() []alert.SilenceConfig {
	after := func(seconds int) string { return noon().Add(time.Duration(seconds) * time.Second).Format(time.RFC3339) }
	return []alert.SilenceConfig{
		{Name: "s", From: after(10), Until: after(25)},
		{Name: "key", When: `name == "n1"`, From: after(15), Until: after(90)},
		{Name: "value", When: "v in [2, 4, 9]", Rules: []string{
			"sliding", "distinct", "tumbling", "tumbling-for",
			"absent",
		}, Until: after(60)},
	}
}

func remembering(t require.TestingT, rules []alert.RuleConfig) *alert.Pipeline {
	return silencing(t, rules, everySilence())
}

func silencing(t require.TestingT, rules []alert.RuleConfig, silences []alert.SilenceConfig) *alert.Pipeline {
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	for i := range silences {
		silences[i].Rules = slices.DeleteFunc(silences[i].Rules,
			func(name string) bool { return !slices.Contains(names, name) })
	}
	p, err := alert.NewOf(
		alert.Config{
			Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: rules, State: alert.StateConfig{MaxKeys: 20},
			Silences: silences,
		},
		alert.Deps{Stream: streamARN, Log: zap.NewNop(), Registerer: prometheus.NewRegistry()},
	)
	require.NoError(t, err)
	return p
}

// drawRecords makes records whose arrivals mostly increase.
func drawRecords(t *rapid.T, most int) []*alert.Record {
	at := noon()
	out := make([]*alert.Record, rapid.IntRange(1, most).Draw(t, "records"))
	for i := range out {
		at = at.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 300, 700, 1000, 2500, 9000}).Draw(t,
			"pause")) * time.Millisecond)
		latest := at
		if rapid.IntRange(0, 9).Draw(t, "late") == 0 {
			latest = at.Add(-400 * time.Millisecond)
		}
		payload := fmt.Sprintf(`{"v":%d,"name":"n%d"}`, rapid.IntRange(0, 10).Draw(t, "v"),
			rapid.IntRange(0, 2).Draw(t, "name"))
		if rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
			payload = rapid.SampledFrom([]string{`{}`, `{"v":null}`, `{"v":"x"}`, `{`}).Draw(t, "payload")
		}
		out[i] = &alert.Record{
			Shard: shardID, PartitionKey: fmt.Sprintf("key-%d", rapid.IntRange(0, 3).Draw(t, "key")),
			SequenceNumber: fmt.Sprint(100_000 + i), Arrival: latest, Data: []byte(payload),
		}
	}
	return out
}

func allOf(t require.TestingT, alerts []*alert.Alert) []string {
	var out []string
	for _, a := range alerts {
		m, err := a.Render()
		require.NoError(t, err)
		out = append(out, fmt.Sprint(a.ID, " ", a.Kind, " ", a.Rule, " ", a.Key, " ", a.At, " ", a.Since, " ",
			a.Suppressed, " ", a.Severity, " ", m))
	}
	return out
}

// TestRestartGivesTheSameAlerts: for any records and any restart points, what is published is what a run without
// restart publishes, to the letter.
func TestRestartGivesTheSameAlerts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t, 80)
		whole := remembering(t, everyRule()).Shard(shardID)
		restarted := remembering(t, everyRule()).Shard(shardID)
		for _, rec := range records {
			want, got := whole.Evaluate(rec), restarted.Evaluate(rec)
			require.Equal(t, allOf(t, want.Alerts), allOf(t, got.Alerts))
			require.Equal(t, []any{want.Outcome, want.Reason}, []any{got.Outcome, got.Reason})
			if rapid.IntRange(0, 4).Draw(t, "restart") > 0 {
				continue
			}
			state := restarted.State()
			restarted = remembering(t, everyRule()).Shard(shardID)
			require.NoError(t, restarted.Restore(state))
			require.Equal(t, state, restarted.State())
		}
	})
}

// TestTicksOnlyBringForward: if no record with an earlier arrival follows a tick, ticks change only when alerts are
// made, not which. So a replay does not need them.
func TestTicksOnlyBringForward(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t, 80)
		slices.SortStableFunc(records, func(a, b *alert.Record) int { return a.Arrival.Compare(b.Arrival) })
		without, with := remembering(t, everyRule()).Shard(shardID), remembering(t, everyRule()).Shard(shardID)
		start := alert.Tick{CaughtUp: records[0].Arrival.Add(2*time.Second - time.Millisecond)}
		said := [2][]string{allOf(t, without.Tick(start)), allOf(t, with.Tick(start))}
		for _, rec := range records {
			if room := rec.Arrival.Sub(with.EventTime()); !with.EventTime().IsZero() && room > 0 &&
				rapid.Bool().Draw(t, "tick") {
				at := with.EventTime().Add(time.Duration(rapid.Int64Range(0, int64(room)).Draw(t, "at")))
				said[1] = append(said[1], allOf(t, with.Tick(alert.Tick{CaughtUp: at.Add(2 * time.Second)}))...)
			}
			said[0] = append(said[0], allOf(t, without.Evaluate(rec).Alerts)...)
			said[1] = append(said[1], allOf(t, with.Evaluate(rec).Alerts)...)
		}
		end := alert.Tick{CaughtUp: without.EventTime().Add(time.Minute)}
		said[0] = append(said[0], allOf(t, without.Tick(end))...)
		said[1] = append(said[1], allOf(t, with.Tick(end))...)
		require.Equal(t, said[0], said[1])
	})
}

// TestUpdateKeepsWhatDidNotChange: rules with the same definition keep their memory, others start again, and the state
// of removed rules is kept for their return.
func TestUpdateKeepsWhatDidNotChange(t *testing.T) {
	t.Parallel()
	config := func(rules ...alert.RuleConfig) alert.Config {
		return alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: rules}
	}
	one := alert.RuleConfig{Name: "one", When: "v > 10", Dedup: time.Hour}
	two := alert.RuleConfig{Name: "two", When: "v > 10", Dedup: time.Hour}
	s := tell(t, config(one, two))
	s.v(0, "a", 11)
	s.said("firing one a at 0s", "firing two a at 0s")

	one.Severity, one.Message = "critical", "other words" // changes nothing of what it remembers
	two.Key = `"all"`
	require.NoError(t, s.pipeline.UpdateTo(config(two, one)))
	s.v(1, "a", 11)
	s.said("firing two all at 1s")

	require.NoError(t, s.pipeline.UpdateTo(config(alert.RuleConfig{Name: "three", When: "v > 10"})))
	s.v(2, "a", 11)
	s.said("firing three a at 2s")
	restarted := s.evaluator.State()
	s.evaluator = s.pipeline.Shard(shardID)
	require.NoError(t, s.evaluator.Restore(restarted))
	two.Key = ""
	require.NoError(t, s.pipeline.UpdateTo(config(one, two)))
	s.v(3, "a", 11)
	s.said()

	require.Error(t, s.pipeline.UpdateTo(config(alert.RuleConfig{Name: "bad", When: "v >"})))
	s.v(4, "a", 11)
	s.said()
	families, err := s.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				require.NotEqual(t, "three", l.GetValue(), "a series of a rule that is no more: %s", f.GetName())
			}
		}
	}
}

// TestChildrenInheritTheirKeys: a key continues in the shard that its records go to.
func TestChildrenInheritTheirKeys(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		{Name: "dedup", When: "v > 10", Dedup: time.Hour},
		{Name: "absent", Absence: alert.AbsenceConfig{After: time.Minute}},
		{Name: "field", When: "v > 10", Key: "name", Dedup: time.Hour},
	}
	parent := newStory(t, rules...)
	for _, key := range []string{"a", "b"} {
		parent.at(0, key, `{"v":11,"name":"x"}`)
	}
	parent.said("firing dedup a at 0s", "firing field x at 0s", "firing dedup b at 0s")
	state := parent.evaluator.State()
	for key, other := range map[string]string{"a": "b", "b": "a"} {
		child := newStory(t, rules...)
		require.NoError(t, child.evaluator.Inherit([][]byte{state},
			alert.Heir{Owns: func(partitionKey string) bool { return partitionKey == key }}))
		require.Equal(t, noon(), child.evaluator.EventTime())
		child.at(1, key, `{"v":11,"name":"x"}`)
		child.said()
		child.tick(61)
		child.said("firing absent " + key + " at 1m1s")
		child.at(62, other, `{"v":11,"name":"y"}`)
		child.said("firing dedup "+other+" at 1m2s", "firing field y at 1m2s")
	}
	merged := newStory(t, rules...)
	other := newStory(t, rules...)
	other.at(5, "c", `{"v":11,"name":"x"}`)
	mine := func(string) bool { return true }
	require.NoError(t, merged.evaluator.Inherit([][]byte{state}, alert.Heir{Owns: mine}))
	require.NoError(t, merged.evaluator.Inherit([][]byte{other.evaluator.State()}, alert.Heir{Owns: mine}))
	require.Equal(t, noon().Add(5*time.Second), merged.evaluator.EventTime())
	for _, key := range []string{"a", "b", "c"} {
		merged.at(6, key, `{"v":11,"name":"x"}`)
	}
	merged.said()
}

func TestDamagedSnapshotsAreRefused(t *testing.T) {
	t.Parallel()
	s := newStory(t, everyRule()...)
	for i := range 20 {
		s.at(float64(i), fmt.Sprint(i%4), fmt.Sprintf(`{"v":%d,"name":"n"}`, i%11))
	}
	state := s.evaluator.State()
	fresh := newStory(t, everyRule()...).evaluator
	for i := range state {
		damaged := slices.Clone(state)
		damaged[i] ^= 1
		require.ErrorIs(t, fresh.Restore(damaged), alert.ErrState, "byte %d", i)
		require.ErrorIs(t, fresh.Restore(state[:i]), alert.ErrState, "cut at %d", i)
	}
	require.NoError(t, fresh.Restore(state))
}

// FuzzRestore: no bytes make it panic or allocate out of bounds, and what it accepts it writes again.
func FuzzRestore(f *testing.F) {
	p := remembering(f, everyRule())
	for format := range alert.StateFormat {
		e := p.Shard(shardID)
		e.Agree(alert.HashKey{}, format+1)
		for i := range 20 {
			e.Evaluate(&alert.Record{
				Shard: shardID, PartitionKey: fmt.Sprint(i % 4), SequenceNumber: fmt.Sprint(i),
				Arrival: noon().Add(time.Duration(i) * time.Second),
				Data:    fmt.Appendf(nil, `{"v":%d,"name":"n"}`, i%11),
			})
		}
		f.Add(e.State())
		child := p.Shard(shardID)
		require.NoError(f, child.Inherit([][]byte{e.State()},
			alert.Heir{Owns: func(key string) bool { return key < "2" }, Siblings: []string{"sibling"}}))
		f.Add(child.State())
	}
	f.Add([]byte("KAS\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e := p.Shard(shardID)
		if x, err := alert.ReadRelative("sibling", "1", alert.Sealed(data), nil); err == nil {
			e.Meet(x)
		}
		if err := e.Restore(alert.Sealed(data)); err != nil {
			require.ErrorIs(t, err, alert.ErrState)
			return
		}
		e.Tick(alert.Tick{CaughtUp: noon().Add(time.Hour)})
		again := p.Shard(shardID)
		require.NoError(t, again.Restore(e.State()))
	})
}

func TestStatefulOnlyWhereSomethingIsRemembered(t *testing.T) {
	t.Parallel()
	for _, r := range everyRule() {
		r.InhibitedBy = nil
		want := r.Name != "plain"
		require.Equal(t, want, remembering(t, []alert.RuleConfig{r}).Shard(shardID).Stateful(), r.Name)
	}
	names := map[string]bool{}
	for _, r := range everyRule() {
		names[r.Name] = true
	}
	require.Len(t, slices.Collect(maps.Keys(names)), len(everyRule()))
	require.True(t, strings.HasPrefix(string(remembering(t, everyRule()).Shard(shardID).State()), "KAS"))
}

// TestRulesThatComeBackKnowNothingOfTheMeantime: a rolled-back rule set finds its state again. But its rules did not
// see the records of the meantime, so it must not alert as if none had come.
func TestRulesThatComeBackKnowNothingOfTheMeantime(t *testing.T) {
	t.Parallel()
	config := func(rules ...alert.RuleConfig) alert.Config {
		return alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: rules}
	}
	rules := []alert.RuleConfig{
		{Name: "absent", Absence: alert.AbsenceConfig{After: time.Minute}},
		{Name: "shard", Absence: alert.AbsenceConfig{After: time.Minute, Of: "shard"}},
		{Name: "for", When: "v > 10", For: alert.Stretch{Time: time.Minute}},
		{Name: "records", When: "v > 10", For: alert.Stretch{Records: 3}},
		{Name: "firing", When: "v > 5", Resolve: alert.Stretch{Time: 30 * time.Minute}, RepeatInterval: time.Minute},
		{Name: "tumbling", When: "v > 0", Window: alert.WindowConfig{Length: time.Minute, Tumbling: true, Is: "> 0"}},
		{Name: "sliding", When: "v > 0", Window: alert.WindowConfig{Length: time.Minute, Is: "> 2"}},
		{Name: "dedup", When: "v > 5", Dedup: 2 * time.Hour},
	}
	other := alert.RuleConfig{Name: "other", When: "v > 1000", Dedup: time.Second}
	s := tell(t, config(rules...))
	s.v(0, "a", 11)
	s.v(1, "a", 11)
	s.said("firing firing a at 0s", "firing dedup a at 0s")
	require.NoError(t, s.pipeline.UpdateTo(config(other)))
	for at := 2.0; at <= 3600; at += 30 {
		s.v(at, "a", 1)
	}
	state := s.evaluator.State()
	require.NoError(t, s.pipeline.UpdateTo(config(rules...)))
	restarted := newStory(t, rules...)
	require.NoError(t, restarted.evaluator.Restore(state))
	for _, s := range []*story{s, restarted} {
		s.v(3601, "a", 11) // dedup continues, and so does firing: one repetition of the many that were missed
		s.tick(3659)
		s.said("repeat firing a at 1h0m (1 suppressed)")
	}
}

// TestChildrenInheritOtherKeysWithTheirRecords: the timers of a key that is not the partition key continue where its
// records go.
func TestChildrenInheritOtherKeysWithTheirRecords(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		{Name: "absent", Key: "name", Absence: alert.AbsenceConfig{After: time.Minute}},
		{
			Name: "firing", When: "v > 10", Key: "name", Resolve: alert.Stretch{Time: 10 * time.Minute},
			RepeatInterval: 2 * time.Minute,
		},
	}
	parent := newStory(t, rules...)
	parent.at(0, "a", `{"v":11,"name":"x"}`)
	parent.at(1, "b", `{"v":11,"name":"y"}`)
	parent.said("firing firing x at 0s", "firing firing y at 1s")
	state := parent.evaluator.State()
	child := newStory(t, rules...)
	require.NoError(t, child.evaluator.Inherit([][]byte{state},
		alert.Heir{Owns: func(partitionKey string) bool { return partitionKey == "a" }}))
	child.tick(130)
	child.said("firing absent x at 1m", "repeat firing x at 2m")

	// The same for rules that the child does not know yet.
	child = newStory(t)
	require.NoError(t, child.pipeline.UpdateTo(alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules:  []alert.RuleConfig{{Name: "other", When: "v > 10", Dedup: time.Hour}},
	}))
	child.tick(1)
	require.NoError(t, child.evaluator.Inherit([][]byte{state},
		alert.Heir{Owns: func(partitionKey string) bool { return partitionKey == "a" }}))
	child.tick(2)
	require.NoError(t, child.pipeline.UpdateTo(alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules:  rules,
	}))
	child.tick(130)
	child.said("firing absent x at 1m2s", "repeat firing x at 2m")
}

// TestMergeTellsWhoWasTold: if both parents have a key, the entry with a notified alert continues.
func TestMergeTellsWhoWasTold(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		{Name: "shard", Absence: alert.AbsenceConfig{After: time.Minute, Of: "shard"}},
		{Name: "key", When: "v > 10", Key: "name", Resolve: alert.Stretch{Records: 1}},
	}
	one, two := newStory(t, rules...), newStory(t, rules...)
	one.at(0, "a", `{"v":11,"name":"x"}`)
	one.tick(61)
	one.said("firing key x at 0s", "firing shard  at 1m")
	two.at(61, "b", `{"v":11,"name":"x"}`)
	two.at(62, "b", `{"v":1,"name":"x"}`)
	two.at(63, "b", `{"v":11,"name":"z"}`)
	two.said("firing key x at 1m1s", "resolved key x at 1m2s", "firing key z at 1m3s")
	states := [][]byte{one.evaluator.State(), two.evaluator.State()}
	for range 2 {
		slices.Reverse(states)
		merged := newStory(t, rules...)
		for _, state := range states {
			require.NoError(t, merged.evaluator.Inherit([][]byte{state},
				alert.Heir{Owns: func(string) bool { return true }}))
		}
		merged.at(64, "a", `{"v":1,"name":"x"}`)
		merged.said("resolved shard  at 1m4s", "resolved key x at 1m4s")
	}
}

// TestInheritedKeysThatDoNotFitAreCounted: what two parents remember can be more than one shard may.
func TestInheritedKeysThatDoNotFitAreCounted(t *testing.T) {
	t.Parallel()
	config := alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}}, State: alert.StateConfig{MaxKeys: 1},
		Rules: []alert.RuleConfig{{Name: "r", When: "v > 10", Dedup: time.Hour}},
	}
	merged := tell(t, config)
	for _, key := range []string{"a", "b"} {
		parent := tell(t, config)
		parent.v(0, key, 11)
		require.NoError(t, merged.evaluator.Inherit([][]byte{parent.evaluator.State()},
			alert.Heir{Owns: func(string) bool { return true }}))
	}
	require.NoError(t, testutil.GatherAndCompare(merged.registry, strings.NewReader(`
# HELP kinesis_alerter_state_evictions_total Keys that were forgotten because a shard remembers state.max_keys others, or all the bytes that it may.
# TYPE kinesis_alerter_state_evictions_total counter
kinesis_alerter_state_evictions_total{rule="r"} 1
`), "kinesis_alerter_state_evictions_total"))
}

// TestSplitSaysWhatTheParentWould: for rules about the partition key, the children of a split together make the alerts
// that their parent would have made.
func TestSplitSaysWhatTheParentWould(t *testing.T) {
	t.Parallel()
	var rules []alert.RuleConfig
	for _, r := range everyRule() {
		if r.Key == "" && r.RateLimit.IsZero() && r.Absence.Of == "" {
			r.InhibitedBy = nil
			rules = append(rules, r)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p, err := alert.NewOf(
			alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: rules},
			alert.Deps{Stream: streamARN, Log: zap.NewNop(), Registerer: prometheus.NewRegistry()},
		)
		require.NoError(t, err)
		records := drawRecords(t, 60)
		slices.SortStableFunc(records, func(a, b *alert.Record) int { return a.Arrival.Compare(b.Arrival) })
		cut := rapid.IntRange(0, len(records)).Draw(t, "cut")
		end := alert.Tick{CaughtUp: records[len(records)-1].Arrival.Add(time.Minute)}
		parent, whole := p.Shard(shardID), p.Shard(shardID)
		var want, got []string
		for _, rec := range records[:cut] {
			parent.Evaluate(rec)
			whole.Evaluate(rec)
		}
		for _, rec := range records[cut:] {
			want = append(want, allOf(t, whole.Evaluate(rec).Alerts)...)
		}
		want = append(want, allOf(t, whole.Tick(end))...)
		state := parent.State()
		for _, low := range []bool{true, false} {
			owns := func(partitionKey string) bool { return (partitionKey <= "key-1") == low }
			child := p.Shard(shardID)
			require.NoError(t, child.Inherit([][]byte{state}, alert.Heir{Owns: owns}))
			for _, rec := range records[cut:] {
				if owns(rec.PartitionKey) {
					got = append(got, allOf(t, child.Evaluate(rec).Alerts)...)
				}
			}
			got = append(got, allOf(t, child.Tick(end))...)
		}
		slices.Sort(want)
		slices.Sort(got)
		require.Equal(t, want, got)
	})
}
