package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kinesis-alerter/alert/budget"
	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/alert/payload"
)

// Verdict is what a condition, or a term of it, makes of a record.
type Verdict string

// The verdicts.
const (
	VerdictTrue      Verdict = "true"
	VerdictFalse     Verdict = "false"
	VerdictUndefined Verdict = "undefined"
	// VerdictDepends is that of a term on a score, which earlier records decide about.
	VerdictDepends Verdict = "depends"
)

// Explanation says what the rules make of one record, and why. What depends on earlier records is named and left open.
type Explanation struct {
	Shard          string    `json:"shard,omitempty"`
	PartitionKey   string    `json:"partition_key,omitempty"`
	SequenceNumber string    `json:"sequence_number,omitempty"`
	SubSequence    uint32    `json:"sub_sequence"`
	Arrival        time.Time `json:"arrival"`
	// DependsOn are the scores that decide the outcome and that only earlier records determine. Outcome and Reason are
	// then what holds without them. It is empty if nothing is left open.
	DependsOn []string `json:"depends_on,omitempty"`
	// Outcome is that of the record if it is the first that the rules see, and Reason why it is Invalid,
	// Suppressed or, with not_json, Filtered.
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason,omitempty"`
	// Detail is what is wrong with a record that cannot be taken apart, such as "gzip: truncated at byte 12 of 300".
	Detail string `json:"detail,omitempty"`
	// Likely is what an unreadable record looks like.
	Likely payload.Likely `json:"likely,omitempty"`
	// Hint is what is in the whole Kinesis record, and which input reads it, where that is known. Whoever decodes
	// records finds it out.
	Hint *payload.Hint `json:"hint,omitempty"`
	// Filter is the result of each pattern of the filter; empty without one.
	Filter []filter.Explanation `json:"filter,omitempty"`
	// Rules are the rules in their order; empty for a record that reaches no rule.
	Rules []RuleExplanation `json:"rules,omitempty"`
	// Publishes is what is published without rules.
	Publishes *Publication `json:"publishes,omitempty"`
	// Outputs are the outputs in the order of their names; empty for a record of which none is written.
	Outputs []OutputExplanation `json:"outputs,omitempty"`
	// AfterReplay is what comes of the record after those before it; nil if they were not evaluated.
	AfterReplay *Replay `json:"after_replay,omitempty"`
}

// Replay is what an evaluation that has seen the records from From on made of a record.
type Replay struct {
	From    time.Time `json:"from"`
	Outcome Outcome   `json:"outcome"`
	Reason  Reason    `json:"reason,omitempty"`
	// Outputs are what is written of the record.
	Outputs []OutputText `json:"outputs,omitempty"`
}

// RuleReplay is the part of one rule in a Replay: the alerts that it made of the record, such as "firing to oncall",
// why it suppressed others, and what it then remembers of the key.
type RuleReplay struct {
	Alerts     []string `json:"alerts,omitempty"`
	Suppressed []string `json:"suppressed_by,omitempty"`
	Remembers  []string `json:"remembers,omitempty"`
}

