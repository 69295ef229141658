package alert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/template"
)

// noon is when the stories begin: Sunday, 2026-11-22 12:00 UTC.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// story feeds records and ticks to an evaluator and writes down its alerts, one per line.
type story struct {
	*world
	t     *testing.T
	n     int
	lines []string
}

func newStory(t *testing.T, rules ...alert.RuleConfig) *story {
	t.Helper()
	return tell(t, alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: rules})
}

func tell(t *testing.T, config alert.Config) *story {
	t.Helper()
	return &story{world: newWorld(t, config), t: t}
}

// at puts a record of a key into the story, some seconds after noon, and returns its outcome.
func (s *story) at(seconds float64, key, payload string) alert.Decision {
	s.t.Helper()
	s.n++
	d := s.evaluator.Evaluate(&alert.Record{
		Shard: shardID, PartitionKey: key, SequenceNumber: fmt.Sprint(1000 + s.n),
		Arrival: noon().Add(time.Duration(seconds * float64(time.Second))), Data: []byte(payload),
	})
	s.note(d.Alerts)
	return d
}

// v is at with {"v": value}.
func (s *story) v(seconds float64, key string, value any) alert.Decision {
	s.t.Helper()
	return s.at(seconds, key, fmt.Sprintf(`{"v":%v}`, value))
}

// tick lets time advance so far that everything up to then is due.
func (s *story) tick(seconds float64) {
	s.t.Helper()
	s.note(s.evaluator.Tick(alert.Tick{CaughtUp: noon().Add(time.Duration(seconds*float64(time.Second)) +
		2*time.Second)}))
}

func (s *story) note(alerts []*alert.Alert) {
	s.t.Helper()
	for _, a := range alerts {
		line := fmt.Sprintf("%s %s %s at %s", a.Kind, a.Rule, a.Key,
			strings.Replace(a.At.Sub(noon()).String(), "m0s", "m", 1))
		if a.Suppressed > 0 {
			line += fmt.Sprintf(" (%d suppressed)", a.Suppressed)
		}
		s.lines = append(s.lines, line)
		_, err := a.Render()
		require.NoError(s.t, err)
	}
}

// said compares the alerts since the last call.
func (s *story) said(want ...string) {
	s.t.Helper()
	got := s.lines
	s.lines = nil
	require.Equal(s.t, strings.Join(want, "\n"), strings.Join(got, "\n"))
}

func TestDedup(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{Name: "r", When: "v > 10", Dedup: time.Minute})
	s.v(0, "a", 11)
	d := s.v(1, "a", 12)
	require.Equal(t, alert.Suppressed, d.Outcome)
	require.Equal(t, alert.ReasonDedup, d.Reason)
	s.v(2, "b", 13)
	s.v(59.9, "a", 14)
	require.Equal(t, alert.Unmatched, s.v(59.95, "a", 1).Outcome)
	s.v(60, "a", 15)
	s.v(61, "a", 16)
	s.v(200, "a", 17)
	s.said("firing r a at 0s", "firing r b at 2s", "firing r a at 1m (2 suppressed)", "firing r a at 3m20s")
	require.InDelta(t, 3, testutil.ToFloat64(s.suppressed("r", "dedup")), 0)
}

func (s *story) suppressed(rule, reason string) prometheus.Collector {
	s.t.Helper()
	families, err := s.registry.Gather()
	require.NoError(s.t, err)
	for _, f := range families {
		if f.GetName() != "kinesis_alerter_alerts_suppressed_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == reason && m.GetLabel()[1].GetValue() == rule {
				g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "copy", Help: "One series."})
				g.Set(m.GetCounter().GetValue())
				return g
			}
		}
	}
	s.t.Fatalf("no series for %s, %s", rule, reason)
	return nil
}

func TestForRecords(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{Name: "r", When: "v > 10", For: alert.Stretch{Records: 3}})
	for i, v := range []any{11, 12, 5, 11, 12, 13, 14, `"x"`, 15, 5, 11, 11, 11} {
		s.v(float64(i), "a", v)
	}
	s.v(20, "b", 11)
	s.said("firing r a at 5s", "firing r a at 12s")
	require.Equal(t, alert.Unmatched, s.v(21, "b", 11).Outcome, "pending is no match yet")
}

func TestForTimeFiresWithoutAnotherRecord(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{Name: "r", When: "v > 10", For: alert.Stretch{Time: 30 * time.Second}})
	s.v(0, "a", 11)
	s.v(10, "a", 5) // the claim breaks
	s.v(20, "a", 11)
	s.tick(49)
	s.said()
	s.tick(50)
	s.said("firing r a at 50s")
	s.v(55, "a", 12)
	s.tick(100)
	s.said()
	s.v(200, "b", 11)
	s.v(240, "a", 1) // event time passes what b waits for
	s.said("firing r b at 3m50s")
}

func TestResolveByRecordsAndByTime(t *testing.T) {
	t.Parallel()
	s := newStory(t,
		alert.RuleConfig{Name: "records", When: "v > 10", Resolve: alert.Stretch{Records: 2}},
		alert.RuleConfig{Name: "time", When: "v > 10", Resolve: alert.Stretch{Time: time.Minute}},
	)
	s.v(0, "a", 11)
	s.said("firing records a at 0s", "firing time a at 0s")
	d := s.v(1, "a", 12)
	require.Equal(t, alert.ReasonFiring, d.Reason)
	s.v(2, "a", 1)
	s.v(3, "a", 13) // not two in a row
	s.v(4, "a", 1)
	s.said()
	s.v(5, "a", 1)
	s.said("resolved records a at 5s (2 suppressed)")
	s.tick(62)
	s.said()
	s.tick(63)
	s.said("resolved time a at 1m3s (2 suppressed)")
	s.v(70, "a", 11)
	s.said("firing records a at 1m10s", "firing time a at 1m10s")
}

func TestRepeatIntervalWhileFiring(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", When: "v > 10", Resolve: alert.Stretch{Records: 1}, RepeatInterval: time.Minute,
	})
	s.v(0, "a", 11)
	s.v(30, "a", 12)
	s.v(61, "a", 12)
	s.tick(125)
	s.v(126, "a", 1)
	s.tick(500)
	s.said("firing r a at 0s", "repeat r a at 1m (1 suppressed)", "repeat r a at 2m (1 suppressed)",
		"resolved r a at 2m6s")
}

func TestAbsenceOfKeyAndShard(t *testing.T) {
	t.Parallel()
	s := newStory(t,
		alert.RuleConfig{Name: "key", Absence: alert.AbsenceConfig{After: time.Minute}},
		alert.RuleConfig{
			Name: "shard", When: "v > 0",
			Absence: alert.AbsenceConfig{After: 2 * time.Minute, Of: "shard"},
		},
	)
	s.v(0, "a", 1)
	s.v(30, "b", 1)
	s.tick(59)
	s.said()
	s.tick(60)
	s.said("firing key a at 1m")
	s.v(70, "a", 0) // a sign of life of the key, but none for the shard, where v must be positive
	s.said("resolved key a at 1m10s")
	s.tick(151)
	s.said("firing key b at 1m30s", "firing key a at 2m10s", "firing shard  at 2m30s")
	s.v(200, "c", 5)
	s.said("resolved shard  at 3m20s")
}

