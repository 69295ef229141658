package alert

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/alert/budget"
	"kinesis-alerter/alert/condition"
)

// rule is one compiled rule. It is immutable once its rule set is complete.
type rule struct {
	name string
	// place is the rule's index in the list.
	place   int
	formula condition.Formula
	// key is what "the same alert" means; nil is the partition key.
	key condition.Operand
	// value is the figure that messages show; nil if there is none.
	value condition.Operand
	worse int8

	hold    Stretch
	window  *windowRule
	absence AbsenceConfig
	resolve Stretch
	dedup   int64 // milliseconds, as all times of memory
	repeat  int64
	limit   Rate

	// muters are what can suppress the alerts, in the order in which they are tried (mute.go).
	muters []muter
	// silences are the silences of the rule, and covers the bits of their conditions.
	silences   []*silence
	covers     uint32
	severity   string
	severityOf condition.Operand
	shadow     bool
	routes     []*route
	// fingerprint is a hash of everything that the remembered state depends on. A rule of the same name with another
	// fingerprint does not take the state over.
	fingerprint [16]byte
	sense       sense
	// audience are the topics that the rule notifies, and savedWords its words as a snapshot keeps them.
	audience   []string
	savedWords []byte
	metrics    ruleMetrics
}

// remembers reports whether the rule keeps an entry for each key.
func (r *rule) remembers() bool { return r.hasPeriods() || r.dedup > 0 || r.window != nil }

// stateful reports whether the rule's decisions depend on earlier records.
func (r *rule) stateful() bool { return r.remembers() || !r.limit.IsZero() }

// hasPeriods reports whether the rule has firing periods, with a beginning and an end, each of which alerts once. Other
// rules alert with every record, or every tumbling window, for which they hold.
func (r *rule) hasPeriods() bool {
	return !r.hold.IsZero() || !r.resolve.IsZero() || r.absence.After > 0 || r.repeat > 0 ||
		r.window != nil && !r.window.tumbling
}

// needsNonMatches reports whether a record for which the rule's condition is false changes what the rule remembers of
// its key.
func (r *rule) needsNonMatches() bool { return r.hasPeriods() && r.absence.After == 0 }

// keyless reports whether the rule is about the shard or the stream as a whole, so that it has no keys.
func (r *rule) keyless() bool { return r.absence.After > 0 && r.absence.Of != AbsenceOfKey }

// timed reports whether the rule makes alerts when time passes.
func (r *rule) timed() bool {
	return r.hold.Time > 0 || r.resolve.Time > 0 || r.repeat > 0 || r.window != nil || r.absence.After > 0
}

// severities returns the severities, most severe first.
func severities() []string { return []string{SeverityCritical, SeverityWarning, SeverityInfo} }

// warning is the index of the default in severities.
const warning = 1

const (
	maxStretch = 7 * 24 * time.Hour
	// maxStreak bounds for and resolve in records.
	maxStreak = 1_000_000
)

// rule compiles c, whose defaults are filled in. before are the rules earlier in the list.
func (f *faults) rule(field string, c RuleConfig, topics map[string]*topicWords, s *condition.Schema,
	before map[string]*rule,
) *rule {
	f.name(field+".name", c.Name, "_-.")
	if c.Name == watchdogName {
		f.add(field+".name", c.Name, "is the name of the watchdog's own messages; use another one")
	}
	r := &rule{
		formula: condition.Formula{When: &condition.Condition{}}, name: c.Name, hold: c.For, absence: c.Absence,
		resolve: c.Resolve, dedup: millis(c.Dedup),
		repeat: millis(c.RepeatInterval), limit: c.RateLimit, shadow: c.Mode == ModeShadow,
	}
	f.ruleCondition(field, c, s, r)
	if key := strings.TrimSpace(c.Key); key != "" && key != "partition_key" {
		r.key = f.operand(field+".key", c.Key, s)
	}
	f.ruleValue(field, c, s, r)
	f.ruleState(field, c, s, r)
	f.ruleSeverity(field, c, s, r)
	f.ruleMuting(field, c, r, before)
	f.ruleRoutes(field, c, topics, r)
	r.fingerprint, r.sense, r.audience, r.savedWords = fingerprintOf(c), r.senseOf(c), r.listeners(), encodeRuleWords(c)
	if r.window != nil {
		r.formula = condition.NewFormula(r.formula.When, r.key, r.window.of, r.severityOf, r.value)
	} else {
		r.formula = condition.NewFormula(r.formula.When, r.key, r.severityOf, r.value)
	}
	return r
}