// RuleExplanation is what one rule makes of a record.
type RuleExplanation struct {
	Rule string `json:"rule"`
	// Verdict is whether the condition holds, as the rule counts it: a condition is undefined if the first term that
	// does not hold is. Cause is then why.
	Verdict Verdict `json:"verdict"`
	Cause   string  `json:"cause,omitempty"`
	// Terms are the parts of the condition that must all hold, in the order in which they are tried.
	Terms []TermExplanation `json:"terms"`
	// First is the term that kept the rule from matching; empty if it matches.
	First string `json:"first_failing_term,omitempty"`
	// Key is what the rule treats as the same alert, and KeyCause why there is no proper key.
	Key      string `json:"key,omitempty"`
	KeyCause string `json:"key_undefined,omitempty"`
	// OverBudget says which budget the rule would exceed with this record, and what to do. The rule then does not judge
	// the record. It is empty if the rule stays within its budget.
	OverBudget string `json:"over_budget,omitempty"`
	// WindowCause is why the record, for which the condition holds, adds nothing to the window.
	WindowCause string `json:"window_undefined,omitempty"`
	Severity    string `json:"severity"`
	// Shadow says that the rule never publishes.
	Shadow bool `json:"shadow,omitempty"`
	// Outcome is what the rule makes of the record if it has seen no other, and Reason what suppresses the alert.
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason,omitempty"`
	// Publishes is what the rule publishes when it fires on this record, by topic.
	Publishes []Publication `json:"publishes,omitempty"`
	// Mutes are the silences, quiet hours and rules that suppress an alert on this record.
	Mutes []string `json:"mutes,omitempty"`
	// Depends are the settings whose effect depends on earlier records.
	Depends []Dependency `json:"depends_on_earlier_records,omitempty"`
	// AfterReplay is nil if earlier records were not evaluated.
	AfterReplay *RuleReplay `json:"after_replay,omitempty"`

	open []string // the names that the condition depends on
}

// TermExplanation is one part of a condition.
type TermExplanation struct {
	// Term is the part as expr prints it.
	Term    string  `json:"term"`
	Verdict Verdict `json:"verdict"`
	// Cause is why the term is undefined.
	Cause string `json:"cause,omitempty"`
	// Fields are the fields that the term reads, with the record's values.
	Fields []condition.FieldValue `json:"fields,omitempty"`
	// Compared is a comparison of two numbers with the numbers in it, such as "ANOMALY_SCORE 2.91 > 3.5", and By the
	// distance between the two. Both are empty for other terms.
	Compared string `json:"compared,omitempty"`
	By       string `json:"by,omitempty"`
}

// Publication is one message that is published.
type Publication struct {
	Topic   string `json:"topic"`
	Subject string `json:"subject"`
	AlertID string `json:"alert_id,omitempty"`
	// Failed are the parts of the message whose templates fail on the record and are replaced by the default words.
	Failed []string `json:"failed_templates,omitempty"`
	// OverBudget says which budget its templates would exceed, and what to do; empty if they stay within it.
	OverBudget string `json:"over_budget,omitempty"`
}

// Dependency is a setting of a rule whose effect depends on earlier records.
type Dependency struct {
	Setting string `json:"setting"`
	Says    string `json:"says"`
}

// MarshalText implements encoding.TextMarshaler.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// String returns the term in a line: "ANOMALY_SCORE 2.91 > 3.5: false by 0.59".
func (t TermExplanation) String() string {
	what := t.Term
	if t.Compared != "" {
		what = t.Compared
	}
	switch {
	case t.Verdict == VerdictUndefined:
		return what + ": undefined (" + t.Cause + ")" + t.values("; ")
	case t.By == "0" && t.Verdict == VerdictFalse:
		return what + ": false, they are equal"
	case t.By != "" && t.Verdict == VerdictFalse:
		return what + ": false by " + t.By
	case t.Verdict == VerdictDepends:
		return t.Term + ": depends on earlier records"
	case t.Compared != "":
		return what + ": " + string(t.Verdict)
	}
	return what + ": " + string(t.Verdict) + t.values("; ")
}

func (t TermExplanation) values(before string) string {
	if len(t.Fields) == 0 {
		return ""
	}
	list := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		list[i] = f.String()
	}
	return before + strings.Join(list, ", ")
}

