package alert_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/testkit"
)

// hearers collects the alerts that each topic got about each key, one word each, without immediate repetitions.
type hearers struct {
	t     *testing.T
	words map[string][]string
	ids   map[string]bool
}

func (h *hearers) hear(alerts []*alert.Alert) {
	for _, a := range alerts {
		m, err := a.Render()
		require.NoError(h.t, err)
		require.False(h.t, h.ids[a.ID], "said twice: %s %s %s %s", a.Kind, a.Rule, a.Key, a.Topic)
		h.ids[a.ID] = true
		word := string(a.Kind)
		if a.Ended != "" {
			word = "ended"
			require.Contains(h.t, m.Body, a.Ended)
		}
		of := a.Topic + " " + a.Rule + " " + a.Key
		if all := h.words[of]; len(all) == 0 || all[len(all)-1] != word || word != "repeat" {
			h.words[of] = append(all, word)
		}
	}
}

func (h *hearers) String() string {
	var out []string
	for _, of := range slices.Sorted(maps.Keys(h.words)) {
		out = append(out, of+": "+strings.Join(h.words[of], " "))
	}
	return strings.Join(out, "\n")
}

// fleetOfOne is a stream whose shards one worker at a time evaluates.
type fleetOfOne struct {
	*hearers

	pipeline *alert.Pipeline
	shards   []*alert.Evaluator
	n        int
}

func (*fleetOfOne) config(rules []alert.RuleConfig) alert.Config {
	return alert.Config{
		Topics: map[string]alert.TopicConfig{"t": {Subject: "of t"}, "u": {}},
		Rules: append(slices.Clone(rules), alert.RuleConfig{
			Name: "other", When: "w > 0", Dedup: time.Hour,
			Topics: []string{"u"},
		}),
	}
}

func (f *fleetOfOne) start(rules []alert.RuleConfig) {
	p, err := alert.NewOf(f.config(rules), alert.Deps{
		Stream: streamARN, Log: zap.NewNop(),
		Registerer: prometheus.NewRegistry(),
	})
	require.NoError(f.t, err)
	f.pipeline = p
}

// restart is another process, or another worker, with these rules.
func (f *fleetOfOne) restart(rules []alert.RuleConfig) {
	f.start(rules)
	for i, old := range f.shards {
		state := old.State()
		for range 2 {
			f.shards[i] = f.pipeline.Shard(fmt.Sprint("shard-", i))
			require.NoError(f.t, f.shards[i].Restore(state))
			state = f.shards[i].State()
		}
		require.Equal(f.t, string(state), string(f.shards[i].State()), "a restart keeps all of it")
	}
}

func (f *fleetOfOne) reload(rules []alert.RuleConfig) {
	require.NoError(f.t, f.pipeline.UpdateTo(f.config(rules)))
}

// split replaces the shard by two, of which the second gets the records of key b. Neither has had a record of a key
// until the next one.
func (f *fleetOfOne) split() {
	state := f.shards[0].State()
	children := []string{"shard-0", "shard-1"}
	for i, child := range children {
		e := f.pipeline.Shard(child)
		require.NoError(f.t, e.Inherit([][]byte{state}, alert.Heir{
			Owns:    func(key string) bool { return (key == "b") == (i == 1) },
			Parents: []string{"parent"}, Siblings: without(children, child),
		}))
		f.shards = append(f.shards[:min(i, len(f.shards))], e)
	}
}

func without(list []string, gone string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == gone })
}

// merge replaces the two by one.
func (f *fleetOfOne) merge() {
	states := [][]byte{f.shards[0].State(), f.shards[1].State()}
	f.shards = []*alert.Evaluator{f.pipeline.Shard("merged")}
	require.NoError(f.t, f.shards[0].Inherit(states,
		alert.Heir{Owns: func(string) bool { return true }, Parents: []string{"shard-0", "shard-1"}}))
}

func (f *fleetOfOne) put(second float64, v int) {
	for i, key := range []string{"a", "b"} {
		f.n++
		d := f.shards[min(i, len(f.shards)-1)].Evaluate(&alert.Record{
			Shard: shardID, PartitionKey: key, SequenceNumber: fmt.Sprint(1000 + f.n), Arrival: at(second),
			Data: fmt.Appendf(nil, `{"v":%d,"k":"x"}`, v),
		})
		f.hear(d.Alerts)
	}
}

func at(second float64) time.Time { return noon().Add(time.Duration(second * float64(time.Second))) }

