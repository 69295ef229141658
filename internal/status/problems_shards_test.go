package status

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/consumer"
)

// Reads that are throttled now and then are a problem once they make a lag, although each second call succeeds.
func TestStatusOfThrottledReads(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	reading := Reading{Phase: "reading", LastFetch: &at, Throttled: Moment(at.Add(-3 * time.Second)), Lag: 12}
	s := oneShard(at, &reading)
	found := Problems(&s, false)
	require.Len(t, found, 1)
	require.Equal(t, "reads_throttled", found[0].Code)
	require.Equal(t, LevelWarning, found[0].Level)
	require.Contains(t, found[0].Remedy, "who else reads")
	reading.Lag = 1
	require.Empty(t, Problems(&s, false), "without a lag")
	reading.Lag, reading.Throttled = 12, Moment(at.Add(-time.Minute))
	require.Empty(t, Problems(&s, false), "long ago")
}

// An evaluation that does not end is named before the lag is.
func TestStatusOfAnEvaluationThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	reading := Reading{
		Phase: "reading", LastFetch: Moment(at.Add(-11 * time.Second)), Lag: 11,
		Evaluating: Moment(at.Add(-11 * time.Second)),
	}
	s := oneShard(at, &reading)
	require.Equal(t, "evaluation_stuck", firstProblem(t, &s).Code)
	require.Equal(t, LevelWarning, firstProblem(t, &s).Level)
	reading.Evaluating = Moment(at.Add(-5 * time.Second))
	require.Empty(t, Problems(&s, false))
	reading.Evaluating, reading.Phase = Moment(at.Add(-5*time.Minute)), "ending"
	require.Equal(t, LevelCritical, firstProblem(t, &s).Level)
}

// A lag that grows and that nothing explains is a problem before it is a minute old; one that comes and goes is none.
func TestLagThatGrows(t *testing.T) {
	t.Parallel()
	var h LagHistory
	note := func(lag time.Duration) bool {
		h.Note([]consumer.ShardStatus{{Shard: "a", Lag: lag}})
		return h.Grow("a", lag)
	}
	for i := range 20 { // a read every twenty seconds, or alerts in digests
		require.False(t, note(time.Duration(i%4)*5*time.Second), i)
	}
	h = LagHistory{}
	for i := range 20 { // late, and no later than before
		require.False(t, note(20*time.Second+time.Duration(i%2)*time.Second), i)
	}
	h = LagHistory{}
	for range lagSamples {
		require.False(t, note(0))
	}
	grows := 0
	for i := range 12 {
		if note(time.Duration(i) * 5 * time.Second) {
			grows = max(grows, 12-i)
		}
	}
	require.GreaterOrEqual(t, grows, 5, "from 35 seconds on")
	require.False(t, h.Grow("b", time.Hour), "not known for long enough")
	h.Note(nil)
	require.Empty(t, h.lags, "a shard that is not read here is forgotten")

	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	reading := Reading{Phase: "reading", LastFetch: &at, Lag: 31, LagGrows: true, Unresolved: 3}
	s := oneShard(at, &reading)
	require.Equal(t, Problem{
		Level: LevelWarning, Code: "lag_growing", Subject: "lag", Text: "the lag of 1 shard grows, 31 s on a",
		Remedy: firstProblem(t, &s).Remedy,
	}, firstProblem(t, &s))
	s.Topics = []Topic{{Name: "t", Gathered: 3, Digesting: true}}
	require.Equal(t, "topic_digesting", firstProblem(t, &s).Code, "that is what the rate asks for")
	require.False(t, slices.ContainsFunc(Problems(&s, false), func(p Problem) bool { return p.Code == "lag_growing" }))
	s.Topics = nil
	reading.Lag = 14
	require.Empty(t, Problems(&s, false))
	reading.Lag, reading.LagGrows = 31, false
	require.Empty(t, Problems(&s, false))
}

// firstProblem is the most severe problem of a snapshot.
func firstProblem(t *testing.T, s *Status) Problem {
	t.Helper()
	found := Problems(s, false)
	require.NotEmpty(t, found)
	return found[0]
}

// oneShard is the snapshot of a process that reads one shard.
func oneShard(at time.Time, r *Reading) Status {
	return Status{
		At:      at,
		Process: Process{State: "running"},
		Fleet:   Fleet{Shards: []Shard{{ID: "a", State: "held", Reading: r}}},
	}
}

// An output whose condition names a field that no record has is a problem, as a rule is.
func TestStatusOfAnOutputThatLooksAtNothing(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	s := oneShard(at, &Reading{Phase: "reading", LastFetch: &at})
	s.Outputs = []Output{{Name: "scored", Fields: []RuleField{{Field: "Id", Similar: "id", Records: 60}}}}
	found := firstProblem(t, &s)
	require.Equal(t, "rule_field_missing", found.Code)
	require.Equal(t, "output scored looks at Id, which none of the last 60 records has: they have id", found.Text)
	s.Outputs[0].Fields[0].Similar = ""
	require.Empty(t, Problems(&s, false), "it may be rare")
}

// Shards that nobody may read are no takeover that takes long: the page says which limit it is, as soon as it is so.
func TestShardsOverTheLimit(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	of := func(waited time.Duration, workers ...FleetWorker) *Status {
		st := oneShard(at, &Reading{Phase: "reading"})
		st.Worker.LeaseSeconds = 10
		st.Shards = append(st.Shards, Shard{ID: "b", State: "unread", UnreadSince: Moment(at.Add(-waited))})
		st.Workers = workers
		return &st
	}
	worker := func(id string, has, most int) FleetWorker {
		return FleetWorker{ID: id, Self: id == "me", State: workerLive, Shards: has, MaxShards: most}
	}
	full := []FleetWorker{worker("me", 1, 1), worker("other", 2, 2), {ID: "gone", State: workerFenced}}
	p := firstProblem(t, of(time.Second, full...))
	require.Equal(t, []any{"shards_over_limit", LevelInfo}, []any{p.Code, p.Level})
	require.Equal(t, "1 shard has no reader; leases.max_shards lets 2 live workers read 3 shards", p.Text)
	p = firstProblem(t, of(21*time.Second, full...))
	require.Equal(t, []any{"shards_over_limit", LevelCritical}, []any{p.Code, p.Level})
	require.Contains(t, p.Text, "1 shard has no reader for 21 s: b; leases.max_shards lets")

	full[1].MaxShards = 3
	p = firstProblem(t, of(21*time.Second, full...))
	require.Equal(t, "shards_unread", p.Code, "the other worker has room, and does not take it")
	require.Contains(t, p.Text, "; this worker may not read more than 1 (leases.max_shards)")
	full[1].MaxShards = 0
	require.Equal(t, "shards_unread", firstProblem(t, of(21*time.Second, full...)).Code, "one without a limit")
}
