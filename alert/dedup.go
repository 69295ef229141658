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

// mutes implements muter. It applies to the first alert of a firing period: neither to repetitions nor to a rise in
// severity.
func (d dedup) mutes(c *candidate) bool {
	en := c.key
	return d.applies(c) && c.now < en.sent+int64(d) && !c.life.escalates(c.rule, en) && !en.mustNotify(c.now)
}

func (d dedup) changesAt(c *candidate) time.Time {
	if !d.applies(c) {
		return time.Time{}
	}
	return timeOf(c.key.sent + int64(d))
}

func (dedup) applies(c *candidate) bool { return c.key != nil && c.key.sent != 0 && !c.repeat }

func (dedup) reason() Reason { return ReasonDedup }

func (d dedup) words() string { return "dedup of " + shortDuration(time.Duration(d)*time.Millisecond) }

func (d dedup) dependency() (Dependency, bool) {
	return Dependency{"dedup", "an alert of the key within " + shortDuration(time.Duration(d)*time.Millisecond) +
		" before suppresses this one"}, true
}
