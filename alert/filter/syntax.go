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

// parseSyntax reads one JSON document. Names may occur twice: in patterns the last wins.
func parseSyntax(data []byte) (syntax, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
	s, err := readSyntax(dec, data)
	if errors.Is(err, io.EOF) {
		return syntax{}, errors.New("is empty")
	}
	if err != nil {
		return syntax{}, fmt.Errorf("is not valid JSON: %w", err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return syntax{}, fmt.Errorf("is not valid JSON: something follows the value at byte %d", dec.InputOffset())
	}
	return s, nil
}

func readSyntax(dec *jsontext.Decoder, data []byte) (syntax, error) {
	token, err := dec.ReadToken()
	if err != nil {
		return syntax{}, err
	}
	s := syntax{kind: token.Kind()}
	start := dec.InputOffset() - 1
	switch s.kind {
	case jsontext.KindBeginObject:
		err = s.readMembers(dec, data)
	case jsontext.KindBeginArray:
		err = s.readItems(dec, data)
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
	if _, err := dec.ReadToken(); err != nil {
		return syntax{}, err
	}
	s.raw = data[start:dec.InputOffset()]
	return s, nil
}

func (s *syntax) readMembers(dec *jsontext.Decoder, data []byte) error {
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		m := syntaxMember{name: name.String()}
		if m.value, err = readSyntax(dec, data); err != nil {
			return err
		}
		s.members = append(s.members, m)
	}
	return nil
}

func (s *syntax) readItems(dec *jsontext.Decoder, data []byte) error {
	for dec.PeekKind() != jsontext.KindEndArray {
		item, err := readSyntax(dec, data)
		if err != nil {
			return err
		}
		s.items = append(s.items, item)
	}
	return nil
}
