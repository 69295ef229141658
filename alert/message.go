package alert

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// The words of AWS's sample Lambda function. The two spaces behind the dots are the sample's.
const (
	sampleSubject   = "Anomaly detected"
	samplePrefix    = "Anomaly detected ...  "
	sampleAttribute = "New records have been processed."
)

// structureString is the MessageStructure that the sample publishes with.
const structureString = "string"

// maxSubject is SNS' limit: less than 100 characters.
const maxSubject = 99

// words are the templates of a message; nil means the sample's words.
type words struct {
	subject, message *template.Template
}

// or fills the gaps of w from the topic's words.
func (w words) or(topic words) words {
	if w.subject == nil {
		w.subject = topic.subject
	}
	if w.message == nil {
		w.message = topic.message
	}
	return w
}

// renderer makes the messages of one route. It is immutable and safe for concurrent use.
type renderer struct {
	rule, severity string
	words          words
	// sample means the message of the mode without rules: the sample's attribute and no other.
	sample bool
	// stream is the stream's ARN; failed counts templates that failed. New sets both.
	stream string
	failed templateFailures
}

// The parts of a message that a template makes.
const (
	partSubject = "subject"
	partMessage = "message"
)

type templateFailures struct {
	subject, message prometheus.Counter
}

func newTemplateFailures(c *prometheus.CounterVec, rule string) templateFailures {
	return templateFailures{subject: c.WithLabelValues(rule, partSubject), message: c.WithLabelValues(rule, partMessage)}
}

// message renders a. It never fails: a template that does is counted and replaced by the sample's words.
func (r *renderer) message(a *Alert) (Message, error) {
	data := messageData{
		Record: RecordData{
			Data:           string(a.Record.Data),
			PartitionKey:   a.Record.PartitionKey,
			SequenceNumber: a.Record.SequenceNumber,
			SubSequence:    a.Record.SubSequence,
			Shard:          a.Record.Shard,
			Arrival:        a.Record.Arrival.UTC(),
		},
		Rule:     r.rule,
		Severity: r.severity,
	}
	m := Message{Subject: sampleSubject, Body: samplePrefix + data.Record.Data, Structure: structureString}
	if r.words.subject != nil {
		out, err := execute(r.words.subject, data)
		if subject := validSubject(out); err == nil && subject != "" {
			m.Subject = subject
		} else {
			r.failed.subject.Inc()
		}
	}
	if r.words.message != nil {
		out, err := execute(r.words.message, data)
		if body := strings.ToValidUTF8(out, "\uFFFD"); err == nil && strings.TrimSpace(body) != "" {
			m.Body = body
		} else {
			r.failed.message.Inc()
		}
	}
	if r.sample {
		m.Attributes = []Attribute{{Name: "String", Type: "String", Value: sampleAttribute}}
		return m, nil
	}
	m.Attributes = []Attribute{
		{Name: "alert_id", Type: "String", Value: a.ID},
		{Name: "rule", Type: "String", Value: r.rule},
		{Name: "severity", Type: "String", Value: r.severity},
	}
	return m, nil
}

// execute runs a template. text/template turns panics of what it calls into errors, but not those of its own.
func execute(t *template.Template, data messageData) (out string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("template panicked: %v", r)
		}
	}()
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return "", err
	}
	return b.String(), nil
}

// validSubject makes s fit for SNS: no control characters or line breaks, at most 99 characters, valid UTF-8, not
// starting or ending with white space. It can become empty.
func validSubject(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
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

// Truncate returns m with a body of at most limit bytes. A longer body is cut between characters and ends with a marker
// that says how much there was and where the whole record is. A limit too small for the marker gives the beginning of
// the body only. Attributes and subject are left alone. It is pure; m must not be of structure json.
func Truncate(m Message, limit int, a *Alert) Message {
	body := strings.ToValidUTF8(m.Body, "\uFFFD")
	if len(body) <= limit {
		m.Body = body
		return m
	}
	marker := strings.ToValidUTF8(" [cut, "+strconv.Itoa(len(body))+" bytes; whole record: shard "+a.Record.Shard+
		", sequence number "+a.Record.SequenceNumber+", sub-sequence "+decimal(a.Record.SubSequence)+"]", "\uFFFD")
	if len(marker) >= limit {
		marker = ""
	}
	m.Body = prefix(body, limit-len(marker)) + marker
	return m
}

// prefix returns the longest beginning of s of at most n bytes that ends between characters.
func prefix(s string, n int) string {
	if n <= 0 {
		return ""
	}
	for n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:min(n, len(s))]
}

// messageData is what a template sees.
type messageData struct {
	Record         RecordData
	Rule, Severity string
}

// RecordData is .Record in a template.
type RecordData struct {
	// Data is the payload as text.
	Data                                string
	PartitionKey, SequenceNumber, Shard string
	SubSequence                         uint32
	// Arrival is in UTC.
	Arrival time.Time
}

// Fields is .Fields in a template: the members of the payload's object. It is read from the payload only when a template
// asks, so that alerts that wait cost no more than their records.
func (d messageData) Fields() (map[string]any, error) {
	return templateFields([]byte(d.Record.Data))
}

// template parses source; nil for an empty one. A trial run finds names that no record has.
func (f *faults) template(field, source string) *template.Template {
	if source == "" {
		return nil
	}
	t, err := template.New("template").Option("missingkey=error").Parse(source)
	if err != nil {
		*f = append(*f, templateFault(field, source, err))
		return nil
	}
	trial := messageData{Record: RecordData{Data: "{}"}}
	if err := t.Execute(io.Discard, trial); err != nil && neverWorks(err) {
		*f = append(*f, templateFault(field, source, err))
		return nil
	}
	return t
}

// neverWorks tells what is wrong with a template from what its trial record lacks. text/template has no types for it.
func neverWorks(err error) bool {
	return strings.Contains(err.Error(), "can't evaluate field") || strings.Contains(err.Error(), "not defined")
}

// templateFault takes the place out of text/template's message, which has it as "template: name:line:col: " or
// "template: name:line: ".
func templateFault(field, source string, err error) *ConfigError {
	fault := &ConfigError{Field: field, Value: source, Rule: err.Error()}
	rest, ok := strings.CutPrefix(err.Error(), "template: template:")
	if !ok {
		return fault
	}
	place, message, ok := strings.Cut(rest, ": ")
	if !ok {
		return fault
	}
	line, col, _ := strings.Cut(place, ":")
	n, err := strconv.Atoi(line)
	if err != nil {
		return fault
	}
	// "executing "template" at <.Record.Dta>: " says the same again.
	if _, cause, ok := strings.Cut(message, ">: "); ok && strings.HasPrefix(message, "executing ") {
		message = cause
	}
	fault.Rule, fault.Line, fault.Col = message, n, 1
	if c, err := strconv.Atoi(col); err == nil {
		fault.Col = c + 1
	}
	return fault
}
