package alert_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/reference"
)

// clan is a stream of shards whose evaluators ask each other, and the keys' places in it.
type clan struct {
	t        *rapid.T
	pipeline *alert.Pipeline
	shards   map[string]*clanShard
	open     []string
	number   int
	said     map[string]int
	told     []reference.Word
}

// clanShard owns the keys from first to last by their hash, which is the digit at their end.
type clanShard struct {
	id          string
	first, last int
	evaluator   *alert.Evaluator
	children    []string
	version     int
	saved, end  []byte // what the others can read
}

func (c *clan) add(first, last int, parents []string, siblings map[string]*clanShard, id string) *clanShard {
	s := &clanShard{id: id, first: first, last: last, evaluator: c.pipeline.Shard(id)}
	c.shards[id] = s
	c.open = append(c.open, id)
	if len(parents) == 0 {
		return s
	}
	heir := alert.Heir{Parents: parents, Siblings: slices.DeleteFunc(slices.Sorted(maps.Keys(siblings)),
		func(o string) bool { return o == id })}
	heir.Owns = func(key string) bool {
		hash, _ := strconv.Atoi(key[len(key)-1:])
		for _, o := range siblings {
			if hash >= o.first && hash <= o.last {
				return o.id == id
			}
		}
		for _, o := range siblings {
			if o.first < first {
				return false
			}
		}
		return true
	}
	var states [][]byte
	for _, p := range parents {
		states = append(states, c.shards[p].end)
	}
	require.NoError(c.t, s.evaluator.Inherit(states, heir))
	return s
}

// end ends a shard at a time.
func (c *clan) end(id string, at time.Time) *clanShard {
	s := c.shards[id]
	c.take(s.evaluator.Tick(alert.Tick{CaughtUp: at}))
	s.end = s.evaluator.State()
	s.version++
	c.open = slices.DeleteFunc(c.open, func(o string) bool { return o == id })
	return s
}

func (c *clan) split(id string, at time.Time) {
	s := c.end(id, at)
	middle := rapid.IntRange(s.first, max(s.first, s.last-1)).Draw(c.t, "middle")
	children := map[string]*clanShard{}
	for _, span := range [][2]int{{s.first, middle}, {middle + 1, s.last}} {
		c.number++
		child := fmt.Sprintf("shard-%03d", c.number)
		s.children = append(s.children, child)
		children[child] = &clanShard{id: child, first: span[0], last: span[1]}
	}
	for _, child := range s.children {
		c.add(children[child].first, children[child].last, []string{id}, children, child)
	}
}

// settle lets the shards exchange what they remember until nothing waits.
func (c *clan) settle(at time.Time) {
	waits := true
	for n := 0; waits; n++ {
		require.Less(c.t, n, 300, "something waits forever")
		c.tick(at)
		waits = false
		for _, id := range c.open {
			c.save(id, false)
			c.ask(id)
			for _, a := range c.shards[id].evaluator.Awaits() {
				waits = waits || a.Blocks || a.Version == ""
			}
		}
	}
	c.tick(at)
}

func (c *clan) merge(one, two string, at time.Time) {
	a, b := c.end(one, at), c.end(two, at)
	c.number++
	child := fmt.Sprintf("shard-%03d", c.number)
	a.children, b.children = []string{child}, []string{child}
	first, last := min(a.first, b.first), max(a.last, b.last)
	c.add(first, last, []string{one, two}, map[string]*clanShard{child: {id: child, first: first, last: last}}, child)
}

// save is what a daemon does from time to time: the others see its state only then. Sometimes it continues from there,
// as after a restart.
func (c *clan) save(id string, restart bool) {
	s := c.shards[id]
	s.saved = s.evaluator.State()
	s.version++
	if restart {
		s.evaluator = c.pipeline.Shard(id)
		require.NoError(c.t, s.evaluator.Restore(s.saved))
		require.True(c.t, bytes.Equal(s.saved, s.evaluator.State()))
	}
}

// ask lets a shard read what the others have saved.
func (c *clan) ask(id string) {
	s := c.shards[id]
	for _, a := range s.evaluator.Awaits() {
		o := c.shards[a.Shard]
		version := strconv.Itoa(o.version)
		if a.Version == version {
			continue
		}
		state := o.saved
		if o.end != nil {
			state = o.end
		}
		if state == nil {
			continue
		}
		relative, err := alert.ReadRelative(a.Shard, version, state, o.children)
		require.NoError(c.t, err)
		s.evaluator.Meet(relative)
	}
}

// tick lets time pass.
func (c *clan) tick(at time.Time) {
	for _, id := range c.open {
		c.take(c.shards[id].evaluator.Tick(alert.Tick{CaughtUp: at}))
	}
}