// forget releases what was compiled, except what later rules need of this one.
func (r *rule) forget() {
	r.formula, r.key, r.value, r.severityOf, r.routes = condition.Formula{}, nil, nil, nil, nil
	if r.window != nil {
		r.window.of = nil
	}
}

func (f *faults) ruleCondition(field string, c RuleConfig, s *condition.Schema, r *rule) {
	when := c.When
	if strings.TrimSpace(when) == "" {
		if c.Absence.After == 0 {
			f.add(field+".when", c.When, `must be a condition such as ANOMALY_SCORE > 3.0; "true" matches every record`)
			return
		}
		when = "true" // every record ends the absence
	} else if c.Absence.Of == AbsenceOfStream && c.Absence.After != 0 {
		f.add(field+".when", c.When, "absence of stream looks at all records of all shards; leave when out")
		return
	}
	if c := f.condition(field+".when", when, s); c != nil {
		r.formula.When = c
	}
}

// ruleValue finds the figure that the rule compares.
func (f *faults) ruleValue(field string, c RuleConfig, s *condition.Schema, r *rule) {
	if strings.TrimSpace(c.Value) != "" {
		r.value, r.worse = f.operand(field+".value", c.Value, s), 1
	}
	if r.window != nil {
		return
	}
	if slot, op, ok := r.formula.When.Threshold(); ok {
		if r.value == nil {
			r.value = slot
		}
		r.worse = direction(op)
	}
}

// direction returns the direction in which a figure gets worse that alerts when it is op some bound.
func direction(op condition.Operator) int8 {
	switch op {
	case condition.More, condition.MoreOrEqual:
		return 1
	case condition.Less, condition.LessOrEqual:
		return -1
	case condition.Equal, condition.NotEqual:
	}
	return 0
}

// ruleState checks the settings that make a rule remember.
func (f *faults) ruleState(field string, c RuleConfig, s *condition.Schema, r *rule) {
	r.window = f.window(field+".window", c.Window, s)
	stretch := func(name string, x Stretch) {
		if x.Records > maxStreak || x.Time > maxStretch || x.Time%time.Millisecond != 0 {
			text, _ := x.MarshalText()
			f.add(field+"."+name, string(text), "must be 1 to %d records, or up to 168h in whole milliseconds",
				maxStreak)
		}
	}
	stretch("for", c.For)
	stretch("resolve", c.Resolve)
	span := func(name string, d, least time.Duration) {
		if d != 0 && (d < least || d > maxStretch) || d%time.Millisecond != 0 {
			f.add(field+"."+name, shortDuration(d), "must be between %s and 168h, in whole milliseconds", least)
		}
	}
	span("dedup", c.Dedup, time.Millisecond)
	span("repeat_interval", c.RepeatInterval, time.Second)
	span("absence.after", c.Absence.After, time.Second)
	if g := c.Absence.GiveUp; g != 0 && (g < time.Second || g > maxGiveUp || g%time.Millisecond != 0) {
		f.add(field+".absence.give_up", shortDuration(g), "must be between 1s and %s, in whole milliseconds",
			shortDuration(maxGiveUp))
	}
	if c.RateLimit.Unlimited {
		r.limit = Rate{}
	}
	if c.RepeatInterval != 0 && c.Resolve.IsZero() && c.Absence.After == 0 {
		f.add(field+".repeat_interval", shortDuration(c.RepeatInterval),
			"needs resolve, or nothing ends the repetition")
	}
	if c.Absence == (AbsenceConfig{}) {
		return
	}
	r.absence.Of = cmp.Or(c.Absence.Of, AbsenceOfKey)
	switch {
	case c.Absence.After == 0:
		f.add(field+".absence.after", "", "must say how long nothing may come, such as 5m")
	case !slices.Contains([]string{AbsenceOfKey, AbsenceOfShard, AbsenceOfStream}, r.absence.Of):
		f.add(field+".absence.of", c.Absence.Of, "must be %s, %s or %s", AbsenceOfKey, AbsenceOfShard, AbsenceOfStream)
	case !c.For.IsZero() || !c.Resolve.IsZero() || c.Window != (WindowConfig{}):
		f.add(field+".absence", shortDuration(c.Absence.After),
			"has its own beginning and end; leave for, window and resolve out")
	case r.absence.Of != AbsenceOfKey && c.Absence.GiveUp != 0:
		f.add(field+".absence.give_up", shortDuration(c.Absence.GiveUp),
			"is for keys; absence of %s is reported until records come, so leave it out", r.absence.Of)
	case r.absence.Of != AbsenceOfKey && c.Key != "" && c.Key != "partition_key":
		f.add(field+".key", c.Key, "absence of %s has no keys; leave key out", r.absence.Of)
	case r.absence.Of == AbsenceOfStream && c.Absence.After < minStreamAbsence:
		f.add(field+".absence.after", shortDuration(c.Absence.After),
			"must be at least %s for stream: workers exchange what they have seen every few seconds",
			minStreamAbsence)
	}
}

