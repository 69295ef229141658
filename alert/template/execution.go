package template

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode/utf8"

	"kinesis-alerter/alert/budget"
)

// This file prices what templates do. Functions pay before they make anything; what loops and templates that call each
// other do is paid for node by node, by texts of no bytes in front of each, which text/template writes like any other;
// see pricing.

// execution runs a template for one message at a time. Its functions are its own: they pay from the budget of that
// message.
type execution struct {
	template *template.Template
	prices   prices
	out      bytes.Buffer
	meter    *budget.Meter
}

// prices are the works that the texts of no bytes in a template stand for, by where the text is in memory.
type prices map[*byte]int64

var errOverBudget = errors.New("template is beyond its budget of work or of text")

// templateWork is the work of a function, a field or a constant in a template.
const templateWork = 12

// maxKeptOutput is what an execution keeps of its memory.
const maxKeptOutput = 64 << 10

// run executes the template. text/template turns panics of what it calls into errors, but not those of its own.
func (x *execution) run(data *Data) (out string, err error) {
	x.meter = &data.Meter
	// The payload is no text that the template makes.
	x.meter.Text = -int64(len(data.Record.Data))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("template panicked: %v", r)
		}
		x.meter = nil
		if x.out.Reset(); x.out.Cap() > maxKeptOutput {
			x.out = bytes.Buffer{}
		}
	}()
	if err := x.template.Execute(x, data); err != nil {
		return "", err
	}
	return x.out.String(), nil
}

// Write implements io.Writer.
func (x *execution) Write(p []byte) (int, error) {
	if len(p) == 0 && cap(p) > 0 {
		return 0, x.pay(x.prices[&p[:1][0]], 0)
	}
	if err := x.pay(int64(len(p))/budget.PerText+1, int64(len(p))); err != nil {
		return 0, err
	}
	return x.out.Write(p)
}

func (x *execution) pay(work, text int64) error {
	if x.meter == nil || x.meter.Spend(work, text, 0) {
		return nil
	}
	return errOverBudget
}

// functions are text/template's own functions whose price depends on their arguments.
func (x *execution) functions() template.FuncMap {
	escaped := func(escape func(...any) string, special func(c byte) bool, more int64) func(...any) (string, error) {
		return func(args ...any) (string, error) {
			s, err := x.sprint(args)
			if err != nil {
				return "", err
			}
			if err := x.pay(int64(len(s))/4, budget.Swollen(s, special, more)); err != nil {
				return "", err
			}
			return escape(s), nil
		}
	}
	all := template.FuncMap(x.comparisons())
	maps.Copy(all, template.FuncMap{
		"print": func(args ...any) (string, error) { return x.sprint(args) },
		"println": func(args ...any) (string, error) {
			s, err := x.sprint(args)
			if err != nil {
				return s, err
			}
			if err := x.pay(0, int64(len(s)+len(args))); err != nil {
				return "", err
			}
			return fmt.Sprintln(args...), nil
		},
		"printf": func(format string, args ...any) (string, error) {
			work, text := x.formatted(format, args)
			if err := x.pay(work, text); err != nil {
				return "", err
			}
			return sprintf(format, args)
		},
		"html": escaped(template.HTMLEscaper, func(c byte) bool { return strings.IndexByte("&<>'\"\x00", c) >= 0 }, 5),
		"js": escaped(template.JSEscaper, func(c byte) bool {
			return c < ' ' || c >= utf8.RuneSelf || strings.IndexByte(`\'"<>&=`, c) >= 0
		}, 5),
		"urlquery": escaped(template.URLQueryEscaper, func(byte) bool { return true }, 2),

		readValue: func(v any) (any, error) {
			if s, ok := v.(string); ok {
				return v, x.pay(int64(len(s))/budget.PerText, 0)
			}
			return v, nil
		},
		walkedValue: func(v any) (any, error) {
			n := int64(budget.LengthOf(v))
			if _, ok := v.(map[string]any); ok {
				n = budget.Sorting(n)
			}
			return v, x.pay(n, 0)
		},
	})
	return all
}

// readValue and walkedValue are called by what prices put into a template.
const (
	readValue   = "read_"
	walkedValue = "walked_"
)

// plain is v as a template prints it; nothing for nothing.
func (x *execution) plain(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, x.pay(1, 0)
	}
	e, err := x.extent(v)
	if err != nil {
		return "", err
	}
	if err := x.pay(20*e.Elements+e.Printed/8, e.Printed); err != nil {
		return "", err
	}
	return fmt.Sprint(v), nil
}

// extent measures a value.
func (x *execution) extent(v any) (budget.Extent, error) {
	if x.meter == nil {
		return (&budget.Meter{}).ExtentOf(v), nil
	}
	e := x.meter.ExtentOf(v)
	return e, x.pay(0, 0)
}

// sprint is fmt.Sprint.
func (x *execution) sprint(args []any) (string, error) {
	size := int64(len(args))
	for _, v := range args {
		e, err := x.extent(v)
		if err != nil {
			return "", err
		}
		size += e.Printed
	}
	if err := x.pay(size/8+templateWork, size); err != nil {
		return "", err
	}
	return fmt.Sprint(args...), nil
}