func (c *clan) take(alerts []*alert.Alert) {
	for _, a := range alerts {
		require.Empty(c.t, a.Unsure)
		c.told = append(c.told, wordOf(a))
		c.said[fmt.Sprint(a.Kind, " ", a.Rule, " ", a.Key, " at ", a.At.Sub(noon()), " since ", a.Since.Sub(noon()),
			" suppressed ", a.Suppressed, " value ", a.Value)]++
	}
}

// TestReshardSaysWhatOneShardWould: wherever the records of a key go after splits and merges, whichever shard is
// restarted, and whenever the shards read each other's states, together they make the alerts that one shard would have
// made.
func TestReshardSaysWhatOneShardWould(t *testing.T) {
	t.Parallel()
	var rules []alert.RuleConfig
	for _, r := range everyRule() {
		if r.RateLimit.IsZero() && r.Absence.Of == "" && r.Name != "distinct" { // one key of several partition keys
			r.InhibitedBy = nil
			r.RepeatInterval *= 20 // or more than 60 would be missed while a shard waits for another one
			rules = append(rules, r)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p, err := alert.NewOf(
			alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}, Rules: rules},
			alert.Deps{Stream: streamARN, Log: zap.NewNop(), Registerer: prometheus.NewRegistry()},
		)
		require.NoError(t, err)
		c := &clan{t: t, pipeline: p, shards: map[string]*clanShard{}, said: map[string]int{}}
		whole := &clan{t: t, pipeline: p, shards: map[string]*clanShard{}, said: map[string]int{}}
		c.add(0, 9, nil, nil, "shard-000")
		whole.add(0, 9, nil, nil, "shard-000")
		placed := map[string]int{} // where the producer puts the records of a key: its own hash, or any
		now := noon()
		for i := range rapid.IntRange(20, 120).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(3, 20).Draw(t, "seconds")) * time.Second)
			caughtUp := now.Add(-time.Second)
			c.tick(caughtUp)
			whole.tick(caughtUp)
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				id := c.open[rapid.IntRange(0, len(c.open)-1).Draw(t, "split")]
				if s := c.shards[id]; s.first < s.last {
					c.split(id, caughtUp)
				}
			case 1:
				if len(c.open) > 1 {
					slices.SortFunc(c.open, func(a, b string) int { return c.shards[a].first - c.shards[b].first })
					n := rapid.IntRange(0, len(c.open)-2).Draw(t, "merge")
					c.settle(caughtUp) // what is due in a shard that is merged, and waits, may be lost with it
					c.merge(c.open[n], c.open[n+1], caughtUp)
				}
			case 2, 3:
				c.save(c.open[rapid.IntRange(0, len(c.open)-1).Draw(t, "save")], rapid.Bool().Draw(t, "restart"))
			case 4:
				c.ask(c.open[rapid.IntRange(0, len(c.open)-1).Draw(t, "ask")])
			default:
				key := fmt.Sprint("key-", rapid.IntRange(0, 9).Draw(t, "key"))
				if _, ok := placed[key]; !ok {
					placed[key] = rapid.OneOf(rapid.Just(int(key[4]-'0')), rapid.IntRange(0, 9)).Draw(t, "place")
				}
				data := fmt.Appendf(nil, `{"v":%d,"name":"of-%s"}`, rapid.IntRange(0, 20).Draw(t, "v"), key)
				for _, to := range []*clan{whole, c} {
					for _, id := range to.open {
						if s := to.shards[id]; placed[key] >= s.first && placed[key] <= s.last {
							to.take(s.evaluator.Evaluate(&alert.Record{
								Shard: id, PartitionKey: key, SequenceNumber: strconv.Itoa(i), Arrival: now, Data: data,
							}).Alerts)
						}
					}
				}
			}
		}
		end := now.Add(time.Minute)
		c.settle(end)
		whole.tick(end)
		require.Equal(t, whole.said, c.said)
	})
}

// heirs are the stories of two children of a shard, of which the first owns the key a.
func heirs(t *testing.T, parent *story, rules ...alert.RuleConfig) (low, high *story) {
	t.Helper()
	state := parent.evaluator.State()
	child := func(sibling string, owns func(string) bool) *story {
		s := newStory(t, rules...)
		require.NoError(t, s.evaluator.Inherit([][]byte{state},
			alert.Heir{Owns: owns, Parents: []string{"p"}, Siblings: []string{sibling}}))
		return s
	}
	return child("high", func(key string) bool { return key == "a" }),
		child("low", func(key string) bool { return key != "a" })
}

// met lets a story read what another one remembers.
func (s *story) met(shard, version string, other *story) {
	relative, err := alert.ReadRelative(shard, version, other.evaluator.State(), nil)
	require.NoError(s.t, err)
	s.evaluator.Meet(relative)
}

