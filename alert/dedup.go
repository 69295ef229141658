package alert

import "time"

// dedup suppresses the alerts of a key for a while after the last one.
type dedup int64 // milliseconds

func (*faults) dedup(_ string, c RuleConfig, _ *rule, _ map[string]*rule) []muter {
	if c.Dedup == 0 {
		return nil
	}
	return []muter{dedup(millis(c.Dedup))}
}

// mutes implements muter. It is about the first alert of a firing period: neither about repetitions, nor about a rise
// in severity.
func (d dedup) mutes(c *candidate) (until time.Time, ok bool) {
	en := c.key
	if en == nil || en.sent == 0 || c.repeat {
		return time.Time{}, false
	}
	end := en.sent + int64(d)
	return timeOf(end), c.now < end && !c.life.escalates(c.rule, en) && !en.mustNotify(c.now)
}

func (dedup) reason() Reason { return ReasonDedup }

func (d dedup) words() string { return "dedup of " + shortDuration(time.Duration(d)*time.Millisecond) }

func (d dedup) dependency() (Dependency, bool) {
	return Dependency{"dedup", "an alert of the key within " + shortDuration(time.Duration(d)*time.Millisecond) +
		" before swallows this one"}, true
}