// formatted is what a printf costs at most: it reads the format as fmt does.
func (x *execution) formatted(format string, args []any) (work, text int64) {
	const most = 1_000_000 // fmt takes no greater width or precision
	work, text = templateWork, int64(len(format))
	extents := make([]budget.Extent, len(args))
	for i := range args {
		e, err := x.extent(args[i])
		if err != nil {
			return budget.MaxWork, budget.MaxText
		}
		extents[i] = e
	}
	digits := func(s string) (n int64, rest string) {
		for s != "" && s[0] >= '0' && s[0] <= '9' {
			n, s = min(10*n+int64(s[0]-'0'), most), s[1:]
		}
		return n, s
	}
	next := 0
	// number is a width, a precision, or an asterisk for one from the arguments.
	number := func(s string) (int64, string) {
		n, rest := digits(s)
		for strings.HasPrefix(rest, "[") {
			at, behind := digits(rest[1:])
			next, rest = int(max(at, 1))-1, strings.TrimPrefix(behind, "]")
		}
		if strings.HasPrefix(rest, "*") {
			next++
			return most, rest[1:]
		}
		return n, rest
	}
	for {
		_, rest, ok := strings.Cut(format, "%")
		if !ok {
			break
		}
		flags := len(rest) - len(strings.TrimLeft(rest, "+-# 0"))
		sharp := strings.Contains(rest[:flags], "#")
		width, rest := number(rest[flags:])
		precision := int64(0)
		if strings.HasPrefix(rest, ".") {
			precision, rest = number(rest[1:])
		}
		verb, size := utf8.DecodeRuneInString(rest)
		format = rest[size:]
		if verb == '%' {
			continue
		}
		one := budget.Extent{Elements: 1, Printed: 64, Widest: budget.MaxPrinted}
		if next < len(args) && next >= 0 {
			one = extents[next]
			if s, ok := args[next].(string); ok && verb != 'q' && verb != 'x' && verb != 'X' && verb != 'U' {
				one.Printed = int64(len(s))
			}
		}
		next++
		switch verb {
		case 'q', 'x', 'X', 'U':
			one.Printed *= 10
		}
		each := width + precision + one.Widest + 8
		if sharp {
			each += 40 // the types
		}
		text += one.Printed + budget.Times(one.Elements, each)
		work += budget.Times(one.Elements, 20+each/8) + one.Printed/8
	}
	for i := max(next, 0); i < len(extents); i++ { // one too many is printed with its type
		text += extents[i].Printed + 32
	}
	return work, text
}

// list puts prices in front of the nodes of a template that can run more often than once: those of loops, and of
// templates that are called by name, since these may call each other.
func (p prices) list(list *parse.ListNode, often bool) {
	if list == nil {
		return
	}
	var priced []parse.Node
	for _, node := range list.Nodes {
		work := int64(0)
		switch n := node.(type) {
		case *parse.ActionNode:
			work = pricePipe(n.Pipe, often)
		case *parse.BreakNode, *parse.ContinueNode:
			work = 10 * templateWork // a panic and its recovery
		case *parse.TemplateNode:
			work = templateWork + pricePipe(n.Pipe, often)
		case *parse.IfNode:
			work = pricePipe(n.Pipe, often)
			p.list(n.List, often)
			p.list(n.ElseList, often)
		case *parse.WithNode:
			work = pricePipe(n.Pipe, often)
			p.list(n.List, often)
			p.list(n.ElseList, often)
		case *parse.RangeNode:
			work = pricePipe(n.Pipe, often)
			n.Pipe.Cmds = append(n.Pipe.Cmds, calling(walkedValue, n.Pos))
			p.list(n.List, true)
			n.List.Nodes = slices.Insert(n.List.Nodes, 0, p.node(n.Pos, templateWork))
			p.list(n.ElseList, often)
		}
		if often && work > 0 {
			priced = append(priced, p.node(node.Position(), work))
		}
		priced = append(priced, node)
	}
	list.Nodes = priced
}

func (p prices) node(at parse.Pos, work int64) parse.Node {
	text := make([]byte, 1)
	p[&text[0]] = work
	return &parse.TextNode{NodeType: parse.NodeText, Pos: at, Text: text[:0]}
}

func calling(name string, at parse.Pos, args ...parse.Node) *parse.CommandNode {
	fn := parse.NewIdentifier(name).SetPos(at)
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: at, Args: append([]parse.Node{fn}, args...)}
}

// pricePipe is the work of a pipeline. What compares or looks up texts is made to pay for their length.
func pricePipe(p *parse.PipeNode, often bool) int64 {
	if p == nil {
		return 0
	}
	work := int64(0)
	cmds := make([]*parse.CommandNode, 0, len(p.Cmds))
	for i, c := range p.Cmds {
		reads := often && slices.Contains([]string{"eq", "ne", "lt", "le", "gt", "ge", "index"}, c.Args[0].String())
		if reads && i > 0 {
			cmds = append(cmds, calling(readValue, c.Pos))
		}
		for j, arg := range c.Args {
			work += templateWork
			if inner, ok := arg.(*parse.PipeNode); ok {
				work += pricePipe(inner, often)
			}
			if !reads || j == 0 {
				continue
			}
			switch arg.Type() { //nolint:exhaustive // the others are constants, or name functions
			case parse.NodeDot, parse.NodeField, parse.NodeVariable, parse.NodeChain, parse.NodePipe:
				c.Args[j] = &parse.PipeNode{
					NodeType: parse.NodePipe, Pos: arg.Position(),
					Cmds: []*parse.CommandNode{calling(readValue, arg.Position(), arg)},
				}
			}
		}
		cmds = append(cmds, c)
	}
	p.Cmds = cmds
	return work
}
