package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/payload"
)

// strictReader reads envelopes that the short way did not take, and says what is wrong with those that are none.
type strictReader struct {
	outer, inner *jsontext.Decoder
	whole, part  bytes.Buffer
	name         []byte
}

// readStrictly reads the envelope. The outer decoder finds the events, and the inner one is strict about each: half of
// a surrogate pair, bytes that are no UTF-8 or a name that occurs twice cost one event, not its neighbours.
func (b *Batch) readStrictly(pieces int) *payload.Fault {
	s := &b.strict
	s.whole = *bytes.NewBuffer(b.data)
	if s.outer == nil {
		s.outer, s.inner = jsontext.NewDecoder(&s.whole), jsontext.NewDecoder(&s.part)
	}
	s.outer.Reset(&s.whole, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	fault := b.readObject(s.outer, pieces)
	s.whole, s.part = bytes.Buffer{}, bytes.Buffer{} // they must not keep the record
	s.outer.Reset(&s.whole)
	s.inner.Reset(&s.part)
	return fault
}

// readObject reads the members of the envelope.
func (b *Batch) readObject(d *jsontext.Decoder, pieces int) *payload.Fault {
	if d.PeekKind() != jsontext.KindBeginObject {
		if _, err := d.ReadValue(); err != nil {
			return b.notJSON(err)
		}
		return badEnvelope("it is no object")
	}
	_, _ = d.ReadToken()
	kind, events := span{}, false
	for d.PeekKind() == jsontext.KindString {
		quoted, err := d.ReadValue()
		if err != nil {
			return b.notJSON(err)
		}
		// one that is not UTF-8 is none of those below
		b.strict.name, _ = jsontext.AppendUnquote(b.strict.name[:0], quoted)
		name := b.strict.name
		place, known := headMember(name)
		again := known && b.head[place].Kind != payload.Absent
		switch {
		case string(name) == "logEvents":
			if again = events; !again {
				events = true
				if fault := b.readList(d, pieces); fault != nil {
					return fault
				}
			}
		default:
			at, err := valueOf(d)
			if err != nil {
				return b.notJSON(err)
			}
			isKind := string(name) == "messageType"
			if again = again || isKind && kind.to > 0; again {
				break
			}
			raw := b.data[at.from:at.to]
			if (known || isKind) && !jsontext.Value(raw).IsValid() {
				return badEnvelope(fmt.Sprintf("%s is not strict JSON", name))
			}
			if known {
				b.head[place] = payload.Cell{Kind: payload.JSON, Raw: raw}
			}
			if isKind {
				kind = at
			}
		}
		if again {
			return badEnvelope(fmt.Sprintf("%s occurs twice", name))
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return b.notJSON(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return badEnvelope(fmt.Sprintf("there is more behind the object, at byte %d of %d",
			d.InputOffset(), len(b.data)))
	}
	return b.judge(kind, events)
}

// judge goes by the kind of the message, which a producer in between may have left out.
func (b *Batch) judge(kind span, events bool) *payload.Fault {
	text, _ := jsontext.AppendUnquote(nil, b.data[kind.from:kind.to])
	switch {
	case kind.to > 0 && string(text) == "CONTROL_MESSAGE":
		b.Control = true
	case kind.to > 0 && string(text) != "DATA_MESSAGE":
		const most = 40
		return badEnvelope(fmt.Sprintf("messageType is %.*s, where it has to be DATA_MESSAGE or CONTROL_MESSAGE", most,
			strings.ToValidUTF8(string(b.data[kind.from:kind.to]), "\uFFFD")))
	case !events:
		return badEnvelope("it has no logEvents")
	}
	return nil
}

// valueOf reads a value and says where it is.
func valueOf(d *jsontext.Decoder) (span, error) {
	raw, err := d.ReadValue()
	end := d.InputOffset()
	return span{uint32(end - int64(len(raw))), uint32(end)}, err //nolint:gosec // Read has looked at the size
}

// notJSON is the fault of an envelope that breaks JSON's grammar.
func (b *Batch) notJSON(err error) *payload.Fault {
	at := b.strict.outer.InputOffset()
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = syntax.ByteOffset
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return badEnvelope(fmt.Sprintf("it ends early, after %d bytes", len(b.data)))
	}
	return badEnvelope(fmt.Sprintf("it is not JSON, from byte %d of %d on", at, len(b.data)))
}

// readList reads the events.
func (b *Batch) readList(d *jsontext.Decoder, pieces int) *payload.Fault {
	if d.PeekKind() != jsontext.KindBeginArray {
		if _, err := d.ReadValue(); err != nil {
			return b.notJSON(err)
		}
		return badEnvelope("logEvents is no list")
	}
	_, _ = d.ReadToken()
	for d.PeekKind() != jsontext.KindEndArray {
		at, err := valueOf(d)
		if err != nil {
			return b.notJSON(err)
		}
		if len(b.events) >= pieces {
			return tooMany()
		}
		b.events = append(b.events, b.readOne(at))
	}
	if _, err := d.ReadToken(); err != nil {
		return b.notJSON(err)
	}
	return nil
}

// readOne reads an event, which may be broken.
func (b *Batch) readOne(at span) event {
	raw := b.data[at.from:at.to]
	broken := func(s eventState) event { return event{message: at, state: s} }
	if raw[0] != '{' {
		return broken(noObject)
	}
	if !jsontext.Value(raw).IsValid() {
		return broken(notStrict)
	}
	e := event{state: noMessage}
	d := b.strict.inner
	b.strict.part = *bytes.NewBuffer(raw)
	d.Reset(&b.strict.part)
	_, _ = d.ReadToken()
	for d.PeekKind() == jsontext.KindString {
		quoted, _ := d.ReadValue()
		b.strict.name, _ = jsontext.AppendUnquote(b.strict.name[:0], quoted)
		s, _ := valueOf(d)
		s = span{s.from + at.from, s.to + at.from}
		switch string(b.strict.name) {
		case "id":
			e.id = s
		case "timestamp":
			e.timestamp = s
		case "extractedFields":
			e.extracted = s
		case "message":
			e.message, e.state = b.text(s)
		}
	}
	if e.state > escapedMessage {
		return broken(e.state)
	}
	return e
}

// text is the text of a value, which is strict JSON.
func (b *Batch) text(s span) (span, eventState) {
	quoted := b.data[s.from:s.to]
	if quoted[0] != '"' {
		return s, otherMessage
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return span{s.from + 1, s.to - 1}, plainMessage
	}
	from := len(b.texts)
	b.texts, _ = jsontext.AppendUnquote(b.texts, quoted)
	return between(from, len(b.texts)), escapedMessage
}

// broken is the fault of an event.
func (b *Batch) broken(i int) *payload.Fault {
	e := &b.events[i]
	problem := ""
	switch e.state {
	case noObject:
		problem = "is no object"
	case noMessage:
		problem = "has no message"
	case otherMessage:
		problem = "has a message that is no text"
	case notStrict:
		problem = "is not strict JSON"
		d := jsontext.NewDecoder(bytes.NewBuffer(b.data[e.message.from:e.message.to]))
		if _, err := d.ReadValue(); errors.Is(err, jsontext.ErrDuplicateName) {
			problem = "has a name twice"
		}
	case plainMessage, escapedMessage: // they are not broken
	}
	return badEnvelope(fmt.Sprintf("logEvents[%d] %s", i, problem))
}
