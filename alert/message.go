package alert

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"

	"kinesis-alerter/alert/budget"
)

// StructureString is the MessageStructure that the sample publishes with. It means nothing to SNS.
const StructureString = "string"

// maxSubject is SNS' limit: less than 100 characters.
const maxSubject = 99

// maxSMS is what SNS takes for one text message, in bytes.
const maxSMS = 1600

// renderer makes the messages of one route. It is immutable and safe for concurrent use.
type renderer struct {
	rule, severity string
	// absence says that the rule is about what does not come.
	absence bool
	labels  map[string]string
	// Each template is nil where there is none.
	templates struct {
		subject, message, group, runbook, dashboard *words
	}
	bodies     []bodyWords
	attributes []attributeWords
	// sample means the message of the mode without rules: the sample's attribute and no other.
	sample bool
	// sampled says that the message has the sample's attribute, also beside others.
	sampled bool
	// stream is the stream's ARN; failed counts templates that failed. New sets both.
	stream string
	failed map[string]prometheus.Counter
	// over is told of messages whose templates would have cost more than they may; nil without a rule.
	over func(part string)
}

// The parts of a message that a template makes.
const (
	partSubject   = "subject"
	partMessage   = "message"
	partBody      = "body"
	partAttribute = "attribute"
	partGroup     = "group"
	partLink      = "link"
)

func newTemplateFailures(c *prometheus.CounterVec, rule string) map[string]prometheus.Counter {
	failed := make(map[string]prometheus.Counter)
	for _, part := range []string{partSubject, partMessage, partBody, partAttribute, partGroup, partLink} {
		failed[part] = c.WithLabelValues(rule, part)
	}
	return failed
}

// message makes the message of a. It never fails: what a template that fails should have made is counted, and replaced by
// the default words or left out.
func (r *renderer) message(a *Alert) (Message, error) {
	data := r.data(a)
	defer func() {
		if data.meter.Over != "" && r.over != nil {
			r.over(data.meter.Over)
		}
	}()
	m := Message{Subject: r.subjectOf(data)}
	if body, ok := r.text(r.templates.message, data, partMessage); ok {
		m.Body = finish(body, r.templates.message.says, data, true)
	} else {
		m.Body = finish(r.defaultBody(a, data), mentions{kind: true, ended: true}, data, true)
	}
	if r.templates.group != nil {
		if out, err := r.templates.group.execute(data); err == nil {
			m.Group = strings.TrimSpace(strings.ToValidUTF8(out, "\uFFFD"))
		} else {
			r.fail(partGroup, r.templates.group, data)
		}
	}
	if len(r.bodies) > 0 {
		m.Bodies = r.bodiesOf(a, data)
		return m, nil
	}
	if r.sample {
		m.Structure = StructureString
		m.Attributes = []Attribute{{Name: SampleAttributeName, Type: typeString, Value: SampleAttribute}}
		return m, nil
	}
	m.Attributes = r.attributesOf(data)
	return m, nil
}

// subjectOf says what an alert is about that is no news of a condition that began to hold, unless the template does.
func (r *renderer) subjectOf(data *messageData) string {
	if out, ok := r.text(r.templates.subject, data, partSubject); ok {
		if subject := validSubject(out); subject != "" {
			if r.templates.subject.says.kind {
				return subject
			}
			return validSubject(kindPrefix(data) + subject)
		}
		r.fail(partSubject, r.templates.subject, data)
	}
	return kindPrefix(data) + defaultSubject(data.Kind)
}

// bodiesOf makes the bodies of single protocols. One whose template fails is left out, so that its protocol gets the
// message.
func (r *renderer) bodiesOf(a *Alert, data *messageData) map[string]string {
	bodies := make(map[string]string, len(r.bodies))
	for i := range r.bodies {
		b := &r.bodies[i]
		body, ok := r.text(b.words, data, partBody)
		if !ok {
			continue
		}
		if body = finish(body, b.words.says, data, b.protocol != protocolSMS); b.protocol == protocolSMS {
			body = TruncateText(body, maxSMS, a)
		}
		bodies[b.protocol] = body
	}
	return bodies
}

// text runs a template of which some text must come. It is false if there is none, or none fit for the alert, or if it
// failed, which is counted.
func (r *renderer) text(w *words, data *messageData, part string) (string, bool) {
	if w == nil || data.Kind == string(KindWatchdog) && !w.says.kind {
		return "", false
	}
	out, err := w.execute(data)
	out = strings.ToValidUTF8(out, "\uFFFD")
	if err != nil || strings.TrimSpace(out) == "" {
		r.fail(part, w, data)
		return "", false
	}
	return out, true
}

// fail counts a template that failed, unless it is one for records and there is no record: a rule that resolves after a
// time would otherwise count a failure with each alert that it resolves.
func (r *renderer) fail(part string, w *words, data *messageData) {
	if data.Record.Data == "" && w.says.payload && !w.says.kind {
		return
	}
	if c := r.failed[part]; c != nil {
		c.Inc()
	}
}

