package template

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"text/template/parse"
	"time"

	"kinesis-alerter/alert/budget"
)

// Template is one compiled template.
type Template struct {
	Source   string
	template *template.Template
	// Fixed says that the template is nothing but source.
	Fixed  bool
	Says   Mentions
	zones  map[string]*time.Location
	prices prices
	// executions run the template, one message each at a time.
	executions sync.Pool
}

// Compile compiles source for messages of rules with these labels; nil means that they are not known. A trial run finds
// names that no record has.
func Compile(source string, labels map[string]string) (*Template, *Fault) {
	zones := make(map[string]*time.Location)
	x := &execution{}
	t, err := template.New("template").Funcs(functions(zones, x)).Parse(source)
	if err != nil {
		return nil, FaultOf(err)
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
	trial := &Data{Record: RecordData{Data: "{}"}, Kind: "firing", Labels: labels}
	x.template = t.Option("missingkey=default")
	switch _, err := x.run(trial); {
	case errors.Is(err, errOverBudget):
		return nil, &Fault{Text: budget.MessageRemedy(trial.Meter.Over)}
	case s.err != nil:
		return nil, FaultOf(s.err)
	case err != nil && neverWorks(err):
		return nil, FaultOf(err)
	}
	out := &Template{
		Source: source, template: t.Option("missingkey=error"), Says: s.mentions, zones: zones, prices: prices,
		Fixed: !slices.ContainsFunc(t.Root.Nodes, func(n parse.Node) bool { return n.Type() != parse.NodeText }) &&
			t.Root.String() == source,
	}
	for _, part := range t.Templates() {
		printNothing(part.Root)
	}
	return out, nil
}

// printNothing sends what a template prints through a function: text/template would print <no value> for null, which is
// as good as missing. What get gives may be nothing, and so may the figure of an alert.
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
			if last := n.Pipe.Cmds[len(n.Pipe.Cmds)-1]; slices.Contains([]string{"get", ".Value", "$.Value"},
				last.Args[0].String()) {
				name = printedOrNot
			}
			call := parse.NewIdentifier(name).SetPos(n.Pos)
			n.Pipe.Cmds = append(n.Pipe.Cmds,
				&parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{call}})
		case *parse.IfNode:
			branch(&n.BranchNode)
		case *parse.RangeNode:
			branch(&n.BranchNode)
		case *parse.WithNode:
			branch(&n.BranchNode)
		}
	}
}

// Lead is the text before the first action.
func (w *Template) Lead() string {
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
		"can't evaluate field", "not defined", "wrong number of args", "expected integer; found",
		"expected string; found",
	}, func(s string) bool { return strings.Contains(err.Error(), s) })
}

// Fault is what is wrong with a template, and where in its text, from 1; 0 where it is not known.
type Fault struct {
	Text      string
	Line, Col int
}

// FaultOf takes the place out of text/template's message, which has it as "template: name:line:col: " or
// "template: name:line: ".
func FaultOf(err error) *Fault {
	fault := &Fault{Text: err.Error()}
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
	fault.Text, fault.Line, fault.Col = message, n, 1
	if c, err := strconv.Atoi(col); err == nil {
		fault.Col = c + 1
	}
	return fault
}

// Execute runs a template.
func (w *Template) Execute(data *Data) (string, error) {
	if w.Fixed {
		return w.Source, nil
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
func (w *Template) execution() (*execution, error) {
	t, err := w.template.Clone()
	if err != nil {
		return nil, err
	}
	x := &execution{prices: w.prices}
	x.template = t.Funcs(functions(w.zones, x))
	return x, nil
}
