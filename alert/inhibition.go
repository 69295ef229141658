package alert

import (
	"fmt"
	"time"
)

// inhibition suppresses the alerts of a rule for a key while another rule is active for it.
type inhibition struct{ by *rule }

func (f *faults) inhibitions(field string, c RuleConfig, r *rule, before map[string]*rule) (out []muter) {
	for i, name := range c.InhibitedBy {
		other := before[name]
		if other == nil {
			f.add(fmt.Sprintf("%s.inhibited_by[%d]", field, i), name,
				"is not the name of a rule earlier in the list; the rule that inhibits is decided first")
			continue
		}
		if why := r.inhibitable(other); why != "" {
			f.add(fmt.Sprintf("%s.inhibited_by[%d]", field, i), name, "%s", why)
		}
		out = append(out, &inhibition{other})
	}
	return out
}

// mutes implements muter. It reports whether the other rule is active for the key and has been notified, or is
// silenced. An alert that quiet hours or a rate limit suppressed inhibits nothing. Otherwise the on-call engineer would
// never hear of the key.
func (x *inhibition) mutes(c *candidate) bool {
	other, l := x.by, c.life
	if other.shadow {
		return false
	}
	if !other.remembers() {
		return c.record && l.fired.Has(other.place)
	}
	var theirs *entry
	switch {
	case other.keyless(): // it is about the keys of all others, too
		theirs = l.memory.rules[other.place].find(nil)
	case c.key != nil:
		theirs = l.memory.rules[other.place].entries[c.key.key]
	case c.record:
		theirs = l.memory.rules[other.place].find(l.in.keyOf(c.rule, c.partitionKey))
	}
	if theirs == nil {
		return false
	}
	if theirs.firing && (theirs.notified || c.silenced(other, theirs)) {
		return true
	}
	return !other.notifiesEnd() && other.dedup > 0 && theirs.sent != 0 && c.now-theirs.sent < other.dedup
}

func (*inhibition) changesAt(*candidate) (never time.Time) { return never }

func (*inhibition) reason() Reason { return ReasonInhibited }

func (x *inhibition) words() string {
	return "rule " + x.by.name + " matches the same record and inhibits this one"
}

func (x *inhibition) dependency() (Dependency, bool) {
	return Dependency{"inhibited_by", "the rule " + x.by.name +
		" suppresses the alert while it is active for the same key"}, x.by.remembers()
}

// inhibitable returns why other can never mute the rule; empty if it can.
func (r *rule) inhibitable(other *rule) string {
	switch {
	case other.absence.Of == AbsenceOfStream && r.absence.Of != AbsenceOfStream:
		return "absence of stream is decided in one shard, the others would not know; use absence of shard"
	case r.keyless() && !other.keyless():
		return fmt.Sprintf("is about single keys, and absence of %s about none of them", r.absence.Of)
	case r.absence.Of == AbsenceOfStream && other.absence.Of != AbsenceOfStream:
		return "is about one shard, and absence of stream about all of them"
	case !other.remembers() && (r.absence.After > 0 || r.window != nil && r.window.tumbling):
		return "is about single records, and this rule fires without one; give it resolve, or dedup"
	case other.remembers() && !other.hasPeriods() && other.dedup == 0:
		return "is active for no longer than a moment; give it resolve, or dedup"
	}
	return ""
}