// TestAbsenceOfShardWithoutAnyRecord: what never came is missing, too.
func TestAbsenceOfShardWithoutAnyRecord(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{Name: "r", Absence: alert.AbsenceConfig{After: time.Minute, Of: "shard"}})
	s.tick(0)
	s.tick(59)
	s.said()
	s.tick(61)
	s.said("firing r  at 1m")
}

func TestAbsenceOfStreamIsDecidedByOne(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", Absence: alert.AbsenceConfig{After: time.Minute, Of: "stream"}, RepeatInterval: time.Minute,
	})
	fleet := func(decides bool, last, caughtUp float64) {
		second := func(x float64) time.Time { return noon().Add(time.Duration(x * float64(time.Second))) }
		s.note(s.evaluator.Tick(alert.Tick{
			CaughtUp: second(caughtUp),
			Fleet: alert.Fleet{
				Decides: decides, LastArrival: second(last),
				CaughtUp: second(caughtUp).Add(2 * time.Second),
			},
		}))
	}
	s.v(0, "a", 1)
	s.tick(300) // this shard alone says nothing about the stream
	fleet(false, 10, 300)
	fleet(true, 10, 60)
	s.said()
	fleet(true, 10, 70)
	fleet(true, 10, 71)
	s.said("firing r  at 1m10s")
	fleet(true, 10, 131)
	s.said("repeat r  at 2m10s")
	fleet(true, 140, 141)
	s.said("resolved r  at 2m20s")
}

func TestWatchdogSpeaksWhileAllIsRead(t *testing.T) {
	t.Parallel()
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}}, Watchdog: alert.WatchdogConfig{Interval: time.Minute},
	})
	tick := func(decides bool, caughtUp float64) {
		s.note(s.evaluator.Tick(alert.Tick{Fleet: alert.Fleet{
			Decides: decides, CaughtUp: noon().Add(time.Duration(caughtUp*float64(time.Second)) + 2*time.Second),
		}}))
	}
	tick(true, 30)
	s.said()
	tick(false, 61)
	s.said()
	tick(true, 61)
	tick(true, 119)
	s.said("watchdog watchdog  at 1m")
	s.note(s.evaluator.Tick(alert.Tick{Fleet: alert.Fleet{Decides: true}})) // some shard is not read
	s.said()
	tick(true, 300)
	s.said("watchdog watchdog  at 5m")
}

// The watchdog is a dead man's switch: its absence pages. So it sends nothing while the workers are further behind than
// its interval, while a shard is paused, and while no worker reads some shard. Afterwards it makes up for nothing.
func TestWatchdogIsSilentWhileTheFleetIsNotWell(t *testing.T) {
	t.Parallel()
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}}, Watchdog: alert.WatchdogConfig{Interval: time.Minute},
	})
	now := noon()
	pass := func(seconds int, change func(*alert.Fleet)) {
		for range seconds {
			now = now.Add(time.Second)
			f := alert.Fleet{Decides: true, CaughtUp: now.Add(-time.Second), Now: now}
			change(&f)
			s.note(s.evaluator.Tick(alert.Tick{CaughtUp: f.CaughtUp, Fleet: f}))
		}
	}
	well := func(*alert.Fleet) {}
	behind := func(d time.Duration) func(*alert.Fleet) {
		return func(f *alert.Fleet) { f.CaughtUp = f.Now.Add(-d) }
	}
	pass(130, well)
	s.said("watchdog watchdog  at 0s", "watchdog watchdog  at 1m", "watchdog watchdog  at 2m")
	pass(10*60-130, behind(400*time.Second))
	s.said()
	pass(30, well) // at 10m, whose end passed while it was behind
	s.said()
	pass(60, well)
	s.said("watchdog watchdog  at 11m")

	pass(5*60, behind(50*time.Second)) // late, and within the interval
	s.said("watchdog watchdog  at 12m", "watchdog watchdog  at 13m", "watchdog watchdog  at 14m",
		"watchdog watchdog  at 15m")
	pass(60, well)
	s.said("watchdog watchdog  at 16m", "watchdog watchdog  at 17m")

	pass(29, well)
	pass(8, behind(400*time.Second)) // Kinesis says so once of a quiet shard, just at the end of an interval
	s.said()
	pass(1, well)
	s.said("watchdog watchdog  at 18m")

	for _, ill := range []func(*alert.Fleet){
		func(f *alert.Fleet) { f.Paused = true },
		func(f *alert.Fleet) { f.CaughtUp = time.Time{} },
	} {
		pass(5*60, ill)
		s.said()
	}
	pass(60, well)
	s.said("watchdog watchdog  at 29m")
}

func TestSlidingWindow(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", When: "v > 0", Resolve: alert.Stretch{Records: 1},
		Window: alert.WindowConfig{Length: time.Minute, Step: 10 * time.Second, Is: ">= 3"},
	})
	s.v(0, "a", 1)
	s.v(5, "a", 1)
	s.v(6, "a", 0) // does not count
	s.said()
	s.v(58, "a", 1)
	s.said("firing r a at 58s")
	s.tick(59)
	s.said()
	s.tick(60) // the first ten seconds have left the window
	s.said("resolved r a at 1m")
}

func TestWindowAggregates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ aggregate, is, want string }{
		{"sum", "== 10", "10"},
		{"avg", "== 2.5", "2.5"},
		{"min", "== 1", "1"},
		{"max", "== 4", "4"},
		{"distinct", "== 3", "3"},
		{"count", "== 4", "4"},
		{"rate", "== 0.4", "0.4"},
	} {
		of := "v"
		if c.aggregate == "count" || c.aggregate == "rate" {
			of = ""
		}
		if c.aggregate == "distinct" {
			of = "name"
		}
		w := newWorld(t, oneRule(alert.RuleConfig{
			Name: "r", When: "v > 0", Message: "{{ .Value }}",
			Window: alert.WindowConfig{
				Length: 10 * time.Second, Tumbling: true, Aggregate: c.aggregate, Of: of,
				Is: c.is,
			},
		}))
		for i, v := range []int{1, 2, 3, 4} {
			d := w.evaluator.Evaluate(&alert.Record{
				Shard: shardID, PartitionKey: "a", SequenceNumber: fmt.Sprint(i),
				Arrival: noon().Add(time.Duration(i) * time.Second),
				Data:    fmt.Appendf(nil, `{"v":%d,"name":"n%d"}`, v, min(i, 2)),
			})
			require.Empty(t, d.Alerts)
		}
		alerts := w.evaluator.Tick(alert.Tick{CaughtUp: noon().Add(12 * time.Second)})
		require.Len(t, alerts, 1, c.aggregate)
		require.Equal(t, c.want, template.Number(alerts[0].Value).String(), c.aggregate)
		require.Equal(t, noon().Add(10*time.Second), alerts[0].At)
		require.Empty(t, w.evaluator.Tick(alert.Tick{CaughtUp: noon().Add(time.Hour)}),
			"a window that is empty is no window")
	}
}

