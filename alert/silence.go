package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// silence mutes rules from one event time to another.
type silence struct {
	name        string
	rules       []string // empty means all
	when        condition
	from, until time.Time
}

// mutes says whether the silence is on for a rule at a time. The frame holds the record; it is nil for what time brings
// about, which a silence with a condition does not cover.
func (s *silence) mutes(rule string, at time.Time, f *frame) bool {
	if at.Before(s.from) || !at.Before(s.until) || !s.of(rule) {
		return false
	}
	return len(s.when) == 0 || f != nil && s.covers(f) == yes
}

// of says whether the silence is about a rule.
func (s *silence) of(rule string) bool { return len(s.rules) == 0 || slices.Contains(s.rules, rule) }

// covers evaluates the condition of a silence. It has a budget of its own: one that costs too much silences nothing, and costs
// no rule its alert.
func (s *silence) covers(f *frame) verdict {
	rules := f.meter
	f.meter = meter{}
	v := s.when.eval(f)
	if f.meter.over != "" {
		v = undefinedOverBudget
	}
	f.meter = rules
	return v
}

func (f *faults) silences(configs []SilenceConfig, rules []RuleConfig, s *schema) []*silence {
	var out []*silence
	named := make(map[string]bool, len(rules))
	for i := range rules {
		named[rules[i].Name] = true
	}
	for i, c := range configs {
		if f.full() {
			break
		}
		field := fmt.Sprintf("silences[%d]", i)
		f.name(field+".name", c.Name, "_-.")
		x := &silence{name: c.Name, rules: c.Rules}
		for j, name := range c.Rules {
			if !named[name] {
				f.add(fmt.Sprintf("%s.rules[%d]", field, j), name, "is not the name of a rule")
			}
		}
		if strings.TrimSpace(c.When) != "" {
			x.when = f.condition(field+".when", c.When, s)
		}
		var err error
		if c.From != "" {
			if x.from, err = time.Parse(time.RFC3339, c.From); err != nil {
				f.add(field+".from", c.From, "want a time such as 2026-11-22T09:00:00Z")
			}
		}
		if x.until, err = time.Parse(time.RFC3339, c.Until); err != nil {
			f.add(field+".until", c.Until, "want a time such as 2026-11-22T17:00:00Z; a silence without an end hides trouble for good")
		} else if !x.until.After(x.from) {
			f.add(field+".until", c.Until, "must be after from")
		}
		out = append(out, x)
	}
	return out
}
