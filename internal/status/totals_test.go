package status

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at() time.Time { return time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC) }

// Totals are of the workers that live and of the shards that have an owner; an older version, which says nothing, is
// counted as one that says nothing.
func TestTotals(t *testing.T) {
	t.Parallel()
	f := Fleet{
		Shards: []Shard{
			{ID: "0", State: "ended", Owner: "a", BytesPerSecond: 9},
			{ID: "1", State: "held", Owner: "a", BytesPerSecond: 10, Reading: &Reading{Lag: 0.4}},
			{ID: "2", State: "foreign", Owner: "b", BytesPerSecond: 20},
			{ID: "3", State: "foreign", Owner: "old", BytesPerSecond: 30},
			{ID: "4", State: "unread", Owner: "dead"},
			{ID: "5", State: "paused"},
			{ID: "6", State: "blocked"},
		},
		Workers: []FleetWorker{
			{
				ID: "a", Self: true, State: "live", Version: "2", Configuration: "x", Records: new(5.0),
				Alerts: new(1.0),
				Lag:    new(0.1),
			},
			{
				ID: "b", State: "leaving", Version: "2", Configuration: "y", Records: new(7.0), Alerts: new(0.5),
				Lag: new(3.0),
			},
			{ID: "old", State: "live"},
			{
				ID: "dead", State: "fenced", Version: "1", Configuration: "z", Records: new(100.0), Alerts: new(100.0),
				Lag: new(100.0),
			},
		},
	}
	require.Equal(t, FleetTotals{
		Workers: 2, Readers: 3, Open: 6, Read: 3, Bytes: 60, Records: 12, Alerts: 1.5, Lag: 3, Unsaid: 1,
		Versions: map[string]int{"2": 2, "unknown": 1}, Configurations: 2,
	}, TotalsOf(&Status{Fleet: f}))
	require.Equal(t, FleetTotals{Versions: map[string]int{}}, TotalsOf(&Status{}))
}

// TestSilentOwnersReadNothing: from its first missed heartbeat on, nobody knows whether a worker reads its shards. A
// lease can last five minutes, and all that time the page would say that they are read.
func TestSilentOwnersReadNothing(t *testing.T) {
	t.Parallel()
	var st Status
	st.At, st.State = at(), "running"
	st.Worker.LeaseSeconds, st.Worker.TrustedUntil = 60, new(at().Add(time.Minute))
	st.Shards = []Shard{{ID: "0", State: "foreign", Owner: "b", BytesPerSecond: 20}}
	st.Workers = []FleetWorker{
		{ID: "a", Self: true, State: "live", Records: new(0.0), Alerts: new(0.0), Lag: new(0.0)},
		{ID: "b", State: "live", Shards: 1, Silent: 29, Records: new(7.0), Alerts: new(0.5), Lag: new(0.0)},
	}
	judge := func() (FleetTotals, Level, string) {
		st.Totals = TotalsOf(&st)
		st.Problems = Problems(&st, false)
		level, summary := Summary(&st)
		return st.Totals, level, summary
	}
	totals, level, summary := judge()
	require.Equal(t, 1, totals.Read)
	require.Equal(t, LevelOK, level, summary)

	st.Workers[1].Silent = 31
	totals, level, summary = judge()
	require.Zero(t, totals.Read)
	require.Equal(t, []int{1, 1}, []int{totals.Silent, totals.Unsaid})
	require.InDelta(t, 0, totals.Records+totals.Alerts, 0)
	require.Equal(t, LevelInfo, level)
	require.Contains(t, summary, "Worker b has been silent for 31 s, it holds 1 shard")
	require.Contains(t, newCoverage(&st).Sentence, "0 of 1 shard read by 0 workers, 1 of a silent worker")

	// Of many workers, most are seen by a scan every ten seconds.
	st.Workers = append(st.Workers, FleetWorker{ID: "c", State: "live"}, FleetWorker{ID: "d", State: "live"})
	_, level, _ = judge()
	require.Equal(t, LevelOK, level)
}

