package alert

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/template"
)

const (
	// maxTrials bounds how often one template is run, and maxAllTrials all of them. Beyond either, no fault is
	// reported.
	maxTrials    = 4_000
	maxAllTrials = 200_000
	// Before all combinations of values are tried, there are sameTrials with values at the same index of their lists,
	// and randomTrials with random ones.
	sameTrials, randomTrials = 12, 40
)

// Trials runs each template of c for every kind of message that its rule makes, and returns those that fail for every
// record. The trial records have the fields that the rule and the template look at. A field whose type the condition
// fixes gets values of that type; others get values of all types. A template that works for some record is no fault,
// nor is one where that cannot be decided. c must be free of faults by Validate.
func (c Config) Trials() []*ConfigError {
	c = c.WithDefaults()
	t := &trials{left: maxAllTrials, topics: make(map[string]*topicTrial)}
	var f faults
	topics := f.topics(&c)
	if len(c.Rules) == 0 {
		t.rule("", RuleConfig{Topics: []string{c.onlyTopic()}}, topics, c.Format)
	}
	for i := range c.Rules {
		t.rule(fmt.Sprintf("rules[%d]", i), c.Rules[i], topics, c.Format)
	}
	for _, field := range sortedKeys(t.topics) {
		if x := t.topics[field]; x.failed != nil && !x.worked { // it works for no rule
			t.faults = append(t.faults, x.failed)
		}
	}
	return t.faults
}

type trials struct {
	left   int
	faults []*ConfigError
	topics map[string]*topicTrial // by the field of the template
}

// topicTrial is the result of a topic's template over the rules that use it.
type topicTrial struct {
	worked bool
	failed *ConfigError
}

// tried is a template with its place in the configuration.
type tried struct {
	field string
	words *template.Template
	topic bool
}

// rule tries the templates of a rule with its topics. field is empty in the mode without rules.
func (t *trials) rule(field string, c RuleConfig, topics map[string]*topicWords, format string) {
	var f faults
	r, own := &rule{
		formula: condition.Formula{When: &condition.Condition{}}, hold: c.For, absence: c.Absence,
		resolve: c.Resolve, repeat: millis(c.RepeatInterval),
	}, (*ruleWords)(nil)
	s := condition.NewSchema(format == FormatText)
	known := map[string]condition.KindSet{}
	if field != "" {
		own = f.ruleWords(field, c)
		f.ruleCondition(field, c, s, r)
		r.window = f.window(field+".window", c.Window, s)
		f.ruleValue(field, c, s, r)
		if r.window == nil { // a window is judged with any record of its key
			known = s.Needs(r.formula.When)
		}
	}
	if len(f) > 0 {
		return // Validate reports it
	}
	for _, name := range c.Topics {
		topic := topics[name]
		if topic == nil {
			continue
		}
		render := f.render(topic, own)
		for _, x := range templatesOf(render, topic, own) {
			if x.words == nil || x.words.Fixed {
				continue
			}
			var fault *ConfigError
			for _, kind := range r.kinds() {
				// A template that ignores the kind behaves the same for every kind.
				if fault == nil && (kind == KindFiring || x.words.Says.Kind) {
					fault = t.try(render, r, x, kind, known, format)
				}
			}
			switch {
			case x.topic:
				t.note(x.field, fault)
			case fault != nil && !slices.ContainsFunc(t.faults,
				func(known *ConfigError) bool { return known.Field == fault.Field }):
				t.faults = append(t.faults, fault)
			}
		}
	}
}

func (t *trials) note(field string, fault *ConfigError) {
	x := t.topics[field]
	if x == nil {
		x = &topicTrial{}
		t.topics[field] = x
	}
	x.worked = x.worked || fault == nil
	if x.failed == nil {
		x.failed = fault
	}
}

// templatesOf returns the templates of a route. own is nil in the mode without rules.
func templatesOf(r *renderer, topic *topicWords, own *ruleWords) []tried {
	pick := func(name string, w, mine *template.Template) tried {
		if mine != nil {
			return tried{own.field + "." + name, mine, false}
		}
		return tried{topic.field + "." + name, w, true}
	}
	mine := &ruleWords{}
	if own != nil {
		mine = own
	}
	out := []tried{
		pick("subject", topic.subject, mine.subject), pick("message", topic.message, mine.message),
		{topic.field + ".group_id", topic.group, true},
		{mine.field + ".runbook", mine.runbook, false},
		{mine.field + ".dashboard", mine.dashboard, false},
	}
	for _, b := range r.bodies {
		out = append(out, tried{topic.field + ".bodies." + b.protocol, b.words, true})
	}
	for _, a := range r.attributes {
		out = append(out, tried{mine.field + ".attributes." + a.name + ".value", a.words, false})
	}
	return out
}

// kinds returns the kinds of message that a rule makes.
func (r *rule) kinds() []Kind {
	out := []Kind{KindFiring}
	if r.repeat > 0 {
		out = append(out, KindRepeat)
	}
	if !r.resolve.IsZero() || r.absence.After > 0 {
		out = append(out, KindResolved)
	}
	return out
}

// recorded reports whether a message of the kind can have a record.
func (r *rule) recorded(kind Kind) bool {
	switch {
	case r.absence.After > 0:
		return kind == KindResolved && r.absence.Of != AbsenceOfStream
	case r.window != nil && r.window.tumbling:
		return false
	case kind == KindResolved:
		return r.resolve.Records > 0
	}
	return true
}