// Explain returns what the rules make of a record on its own, and why. It is for people: it evaluates every part,
// counts nothing, and disregards earlier records. It is safe for concurrent use and never panics.
func (p *Pipeline) Explain(rec *Record) (x Explanation) {
	x = Explanation{
		Shard: rec.Shard, PartitionKey: rec.PartitionKey, SequenceNumber: rec.SequenceNumber,
		SubSequence: rec.SubSequence,
		Arrival:     rec.Arrival,
	}
	defer func() {
		if r := recover(); r != nil {
			x.Outcome, x.Reason = Invalid, ReasonPanic
		}
	}()
	if rec.Row != nil {
		kept := rec.Kept()
		rec = &kept
	}
	e := newEvaluator(p, rec.Shard) // for its working memory only: nothing is counted or remembered
	e.clock.eventTime = rec.Arrival
	if e.in.set.filter != nil {
		x.Filter = e.in.set.filter.Explain(rec.Data, rec.PartitionKey)
	}
	switch e.in.admit(rec) {
	case filter.NotMatched:
		x.Outcome = Filtered
		for _, name := range e.in.openScores(rec) {
			if e.in.set.filtered[name] {
				x.DependsOn = append(x.DependsOn, name)
			}
		}
		return x
	case filter.NotJSON:
		if x.Outcome, x.Reason = Filtered, ReasonNotJSON; rec.isEmpty() {
			x.Reason = ReasonEmpty
			return x
		}
		x.Likely = payload.SureCause(rec.Data, payload.Defect(cmp.Or(e.in.decode(rec), ReasonNotJSON)))
		return x
	case filter.Matched, filter.OverBudget:
	}
	if reason := e.in.readQuietly(rec); reason != "" {
		if rec.isEmpty() {
			x.Outcome, x.Reason = Filtered, ReasonEmpty
			return x
		}
		x.Outcome, x.Reason, x.Likely = Invalid, reason, payload.SureCause(rec.Data, payload.Defect(reason))
		return x
	}
	open := e.in.openScores(rec)
	e.in.frame.Record()
	if every := e.in.set.every; every != nil {
		x.Outcome, x.Publishes = Alerted, new(e.publication(every, rec, &Alert{}))
		x.Outputs = e.explainOutputs(rec, open)
		return x
	}
	for _, r := range e.in.set.rules {
		one := e.explainRule(r, rec, open)
		if one.Verdict == VerdictDepends && !r.shadow {
			for _, name := range one.open {
				if !slices.Contains(x.DependsOn, name) {
					x.DependsOn = append(x.DependsOn, name)
				}
			}
		}
		if !r.shadow && one.Outcome > x.Outcome {
			x.Outcome, x.Reason = one.Outcome, one.Reason
		}
		x.Rules = append(x.Rules, one)
	}
	if x.Outcome == Alerted { // even if another rule suppressed
		x.DependsOn = nil
	}
	if x.Outcome != OverBudget {
		x.Outputs = e.explainOutputs(rec, open)
	}
	return x
}

// openScores returns the members that the scores would add to a record and that earlier records decide.
func (in *reading) openScores(rec *Record) []string {
	if in.scoring == nil || in.scoring.decoder.Decode(rec.Data, in.scoring.slots) != "" {
		return nil
	}
	var open []string
	for _, x := range in.set.scores {
		value := func(slot int) *condition.Value { return &in.scoring.slots[slot] }
		if slices.ContainsFunc(x.taken, func(slot int) bool { return value(slot).Kind != condition.Absent }) ||
			slices.ContainsFunc(x.slots, func(slot int) bool { return value(slot).Kind != condition.Number }) {
			continue // the record has its own, or gets none
		}
		open = append(open, x.adds()...)
	}
	return open
}

