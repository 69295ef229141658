package template

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// Mentions are the names that a template reads, as far as somebody asks.
type Mentions struct {
	Kind, Suppressed, Unsure, Ended, Runbook, Dashboard bool
	// Payload is .Fields or .Record.Data.
	Payload bool
}

func (m *Mentions) add(path []string) {
	switch path[0] {
	case "Kind":
		m.Kind = true
	case "Unsure":
		m.Unsure = true
	case "Ended":
		m.Ended = true
	case "Suppressed":
		m.Suppressed = true
	case "Runbook":
		m.Runbook = true
	case "Dashboard":
		m.Dashboard = true
	case "Fields":
		m.Payload = true
	case "Record":
		m.Payload = m.Payload || len(path) == 1 || path[1] == "Data"
	}
}

// survey looks at the parse tree of a template, which text/template leaves to the moment of execution.
type survey struct {
	main     *template.Template
	zones    map[string]*time.Location
	labels   map[string]string
	mentions Mentions
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
				s.mentions = Mentions{Kind: true, Suppressed: true, Runbook: true, Dashboard: true, Payload: true}
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
	data := reflect.TypeFor[*Data]()
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
	if name, ok := c.Args[0].(*parse.IdentifierNode); !ok || name.Ident != "date" || len(c.Args) < 3 ||
		len(c.Args) == 3 && !piped {
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

// Fields are the fields of the record that a template reads, as far as they stand there by name.
func (w *Template) Fields() [][]string {
	var out [][]string
	below := func(n parse.Node) ([]string, bool) {
		var ident []string
		switch n := n.(type) {
		case *parse.FieldNode:
			ident = n.Ident
		case *parse.VariableNode:
			ident = n.Ident[1:]
		case *parse.PipeNode: // the price of a value
			if len(n.Cmds) == 1 && len(n.Cmds[0].Args) == 2 {
				if field, ok := n.Cmds[0].Args[1].(*parse.FieldNode); ok {
					ident = field.Ident
				}
			}
		}
		if len(ident) == 0 || ident[0] != "Fields" {
			return nil, false
		}
		return slices.Clone(ident[1:]), true
	}
	note := func(path []string) {
		if len(path) > 0 {
			out = append(out, path)
		}
	}
	var walk func(n parse.Node)
	pipe := func(p *parse.PipeNode) {
		if p != nil {
			walk(p)
		}
	}
	list := func(l *parse.ListNode) {
		if l != nil {
			walk(l)
		}
	}
	branch := func(n *parse.BranchNode) {
		pipe(n.Pipe)
		list(n.List)
		list(n.ElseList)
	}
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.ListNode:
			for _, x := range n.Nodes {
				walk(x)
			}
		case *parse.ActionNode:
			pipe(n.Pipe)
		case *parse.IfNode:
			branch(&n.BranchNode)
		case *parse.RangeNode:
			branch(&n.BranchNode)
		case *parse.WithNode:
			branch(&n.BranchNode)
		case *parse.TemplateNode:
			pipe(n.Pipe)
		case *parse.PipeNode:
			for _, c := range n.Cmds {
				walk(c)
			}
		case *parse.CommandNode:
			if fn := n.Args[0].String(); (fn == "get" || fn == "index") && len(n.Args) > 2 {
				if path, ok := below(n.Args[1]); ok {
					for _, arg := range n.Args[2:] {
						name, ok := arg.(*parse.StringNode)
						if !ok {
							break
						}
						path = append(path, name.Text)
					}
					note(path)
				}
			}
			for _, arg := range n.Args {
				walk(arg)
			}
		default:
			if path, ok := below(n); ok {
				note(path)
			}
		}
	}
	for _, part := range w.template.Templates() {
		if part.Tree != nil {
			list(part.Root)
		}
	}
	return out
}

// OfTypes says whether a template failed for the types of values, so that other values of these types do not help.
func OfTypes(err error) bool {
	return slices.ContainsFunc([]string{
		errIncomparable.Error(), errNoOrder.Error(), " is no list", " is no number", " is no time", "no RFC 3339 time",
		"can't evaluate field",
		"can't index item of type", "cannot index slice/array with type", "can't iterate over", "len of type",
		"can't slice item of type",
		"cannot slice", "wrong type for value", "expected ", "printf ", "it is null",
	}, func(s string) bool { return strings.Contains(err.Error(), s) })
}
