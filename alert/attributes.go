package alert

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/template"
)

// Limits of SNS' message attributes.
const (
	// maxAttributes is a limit of SQS: subscriptions with raw delivery discard a message with more.
	maxAttributes    = 10
	maxAttributeName = 256
	// maxNumber and maxDecimals are what a filter policy compares.
	maxNumber   = 1e9
	maxDecimals = 5
)

// maxAttributeValue is our own limit, in bytes: attributes count against the size of the message, and unlike the body
// they cannot be truncated.
const maxAttributeValue = 4 << 10

// The types that a configured attribute can have.
const (
	typeString = "String"
	typeNumber = "Number"
	typeArray  = "String.Array"
)

// reservedAttributes returns the names of the attributes that every alert of a rule has.
func reservedAttributes() []string { return []string{"alert_id", "rule", "severity", "kind"} }

// attributeWords are one attribute: a template, or the text of a label.
type attributeWords struct {
	name, typ string
	label     string
	words     *template.Template
}

// attributesOf renders the attributes of a rule's alert.
func (r *renderer) attributesOf(d *template.Data) []Attribute {
	out := make([]Attribute, 0, len(reservedAttributes())+len(r.attributes))
	add := func(name, typ, value string) {
		if value != "" {
			out = append(out, Attribute{Name: name, Type: typ, Value: value})
		}
	}
	add("alert_id", typeString, d.ID)
	add("rule", typeString, d.Rule)
	add("severity", typeString, d.Severity)
	add("kind", typeString, d.Kind)
	for i := range r.attributes {
		a := &r.attributes[i]
		if a.words == nil {
			add(a.name, a.typ, a.label)
			continue
		}
		value, err := a.words.Execute(d)
		if err == nil {
			value, err = attributeValue(a.typ, value)
		}
		if err != nil {
			r.fail(partAttribute, a.words, d)
			continue
		}
		add(a.name, a.typ, value)
	}
	return out
}

// ruleAttributes compiles labels and attributes.
func (f *faults) ruleAttributes(r *ruleWords, c RuleConfig) {
	for _, name := range sortedKeys(c.Labels) {
		field, text := r.field+".labels."+name, c.Labels[name]
		f.attributeName(field, name)
		value, err := attributeValue(typeString, text)
		switch {
		case err != nil:
			f.add(field, text, "%s", err)
		case value == "":
			f.add(field, text, "must not be empty")
		case strings.Contains(text, "{{"):
			f.add(field, text, "is not a template: only attributes are")
		}
		r.attributes = append(r.attributes, attributeWords{name: name, typ: typeString, label: value})
	}
	for _, name := range sortedKeys(c.Attributes) {
		field, a := r.field+".attributes."+name, c.Attributes[name]
		f.attributeName(field, name)
		if _, ok := c.Labels[name]; ok {
			f.add(field, name, "is also the name of a label")
		}
		w := attributeWords{name: name, typ: cmp.Or(a.Type, typeString)}
		if w.typ != typeString && w.typ != typeNumber && w.typ != typeArray {
			f.add(field+".type", a.Type, "must be %s, %s or %s", typeString, typeNumber, typeArray)
		} else if strings.TrimSpace(a.Value) == "" {
			f.add(field+".value", a.Value, "must not be empty")
		} else if w.words = f.ruleTemplate(field+".value", a.Value, c.Labels); w.words != nil {
			f.attributeConstant(field+".value", w.typ, w.words)
			r.attributes = append(r.attributes, w)
		}
		r.names = append(r.names, name)
	}
	r.own = len(c.Labels) + len(c.Attributes)
}

// attributeConstant checks a constant value more strictly: its author can fix it.
func (f *faults) attributeConstant(field, typ string, w *template.Template) {
	if !w.Fixed {
		return
	}
	if _, err := attributeValue(typ, w.Source); err != nil {
		f.add(field, w.Source, "%s", err)
	} else if s := strings.TrimSpace(w.Source); typ == typeNumber && decimals(s) > maxDecimals {
		f.add(field, w.Source, "has %d decimals, SNS compares %d", decimals(s), maxDecimals)
	}
}

func (f *faults) attributeName(field, name string) {
	lower := strings.ToLower(name)
	switch {
	case slices.Contains(reservedAttributes(), name):
		f.add(field, name, "is the name of an attribute that every alert has")
	case name == "" || len(name) > maxAttributeName || strings.ContainsFunc(name, func(r rune) bool {
		return r != '.' && r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}):
		f.add(field, name, "must be 1 to %d letters, digits or any of _-.", maxAttributeName)
	case name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, ".."):
		f.add(field, name, "must not have a dot at its ends or two in a row")
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		f.add(field, name, "must not begin with AWS. or Amazon., which are reserved")
	}
}

// attributeValue converts a text to an attribute value of a type. The error says why that is impossible. An empty text
// stays empty.
func attributeValue(typ, s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	var err error
	switch typ {
	case typeNumber:
		s, err = numberAttribute(s)
	case typeArray:
		s, err = arrayAttribute(s)
	}
	switch {
	case err != nil:
		return "", err
	case len(s) > maxAttributeValue:
		return "", fmt.Errorf("has %d bytes, an attribute has at most %d", len(s), maxAttributeValue)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unsupportedInAttribute):
		return "", errors.New(
			"must be valid UTF-8 without control characters and characters above U+FFFF, which SNS refuses")
	}
	return s, nil
}

// unsupportedInAttribute reports whether r cannot be written in XML 1.0, or needs two units of UTF-16.
func unsupportedInAttribute(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0xFFFE
}

// numberAttribute rounds a number to the decimals that a filter policy compares.
func numberAttribute(s string) (string, error) {
	v := jsontext.Value(s)
	if v.Kind() != jsontext.KindNumber || !v.IsValid() {
		return "", errors.New("must be a decimal number")
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(n) > maxNumber {
		return "", errors.New("must be from -1000000000 to 1000000000")
	}
	return strconv.FormatFloat(math.Round(n*1e5)/1e5+0, 'f', -1, 64), nil
}

// decimals returns the number of decimals of a text that numberAttribute accepted.
func decimals(s string) int {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(strconv.FormatFloat(n, 'f', -1, 64), ".")
	return len(after)
}

// arrayAttribute escapes the characters that SNS accepts in an array only in escaped form.
func arrayAttribute(s string) (string, error) {
	const wanted = "must be a JSON array of texts, numbers, true, false and null"
	d := jsontext.NewDecoder(strings.NewReader(s))
	if t, err := d.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginArray {
		return "", errors.New(wanted)
	}
	for d.PeekKind() != jsontext.KindEndArray {
		if t, err := d.ReadToken(); err != nil || t.Kind() == jsontext.KindBeginArray ||
			t.Kind() == jsontext.KindBeginObject {
			return "", errors.New(wanted)
		}
	}
	if !jsontext.Value(s).IsValid() { // something may follow
		return "", errors.New(wanted)
	}
	if !strings.ContainsFunc(s, unsupportedInAttribute) {
		return s, nil
	}
	// Only texts can hold such characters, and only beyond U+FFFD: JSON has no raw control characters.
	var b strings.Builder
	for _, r := range s {
		if !unsupportedInAttribute(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String(), nil
}
