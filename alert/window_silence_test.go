package alert_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// silenceOf is a silence from and until some seconds after noon.
func silenceOf(when string, from, until float64, rules ...string) alert.SilenceConfig {
	after := func(seconds float64) string {
		return noon().Add(time.Duration(seconds * float64(time.Second))).Format(time.RFC3339)
	}
	return alert.SilenceConfig{
		Name: "s" + fmt.Sprint(from), When: when, From: after(from), Until: after(until),
		Rules: rules,
	}
}

// silenced runs a story under silences, with a restart after each record or with none.
type silenced struct {
	*story
	config   alert.Config
	format   int
	restarts bool
}

func (s *silenced) at(seconds float64, key, host string, v any) {
	s.t.Helper()
	s.story.at(seconds, key, fmt.Sprintf(`{"v":%v,"host":%q}`, v, host))
	s.restart()
}

func (s *silenced) restart() {
	s.t.Helper()
	if !s.restarts {
		return
	}
	state := s.evaluator.State()
	require.EqualValues(s.t, s.format, state[3])
	s.world = newWorld(s.t, s.config)
	s.evaluator.Agree(alert.HashKey{1}, s.format)
	require.NoError(s.t, s.evaluator.Restore(state))
}

func (s *silenced) reload(silences ...alert.SilenceConfig) {
	s.t.Helper()
	s.config.Silences = silences
	require.NoError(s.t, s.pipeline.UpdateTo(s.config))
}

// eachSilenced runs a story in the latest format, with and without restarts.
func eachSilenced(t *testing.T, rules []alert.RuleConfig, silences []alert.SilenceConfig, story func(s *silenced)) {
	t.Helper()
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprint("restarts ", restarts), func(t *testing.T) {
			t.Parallel()
			story(newSilenced(t, rules, silences, alert.StateFormat, restarts))
		})
	}
}

func newSilenced(t *testing.T, rules []alert.RuleConfig, silences []alert.SilenceConfig, format int,
	restarts bool,
) *silenced {
	t.Helper()
	config := alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: rules, Silences: silences}
	s := &silenced{story: tell(t, config), config: config, format: format, restarts: restarts}
	s.evaluator.Agree(alert.HashKey{1}, format)
	return s
}

const ofH1 = `host == "h1"`

func minute() alert.Stretch { return alert.Stretch{Time: time.Minute} }

// TestSilencesCoverWhatTimeBringsAbout: a silence that covers a key's last record covers what falls due after it.
func TestSilencesCoverWhatTimeBringsAbout(t *testing.T) {
	t.Parallel()
	const hour = 3600
	rules := []alert.RuleConfig{
		{Name: "held", When: "v > 3", For: alert.Stretch{Time: 30 * time.Second}, Resolve: minute()},
		{Name: "repeats", When: "v > 3", Resolve: alert.Stretch{Time: 10 * time.Minute}, RepeatInterval: time.Minute},
		{
			Name: "gone", When: "v > 3", Absence: alert.AbsenceConfig{After: 3 * time.Minute},
			RepeatInterval: time.Minute,
		},
		{Name: "tumbles", When: "v > 3", Window: alert.WindowConfig{
			Length: 25 * time.Second, Tumbling: true,
			Is: "> 5",
		}},
	}
	t.Run("from the beginning", func(t *testing.T) {
		t.Parallel()
		eachSilenced(t, rules, []alert.SilenceConfig{silenceOf(ofH1, 0, hour)}, func(s *silenced) {
			for i := range 25 {
				s.at(float64(4*i), "h1", "h1", 9)
				s.at(float64(4*i), "h2", "h2", 9)
			}
			s.said("firing repeats h2 at 0s", "firing tumbles h2 at 25s", "firing held h2 at 30s",
				"firing tumbles h2 at 50s",
				"repeat repeats h2 at 1m (14 suppressed)", "firing tumbles h2 at 1m15s")
			s.tick(hour / 10)
			for _, line := range s.lines {
				require.NotContains(t, line, "h1")
			}
			require.Contains(t, s.lines, "firing gone h2 at 4m36s")
		})
	})
	t.Run("from a time on", func(t *testing.T) {
		t.Parallel()
		eachSilenced(t, rules[:2], []alert.SilenceConfig{silenceOf(ofH1, 20, hour)}, func(s *silenced) {
			for i := range 180 {
				s.at(float64(i), "h1", "h1", 9)
			}
			s.said("firing repeats h1 at 0s")
			s.tick(1000) // the topic that was notified that it fires is notified of the end
			s.said("resolved repeats h1 at 12m59s (191 suppressed)")
		})
	})
	t.Run("until a time", func(t *testing.T) {
		t.Parallel()
		eachSilenced(t, []alert.RuleConfig{rules[0], rules[2]},
			[]alert.SilenceConfig{silenceOf(ofH1, 0, 50), silenceOf(ofH1, 70, 200)}, func(s *silenced) {
				for i := range 7 {
					s.at(float64(10*i), "h1", "h1", 9)
				}
				s.said("firing held h1 at 50s (3 suppressed)") // as soon as it is over, by time
				s.restart()
				s.tick(195)
				s.said("resolved held h1 at 2m (2 suppressed)")
				s.tick(245)
				s.said("firing gone h1 at 4m")
			})
	})
	t.Run("another word in the last record", func(t *testing.T) {
		t.Parallel()
		eachSilenced(t, rules[1:2], []alert.SilenceConfig{silenceOf(`host == "works"`, 0, hour)}, func(s *silenced) {
			s.at(0, "k", "", 9)
			s.at(50, "k", "works", 9)
			s.tick(70)
			s.said("firing repeats k at 0s")
			s.at(100, "k", "", 9)
			s.at(110, "k", "works", 1) // says nothing about what fires
			s.tick(130)
			s.said("repeat repeats k at 2m (3 suppressed)")
		})
	})
}

