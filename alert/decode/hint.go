package decode

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/decode/columns"
	"kinesis-alerter/alert/decode/envelope"
	"kinesis-alerter/alert/decode/unpack"
	"kinesis-alerter/alert/payload"
)

// What a record that cannot be read is looked at with: it must cost little, also where every record is bad.
const (
	hintRecord = 1 << 20 // larger records are not decoded
	hintPieces = 64      // of what is in a record
	hintLayers = 5
)

// hintLimits bound what a record may become while it is looked at.
func hintLimits() Limits { return Limits{Bytes: 2 << 20, Ratio: 100, Pieces: 10_000} }

// Hint looks once more at the payload of a Kinesis record that cannot be read: layer by layer, what it is, and which
// input reads it. It names only an input that it has decoded the record with, to records that rules could see. It
// returns nil where the bytes give no sure sign, and for a record that the plan reads, or most of it.
func (p *Plan) Hint(ctx context.Context, data []byte) *payload.Hint {
	if len(data) > hintRecord {
		return nil
	}
	x := newProber(data)
	if p != nil {
		if s := x.with(ctx, p); s.mostly() || s.dropped != "" {
			return nil
		}
	}
	return x.run(ctx)
}

// prober finds the layers of one record.
type prober struct {
	data  []byte
	json  *condition.Decoder
	slots []condition.Value
	in    Input
	looks []string
	// readable says that most of what is in the record can be read without an input.
	readable bool
	// last is what could not be read before the last steps, and like what that looked like.
	last []byte
	like payload.Likely
}

// seen is what an input makes of the record.
type seen struct {
	readable, broken int
	// first is a readable piece, unread one that is none, and defect why. fault is why a step failed.
	first, unread []byte
	defect        payload.Defect
	fault         *payload.Fault
	dropped       alert.Reason
}

// mostly reports whether rules would see at least half of what is in the record.
func (s *seen) mostly() bool {
	return s.readable > 0 && s.readable >= s.broken || s.dropped == alert.ReasonControlMessage
}

// Hint is Plan.Hint of the decoder's plan.
func (d *Decoder) Hint(ctx context.Context, data []byte) *payload.Hint { return d.plan.Hint(ctx, data) }

func newProber(data []byte) *prober {
	return &prober{
		data: data, json: condition.NewDecoder(condition.NewSchema(false)),
		slots: make([]condition.Value, condition.BuiltinSlots),
	}
}

func (p *prober) run(ctx context.Context) *payload.Hint {
	if IsAggregate(p.data) {
		p.looks = append(p.looks, "a KPL aggregate")
	}
	for i := range hintLayers {
		s, ok := p.try(ctx, p.in)
		if !ok {
			return p.hint("", nil, p.like.Remedy())
		}
		if s.mostly() && (i > 0 || s.broken == 0) {
			return p.found(ctx, &s)
		}
		p.readable = p.readable || s.mostly()
		if s.dropped == alert.ReasonEmpty {
			return p.hint(p.emptied(), nil, p.like.Remedy())
		}
		if s.unread == nil {
			return p.hint("", s.fault, "")
		}
		if bytes.Equal(s.unread, p.last) { // the step has found nothing to do
			return p.stuck()
		}
		p.last, p.like = s.unread, payload.SureCause(s.unread, s.defect)
		like := p.like
		steps, sure := next(like, s.unread)
		if !sure {
			return p.ends(ctx, like, s.unread)
		}
		p.looks = append(p.looks, describe(like, s.unread))
		if steps == nil {
			return p.hint("", nil, like.Remedy())
		}
		p.in.Steps = append(p.in.Steps, steps...)
	}
	return p.hint("", nil, "")
}

// found makes the hint of a record that can be read.
func (p *prober) found(ctx context.Context, s *seen) *payload.Hint {
	kind, _ := Envelope(ctx, s.first)
	packed := !slices.ContainsFunc(p.in.Steps, func(s Step) bool { return s.Decompress == "" })
	switch {
	case kind == envelope.CloudWatchLogs && len(p.in.Steps) > 0:
		in := Input{Preset: envelope.CloudWatchLogs}
		if !packed {
			in = Input{Steps: append(slices.Clone(p.in.Steps), Step{Unwrap: envelope.CloudWatchLogs})}
		}
		if inside, ok := p.try(ctx, in); ok && inside.mostly() {
			p.in = in
			p.looks = append(p.looks, "a batch of CloudWatch Logs")
		}
	case len(p.in.Steps) == 0:
		return nil // it can be read as it is
	}
	return p.hint(p.in.String(), nil, "")
}

// stuck makes the hint of a record that a step leaves as it is. zlib begins as text can.
func (p *prober) stuck() *payload.Hint {
	if p.like == payload.LikelyZlib {
		p.looks = p.looks[:len(p.looks)-1]
	}
	return p.hint("", nil, p.like.Remedy())
}

// emptied is the input where nothing comes out: only an empty array says surely how records are joined.
func (p *prober) emptied() string {
	if n := len(p.in.Steps); n > 0 && p.in.Steps[n-1].Split == splitArray {
		return p.in.String()
	}
	return ""
}