func TestInhibition(t *testing.T) {
	t.Parallel()
	s := newStory(t,
		alert.RuleConfig{Name: "down", When: "v > 100", Resolve: alert.Stretch{Records: 1}},
		alert.RuleConfig{Name: "slow", When: "v > 10", InhibitedBy: []string{"down"}},
	)
	s.v(0, "a", 11)
	s.v(1, "a", 101)
	require.Equal(t, alert.ReasonFiring, s.v(2, "a", 101).Reason)
	s.v(3, "b", 12)
	s.v(4, "a", 1)
	s.v(5, "a", 13)
	s.said("firing slow a at 0s", "firing down a at 1s", "firing slow b at 3s", "resolved down a at 4s (1 suppressed)",
		"firing slow a at 5s")
}

func TestResolveIsToldWhateverMutes(t *testing.T) {
	t.Parallel()
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules:  []alert.RuleConfig{{Name: "r", When: "v > 10", Resolve: alert.Stretch{Records: 1}}},
		Silences: []alert.SilenceConfig{{
			Name: "maintenance", Rules: []string{"r"}, When: `partition_key != "z"`,
			From:  noon().Add(10 * time.Second).Format(time.RFC3339),
			Until: noon().Add(time.Minute).Format(time.RFC3339),
		}},
	})
	s.v(0, "a", 11)
	s.said("firing r a at 0s")
	d := s.v(11, "b", 11)
	require.Equal(t, alert.ReasonSilenced, d.Reason)
	s.v(12, "z", 11)
	s.v(13, "a", 1)
	s.v(14, "b", 1) // b's alert was not made
	s.said("firing r z at 12s", "resolved r a at 13s")
	s.v(20, "c", 11)
	s.v(61, "c", 11)
	s.said("firing r c at 1m (1 suppressed)") // the silence is over
}

func TestQuietHours(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{Name: "r", When: "v > 10", Quiet: []alert.QuietConfig{
		{Days: []string{"sun"}, From: "13:30", To: "06:00", Zone: "Europe/Berlin"}, // 12:30 UTC on
	}})
	s.v(0, "a", 11)
	require.Equal(t, alert.ReasonQuietHours, s.v(30*60, "a", 11).Reason)
	require.Equal(t, alert.ReasonQuietHours, s.v(16*3600, "a", 11).Reason) // 05:00 on Monday in Berlin
	s.v(17*3600, "a", 11)
	s.said("firing r a at 0s", "firing r a at 17h0m")
}

func TestRateLimitOfARule(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{Name: "r", When: "v > 10", RateLimit: alert.Rate{Events: 2, Per: time.Minute}})
	for i := range 5 {
		s.v(float64(i), "a", 11)
	}
	require.Equal(t, alert.ReasonRateLimit, s.v(5, "a", 11).Reason)
	s.v(36, "a", 11)
	s.said("firing r a at 0s", "firing r a at 1s", "firing r a at 36s")
}

func TestShadowPublishesNothing(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", When: "v > 10", Mode: alert.ModeShadow,
		Resolve: alert.Stretch{Records: 1},
	})
	require.Equal(t, alert.Unmatched, s.v(0, "a", 11).Outcome)
	s.v(1, "a", 1)
	s.said()
	require.NoError(t, testutil.GatherAndCompare(s.registry, strings.NewReader(`
# HELP kinesis_alerter_shadow_alerts_total Alerts that a rule in mode shadow would have made.
# TYPE kinesis_alerter_shadow_alerts_total counter
kinesis_alerter_shadow_alerts_total{rule="r"} 2
`), "kinesis_alerter_shadow_alerts_total"))
}

func TestKeyAndSeverityExpressions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{
		Name: "r", When: "v > 10", Key: `host + ":" + string(port)`, Dedup: time.Hour,
		Severity: `v > 100 ? "critical" : "info"`, Value: "v * 2",
	}))
	fire := func(seq, payload string) *alert.Alert {
		d := w.evaluator.Evaluate(record(seq, payload))
		require.Len(t, d.Alerts, 1, payload)
		return d.Alerts[0]
	}
	a := fire("1", `{"v":11,"host":"h","port":80}`)
	require.Equal(t, []any{"h:80", "info", 22.0, int8(1)}, []any{a.Key, a.Severity, a.Value, a.Worse})
	a = fire("2", `{"v":101,"host":"g","port":80}`)
	require.Equal(t, []any{"g:80", "critical"}, []any{a.Key, a.Severity})
	a = fire("3", `{"v":101,"host":null}`)
	require.Empty(t, a.Key, "an alert without a proper key is better than none")
	require.Equal(t, alert.Suppressed, w.evaluator.Evaluate(record("4", `{"v":101,"port":1}`)).Outcome,
		"and they share it")
}

func TestForgetsTheQuietestKey(t *testing.T) {
	t.Parallel()
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}}, State: alert.StateConfig{MaxKeys: 2},
		Rules: []alert.RuleConfig{{Name: "r", When: "v > 10", Dedup: time.Hour}},
	})
	s.v(0, "a", 11)
	s.v(1, "b", 11)
	s.v(2, "a", 11) // used
	s.v(3, "c", 11) // pushes b out
	s.v(4, "a", 11)
	s.v(5, "b", 11)
	s.said("firing r a at 0s", "firing r b at 1s", "firing r c at 3s", "firing r b at 5s")
	require.NoError(t, testutil.GatherAndCompare(s.registry, strings.NewReader(`
# HELP kinesis_alerter_state_evictions_total Keys that were forgotten because a shard remembers state.max_keys others, or all the bytes that it may.
# TYPE kinesis_alerter_state_evictions_total counter
kinesis_alerter_state_evictions_total{rule="r"} 2
`), "kinesis_alerter_state_evictions_total"))
}

// TestTumblingWindowIsJudgedAtItsEndAlone: other due work in the middle of a window does not judge it.
func TestTumblingWindowIsJudgedAtItsEndAlone(t *testing.T) {
	t.Parallel()
	window := alert.WindowConfig{Length: time.Minute, Tumbling: true, Is: ">= 2"}
	s := newStory(t,
		alert.RuleConfig{Name: "dedup", When: "v > 0", Window: window, Dedup: 90 * time.Second},
		alert.RuleConfig{Name: "for", When: "v > 0", Window: window, For: alert.Stretch{Time: 90 * time.Second}},
		alert.RuleConfig{
			Name: "resolve", When: "v > 0", Window: window,
			Resolve: alert.Stretch{Time: 45 * time.Second},
		},
	)
	for _, at := range []float64{0, 1, 60.5, 62} {
		s.v(at, "a", 1)
	}
	s.said("firing dedup a at 1m", "firing resolve a at 1m")
	s.tick(119) // resolve is over in the middle of the second window, which says nothing before its end
	s.said("resolved resolve a at 1m45s")
	s.v(121, "a", 1)
	s.v(122, "a", 1)
	s.said("firing resolve a at 2m")
	s.tick(152) // so are dedup and for in that of the third
	s.said("firing for a at 2m30s")
	s.tick(181)
	s.said("resolved resolve a at 2m45s", "firing dedup a at 3m (1 suppressed)", "firing resolve a at 3m")
}

