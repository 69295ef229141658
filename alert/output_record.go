package alert

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/zap"

	"kinesis-alerter/alert/budget"
	"kinesis-alerter/alert/condition"
)

// Output is one record for an output stream.
type Output struct {
	// Name names the configured output.
	Name string
	// Key is the partition key that the record gets.
	Key string
	// Data is a JSON object. The receiver may keep it.
	Data []byte
	// Reason says why the record can never be written; empty for one that can. It is one of a closed set.
	Reason Reason
	// Detail explains Reason.
	Detail string
}

// ReasonOutputKey is an output record whose partition key is undefined, empty or too long. It is not a reason of
// Invalid.
const ReasonOutputKey Reason = "output_key"

// maxOutputKey is how long the partition key of a Kinesis record may be, in characters.
const maxOutputKey = 256

// outputHeads returns, for each output, the beginning of the member that says where records of a shard come from; nil
// where there is none.
func (c *compiled) outputHeads(stream, shard string) [][]byte {
	var heads [][]byte
	for _, o := range c.outputs {
		var b []byte
		if o.source != "" {
			b = appendText(b, o.source)
			b = appendText(append(b, `:{"stream":`...), stream)
			b = appendText(append(b, `,"shardId":`...), shard)
			b = append(b, `,"sequenceNumber":`...)
		}
		heads = append(heads, b)
	}
	return heads
}

// appendText appends a text of JSON.
func appendText[T ~string | ~[]byte](to []byte, s T) []byte {
	to, _ = jsontext.AppendQuote(to, s) // what is not UTF-8 becomes U+FFFD
	return to
}

// write makes the outputs of the record at hand.
func (e *Evaluator) write(rec *Record) {
	for i, o := range e.in.set.outputs {
		if e.in.unwritable != "" { // without rules: it alerts all the same
			if o.always {
				e.outputs = append(e.outputs, Output{
					Name: o.name, Key: rec.PartitionKey, Data: bytes.Clone(rec.Data), Reason: e.in.unwritable,
					Detail: "the record cannot be read as a JSON object: " + string(e.in.unwritable),
				})
			}
			continue
		}
		v, _ := o.formula.Judge(&e.in.frame)
		if v == condition.Yes {
			e.outputs = append(e.outputs, e.in.output(o, e.in.heads[i], rec))
		} else if v == condition.UndefinedOverBudget {
			e.over = true
			e.outputOver(o, rec)
		}
	}
}

// outputOver logs a record that an output cannot judge within its budget.
func (e *Evaluator) outputOver(o *output, rec *Record) {
	const atMost = int64(time.Minute / time.Millisecond)
	if now := e.clock.now(); e.lastLogged == 0 || now >= e.lastLogged+atMost {
		e.lastLogged = now
		e.pipeline.log.Warn("an output exceeded its budget and did not judge a record; logged at most once a minute",
			zap.String("output", o.name), zap.String("why", budget.Remedy(e.in.frame.Meter.Over)),
			zap.String("shard", e.shard), zap.String("sequence_number", rec.SequenceNumber),
			zap.Int("bytes", len(rec.Data)))
	}
}

// output makes what is written of the record at hand.
func (in *reading) output(o *output, head []byte, rec *Record) Output {
	out := Output{Name: o.name, Data: bytes.Clone(in.render(o, head, rec))}
	out.Key, out.Detail = in.outputKey(o, rec)
	if out.Detail != "" {
		out.Reason = ReasonOutputKey
	}
	return out
}

// outputKey returns the partition key of an output record, and why it can be none.
func (in *reading) outputKey(o *output, rec *Record) (key, fault string) {
	key = rec.PartitionKey
	if o.key != nil {
		v, cause := o.key.Load(&in.frame)
		if cause.Undefined() {
			return "", fmt.Sprintf("the key %s is undefined: %s", o.keySource, cause.Cause())
		}
		in.keyText = v.AppendText(in.keyText[:0])
		key = string(in.keyText)
	}
	switch {
	case key == "":
		return "", "the key is empty"
	case len(key) > maxOutputKey && utf8.RuneCountInString(key) > maxOutputKey:
		return key, fmt.Sprintf("the key has %d characters, and Kinesis takes %d", utf8.RuneCountInString(key),
			maxOutputKey)
	}
	return key, ""
}

// render returns the JSON of an output record. It is valid until the next call.
func (in *reading) render(o *output, head []byte, rec *Record) []byte {
	b := in.written[:0]
	tail := []byte("}")
	switch {
	case len(o.fields) > 0:
		b = append(b, '{')
		for i := range o.fields {
			b = in.appendField(b, &o.fields[i])
		}
	case o.text:
		b = appendText(append(b, `{"`+textMember+`":`...), rec.Data)
	default:
		end := bytes.LastIndexByte(rec.Data, '}')
		tail = rec.Data[end:] // with the white space behind it, which may end the lines of an archive
		if o.replaced >= 0 && in.decoder.Raw[o.replaced] != nil {
			b = appendWithout(b, rec.Data, o.source)
		} else {
			b = append(b, bytes.TrimRight(rec.Data[:end], " \t\r\n")...)
		}
	}
	if head != nil {
		b = appendComma(b)
		b = append(b, head...)
		b = appendSequence(b, rec.SequenceNumber)
		b = append(b, `,"subSequenceNumber":`...)
		b = strconv.AppendUint(b, uint64(rec.SubSequence), 10)
		b = append(b, '}')
	}
	in.written = append(b, tail...)
	return in.written
}

// appendSequence appends a sequence number as a text: nearly always digits, in which nothing has to be escaped.
func appendSequence(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return appendText(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendComma appends what has to stand before a further member of an unfinished object.
func appendComma(b []byte) []byte {
	if b[len(b)-1] == '{' {
		return b
	}
	return append(b, ',')
}

// appendField appends a member, if the record has it.
func (in *reading) appendField(b []byte, x *outputField) []byte {
	if x.builtin < 0 {
		raw := in.decoder.Raw[x.raw]
		if raw == nil {
			return b
		}
		return append(append(appendComma(b), x.member...), raw...)
	}
	b = append(appendComma(b), x.member...)
	v := &in.frame.Slots[x.builtin]
	if v.Kind == condition.Text {
		return appendText(b, v.Raw)
	}
	b = append(b, '"')
	return append(v.AppendText(b), '"')
}

// appendWithout appends an object, which is valid, without its end and without the member of a name.
func appendWithout(to, data []byte, name string) []byte {
	d := jsontext.NewDecoder(bytes.NewBuffer(data))
	_, _ = d.ReadToken()
	to = append(to, '{')
	var text []byte
	for d.PeekKind() == jsontext.KindString {
		quoted, _ := d.ReadValue()
		text, _ = jsontext.AppendUnquote(text[:0], quoted)
		before := len(to)
		to = append(append(appendComma(to), quoted...), ':')
		value, _ := d.ReadValue()
		if to = append(to, value...); string(text) == name {
			to = to[:before]
		}
	}
	return to
}
