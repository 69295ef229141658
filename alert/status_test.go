package alert_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// Status counts what the metrics count, and keeps counting across a reload.
func TestStatus(t *testing.T) {
	t.Parallel()
	config := oneRule(alert.RuleConfig{
		Name: "hot", When: "t > 10 and u > 0", Dedup: time.Minute, Severity: "critical",
		Topics: []string{"oncall"},
	})
	config.Rules = append(config.Rules, alert.RuleConfig{
		Name: "tried", When: "t > 0", Mode: alert.ModeShadow,
		Topics: []string{"oncall"},
	})
	w := newWorld(t, config)
	evaluate := func(payloads ...string) {
		for i, payload := range payloads {
			d := w.evaluator.Evaluate(record(string(rune('1'+i)), payload))
			w.pipeline.Resolved(d)
		}
	}
	evaluate(`{"t":11,"u":1}`, `{"t":12,"u":1}`, `{"t":12}`, `{"t":-1}`, `nonsense`)
	got := w.pipeline.Status()
	require.Equal(t, map[alert.Outcome]uint64{
		alert.Unmatched: 2, alert.Filtered: 0, alert.Suppressed: 1, alert.Expired: 0, alert.OverBudget: 0,
		alert.Invalid: 1, alert.DeadLettered: 0, alert.Alerted: 1,
	}, got.Records)
	require.Len(t, got.Rules, 2)
	hot, tried := got.Rules[0], got.Rules[1]
	require.Equal(t, "critical", hot.Severity)
	require.Equal(t, []string{"oncall"}, hot.Topics)
	require.Equal(t, []uint64{2, 1, 1}, []uint64{hot.Matched, hot.Undefined, hot.Suppressed[alert.ReasonDedup]})
	require.Len(t, hot.Suppressed, 7)
	require.True(t, tried.Shadow)
	require.Equal(t, alert.Shadowed{Firing: 3}, tried.Shadowed)
	require.Equal(t, []uint64{3, 4}, []uint64{tried.Matched, tried.Judged})

	config.Rules[0].Dedup = 2 * time.Minute
	config.Rules = config.Rules[:1]
	require.NoError(t, w.pipeline.UpdateTo(config))
	evaluate(`{"t":11,"u":1}`)
	got = w.pipeline.Status()
	require.Len(t, got.Rules, 1)
	require.Equal(t, uint64(3), got.Rules[0].Matched)
	require.Equal(t, uint64(1), got.Rules[0].Undefined)
}