func (f *faults) ruleSeverity(field string, c RuleConfig, s *condition.Schema, r *rule) {
	if slices.Contains(severities(), c.Severity) {
		r.severity = c.Severity
		return
	}
	r.severity = SeverityWarning
	one := "must be " + strings.Join(severities(), ", ") + ", or an expression that gives one of them"
	if !strings.ContainsAny(c.Severity, `"'?(.`) { // one word is more likely a misspelt severity than a field
		f.add(field+".severity", c.Severity, "%s", one)
		return
	}
	if r.severityOf = f.operand(field+".severity", c.Severity, s); r.severityOf != nil {
		if word, ok := condition.ConstantText(r.severityOf); ok && !slices.Contains(severities(), word) {
			f.add(field+".severity", c.Severity, "%s", one)
		}
		if r.absence.Of == AbsenceOfStream {
			f.add(field+".severity", c.Severity, "absence of stream has no record to look at; use %s",
				strings.Join(severities(), ", "))
		}
	}
}

func (f *faults) ruleMuting(field string, c RuleConfig, r *rule, before map[string]*rule) {
	if c.Mode != ModeLive && c.Mode != ModeShadow {
		f.add(field+".mode", c.Mode, "must be %s or %s", ModeLive, ModeShadow)
	}
	f.muters(field, c, r, before)
}

func (f *faults) ruleRoutes(field string, c RuleConfig, topics map[string]*topicWords, r *rule) {
	own := f.ruleWords(field, c)
	if len(c.Topics) == 0 {
		f.add(field+".topics", "", "must name at least one of the topics: %s", strings.Join(sortedNames(topics), ", "))
	}
	listed := make(map[string]bool, len(c.Topics))
	for i, name := range c.Topics {
		if f.full() {
			return
		}
		at := fmt.Sprintf("%s.topics[%d]", field, i)
		switch shared, ok := topics[name]; {
		case !ok:
			f.add(at, name, "is not one of the topics: %s", strings.Join(sortedNames(topics), ", "))
		case listed[name]:
			f.add(at, name, "is listed twice; one alert per topic is sent")
		default:
			r.routes = append(r.routes, &route{
				rule: r, topic: name, render: f.render(shared, own),
				savedWords: shared.savedWords,
			})
		}
		listed[name] = true
	}
}

// fingerprintOf returns the hash of what a rule's memory depends on: two rules with the same one can take each other's
// state. A setting added here must not change the fingerprints of rules without it, or an upgrade loses their state.
func fingerprintOf(c RuleConfig) [16]byte {
	var b strings.Builder
	for _, x := range []any{
		c.When, c.Key, c.For.Records, c.For.Time, c.Window.Length, c.Window.Step, c.Window.Tumbling, c.Window.Aggregate,
		c.Window.Of,
		c.Window.Is, c.Absence.After, c.Absence.Of, c.Dedup, c.Resolve.Records, c.Resolve.Time, c.RepeatInterval,
		c.RateLimit.String(),
	} {
		fmt.Fprintf(&b, "%q\n", fmt.Sprint(x))
	}
	if n := c.Window.MinRecords; n > 0 {
		fmt.Fprintf(&b, "min_records %d\n", n)
	}
	if budget.Version > 1 {
		fmt.Fprintf(&b, "budget %d\n", budget.Version)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return [16]byte(sum[:16])
}

// operand compiles an expression that gives a value; nil after an error.
func (f *faults) operand(field, source string, s *condition.Schema) condition.Operand {
	o, fault := condition.CompileOperand(source, s)
	if fault != nil {
		*f = append(*f, placedFault(field, source, fault))
		return nil
	}
	return o
}

// condition compiles a condition; nil after an error.
func (f *faults) condition(field, source string, s *condition.Schema) *condition.Condition {
	c, fault := condition.Compile(source, s)
	if fault != nil {
		*f = append(*f, placedFault(field, source, fault))
	}
	return c
}
