package status

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"kinesis-alerter/alert/payload"
)

const (
	// unreadableWorthAWord is how many records must have been unreadable lately, which must be one in unreadableShare of all.
	unreadableWorthAWord = 10
	unreadableShare      = 100
	// filterWorthAWord is for how long a filter must have dropped every record, and filteredLeast how many these must be.
	filterWorthAWord = time.Hour
	filteredLeast    = 10
	// silenceLong is the length from which on a silence is called long.
	silenceLong = 31 * 24 * time.Hour
)

// ruleProblems looks at records that rules never get to see, and at rules that can have nothing to say.
func ruleProblems(st *Status, add addProblem) {
	unreadableProblem(&st.Recent, add)
	if f := st.Filter; f != nil && f.Dropped >= filteredLeast && f.DroppingSince != nil && st.At.Sub(*f.DroppingSince) >= filterWorthAWord {
		add(LevelInfo, "filter_drops_all", "compare the filter with a record: kinesis-alerter explain says which part does not match",
			"the filter has dropped every record for %s, %s so far", words(st.At.Sub(*f.DroppingSince)), grouped(f.Dropped))
	}
	if n := st.Recent.FilterOverBudget; n > 0 {
		add(LevelWarning, "filter_over_budget", "write one pattern with many alternatives in place of many patterns, or ask the producer why its records have so many values",
			"the filter is beyond its budget of work for %s in the last %s, which passed it unfiltered",
			Number(int(min(n, math.MaxInt32)), "record"), words(time.Duration(st.Recent.Window*float64(time.Second))))
	}
	fieldProblems(st.Rules, add)
	budgetProblem(&st.Recent, add)
	templateProblem(&st.Recent, add)
	evictionProblem(&st.Recent, add)
	never := slices.DeleteFunc(slices.Clone(st.Doubts), func(d Doubt) bool { return !d.Never })
	if len(never) > 0 {
		more := ""
		if n := len(never) - 1; n > 0 {
			more = fmt.Sprintf("; %s the same problem", have(n, "more place"))
		}
		add(LevelWarning, "rule_never_matches", "kinesis-alerter check --config FILE names every such place", "%s %s%s", never[0].Field, never[0].Text, more)
	}
	silenceProblems(st, add)
}

// silenceProblems looks at silences that nobody may remember.
func silenceProblems(st *Status, add addProblem) {
	for i := range st.Silences {
		x := &st.Silences[i]
		if !x.Until.After(st.At) {
			add(LevelInfo, "silence_over", "take it out of the configuration, or give it another end: check and a reload refuse the file as it is",
				"the silence %s is over since %s and mutes nothing any more", x.Name, x.Until.Format(time.RFC3339))
		}
		if x.All && !x.Conditional && (x.From == nil || !x.From.After(st.At)) && x.Until.Sub(st.At) > silenceLong {
			add(LevelInfo, "silence_long", "take it out of the configuration once it is not needed",
				"the silence %s mutes every rule until %s", x.Name, x.Until.Format(time.DateOnly))
		}
	}
}

// fieldProblems looks at fields that keep rules from matching. One that is like no name in the records is only marked with its rule:
// the kind of event that has it may be rare.
func fieldProblems(rules []Rule, add addProblem) {
	var missing, mistyped []string
	var name, kind *RuleField
	for i := range rules {
		lacks, wrong := false, false
		for j := range rules[i].Fields {
			switch f := &rules[i].Fields[j]; {
			case f.Wanted != "":
				wrong = true
				if kind == nil {
					kind = f
				}
			case f.Similar != "":
				lacks = true
				if name == nil {
					name = f
				}
			}
		}
		if lacks {
			missing = append(missing, rules[i].Name)
		}
		if wrong {
			mistyped = append(mistyped, rules[i].Name)
		}
	}
	if name != nil {
		add(LevelWarning, "rule_field_missing", "write the name as the records have it: case and dots count",
			"rule %s %s%s", missing[0], name.finding(), others(missing))
	}
	if kind != nil {
		add(LevelWarning, "rule_field_type", "compare it with a value of its type, or convert it, such as int(id) or string(id)",
			"rule %s %s%s", mistyped[0], kind.finding(), others(mistyped))
	}
}

// budgetProblem looks at rules that cost more than they may.
func budgetProblem(r *Recent, add addProblem) {
	ofRules(r.OverBudget, func(worst, more string, n int) {
		add(LevelWarning, "rule_over_budget", "kinesis-alerter explain with such a record says what costs so much, and what to do",
			"rule %s is beyond its budget of work or of text for %s in the last %s, which it did not judge or reported in the default words%s",
			worst, Number(n, "record"), words(time.Duration(r.Window*float64(time.Second))), more)
	})
	worst, n := "", uint64(0)
	for _, name := range slices.Sorted(maps.Keys(r.SilencesOverBudget)) {
		if r.SilencesOverBudget[name] > n {
			worst, n = name, r.SilencesOverBudget[name]
		}
	}
	if n > 0 {
		add(LevelWarning, "silence_over_budget", "put a cheaper term in front of its condition, such as a comparison of a field, or make it simpler",
			"the condition of the silence %s is beyond its budget of work or of text for %s in the last %s: it did not silence them",
			worst, Number(int(n), "record"), words(time.Duration(r.Window*float64(time.Second))))
	}
}

// templateProblem looks at templates that fail; one that is beyond its budget is told with that.
func templateProblem(r *Recent, add addProblem) {
	failed := maps.Clone(r.TemplateFailures)
	maps.DeleteFunc(failed, func(rule string, _ uint64) bool { return r.OverBudget[rule] > 0 })
	ofRules(failed, func(worst, more string, n int) {
		add(LevelWarning, "template_failing", "kinesis-alerter explain with a record that matches shows the message and why its template fails",
			"rule %s: a template of its messages failed %s in the last %s, and the default words went out%s",
			worst, Number(n, "time"), words(time.Duration(r.Window*float64(time.Second))), more)
	})
}

