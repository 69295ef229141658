package alert_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// cramped is a configuration in which a shard remembers so many keys.
func cramped(keys int, rules ...alert.RuleConfig) alert.Config {
	return alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}}, State: alert.StateConfig{MaxKeys: keys},
		Rules: rules,
	}
}

// busy is a rule whose keys are quiet until a third record comes within a minute.
func busy(name, when string) alert.RuleConfig {
	return alert.RuleConfig{
		Name: name, When: when, Window: alert.WindowConfig{Length: time.Minute, Is: "> 2"},
		Resolve: alert.Stretch{Records: 1},
	}
}

func (s *story) evicted(metric, rule string) int {
	s.t.Helper()
	families, err := s.registry.Gather()
	require.NoError(s.t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "kinesis_alerter_state_"+metric && m.GetLabel()[0].GetValue() == rule {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}

// fires lets a key of a busy rule fire.
func (s *story) fires(seconds float64, key, payload string) {
	s.t.Helper()
	for range 3 {
		s.at(seconds, key, payload)
	}
}

func TestQuietKeysGoFirst(t *testing.T) {
	t.Parallel()
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprint("restarts ", restarts), func(t *testing.T) {
			t.Parallel()
			s := tell(t, cramped(3, busy("r", "v > 0")))
			restart := func() {
				if restarts {
					state := s.evaluator.State()
					require.NoError(t, s.evaluator.Restore(state))
					require.Equal(t, state, s.evaluator.State())
				}
			}
			s.fires(0, "a", `{"v":1}`)
			s.said("firing r a at 0s")
			for i := range 20 {
				s.v(1+float64(i)/10, fmt.Sprint("quiet-", i), 1)
				restart()
			}
			s.said()
			s.fires(4, "quiet-18", `{"v":1}`) // one of the last two is remembered
			s.said("firing r quiet-18 at 4s")
			s.tick(70)
			s.said("resolved r a at 1m", "resolved r quiet-18 at 1m (1 suppressed)")
			require.Equal(t, 18, s.evicted("evictions_total", "r"))
			require.Zero(t, s.evicted("active_evictions_total", "r"))
		})
	}
}

// TestQuietKeyDoesNotPushOutWhatFires: if all other keys fire, the quiet one is not remembered.
func TestQuietKeyDoesNotPushOutWhatFires(t *testing.T) {
	t.Parallel()
	s := tell(t, cramped(2, busy("r", "v > 0")))
	s.fires(0, "a", `{"v":1}`)
	s.fires(1, "b", `{"v":1}`)
	s.said("firing r a at 0s", "firing r b at 1s")
	s.fires(2, "c", `{"v":1}`)
	s.said()
	require.Equal(t, 3, s.evicted("evictions_total", "r"))
}

// TestWhatFiresIsPushedOutAloud: if a firing key must be evicted, an alert says that it is no longer watched.
func TestWhatFiresIsPushedOutAloud(t *testing.T) {
	t.Parallel()
	s := tell(t, cramped(2, alert.RuleConfig{
		Name: "r", When: "v > 10", Resolve: alert.Stretch{Time: time.Hour},
		Severity: `v > 100 ? "critical" : "info"`, Message: "{{.Key}} is {{.Severity}}",
	}))
	s.v(0, "a", 101)
	s.v(0, "b", 11)
	s.said("firing r a at 0s", "firing r b at 0s")
	d := s.v(1, "c", 11)
	s.said("firing r c at 1s", "resolved r a at 1s")
	require.Equal(t, alert.Alerted, d.Outcome)
	end := d.Alerts[1]
	require.Equal(t, "a", end.Record.PartitionKey, "behind the alert that it ends")
	require.Equal(t, "critical", end.Severity, "as severe as its alert")
	m, err := end.Render()
	require.NoError(t, err)
	require.Equal(t, "[NO LONGER WATCHED] Anomaly detected", m.Subject)
	require.Equal(t, "[NO LONGER WATCHED] a is critical\n\n(it may still hold: the shard has more keys than it can "+
		"remember, so this one is no longer watched)", m.Body)
	require.Equal(t, 1, s.evicted("active_evictions_total", "r"))

	s.v(2, "a", 11)
	s.v(2, "b", 11) // the same millisecond
	s.v(2, "a", 11)
	s.said("firing r a at 2s", "resolved r b at 2s", "firing r b at 2s", "resolved r c at 2s")
	ids := map[string]bool{end.ID: true}
	for range 50 { // of a key that comes back and goes again, each end is another one
		for _, key := range []string{"x", "y", "z"} {
			for _, a := range s.v(3, key, 11).Alerts {
				require.False(t, ids[a.ID], "twice")
				ids[a.ID] = true
			}
		}
	}
}

