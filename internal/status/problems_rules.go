package status

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// ruleKinds are about rules that cost too much or can have nothing to say, and about silences that are forgotten.
func ruleKinds() []kind {
	const fewerKeys = "give the rule a key of fewer values, or raise state.max_keys"
	return []kind{
		{
			code: "state_too_large",
			remedy: "lower score.memory or state.max_keys; until then a restart begins with the last state that " +
				"was saved",
			find: func(m *model, _ thresholds) (all findings) {
				for i := range m.Shards {
					if r := m.Shards[i].Reading; r != nil && r.StateTooLarge != "" {
						all = append(all, found(LevelCritical,
							"the state of shard %s is too large to be saved, most of it is of %s", m.Shards[i].ID,
							r.StateTooLarge)...)
					}
				}
				return all
			},
		},
		{
			code: "rule_edited_firing",
			find: func(m *model, _ thresholds) findings {
				leaving := map[string]uint64{}
				m.reads(func(r *Reading) bool {
					for rule, keys := range r.Leaving {
						leaving[rule] += uint64(max(0, keys))
					}
					return false
				})
				rule, n, more := most(leaving)
				return found(when(n > 0, LevelInfo), "rule %s was taken out or changed with %s firing%s: "+
					"the topics that were notified get the end once all workers have had the same configuration "+
					"for a minute",
					rule, number(n, "key"), more)
			},
		},
		{
			code: "rule_field_missing", remedy: "write the name as the records have it: case and dots count",
			find: func(m *model, _ thresholds) findings {
				return ofFields(m, func(f *RuleField) bool { return f.Wanted == "" && f.Similar != "" })
			},
		},
		{
			code:   "rule_field_type",
			remedy: "compare it with a value of its type, or convert it, such as int(id) or string(id)",
			find: func(m *model, _ thresholds) findings {
				return ofFields(m, func(f *RuleField) bool { return f.Wanted != "" })
			},
		},
		{
			code:   "rule_over_budget",
			remedy: "kinesis-alerter explain with such a record says what costs so much, and what to do",
			find: func(m *model, _ thresholds) findings {
				rule, n, more := most(m.Recent.OverBudget)
				return found(when(n > 0, LevelWarning),
					"rule %s is beyond its budget of work or of text for %s in the last %s, "+
						"which it did not judge or reported in the default words%s", rule, number(n, "record"),
					m.Recent.window(), more)
			},
		},
		{
			code: "silence_over_budget",
			remedy: "put a cheaper term in front of its condition, such as a comparison of a field, " +
				"or make it simpler",
			find: func(m *model, _ thresholds) findings {
				silence, n, _ := most(m.Recent.SilencesOverBudget)
				return found(when(n > 0, LevelWarning),
					"the condition of the silence %s is beyond its budget of work or of text for %s in the last %s: "+
						"it did not silence them", silence, number(n, "record"), m.Recent.window())
			},
		},
		{
			code:   "template_failing",
			remedy: "kinesis-alerter explain with a record that matches shows the message and why its template fails",
			find: func(m *model, _ thresholds) findings {
				failed := maps.Clone(m.Recent.TemplateFailures)
				// the cause
				maps.DeleteFunc(failed, func(rule string, _ uint64) bool { return m.Recent.OverBudget[rule] > 0 })
				rule, n, more := most(failed)
				return found(when(n > 0, LevelWarning),
					"rule %s: a template of its messages failed %s in the last %s, "+
						"and the default text was sent%s", rule, number(n, "time"), m.Recent.window(), more)
			},
		},
		{
			code: "keys_forgotten",
			find: func(m *model, _ thresholds) findings {
				remedy, fired := fewerKeys+"; until then an alert may be repeated, or come late", ""
				rule, n, more := most(m.Recent.Evicted)
				if len(m.Recent.EvictedActive) > 0 { // these are reported first
					remedy = fewerKeys + "; the topics of those that fired were notified that they are " +
						"no longer watched"
					rule, n, more = most(m.Recent.EvictedActive)
					fired = " that fired or would have"
				}
				return found(when(n > 0, LevelWarning), "rule %s forgot %s in the last %s%s, "+
					"because the shard has more than it may remember%s",
					rule, number(n, "key"), m.Recent.window(), fired, more).advise(remedy)
			},
		},
		{
			code: "rule_never_matches", remedy: "kinesis-alerter check --config FILE names every such place",
			find: func(m *model, _ thresholds) findings {
				never := slices.DeleteFunc(slices.Clone(m.Doubts), func(d Doubt) bool { return !d.Never })
				if len(never) == 0 {
					return nil
				}
				return found(LevelWarning, "%s %s%s", never[0].Field, never[0].Text, others(len(never), "more place"))
			},
		},
		{
			code: "silence_over",
			remedy: "take it out of the configuration, or give it another end: check and a reload refuse the file " +
				"as it is",
			find: func(m *model, _ thresholds) (all findings) {
				for i := range m.Silences {
					x := &m.Silences[i]
					all = append(all, found(when(!x.Until.After(m.At), LevelInfo),
						"the silence %s ended at %s and no longer mutes anything", x.Name,
						x.Until.Format(time.RFC3339))...)
				}
				return all
			},
		},
		{
			code: "silence_long", remedy: "take it out of the configuration once it is not needed",
			after: thresholds{info: 31*24*time.Hour + 1},
			find: func(m *model, after thresholds) (all findings) {
				for i := range m.Silences {
					x := &m.Silences[i]
					if x.All && !x.Conditional && m.ago(x.From) >= 0 {
						all = append(all, found(after.level(-m.ago(x.Until)),
							"the silence %s mutes every rule until %s", x.Name, x.Until.Format(time.DateOnly))...)
					}
				}
				return all
			},
		},
	}
}