// ends makes the hint of a record whose last layer has no format that is sure.
func (p *prober) ends(ctx context.Context, like payload.Likely, data []byte) *payload.Hint {
	if n := len(p.in.Steps); like == payload.LikelyText && n > 0 && p.in.Steps[n-1].Split == "" &&
		p.in.Steps[n-1].Parse == nil {
		in := Input{Steps: append(slices.Clone(p.in.Steps), Step{Parse: &columns.Config{As: columns.AsText}})}
		if s, ok := p.try(ctx, in); ok && s.mostly() {
			p.looks = append(p.looks, like.Words())
			return p.hint(in.String(), nil, "")
		}
	}
	if len(p.looks) > 0 && like != payload.LikelyBinary {
		p.looks = append(p.looks, describe(like, data))
	}
	return p.hint("", nil, like.Remedy())
}

func (p *prober) hint(input string, fault *payload.Fault, remedy string) *payload.Hint {
	known := len(p.looks)
	if IsAggregate(p.data) {
		known--
	}
	if known == 0 || p.readable && input == "" {
		return nil
	}
	h := &payload.Hint{Begins: payload.Begins(p.data), Looks: p.looks, Input: input, Remedy: remedy}
	switch {
	case fault == nil:
	case fault.Defect == payload.UnpackLimit: // of the hint, which is less than what an input may
		h.Remedy = p.like.Remedy()
	default:
		h.Fault = fault.Detail
	}
	return h
}

// errSeenEnough ends the visits.
var errSeenEnough = errors.New("seen enough")

// try decodes the record with an input. It returns false if there is no such input.
func (p *prober) try(ctx context.Context, in Input) (s seen, ok bool) {
	plan, faults := in.Compile(hintLimits())
	if len(faults) > 0 {
		return s, false
	}
	if plan == nil {
		plan = &Plan{}
	}
	return p.with(ctx, plan), true
}

// with decodes the record with a plan.
func (p *prober) with(ctx context.Context, plan *Plan) (s seen) {
	bounded := *plan
	bounded.limits = hintLimits()
	rec := alert.Record{Data: p.data}
	_ = bounded.Decoder(NewBudget()).Each(ctx, &rec, func(u *UserRecord) error {
		p.judge(&bounded, u, &s)
		if s.readable+s.broken >= hintPieces {
			return errSeenEnough
		}
		return nil
	})
	return s
}

// judge adds a user record to what is seen.
func (p *prober) judge(plan *Plan, u *UserRecord, s *seen) {
	var defect payload.Defect
	fault, failed := errors.AsType[*payload.Fault](u.Err)
	switch {
	case u.Dropped != "":
		s.dropped = u.Dropped
		return
	case failed:
		s.broken++
		if s.fault == nil {
			s.fault = fault
		}
		return
	case u.Row != nil:
		s.readable++
		return
	case plan.Text():
		if !utf8.Valid(u.Data) {
			defect = payload.InvalidUTF8
		}
	default:
		defect = p.json.Decode(u.Data, p.slots)
	}
	if defect == "" {
		s.readable++
		if s.first == nil {
			s.first = bytes.Clone(u.Data)
		}
		return
	}
	s.broken++
	if s.unread == nil && defect != payload.Empty {
		s.unread, s.defect = bytes.Clone(u.Data), defect
	}
}

// next are the steps that read what looks like that; nil where no input reads it. It returns false where the bytes are
// no sure sign.
func next(like payload.Likely, data []byte) (steps []Step, sure bool) {
	switch like { //nolint:exhaustive // the others are no format
	case payload.LikelyGzip, payload.LikelyZlib, payload.LikelyZstd, payload.LikelyLZ4, payload.LikelySnappy:
		return []Step{{Decompress: string(unpack.Auto)}}, true
	case payload.LikelyUTF16:
		return []Step{{Decode: utf16Name(data)}}, true
	case payload.LikelyBase64:
		return []Step{{Decode: "base64"}}, true
	case payload.LikelyJSONText, payload.LikelyEscapedJSON:
		return []Step{{Decode: encodedJSON}}, true
	case payload.LikelyJSONLines:
		return []Step{{Split: splitLines}}, true
	case payload.LikelyConcatenated:
		return []Step{{Split: splitConcatenated}}, true
	case payload.LikelyJSONArray:
		return []Step{{Split: splitArray}}, true
	case payload.LikelyLogfmt:
		return logfmtSteps(data), true
	case payload.Likely(payload.NonFinite):
		return []Step{{Tolerate: []string{"non_finite"}}}, true
	case payload.Likely(payload.DuplicateKey):
		return []Step{{Tolerate: []string{"duplicate_names"}}}, true
	case payload.LikelyBzip2, payload.LikelyXZ, payload.LikelyZip, payload.LikelyAvro, payload.LikelyGlue,
		payload.LikelyConfluent, payload.LikelyParquet, payload.LikelyAggregate, payload.LikelyUTF32,
		payload.LikelyPython, payload.LikelyXML, payload.LikelyCSV, payload.LikelyOtherEncoding:
		return nil, true
	}
	return nil, false
}