// TestTumblingWindowBeganAtItsBeginning: what an alert is about began with its window, or with the first of several
// that held.
func TestTumblingWindowBeganAtItsBeginning(t *testing.T) {
	t.Parallel()
	window := alert.WindowConfig{Length: time.Minute, Tumbling: true, Is: ">= 2"}
	for name, r := range map[string]alert.RuleConfig{
		"each window": {Name: "r", When: "v > 0", Window: window},
		"excursions": {
			Name: "r", When: "v > 0", Window: window, Resolve: alert.Stretch{Time: 10 * time.Minute},
			RepeatInterval: time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, oneRule(r))
			var since []time.Duration
			for at := range 150 {
				rec := record(fmt.Sprint(at+1), `{"v":1}`)
				rec.Arrival = noon().Add(time.Duration(at)*time.Second + 500*time.Millisecond)
				for _, a := range w.evaluator.Evaluate(rec).Alerts {
					since = append(since, a.Since.Sub(noon()))
				}
			}
			want := []time.Duration{0, time.Minute}
			if r.RepeatInterval > 0 {
				want = []time.Duration{0, 0}
			}
			require.Equal(t, want, since)
		})
	}
}

// TestOutcomeIsOfTheRecord: a suppressed alert of another key that a timer causes does not change the record's outcome.
func TestOutcomeIsOfTheRecord(t *testing.T) {
	t.Parallel()
	s := tell(t, alert.Config{
		Topics:   map[string]alert.TopicConfig{"oncall": {}},
		Rules:    []alert.RuleConfig{{Name: "r", Absence: alert.AbsenceConfig{After: time.Minute}}},
		Silences: []alert.SilenceConfig{{Name: "s", Until: noon().Add(time.Hour).Format(time.RFC3339)}},
	})
	s.v(0, "a", 1)
	d := s.v(70, "b", 1)
	require.Equal(t, alert.Unmatched, d.Outcome)
	require.Empty(t, d.Reason)
	require.InDelta(t, 1, testutil.ToFloat64(s.suppressed("r", "silenced")), 0)
}

// TestInhibitionOfWhatIsDueAtOnce: rules whose timers end at the same moment fire in their configured order, so that
// the inhibiting rule is decided first, whatever the names.
func TestInhibitionOfWhatIsDueAtOnce(t *testing.T) {
	t.Parallel()
	after := alert.Stretch{Time: 30 * time.Second}
	s := newStory(t,
		alert.RuleConfig{Name: "severe", When: "v > 100", For: after},
		alert.RuleConfig{Name: "mild", When: "v > 10", For: after, InhibitedBy: []string{"severe"}},
	)
	s.v(0, "a", 101)
	s.v(1, "b", 11)
	s.tick(40)
	s.said("firing severe a at 30s", "firing mild b at 31s")
}

// TestInhibitionByTheShardAsAWhole: what is absent from a whole shard mutes the rules about its keys.
func TestInhibitionByTheShardAsAWhole(t *testing.T) {
	t.Parallel()
	s := newStory(t,
		alert.RuleConfig{Name: "shard", Absence: alert.AbsenceConfig{After: time.Minute, Of: "shard"}},
		alert.RuleConfig{
			Name: "key", Absence: alert.AbsenceConfig{After: 2 * time.Minute},
			InhibitedBy: []string{"shard"},
		},
	)
	s.v(0, "a", 1)
	s.v(1, "b", 1)
	s.tick(200)
	s.said("firing shard  at 1m1s")
}

// TestOnlyWhatSomebodyKnowsInhibits: otherwise no topic would ever be notified of the key.
func TestOnlyWhatSomebodyKnowsInhibits(t *testing.T) {
	t.Parallel()
	one := alert.Stretch{Records: 1}
	quiet := []alert.QuietConfig{{From: "11:00", To: "12:10"}}
	limit := alert.Rate{Events: 1, Per: time.Hour}
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules: []alert.RuleConfig{
			{Name: "night", When: "v > 100", Resolve: one, Quiet: quiet},
			{Name: "after-night", When: "v > 10", Resolve: one, InhibitedBy: []string{"night"}},
			{Name: "plain", When: "v > 100", Quiet: quiet},
			{Name: "after-plain", When: "v > 10", Resolve: one, InhibitedBy: []string{"plain"}},
			{Name: "rare", When: "v > 100", Resolve: one, RateLimit: limit},
			{Name: "after-rare", When: "v > 10", Resolve: one, InhibitedBy: []string{"rare"}},
			{Name: "known", When: "v > 100", Resolve: one},
			{Name: "after-known", When: "v > 10", Resolve: one, InhibitedBy: []string{"known"}},
		},
		Silences: []alert.SilenceConfig{{
			Name: "s", Rules: []string{"known"},
			Until: noon().Add(time.Hour).Format(time.RFC3339),
		}},
	})
	s.at(0, "a", `{"v": 101, "host": 1}`)
	s.said("firing after-night a at 0s", "firing after-plain a at 0s", "firing rare a at 0s")
	s.at(1, "b", `{"v": 101, "host": 1}`)
	s.said("firing after-night b at 1s", "firing after-plain b at 1s", "firing after-rare b at 1s")
	s.at(700, "c", `{"v": 101, "host": 1}`) // the night is over
	s.said(
		"firing night a at 10m (1 suppressed)", "firing night b at 10m (1 suppressed)", // they still fire
		"firing night c at 11m40s", "firing plain c at 11m40s", "firing after-rare c at 11m40s",
	)
}

// TestWhatIsOverInhibitsNothing: the inhibiting rule's last alert says that it is resolved, so it inhibits nothing,
// whatever its dedup.
func TestWhatIsOverInhibitsNothing(t *testing.T) {
	t.Parallel()
	one := alert.Stretch{Records: 1}
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules: []alert.RuleConfig{
			{Name: "down", When: "v > 100", Resolve: one, Dedup: time.Hour},
			{Name: "once", When: "v > 1000", Dedup: time.Hour}, // it has no end
			{Name: "after-down", When: "v > 10", Resolve: one, InhibitedBy: []string{"down"}},
			{Name: "after-once", When: "v > 10", Resolve: one, InhibitedBy: []string{"once"}},
		},
	})
	s.v(0, "a", 1001)
	s.v(10, "a", 1)
	s.said("firing down a at 0s", "firing once a at 0s", "resolved down a at 10s")
	s.v(20, "a", 11)
	s.said("firing after-down a at 20s")
	s.v(3601, "a", 11)
	s.said("firing after-once a at 1h0m1s (1 suppressed)")
}