// TestSilencesBelowTheirFormat: what the format cannot store decides nothing, so a restart changes nothing.
func TestSilencesBelowTheirFormat(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		{Name: "held", When: "v > 3", For: alert.Stretch{Time: 30 * time.Second}, Resolve: minute()},
		{Name: "window", When: "v > 3", Window: alert.WindowConfig{Length: time.Minute, Is: "> 2"}, Resolve: minute()},
	}
	for format := 1; format < alert.StateFormat; format++ {
		for _, restarts := range []bool{false, true} {
			s := newSilenced(t, rules, []alert.SilenceConfig{silenceOf(ofH1, 0, 3600)}, format, restarts)
			for i := range 7 {
				s.at(float64(i), "h1", "h1", 9)
			}
			s.tick(40)
			s.said("firing window h1 at 5s (3 suppressed)", "firing held h1 at 30s")
		}
	}
}

// TestSilencesAndReloads: a reload keeps what is known of the conditions that stay, whatever their order, names and
// times; of a new one the next record reports whether it holds.
func TestSilencesAndReloads(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		{Name: "r", When: "v > 3", Resolve: alert.Stretch{Time: time.Hour}, RepeatInterval: time.Minute},
		{
			Name: "w", When: "v > 3", Window: alert.WindowConfig{Length: 10 * time.Minute, Is: "> 0"},
			Resolve: alert.Stretch{Time: time.Hour}, RepeatInterval: time.Minute,
		},
	}
	h1, h2, new1 := silenceOf(ofH1, 0, 3600), silenceOf(`host == "h2"`, 3000, 3600),
		silenceOf(`host startsWith "h1"`, 2, 3600)
	eachSilenced(t, rules, []alert.SilenceConfig{h1}, func(s *silenced) {
		s.at(0, "h1", "h1", 9)
		s.said()
		s.reload(h2, h1)
		s.restart()
		s.tick(100)
		s.said()
		s.reload()
		s.at(101, "h1", "h1", 9)
		s.said("firing r h1 at 1m41s (1 suppressed)", "firing w h1 at 1m41s (3 suppressed)")
		s.reload(h2, new1)
		s.restart()
		s.tick(165)
		s.said("repeat r h1 at 2m41s", "repeat w h1 at 2m41s")
		s.at(170, "h1", "h1", 9)
		s.tick(500)
		s.said()
	})
}