// logfmtSteps read logfmt. It returns nil where lines are something else, such as the trace of an error.
func logfmtSteps(data []byte) []Step {
	parse := Step{Parse: &columns.Config{As: columns.AsLogfmt}}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	if len(lines) == 1 {
		return []Step{parse}
	}
	for _, line := range lines {
		name, _, pair := bytes.Cut(line, []byte("="))
		if !payload.IsBlank(line) && (!pair || len(name) == 0 || bytes.ContainsAny(name, " \t\"")) {
			return nil
		}
	}
	return []Step{{Split: splitLines}, parse}
}

// utf16Name is the encoding of UTF-16: without a mark, by where the zeros are.
func utf16Name(data []byte) string {
	switch {
	case len(data) < 2 || data[0] >= 0xFE:
		return "utf-16"
	case data[0] == 0:
		return "utf-16be"
	}
	return "utf-16le"
}

// describe says what bytes look like, with what their header says.
func describe(like payload.Likely, data []byte) string {
	words := like.Words()
	const glueCompression, confluentID = 1, 1
	switch {
	case like == payload.LikelyGlue && data[glueCompression] == 0:
		return words + ", not compressed"
	case like == payload.LikelyGlue:
		return words + ", compressed with zlib"
	case like == payload.LikelyConfluent && len(data) > confluentID+4:
		return fmt.Sprintf("%s, with schema id %d", words, binary.BigEndian.Uint32(data[confluentID:]))
	case like == payload.LikelySnappy && data[0] == 0x82:
		return words + " (xerial)"
	case like == payload.LikelyAggregate && len(data) >= aggregateOverhead:
		return "a KPL aggregate whose checksum does not hold"
	}
	return words
}

// Envelope recognises a record that can be read as it is, and that a service has put into an envelope. It returns the
// input that takes it out of that, and what it is in words; nothing for a record that is none, and where no such input
// reads it.
func Envelope(ctx context.Context, data []byte) (input, words string) {
	preset, words := envelopeOf(data)
	if preset == "" {
		return "", ""
	}
	asText := Input{Steps: []Step{{Unwrap: preset}, {Parse: &columns.Config{As: columns.AsText}}}}
	for _, in := range []Input{{Preset: preset}, asText} {
		if s, ok := newProber(data).try(ctx, in); ok && s.mostly() {
			return in.String(), words
		}
		if preset != envelope.SNS {
			break
		}
	}
	return "", ""
}

// envelopeOf goes by the members that only an envelope has.
func envelopeOf(data []byte) (preset, words string) {
	if len(data) > hintRecord {
		return "", ""
	}
	text := members(data,
		"messageType", "logGroup", "logEvents", "eventName", "dynamodb", "Type", "TopicArn", "Message")
	is := func(name string, values ...string) bool { return slices.Contains(values, text[name]) }
	begins := func(name, with string) bool { return strings.HasPrefix(text[name], with) }
	switch {
	case is("messageType", `"DATA_MESSAGE"`, `"CONTROL_MESSAGE"`) &&
		begins("logEvents", "[") && begins("logGroup", `"`):
		return envelope.CloudWatchLogs, "a batch of CloudWatch Logs"
	case is("eventName", `"INSERT"`, `"MODIFY"`, `"REMOVE"`) && begins("dynamodb", "{"):
		return "dynamodb", "a DynamoDB change"
	case is("Type", `"Notification"`) && begins("TopicArn", `"arn:`) && begins("Message", `"`):
		return "sns", "an SNS notification"
	}
	return "", ""
}

// members are those of an object by their names, as they are written; nil if data is no object.
func members(data []byte, names ...string) map[string]string {
	d := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != jsontext.KindBeginObject {
		return nil
	}
	found := map[string]string{}
	for d.PeekKind() == jsontext.KindString {
		name, err := d.ReadToken()
		if err != nil {
			return nil
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil
		}
		if slices.Contains(names, key) {
			found[key] = string(value)
		}
	}
	return found
}

// String is the input as a configuration has it, on one line.
func (in Input) String() string {
	if in.Preset != "" {
		return in.Preset
	}
	steps := make([]string, len(in.Steps))
	for i, s := range in.Steps {
		steps[i] = s.String()
	}
	return "[" + strings.Join(steps, ", ") + "]"
}

// String is the step on one line. Of parse it has only what a hint can know.
func (s *Step) String() string {
	switch {
	case s.Decompress != "":
		return "{decompress: " + s.Decompress + "}"
	case s.Decode != "":
		return "{decode: " + s.Decode + "}"
	case s.Split != "":
		return "{split: " + s.Split + "}"
	case s.Unwrap != "":
		return "{unwrap: " + s.Unwrap + "}"
	case s.Parse != nil:
		return "{parse: {as: " + s.Parse.As + "}}"
	case s.Nested != nil:
		return "{nested: [" + strings.Join(s.Nested, ", ") + "]}"
	}
	return "{tolerate: [" + strings.Join(s.Tolerate, ", ") + "]}"
}
