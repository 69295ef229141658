package alert

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/go-json-experiment/json/jsontext"
)

// Mention is one place in a Config that looks at a field of the records.
type Mention struct {
	// Field is the path of the setting, such as "rules[0].when", and Value what stands there.
	Field, Value string
	// Rule is the name of the rule that looks; empty for filters and silences.
	Rule string
	// Path are the names from the record's top level down to the field. In Filter, names with dots are taken apart, and
	// arrays on the way do not count.
	Path   []string
	Filter bool
	// Optional says that the setting itself asks whether the field is there.
	Optional bool
	// Line and Col are the place inside Value, from 1; 0 where it is not known.
	Line, Col int
}

// Name is the field as people write it: order.price.
func (m Mention) Name() string { return strings.Join(m.Path, ".") }

// Mentions returns every place in which filters, rules and silences look at a field of the records, in their order. Names
// in templates are not among them, and what cannot be compiled has none: Validate says why.
func (c Config) Mentions() []Mention {
	c = c.WithDefaults()
	var out []Mention
	s := newSchema(c.Format)
	for i, pattern := range c.Filter {
		text, _ := pattern.MarshalJSON()
		out = append(out, filterMentions(fmt.Sprintf("filter[%d]", i), text)...)
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		field := fmt.Sprintf("rules[%d].", i)
		in := []struct {
			name, source string
			kind         reflect.Kind
		}{
			{"when", r.When, reflect.Bool},
			{"key", r.Key, reflect.Invalid},
			{"value", r.Value, reflect.Invalid},
			{"window.of", r.Window.Of, reflect.Invalid},
			{"severity", r.Severity, reflect.Invalid},
		}
		for _, x := range in {
			if x.name == "severity" && slices.Contains(severities(), x.source) {
				continue
			}
			found := expressionMentions(x.source, s, x.kind)
			for j := range found {
				found[j].Field, found[j].Rule = field+x.name, r.Name
			}
			out = append(out, found...)
		}
	}
	for i := range c.Silences {
		found := expressionMentions(c.Silences[i].When, s, reflect.Bool)
		for j := range found {
			found[j].Field = fmt.Sprintf("silences[%d].when", i)
		}
		out = append(out, found...)
	}
	return out
}

// expressionMentions are the fields that an expression looks at, each where it stands first.
func expressionMentions(source string, s *schema, want reflect.Kind) []Mention {
	if strings.TrimSpace(source) == "" {
		return nil
	}
	b, root, fault := newBuilder(source, s, want)
	if fault != nil {
		return nil
	}
	uses := &fieldUses{refs: b.refs, optional: make(map[string]bool)}
	ast.Walk(&root, uses)
	places := &fieldPlaces{at: make(map[string]file.Location)}
	ast.Walk(&root, places)
	var out []Mention
	for _, name := range uses.names {
		if _, builtin := builtinSlot(name, s.format); builtin {
			continue
		}
		at := (&file.Error{Location: places.at[name]}).Bind(b.source)
		out = append(out, Mention{
			Value: source, Path: strings.Split(name, "\x00"), Optional: uses.optional[name], Line: at.Line, Col: at.Column + 1,
		})
	}
	slices.SortStableFunc(out, func(a, b Mention) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	return out
}

// fieldPlaces finds where names stand. It is an ast.Visitor.
type fieldPlaces struct {
	at map[string]file.Location
}

// Visit implements ast.Visitor.
func (p *fieldPlaces) Visit(node *ast.Node) {
	x, ok := (*node).(*ast.IdentifierNode)
	if !ok {
		return
	}
	if first, seen := p.at[x.Value]; !seen || x.Location().From < first.From {
		p.at[x.Value] = x.Location()
	}
}

// filterMentions are the fields that a pattern looks at in the payload.
func filterMentions(field string, pattern []byte) []Mention {
	if jsontext.Value(pattern).Kind() == jsontext.KindString { // the form of FilterCriteria: JSON in a string
		pattern, _ = jsontext.AppendUnquote(nil, pattern) // it has been compiled, so it is a string
	}
	w := patternWalk{json: jsontext.NewDecoder(strings.NewReader(string(pattern))), field: field}
	w.object(nil, "")
	return w.out
}

// patternWalk walks through a pattern, which has been compiled before: what it does not expect ends it.
type patternWalk struct {
	json  *jsontext.Decoder
	field string
	out   []Mention
}

// object walks through {"name": ..., "$or": [...]}. path is nil above data; at is where it stands in the pattern.
func (w *patternWalk) object(path []string, at string) bool {
	if t, err := w.json.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginObject {
		return false
	}
	for w.json.PeekKind() == jsontext.KindString {
		t, err := w.json.ReadToken()
		if err != nil {
			return false
		}
		name := t.String()
		if !w.member(path, at, name) {
			return false
		}
	}
	_, err := w.json.ReadToken()
	return err == nil
}

func (w *patternWalk) member(path []string, at, name string) bool {
	here := at + "." + name
	below := append(slices.Clip(path), strings.Split(name, ".")...)
	kind := w.json.PeekKind()
	switch {
	case name == "$or" && kind == jsontext.KindBeginArray:
		return w.alternatives(path, here)
	case kind == jsontext.KindBeginObject:
		return w.object(below, here)
	}
	v, err := w.json.ReadValue()
	if err != nil {
		return false
	}
	if len(below) > 1 && below[0] == "data" {
		w.out = append(w.out, Mention{
			Field: w.field + here, Value: string(v), Path: below[1:], Filter: true, Optional: asksForAbsence(v),
		})
	}
	return true
}

func (w *patternWalk) alternatives(path []string, at string) bool {
	if _, err := w.json.ReadToken(); err != nil {
		return false
	}
	for i := 0; w.json.PeekKind() == jsontext.KindBeginObject; i++ {
		if !w.object(path, fmt.Sprintf("%s[%d]", at, i)) {
			return false
		}
	}
	_, err := w.json.ReadToken()
	return err == nil
}

// asksForAbsence says whether a list of alternatives has {"exists": false}.
func asksForAbsence(list jsontext.Value) bool {
	d := jsontext.NewDecoder(strings.NewReader(string(list)))
	last := ""
	for {
		t, err := d.ReadToken()
		if err != nil {
			return false
		}
		if t.Kind() == jsontext.KindString {
			last = t.String()
		}
		const inObject = 2 // the list, and an object in it
		if t.Kind() == jsontext.KindFalse && last == "exists" && d.StackDepth() == inObject {
			return true
		}
	}
}
