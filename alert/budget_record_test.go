package alert_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/budget"
)

// mostOfABudget is how long a text must be for the pattern below to take most of a rule's budget.
const mostOfABudget = 16_000

// However many rules there are, and whatever they compute, one record costs no more than a few rule budgets. Rules are
// evaluated in the order of the file. Those that come too late are named, those that cost nothing are evaluated, and
// the next record has its full budget again.
func TestRecordHasABudget(t *testing.T) {
	when := `!(s matches "^x(a?){1000}(b?){1000}c")`
	r := func(i int, c alert.RuleConfig) alert.RuleConfig {
		c.Name, c.Topics = fmt.Sprint("r", i), []string{"oncall"}
		return c
	}
	w := newWorld(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules: []alert.RuleConfig{
			r(0, alert.RuleConfig{When: when}), r(1, alert.RuleConfig{When: when}), r(2, alert.RuleConfig{When: when}),
			r(3, alert.RuleConfig{When: when}),
			r(4, alert.RuleConfig{When: when}), r(5, alert.RuleConfig{When: when}), r(6, alert.RuleConfig{When: when}),
			r(7, alert.RuleConfig{When: when}),
			r(8, alert.RuleConfig{When: "v > 0"}), r(9, alert.RuleConfig{When: `v > 1 && ` + when}),
		},
	})
	made := func(payload string) (rules []string) {
		for _, a := range w.evaluator.Evaluate(record("1", payload)).Alerts {
			rules = append(rules, a.Rule)
		}
		return rules
	}
	small, large := `{"v":1,"s":`+textOf(100)+`}`, `{"v":1,"s":`+textOf(mostOfABudget)+`}`
	require.Equal(t, []string{"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"}, made(small))
	first := made(large)
	require.Equal(t, "r8", first[len(first)-1], "what costs nothing is judged")
	require.Less(t, len(first)-1, 8)
	require.GreaterOrEqual(t, len(first)-1, 5, "each is within the budget of a rule")
	over := w.pipeline.OverBudget()
	require.Len(t, over, 8-(len(first)-1))
	require.Contains(t, over, "r7")
	require.NotContains(t, over, "r9", "it did not come to what it cannot pay")
	require.Equal(t, first, made(large), "the same again")
	require.Equal(t, []string{"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"}, made(small),
		"the next record has its own")

	x := w.pipeline.Explain(record("2", large))
	for i, one := range x.Rules {
		require.Equal(t, over[one.Rule] > 0, one.OverBudget != "", "explain agrees about rule %d", i)
	}
	require.Equal(t, budget.Remedy(budget.Record), x.Rules[7].OverBudget)
}

// Looking up the keys of rules with memory, and the conditions of silences, counts against the record's budget, too.
func TestRecordHasABudgetForWhatIsRemembered(t *testing.T) {
	const key = `s matches "^x(a?){1000}(b?){1000}c" ? "a" : "b"`
	config := alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}}
	for i := range 12 {
		config.Rules = append(config.Rules, alert.RuleConfig{
			Name: fmt.Sprint("r", i), When: "v > 0", Key: key, Resolve: alert.Stretch{Records: 1},
			Topics: []string{"oncall"},
		})
	}
	w := newWorld(t, config)
	require.Len(t, w.evaluator.Evaluate(record("1", `{"v":1,"s":"b"}`)).Alerts, 12)
	ended := w.evaluator.Evaluate(record("2", `{"v":0,"s":`+textOf(mostOfABudget)+`}`)).Alerts
	require.NotEmpty(t, ended, "some look their keys up")
	require.Less(t, len(ended), 8, "and not all of them")
	require.Len(t, w.evaluator.Evaluate(record("3", `{"v":0,"s":"b"}`)).Alerts, 12-len(ended), "the others remember")
}

// A silence whose condition costs too much silences nothing, and is named.
func TestSilenceOverBudgetIsNamed(t *testing.T) {
	t.Parallel()
	config := oneRule(alert.RuleConfig{Name: "r", When: "v > 0"})
	config.Silences = []alert.SilenceConfig{
		{Name: "costly", When: costly, Until: "2099-01-01T00:00:00Z"},
		{Name: "of-the-same", When: costly, Until: "2099-01-01T00:00:00Z"},
		{Name: "cheap", When: "v > 5", Until: "2099-01-01T00:00:00Z"},
	}
	w := newWorld(t, config)
	over := func() map[string]uint64 {
		all := w.pipeline.SilencesOverBudget()
		maps.DeleteFunc(all, func(_ string, n uint64) bool { return n == 0 })
		return all
	}
	require.Empty(t, over())
	require.Len(t, w.evaluator.Evaluate(record("1", `{"v":1,"s":`+textOf(100_000)+`}`)).Alerts, 1)
	require.Len(t, w.evaluator.Evaluate(record("2", `{"v":1,"s":"a"}`)).Alerts, 1)
	require.Equal(t, map[string]uint64{"costly": 1, "of-the-same": 1}, over())

	config.Silences = config.Silences[1:]
	require.NoError(t, w.pipeline.UpdateTo(config))
	require.Equal(t, map[string]uint64{"of-the-same": 1}, over(), "the others count on")
}