// TestOnlyAnEndIsNoAlertOfTheRecord: evicting another key does not change the outcome of a record.
func TestOnlyAnEndIsNoAlertOfTheRecord(t *testing.T) {
	t.Parallel()
	s := tell(t, cramped(2,
		alert.RuleConfig{Name: "fires", When: "v > 10", Resolve: alert.Stretch{Records: 2}}, // keeps no last record
		alert.RuleConfig{Name: "counts", When: "v < 0", Window: alert.WindowConfig{Length: time.Minute, Is: "> 2"}},
	))
	s.v(0, "a", 11)
	s.v(0, "b", 11)
	s.lines = nil
	d := s.v(1, "c", -1)
	s.said("resolved fires a at 1s")
	require.Equal(t, alert.Unmatched, d.Outcome)
	require.Equal(t, "a", d.Alerts[0].Key)
}

// TestRulesHaveTheirShare: however much one rule has to remember, another one that stays within its share loses no key.
func TestRulesHaveTheirShare(t *testing.T) {
	t.Parallel()
	many := alert.RuleConfig{Name: "many", When: "v < 0", Key: "k", Dedup: time.Hour}
	t.Run("of keys", func(t *testing.T) {
		t.Parallel()
		s := tell(t, cramped(10,
			alert.RuleConfig{Name: "few", When: "v > 10", Dedup: time.Hour}, many,
			alert.RuleConfig{Name: "full", When: "v == 5", Dedup: time.Hour},
		))
		for i := range 3 {
			s.v(float64(i), fmt.Sprint("few-", i), 11)
			s.v(float64(i), fmt.Sprint("full-", i), 5)
		}
		for i := range 200 {
			s.at(10, "p", fmt.Sprintf(`{"v":-1,"k":%d}`, i))
		}
		require.Equal(t, 196, s.evicted("evictions_total", "many"))
		s.lines = nil
		for i := range 3 {
			s.v(20, fmt.Sprint("few-", i), 11)
			s.v(20, fmt.Sprint("full-", i), 5)
		}
		s.said()
		for i := range 2 { // of two that have as much, who wants more gives way
			s.v(30, fmt.Sprint("more-", i), 11)
		}
		require.Equal(t, 196, s.evicted("evictions_total", "many"))
		require.Equal(t, 2, s.evicted("evictions_total", "few"))
		require.Zero(t, s.evicted("evictions_total", "full"))
	})
	t.Run("of bytes", func(t *testing.T) {
		t.Parallel()
		s := tell(t, cramped(1_000_000, many, alert.RuleConfig{Name: "few", When: "v > 10", Dedup: time.Hour}))
		for i := range 1000 {
			s.v(0, fmt.Sprint("few-", i), 11)
		}
		for i := range 30_000 {
			s.evaluator.Evaluate(record(fmt.Sprint(i),
				fmt.Sprintf(`{"v":-1,"k":"%d%s"}`, i, strings.Repeat("x", 1000))))
		}
		require.Positive(t, s.evicted("evictions_total", "many"))
		require.Zero(t, s.evicted("evictions_total", "few"))
		require.NoError(t, s.evaluator.Restore(s.evaluator.State()))
		s.lines = nil
		for i := range 1000 {
			s.v(1, fmt.Sprint("few-", i), 11)
		}
		s.said()
	})
}

// TestWhatAnAbsenceRuleWatchesStaysWatched: with more keys than it may remember, it watches those that it has, and
// forgets none of them because it is silent.
func TestWhatAnAbsenceRuleWatchesStaysWatched(t *testing.T) {
	t.Parallel()
	s := tell(t, cramped(3, alert.RuleConfig{Name: "r", Absence: alert.AbsenceConfig{After: time.Minute}}))
	for i := range 10 {
		for k := range 5 {
			if k != 1 || i < 5 { // this one stops
				s.v(float64(10*i+k), fmt.Sprint("key-", k), 1)
			}
		}
	}
	s.tick(105)
	s.said("firing r key-1 at 1m41s")
}

