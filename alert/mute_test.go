package alert_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// TestOnlyAlertsSpendTokens: only alerts that are made take a token of the rate limit: not a key that something else
// suppresses, a computed recheck, or an explanation.
func TestOnlyAlertsSpendTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules: []alert.RuleConfig{{
			Name: "r", When: "v > 0", Topics: []string{"oncall"}, Resolve: alert.Stretch{Time: time.Hour},
			RateLimit: alert.Rate{Events: 2, Per: 24 * time.Hour},
		}},
		Silences: []alert.SilenceConfig{{
			Name: "deploy", When: `partition_key == "muted"`,
			Until: noon().Add(24 * time.Hour).Format(time.RFC3339),
		}},
	})
	n := 0
	at := func(key string) *alert.Record {
		n++
		return &alert.Record{
			Shard: shardID, PartitionKey: key, SequenceNumber: fmt.Sprint(n),
			Arrival: noon().Add(time.Duration(n) * time.Minute), Data: []byte(`{"v":1}`),
		}
	}
	for range 10 {
		require.Equal(t, alert.ReasonSilenced, w.evaluator.Evaluate(at("muted")).Reason)
		require.Equal(t, alert.Alerted, w.pipeline.Explain(at("other")).Outcome)
	}
	require.Equal(t, alert.Alerted, w.evaluator.Evaluate(at("first")).Outcome)
	require.Equal(t, alert.Alerted, w.evaluator.Evaluate(at("second")).Outcome)
	require.Equal(t, alert.ReasonRateLimit, w.evaluator.Evaluate(at("third")).Reason)
}

// TestMutersAreAskedInOrder: of several muters, the reason is the first one in the order of [alert.Suppressions].
func TestMutersAreAskedInOrder(t *testing.T) {
	t.Parallel()
	oncall := []string{"oncall"}
	w := newWorld(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules: []alert.RuleConfig{
			{Name: "first", When: "v > 0", Topics: oncall},
			{
				Name: "r", When: "v > 0", Topics: oncall, InhibitedBy: []string{"first"},
				RateLimit: alert.Rate{Events: 1, Per: time.Hour},
				Quiet:     []alert.QuietConfig{{From: "00:00", To: "23:59"}},
			},
		},
		Silences: []alert.SilenceConfig{{
			Name: "deploy", Rules: []string{"r"},
			Until: noon().Add(24 * time.Hour).Format(time.RFC3339),
		}},
	})
	rec := record("1", `{"v":1}`)
	rec.Arrival = noon()
	x := w.pipeline.Explain(rec).Rules[1]
	require.Equal(t, alert.ReasonInhibited, x.Reason)
	require.Equal(t, []string{
		"rule first matches the same record and inhibits this one", "silence deploy, until 2026-11-23T12:00:00Z",
		"quiet hours 00:00 to 23:59 UTC",
	}, x.Mutes)
	require.Equal(t, []alert.Reason{
		alert.ReasonDedup, alert.ReasonFiring, alert.ReasonInhibited, alert.ReasonSilenced, alert.ReasonQuietHours,
		alert.ReasonRateLimit, alert.ReasonOverdue,
	}, alert.Suppressions())
}
