package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/condition"
)

// Mention is one place in a Config that looks at a field of the records.
type Mention struct {
	// Field is the path of the setting, such as "rules[0].when", and Value its text.
	Field, Value string
	// Rule is the name of the rule that looks, Output that of the output; empty for others.
	Rule, Output string
	// Path are the names from the record's top level down to the field. In Filter, names with dots are split, and
	// arrays on the way do not count.
	Path   []string
	Filter bool
	// Optional is set if the setting itself checks whether the field is there.
	Optional bool
	// Line and Col are the place inside Value, from 1; 0 where it is not known.
	Line, Col int
}

// Name returns the field as people write it: order.price.
func (m Mention) Name() string { return strings.Join(m.Path, ".") }

// Mentions returns every place where filters, rules, silences and outputs look at a field of the records, in their
// order. Names in templates are not included, nor is anything that does not compile: Validate reports that.
func (c Config) Mentions() []Mention {
	c = c.WithDefaults()
	var out []Mention
	s := condition.NewSchema(c.Format == FormatText)
	for i, pattern := range c.Filter {
		text, _ := pattern.MarshalJSON()
		out = append(out, filterMentions(fmt.Sprintf("filter[%d]", i), text)...)
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		field := fmt.Sprintf("rules[%d].", i)
		in := []struct {
			name, source string
			condition    bool
		}{
			{"when", r.When, true},
			{"key", r.Key, false},
			{"value", r.Value, false},
			{"window.of", r.Window.Of, false},
			{"severity", r.Severity, false},
		}
		for _, x := range in {
			if x.name == "severity" && slices.Contains(severities(), x.source) {
				continue
			}
			for _, m := range s.Mentions(x.source, x.condition) {
				out = append(out, mentionIn(field+x.name, x.source, r.Name, m))
			}
		}
	}
	for i := range c.Silences {
		for _, m := range s.Mentions(c.Silences[i].When, true) {
			out = append(out, mentionIn(fmt.Sprintf("silences[%d].when", i), c.Silences[i].When, "", m))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		o, field := c.Outputs[name], "outputs."+name+"."
		for _, m := range s.Mentions(o.When, true) {
			out = append(out, mentionIn(field+"when", o.When, "", m).of(name))
		}
		for i, path := range o.Fields {
			if !s.NamesBuiltin(path, path) {
				out = append(out, Mention{
					Field: fmt.Sprintf("%sfields[%d]", field, i), Value: path, Path: strings.Split(path, "."),
				})
			}
		}
		for _, m := range s.Mentions(o.Key, false) {
			out = append(out, mentionIn(field+"key", o.Key, "", m).of(name))
		}
	}
	return out
}

// of returns the mention as one of an output.
func (m Mention) of(output string) Mention {
	m.Output = output
	return m
}

func mentionIn(field, source, rule string, m condition.Mention) Mention {
	return Mention{
		Field: field, Value: source, Rule: rule, Path: m.Path, Optional: m.Optional, Line: m.Line,
		Col: m.Col,
	}
}

// filterMentions returns the payload fields that a pattern looks at.
func filterMentions(field string, pattern []byte) []Mention {
	if jsontext.Value(pattern).Kind() == jsontext.KindString { // the form of FilterCriteria: JSON in a string
		pattern, _ = jsontext.AppendUnquote(nil, pattern) // it has been compiled, so it is a string
	}
	w := patternWalk{json: jsontext.NewDecoder(strings.NewReader(string(pattern))), field: field}
	w.object(nil, "")
	return w.out
}

// patternWalk walks through a pattern that has been compiled before. It stops at anything unexpected.
type patternWalk struct {
	json  *jsontext.Decoder
	field string
	out   []Mention
}

// object walks through {"name": ..., "$or": [...]}. path is nil above data; at is its place in the pattern.
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

// asksForAbsence reports whether a list of alternatives has {"exists": false}.
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
