package alert

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"
	"time"
	"unicode/utf8"

	"kinesis-alerter/alert/budget"
)

// The words of AWS's sample Lambda function. The two spaces behind the dots are the sample's.
const (
	sampleSubject = "Anomaly detected"
	samplePrefix  = "Anomaly detected ...  "
)

// defaultSubject is the subject without a template.
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

// kindPrefix stands before words that do not say the kind themselves, so that nobody takes them for a new alarm.
func kindPrefix(data *messageData) string {
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

// defaultBody is the body without a template: the sample's words for a record that fires, else what happened in plain
// words.
func (r *renderer) defaultBody(a *Alert, d *messageData) string {
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

// sentence says what happened.
func (r *renderer) sentence(d *messageData) string {
	rule := "The rule " + d.Rule
	switch Kind(d.Kind) {
	case KindWatchdog:
		return "The alert pipeline of the stream " + d.Stream + " works. This message comes again and again while it does: " +
			"if it stays away, alerts stay away, too, and somebody must look."
	case KindDrill:
		return "This is a test of the way to the topic " + d.Topic + ": nothing happened, and nothing has to be done."
	case KindResolved:
		if d.Ended != "" {
			return rule + " fired, and says no more here: " + d.Ended + "."
		}
		if r.absence {
			return rule + " is resolved: records come again."
		}
		return rule + " is resolved: its condition holds no longer."
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

// recordInWords says where the last record of an alert is; an alert about a whole shard knows only its arrival.
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

// words are one compiled template.
type words struct {
	source   string
	template *template.Template
	// fixed says that the template is nothing but source.
	fixed  bool
	says   mentions
	zones  map[string]*time.Location
	prices prices
	// executions run the template, one message each at a time.
	executions sync.Pool
}

// bodyWords are the body of one protocol.
type bodyWords struct {
	protocol string
	words    *words
}

const (
	protocolSMS     = "sms"
	protocolDefault = "default"
)

// protocols are those that SNS knows in a message of structure json.
func protocols() []string {
	return []string{"email", "email-json", protocolSMS, "sqs", "http", "https", "lambda", "application", "firehose"}
}

// topicWords are what a topic says.
type topicWords struct {
	// field is the topic's path in the configuration.
	field                   string
	subject, message, group *words
	bodies                  []bodyWords
	// structured says that the topic has bodies of single protocols, faulty ones included.
	structured bool
	said       []byte
}

// ruleWords are what a rule says.
type ruleWords struct {
	// field is the rule's path in the configuration.
	field, name, severity                string
	absence                              bool
	labels                               map[string]string
	subject, message, runbook, dashboard *words
	attributes                           []attributeWords
	// own is how many attributes the rule asks for, and names are those that are no labels.
	own   int
	names []string
}

// topicWords compiles what a topic says. field is the topic's path.
func (f *faults) topicWords(field string, c TopicConfig) *topicWords {
	t := &topicWords{
		field:      field,
		subject:    f.subject(field+".subject", c.Subject, nil),
		message:    f.body(field+".message", c.Message, nil),
		group:      f.template(field+".group_id", c.GroupID),
		structured: len(c.Bodies) > 0,
		said:       saidByTopic(c),
	}
	for _, protocol := range sortedKeys(c.Bodies) {
		at, source := field+".bodies."+protocol, c.Bodies[protocol]
		switch {
		case protocol == protocolDefault:
			f.add(at, source, "is what message is for")
		case !slices.Contains(protocols(), protocol):
			f.add(at, source, "%s is not one of the protocols: %s", strconv.Quote(protocol), strings.Join(protocols(), ", "))
		case source == "":
			f.add(at, source, "must not be empty: leave it out for the protocol to get the message")
		default:
			t.bodies = append(t.bodies, bodyWords{protocol: protocol, words: f.body(at, source, nil)})
		}
	}
	if c.GroupID != "" && !strings.HasSuffix(c.ARN, ".fifo") {
		f.add(field+".group_id", c.GroupID, "is for FIFO topics, whose ARN ends in .fifo; this one is %s", strconv.Quote(c.ARN))
	}
	return t
}

// ruleWords compiles what a rule says. field is the rule's path.
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

// render joins what a topic and a rule say to the renderer of one route. A nil rule is the mode without rules. The
// renderer has no counters and no stream before New.
func (f *faults) render(topic *topicWords, rule *ruleWords) *renderer {
	r := &renderer{bodies: topic.bodies, sample: rule == nil, sampled: rule == nil && !topic.structured}
	r.templates.subject, r.templates.message, r.templates.group = topic.subject, topic.message, topic.group
	if rule == nil {
		return r
	}
	r.rule, r.severity, r.absence, r.labels, r.attributes = rule.name, rule.severity, rule.absence, rule.labels, rule.attributes
	r.sampled = !topic.structured && slices.ContainsFunc(rule.attributes, func(a attributeWords) bool {
		return a.name == SampleAttributeName && (a.label == SampleAttribute || a.words != nil && a.words.fixed && a.words.source == SampleAttribute)
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
		f.add(rule.field+".attributes", strings.Join(rule.names, ", "), "%s has bodies, and SNS leaves all attributes out of a "+
			"message with a body for each protocol: do without one of the two", topic.field)
	case !topic.structured && rule.own > maxAttributes-len(reservedAttributes()):
		f.once(rule.field+".attributes", strings.Join(append(sortedKeys(rule.labels), rule.names...), ", "),
			"with %s these are %d, and SQS discards what comes with more than %d where delivery is raw",
			strings.Join(reservedAttributes(), ", "), rule.own+len(reservedAttributes()), maxAttributes)
	}
	return r
}

// once is add for what several routes would say alike.
func (f *faults) once(field, value, format string, args ...any) {
	fault := ConfigError{Field: field, Value: value, Rule: fmt.Sprintf(format, args...)}
	said := slices.ContainsFunc(*f, func(err error) bool {
		e, ok := errors.AsType[*ConfigError](err)
		return ok && *e == fault
	})
	if !said {
		*f = append(*f, &fault)
	}
}

// subject compiles the template of a subject. One that is always the same must be what SNS takes.
func (f *faults) subject(field, source string, labels map[string]string) *words {
	w := f.ruleTemplate(field, source, labels)
	if w == nil || !w.fixed {
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
func (f *faults) body(field, source string, labels map[string]string) *words {
	w := f.ruleTemplate(field, source, labels)
	if w != nil && w.fixed && strings.TrimSpace(source) == "" {
		f.add(field, source, "must not be empty: SNS takes no empty message")
	}
	return w
}

// link compiles the template of a link. One that never can be a link is a fault, others are judged when they are made.
func (f *faults) link(field, source string, labels map[string]string) *words {
	w := f.ruleTemplate(field, source, labels)
	if w == nil {
		return nil
	}
	lead := strings.ToLower(strings.TrimLeft(w.lead(), " \t\r\n"))
	var err error
	if w.fixed {
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

// maxLink is what browsers and mail programs are known to follow, in bytes.
const maxLink = 2048

// checkLink says why a text is no absolute URL that people can follow.
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
func (f *faults) template(field, source string) *words { return f.ruleTemplate(field, source, nil) }

// ruleTemplate is template for one that only ever sees these labels; nil means that they are not known.
func (f *faults) ruleTemplate(field, source string, labels map[string]string) *words {
	if source == "" {
		return nil
	}
	zones := make(map[string]*time.Location)
	x := &execution{}
	t, err := template.New("template").Funcs(functions(zones, x)).Parse(source)
	if err != nil {
		*f = append(*f, templateFault(field, source, err))
		return nil
	}
	s := survey{main: t, zones: zones, labels: labels, seen: make(map[visit]bool)}
	s.list(t.Root, scope{dot: true, dollar: true})
	prices := make(prices)
	for _, part := range t.Templates() {
		// The main one can be called by name, too.
		prices.list(part.Root, part != t || strings.Contains(source, "template"))
	}
	x.prices = prices
	// In the trial no member of a record is missing, so that it comes as far as it can.
	trial := &messageData{Record: RecordData{Data: "{}"}, Kind: string(KindFiring), Labels: labels}
	x.template = t.Option("missingkey=default")
	switch _, err := x.run(trial); {
	case errors.Is(err, errOverBudget):
		f.add(field, source, "%s", budget.MessageRemedy(trial.meter.Over))
		return nil
	case err != nil && neverWorks(err):
		*f = append(*f, templateFault(field, source, err))
		return nil
	}
	if s.err != nil {
		*f = append(*f, templateFault(field, source, s.err))
		return nil
	}
	out := &words{
		source: source, template: t.Option("missingkey=error"), says: s.mentions, zones: zones, prices: prices,
		fixed: !slices.ContainsFunc(t.Root.Nodes, func(n parse.Node) bool { return n.Type() != parse.NodeText }) &&
			t.Root.String() == source,
	}
	for _, part := range t.Templates() {
		printNothing(part.Root)
	}
	return out
}

// printNothing sends what a template prints through a function: text/template would print <no value> for null, which is as good as
// missing. What get gives may be nothing, and so may the figure of an alert.
func printNothing(list *parse.ListNode) {
	if list == nil {
		return
	}
	branch := func(n *parse.BranchNode) {
		printNothing(n.List)
		printNothing(n.ElseList)
	}
	for _, node := range list.Nodes {
		switch n := node.(type) {
		case *parse.ActionNode:
			if len(n.Pipe.Decl) > 0 {
				continue
			}
			name := printed
			if last := n.Pipe.Cmds[len(n.Pipe.Cmds)-1]; slices.Contains([]string{"get", ".Value", "$.Value"}, last.Args[0].String()) {
				name = printedOrNot
			}
			call := parse.NewIdentifier(name).SetPos(n.Pos)
			n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{call}})
		case *parse.IfNode:
			branch(&n.BranchNode)
		case *parse.RangeNode:
			branch(&n.BranchNode)
		case *parse.WithNode:
			branch(&n.BranchNode)
		}
	}
}

// lead is the text before the first action.
func (w *words) lead() string {
	if len(w.template.Root.Nodes) > 0 {
		if text, ok := w.template.Root.Nodes[0].(*parse.TextNode); ok {
			return string(text.Text)
		}
	}
	return ""
}

// neverWorks tells what is wrong with a template from what its trial record lacks. text/template has no types for it.
func neverWorks(err error) bool {
	return slices.ContainsFunc([]string{
		"can't evaluate field", "not defined", "wrong number of args", "expected integer; found", "expected string; found",
	}, func(s string) bool { return strings.Contains(err.Error(), s) })
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

// mentions are the names that a template reads, as far as somebody asks.
type mentions struct {
	kind, suppressed, unsure, ended, runbook, dashboard bool
	// payload is .Fields or .Record.Data.
	payload bool
}

func (m *mentions) add(path []string) {
	switch path[0] {
	case "Kind":
		m.kind = true
	case "Unsure":
		m.unsure = true
	case "Ended":
		m.ended = true
	case "Suppressed":
		m.suppressed = true
	case "Runbook":
		m.runbook = true
	case "Dashboard":
		m.dashboard = true
	case "Fields":
		m.payload = true
	case "Record":
		m.payload = m.payload || len(path) == 1 || path[1] == "Data"
	}
}

// survey looks at the parse tree of a template, which text/template leaves to the moment of execution.
type survey struct {
	main     *template.Template
	zones    map[string]*time.Location
	labels   map[string]string
	mentions mentions
	seen     map[visit]bool
	// err is the first fault.
	err error
}

// scope says whether the dot and the dollar are the data of the message, rather than a part of them.
type scope struct{ dot, dollar bool }

// visit is a template that is called in a scope.
type visit struct {
	name string
	in   scope
}

func (s *survey) list(l *parse.ListNode, in scope) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		s.node(n, in)
	}
}

func (s *survey) node(n parse.Node, in scope) {
	switch n := n.(type) {
	case *parse.ActionNode:
		s.pipe(n.Pipe, in)
	case *parse.IfNode:
		s.branch(&n.BranchNode, in, in)
	case *parse.WithNode:
		s.branch(&n.BranchNode, in, scope{dot: in.whole(n.Pipe), dollar: in.dollar})
	case *parse.RangeNode:
		s.branch(&n.BranchNode, in, scope{dollar: in.dollar})
	case *parse.TemplateNode:
		s.pipe(n.Pipe, in)
		whole := in.whole(n.Pipe)
		next := visit{name: n.Name, in: scope{dot: whole, dollar: whole}}
		if called := s.main.Lookup(n.Name); called != nil && called.Tree != nil && !s.seen[next] {
			s.seen[next] = true
			s.list(called.Root, next.in)
		}
	}
}

func (s *survey) branch(n *parse.BranchNode, in, body scope) {
	s.pipe(n.Pipe, in)
	s.list(n.List, body)
	s.list(n.ElseList, in)
}

// whole says whether a pipeline is the data of the message.
func (in scope) whole(p *parse.PipeNode) bool {
	if p == nil || len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	return in.data(p.Cmds[0].Args[0])
}

func (in scope) data(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.DotNode:
		return in.dot
	case *parse.VariableNode:
		return in.dollar && len(n.Ident) == 1 && n.Ident[0] == "$"
	}
	return false
}

func (s *survey) pipe(p *parse.PipeNode, in scope) {
	if p == nil {
		return
	}
	for i, c := range p.Cmds {
		s.zone(c, i > 0)
		for _, arg := range c.Args {
			// A function that is given all of it may print all of it, as in json . itself.
			if len(c.Args) > 1 && in.data(arg) {
				s.mentions = mentions{kind: true, suppressed: true, runbook: true, dashboard: true, payload: true}
			}
			s.arg(arg, in)
		}
	}
}

func (s *survey) arg(n parse.Node, in scope) {
	switch n := n.(type) {
	case *parse.FieldNode:
		if in.dot {
			s.path(n, n.Ident)
		}
	case *parse.VariableNode:
		if len(n.Ident) < 2 {
			return
		}
		if n.Ident[0] == "$" {
			if in.dollar {
				s.path(n, n.Ident[1:])
			}
			return
		}
		s.mentions.add(n.Ident[1:]) // the variable may stand for the data
	case *parse.ChainNode:
		s.arg(n.Node, in)
		s.mentions.add(n.Field)
	case *parse.PipeNode:
		s.pipe(n, in)
	}
}

// path looks at a name of the data.
func (s *survey) path(n parse.Node, path []string) {
	s.mentions.add(path)
	data := reflect.TypeFor[*messageData]()
	_, isMethod := data.MethodByName(path[0])
	_, isField := data.Elem().FieldByName(path[0])
	switch {
	case !isMethod && (!isField || !token(path[0])):
		s.fault(n, "can't evaluate field %s: there is no such thing in a message", path[0])
	case path[0] == "Labels" && len(path) > 1 && s.labels != nil:
		if _, ok := s.labels[path[1]]; !ok {
			s.fault(n, "the rule has no label %s", path[1])
		}
	case path[0] == "Record" && len(path) > 1:
		if _, ok := reflect.TypeFor[RecordData]().FieldByName(path[1]); !ok {
			s.fault(n, "can't evaluate field %s: a record has no such thing", path[1])
		}
	}
}

// token says whether a field is exported.
func token(name string) bool { return name != "" && name[0] >= 'A' && name[0] <= 'Z' }

// zone takes up the time zone of a call of date, which must stand in the template: to look it up is I/O.
func (s *survey) zone(c *parse.CommandNode, piped bool) {
	if name, ok := c.Args[0].(*parse.IdentifierNode); !ok || name.Ident != "date" || len(c.Args) < 3 || len(c.Args) == 3 && !piped {
		return
	}
	name, ok := c.Args[2].(*parse.StringNode)
	if !ok {
		return
	}
	zone, err := time.LoadLocation(name.Text)
	if err != nil || name.Text == "" || name.Text == "Local" {
		s.fault(name, "%s is no time zone of the IANA", name.Quoted)
		return
	}
	s.zones[name.Text] = zone
}

// fault notes what is wrong with a node, in the form of text/template's errors.
func (s *survey) fault(n parse.Node, format string, args ...any) {
	if s.err == nil {
		place, _ := s.main.ErrorContext(n)
		s.err = fmt.Errorf("template: %s: %s", place, fmt.Sprintf(format, args...))
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
