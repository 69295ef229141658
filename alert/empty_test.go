package alert_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// TestNothingIsFiltered: a Kinesis record that holds nothing is no broken record, a tombstone of Debezium for example;
// in an aggregate, where somebody put it among others, it is.
func TestNothingIsFiltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{Name: "r", When: "n > 1", Topics: []string{"oncall"}}))
	for _, data := range []string{"", " \r\n"} {
		rec := record("1", data)
		require.Equal(t, alert.Decision{Outcome: alert.Filtered, Reason: alert.ReasonEmpty}, w.evaluator.Evaluate(rec))
		explained := w.pipeline.Explain(rec)
		require.Equal(t, alert.Filtered, explained.Outcome)
		require.Equal(t, alert.ReasonEmpty, explained.Reason)
		rec.Inner = true
		require.Equal(t, alert.Invalid, w.evaluator.Evaluate(rec).Outcome)
	}
}
