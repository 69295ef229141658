package filter

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// syntax is a JSON value with its members in the order and number in which they were written.
type syntax struct {
	kind jsontext.Kind
	// raw is the JSON text of a string, number or literal, and of anything that ParseCriteria takes as a pattern.
	raw []byte
	// text is the unescaped string, or the number or literal as it was written.
	text    string
	members []syntaxMember
	items   []syntax
}

type syntaxMember struct {
	name  string
	value syntax
}

// member returns the value of the last member of that name, or nil.
func (s *syntax) member(name string) *syntax {
	for i := len(s.members) - 1; i >= 0; i-- {
		if s.members[i].name == name {
			return &s.members[i].value
		}
	}
	return nil
}

// What one pattern, or a FilterCriteria, may hold. Lambda allows 4,096 characters a pattern.
const (
	maxValues = 50_000
	maxDepth  = 100
)

// parseSyntax reads one JSON document. Names may occur twice: in patterns the last wins.
func parseSyntax(data []byte) (syntax, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
	r := syntaxReader{dec: dec, data: data}
	s, err := r.value()
	if errors.Is(err, io.EOF) {
		return syntax{}, errors.New("is empty")
	}
	if errors.Is(err, errTooLarge) {
		return syntax{}, err
	}
	if err != nil {
		return syntax{}, fmt.Errorf("is not valid JSON: %w", err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return syntax{}, fmt.Errorf("is not valid JSON: something follows the value at byte %d", dec.InputOffset())
	}
	return s, nil
}

// errTooLarge says that there is more in a document than anybody writes.
var errTooLarge = fmt.Errorf("has more than %d values, or is nested deeper than %d levels", maxValues, maxDepth)

type syntaxReader struct {
	dec    *jsontext.Decoder
	data   []byte
	values int
}

func (r *syntaxReader) value() (syntax, error) {
	token, err := r.dec.ReadToken()
	if err != nil {
		return syntax{}, err
	}
	if r.values++; r.values > maxValues || r.dec.StackDepth() > maxDepth {
		return syntax{}, errTooLarge
	}
	s := syntax{kind: token.Kind()}
	start := r.dec.InputOffset() - 1
	switch s.kind {
	case jsontext.KindBeginObject:
		err = r.members(&s)
	case jsontext.KindBeginArray:
		err = r.items(&s)
	case jsontext.KindString:
		s.text = token.String()
		s.raw, err = jsontext.AppendQuote(nil, s.text)
		return s, err
	case jsontext.KindNull, jsontext.KindTrue, jsontext.KindFalse, jsontext.KindNumber,
		jsontext.KindEndObject, jsontext.KindEndArray, jsontext.KindInvalid:
		s.text = token.String()
		s.raw = []byte(s.text)
		return s, nil
	}
	if err != nil {
		return syntax{}, err
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return syntax{}, err
	}
	s.raw = r.data[start:r.dec.InputOffset()]
	return s, nil
}

func (r *syntaxReader) members(s *syntax) error {
	for r.dec.PeekKind() != jsontext.KindEndObject {
		name, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		m := syntaxMember{name: name.String()}
		if m.value, err = r.value(); err != nil {
			return err
		}
		s.members = append(s.members, m)
	}
	return nil
}

func (r *syntaxReader) items(s *syntax) error {
	for r.dec.PeekKind() != jsontext.KindEndArray {
		item, err := r.value()
		if err != nil {
			return err
		}
		s.items = append(s.items, item)
	}
	return nil
}
