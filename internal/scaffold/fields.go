package scaffold

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/internal/config"
)

// Record is one record of a sample.
type Record struct {
	Key  string // the partition key; empty where the sample does not have it
	Data []byte
}

// field is what is known of a field after all records.
type field struct {
	path  string   // as people name it: order.price
	expr  string   // as a rule names it: order.price, detail["instance-id"]
	words []string // of its last name, in lower case
	// How often it was seen with a value of each kind.
	numbers, texts, bools int
	whole                 bool // all numbers are
	min, max              float64
	values                []string // the first different texts, or numbers as texts
	first                 int      // the first record that has it
	byRecord              map[int]string
}

const (
	mostFields = 500
	mostValues = 50
	mostDepth  = 5
)

// fieldsOf looks at the fields of records that are JSON objects, and says how many are.
func fieldsOf(records []Record) (fields []*field, objects int) {
	known := map[string]*field{}
	for i := range records {
		data := records[i].Data
		if !json.Valid(data) || len(bytes.TrimSpace(data)) == 0 || bytes.TrimSpace(data)[0] != '{' {
			continue
		}
		objects++
		var walk func(dec *jsontext.Decoder, path []string)
		walk = func(dec *jsontext.Decoder, path []string) {
			switch dec.PeekKind() { //nolint:exhaustive // the others are values
			case jsontext.KindBeginObject:
				if len(path) >= mostDepth {
					_ = dec.SkipValue()
					return
				}
				_, _ = dec.ReadToken()
				for dec.PeekKind() == jsontext.KindString {
					name, err := dec.ReadToken()
					if err != nil {
						return
					}
					walk(dec, append(slices.Clone(path), name.String()))
				}
				_, _ = dec.ReadToken()
			case jsontext.KindBeginArray, jsontext.KindNull:
				_ = dec.SkipValue()
			default:
				token, err := dec.ReadToken()
				if err != nil {
					return
				}
				name := strings.Join(path, ".")
				f := known[name]
				if f == nil {
					if len(known) >= mostFields || !nameable(path) {
						return
					}
					f = &field{
						path: name, expr: expression(path), words: wordsOf(path[len(path)-1]), whole: true, first: i,
						byRecord: map[int]string{},
						min:      math.Inf(1), max: math.Inf(-1),
					}
					known[name] = f
					fields = append(fields, f)
				}
				f.add(i, token)
			}
		}
		walk(config.LenientJSON(data), nil)
	}
	return fields, objects
}

// nameable reports whether a path can stand in a rule, a comment and a message as it is.
func nameable(path []string) bool {
	name := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_ -]*$`)
	return !slices.ContainsFunc(path, func(s string) bool { return !name.MatchString(s) })
}

// expression is a path in a rule.
func expression(path []string) string {
	plain := regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	var b strings.Builder
	for i, name := range path {
		switch {
		case !plain.MatchString(name) && i == 0:
			b.WriteString("$env[" + text(name) + "]")
		case !plain.MatchString(name):
			b.WriteString("[" + text(name) + "]")
		case i > 0:
			b.WriteString("." + name)
		default:
			b.WriteString(name)
		}
	}
	return b.String()
}

func (f *field) add(record int, token jsontext.Token) {
	text := token.String()
	f.byRecord[record] = text
	switch token.Kind() { //nolint:exhaustive // the others are not here
	case jsontext.KindNumber:
		x, err := token.Float()
		if err != nil || math.IsInf(x, 0) {
			return
		}
		f.numbers++
		f.whole = f.whole && x == math.Trunc(x)
		f.min, f.max = min(f.min, x), max(f.max, x)
	case jsontext.KindString:
		f.texts++
	case jsontext.KindTrue, jsontext.KindFalse:
		f.bools++
	}
	if len(f.values) < mostValues && !slices.Contains(f.values, text) {
		f.values = append(f.values, text)
	}
}

// seen is how many records have the field.
func (f *field) seen() int { return f.numbers + f.texts + f.bools }

// is reports whether one of the words of the name is among some.
func (f *field) is(words ...string) bool {
	return slices.ContainsFunc(f.words, func(w string) bool { return slices.Contains(words, w) })
}

// ends reports whether the last word of the name is among some.
func (f *field) ends(words ...string) bool {
	return len(f.words) > 0 && slices.Contains(words, f.words[len(f.words)-1])
}

// wordsOf splits a name as people write them: response_time, responseTime, HTTPStatus.
func wordsOf(name string) []string {
	var out []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
			word = nil
		}
	}
	runes := []rune(name)
	for i, c := range runes {
		switch {
		case !unicode.IsLetter(c):
			end()
			continue
		case unicode.IsUpper(c) && i > 0 && (unicode.IsLower(runes[i-1]) ||
			unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end()
		}
		word = append(word, c)
	}
	end()
	return out
}

// replaced is a payload with another value in the place of a field's.
func replaced(data []byte, path, value string) []byte {
	from, to, found := locate(config.LenientJSON(data), "", path)
	if !found {
		return nil
	}
	return slices.Concat(data[:from], []byte(value), data[to:])
}

// locate finds the value of a field in the object that begins.
func locate(dec *jsontext.Decoder, within, path string) (from, to int, found bool) {
	if _, err := dec.ReadToken(); err != nil {
		return 0, 0, false
	}
	for dec.PeekKind() == jsontext.KindString {
		name, err := dec.ReadToken()
		if err != nil {
			return 0, 0, false
		}
		switch at := config.Join(within, name.String()); {
		case at == path:
			old, err := dec.ReadValue()
			to = int(dec.InputOffset())
			return to - len(old), to, err == nil
		case dec.PeekKind() == jsontext.KindBeginObject:
			if from, to, found = locate(dec, at, path); found {
				return from, to, true
			}
		case dec.SkipValue() != nil:
			return 0, 0, false
		}
	}
	_, _ = dec.ReadToken() // the end; what is wrong shows in the next one
	return 0, 0, false
}
