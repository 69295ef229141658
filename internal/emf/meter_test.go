package emf_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/emf"
	"kinesis-alerter/internal/testkit"
)

func at() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) }

// outcomes are those of records; each has its metric.
func outcomes(n uint64) map[string]uint64 {
	out := map[string]uint64{}
	for _, o := range []string{
		"unmatched", "filtered", "suppressed", "expired", "over_budget", "invalid", "dead_lettered", "alerted",
	} {
		out[o] = n
	}
	return out
}

func levels() map[string]int { return map[string]int{"critical": 1, "warning": 0, "info": 2} }

func TestLine(t *testing.T) {
	t.Parallel()
	m := emf.NewMeter("readings", "alerts")
	s := emf.Sample{
		Lag: 1.25, ShardsRead: 4, TopicFaults: 1, Records: map[string]uint64{"alerted": 3, "unmatched": 7}, Alerts: 3,
		AlertsByTopic: map[string]uint64{"oncall": 2, "office": 1}, Problems: levels(),
	}
	require.Equal(t, testkit.EMFLine{
		At: time.UnixMilli(at().UnixMilli()), Namespace: "KinesisAlerter",
		Dimensions: map[string]string{"stream": "readings", "application": "alerts"},
		Metrics: map[string]float64{
			"Heartbeat": 1, "Lag": 1.25, "ShardsRead": 4, "TopicFaults": 1, "Records.alerted": 3,
			"Records.unmatched": 7,
			"Problems.critical": 1, "Problems.warning": 0, "Problems.info": 2, "Alerts": 3, "Alerts.oncall": 2,
			"Alerts.office": 1,
		},
		Units: map[string]string{
			"Heartbeat": "Count", "Lag": "Seconds", "ShardsRead": "Count", "TopicFaults": "Count",
			"Records.alerted": "Count", "Records.unmatched": "Count", "Problems.critical": "Count",
			"Problems.warning": "Count", "Problems.info": "Count", "Alerts": "Count", "Alerts.oncall": "Count",
			"Alerts.office": "Count",
		},
	}, testkit.ReadEMF(t, m.Line(at(), &s)))

	s.Records, s.Alerts, s.AlertsByTopic = map[string]uint64{"alerted": 5, "unmatched": 7}, 5,
		map[string]uint64{"oncall": 4, "office": 1}
	s.Lag = math.NaN()
	second := testkit.ReadEMF(t, m.Line(at().Add(time.Minute), &s)).Metrics
	require.InDelta(t, 2, second["Records.alerted"], 0, "counters are the difference to the line before")
	require.InDelta(t, 2, second["Alerts.oncall"], 0)
	require.Contains(t, second, "Records.unmatched", "nothing is a zero, or an alarm had no data")
	require.Zero(t, second["Records.unmatched"])
	require.NotContains(t, second, "Lag", "what is not known is no number")
}

// However many topics there are, with whatever names and counts, a line is valid and short, and says of every alert
// once that it was sent.
func TestLinesAreBoundedAndAddUp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a repeatable test
	for range testkit.Runs(500, 20) {
		size, topics := 1+random.IntN(64), random.IntN(1001)
		m := emf.NewMeter(strings.Repeat("s", 1+random.IntN(128)), strings.Repeat("a", 3+random.IntN(247)))
		s := emf.Sample{Lag: random.Float64() * 1e9, Records: outcomes(0), Problems: levels()}
		now := at()
		var first map[string]float64
		for range 3 {
			before := s.Alerts
			s.Records, s.AlertsByTopic = outcomes(random.Uint64()), maps.Clone(s.AlertsByTopic)
			if s.AlertsByTopic == nil {
				s.AlertsByTopic = map[string]uint64{}
			}
			for i := range topics {
				topic := fmt.Sprintf("t%0*d", max(0, size-1), i)
				n := random.Uint64N(1 << 40)
				s.AlertsByTopic[topic] += n
				s.Alerts += n
			}
			got := testkit.ReadEMF(t, m.Line(now, &s)).Metrics
			now = now.Add(time.Minute)
			if first == nil {
				first = got
			}
			require.Equal(t, slices.Sorted(maps.Keys(first)), slices.Sorted(maps.Keys(got)),
				"no metric comes or goes with a count")
			sum, own := got["AlertsOfOtherTopics"], 0
			for name, n := range got {
				if strings.HasPrefix(name, "Alerts.") {
					sum, own = sum+n, own+1
				}
			}
			require.GreaterOrEqual(t, own, min(topics, 6), "some topics always have room")
			require.InDelta(t, float64(s.Alerts-before), sum, 0)
			require.InDelta(t, sum, got["Alerts"], 0)
		}
	}
}

// The last alerts of a topic that a reload takes away, and the first ones of a topic that comes back.
func TestAlertsOfATopicThatLeaves(t *testing.T) {
	t.Parallel()
	m := emf.NewMeter("readings", "alerts")
	line := func(all uint64, topics map[string]uint64) map[string]float64 {
		return testkit.ReadEMF(t, m.Line(at(), &emf.Sample{Alerts: all, AlertsByTopic: topics})).Metrics
	}
	require.NotContains(t, line(10, map[string]uint64{"oncall": 5, "office": 5}), "AlertsOfOtherTopics")
	gone := line(13, map[string]uint64{"oncall": 5})
	require.InDelta(t, 3, gone["Alerts"], 0)
	require.InDelta(t, 3, gone["AlertsOfOtherTopics"], 0)
	back := line(15, map[string]uint64{"oncall": 5, "office": 2})
	require.InDelta(t, 2, back["Alerts.office"], 0)
	require.NotContains(t, back, "AlertsOfOtherTopics")
}