func (e *Evaluator) explainRule(r *rule, rec *Record, open []string) RuleExplanation {
	t := &trigger{rec: rec, at: rec.Arrival}
	x := RuleExplanation{Rule: r.name, Shadow: r.shadow, Depends: r.dependencies()}
	x.Terms, x.First, x.open = e.in.explainTerms(r.formula.When, open)
	v, _ := r.formula.Within(&e.in.frame)
	if v == condition.UndefinedOverBudget {
		x.Verdict, x.Cause = verdictWords(condition.UndefinedOverBudget)
		x.OverBudget = budget.Remedy(e.in.frame.Meter.Over)
		x.First, x.Severity = "the rule "+x.OverBudget, r.severity
		x.Outcome, x.Reason = OverBudget, ReasonOverBudget
		return x
	}
	if e.in.frame.Meter.Over != "" {
		v = condition.No // only its key is over the budget
	}
	x.Severity = severities()[e.in.severityOf(r, t)]
	x.Verdict, x.Cause = verdictWords(v)
	if len(x.open) > 0 {
		x.depends()
	}
	x.Key, x.KeyCause = e.in.explainKey(r, rec)
	if x.Verdict != VerdictTrue {
		return x
	}
	if r.window != nil {
		if _, cause := r.window.load(&e.in.frame, new(condition.Value)); cause.Undefined() {
			x.WindowCause = cause.Cause()
		}
	}
	e.explainMutes(r, rec, &x)
	e.explainFiring(r, &x)
	if !r.remembers() && (x.Reason == "" || x.Reason == ReasonSilenced) {
		e.life.fired.Add(r.place)
	}
	if r.shadow || r.absence.After > 0 {
		return x
	}
	a := &Alert{Kind: KindFiring, Rule: r.name, Severity: x.Severity, Key: x.Key}
	switch {
	case r.window != nil: // the figure is of earlier records, too, so show the bound
		a.Value, a.Worse = r.window.bound, direction(r.window.op)
	case r.value != nil:
		if n, cause := r.value.Load(&e.in.frame); !cause.Undefined() && n.Kind == condition.Number {
			a.Value, a.Worse = n.Num, r.worse
		}
	}
	for _, to := range r.routes {
		x.Publishes = append(x.Publishes, e.publication(to, rec, a))
	}
	return x
}

// depends sets the verdict of a rule whose terms partly depend on earlier records. A term that does not hold decides
// anyway.
func (x *RuleExplanation) depends() {
	if x.Verdict, x.Cause, x.First = decided(x.Terms); x.Verdict != VerdictDepends {
		return
	}
	for _, name := range x.open {
		if one := (Dependency{
			Setting: name,
			Says:    "comes from earlier records, which are not considered here",
		}); !slices.Contains(x.Depends,
			one) {
			x.Depends = append(x.Depends, one)
		}
	}
}

// explainTerms returns the terms of a condition, the first that does not hold, and the names on which they depend.
func (in *reading) explainTerms(c *condition.Condition, open []string) (terms []TermExplanation, first string,
	depends []string,
) {
	for _, term := range c.Explain(&in.frame, open) {
		t := explainTerm(&term)
		if names := term.Open; len(names) > 0 {
			t.Verdict, t.Cause, t.By = VerdictDepends, "", ""
			depends = append(depends, names...)
		}
		if t.Verdict != VerdictTrue && first == "" {
			first = t.String()
		}
		terms = append(terms, t)
	}
	return terms, first, depends
}

// explainTerm converts a term of a condition's explanation.
func explainTerm(x *condition.Explanation) TermExplanation {
	t := TermExplanation{Term: x.Source, Fields: x.Fields, Compared: x.Compared, By: x.By}
	t.Verdict, t.Cause = verdictWords(x.Verdict)
	return t
}

func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// explainKey is keyOf without accounting for what is undefined.
func (in *reading) explainKey(r *rule, rec *Record) (key, cause string) {
	switch {
	case r.keyless():
		return "", ""
	case r.key == nil:
		return rec.PartitionKey, ""
	}
	v, undefined := r.key.Load(&in.frame)
	if undefined.Undefined() {
		return "", undefined.Cause()
	}
	return string(v.AppendText(nil)), ""
}

// explainFiring reports whether the rule, whose condition holds, fires on a record that is the first of its key.
func (e *Evaluator) explainFiring(r *rule, x *RuleExplanation) {
	switch {
	case r.absence.After > 0, r.hold.Records > 1, r.hold.Time > 0:
		x.Reason = ""
		return
	case r.window != nil:
		if r.window.tumbling || !e.aloneInWindow(r.window) {
			x.Reason = ""
			return
		}
	}
	if x.Outcome = Alerted; x.Reason != "" {
		x.Outcome = Suppressed
	}
}

