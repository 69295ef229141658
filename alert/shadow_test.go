package alert_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// TestShadowMutesNothingLive: while a rule is in mode shadow, nobody reads its alerts. So what it would have said then
// suppresses no alert once it is live: a takeover from Lambda runs in shadow first, and would be silent for a whole
// dedup.
func TestShadowMutesNothingLive(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]alert.RuleConfig{
		"every record": {},
		"with an end":  {Resolve: alert.Stretch{Records: 1}},
		"a window":     {Window: alert.WindowConfig{Length: 10 * time.Minute, Is: ">= 1"}},
		"for":          {For: alert.Stretch{Records: 1}},
		"a rate limit": {RateLimit: alert.Rate{Events: 1, Per: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule.Name, rule.When, rule.Mode = "r", "v > 3", alert.ModeShadow
			if rule.RateLimit.IsZero() {
				rule.Dedup = time.Hour
			}
			eachSilenced(t, []alert.RuleConfig{rule}, nil, func(s *silenced) {
				s.at(0, "a", "h1", 9)
				s.at(1, "a", "h1", 9)
				s.at(2, "a", "h1", 1)
				s.said()

				s.config.Rules = slices.Clone(s.config.Rules)
				s.config.Rules[0].Mode = alert.ModeLive
				s.reload()
				s.at(60, "a", "h1", 9)
				require.NotEmpty(t, s.lines, "the first alert that somebody can read")
				s.lines = nil
				s.at(61, "a", "h1", 1)
				s.lines = nil // the end, where there is one
				s.at(120, "a", "h1", 9)
				s.said() // suppressed, by an alert that somebody has read
			})
		})
	}
}