// ofFields names the first rule that one of the fields keeps from matching, and how many more there are; without one,
// the first output. A field that
// is like no name in the records is only marked with its rule: the kind of event that has it may be rare.
func ofFields(m *model, wrong func(*RuleField) bool) findings {
	var rules []string
	var f *RuleField
	for i := range m.Rules {
		fields := m.Rules[i].Fields
		if j := slices.IndexFunc(fields, func(f RuleField) bool { return wrong(&f) }); j >= 0 {
			rules = append(rules, m.Rules[i].Name)
			if f == nil {
				f = &fields[j]
			}
		}
	}
	for i := range m.Outputs {
		o := &m.Outputs[i]
		if j := slices.IndexFunc(o.Fields, func(f RuleField) bool { return wrong(&f) }); j >= 0 && f == nil {
			return found(LevelWarning, "output %s %s", o.Name, o.Fields[j].finding())
		}
	}
	if f == nil {
		return nil
	}
	return found(LevelWarning, "rule %s %s%s", rules[0], f.finding(), others(len(rules), "more rule"))
}

// finding returns what is wrong with a field.
func (f *RuleField) finding() string {
	records := number(f.Records, "record")
	switch {
	case f.Wanted != "":
		return fmt.Sprintf("needs %s as %s, but records have %s there", f.Field, f.Wanted, f.Has)
	case f.Similar != "":
		return fmt.Sprintf("looks at %s, which none of the last %s has: they have %s", f.Field, records, f.Similar)
	}
	return fmt.Sprintf("looks at %s, which none of the last %s has", f.Field, records)
}

// most is the rule with the greatest count, if there is one, and how many more there are.
func most(by map[string]uint64) (rule string, n uint64, more string) {
	for _, name := range slices.Sorted(maps.Keys(by)) {
		if by[name] > n {
			rule, n = name, by[name]
		}
	}
	return rule, n, others(len(by), "more rule")
}

// others returns how many more things there are than one.
func others(n int, thing string) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("; %s the same problem", have(n-1, thing))
}
