package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"kinesis-alerter/alert/condition"
)

// drawCondition makes a condition of terms that the index can look up, and of some that it cannot.
func drawCondition(t *rapid.T) string {
	numbers := []string{
		"0", "-1", "1", "2.5", "9007199254740991", "9007199254740993", "1e19", "-1e19",
		"9007199254740992.0",
	}
	field := rapid.SampledFrom([]string{"a", "b", "o.p"})
	draw := func(list ...string) string { return rapid.SampledFrom(list).Draw(t, "of") }
	term := func() string {
		name := field.Draw(t, "field")
		switch rapid.IntRange(0, 8).Draw(t, "form") {
		case 0, 1:
			return name + draw(" > ", " >= ", " < ", " <= ", " == ", " != ") + draw(numbers...)
		case 2:
			return draw(numbers...) + draw(" > ", " <= ", " == ") + name
		case 3:
			return name + draw(" == ", " != ") + draw(`"x"`, `"y"`, "true", "false", "nil")
		case 4:
			return name + " in [" + draw(`"x"`, "1", "true", "1e19") + ", " + draw(`"y"`, "2.5", "9007199254740993") +
				"]"
		case 5:
			return "partition_key == " + draw(`"k0"`, `"k1"`)
		case 6:
			return "(" + name + " > 1 || " + field.Draw(t, "other") + ` == "x")`
		case 7:
			return "abs(" + name + ") > 1"
		}
		return "!(" + name + " == 1)"
	}
	var terms []string
	for range rapid.IntRange(1, 3).Draw(t, "terms") {
		terms = append(terms, term())
	}
	return strings.Join(terms, " && ")
}

func drawPayload(t *rapid.T) string {
	literals := []string{
		"0", "-0", "1", "-1", "2.5", "2", "9007199254740991", "9007199254740992", "9007199254740993",
		"9007199254740994", "1e19",
		"10000000000000000000", "10000000000000000001", "9999999999999999999", "-10000000000000000001", `"x"`, `"y"`,
		`"z"`, "true", "false", "null", "[1]", "{}",
	}
	var members []string
	for _, name := range []string{"a", "b", "o"} {
		if rapid.IntRange(0, 4).Draw(t, "missing") == 0 {
			continue
		}
		literal := rapid.SampledFrom(literals).Draw(t, name)
		if name == "o" && rapid.IntRange(0, 3).Draw(t, "nested") > 0 {
			literal = `{"p":` + literal + `}`
		}
		members = append(members, fmt.Sprintf("%q:%s", name, literal))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// TestIndexFindsWhatTryingEachRuleFinds: the index changes no match and no count of what was undefined, whatever the
// rules remember.
func TestIndexFindsWhatTryingEachRuleFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		config := Config{Topics: map[string]TopicConfig{"a": {}}}
		for i := range rapid.IntRange(1, 8).Draw(t, "rules") {
			r := RuleConfig{Name: fmt.Sprint("r", i), When: drawCondition(t)}
			switch rapid.IntRange(0, 3).Draw(t, "memory") {
			case 0:
				r.For = Stretch{Records: 2}
			case 1:
				r.Resolve = Stretch{Time: 3 * time.Second}
			}
			config.Rules = append(config.Rules, r)
		}
		registry := prometheus.NewRegistry()
		p, err := NewOf(config, Deps{Stream: "arn", Log: zap.NewNop(), Registerer: registry})
		if err != nil {
			t.Skip(err) // two constants that have no type in common
		}
		set := p.current.Load()
		matched, undefined := make([]int, len(set.rules)), make([][condition.VerdictCount]int, len(set.rules))
		indexed, plain := p.Shard("s"), p.Shard("s")
		for i := range rapid.IntRange(1, 12).Draw(t, "records") {
			rec := &Record{
				Shard: "s", SequenceNumber: fmt.Sprint(i),
				PartitionKey: fmt.Sprint("k", rapid.IntRange(0, 1).Draw(t, "key")),
				Arrival:      time.Unix(1_700_000_000+int64(i), 0), Data: []byte(drawPayload(t)),
			}
			require.NotEqual(t, Invalid, indexed.Evaluate(rec).Outcome)
			require.Empty(t, plain.in.readQuietly(rec))
			for j, r := range set.rules {
				switch v := r.formula.When.Eval(&plain.in.frame); {
				case v == condition.Yes:
					matched[j]++
				case v.Undefined():
					undefined[j][v]++
				}
			}
			for _, slot := range plain.in.decoder.Touched {
				plain.in.frame.Slots[slot] = condition.Value{}
			}
		}
		var want strings.Builder
		want.WriteString(
			"# HELP kinesis_alerter_rule_matches_total Records that a rule matched, whether or not an alert was sent.\n" +
				"# TYPE kinesis_alerter_rule_matches_total counter\n")
		for j, r := range set.rules {
			fmt.Fprintf(&want, "kinesis_alerter_rule_matches_total{rule=%q} %d\n", r.name, matched[j])
		}
		want.WriteString(
			"# HELP kinesis_alerter_rule_undefined_total Records that a rule did not match because a term was " +
				"undefined, by the first cause.\n" +
				"# TYPE kinesis_alerter_rule_undefined_total counter\n")
		for j, r := range set.rules {
			for v := condition.UndefinedMissing; v < condition.VerdictCount; v++ {
				fmt.Fprintf(&want, "kinesis_alerter_rule_undefined_total{reason=%q,rule=%q} %d\n", v.Cause(), r.name,
					undefined[j][v])
			}
		}
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(want.String()),
			"kinesis_alerter_rule_matches_total", "kinesis_alerter_rule_undefined_total"))
	})
}

// TestIndexOfManyRules: each rule is found by exactly the records that it is about, in the order of the rules.
func TestIndexOfManyRules(t *testing.T) {
	t.Parallel()
	config := Config{Topics: map[string]TopicConfig{"a": {}}}
	for i := range 300 {
		when := []string{`n >= %d`, `n < %d`, `s == "s%d"`, `n == %d`}[i%4]
		config.Rules = append(config.Rules, RuleConfig{Name: fmt.Sprint("r", i), When: fmt.Sprintf(when, i)})
	}
	p, err := NewOf(config, Deps{Stream: "arn", Log: zap.NewNop(), Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	e := p.Shard("s")
	for n := range 300 {
		var want, got []string
		for i, r := range config.Rules {
			if [4]bool{n >= i, n < i, n == i, n == i}[i%4] {
				want = append(want, r.Name)
			}
		}
		d := e.Evaluate(&Record{Shard: "s", SequenceNumber: "1", Data: fmt.Appendf(nil, `{"n":%d,"s":"s%d"}`, n, n)})
		for _, a := range d.Alerts {
			got = append(got, a.Rule)
		}
		require.Equal(t, want, got)
	}
}
