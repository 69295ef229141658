package alert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// reaches sets the clock of Kinesis to so many seconds past noon.
func (s *story) reaches(seconds float64) {
	s.evaluator.Reaches(noon().Add(time.Duration(seconds * float64(time.Second))))
}

// TestOverdueRepetitions: after downtime a key has one repetition, besides its beginning and its end.
func TestOverdueRepetitions(t *testing.T) {
	t.Parallel()
	rules := []alert.RuleConfig{
		{Name: "r", When: "v > 3", Resolve: alert.Stretch{Time: 10 * time.Minute}, RepeatInterval: time.Minute},
		{
			Name: "gone", When: "v > 3", Absence: alert.AbsenceConfig{After: 5 * time.Minute},
			RepeatInterval: time.Minute,
		},
	}
	const hour = 3600
	t.Run("record by record", func(t *testing.T) {
		t.Parallel()
		s := newStory(t, rules[0])
		s.reaches(hour)
		for i := range hour/10 + 1 {
			s.v(float64(10*i), "a", 9)
		}
		s.v(0, "b", 9)
		s.said("firing r a at 0s", "repeat r a at 1h0m (418 suppressed)", "firing r b at 0s")
		require.InDelta(t, 59, testutil.ToFloat64(s.suppressed("r", "overdue")), 0)
		s.reaches(hour + 70)
		s.v(hour+60, "a", 9)
		s.said("repeat r a at 1h1m (1 suppressed)", "repeat r b at 1h1m")
	})
	t.Run("by time", func(t *testing.T) {
		t.Parallel()
		s := newStory(t, rules...)
		s.v(0, "a", 9)
		s.reaches(9*60 + 30)
		s.tick(9*60 + 10)
		s.said("firing r a at 0s", "firing gone a at 5m", "repeat r a at 9m (8 suppressed)",
			"repeat gone a at 9m (3 suppressed)")
		s.reaches(hour)
		s.tick(hour)
		s.said("resolved r a at 10m", "repeat gone a at 1h0m (50 suppressed)")
	})
	t.Run("ends and beginnings", func(t *testing.T) {
		t.Parallel()
		s := newStory(t, rules[0])
		s.reaches(2 * hour)
		for i := range 30 {
			s.v(float64(10*i), "a", 9)
		}
		s.v(hour, "a", 9)
		s.v(hour+900, "b", 1)
		s.said("firing r a at 0s", "resolved r a at 14m50s (43 suppressed)", "firing r a at 1h0m",
			"resolved r a at 1h10m (9 suppressed)")
	})
	// always an hour behind: one repetition per interval by the clock
	t.Run("what stays behind", func(t *testing.T) {
		t.Parallel()
		s := newStory(t, rules[0])
		for i := range 61 {
			s.reaches(hour + float64(10*i))
			s.v(float64(10*i), "a", 9)
		}
		require.Len(t, s.lines, 1+9)
	})
	t.Run("without a clock", func(t *testing.T) {
		t.Parallel()
		s := newStory(t, rules[0])
		for i := range hour/10 + 1 {
			s.v(float64(10*i), "a", 9)
		}
		require.Len(t, s.lines, 1+60)
	})
}

// TestOverdueChangesNothingElse: a replay sees a later clock. It may leave out a repetition that was made, and
// everything else is the same, the tokens of a rate limit included.
func TestOverdueChangesNothingElse(t *testing.T) {
	t.Parallel()
	play := func(clock time.Duration) (said []string) {
		s := newStory(t, alert.RuleConfig{
			Name: "r", When: "v > 3", Resolve: alert.Stretch{Time: 2 * time.Minute}, RepeatInterval: 30 * time.Second,
			RateLimit: alert.Rate{Events: 5, Per: 5 * time.Minute},
		})
		for i := range 400 {
			if clock > 0 {
				s.evaluator.Reaches(noon().Add(max(clock, time.Duration(10*i)*time.Second)))
			}
			var alerts []*alert.Alert
			if alerts = s.v(float64(10*i), "a", 9).Alerts; i%30 == 29 { // a spends what there is, and b wants some
				alerts = append(alerts, s.v(float64(10*i), "b", 9).Alerts...)
			}
			for _, a := range alerts {
				if a.Kind != alert.KindRepeat {
					said = append(said, fmt.Sprint(a.Kind, a.Key, a.At, a.ID))
				}
			}
		}
		return said
	}
	want := strings.Join(play(0), "\n")
	require.NotEmpty(t, want)
	for _, clock := range []time.Duration{time.Second, 10 * time.Minute, time.Hour, 24 * time.Hour} {
		require.Equal(t, want, strings.Join(play(clock), "\n"), clock)
	}
}