// trialValues returns sample values of a field of some kinds.
func trialValues(kinds condition.KindSet) []string {
	var out []string
	for _, v := range []struct {
		kind condition.Kind
		text string
	}{
		{condition.Text, `"text"`},
		{condition.Number, "5"},
		{condition.Boolean, "true"},
		{condition.Composite, `["a"]`},
		{condition.Composite, `{"a":1}`},
		{condition.Null, "null"},
		{condition.Number, "-1.5"},
		{condition.Number, "0"},
		{condition.Boolean, "false"},
		{condition.Text, `""`},
		{condition.Text, `"123"`},
		{condition.Text, `"2026-11-22T12:00:00Z"`},
		{condition.Composite, "[]"},
		{condition.Composite, "[1,2,3]"},
		{condition.Composite, "{}"},
	} {
		if kinds.Has(v.kind) {
			out = append(out, v.text)
		}
	}
	return out
}

// try runs a template for one kind of message. It returns nil unless the template fails for every record.
func (t *trials) try(r *renderer, of *rule, x tried, kind Kind, known map[string]condition.KindSet,
	format string,
) *ConfigError {
	paths := x.words.Fields()
	for path := range known {
		paths = append(paths, strings.Split(path, "\x00"))
	}
	// A record that ends an alert does not match the rule, unless the rule is on absence.
	if kind == KindResolved && of.absence.After == 0 {
		known = nil
	}
	paths = slices.DeleteFunc(paths, func(path []string) bool {
		for i := range path { // below a value that is not an object
			if need, ok := known[strings.Join(path[:i], "\x00")]; ok && !need.Has(condition.Composite) {
				return true
			}
		}
		return false
	})
	slices.SortFunc(paths, slices.Compare)
	paths = slices.CompactFunc(paths, slices.Equal)
	figures := []float64{5, 2.5}
	choices := [][]string{{"figure", "figure", "none"}}
	if direction := of.direction(); direction == 0 {
		figures, choices[0] = nil, []string{"none"}
	}
	if format != FormatJSON || !of.recorded(kind) {
		paths = nil
	}
	for i, path := range paths {
		kinds := condition.JSONKinds
		if need, ok := known[strings.Join(path, "\x00")]; ok {
			kinds = need
		}
		values := trialValues(kinds)
		if i+1 < len(paths) && len(paths[i+1]) > len(path) && slices.Equal(paths[i+1][:len(path)], path) {
			values = append([]string{withMembers}, values...)
		}
		choices = append(choices, values)
	}
	a := &Alert{
		Topic: "topic", Kind: kind, Severity: SeverityWarning, Key: "key", At: time.Unix(1_800_000_000, 0),
		Since:      time.Unix(1_800_000_000, 0),
		Suppressed: 2, Record: Record{
			Shard: "shardId-000000000000", PartitionKey: "key", SequenceNumber: "1",
			Arrival: time.Unix(1_800_000_000, 0),
		},
	}
	at := make([]int, len(choices))
	// passes reports whether the template works with the chosen values.
	var failed error
	passes := func() bool {
		if a.Worse = 0; at[0] < len(figures) {
			a.Value, a.Worse = figures[at[0]], 1
		}
		_, err := x.words.Execute(r.data(a))
		if err == nil || !template.OfTypes(err) {
			return true
		}
		failed = cmp.Or(failed, err)
		return false
	}
	record := func() {
		if a.Record.Data = nil; of.recorded(kind) && format == FormatJSON {
			a.Record.Data = trialRecord(paths, choices[1:], at[1:])
		} else if of.recorded(kind) {
			a.Record.Data = []byte("text")
		}
	}
	// Most templates pass soon, with fields of the same type or of random ones.
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // deterministic on purpose
	for i := range sameTrials + randomTrials {
		if t.left--; t.left < 0 {
			return nil
		}
		for j := range at {
			if at[j] = i % len(choices[j]); i >= sameTrials {
				at[j] = random.IntN(len(choices[j]))
			}
		}
		if record(); passes() {
			return nil
		}
	}
	clear(at)
	for range maxTrials {
		if t.left--; t.left < 0 {
			return nil
		}
		if record(); passes() {
			return nil
		}
		i := 0
		for ; i < len(at); i++ {
			if at[i]++; at[i] < len(choices[i]) {
				break
			}
			at[i] = 0
		}
		if i < len(at) {
			continue
		}
		if a.Record.Data = nil; of.timed() && (kind != KindResolved || of.absence.After == 0) && passes() {
			return nil // the message can also come without a record
		}
		fault := templateFault(x.field, x.words.Source, template.FaultOf(failed))
		fault.Rule = fmt.Sprintf("fails in every message of kind %s, for any record: %s", kind, fault.Rule)
		return fault
	}
	return nil
}

// direction returns the direction in which the rule's figure gets worse; 0 if its messages have none.
func (r *rule) direction() int8 {
	if r.window != nil {
		return direction(r.window.op)
	}
	return r.worse
}

// withMembers represents an object that has the fields looked at below it.
const withMembers = "{…}"

// trialRecord returns a record with these fields.
func trialRecord(paths, choices [][]string, at []int) []byte {
	var write func(b []byte, from, to, depth int) []byte
	write = func(b []byte, from, to, depth int) []byte {
		b = append(b, '{')
		for first := from; from < to; {
			name, next := paths[from][depth], from+1
			for next < to && paths[next][depth] == name {
				next++
			}
			if from > first {
				b = append(b, ',')
			}
			b, _ = jsontext.AppendQuote(b, name)
			b = append(b, ':')
			switch leaf := len(paths[from]) == depth+1; {
			case !leaf:
				b = write(b, from, next, depth+1)
			case choices[from][at[from]] == withMembers:
				b = write(b, from+1, next, depth+1)
			default:
				b = append(b, choices[from][at[from]]...)
			}
			from = next
		}
		return append(b, '}')
	}
	return write(nil, 0, len(paths), 0)
}
