package alert_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// One second of records dated 2100 was evaluated, and the state was stored. Once it is moved back, every rule alerts as
// if those records had not come.
func TestStateAheadIsBroughtBack(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	sequence := 0
	feed := func(e *alert.Evaluator, at time.Time, v int) (rules []string) {
		sequence++
		d := e.Evaluate(&alert.Record{
			Shard: "s", PartitionKey: "k", SequenceNumber: fmt.Sprint(sequence), Arrival: at,
			Data: fmt.Appendf(nil, `{"v": %d, "name": "n"}`, v),
		})
		for _, a := range d.Alerts {
			rules = append(rules, a.Rule)
		}
		for _, a := range e.Tick(alert.Tick{CaughtUp: at}) {
			rules = append(rules, a.Rule)
		}
		return rules
	}
	// run is the rules that alert in the third to tenth minute after what may have been a second of the year 2100.
	run := func(strange, back bool) []string {
		p := remembering(t, everyRule())
		e := p.Shard("s")
		for i := range 20 {
			feed(e, start.Add(time.Duration(i)*time.Second), i%11)
		}
		now := start.Add(20 * time.Second)
		for i := range 10 {
			at := now.Add(time.Duration(i) * 100 * time.Millisecond)
			if strange {
				at = at.AddDate(74, 0, 0)
			}
			feed(e, at, i)
		}
		state := e.State()
		e = p.Shard("s")
		require.NoError(t, e.Restore(state))
		now = now.Add(time.Second)
		if back {
			require.Equal(t, strange, e.BringBack(now) > 0)
			require.False(t, e.EventTime().After(now))
			require.Zero(t, e.BringBack(now), "once is enough")
		}
		var rules []string
		for i := range 600 {
			fired := feed(e, now.Add(time.Duration(i)*time.Second), i/15%2*(i%11))
			if i >= 120 {
				rules = append(rules, fired...)
			}
		}
		slices.Sort(rules)
		return slices.Compact(rules)
	}
	calm := run(false, true)
	require.Greater(t, len(calm), 12)
	require.Equal(t, calm, run(true, true))
	require.Less(t, len(run(true, false)), len(calm)/2, "or there would be nothing to bring back")
}