// finish adds to a body what its template does not say. A body that is a JSON document is for a machine, and stays one.
func finish(body string, says mentions, data *messageData, links bool) string {
	var lines []string
	if data.Suppressed > 0 && !says.suppressed {
		verb := "were"
		if data.Suppressed == 1 {
			verb = "was"
		}
		lines = append(lines, fmt.Sprintf("(%d more %s suppressed since the last message)", data.Suppressed, verb))
	}
	if data.Unsure != "" && !says.unsure {
		lines = append(lines, "(not certain: the memory of "+data.Unsure+" could not be read, and records of the key may go there)")
	}
	if data.Ended != "" && !says.ended {
		lines = append(lines, "(it may still hold: "+data.Ended+")")
	}
	if links && data.Runbook != "" && !says.runbook {
		lines = append(lines, "Runbook: "+data.Runbook)
	}
	if links && data.Dashboard != "" && !says.dashboard {
		lines = append(lines, "Dashboard: "+data.Dashboard)
	}
	before := ""
	if !says.kind {
		before = kindPrefix(data)
	}
	if len(lines) == 0 && before == "" || isDocument(body) {
		return body
	}
	if len(lines) > 0 {
		body = strings.TrimRight(body, " \t\r\n") + "\n\n" + strings.Join(lines, "\n")
	}
	return before + body
}

func isDocument(body string) bool {
	v := jsontext.Value(body)
	return (v.Kind() == jsontext.KindBeginObject || v.Kind() == jsontext.KindBeginArray) && v.IsValid()
}

// validSubject makes s fit for SNS: no control characters or line breaks, at most 99 characters, valid UTF-8, not
// starting or ending with white space. It can become empty.
func validSubject(s string) string {
	s = strings.Map(func(r rune) rune {
		if lineOrControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(s)
	count := 0
	for i := range s {
		if count == maxSubject {
			return strings.TrimSpace(s[:i])
		}
		count++
	}
	return s
}

func lineOrControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// messageData is what a template sees.
type messageData struct {
	Record RecordData
	// Rule and Key are empty where there is none.
	Rule, Severity, Key string
	// Kind is firing, repeat, resolved, watchdog or drill.
	Kind string
	// ID is the alert's id, as in the attribute alert_id.
	ID string
	// At is the event time of the alert, Since when its condition began to hold, or the zero time. Both are in UTC.
	At, Since time.Time
	// Suppressed is how many alerts of the key were swallowed since the last message.
	Suppressed uint32
	// Unsure names the shards whose memory could not be read and to which records of the key may go since a reshard, or is empty.
	Unsure string
	// Ended says why the rule says no more of the key here although its condition may still hold: it was taken out, say. Mostly empty.
	Ended string
	// Value is the figure that the rule looks at, a Number, or nil.
	Value any
	// Labels are the rule's.
	Labels map[string]string
	// Runbook and Dashboard are the rendered links, or empty.
	Runbook, Dashboard string
	// Topic is the topic's name, Stream the stream's ARN.
	Topic, Stream string

	fields func() (map[string]any, error)
	// meter counts what the templates of the message cost. Each may make as much text as there may be.
	meter budget.Meter
}

// RecordData is .Record in a template.
type RecordData struct {
	// Data is the payload as text; empty for an alert that time brought about.
	Data                                string
	PartitionKey, SequenceNumber, Shard string
	SubSequence                         uint32
	// Arrival is in UTC.
	Arrival time.Time
}

// Fields is .Fields in a template: the members of the payload's object. It is read from the payload only when a template
// asks, so that alerts that wait cost no more than their records, and once for all templates of a message.
func (d *messageData) Fields() (map[string]any, error) {
	if d.fields == nil {
		var members map[string]any
		err := errOverBudget
		if payload := []byte(d.Record.Data); d.meter.Box(payload) {
			members, err = templateFields(payload)
		}
		d.fields = func() (map[string]any, error) { return members, err }
	}
	return d.fields()
}

// data is what the templates see of a.
func (r *renderer) data(a *Alert) *messageData {
	d := &messageData{
		Record: RecordData{
			Data:           string(a.Record.Data),
			PartitionKey:   a.Record.PartitionKey,
			SequenceNumber: a.Record.SequenceNumber,
			SubSequence:    a.Record.SubSequence,
			Shard:          a.Record.Shard,
			Arrival:        a.Record.Arrival.UTC(),
		},
		Rule:       r.rule,
		Severity:   cmp.Or(a.Severity, r.severity),
		Key:        a.Key,
		Kind:       cmp.Or(string(a.Kind), string(KindFiring)),
		ID:         a.ID,
		At:         a.At.UTC(),
		Since:      a.Since.UTC(),
		Suppressed: a.Suppressed,
		Unsure:     a.Unsure,
		Ended:      a.Ended,
		Labels:     r.labels,
		Topic:      a.Topic,
		Stream:     r.stream,
	}
	if a.Worse != 0 && !math.IsNaN(a.Value) && !math.IsInf(a.Value, 0) {
		d.Value = Number(a.Value)
	}
	// A link sees everything but the links.
	runbook, dashboard := r.link(r.templates.runbook, d), r.link(r.templates.dashboard, d)
	d.Runbook, d.Dashboard = runbook, dashboard
	return d
}

// link runs the template of a link; empty if there is none or it makes none.
func (r *renderer) link(w *words, data *messageData) string {
	if w == nil {
		return ""
	}
	out, err := w.execute(data)
	out = strings.TrimSpace(out)
	if err == nil && out == "" {
		return ""
	}
	if err != nil || checkLink(out) != nil {
		r.fail(partLink, w, data)
		return ""
	}
	return out
}

// execute runs a template.
func (w *words) execute(data *messageData) (string, error) {
	if w.fixed {
		return w.source, nil
	}
	x, ok := w.executions.Get().(*execution)
	if !ok {
		var err error
		if x, err = w.execution(); err != nil {
			return "", err
		}
	}
	defer w.executions.Put(x)
	return x.run(data)
}

// execution makes one more.
func (w *words) execution() (*execution, error) {
	t, err := w.template.Clone()
	if err != nil {
		return nil, err
	}
	x := &execution{prices: w.prices}
	x.template = t.Funcs(functions(w.zones, x))
	return x, nil
}