// TestRulesThatRememberSeeWhatMatches: how a condition is written, and whether the index can look it up, changes
// nothing.
func TestRulesThatRememberSeeWhatMatches(t *testing.T) {
	t.Parallel()
	const match = `{"v": 9, "kind": "x", "beat": true, "a": false, "b": true, "name": "ab", "w": 3}`
	const other = `{"v": 1, "kind": "y", "beat": false, "a": false, "b": false, "name": "zb", "w": 3}`
	kinds := map[string]struct {
		rule alert.RuleConfig
		want []string
	}{
		"absence of the key": {
			alert.RuleConfig{Absence: alert.AbsenceConfig{After: 30 * time.Second}},
			[]string{"firing r a at 31s", "resolved r a at 51s", "firing r a at 1m21s"},
		},
		"absence of the shard": {
			alert.RuleConfig{Absence: alert.AbsenceConfig{After: 30 * time.Second, Of: "shard"}},
			[]string{"firing r  at 31s", "resolved r  at 51s", "firing r  at 1m21s"},
		},
		"for records": {
			alert.RuleConfig{For: alert.Stretch{Records: 2}, Resolve: alert.Stretch{Records: 1}},
			[]string{"firing r a at 1s", "resolved r a at 2s"},
		},
		"for a time": {alert.RuleConfig{For: alert.Stretch{Time: 20 * time.Second}}, nil},
		"records": {
			alert.RuleConfig{Resolve: alert.Stretch{Records: 3}},
			[]string{
				"firing r a at 0s", "resolved r a at 4s (1 suppressed)", "firing r a at 51s",
				"resolved r a at 54s",
			},
		},
		"time": {
			alert.RuleConfig{Resolve: alert.Stretch{Time: 10 * time.Second}},
			[]string{
				"firing r a at 0s", "resolved r a at 11s (1 suppressed)", "firing r a at 51s",
				"resolved r a at 1m1s",
			},
		},
		"dedup": {alert.RuleConfig{Dedup: time.Minute}, []string{"firing r a at 0s"}},
		"window": {alert.RuleConfig{
			Window:  alert.WindowConfig{Length: time.Minute, Is: ">= 3"},
			Resolve: alert.Stretch{Time: time.Hour},
		}, []string{"firing r a at 51s"}},
		"whole window": {
			alert.RuleConfig{Window: alert.WindowConfig{Length: time.Minute, Tumbling: true, Is: ">= 3"}},
			[]string{"firing r a at 1m"},
		},
	}
	shapes := []string{
		"v > 5", `kind == "x"`, "beat", `kind != "y"`, "a || b", `name startsWith "a"`, "v * 2 > 10", "v > w",
		"not (v < 5)", "v in [9, 10]",
		`kind matches "^x"`, `beat ? v > 5 : false`,
	}
	for name, kind := range kinds {
		for _, shape := range shapes {
			t.Run(name+" "+shape, func(t *testing.T) {
				t.Parallel()
				r := kind.rule
				r.Name, r.When = "r", shape
				s := newStory(t, r)
				for second := range 100 {
					data := other
					if second < 2 || second == 51 {
						data = match
					}
					s.at(float64(second), "a", data)
				}
				s.said(kind.want...)
			})
		}
	}
}

// TestWindowBelow: a window is judged against an upper bound once all of it was watched, and counts as 0 when records
// stop. A part of one is never judged, not even after a restart.
func TestWindowBelow(t *testing.T) {
	t.Parallel()
	sliding := func(is string) alert.RuleConfig {
		return alert.RuleConfig{
			Window:  alert.WindowConfig{Length: time.Minute, Is: is},
			Resolve: alert.Stretch{Time: time.Minute},
		}
	}
	tumbling := func(c alert.WindowConfig) alert.RuleConfig {
		c.Length, c.Tumbling = time.Minute, true
		return alert.RuleConfig{Window: c, Resolve: alert.Stretch{Records: 1}}
	}
	sum := func(is string) alert.WindowConfig {
		return alert.WindowConfig{Aggregate: alert.AggregateSum, Of: "v", Is: is}
	}
	of7 := func(aggregate, is string) alert.RuleConfig {
		return alert.RuleConfig{
			Window:  alert.WindowConfig{Length: time.Minute, Aggregate: aggregate, Of: "v", Is: is},
			Resolve: alert.Stretch{Time: time.Minute},
		}
	}
	// The key has a record every 10 s from 5 s to 295 s, then nothing.
	tests := map[string]struct {
		rule alert.RuleConfig
		want []string
	}{
		"sliding, falls below":     {sliding("< 3"), []string{"firing r a at 5m35s"}},
		"sliding, is always below": {sliding("< 50"), []string{"firing r a at 1m5s"}},
		"sliding, never below":     {sliding("< 0"), nil},
		"sliding, passes a number": {
			sliding("== 2"),
			[]string{"firing r a at 5m35s", "resolved r a at 6m40s"},
		},
		"sliding, the greatest": {
			of7(alert.AggregateMax, "< 8"),
			[]string{"firing r a at 1m5s", "resolved r a at 6m50s (24 suppressed)"},
		},
		"sliding, the least": {
			of7(alert.AggregateMin, "> 6"),
			[]string{"firing r a at 1m5s", "resolved r a at 6m50s (24 suppressed)"},
		},
		"sliding, the least of a part is more": {
			of7(alert.AggregateMin, "< 8"),
			[]string{"firing r a at 5s", "resolved r a at 6m50s (29 suppressed)"},
		},
		"sliding, the mean of a part": {
			of7(alert.AggregateAvg, "< 8"),
			[]string{"firing r a at 5s", "resolved r a at 6m50s (29 suppressed)"},
		},
		"tumbling, falls silent": {
			tumbling(alert.WindowConfig{Is: "< 3"}),
			[]string{"firing r a at 6m"},
		},
		"tumbling, is always below": {
			tumbling(alert.WindowConfig{Is: "<= 6"}),
			[]string{"firing r a at 2m"},
		},
		"tumbling, sum": {tumbling(sum("< 40")), []string{"firing r a at 6m"}},
		"tumbling, rate": {tumbling(
			alert.WindowConfig{Aggregate: alert.AggregateRate, Is: "< 0.05"}), []string{"firing r a at 6m"}},
		"tumbling, distinct": {tumbling(
			alert.WindowConfig{Aggregate: alert.AggregateDistinct, Of: "v", Is: "< 1"}), []string{"firing r a at 6m"}},
		"tumbling, the mean of nothing is none": {tumbling(
			alert.WindowConfig{Aggregate: alert.AggregateAvg, Of: "v", Is: "< 5"}), nil},
		"tumbling, with a least number": {
			tumbling(alert.WindowConfig{Is: "< 7", MinRecords: 6}),
			[]string{"firing r a at 2m", "resolved r a at 6m"},
		},
	}
	for name, test := range tests {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " restarts ", restarts), func(t *testing.T) {
				t.Parallel()
				r := test.rule
				r.Name, r.When = "r", "v > 0"
				config := alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: []alert.RuleConfig{r}}
				s := tell(t, config)
				s.evaluator.Agree(alert.HashKey{1}, alert.StateFormat)
				for second := 5; second < 900; second += 10 {
					if second < 300 {
						s.v(float64(second), "a", 7)
					} else {
						s.v(float64(second), "z", 0) // another key, for which the condition is false
					}
					if restarts {
						state := s.evaluator.State()
						s.evaluator = newWorld(t, config).pipeline.Shard(shardID)
						s.evaluator.Agree(alert.HashKey{1}, alert.StateFormat)
						require.NoError(t, s.evaluator.Restore(state))
					}
				}
				s.said(test.want...)
			})
		}
	}
}