// aloneInWindow reports whether a window with only the record at hand makes its rule fire.
func (e *Evaluator) aloneInWindow(w *windowRule) bool {
	var item condition.Value
	n, cause := w.load(&e.in.frame, &item)
	if cause.Undefined() {
		return false
	}
	s := w.newWindow(true)
	s.last = e.clock.now() / w.step
	s.add(n)
	if w.distinct {
		s.see(&item, &e.memory.key, false)
	}
	_, holds := w.holds(s)
	return holds
}

// dependencies returns the settings of a rule whose effect depends on earlier records.
func (r *rule) dependencies() []Dependency {
	var out []Dependency
	add := func(set bool, setting, format string, args ...any) {
		if set {
			out = append(out, Dependency{Setting: setting, Says: fmt.Sprintf(format, args...)})
		}
	}
	add(r.formula.When.Uses(condition.SlotAge), "age", "is counted from the latest earlier arrival; here it is 0s")
	add(r.hold.Records > 1, "for", "fires only with the %s record of the key in a row for which the condition holds",
		ordinal(r.hold.Records))
	add(r.hold.Time > 0, "for", "fires only when the condition has held for %s", shortDuration(r.hold.Time))
	if w := r.window; w != nil {
		kind := "sliding"
		if w.tumbling {
			kind = "tumbling"
		}
		add(true, "window", "fires on the %s of a %s window of %s", w.aggregate, kind,
			shortDuration(time.Duration(w.length)*time.Millisecond))
	}
	add(r.absence.After > 0, "absence", "fires when no record came for %s; this record ends the absence",
		shortDuration(r.absence.After))
	text, _ := r.resolve.MarshalText()
	muted := func(behind bool) {
		for _, m := range r.muters {
			if d, ok := m.dependency(); ok && askedLater(m, ReasonFiring) == behind {
				out = append(out, d)
			}
		}
	}
	muted(false)
	add(r.resolve.Records > 0, "resolve",
		"a key that fires already makes no further alert; it ends after %s records for which the condition is false",
		text)
	add(r.resolve.Time > 0, "resolve",
		"a key that fires already makes no further alert; it ends %s after the last match", text)
	add(r.repeat > 0, "repeat_interval", "a key that fires already alerts again every %s",
		shortDuration(time.Duration(r.repeat)*time.Millisecond))
	muted(true)
	return out
}

// publication renders an alert on a record for one topic. a has what does not depend on the topic.
func (e *Evaluator) publication(to *route, rec *Record, a *Alert) Publication {
	one := *a
	one.Topic, one.Kind, one.At, one.Record = to.topic, KindFiring, rec.Arrival, *rec
	one.ID = alertID(e.pipeline.stream, rec, one.Rule, to.topic, KindFiring, 0, e.pipeline.input)
	x := Publication{Topic: to.topic, AlertID: one.ID}
	quiet := *to.render
	quiet.over = func(part string) { x.OverBudget = budget.MessageRemedy(part) }
	quiet.failed = make(map[string]prometheus.Counter)
	for _, part := range []string{partSubject, partMessage, partBody, partAttribute, partGroup, partLink} {
		quiet.failed[part] = &failureNote{part: part, to: &x.Failed}
	}
	if m, err := quiet.message(&one); err == nil {
		x.Subject = m.Subject
	}
	return x
}

// failureNote replaces the counter of a template's failures. Only Inc is called.
type failureNote struct {
	prometheus.Counter
	part string
	to   *[]string
}

// Inc implements prometheus.Counter.
func (n *failureNote) Inc() {
	if !slices.Contains(*n.to, n.part) {
		*n.to = append(*n.to, n.part)
	}
}

func verdictWords(v condition.Verdict) (words Verdict, cause string) {
	if v.Undefined() {
		return VerdictUndefined, v.Cause()
	}
	if v == condition.Yes {
		return VerdictTrue, ""
	}
	return VerdictFalse, ""
}