// TestLessRoomAfterARestart: if fewer keys may be remembered, the same keys are evicted as without a restart, and their
// alerts are made with the first new record.
func TestLessRoomAfterARestart(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		{Name: "r", When: "v > 10", Resolve: alert.Stretch{Time: time.Hour}},
		busy("few", "v < 0"),
	}
	for name, bring := range map[string]func(e *alert.Evaluator, state []byte) error{
		"restored": func(e *alert.Evaluator, state []byte) error { return e.Restore(state) },
		"inherited": func(e *alert.Evaluator, state []byte) error {
			return e.Inherit([][]byte{state}, alert.Heir{Owns: func(string) bool { return true }})
		},
	} {
		for format := 1; format <= alert.StateFormat; format++ {
			before := tell(t, cramped(100, rules...))
			before.evaluator.Agree(alert.HashKey{1}, format)
			for i := range 4 {
				before.v(float64(i), fmt.Sprint("key-", i), 11)
			}
			before.v(5, "busy", -1)
			state := before.evaluator.State()

			s := tell(t, cramped(3, rules...))
			s.evaluator.Agree(alert.HashKey{1}, format)
			require.NoError(t, bring(s.evaluator, state))
			require.Equal(t, state[32:], s.evaluator.State()[32:], "nothing is lost before its alert is made")
			replayed := record("1", `{"v":11}`)
			replayed.Replayed, replayed.Arrival, replayed.PartitionKey = true, noon().Add(6*time.Second), "key-4"
			for _, a := range s.evaluator.Evaluate(replayed).Alerts {
				require.Equal(t, alert.KindFiring, a.Kind, "those make no alert")
			}
			s.tick(7)
			s.said("resolved r key-0 at 6s", "resolved r key-1 at 6s", "resolved r key-2 at 6s")
			require.Equal(t, 3, s.evicted("active_evictions_total", "r"), "%s, format %d", name, format)
			require.Zero(t, s.evicted("evictions_total", "few"))
		}
	}
}

// TestOrderOfForgettingOutlivesARestart: with and without restarts, the same keys are evicted and the same alerts made.
func TestOrderOfForgettingOutlivesARestart(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		busy("busy", "v < 3"),
		{
			Name: "resolves", When: "v > 6", Resolve: alert.Stretch{Time: 20 * time.Second},
			RepeatInterval: 10 * time.Second,
		},
		{Name: "waits", When: "v in [2, 4, 6, 8]", For: alert.Stretch{Records: 2}, Resolve: alert.Stretch{Records: 2}},
		{Name: "stays", When: "v == 5", Absence: alert.AbsenceConfig{
			After:  15 * time.Second,
			GiveUp: 30 * time.Second,
		}},
		{Name: "dedup", When: "v > 2", Dedup: 30 * time.Second},
	}
	for seed := range uint64(20) {
		play := func(restarts bool, format int) (lines []string) {
			random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same in every run
			s := tell(t, cramped(7, rules...))
			s.evaluator.Agree(alert.HashKey{1}, format)
			at := 0.0
			for i := range 400 {
				at += random.Float64() * 2
				for _, a := range s.v(at, fmt.Sprint("key-", random.IntN(12)), random.IntN(10)).Alerts {
					lines = append(lines, fmt.Sprint(a.ID, a.Kind, a.Rule, a.Key, a.Ended))
				}
				if restarts && i%3 == 0 {
					state := s.evaluator.State()
					require.NoError(t, s.evaluator.Restore(state))
					require.Equal(t, state, s.evaluator.State())
				}
			}
			return lines
		}
		for format := 1; format <= alert.StateFormat; format++ {
			require.Equal(t, play(false, format), play(true, format))
		}
	}
}

func TestAbsenceIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStory(t,
		alert.RuleConfig{Name: "once", Absence: alert.AbsenceConfig{After: 5 * time.Minute}},
		alert.RuleConfig{
			Name: "repeats", Absence: alert.AbsenceConfig{After: time.Minute, GiveUp: time.Hour},
			RepeatInterval: 25 * time.Minute,
		},
		// longer than it is reported
		alert.RuleConfig{Name: "slow", Absence: alert.AbsenceConfig{After: 48 * time.Hour}},
		alert.RuleConfig{Name: "shard", Absence: alert.AbsenceConfig{After: 72 * time.Hour, Of: "shard"}},
	)
	s.v(0, "a", 1)
	s.tick(60 * 60)
	s.said("firing repeats a at 1m", "firing once a at 5m", "repeat repeats a at 26m", "repeat repeats a at 51m")
	s.tick(100 * 60)
	s.said("resolved repeats a at 1h16m")
	last := s.evaluator.Tick(alert.Tick{CaughtUp: noon().Add(24*time.Hour + 5*time.Minute + 2*time.Second)})
	s.note(last)
	s.said("resolved once a at 24h5m")
	m, err := last[0].Render()
	require.NoError(t, err)
	require.Equal(t, "[NO LONGER WATCHED] Anomaly detected", m.Subject)
	require.Contains(t, m.Body,
		"The rule once fired, and makes no more alerts here: no record has come for 1d, so the key is given up; "+
			"it is reported again once it sends and then stops.\n")
	require.NotContains(t, m.Body, "it may still hold", "it is said already")
	s.tick(71 * 3600)
	s.said("firing slow a at 48h0m")
	s.tick(200 * 3600)
	// in the order of their due times, and the shard is not given up
	s.said("resolved slow a at 72h0m", "firing shard  at 72h0m")
	require.Equal(t, 1, strings.Count(string(s.evaluator.State()), "1001"),
		"of the key nothing is remembered, the one is the shard's")
	s.v(300*3600, "a", 1)
	s.said("resolved shard  at 300h0m")
	s.tick(301 * 3600)
	s.said("firing repeats a at 300h1m", "firing once a at 300h5m", "repeat repeats a at 300h26m",
		"repeat repeats a at 300h51m")
}

// TestAbsenceIsGivenUpHoweverTimeComes: in one step, in many, and with restarts, the last alert is the same.
func TestAbsenceIsGivenUpHoweverTimeComes(t *testing.T) {
	t.Parallel()
	for _, repeat := range []time.Duration{0, time.Minute, 7 * time.Minute, 50 * time.Hour} {
		rule := alert.RuleConfig{
			Name: "r", Absence: alert.AbsenceConfig{After: time.Minute, GiveUp: 10 * time.Hour},
			RepeatInterval: repeat,
		}
		last := func(step float64, restarts bool) string {
			s := newStory(t, rule)
			s.v(0, "a", 1)
			for at := step; at <= 60*3600; at += step {
				s.tick(at)
				if restarts {
					require.NoError(t, s.evaluator.Restore(s.evaluator.State()))
				}
			}
			return s.lines[len(s.lines)-1]
		}
		want := last(60, false)
		require.Contains(t, want, "resolved r a at 10h")
		require.Equal(t, want, last(60*3600, false))
		require.Equal(t, want, last(3600, true))
	}
}

// TestAbsenceThatNobodyHeardOfIsNotGivenUp: an absence whose first alert was late is still reported for as long.
func TestAbsenceThatNobodyHeardOfIsNotGivenUp(t *testing.T) {
	t.Parallel()
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules:  []alert.RuleConfig{{Name: "r", Absence: alert.AbsenceConfig{After: time.Minute, GiveUp: time.Hour}}},
		Silences: []alert.SilenceConfig{
			{Name: "s", Until: noon().Add(5 * time.Hour).Format(time.RFC3339)},
		},
	})
	s.v(0, "a", 1)
	for i := range 10 {
		s.tick(float64(i+1) * 3600)
	}
	require.Len(t, s.lines, 2)
	require.Contains(t, s.lines[0], "firing r a at 5h")
	require.Contains(t, s.lines[1], "resolved r a at 6h")
}

func TestGiveUpConfigErrors(t *testing.T) {
	t.Parallel()
	for want, absence := range map[string]alert.AbsenceConfig{
		"must be between 1s and":           {After: time.Minute, GiveUp: time.Millisecond},
		"is for keys; absence of shard is": {After: time.Minute, Of: "shard", GiveUp: time.Hour},
	} {
		err := cramped(1, alert.RuleConfig{Name: "r", Absence: absence}).Validate()
		require.ErrorContains(t, err, "rules[0].absence.give_up")
		require.ErrorContains(t, err, want)
	}
}

// TestForgettingAllocatesNothing: keeping the order of eviction allocates nothing.
func TestForgettingAllocatesNothing(t *testing.T) {
	s := tell(t, cramped(2, alert.RuleConfig{Name: "r", When: "v > 0", For: alert.Stretch{Records: 1000}}))
	rec := record("1", `{"v":1}`)
	s.evaluator.Evaluate(rec)
	require.Zero(t, int(testing.AllocsPerRun(100, func() { s.evaluator.Evaluate(rec) })))
}
