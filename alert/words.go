package alert

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"kinesis-alerter/alert/template"
)

// The words of AWS's sample Lambda function. The two spaces after the dots are the sample's.
const (
	sampleSubject = "Anomaly detected"
	samplePrefix  = "Anomaly detected ...  "
)

// defaultSubject returns the subject without a template.
func defaultSubject(kind string) string {
	switch Kind(kind) {
	case KindWatchdog:
		return "The alert pipeline works"
	case KindDrill:
		return "This is a test"
	case KindFiring, KindRepeat, KindResolved, KindDigest:
	}
	return sampleSubject
}

// kindPrefix returns a prefix for words that do not mention the kind, so that the on-call engineer does not mistake
// them for a new alert.
func kindPrefix(data *template.Data) string {
	switch Kind(data.Kind) {
	case KindRepeat:
		return "[STILL FIRING] "
	case KindResolved:
		if data.Ended != "" {
			return "[NO LONGER WATCHED] "
		}
		return "[RESOLVED] "
	case KindWatchdog:
		return "[WATCHDOG] "
	case KindDrill:
		return "[DRILL] "
	case KindFiring, KindDigest:
	}
	return ""
}

// defaultBody returns the body without a template: the sample's words for a record that fires, otherwise a plain
// sentence about what happened.
func (r *renderer) defaultBody(a *Alert, d *template.Data) string {
	if r.sample || d.Kind == string(KindFiring) && d.Record.Data != "" {
		return strings.ToValidUTF8(samplePrefix+d.Record.Data, "\uFFFD")
	}
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			b.WriteString("\n" + name + ": " + value)
		}
	}
	b.WriteString(r.sentence(d))
	line("Severity", d.Severity)
	line("Key", d.Key)
	if d.Value != nil {
		line("Value", fmt.Sprint(d.Value))
	}
	line("Since", timeInWords(d.Since))
	line("At", timeInWords(d.At))
	if d.Kind != string(KindWatchdog) {
		line("Last record", recordInWords(&a.Record))
		line("Data", d.Record.Data)
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// sentence returns what happened, as a sentence.
func (r *renderer) sentence(d *template.Data) string {
	rule := "The rule " + d.Rule
	switch Kind(d.Kind) {
	case KindWatchdog:
		return "The alert pipeline of the stream " + d.Stream +
			" works. This message repeats while it does. " +
			"If it stops, alerts have stopped, too: check the pipeline."
	case KindDrill:
		return "This is a test of the topic " + d.Topic + ". Nothing happened, and no action is needed."
	case KindResolved:
		if d.Ended != "" {
			return rule + " fired, and makes no more alerts here: " + d.Ended + "."
		}
		if r.absence {
			return rule + " is resolved: records are coming again."
		}
		return rule + " is resolved: its condition no longer holds."
	case KindRepeat:
		if r.absence {
			return rule + " still fires: no record has come."
		}
		return rule + " still fires: its condition still holds."
	case KindFiring, KindDigest:
	}
	if r.absence {
		return rule + " fires: no record has come."
	}
	return rule + " fires: its condition holds."
}

// recordInWords returns the position of an alert's last record; an alert about a whole shard has only its arrival.
func recordInWords(r *Record) string {
	where := ""
	switch {
	case r.SequenceNumber != "":
		where = position(r)
	case r.Shard != "":
		where = "shard " + r.Shard
	}
	if at := timeInWords(r.Arrival); at != "" {
		if where != "" {
			where += ", "
		}
		where += "arrived " + at
	}
	return where
}

func timeInWords(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// bodyWords is the body for one protocol.
type bodyWords struct {
	protocol string
	words    *template.Template
}

const (
	protocolSMS     = "sms"
	protocolDefault = "default"
)

// protocols returns the protocols that SNS knows in a message of structure json.
func protocols() []string {
	return []string{"email", "email-json", protocolSMS, "sqs", "http", "https", "lambda", "application", "firehose"}
}

// topicWords are the templates of a topic.
type topicWords struct {
	// field is the topic's path in the configuration.
	field                   string
	subject, message, group *template.Template
	bodies                  []bodyWords
	// structured is set if the topic has bodies for single protocols, faulty ones included.
	structured bool
	savedWords []byte
}

// ruleWords are the templates, labels and attributes of a rule.
type ruleWords struct {
	// field is the rule's path in the configuration.
	field, name, severity                string
	absence                              bool
	labels                               map[string]string
	subject, message, runbook, dashboard *template.Template
	attributes                           []attributeWords
	// own is how many attributes the rule configures, and names those of them that are not labels.
	own   int
	names []string
}

// topicWords compiles the templates of a topic. field is the topic's path.
func (f *faults) topicWords(field string, c TopicConfig) *topicWords {
	t := &topicWords{
		field:      field,
		subject:    f.subject(field+".subject", c.Subject, nil),
		message:    f.body(field+".message", c.Message, nil),
		group:      f.template(field+".group_id", c.GroupID),
		structured: len(c.Bodies) > 0,
		savedWords: encodeTopicWords(c),
	}
	for _, protocol := range sortedKeys(c.Bodies) {
		at, source := field+".bodies."+protocol, c.Bodies[protocol]
		switch {
		case protocol == protocolDefault:
			f.add(at, source, "is what message is for")
		case !slices.Contains(protocols(), protocol):
			f.add(at, source, "%s is not one of the protocols: %s", strconv.Quote(protocol),
				strings.Join(protocols(), ", "))
		case source == "":
			f.add(at, source, "must not be empty: leave it out for the protocol to get the message")
		default:
			t.bodies = append(t.bodies, bodyWords{protocol: protocol, words: f.body(at, source, nil)})
		}
	}
	if c.GroupID != "" && !strings.HasSuffix(c.ARN, ".fifo") {
		f.add(field+".group_id", c.GroupID, "is for FIFO topics, whose ARN ends in .fifo; this one is %s",
			strconv.Quote(c.ARN))
	}
	return t
}

// ruleWords compiles the templates of a rule. field is the rule's path.
func (f *faults) ruleWords(field string, c RuleConfig) *ruleWords {
	r := &ruleWords{
		field: field, name: c.Name, severity: c.Severity, absence: c.Absence.After > 0, labels: c.Labels,
		subject:   f.subject(field+".subject", c.Subject, c.Labels),
		message:   f.body(field+".message", c.Message, c.Labels),
		runbook:   f.link(field+".runbook", c.Runbook, c.Labels),
		dashboard: f.link(field+".dashboard", c.Dashboard, c.Labels),
	}
	f.ruleAttributes(r, c)
	return r
}

// render combines the words of a topic and a rule into the renderer of one route. A nil rule is the mode without rules.
// New sets the renderer's counters and stream.
func (f *faults) render(topic *topicWords, rule *ruleWords) *renderer {
	r := &renderer{bodies: topic.bodies, sample: rule == nil, sampled: rule == nil && !topic.structured}
	r.templates.subject, r.templates.message, r.templates.group = topic.subject, topic.message, topic.group
	if rule == nil {
		return r
	}
	r.rule, r.severity, r.absence, r.labels, r.attributes = rule.name, rule.severity, rule.absence, rule.labels,
		rule.attributes
	r.sampled = !topic.structured && slices.ContainsFunc(rule.attributes, func(a attributeWords) bool {
		return a.name == SampleAttributeName && (a.label == SampleAttribute ||
			a.words != nil && a.words.Fixed && a.words.Source == SampleAttribute)
	})
	if rule.subject != nil {
		r.templates.subject = rule.subject
	}
	if rule.message != nil {
		r.templates.message = rule.message
	}
	r.templates.runbook, r.templates.dashboard = rule.runbook, rule.dashboard
	switch {
	case topic.structured && len(rule.names) > 0:
		f.add(rule.field+".attributes", strings.Join(rule.names, ", "),
			"%s has bodies, and SNS leaves all attributes out of a "+
				"message with a body for each protocol: do without one of the two", topic.field)
	case !topic.structured && rule.own > maxAttributes-len(reservedAttributes()):
		f.once(rule.field+".attributes", strings.Join(append(sortedKeys(rule.labels), rule.names...), ", "),
			"with %s these are %d, and SQS discards what comes with more than %d where delivery is raw",
			strings.Join(reservedAttributes(), ", "), rule.own+len(reservedAttributes()), maxAttributes)
	}
	return r
}

// once is add for a fault that several routes would report alike.
func (f *faults) once(field, value, format string, args ...any) {
	fault := ConfigError{Field: field, Value: value, Rule: fmt.Sprintf(format, args...)}
	reported := slices.ContainsFunc(*f, func(err error) bool {
		e, ok := errors.AsType[*ConfigError](err)
		return ok && *e == fault
	})
	if !reported {
		*f = append(*f, &fault)
	}
}

// subject compiles the template of a subject. A constant one must be valid for SNS.
func (f *faults) subject(field, source string, labels map[string]string) *template.Template {
	w := f.ruleTemplate(field, source, labels)
	if w == nil || !w.Fixed {
		return w
	}
	s := strings.TrimSpace(source)
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s):
		f.add(field, source, "must be valid UTF-8")
	case s == "":
		f.add(field, source, "must not be empty")
	case strings.ContainsFunc(s, lineOrControl):
		f.add(field, source, "must not contain line breaks or control characters: SNS takes none in a subject")
	case n > maxSubject:
		f.add(field, source, "has %d characters, SNS takes %d", n, maxSubject)
	}
	return w
}

