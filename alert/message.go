package alert

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"

	"kinesis-alerter/alert/template"
)

// StructureString is the MessageStructure that the sample publishes with. SNS ignores it.
const StructureString = "string"

// maxSubject is SNS' limit: less than 100 characters.
const maxSubject = 99

// maxSMS is what SNS takes for one text message, in bytes.
const maxSMS = 1600

// renderer makes the messages of one route. It is immutable and safe for concurrent use.
type renderer struct {
	rule, severity string
	// absence is set for a rule on absence.
	absence bool
	labels  map[string]string
	// A template is nil if it is not configured.
	templates struct {
		subject, message, group, runbook, dashboard *template.Template
	}
	bodies     []bodyWords
	attributes []attributeWords
	// sample is set in the mode without rules: the message has the sample's attribute and no other.
	sample bool
	// sampled is set if the message has the sample's attribute, alone or among others.
	sampled bool
	// stream is the stream's ARN; failed counts templates that failed. New sets both.
	stream string
	failed map[string]prometheus.Counter
	// over is called for messages whose templates would have exceeded their budget; nil without a rule.
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

// message renders the message of a. A template that fails is counted, and its text is replaced by the default words or
// left out.
func (r *renderer) message(a *Alert) (Message, error) {
	data := r.data(a)
	defer func() {
		if data.Meter.Over != "" && r.over != nil {
			r.over(data.Meter.Over)
		}
	}()
	m := Message{Subject: r.subjectOf(data)}
	if body, ok := r.text(r.templates.message, data, partMessage); ok {
		m.Body = finish(body, r.templates.message.Says, data, true)
	} else {
		m.Body = finish(r.defaultBody(a, data), template.Mentions{Kind: true, Ended: true}, data, true)
	}
	if r.templates.group != nil {
		if out, err := r.templates.group.Execute(data); err == nil {
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

// subjectOf renders the subject. Unless the template mentions the kind, it gets a prefix that distinguishes it from a
// new alert.
func (r *renderer) subjectOf(data *template.Data) string {
	if out, ok := r.text(r.templates.subject, data, partSubject); ok {
		if subject := validSubject(out); subject != "" {
			if r.templates.subject.Says.Kind {
				return subject
			}
			return validSubject(kindPrefix(data) + subject)
		}
		r.fail(partSubject, r.templates.subject, data)
	}
	return kindPrefix(data) + defaultSubject(data.Kind)
}

// bodiesOf renders the bodies for single protocols. One whose template fails is left out, so that its protocol gets the
// default body.
func (r *renderer) bodiesOf(a *Alert, data *template.Data) map[string]string {
	bodies := make(map[string]string, len(r.bodies))
	for i := range r.bodies {
		b := &r.bodies[i]
		body, ok := r.text(b.words, data, partBody)
		if !ok {
			continue
		}
		if body = finish(body, b.words.Says, data, b.protocol != protocolSMS); b.protocol == protocolSMS {
			body = TruncateText(body, maxSMS, a)
		}
		bodies[b.protocol] = body
	}
	return bodies
}

// text runs a template that must render some text. It returns false if there is no template, if it does not fit the
// alert, or if it fails, which is counted.
func (r *renderer) text(w *template.Template, data *template.Data, part string) (string, bool) {
	if w == nil || data.Kind == string(KindWatchdog) && !w.Says.Kind {
		return "", false
	}
	out, err := w.Execute(data)
	out = strings.ToValidUTF8(out, "\uFFFD")
	if err != nil || strings.TrimSpace(out) == "" {
		r.fail(part, w, data)
		return "", false
	}
	return out, true
}

// fail counts a template that failed, unless it needs a record and there is none. Otherwise a rule that resolves after
// a time would count a failure each time.
func (r *renderer) fail(part string, w *template.Template, data *template.Data) {
	if data.Record.Data == "" && w.Says.Payload && !w.Says.Kind {
		return
	}
	if c := r.failed[part]; c != nil {
		c.Inc()
	}
}

// finish adds to a body what its template does not mention. A body that is a JSON document is for a machine, and is
// left alone.
func finish(body string, says template.Mentions, data *template.Data, links bool) string {
	var lines []string
	if data.Suppressed > 0 && !says.Suppressed {
		verb := "were"
		if data.Suppressed == 1 {
			verb = "was"
		}
		lines = append(lines, fmt.Sprintf("(%d more %s suppressed since the last message)", data.Suppressed, verb))
	}
	if data.Unsure != "" && !says.Unsure {
		lines = append(lines,
			"(not certain: the memory of "+data.Unsure+" could not be read, and records of the key may go there)")
	}
	if data.Ended != "" && !says.Ended {
		lines = append(lines, "(it may still hold: "+data.Ended+")")
	}
	if links && data.Runbook != "" && !says.Runbook {
		lines = append(lines, "Runbook: "+data.Runbook)
	}
	if links && data.Dashboard != "" && !says.Dashboard {
		lines = append(lines, "Dashboard: "+data.Dashboard)
	}
	before := ""
	if !says.Kind {
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

// validSubject makes s acceptable to SNS: no control characters or line breaks, at most 99 characters, valid UTF-8, not
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

// data returns what the templates see of a.
func (r *renderer) data(a *Alert) *template.Data {
	d := &template.Data{
		Record: template.RecordData{
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
		d.Value = template.Number(a.Value)
	}
	// A link sees everything but the links.
	runbook, dashboard := r.link(r.templates.runbook, d), r.link(r.templates.dashboard, d)
	d.Runbook, d.Dashboard = runbook, dashboard
	return d
}

// link renders a link; empty if there is no template or it renders no valid link.
func (r *renderer) link(w *template.Template, data *template.Data) string {
	if w == nil {
		return ""
	}
	out, err := w.Execute(data)
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
