package schema

import (
	"cmp"
	"encoding"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/decode/columns"
	"kinesis-alerter/alert/decode/envelope"
	"kinesis-alerter/alert/decode/unpack"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/config"
)

// root is where the module begins.
const root = "../.."

// key is a key of the configuration.
type key struct {
	path  string // as in rules[].window.length or topics.NAME.arn
	name  string
	typ   reflect.Type
	tag   reflect.StructTag
	words string // the comment of its field
	below []key  // of a section, or of each of its entries
}

// form is how a value is written.
type form int

const (
	formText form = iota
	formBool
	formInt
	formFloat
	formDuration
	formSize
	formRate
	formStretch
	formStart
	formPattern
	formInput
	formSection
	formList
	formMap
)

func formOf(t reflect.Type) form {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return formDuration
	case reflect.TypeFor[config.Size]():
		return formSize
	case reflect.TypeFor[alert.Rate]():
		return formRate
	case reflect.TypeFor[alert.Stretch]():
		return formStretch
	case reflect.TypeFor[checkpoint.Start]():
		return formStart
	case reflect.TypeFor[filter.Pattern]():
		return formPattern
	case reflect.TypeFor[decode.Input]():
		return formInput
	}
	switch t.Kind() { //nolint:exhaustive // a configuration has no others
	case reflect.Bool:
		return formBool
	case reflect.Int:
		return formInt
	case reflect.Float64:
		return formFloat
	case reflect.Struct:
		return formSection
	case reflect.Slice:
		return formList
	case reflect.Map:
		return formMap
	default:
		return formText
	}
}

// enum are the words that a value can have; given is false where it can have any.
func (k *key) enum() (words []string, given bool) {
	switch k.path { // what the packages know
	case "input":
		return decode.Presets(), true
	case "input[].decompress":
		return unpack.Kinds(), true
	case "input[].unwrap":
		return envelope.Kinds(), true
	case "input[].tolerate":
		return []string{"non_finite", "duplicate_names"}, true
	case "input[].parse.as":
		return []string{columns.AsJSON, columns.AsText, columns.AsCSV, columns.AsLogfmt}, true
	}
	text, given := k.tag.Lookup("enum")
	if text == "" {
		return nil, given
	}
	return strings.Split(text, "|"), given
}

// rangeOf are the ends of a range, as they are written; empty where there is none.
func (k *key) rangeOf() (least, most string) {
	least, most, _ = strings.Cut(k.tag.Get("range"), "..")
	return least, most
}

// comments reads the comments of fields, by package and type.
type comments struct {
	t     *testing.T
	known map[string]map[string]string // by package.Type: by field
}

func (c *comments) of(t reflect.Type, field string) string {
	name := t.PkgPath() + "." + t.Name()
	if _, read := c.known[name]; !read {
		c.read(t.PkgPath())
	}
	return c.known[name][field]
}

// read takes up all types of a package.
func (c *comments) read(pkg string) {
	dir := filepath.Join(root, strings.TrimPrefix(pkg, "kinesis-alerter/"))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(c.t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(c.t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			body, ok := spec.Type.(*ast.StructType)
			if !ok {
				return false
			}
			fields := map[string]string{}
			for _, f := range body.Fields.List {
				for _, name := range f.Names {
					fields[name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
				}
			}
			c.known[pkg+"."+spec.Name.Name] = fields
			return false
		})
	}
}

// keysOf are the keys of a section.
func (c *comments) keysOf(path string, t reflect.Type) []key {
	var keys []key
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		k := key{
			path: config.Join(path, name), name: name, typ: field.Type, tag: field.Tag, words: c.of(t, field.Name),
		}
		inner, at := field.Type, k.path
		switch formOf(inner) { //nolint:exhaustive // the others have no keys
		case formList:
			inner, at = inner.Elem(), at+"[]"
		case formMap:
			inner, at = inner.Elem(), at+".NAME"
		case formInput:
			inner, at = reflect.TypeFor[decode.Step](), at+"[]"
		}
		if formOf(inner) == formSection {
			k.below = c.keysOf(at, inner)
		}
		keys = append(keys, k)
	}
	return keys
}

func allKeys(t *testing.T) []key {
	t.Helper()
	c := &comments{t: t, known: map[string]map[string]string{}}
	return c.keysOf("", reflect.TypeFor[config.Config]())
}

// each calls do with every key and the keys below it.
func each(keys []key, do func(k *key)) {
	for i := range keys {
		do(&keys[i])
		each(keys[i].below, do)
	}
}

// typeName is what a person calls the type of a value.
func (k *key) typeName() string {
	words, given := k.enum()
	list := strings.Join(quoteEach(words), ", ")
	names := map[form]string{
		formText: "text", formBool: "`true` or `false`", formInt: "whole number", formFloat: "number",
		formDuration: "duration", formSize: "size", formRate: "rate", formStretch: "number of records, or duration",
		formStart: "`latest`, `trim_horizon` or time", formPattern: "filter pattern", formSection: "section",
	}
	switch f := formOf(k.typ); {
	case f == formInput:
		return list + ", or list of steps"
	case f == formText && given:
		return cmp.Or(list, "empty")
	case f == formList && given:
		return "list of " + list
	case f == formList && formOf(k.typ.Elem()) == formSection && k.tag.Get("form") == "one":
		return "section, or list of sections"
	case f == formList:
		return "list of " + names[formOf(k.typ.Elem())] + "s"
	case f == formMap:
		return names[formOf(k.typ.Elem())] + " by name"
	default:
		return names[f]
	}
}

func quoteEach(words []string) []string {
	var out []string
	for _, word := range words {
		out = append(out, "`"+word+"`")
	}
	return out
}

// facts are type, range and default in one line.
func (k *key) facts() string {
	out := k.typeName()
	switch least, most := k.rangeOf(); {
	case most != "":
		out += ", " + least + " to " + most
	case least != "":
		out += ", at least " + least
	}
	switch {
	case k.tag.Get("required") != "":
		out += "; required"
	case k.tag.Get("default") != "":
		out += "; default `" + k.tag.Get("default") + "`"
	case k.tag.Get("unset") != "":
		out += "; default: " + k.tag.Get("unset")
	}
	return out
}

// Every key says what it is for. Every tag can be read.
func TestKeysAreDescribed(t *testing.T) {
	t.Parallel()
	count := 0
	each(allKeys(t), func(k *key) {
		count++
		require.NotEmpty(t, k.words, "%s needs a comment at its field: it is its description", k.path)
		require.True(t, strings.HasSuffix(k.words, ".") || strings.HasSuffix(k.words, "`."), "%s: a sentence", k.path)
		least, most := k.rangeOf()
		for _, text := range []string{least, most, k.tag.Get("default")} {
			if text != "" {
				require.NoError(t, readable(k.typ, text), "%s: %s", k.path, text)
			}
		}
	})
	require.Greater(t, count, 90)
}

// readable says whether a text can be a value of a type.
func readable(t reflect.Type, text string) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	v := reflect.New(t)
	if parser, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v); ok {
		return parser.UnmarshalText([]byte(text))
	}
	_, err := valueOf(t, text)
	return err
}