// TestWindowsOfSilencedRecords: a window is judged with all its records, so that no silence causes an alert. One that
// would not hold without the covered records is silenced.
func TestWindowsOfSilencedRecords(t *testing.T) {
	t.Parallel()
	type record struct {
		at   float64
		host string
		v    float64
	}
	many := func(from float64, n int, host string, v float64) (out []record) {
		for i := range n {
			out = append(out, record{from + float64(i), host, v})
		}
		return out
	}
	join := func(lists ...[]record) (out []record) {
		for _, l := range lists {
			out = append(out, l...)
		}
		return out
	}
	one := func(at float64, host string, v float64) []record { return many(at, 1, host, v) }
	sliding := func(aggregate, is string) alert.WindowConfig {
		w := alert.WindowConfig{Length: time.Minute, Step: 10 * time.Second, Aggregate: aggregate, Is: is}
		if aggregate != "count" && aggregate != "rate" {
			w.Of = "v"
		}
		return w
	}
	tumbling := func(aggregate, is string) alert.WindowConfig {
		w := sliding(aggregate, is)
		w.Step, w.Tumbling = 0, true
		return w
	}
	tests := map[string]struct {
		window   alert.WindowConfig
		silences []alert.SilenceConfig
		records  []record
		until    float64
		want     []string
	}{
		"a good record of another host": {
			sliding("count", "> 5"), nil, join(many(0, 10, "h1", 1), one(12, "h2", 1)), 65, nil,
		},
		"another host's own errors": {
			sliding("count", "> 5"), nil, join(many(0, 10, "h1", 1), many(12, 7, "h2", 1), one(30, "h1", 1)), 65,
			[]string{"firing r  at 17s (11 suppressed)"},
		},
		"a tumbling window": {
			tumbling("count", "> 5"), nil, join(many(0, 10, "h1", 1), one(12, "h2", 1), many(61, 6, "h2", 1),
				many(70, 2, "h1", 1)), 121,
			[]string{"firing r  at 2m"},
		},
		"a sum":     {sliding("sum", "> 50"), nil, join(many(0, 10, "h1", 9), one(12, "h2", 9)), 65, nil},
		"a rate":    {sliding("rate", "> 0.1"), nil, join(many(0, 10, "h1", 9), one(12, "h2", 9)), 65, nil},
		"a maximum": {sliding("max", "> 50"), nil, join(one(0, "h1", 99), one(12, "h2", 9)), 65, nil},
		"another's own": {
			sliding("max", "> 50"), nil, join(one(0, "h1", 99), one(12, "h2", 59)), 65,
			[]string{"firing r  at 12s (2 suppressed)"},
		},
		"an average": {sliding("avg", "> 50"), nil, join(one(0, "h1", 99), one(12, "h2", 9)), 65, nil},
		"its own too": {
			sliding("avg", "> 50"), nil, join(one(0, "h1", 99), one(12, "h2", 59)), 65,
			[]string{"firing r  at 12s (2 suppressed)"},
		},
		"values": {
			sliding("distinct", "> 2"), nil,
			join(one(0, "h1", 1), one(1, "h1", 2), one(2, "h1", 3), one(12, "h2", 1)), 65, nil,
		},
		"values of both": {
			sliding("distinct", "> 2"), nil,
			join(one(0, "h1", 1), one(1, "h1", 2), one(2, "h2", 3), one(12, "h2", 2), one(13, "h2", 1)), 65,
			[]string{"firing r  at 13s (3 suppressed)"},
		},

		// Too few: silenced records count, even if the others alone would be too few.
		"enough of all": {
			tumbling("count", "< 5"), nil,
			join(one(5, "h2", 1), many(60, 9, "h1", 1), one(70, "h2", 1)), 121, nil,
		},
		"too few of all": {
			tumbling("count", "< 5"), nil,
			join(one(5, "h2", 1), many(60, 2, "h1", 1), one(70, "h2", 1)), 121,
			[]string{"firing r  at 2m"},
		},
		"too few of what is known": {
			tumbling("count", "< 5"), nil, join(one(5, "h1", 1), many(60, 2, "h1", 1)), 185,
			nil,
		},
		"nothing any more": {
			tumbling("count", "< 5"), nil,
			join(many(0, 10, "h1", 1), many(60, 10, "h1", 1), one(70, "h2", 1)), 181,
			[]string{"firing r  at 3m"},
		},

		"from the middle of a window on": {
			tumbling("count", "> 5"), []alert.SilenceConfig{silenceOf(ofH1, 30, 3600)}, many(0, 50, "h1", 1), 61, nil,
		},
		"what came before still counts": {
			tumbling("count", "> 5"),
			[]alert.SilenceConfig{silenceOf(ofH1, 30, 3600)},
			join(many(0, 50, "h1", 1), one(51, "h2", 1)), 61,
			[]string{"firing r  at 1m"},
		},
		"what still holds at its end is notified": {
			sliding("count", "> 5"),
			[]alert.SilenceConfig{silenceOf(ofH1, 0, 30)},
			join(many(0, 10, "h1", 1), one(12, "h2", 1), one(40, "h2", 1)), 41,
			[]string{"firing r  at 30s (8 suppressed)"},
		},
		"two silences": {
			sliding("count", "> 5"),
			[]alert.SilenceConfig{silenceOf(ofH1, 0, 3600), silenceOf(`host == "h3"`, 1, 3600)},
			join(many(1, 5, "h1", 1), many(6, 5, "h3", 1), one(12, "h2", 1)), 65, nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			silences := test.silences
			if silences == nil {
				silences = []alert.SilenceConfig{silenceOf(ofH1, 0, 3600)}
			}
			rules := []alert.RuleConfig{{Name: "r", When: "v > 0", Key: `""`, Window: test.window}}
			eachSilenced(t, rules, silences, func(s *silenced) {
				s.tick(0)
				for _, rec := range test.records {
					s.at(rec.at, rec.host, rec.host, rec.v)
				}
				s.tick(test.until)
				s.said(test.want...)
			})
		})
	}
}