// TestWindowOfABoolean: a condition counts as 1 and 0, so that its mean is a share.
func TestWindowOfABoolean(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", When: "true", Window: alert.WindowConfig{
			Length: time.Minute, Aggregate: alert.AggregateAvg,
			Of: "v >= 500", Is: ">= 0.5", MinRecords: 4,
		},
		Resolve: alert.Stretch{Time: time.Hour},
	})
	for i, status := range []int{500, 500, 200, 200} {
		s.v(float64(i), "quiet", status)
	}
	s.said("firing r quiet at 3s")
	for i, status := range []int{500, 200, 200, 200, 200} {
		s.v(float64(4+i), "well", status)
	}
	s.said()
}

// TestTheLastWordIsTrue: if the last alert of a key says that it is resolved, and it fires again for a minute, that is
// notified, whatever dedup and rate limits suppress, and without a record, too. A key that flaps makes no extra
// message.
func TestTheLastWordIsTrue(t *testing.T) {
	t.Parallel()
	rules := map[string]alert.RuleConfig{
		"dedup":            {Dedup: time.Hour, Resolve: alert.Stretch{Records: 1}},
		"a rate limit":     {RateLimit: alert.Rate{Events: 1, Per: time.Hour}, Resolve: alert.Stretch{Records: 1}},
		"dedup, and a for": {Dedup: time.Hour, Resolve: alert.Stretch{Records: 1}, For: alert.Stretch{Records: 1}},
	}
	for name, r := range rules {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " restarts ", restarts), func(t *testing.T) {
				t.Parallel()
				r.Name, r.When = "r", "v > 10"
				config := alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: []alert.RuleConfig{r}}
				s := tell(t, config)
				s.evaluator.Agree(alert.HashKey{1}, alert.StateFormat)
				restart := func() {
					if restarts {
						state := s.evaluator.State()
						s.evaluator = newWorld(t, config).pipeline.Shard(shardID)
						s.evaluator.Agree(alert.HashKey{1}, alert.StateFormat)
						require.NoError(t, s.evaluator.Restore(state))
					}
				}
				s.v(0, "a", 11)
				s.v(1, "a", 1)
				s.said("firing r a at 0s", "resolved r a at 1s")
				for i := range 50 { // it flaps
					s.v(float64(2+i), "a", 11-10*(i%2))
					restart()
				}
				s.said()
				s.v(100, "a", 11)
				restart()
				s.tick(159)
				s.said()
				restart()
				s.tick(161) // and no record comes
				require.Len(t, s.lines, 1)
				require.Contains(t, s.lines[0], "firing r a at 2m40s")
				s.lines = nil
				s.v(170, "a", 11)
				s.v(171, "a", 1)
				require.Len(t, s.lines, 1)
				require.Contains(t, s.lines[0], "resolved r a at 2m51s")
			})
		}
	}
}

func TestInhibitionThatCannotWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		by, r alert.RuleConfig
		says  string
	}{
		{
			alert.RuleConfig{Absence: alert.AbsenceConfig{After: time.Minute, Of: "stream"}},
			alert.RuleConfig{When: "v > 1"},
			"is decided in one shard, the others would not know; use absence of shard",
		},
		{
			alert.RuleConfig{When: "v > 1", Dedup: time.Minute},
			alert.RuleConfig{Absence: alert.AbsenceConfig{After: time.Minute, Of: "shard"}},
			"is about single keys, and absence of shard about none of them",
		},
		{
			alert.RuleConfig{When: "v > 1", Window: alert.WindowConfig{Length: time.Minute, Tumbling: true, Is: "> 1"}},
			alert.RuleConfig{When: "v > 1"},
			"is active for no longer than a moment; give it resolve, or dedup",
		},
		{
			alert.RuleConfig{When: "v > 1"},
			alert.RuleConfig{Absence: alert.AbsenceConfig{After: time.Minute}},
			"is about single records, and this rule fires without one; give it resolve, or dedup",
		},
	} {
		c.by.Name, c.r.Name, c.r.InhibitedBy = "by", "r", []string{"by"}
		err := alert.Config{
			Topics: map[string]alert.TopicConfig{"oncall": {}},
			Rules:  []alert.RuleConfig{c.by, c.r},
		}.Validate()
		require.ErrorContains(t, err, "rules[1].inhibited_by[0]")
		require.ErrorContains(t, err, c.says)
	}
}

// TestAbsenceIsToldWhenItIsMuteNoMore: no record can show that an absence still fires, so a timer must.
func TestAbsenceIsToldWhenItIsMuteNoMore(t *testing.T) {
	t.Parallel()
	after := alert.AbsenceConfig{After: time.Minute}
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules: []alert.RuleConfig{
			{Name: "shard", Absence: alert.AbsenceConfig{After: time.Minute, Of: "shard"}},
			{Name: "silenced", Absence: after},
			{Name: "quiet", Absence: after, Quiet: []alert.QuietConfig{{
				From: "12:30", To: "13:15",
				Zone: "Europe/Berlin",
			}}},
			{Name: "inhibited", Absence: after, InhibitedBy: []string{"shard"}},
			{Name: "limited", Absence: after, RateLimit: alert.Rate{Events: 1, Per: 90 * time.Second}},
			{
				Name: "held", When: "v > 10", For: alert.Stretch{Time: 30 * time.Second},
				Resolve: alert.Stretch{Records: 1},
			},
			{
				Name: "over", When: "v > 10", For: alert.Stretch{Time: 30 * time.Second},
				Resolve: alert.Stretch{Time: 50 * time.Second},
			},
		},
		Silences: []alert.SilenceConfig{
			{
				Name: "s", Rules: []string{"silenced", "held", "over"},
				Until: noon().Add(200 * time.Second).Format(time.RFC3339),
			},
		},
	})
	s.v(0, "a", 11)
	s.v(0, "b", 1)
	s.tick(100)
	s.said("firing shard  at 1m", "firing limited a at 1m")
	s.tick(199)
	s.said("firing limited b at 3m (1 suppressed)") // at two minutes there was no token
	s.tick(250)
	s.said("firing silenced a at 3m20s (1 suppressed)", "firing silenced b at 3m20s (1 suppressed)",
		"firing held a at 3m20s (1 suppressed)")
	s.v(251, "c", 1)
	s.tick(302)
	s.said("resolved shard  at 4m11s", "firing inhibited a at 5m (1 suppressed)",
		"firing inhibited b at 5m (1 suppressed)")
	s.v(303, "a", 1)
	s.tick(304)
	s.said("resolved silenced a at 5m3s", "resolved inhibited a at 5m3s", "resolved limited a at 5m3s",
		"resolved held a at 5m3s")
	s.tick(310)
	s.lines = nil // c
	s.tick(900)
	lines := s.lines
	require.Contains(t, lines, "firing quiet b at 15m (1 suppressed)")
	for _, line := range lines {
		require.NotContains(t, line, "over")
	}
}

