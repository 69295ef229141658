package alert_test

import (
	"testing"
	"time"

	"kinesis-alerter/alert"
)

// TestWindowsAreJudgedAtTheirEnds: no other due work judges a window. Otherwise it would alert about one that has not
// ended, and count extra judgements.
func TestWindowsAreJudgedAtTheirEnds(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", When: "v > 0", Window: alert.WindowConfig{Length: 12 * time.Second, Tumbling: true, Is: "< 1"},
		Dedup: 40 * time.Second,
	})
	s.v(0.5, "a", 1)
	s.tick(600)
	s.said("firing r a at 24s") // and not again when dedup is over, in the middle of a window of a key that is gone

	s = newStory(t, alert.RuleConfig{
		Name: "r", When: "v > 0", Window: alert.WindowConfig{
			Length: time.Minute, Aggregate: alert.AggregateSum,
			Of: "v", Is: ">= 3",
		},
		Resolve: alert.Stretch{Records: 3}, RepeatInterval: 50 * time.Second,
	})
	s.v(12, "a", 5)
	s.tick(600)
	s.said("firing r a at 12s", "repeat r a at 1m2s", "resolved r a at 1m20s") // it is not at 70, 75 and 80 s
}

// TestWhatStillFiresIsToldByItself: when the suppression ends, without a record, even if the key was resolved before.
func TestWhatStillFiresIsToldByItself(t *testing.T) {
	t.Parallel()
	s := tell(t, alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules:  []alert.RuleConfig{{Name: "r", When: "v > 10", Resolve: alert.Stretch{Records: 1}}},
		Silences: []alert.SilenceConfig{{
			Name: "s", From: noon().Add(30 * time.Second).Format(time.RFC3339),
			Until: noon().Add(time.Hour).Format(time.RFC3339),
		}},
	})
	s.v(0, "a", 11)
	s.v(20, "a", 1)
	s.v(40, "a", 11)
	s.tick(3590)
	s.said("firing r a at 0s", "resolved r a at 20s")
	s.tick(3601)
	s.said("firing r a at 1h0m (1 suppressed)")
}

// TestRiseIsToldByItself: when the quiet hours that suppressed it end, without a record.
func TestRiseIsToldByItself(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{
		Name: "r", When: "v > 10", Severity: `v > 100 ? "critical" : "info"`, Resolve: alert.Stretch{Time: time.Hour},
		Quiet: []alert.QuietConfig{{From: "12:01", To: "12:30"}},
	})
	s.evaluator.Agree(alert.HashKey{1}, alert.StateFormat)
	s.v(0, "a", 11)
	s.v(100, "a", 101)
	s.tick(1799)
	s.said("firing r a at 0s")
	s.tick(1801)
	s.said("firing r a at 30m (1 suppressed)")
	s.tick(3600)
	s.said()
}

// TestInheritedKeyIsToldInTheOrderOfTime: what was due before a child had a record of the key is done as in one shard:
// a rule does not inhibit an earlier alert of another one.
func TestInheritedKeyIsToldInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		{Name: "gone", When: "v > 10", Absence: alert.AbsenceConfig{After: 9 * time.Second}},
		{
			Name: "high", When: "v > 10", Resolve: alert.Stretch{Records: 1}, RepeatInterval: 5 * time.Second,
			InhibitedBy: []string{"gone"},
		},
	}
	parent := newStory(t, rules...)
	parent.v(0, "a", 11)
	parent.said("firing high a at 0s")
	low, _ := heirs(t, parent, rules...)
	low.v(12, "a", 1)
	low.said("repeat high a at 5s", "firing gone a at 9s", "resolved high a at 12s (1 suppressed)")
}

// TestShardsThatPartInAMillisecond: a parent's record of a key from its own split proves nothing about its children,
// however soon it is split.
func TestShardsThatPartInAMillisecond(t *testing.T) {
	t.Parallel()
	rule := alert.RuleConfig{Name: "r", When: "v > 10", Dedup: time.Minute}
	parent := newStory(t, rule)
	parent.v(0, "a", 11)
	parent.said("firing r a at 0s")
	child, _ := heirs(t, parent, rule)
	child.v(0, "a", 11)
	low, high := heirs(t, child, rule)
	low.met("high", "1", high)
	low.v(1, "a", 11)
	low.said()
}