func (f *fleetOfOne) tick(second float64, settled bool) {
	for i, e := range f.shards {
		f.hear(e.Tick(alert.Tick{CaughtUp: at(second + 2), Settled: settled}))
		for j, other := range f.shards {
			if i != j {
				x, err := alert.ReadRelative(fmt.Sprint("shard-", j), fmt.Sprint(second), other.State(), nil)
				require.NoError(f.t, err)
				e.Meet(x)
			}
		}
		f.hear(e.Tick(alert.Tick{CaughtUp: at(second + 2), Settled: settled}))
	}
}

type edit struct {
	name   string
	before alert.RuleConfig
	edit   func(*alert.RuleConfig) // nil: it is taken out
	told   string                  // of key a; that of key b is the same
	rolled string                  // with a roll-back within the minute, if that differs from the one without an edit
}

func edits() []edit {
	hot := alert.RuleConfig{
		Name: "r", When: "v > 3", Resolve: alert.Stretch{Time: 10 * time.Second},
		Topics: []string{"t"}, Message: "as before {{.Key}}",
	}
	with := func(change func(*alert.RuleConfig)) alert.RuleConfig {
		c := hot
		change(&c)
		return c
	}
	both := with(func(c *alert.RuleConfig) { c.Topics = []string{"t", "u"} })
	repeated := with(func(c *alert.RuleConfig) { c.RepeatInterval = 30 * time.Second })
	counted := with(func(c *alert.RuleConfig) { c.Window = alert.WindowConfig{Length: 2 * time.Minute, Is: ">= 1"} })
	absent := alert.RuleConfig{
		Name: "r", When: "v < 0", Absence: alert.AbsenceConfig{After: time.Second},
		Topics: []string{"t"},
	}
	byRecords := with(func(c *alert.RuleConfig) { c.Resolve = alert.Stretch{Records: 1} })
	const kept = "t r a: firing resolved"
	return []edit{
		{"no edit", hot, func(*alert.RuleConfig) {}, kept, ""},
		{"taken out", hot, nil, "t r a: firing ended", ""},
		{"taken out, ends by records", byRecords, nil, "t r a: firing ended", ""},
		{
			"taken out of two topics", both, nil, "t r a: firing ended\nu r a: firing ended",
			"t r a: firing resolved\nu r a: firing resolved",
		},
		{"a window taken out", counted, nil, "t r a: firing ended", ""},
		{
			"goes to another topic", hot, func(c *alert.RuleConfig) { c.Topics = []string{"u"} },
			"t r a: firing ended\nu r a: firing resolved", "",
		},
		{
			"leaves a topic", both, func(c *alert.RuleConfig) { c.Topics = []string{"u"} },
			"t r a: firing ended\nu r a: firing resolved", "t r a: firing resolved\nu r a: firing resolved",
		},
		{"gets a topic", hot, func(c *alert.RuleConfig) { c.Topics = []string{"u", "t"} }, kept, ""},
		{
			"gets a topic, repeats", repeated, func(c *alert.RuleConfig) { c.Topics = []string{"u", "t"} },
			"t r a: firing repeat resolved\nu r a: repeat resolved", "t r a: firing repeat resolved",
		},
		{
			"renamed", hot, func(c *alert.RuleConfig) { c.Name = "s" }, "t r a: firing ended\nt s a: firing resolved",
			"t r a: firing resolved\nt s a: firing ended",
		},
		{"mode shadow", hot, func(c *alert.RuleConfig) { c.Mode = "shadow" }, "t r a: firing ended", ""},
		{"another threshold", hot, func(c *alert.RuleConfig) { c.When = "v > 4" }, kept, ""},
		{"a threshold that does not hold", hot, func(c *alert.RuleConfig) { c.When = "v > 9" }, kept, ""},
		{
			"another key", hot, func(c *alert.RuleConfig) { c.Key = `k + partition_key` },
			"t r a: firing ended\nt r xa: firing resolved", "t r a: firing resolved\nt r xa: firing ended",
		},
		{
			"another window", counted, func(c *alert.RuleConfig) { c.Window.Length = 3 * time.Minute },
			"t r a: firing firing resolved", "t r a: firing firing resolved",
		},
		{"another bound of a window", counted, func(c *alert.RuleConfig) { c.Window.Is = ">= 2" }, kept, ""},
		{
			"no end any more", both, func(c *alert.RuleConfig) {
				c.Topics, c.Resolve, c.Dedup = []string{"t"},
					alert.Stretch{}, time.Hour
			}, "t r a: firing firing ended\nu r a: firing ended",
			"t r a: firing firing resolved\nu r a: firing resolved",
		},
		{"repeats, limits and words", hot, func(c *alert.RuleConfig) {
			c.RepeatInterval, c.RateLimit, c.Severity, c.Message = time.Hour, alert.Rate{Events: 9, Per: time.Second},
				"critical", "new {{.Key}}"
			c.Dedup, c.For = time.Minute, alert.Stretch{Records: 2}
		}, kept, ""},
		{"absence taken out", absent, nil, "t r a: firing ended", "t r a: firing"},
		{
			"absence of another time", absent, func(c *alert.RuleConfig) { c.Absence.After = 2 * time.Second },
			"t r a: firing", "t r a: firing",
		},
	}
}

