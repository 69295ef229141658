package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/decode/columns"
	"kinesis-alerter/internal/near"
)

// MaxDocument bounds a configuration file, in bytes. It is far above any real one.
const MaxDocument = 1 << 20

// Document is a parsed configuration file: it fills Go values from the YAML tree, strictly, and remembers where each
// value stood, so that a rule checked much later can still name line and column. It gathers every fault instead of
// stopping at the first, which is why it does not leave the decoding to the yaml package.
type Document struct {
	File     string
	lookup   func(string) (string, bool)
	Root     *yaml.Node        // nil if there is none
	secrets  map[string]string // by path: values that came from a variable that looks like a credential
	given    substitutions     // what the environment gave
	room     int               // how many bytes the environment may still give
	broken   []string          // paths that could not be decoded: later rules have nothing to say about them
	Problems FieldErrors       // at most mostFaults; what follows is not checked
}

// ParseDocument decodes one YAML document into target, a pointer to a struct with yaml tags. The struct's present
// values are the defaults. Faults are gathered in the result.
func ParseDocument(file string, data []byte, lookup func(string) (string, bool), target any) *Document {
	d := &Document{File: file, lookup: lookup, secrets: map[string]string{}, given: NewSubstitutions(), room: mostGiven}
	if len(data) > MaxDocument {
		d.Problems = append(d.Problems, &FieldError{File: file, Rule: "the file is larger than 1 MiB"})
		return d
	}
	if valuesAtMost(data) > mostValues {
		d.Problems = append(d.Problems, &FieldError{
			File: file,
			Rule: fmt.Sprintf("the file is too large: its brackets, colons, commas and dashes may make more than %d "+
				"keys and values", mostValues),
		})
		return d
	}
	var root yaml.Node
	if err := loadNode(data, &root); err != nil {
		d.Problems = append(d.Problems, d.syntaxProblem(data, err))
		return d
	}
	if len(root.Content) == 0 {
		d.Problems = append(d.Problems, &FieldError{File: file, Rule: "the file is empty"})
		return d
	}
	if fault := survey(&root); fault != nil {
		fault.File = file
		d.Problems = append(d.Problems, fault)
		return d
	}
	d.Root = root.Content[0]
	d.decode("", d.Root, reflect.ValueOf(target).Elem())
	return d
}

// loadNode reads exactly one document. An empty input gives an empty node.
func loadNode(data []byte, root *yaml.Node) error {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	if err := dec.Decode(root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return &yaml.LoadError{
		Message: "a second document begins; one file holds one configuration",
		Mark:    yaml.Mark{Line: second.Line, Column: second.Column},
	}
}

func (d *Document) syntaxProblem(data []byte, err error) *FieldError {
	p := &FieldError{File: d.File, Rule: "not valid YAML: " + err.Error()}
	if loadErr, ok := errors.AsType[*yaml.LoadError](err); ok {
		p.Rule = "not valid YAML: " + loadErr.Message
		p.Line, p.Column = loadErr.Mark.Line, max(loadErr.Mark.Column, 1)
		p.Rule += unquotedVariable(data, p.Line)
	}
	return p
}

// unquotedVariable says, of a fault in a line, that braces within braces or brackets are the cause: {name: ${STREAM}}.
func unquotedVariable(data []byte, line int) string {
	inside := regexp.MustCompile(`^[^"'#]*?(\$\{[A-Za-z_][A-Za-z0-9_]*(?::-[^}]*)?\})`)
	for n := range bytes.Lines(data) {
		if line--; line > 0 {
			continue
		}
		if found := inside.FindSubmatch(n); found != nil {
			return fmt.Sprintf("; inside braces and brackets a variable needs quotes: write %q", found[1])
		}
		break
	}
	return ""
}

// report notes that the value at path cannot be used.
func (d *Document) report(path string, n *yaml.Node, value, rule string) {
	if d.full() {
		return
	}
	d.broken = append(d.broken, path)
	value, rule = d.hide(path, value, rule)
	d.Problems = append(d.Problems, &FieldError{
		File: d.File, Line: n.Line, Column: n.Column, Field: path, Value: value, Rule: rule,
	})
}

// full says that there are so many faults that nothing more is looked at.
func (d *Document) full() bool { return len(d.Problems) >= mostFaults }

// redacted replaces a value that must not be shown.
const redacted = "[redacted]"

// decode fills v from n. A null counts as not given.
func (d *Document) decode(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.full() || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	_, fromText := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	parser, fromJSON := reflect.TypeAssert[json.Unmarshaler](v.Addr())
	switch kind := v.Kind(); {
	case kind == reflect.Pointer: // distinguishes "not given" from the zero value
		element := reflect.New(v.Type().Elem())
		d.decode(path, n, element.Elem())
		v.Set(element)
	case fromJSON:
		text, ok := d.appendJSON(nil, path, n)
		if !ok {
			return
		}
		if err := parser.UnmarshalJSON(text); err != nil {
			d.report(path, n, string(text), err.Error())
		}
	case fromText:
		d.decodeScalar(path, n, v)
	case v.Type() == reflect.TypeFor[decode.Input]():
		d.decodeInput(path, n, v)
	case v.Type() == reflect.TypeFor[columns.Config]() && n.Kind == yaml.ScalarNode:
		d.report(path, n, n.Value, "want a mapping, as in {as: json} or {as: csv, columns: [a, b]}")
	case kind == reflect.Struct:
		if d.wants(path, n, yaml.MappingNode, "a mapping") {
			d.decodeStruct(path, n, v)
		}
	case kind == reflect.Map:
		if d.wants(path, n, yaml.MappingNode, "a mapping") {
			d.decodeMap(path, n, v)
		}
	case kind == reflect.Slice:
		if d.wants(path, n, yaml.SequenceNode, "a list") {
			d.decodeSlice(path, n, v)
		}
	default:
		d.decodeScalar(path, n, v)
	}
}

func (d *Document) wants(path string, n *yaml.Node, kind yaml.Kind, what string) bool {
	if n.Kind == kind {
		return true
	}
	d.report(path, n, describe(n), "want "+what)
	return false
}

// describe returns what a node holds, for a message about a wrong type.
func describe(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		return "a mapping"
	}
	if n.Kind == yaml.SequenceNode {
		return "a list"
	}
	return n.Value
}