func TestAbsenceOfStreamIsToldWhenItIsMuteNoMore(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", Absence: alert.AbsenceConfig{After: time.Minute, Of: "stream"},
		Quiet: []alert.QuietConfig{{From: "12:00", To: "12:03"}},
	})
	for _, at := range []float64{50, 70, 179, 180.5, 181, 250} {
		caughtUp := noon().Add(time.Duration((at + 2) * float64(time.Second)))
		s.note(s.evaluator.Tick(alert.Tick{Fleet: alert.Fleet{Decides: true, LastArrival: noon(), CaughtUp: caughtUp}}))
	}
	s.said("firing r  at 3m (1 suppressed)")
}

// TestRiseInSeverity: a rise in severity is notified at once, once for each grade, whatever would suppress a
// repetition. The end has the most severe grade of the alerts, a repetition the present one.
func TestRiseInSeverity(t *testing.T) {
	t.Parallel()
	const severity = `v > 900 ? "critical" : v > 100 ? "warning" : "info"`
	tests := map[string]struct {
		rule     alert.RuleConfig
		silences []alert.SilenceConfig
		want     []string
	}{
		"a firing period": {
			alert.RuleConfig{Resolve: alert.Stretch{Records: 1}, Dedup: time.Hour},
			nil,
			[]string{"0s firing info", "20s firing warning", "40s firing critical", "1m20s resolved critical"},
		},
		"with repeats": {
			alert.RuleConfig{Resolve: alert.Stretch{Records: 1}, RepeatInterval: 25 * time.Second},
			nil,
			[]string{
				"0s firing info", "20s firing warning", "40s firing critical", "1m5s repeat warning",
				"1m20s resolved critical",
				"1m30s firing critical", "1m40s resolved critical",
			},
		},
		"dedup alone": {
			alert.RuleConfig{Dedup: time.Hour},
			nil,
			[]string{"0s firing info", "20s firing warning", "40s firing critical"},
		},
		"a rate limit": {
			alert.RuleConfig{
				Resolve:   alert.Stretch{Records: 1},
				RateLimit: alert.Rate{Events: 2, Per: time.Hour},
			},
			nil,
			[]string{"0s firing info", "20s firing warning", "1m20s resolved warning"},
		},
		"repetitions report the rise that a rate limit suppressed": {
			alert.RuleConfig{
				Resolve: alert.Stretch{Records: 1}, RepeatInterval: 50 * time.Second,
				RateLimit: alert.Rate{Events: 1, Per: 50 * time.Second},
			},
			nil,
			[]string{"0s firing info", "50s repeat critical", "1m20s resolved critical"},
		},
		"silenced while it rises": {
			alert.RuleConfig{Resolve: alert.Stretch{Records: 1}},
			[]alert.SilenceConfig{{
				Name: "s", From: noon().Add(15 * time.Second).Format(time.RFC3339),
				Until: noon().Add(45 * time.Second).Format(time.RFC3339),
			}},
			[]string{
				"0s firing info", "45s firing critical", "1m20s resolved critical", "1m30s firing critical",
				"1m40s resolved critical",
			},
		},
		"a window": {
			alert.RuleConfig{
				Window:  alert.WindowConfig{Length: 10 * time.Second, Is: ">= 1"},
				Resolve: alert.Stretch{Time: 15 * time.Second},
			},
			nil,
			[]string{"0s firing info", "20s firing warning", "40s firing critical"},
		},
		"a tumbling window": {
			alert.RuleConfig{
				Window: alert.WindowConfig{Length: 10 * time.Second, Tumbling: true, Is: ">= 1"},
				Dedup:  time.Hour,
			},
			nil,
			[]string{"10s firing info", "30s firing warning", "50s firing critical"},
		},
		"no expression": {alert.RuleConfig{Severity: "warning", Dedup: time.Hour}, nil, []string{"0s firing warning"}},
	}
	for name, test := range tests {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " restarts ", restarts), func(t *testing.T) {
				t.Parallel()
				r := test.rule
				r.Name, r.When = "r", "v > 10"
				if r.Severity == "" {
					r.Severity = severity
				}
				config := alert.Config{
					Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: []alert.RuleConfig{r},
					Silences: test.silences,
				}
				s := tell(t, config)
				s.evaluator.Agree(alert.HashKey{1}, alert.StateFormat)
				var got []string
				for i, v := range []int{11, 12, 101, 102, 901, 902, 102, 13, 1, 999, 1, 1} {
					for _, a := range s.at(float64(10*i), "a", fmt.Sprintf(`{"v":%d}`, v)).Alerts {
						got = append(got, fmt.Sprint(a.At.Sub(noon()), " ", a.Kind, " ", a.Severity))
					}
					if restarts {
						state := s.evaluator.State()
						s.evaluator = newWorld(t, config).pipeline.Shard(shardID)
						s.evaluator.Agree(alert.HashKey{1}, alert.StateFormat)
						require.NoError(t, s.evaluator.Restore(state))
					}
				}
				require.Equal(t, test.want, got)
			})
		}
	}
}

// TestSeverityOfWhatTimeMakes: it is that of the last record, and the end of a firing period is as severe as its
// beginning.
func TestSeverityOfWhatTimeMakes(t *testing.T) {
	t.Parallel()
	config := alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: []alert.RuleConfig{
		{Name: "for", When: "v > 10", For: alert.Stretch{Time: 10 * time.Second}, Resolve: alert.Stretch{Records: 1}},
		{Name: "absent", Absence: alert.AbsenceConfig{After: time.Minute}},
		{
			Name: "window", When: "v > 10", Dedup: 5 * time.Second,
			Window: alert.WindowConfig{Length: 10 * time.Second, Tumbling: true, Is: "> 0"},
		},
		{Name: "never", Absence: alert.AbsenceConfig{After: time.Minute, Of: "shard"}, When: "v > 1000"},
	}}
	for i := range config.Rules {
		config.Rules[i].Severity = `v > 100 ? "critical" : "info"`
	}
	s := tell(t, config)
	var got []string
	take := func(alerts []*alert.Alert) {
		for _, a := range alerts {
			got = append(got, fmt.Sprint(a.Rule, " ", a.Kind, " ", a.Severity))
		}
	}
	take(s.evaluator.Tick(alert.Tick{CaughtUp: noon().Add(2 * time.Second)}))
	take(s.v(0, "a", 11).Alerts)
	take(s.v(1, "a", 101).Alerts)
	take(s.evaluator.Tick(alert.Tick{CaughtUp: noon().Add(14 * time.Second)}))
	take(s.v(12, "a", 12).Alerts)
	take(s.v(21, "a", 1).Alerts)
	take(s.evaluator.Tick(alert.Tick{CaughtUp: noon().Add(100 * time.Second)}))
	require.Equal(t, []string{
		"for firing critical", "window firing critical", "window firing info", "for resolved critical",
		"never firing warning", "absent firing info",
	}, got)

	config.Rules = []alert.RuleConfig{{
		Name: "r", Absence: alert.AbsenceConfig{After: time.Minute, Of: "stream"},
		Severity: `v > 100 ? "critical" : "info"`,
	}}
	require.ErrorContains(t, config.Validate(), "absence of stream has no record to look at")
}