// A topic that was notified that a key fires is notified of its end, once, however the rule is edited and whichever
// worker evaluates it then.
func TestEditedRulesEndWhatTheyTold(t *testing.T) {
	t.Parallel()
	ways := map[string]func(f *fleetOfOne, old, new []alert.RuleConfig) (rolledBack bool){
		"reload":  func(f *fleetOfOne, _, new []alert.RuleConfig) bool { f.reload(new); return false },
		"restart": func(f *fleetOfOne, _, new []alert.RuleConfig) bool { f.restart(new); return false },
		"reload and restart": func(f *fleetOfOne, _, new []alert.RuleConfig) bool {
			f.reload(new)
			f.put(2.5, 5)
			f.restart(new)
			return false
		},
		"rolling deploy": func(f *fleetOfOne, old, new []alert.RuleConfig) bool {
			f.restart(new)
			f.tick(2, false)
			f.put(2.5, 5)
			f.restart(old)
			f.put(2.6, 5)
			f.tick(2.7, false)
			f.restart(new)
			return false
		},
		"split before": func(f *fleetOfOne, _, new []alert.RuleConfig) bool {
			f.split()
			f.put(1.9, 5)
			f.tick(2, false)
			f.restart(new)
			return false
		},
		"split after": func(f *fleetOfOne, _, new []alert.RuleConfig) bool {
			f.reload(new)
			f.tick(2, false)
			f.split()
			return false
		},
		"split and merge": func(f *fleetOfOne, _, new []alert.RuleConfig) bool {
			f.reload(new)
			f.tick(2, false)
			f.split()
			f.put(2.5, 5)
			f.tick(2.6, false)
			f.merge()
			return false
		},
		"roll-back": func(f *fleetOfOne, old, new []alert.RuleConfig) bool {
			f.reload(new)
			f.put(3, 5)
			f.tick(4, false)
			f.reload(old)
			return true
		},
		"roll-back by restarts": func(f *fleetOfOne, old, new []alert.RuleConfig) bool {
			f.restart(new)
			f.put(3, 5)
			f.tick(4, false)
			f.restart(old)
			return true
		},
	}
	unedited := map[string]string{}
	for _, e := range edits() {
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			t.Run(e.name+"/"+way, func(t *testing.T) {
				f := &fleetOfOne{hearers: &hearers{t: t, words: map[string][]string{}, ids: map[string]bool{}}}
				old, next := []alert.RuleConfig{e.before}, []alert.RuleConfig(nil)
				if e.edit != nil {
					next = []alert.RuleConfig{e.before}
					e.edit(&next[0])
				}
				f.start(old)
				f.shards = []*alert.Evaluator{f.pipeline.Shard("parent")}
				absent := e.before.Absence.After > 0
				if f.put(0, 5); absent {
					f.put(0.5, -1) // a sign of life
				}
				f.tick(1.8, false)
				rolledBack := ways[way](f, old, next)
				want, now := e.told, next
				if rolledBack {
					if want, now = "t r a: firing resolved", old; e.rolled != "" {
						want = e.rolled
					} else if e.before.RepeatInterval > 0 || absent {
						want = unedited[e.before.Name]
					}
				}
				before := f.String()
				for second := 5; second < 70; second += 5 {
					f.put(float64(second), 5)
				}
				f.tick(65.5, false)
				if !rolledBack && now == nil {
					require.Equal(t, before, f.String(), "nothing ends before all workers have the rules for a minute")
				}
				f.tick(66, true)
				f.put(67, 5)
				f.restart(now)
				f.tick(68, true)
				f.put(70, 1)
				f.tick(300, true)
				f.restart(now)
				f.tick(301, true)
				require.Equal(t, want, ofKeyA(f.words))
				require.Equal(t, strings.ReplaceAll(want, "a:", "b:"), ofKeyB(f.words))
			})
		}
	}
}