// pairs calls yield for every key of a mapping that is text, the first time it occurs.
func (d *Document) pairs(path string, n *yaml.Node, yield func(key, value *yaml.Node)) {
	first := map[string]int{}
	for pair := range slices.Chunk(n.Content, 2) {
		key := pair[0]
		switch line, seen := first[key.Value], first[key.Value] > 0; {
		case key.Kind != yaml.ScalarNode:
			d.report(path, key, describe(key), "a key must be plain text")
		case key.ShortTag() == "!!merge":
			d.report(Join(path, key.Value), key, "", "merge keys are not supported; write the values out")
		case seen:
			if !d.full() {
				d.Problems = append(d.Problems, &FieldError{
					File: d.File, Line: key.Line, Column: key.Column, Field: Join(path, key.Value),
					Rule: fmt.Sprintf("duplicate key; the first is in line %d", line),
				})
			}
		default:
			first[key.Value] = key.Line
			yield(key, pair[1])
		}
	}
}

// appendJSON appends a node as JSON, for values whose form is not known here, such as filter patterns. Numbers keep
// their digits.
func (d *Document) appendJSON(b []byte, path string, n *yaml.Node) (text []byte, ok bool) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	ok = true
	switch n.Kind {
	case yaml.MappingNode:
		b = append(b, '{')
		d.pairs(path, n, func(key, value *yaml.Node) {
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = append(b, quoteJSON(key.Value)...)
			b = append(b, ':')
			part, fine := d.appendJSON(b, Join(path, key.Value), value)
			b, ok = part, ok && fine
		})
		return append(b, '}'), ok && !d.IsBroken(path)
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, item := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			part, fine := d.appendJSON(b, fmt.Sprintf("%s[%d]", path, i), item)
			b, ok = part, ok && fine
		}
		return append(b, ']'), ok
	case yaml.ScalarNode:
		return d.appendScalar(b, path, n)
	case yaml.DocumentNode, yaml.AliasNode, yaml.StreamNode: // never within a document
	}
	d.report(path, n, describe(n), "cannot be read here")
	return b, false
}

func (d *Document) appendScalar(b []byte, path string, n *yaml.Node) (text []byte, ok bool) {
	value, expanded, ok := d.expand(path, n)
	if !ok {
		return b, false
	}
	switch tag := n.ShortTag(); {
	case tag == "!!null":
		return append(b, "null"...), true
	case tag == "!!bool" && !expanded:
		return strconv.AppendBool(b, strings.EqualFold(value, "true")), true
	case (tag == "!!int" || tag == "!!float") && !expanded:
		if !json.Valid([]byte(value)) {
			d.report(path, n, value, "want a number as JSON writes it, such as 12, -0.5 or 1e3")
			return b, false
		}
		return append(b, value...), true
	}
	return append(b, quoteJSON(value)...), true
}

