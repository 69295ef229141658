package alert

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/alert/template"
)

// longSilence is the length from which a silence is doubtful.
const longSilence = 31 * 24 * time.Hour

// Doubt is something valid in a Config that is almost certainly a mistake. Never is set if it keeps a rule from ever
// matching, or a filter from ever passing a record. Fault says where it is and why.
type Doubt struct {
	Fault *ConfigError
	Never bool
}

// Doubts returns what is valid in c but almost certainly a mistake: conditions that can never hold or never fail,
// filter patterns that match no record, windows that see only part of their key's records, silences that last too long
// or have no record to look at. now is the time against which silences and arrivals are checked. c must be free of
// faults by Validate: its rules are not compiled again.
func (c Config) Doubts(now time.Time) []Doubt {
	c = c.WithDefaults()
	var (
		out []Doubt
		f   faults
		s   = condition.NewSchema(c.Format == FormatText)
	)
	patterns := filter.Doubts(c.Filter)
	for _, i := range slices.Sorted(maps.Keys(patterns)) {
		text, _ := c.Filter[i].MarshalJSON()
		out = append(out, Doubt{&ConfigError{
			Field: fmt.Sprintf("filter[%d]", i), Value: string(text),
			Rule: "can never match: " + patterns[i],
		}, true})
	}
	for i := range c.Rules {
		r, field := &c.Rules[i], fmt.Sprintf("rules[%d].", i)
		out = append(out, c.conditionDoubts(s, field+"when", r.When, now)...)
		if word := otherSeverity(r.Severity, s); word != "" {
			out = append(out, Doubt{Fault: &ConfigError{
				Field: field + "severity", Value: r.Severity,
				Rule: fmt.Sprintf("gives %q, which is not a severity and counts as %s; want %s", word, SeverityWarning,
					strings.Join(severities(), ", ")),
			}})
		}
		if w := f.window(field+"window", r.Window, s); w != nil {
			out = append(out, w.doubts(field+"window.is", r.Window.Is)...)
			if key := strings.TrimSpace(r.Key); key != "" && key != "partition_key" && !s.NamesBuiltin(key, "shard") {
				out = append(out, Doubt{Fault: &ConfigError{
					Field: field + "key", Value: r.Key,
					Rule: "is not the partition key, so records of one key can come to several shards, and each " +
						"shard has a window of its own: " +
						"it sees a part of them, and compares the bound with that part. Let producers put records " +
						"by this key and leave key out, or choose a bound for the part of one shard",
				}})
			}
		}
	}
	for i := range c.Silences {
		silence, field := &c.Silences[i], fmt.Sprintf("silences[%d].", i)
		for _, d := range c.conditionDoubts(s, field+"when", silence.When, now) {
			out = append(out, Doubt{Fault: d.Fault}) // such a silence mutes nothing
		}
		from, _ := time.Parse(time.RFC3339, silence.From) // empty is always
		until, err := time.Parse(time.RFC3339, silence.Until)
		if from.Before(now) {
			from = now
		}
		if d := until.Sub(from); err == nil && d > longSilence && until.After(now) {
			out = append(out, Doubt{Fault: &ConfigError{
				Field: field + "until", Value: silence.Until,
				Rule: fmt.Sprintf("the silence %s lasts %d days: it is easy to forget what it mutes", silence.Name,
					int(d.Hours()/24)),
			}})
		}
		if deaf := c.withoutRecord(silence); len(deaf) > 0 {
			out = append(out, Doubt{Fault: &ConfigError{
				Field: field + "when", Value: silence.When,
				Rule: fmt.Sprintf(
					"the silence %s does not cover %s: what is absent from a shard or the stream as a whole has no "+
						"record "+
						"to look at; use a silence of that rule without when", silence.Name, strings.Join(deaf, ", ")),
			}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		o, field := c.Outputs[name], "outputs."+name+"."
		if strings.TrimSpace(o.When) != "" {
			for _, d := range c.conditionDoubts(s, field+"when", o.When, now) {
				out = append(out, Doubt{Fault: d.Fault}) // it keeps no rule from matching
			}
		}
		if strings.TrimSpace(o.Key) != "partition_key" {
			out = append(out, Doubt{Fault: &ConfigError{
				Field: field + "key", Value: o.Key,
				Rule: "is not the partition key, so records of one key can come from several shards, which are " +
					"written side by side: their order holds only among those of one shard. Let producers put " +
					"records by this key and leave key out, or do not rely on the order",
			}})
		}
	}
	return out
}

// withoutRecord returns the rules that a silence fails to mute because their alerts have no record for its condition.
func (c *Config) withoutRecord(s *SilenceConfig) (rules []string) {
	if when := strings.TrimSpace(s.When); when == "" || when == "true" {
		return nil
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		whole := r.Absence.After > 0 && r.Absence.Of != "" && r.Absence.Of != AbsenceOfKey
		if whole && (len(s.Rules) == 0 || slices.Contains(s.Rules, r.Name)) {
			rules = append(rules, r.Name)
		}
	}
	return rules
}

// Over returns the silences of a valid c that have ended by a time, and so mute nothing. They are not faults in
// themselves, since every silence ends.
func (c Config) Over(now time.Time) []*ConfigError {
	var out []*ConfigError
	for i := range c.Silences {
		s := &c.Silences[i]
		if until, err := time.Parse(time.RFC3339, s.Until); err == nil && !until.After(now) {
			out = append(out, &ConfigError{
				Field: fmt.Sprintf("silences[%d].until", i), Value: s.Until,
				Rule: fmt.Sprintf("the silence %s is over; remove it, or give it an end in the future",
					s.Name),
			})
		}
	}
	return out
}

// conditionDoubts returns the doubts about one condition.
func (c *Config) conditionDoubts(s *condition.Schema, field, source string, now time.Time) []Doubt {
	scores := make(map[string]float64)
	for _, s := range c.Score {
		scores[s.As] = math.Inf(1)
		if s.Samples > 0 && s.Scoring != "standard" && s.Shingle <= 1 {
			scores[s.As] = math.Log2(float64(s.Samples))
		}
	}
	var out []Doubt
	for _, d := range s.Doubts(source, now, scores) {
		fault := &ConfigError{Field: field, Value: source, Rule: d.Text, Line: d.Line, Col: d.Col}
		out = append(out, Doubt{fault, d.Never})
	}
	return out
}

// otherSeverity returns a text literal that a branch of a severity expression yields and that is not a severity; empty
// if there is none.
func otherSeverity(source string, s *condition.Schema) string {
	if slices.Contains(severities(), source) {
		return ""
	}
	for _, word := range s.Literals(source) {
		if !slices.Contains(severities(), word) {
			return word
		}
	}
	return ""
}

// doubts returns the doubts about the comparison of a window.
func (w *windowRule) doubts(field, source string) []Doubt {
	why, whole := "it is 0 or more", false
	switch w.aggregate {
	case AggregateCount, AggregateDistinct:
		why, whole = "it is a whole number from 0 up", true
	case AggregateRate:
	default:
		return nil
	}
	least := 0.0
	if w.minRecords > 0 && w.aggregate != AggregateDistinct {
		least = float64(w.minRecords)
		if why = fmt.Sprintf("min_records makes it %d at least", w.minRecords); w.aggregate == AggregateRate {
			least *= 1000 / float64(w.length)
			why = fmt.Sprintf("min_records makes it %v at least", template.Number(least))
		}
	}
	fault := &ConfigError{Field: field, Value: source}
	switch {
	case !w.op.CanHold(w.bound, least, whole):
		fault.Rule = fmt.Sprintf("can never hold for the %s of a window: %s", w.aggregate, why)
		return []Doubt{{fault, true}}
	case !w.op.Negated().CanHold(w.bound, 0, whole):
		fault.Rule = fmt.Sprintf("holds for every window: the %s is always so", w.aggregate)
		return []Doubt{{Fault: fault}}
	}
	return nil
}