// body compiles the template of a body.
func (f *faults) body(field, source string, labels map[string]string) *template.Template {
	w := f.ruleTemplate(field, source, labels)
	if w != nil && w.Fixed && strings.TrimSpace(source) == "" {
		f.add(field, source, "must not be empty: SNS takes no empty message")
	}
	return w
}

// link compiles the template of a link. One that can never be a link is a fault; others are checked when they are
// rendered.
func (f *faults) link(field, source string, labels map[string]string) *template.Template {
	w := f.ruleTemplate(field, source, labels)
	if w == nil {
		return nil
	}
	lead := strings.ToLower(strings.TrimLeft(w.Lead(), " \t\r\n"))
	var err error
	if w.Fixed {
		err = checkLink(strings.TrimSpace(source))
	} else if lead != "" && !commonLead(lead, "http://") && !commonLead(lead, "https://") {
		err = fmt.Errorf("must begin with http:// or https://")
	}
	if err != nil {
		f.add(field, source, "%s", err)
	}
	return w
}

func commonLead(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

// maxLink is the length in bytes that browsers and mail programs are known to support.
const maxLink = 2048

// templateFault converts a fault of a template to a fault of its setting.
func templateFault(field, source string, fault *template.Fault) *ConfigError {
	return &ConfigError{Field: field, Value: source, Rule: fault.Text, Line: fault.Line, Col: fault.Col}
}

// checkLink returns an error for a text that is not an absolute URL that a browser can open.
func checkLink(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("is no URL: %w", err)
	case len(s) > maxLink:
		return fmt.Errorf("has %d bytes, a link has at most %d", len(s), maxLink)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fmt.Errorf("must be an absolute URL that begins with http:// or https://")
	case !utf8.ValidString(s), strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || lineOrControl(r) }):
		return fmt.Errorf("must not contain white space or control characters: values need the function urlquery")
	}
	return nil
}

// template compiles source; nil for an empty one. A trial run finds names that no record has.
func (f *faults) template(field, source string) *template.Template {
	return f.ruleTemplate(field, source, nil)
}

// ruleTemplate is template for a rule with these labels; nil means that they are not known.
func (f *faults) ruleTemplate(field, source string, labels map[string]string) *template.Template {
	if source == "" {
		return nil
	}
	w, fault := template.Compile(source, labels)
	if fault != nil {
		*f = append(*f, templateFault(field, source, fault))
	}
	return w
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