func quoteJSON(s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`) // unreachable: any string can be written
	}
	return text
}

func (d *Document) decodeStruct(path string, n *yaml.Node, v reflect.Value) {
	fields, names, single := map[string]int{}, []string{}, map[string]bool{}
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		name, _, _ := strings.Cut(tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		fields[name], single[name] = i, tag.Get("form") == "one"
		names = append(names, name)
	}
	d.pairs(path, n, func(key, value *yaml.Node) {
		i, ok := fields[key.Value]
		if !ok {
			d.report(Join(path, key.Value), key, "", unknownKey(key.Value, names))
			return
		}
		if single[key.Value] && value.Kind == yaml.MappingNode { // one value is a list of one
			value = &yaml.Node{
				Kind: yaml.SequenceNode, Line: value.Line, Column: value.Column, Content: []*yaml.Node{value},
			}
		}
		d.decode(Join(path, key.Value), value, v.Field(i))
	})
}

func unknownKey(key string, known []string) string {
	if near := Nearest(key, known); near != "" {
		return fmt.Sprintf("unknown key; did you mean %q?", near)
	}
	known = slices.Sorted(slices.Values(known))
	return "unknown key; known here: " + strings.Join(known, ", ")
}

// countable refuses more entries with fields than a person writes. Texts and numbers are bounded by the document alone.
func (d *Document) countable(path string, n *yaml.Node, entries int, element reflect.Type) bool {
	if entries > mostEntries && element.Kind() == reflect.Struct {
		d.report(path, n, "", fmt.Sprintf("has %d entries; at most %d are allowed", entries, mostEntries))
		return false
	}
	return true
}

func (d *Document) decodeMap(path string, n *yaml.Node, v reflect.Value) {
	if !d.countable(path, n, len(n.Content)/2, v.Type().Elem()) {
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	d.pairs(path, n, func(key, value *yaml.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.decode(Join(path, key.Value), value, element)
		m.SetMapIndex(reflect.ValueOf(key.Value), element)
	})
	if m.Len() > 0 { // nothing in it is the same as not given
		v.Set(m)
	}
}

func (d *Document) decodeSlice(path string, n *yaml.Node, v reflect.Value) {
	if !d.countable(path, n, len(n.Content), v.Type().Elem()) {
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.decode(fmt.Sprintf("%s[%d]", path, i), item, s.Index(i))
	}
	if s.Len() > 0 {
		v.Set(s)
	}
}

// decodeScalar parses one value. A value with a variable in it is taken as text whatever it was written as, because
// quotes around ${VAR} are common and say nothing about the type of what the variable holds.
func (d *Document) decodeScalar(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.report(path, n, describe(n), "want "+TypeName(v))
		return
	}
	text, expanded, ok := d.expand(path, n)
	if !ok {
		return
	}
	quoted := !expanded && n.ShortTag() == "!!str" // by quotes, or by its tag
	parser, parses := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	switch kind := v.Kind(); {
	case parses:
		if err := parser.UnmarshalText([]byte(text)); err != nil {
			d.report(path, n, text, err.Error())
		}
	case v.Type() == reflect.TypeFor[time.Duration]():
		t, err := time.ParseDuration(text)
		if err != nil {
			d.report(path, n, text, "want a duration with its unit, such as 200ms, 10s or 1m30s")
			return
		}
		v.SetInt(int64(t))
	case kind == reflect.String:
		if !expanded && n.ShortTag() != "!!str" && n.ShortTag() != "!!timestamp" {
			d.report(path, n, text, fmt.Sprintf("want text; write %q, with the quotes", text))
			return
		}
		v.SetString(text)
	case kind == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil || !expanded && n.ShortTag() != "!!bool" { // 1 and t are for variables
			d.report(path, n, text, "want true or false, without quotes")
			return
		}
		v.SetBool(b)
	case v.CanInt():
		i, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil || quoted {
			d.report(path, n, text, "want a whole number, without quotes")
			return
		}
		v.SetInt(i)
	case v.CanFloat():
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || quoted || math.IsNaN(x) || math.IsInf(x, 0) {
			d.report(path, n, text, "want a number, without quotes")
			return
		}
		v.SetFloat(x)
	default:
		d.report(path, n, text, "cannot be set from a file")
	}
}

// TypeName is what a value of this type is called in an error.
func TypeName(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return "a duration, such as 10s"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.CanInt():
		return "a whole number"
	case v.CanFloat():
		return "a number"
	default:
		return "text"
	}
}

// expand replaces ${VAR} and ${VAR:-default} by the environment; $${ stands for a literal ${.
func (d *Document) expand(path string, n *yaml.Node) (text string, expanded, ok bool) {
	if !strings.Contains(n.Value, "${") {
		return n.Value, false, true
	}
	reference := regexp.MustCompile(`\$?\$\{[^}]*\}?`)
	name := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	secret := false
	ok = true
	text = reference.ReplaceAllStringFunc(n.Value, func(ref string) string {
		if !ok {
			return ref
		}
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		expanded = true
		body, closed := strings.CutSuffix(ref[2:], "}")
		variable, fallback, hasFallback := strings.Cut(body, ":-")
		if !closed || !name.MatchString(variable) {
			d.report(path, n, n.Value, "want ${VAR} or ${VAR:-default}; write $${ for a literal ${")
			ok = false
			return ref
		}
		value, set := d.lookup(variable)
		switch {
		case len(value) > d.room:
			d.report(path, n, n.Value, fmt.Sprintf("what all variables give together is larger than %d MiB",
				mostGiven>>20))
			ok = false
		case value != "":
			d.room -= len(value)
			secret = secret || looksSecret(variable)
			d.given.variables[value] = variable
			return value
		case hasFallback:
			return fallback
		case !set:
			d.report(path, n, n.Value, fmt.Sprintf("the environment has no variable %s; set it or write ${%s:-default}",
				variable, variable))
			ok = false
		}
		return value
	})
	if secret {
		d.secrets[path] = text
	}
	if expanded {
		d.given.written[path] = n.Value
	}
	return text, expanded, ok
}

// looksSecret reports whether a variable's name suggests a secret. Short words count as whole words only: COMPASS has a
// PASS in it.
func looksSecret(variable string) bool {
	variable = strings.ToUpper(variable)
	return slices.ContainsFunc([]string{
		"SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "KEY",
	}, func(s string) bool {
		return strings.Contains(variable, s)
	}) || slices.ContainsFunc(strings.Split(variable, "_"), func(word string) bool {
		return slices.Contains([]string{"PASS", "PWD", "PW", "PIN", "AUTH"}, word)
	})
}

// Locate finds the node of a path, or of the nearest parent that is in the file. exact says that it is the node
// itself.
func (d *Document) Locate(path string) (n *yaml.Node, exact bool) {
	if d.Root == nil {
		return nil, false
	}
	if path != "" && path[0] != '[' {
		path = "." + path
	}
	n, rest := descend(d.Root, path)
	return n, rest == ""
}

// descend follows a path as far as it leads, and returns what is left of it. A key may have dots and brackets itself.
func descend(n *yaml.Node, path string) (*yaml.Node, string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	best, rest := n, path
	try := func(item *yaml.Node, left string) {
		if rest == "" || left != "" && left[0] != '.' && left[0] != '[' {
			return
		}
		if found, left := descend(item, left); len(left) < len(rest) {
			best, rest = found, left
		}
	}
	switch {
	case path == "":
	case n.Kind == yaml.MappingNode && path[0] == '.':
		for pair := range slices.Chunk(n.Content, 2) {
			if left, ok := strings.CutPrefix(path[1:], pair[0].Value); ok {
				try(pair[1], left)
			}
		}
	case n.Kind == yaml.MappingNode: // one value is a list of one
		if left, ok := strings.CutPrefix(path, "[0]"); ok {
			try(n, left)
		}
	case n.Kind == yaml.SequenceNode && path[0] == '[':
		digits, left, _ := strings.Cut(path[1:], "]")
		if i, err := strconv.Atoi(digits); err == nil && i >= 0 && i < len(n.Content) {
			try(n.Content[i], left)
		}
	}
	return best, rest
}

// IsBroken says that a value, or something around it, could not even be decoded.
func (d *Document) IsBroken(path string) bool {
	return slices.ContainsFunc(d.broken, func(b string) bool {
		return path == b || b != "" && strings.HasPrefix(path, b) && strings.ContainsRune(".[", rune(path[len(b)]))
	})
}

// Join is the path of a key below path.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Nearest returns the name that key was probably meant to be, or nothing.
func Nearest(key string, names []string) string {
	best, bestDistance := "", 3
	for _, name := range names {
		if difference := len(key) - len(name); difference >= bestDistance || -difference >= bestDistance {
			continue // no need to look at every letter
		}
		if d := near.Distance(strings.ToLower(key), name); d < bestDistance && d < len(name) {
			best, bestDistance = name, d
		}
	}
	return best
}