// TestSilencesOfManyConditions: there is a bit for each with every key, so their number is bounded; equal ones share
// one.
func TestSilencesOfManyConditions(t *testing.T) {
	t.Parallel()
	config := alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules:  []alert.RuleConfig{{Name: "r", When: "v > 3"}},
	}
	for i := range 32 {
		config.Silences = append(config.Silences, silenceOf(fmt.Sprintf("host == %d", i), 0, 60),
			silenceOf(fmt.Sprintf("host == %d", i), 90, 100), silenceOf("true", 0, 1))
	}
	require.NoError(t, config.Validate())
	config.Silences = append(config.Silences, silenceOf("host == 99", 0, 60))
	require.ErrorContains(t, config.Validate(), "silences[96].when")
	require.ErrorContains(t, config.Validate(), `host in ["a", "b"]`)
}

// TestChildrenInheritWhatSilencesSay: a split and a merge lose nothing of it.
func TestChildrenInheritWhatSilencesSay(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		{Name: "held", When: "v > 3", For: alert.Stretch{Time: 30 * time.Second}},
		{Name: "window", When: "v > 3", Window: alert.WindowConfig{
			Length: time.Minute, Aggregate: "distinct", Of: "v",
			Is: "> 2",
		}},
	}
	for _, siblings := range [][]string{nil, {"sibling"}} {
		parent := newSilenced(t, rules, []alert.SilenceConfig{silenceOf(ofH1, 0, 3600)}, alert.StateFormat, false)
		for i := range 5 {
			parent.at(float64(i), "k", "h1", 4+i)
		}
		state := parent.evaluator.State()
		child := newSilenced(t, rules, parent.config.Silences, alert.StateFormat, true)
		require.NoError(t, child.evaluator.Inherit([][]byte{state},
			alert.Heir{Owns: func(string) bool { return true }, Parents: []string{"p"}, Siblings: siblings}))
		child.restart()
		if siblings == nil {
			child.tick(31)
			child.said()
			continue
		}
		child.story.at(10, "k", `{"v":1}`)
		child.at(20, "k", "h2", 4)
		child.at(21, "k", "h2", 5)
		child.restart()
		child.tick(25)
		child.said()
		child.at(26, "k", "h2", 6)
		child.tick(29)
		child.said("firing window k at 26s (11 suppressed)")
	}
}