// TestInheritedKeysAreForgottenWhereTheyDoNotCome: a shard that gets a record of a key owns it, however soon it forgets
// it.
func TestInheritedKeysAreForgottenWhereTheyDoNotCome(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{{
		Name: "held", When: "v > 3", For: alert.Stretch{Time: time.Second},
		Resolve: alert.Stretch{Time: time.Minute},
	}}
	parent := newStory(t, rules...)
	for at := range 3 {
		parent.v(float64(at), "a", 5)
		parent.v(float64(at), "b", 5)
	}
	parent.said("firing held a at 1s", "firing held b at 1s")
	low, high := heirs(t, parent, rules...)
	high.v(4, "a", 1) // by hand
	high.tick(70)
	// the key that got a record; the low shard may have had one of the other key
	high.said("resolved held a at 1m2s (2 suppressed)")
	low.tick(70)
	low.said()
	require.Equal(t, []alert.Awaited{{Shard: "high", Blocks: true}}, low.evaluator.Awaits())
	low.met("high", "1", high)
	low.tick(71)
	low.said()
	high.met("low", "1", low)
	high.tick(72)
	high.said("resolved held b at 1m2s (2 suppressed)")
	low.met("high", "2", high)
	high.met("low", "2", low)
	require.Empty(t, low.evaluator.Awaits())
	require.Empty(t, high.evaluator.Awaits(), "what was kept for the other shard is not needed any more")
}

// TestUnsureIsSaid: without the state of the other shard an alert says what is not certain.
func TestUnsureIsSaid(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{{Name: "silent", Absence: alert.AbsenceConfig{After: time.Minute}}}
	parent := newStory(t, rules...)
	parent.v(0, "a", 1)
	low, _ := heirs(t, parent, rules...)
	low.tick(100)
	low.said()
	alerts := low.evaluator.Tick(alert.Tick{CaughtUp: noon().Add(101 * time.Second), Without: []string{"high"}})
	require.Len(t, alerts, 1)
	require.Equal(t, "high", alerts[0].Unsure)
	m, err := alerts[0].Render()
	require.NoError(t, err)
	require.Contains(t, m.Body,
		"(not certain: the memory of high could not be read, and records of the key may go there)")
}

// TestOlderVersionsKeepWhatTheyDoNotKnow: a version that does not know the section keeps it, and makes only the alerts
// that this shard makes.
func TestOlderVersionsKeepWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{{Name: "silent", Absence: alert.AbsenceConfig{After: time.Minute}}}
	parent := newStory(t, rules...)
	for _, key := range []string{"a", "b", "c"} {
		parent.v(0, key, 1)
	}
	low, high := heirs(t, parent, rules...)
	high.v(1, "b", 1)
	kept, speaks := alert.KeptByOlder(low.evaluator.State(), "silent")
	require.True(t, kept)
	require.Equal(t, []string{"a"}, speaks)
	kept, speaks = alert.KeptByOlder(high.evaluator.State(), "silent")
	require.True(t, kept)
	require.Equal(t, []string{"c", "b"}, speaks)
}

// FuzzReadRelative: no bytes make it panic, and what it accepts can be met.
func FuzzReadRelative(f *testing.F) {
	rules := []alert.RuleConfig{{Name: "silent", Absence: alert.AbsenceConfig{After: time.Minute}}}
	p := remembering(f, rules)
	child := func(t require.TestingT, sibling string) *alert.Evaluator {
		parent, e := p.Shard("p"), p.Shard(shardID)
		for i := range 4 {
			parent.Evaluate(&alert.Record{
				PartitionKey: fmt.Sprint(i), SequenceNumber: "1", Arrival: noon(),
				Data: []byte(`{}`),
			})
		}
		require.NoError(t, e.Inherit([][]byte{parent.State()}, alert.Heir{
			Owns: func(key string) bool { return key < "2" }, Siblings: []string{sibling},
		}))
		return e
	}
	e := child(f, "other")
	e.Evaluate(&alert.Record{PartitionKey: "3", SequenceNumber: "2", Arrival: noon(), Data: []byte(`{}`)})
	f.Add(e.State())
	f.Fuzz(func(t *testing.T, data []byte) {
		relative, err := alert.ReadRelative("other", "1", alert.Sealed(data), nil)
		if err != nil {
			require.ErrorIs(t, err, alert.ErrState)
			return
		}
		e := child(t, "other")
		e.Tick(alert.Tick{CaughtUp: noon().Add(time.Hour)})
		e.Meet(relative)
		e.Tick(alert.Tick{CaughtUp: noon().Add(time.Hour)})
		require.NoError(t, p.Shard(shardID).Restore(e.State()))
	})
}