// A rule that cannot fire, or never did, looks different from one that does, and says why; the kinds of its alerts add
// up.
func TestStanding(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule  Rule
		doubt string
		state string
		says  string
	}{
		"fires":          {rule: Rule{Judged: 9, Matched: 3, Published: 3}, state: "fires"},
		"a wrong limit":  {doubt: "a > 5 and a < 5 cannot be", state: "cannot", says: "a > 5"},
		"another field":  {rule: Rule{Judged: 99, Fields: []RuleField{{Field: "hsot"}}}, state: "cannot", says: "hsot"},
		"a field left":   {rule: Rule{Matched: 2, Published: 2, Fields: []RuleField{{Field: "x"}}}, state: "stopped"},
		"all undefined":  {rule: Rule{Judged: 40, Undefined: 40}, state: "cannot", says: "every one of 40 records"},
		"few undefined":  {rule: Rule{Judged: 4, Undefined: 4}, state: "unmatched", says: "100 %"},
		"most undefined": {rule: Rule{Judged: 3769, Undefined: 3717}, state: "unmatched", says: "98 % of them"},
		"nothing came":   {state: "unjudged"},
		"no match":       {rule: Rule{Judged: 40}, state: "unmatched", says: "none of 40 records matched"},
		"a window": {
			rule: Rule{Judged: 99, Matched: 52, Needs: "the avg of 5m"}, state: "matches", says: "the avg of 5m",
		},
		"absence": {
			rule: Rule{Judged: 99, Matched: 99, Absence: true, Needs: "no such record for 5m"}, state: "watches",
		},
		"silenced": {
			rule: Rule{Judged: 9, Matched: 3, Suppressed: map[string]uint64{"silenced": 3}}, state: "suppressed",
			says: "silenced 3",
		},
		"its topic is held": {rule: Rule{Judged: 9, Matched: 3}, state: "waits"},
	} {
		got := StandingOf(&c.rule, c.doubt)
		require.Equal(t, c.state, got.State, name)
		require.Contains(t, got.Why, c.says, name)
		c.rule.Standing = got
		row := newRuleView(&c.rule)
		require.NotEmpty(t, row.State, name)
		require.Equal(t, c.state == "fires", len(row.Notes) == 0, name)
		require.Equal(t, c.state == "cannot" || c.state == "stopped" || c.state == "waits", row.Class == "warn", name)
	}
}

// A curve fills its card from the first two samples on, and a time without a figure is a gap.
func TestCurves(t *testing.T) {
	t.Parallel()
	st := calm(at())
	v := NewView(&st)
	require.Empty(t, v.Records.Line)
	require.Equal(t, "–", v.Records.Now)
	st.History = History{
		Interval: 5, Records: []float64{10, 20}, Alerts: []float64{0, 0}, Lag: []*float64{nil, new(2.0)},
	}
	v = NewView(&st)
	require.True(t, strings.HasPrefix(v.Records.Line, "M0.0 "))
	require.Contains(t, v.Records.Line, "L180.0 ")
	require.Equal(t, "10 s", v.Records.Since)
	require.Equal(t, "20", v.Records.Peak)
	require.Equal(t, "M180.0 3.0h0.1", v.Lag.Line)
	require.Empty(t, v.Records.Own, "with one worker there is one line")
	st.Workers = []FleetWorker{{ID: "a", Self: true, State: "live"}, {ID: "b", State: "live"}}
	st.History.Fleet = FleetHistory{Records: []float64{30, 50}, Alerts: []float64{0, 0}, Lag: st.History.Lag}
	st.Totals = FleetTotals{Workers: 2, Records: 50, Unsaid: 1}
	v = NewView(&st)
	require.Equal(t, []string{"≥ 50", "20"}, []string{v.Records.Now, v.Records.Here})
	require.NotEmpty(t, v.Records.Own)
}

// The command to copy is one that a shell takes as it is meant.
func TestExplainCommand(t *testing.T) {
	t.Parallel()
	a := &Alert{Shard: "shardId-000000000004", Sequence: "4966"}
	require.Equal(t, "kinesis-alerter explain --config /etc/a.yaml --shard shardId-000000000004 --sequence 4966",
		ExplainCommand("/etc/a.yaml", a, 0))
	require.Equal(t, `kinesis-alerter explain --config '/etc/it'\''s mine; rm -rf.yaml' --shard shardId-000000000004 `+
		"--sequence 4966 --sub 2", ExplainCommand("/etc/it's mine; rm -rf.yaml", a, 2))
	require.Contains(t, ExplainCommand("", a, 0), "--config FILE ")
}

// A runbook is a link where it leads somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	for text, leads := range map[string]bool{
		"https://wiki.example.com/hot": true, "https://wiki.example.com/{{.Key}}": false, "": false,
		"https://${HOST}/hot": false, "https://[redacted]@example.com/": false, "javascript:alert(1)": false,
	} {
		require.Equal(t, leads, newLink(text).URL != "", text)
	}
}