// TestForIsNotMetByWhatIsOver: a pending key without a record for longer than resolve does not fire only to resolve in
// the same moment.
func TestForIsNotMetByWhatIsOver(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", When: "v > 10", For: alert.Stretch{Time: 10 * time.Minute},
		Resolve: alert.Stretch{Time: time.Minute},
	})
	s.v(0, "a", 11)
	s.v(30, "a", 11)
	s.v(0, "b", 11)
	s.v(595, "b", 11)
	s.tick(1000)
	s.said("firing r b at 10m30s", "resolved r b at 10m55s")
	s.v(1100, "a", 11) // starts again
	s.tick(1150)
	s.said()
}

// TestSwallowedIsToldWithTheNextMessage: also what was suppressed in a firing period without an alert.
func TestSwallowedIsToldWithTheNextMessage(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", When: "v > 10", Dedup: time.Minute,
		Resolve: alert.Stretch{Records: 1},
	})
	for i, v := range []int{11, 12, 1, 11, 1, 11, 12, 1} {
		s.v(float64(i), "a", v)
	}
	s.v(61, "a", 11)
	s.said("firing r a at 0s", "resolved r a at 2s (1 suppressed)", "firing r a at 1m1s (3 suppressed)")
}

// TestMissedRepetitionsAreNoFlood: after days in which an idle shard was not read, a key that still fires is repeated
// once.
func TestMissedRepetitionsAreNoFlood(t *testing.T) {
	t.Parallel()
	s := newStory(t,
		alert.RuleConfig{
			Name: "absent", Absence: alert.AbsenceConfig{After: time.Minute, GiveUp: 96 * time.Hour},
			RepeatInterval: time.Minute,
		},
		alert.RuleConfig{
			Name: "r", When: "v > 10", Resolve: alert.Stretch{Time: 90 * time.Minute},
			RepeatInterval: time.Minute,
		},
		alert.RuleConfig{
			Name: "stream", Absence: alert.AbsenceConfig{After: time.Minute, Of: "stream"}, RepeatInterval: time.Minute,
		},
		alert.RuleConfig{
			Name: "few", When: "true", Window: alert.WindowConfig{Length: time.Hour, Is: "< 2"},
			Resolve: alert.Stretch{Records: 1}, RepeatInterval: time.Minute,
		},
	)
	s.v(0, "a", 11)
	s.tick(61)
	s.said("firing r a at 0s", "firing absent a at 1m", "repeat r a at 1m")
	s.tick(48*3600 + 30)
	s.said("firing few a at 1h0m", "resolved r a at 1h30m", "repeat absent a at 48h0m", "repeat few a at 48h0m")
	s.tick(48*3600 + 61)
	s.said("repeat absent a at 48h1m", "repeat few a at 48h1m")
	for _, at := range []int{60, 48*3600 + 30, 48*3600 + 31} {
		s.note(s.evaluator.Tick(alert.Tick{Fleet: alert.Fleet{
			Decides: true, LastArrival: noon(), CaughtUp: noon().Add(time.Duration(at+2) * time.Second),
		}}))
	}
	s.said("firing stream  at 1m", "repeat stream  at 48h0m")
}

// TestOddTimesAndSums: neither an arrival before 1970 nor values beyond any sum make a record invalid, or a window
// hold.
func TestOddTimesAndSums(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{
		Name: "r", When: "v != 0", Window: alert.WindowConfig{
			Length: time.Minute, Aggregate: "sum", Of: "v",
			Is: "< 0",
		},
	}))
	at := time.Date(1969, 7, 20, 0, 0, 0, 0, time.UTC)
	for i, v := range []string{"1e308", "1e308", "1e308", "-1e308", "-1e308"} {
		d := w.evaluator.Evaluate(&alert.Record{
			Shard: shardID, PartitionKey: "a", SequenceNumber: fmt.Sprint(i), Arrival: at,
			Data: []byte(`{"v":` + v + `}`),
		})
		require.Equal(t, alert.Unmatched, d.Outcome, "%s", d.Reason)
		if at = noon(); i > 1 {
			at = noon().Add(10 * time.Second)
		}
	}
}

// TestQuietHoursThroughTheYear: local time counts, also in nights with a clock change.
func TestQuietHoursThroughTheYear(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", When: "v > 10", Quiet: []alert.QuietConfig{{From: "02:30", To: "06:00", Zone: "Europe/Berlin"}},
	})
	for _, c := range []struct {
		at   string
		want alert.Outcome
	}{
		{"2026-11-23T01:29:00Z", alert.Alerted}, // 02:29 in winter
		{"2026-11-23T01:31:00Z", alert.Suppressed},
		{"2027-03-28T00:59:59Z", alert.Alerted}, // 01:59:59, and then 03:00: the hours begin with the leap
		{"2027-03-28T01:00:00Z", alert.Suppressed},
		{"2027-03-28T03:59:00Z", alert.Suppressed}, // 05:59 in summer
		{"2027-03-28T04:00:00Z", alert.Alerted},
		{"2027-10-31T00:31:00Z", alert.Suppressed}, // 02:31 in summer
		{"2027-10-31T01:00:00Z", alert.Alerted},    // 02:00 once more
		{"2027-10-31T01:31:00Z", alert.Suppressed},
		{"2027-10-31T05:00:00Z", alert.Alerted},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		require.Equal(t, c.want, s.v(at.Sub(noon()).Seconds(), "a", 11).Outcome, c.at)
	}
	always := oneRule(alert.RuleConfig{
		Name: "r", When: "v > 10",
		Quiet: []alert.QuietConfig{{From: "00:00", To: "00:00"}},
	})
	require.ErrorContains(t, always.Validate(), "covers every hour of the week")
	always.Rules[0].Quiet[0].Days = []string{"sat", "sun"}
	require.NoError(t, always.Validate())
}

// TestKeyThatCannotBeComputedIsCountedOnce: for each record that matches, whatever the rule does with it, and for no
// other.
func TestKeyThatCannotBeComputedIsCountedOnce(t *testing.T) {
	t.Parallel()
	topics := []string{"one", "two"}
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"one": {}, "two": {}},
		Rules: []alert.RuleConfig{
			{Name: "down", When: "v > 100", Key: "name", Resolve: alert.Stretch{Records: 1}, Topics: topics},
			{Name: "r", When: "v > 10", Key: "name", InhibitedBy: []string{"down"}, Topics: topics},
		},
	})
	for i, v := range []int{11, 1, 101, 1} {
		s.v(float64(i), "a", v)
	}
	for rule, want := range map[string]int{"down": 1, "r": 2} {
		require.InDelta(t, want, s.undefined(rule, "missing"), 0, rule)
	}
}

func (s *story) undefined(rule, reason string) float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	require.NoError(s.t, err)
	for _, f := range families {
		if f.GetName() != "kinesis_alerter_rule_undefined_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == reason && m.GetLabel()[1].GetValue() == rule {
				return m.GetCounter().GetValue()
			}
		}
	}
	s.t.Fatalf("no series for %s, %s", rule, reason)
	return 0
}