func ofKeyA(words map[string][]string) string { return ofKey(words, "a") }
func ofKeyB(words map[string][]string) string { return ofKey(words, "b") }

func ofKey(words map[string][]string, key string) string {
	h := &hearers{words: maps.Clone(words)}
	maps.DeleteFunc(h.words, func(of string, _ []string) bool { return !strings.HasSuffix(of, key) })
	return h.String()
}

func newFleetOfOne(t *testing.T, rules ...alert.RuleConfig) *fleetOfOne {
	t.Helper()
	f := &fleetOfOne{hearers: &hearers{t: t, words: map[string][]string{}, ids: map[string]bool{}}}
	f.start(rules)
	f.shards = []*alert.Evaluator{f.pipeline.Shard("parent")}
	return f
}

func hotRule() alert.RuleConfig {
	return alert.RuleConfig{
		Name: "r", When: "v > 3", Resolve: alert.Stretch{Time: 10 * time.Second},
		Topics: []string{"t"},
	}
}

// The state of former rules is bounded in time and in size. Notified topics get the end before it is dropped, even if
// workers still disagree about the rules.
func TestMemoryOfEditedRulesEndsBeforeItIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFleetOfOne(t, hotRule())
	f.put(0, 5)
	f.reload(nil)
	f.tick(1, false)
	for day := range 7 {
		f.put(float64(day*24*3600), 1)
		f.restart(nil)
		f.tick(float64(day*24*3600+1), false)
	}
	require.Equal(t, "t r a: firing", ofKeyA(f.words))
	f.put(7*24*3600+10, 1)
	f.tick(7*24*3600+11, false)
	require.Equal(t, "t r a: firing ended", ofKeyA(f.words))
	t.Run("of more keys than are kept", func(t *testing.T) {
		testkit.Long(t)
		many := newFleetOfOne(t, hotRule())
		for i := range 120_000 {
			d := many.shards[0].Evaluate(&alert.Record{
				Shard: shardID, PartitionKey: fmt.Sprintf("%0100d", i), SequenceNumber: fmt.Sprint(1000 + i),
				Arrival: at(0), Data: []byte(`{"v":5}`),
			})
			require.NotEmpty(t, d.Alerts)
		}
		many.reload(nil)
		ends := 0
		for range 200 {
			alerts := many.shards[0].Tick(alert.Tick{CaughtUp: at(4)})
			require.LessOrEqual(t, len(alerts), 1000, "at once")
			ends += len(alerts)
		}
		require.Greater(t, ends, 90_000, "more than is kept of rules that are no more")
	})
}

// A format that cannot store the notified topics changes no decision. Otherwise a restart would decide differently.
func TestEndsOfEditedRulesNeedTheirFormat(t *testing.T) {
	t.Parallel()
	f := newFleetOfOne(t, hotRule())
	f.shards[0].Agree(alert.HashKey{1}, alert.StateFormat-1)
	f.put(0, 5)
	moved := hotRule()
	moved.Topics = []string{"u"}
	f.reload([]alert.RuleConfig{moved})
	f.tick(2, true)
	f.put(3, 1)
	f.tick(20, true)
	require.Equal(t, "t r a: firing\nu r a: resolved", ofKeyA(f.words))
}

// The present rule, which starts again, notifies that a key fires, and its end, before all workers agree. That also
// ends the alert of the former rule.
func TestEndIsSaidByTheRuleOfToday(t *testing.T) {
	t.Parallel()
	before := hotRule()
	before.Window = alert.WindowConfig{Length: 20 * time.Second, Is: ">= 1"}
	f := newFleetOfOne(t, before)
	f.put(0, 5)
	after := before
	after.Window.Length = 10 * time.Second
	f.reload([]alert.RuleConfig{after})
	f.put(1, 5)
	f.put(2, 1)
	f.tick(40, false)
	require.Equal(t, "t r a: firing firing resolved", ofKeyA(f.words))
	f.restart([]alert.RuleConfig{after})
	f.tick(70, true)
	require.Equal(t, "t r a: firing firing resolved", ofKeyA(f.words))
}