// evictionProblem looks at keys that were forgotten because there were too many. Those that fired are told first.
func evictionProblem(r *Recent, add addProblem) {
	const remedy = "give the rule a key of fewer values, or raise state.max_keys"
	window := words(time.Duration(r.Window * float64(time.Second)))
	if len(r.EvictedActive) > 0 {
		ofRules(r.EvictedActive, func(worst, more string, n int) {
			add(LevelWarning, "keys_forgotten", remedy+"; the topics of those that fired were told that they are not followed any more",
				"rule %s forgot %s in the last %s that fired or would have, because the shard has more than it may remember%s",
				worst, Number(n, "key"), window, more)
		})
		return
	}
	ofRules(r.Evicted, func(worst, more string, n int) {
		add(LevelWarning, "keys_forgotten", remedy+"; until then an alert may be repeated, or come late",
			"rule %s forgot %s in the last %s, because the shard has more than it may remember%s",
			worst, Number(n, "key"), window, more)
	})
}

// ofRules names the rule with the greatest count, if there is one, and how many more there are.
func ofRules(by map[string]uint64, say func(worst, more string, n int)) {
	rules := slices.Sorted(maps.Keys(by))
	if len(rules) == 0 {
		return
	}
	slices.SortStableFunc(rules, func(a, b string) int { return cmp.Compare(by[b], by[a]) })
	say(rules[0], others(rules), int(min(by[rules[0]], math.MaxInt32)))
}

// finding says what is wrong with a field.
func (f *RuleField) finding() string {
	switch {
	case f.Wanted != "":
		return fmt.Sprintf("needs %s as %s, but records have %s there", f.Field, f.Wanted, f.Has)
	case f.Similar != "":
		return fmt.Sprintf("looks at %s, which none of the last %s has: they have %s", f.Field, Number(int(min(f.Records, math.MaxInt32)), "record"), f.Similar)
	}
	return fmt.Sprintf("looks at %s, which none of the last %s has", f.Field, Number(int(min(f.Records, math.MaxInt32)), "record"))
}

// others says how many more rules there are.
func others(rules []string) string {
	if len(rules) < 2 {
		return ""
	}
	return fmt.Sprintf("; %s the same problem", have(len(rules)-1, "more rule"))
}

func unreadableProblem(r *Recent, add addProblem) {
	all := max(r.Resolved, r.Unreadable) // a dead letter may still be waiting
	if r.Unreadable < unreadableWorthAWord || r.Unreadable*unreadableShare < all {
		return
	}
	top := mostLikely(r.UnreadableAs)
	looks := fmt.Sprintf("they look like %s", top.Words())
	if n := r.UnreadableAs[top]; n < r.Unreadable {
		looks = fmt.Sprintf("%s of them look like %s", percent(n, r.Unreadable), top.Words())
	}
	add(LevelWarning, "records_unreadable", top.Remedy(), "%s of the records of the last %s cannot be read (%s of %s), so no rule sees them: %s",
		percent(r.Unreadable, all), words(time.Duration(r.Window*float64(time.Second))), grouped(r.Unreadable), grouped(all), looks)
}

// mostLikely is what most records look like.
func mostLikely(seen map[payload.Likely]uint64) payload.Likely {
	var top payload.Likely
	for _, l := range slices.Sorted(maps.Keys(seen)) {
		if top == "" || seen[l] > seen[top] {
			top = l
		}
	}
	return top
}

// percent is a share in whole per cent; all and nothing only where they are.
func percent(n, all uint64) string {
	p := n * 100 / max(all, 1)
	switch {
	case n == all:
		p = 100
	case n > 0 && p == 0:
		return "less than 1 %"
	}
	return fmt.Sprintf("%d %%", p)
}

// RuleField is a field that keeps a rule from matching.
type RuleField struct {
	Field string `json:"field"`
	// Similar is a name that records have and that was probably meant; empty if there is none.
	Similar string `json:"similar,omitempty"`
	// Wanted and Has are the types that the rule needs and that the records have; empty where no record has the field.
	Wanted string `json:"wanted,omitempty"`
	Has    string `json:"has,omitempty"`
	// Records is how many records came since one had the field as the rule needs it.
	Records uint64 `json:"records"`
}

// Filter is what the filter of the configuration has dropped.
type Filter struct {
	// Dropped are the records that it has dropped since one passed, DroppingSince is when that was, or when this process started.
	Dropped       uint64     `json:"dropped"`
	DroppingSince *time.Time `json:"dropping_since"`
}

// Silence is a silence.
type Silence struct {
	Name string `json:"name"`
	// All says that it mutes every rule, Conditional that it looks at the records.
	All         bool `json:"all_rules"`
	Conditional bool `json:"conditional"`
	// From is null where the configuration leaves it out.
	From  *time.Time `json:"from"`
	Until *time.Time `json:"until"`
	// Muted are the alerts that it has swallowed in this process.
	Muted uint64 `json:"muted"`
}

// Doubt is something valid in the configuration that cannot be meant.
type Doubt struct {
	// Field is its path, such as rules[0].when, and Line its line in the file; 0 where that is not known.
	Field string `json:"field"`
	Line  int    `json:"line"`
	Text  string `json:"text"`
	// Never says that it keeps a rule from ever matching, or a filter from ever letting a record pass.
	Never bool `json:"never"`
}
