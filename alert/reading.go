package alert

import (
	"bytes"
	"math/bits"
	"unicode/utf8"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/alert/payload"
)

// reading is the record at hand as the filter, the rules and the templates see it, and the working memory for that.
type reading struct {
	pipeline *Pipeline
	clock    *eventClock
	agreed   *agreement // of the memory
	// set is the version of the rules that the evaluator runs.
	set     *compiled
	decoder *condition.Decoder
	scoring *scoring // nil where there are no scores
	matcher *filter.Matcher
	frame   condition.Frame
	// spelled is a record that was a row, with its JSON text in text, which is used again.
	spelled Record
	text    []byte
	// scored is the record with what the scores add to its payload.
	scored Record
	// kept is the record at hand as its alerts have it, once there is one.
	kept *Record
	// key and name are copies that the slots of the built-in names point to; keyText is the key of the rule at hand.
	key, name, keyText []byte
	// counted is what a distinct window counts of the record at hand.
	counted condition.Value
	// heads are the beginnings of the members with a record's position, by output; written is the output record at
	// hand.
	heads   [][]byte
	written []byte
	// unwritable is why the record at hand is no object, where records without rules need not be one.
	unwritable Reason
	// covered are the conditions of silences that the record meets, among those evaluated so far (judged).
	covered, judged uint32
}

// release drops everything that may refer to a payload or have grown with it.
func (in *reading) release() {
	in.decoder, in.frame, in.matcher = condition.NewDecoder(in.set.schema), condition.NewFrame(in.set.schema), nil
	in.keyText, in.written, in.text, in.counted = nil, nil, nil, condition.Value{}
	in.spelled = Record{}
	if in.scoring = nil; len(in.set.scores) > 0 {
		in.scoring = newScoring(in.set.scored)
	}
	if in.set.filter != nil {
		in.matcher = in.set.filter.Matcher()
	}
}

// maxRetained is the payload size up to which an evaluator keeps its working memory, and with it the payload, until the
// next record. A larger payload is released at once: an idle shard must not pin megabytes.
const maxRetained = 64 << 10

// maxRow is the size of a row up to which its JSON text is certainly no more than payload.MaxRecordBytes: an escape
// takes six bytes.
const maxRow = 1 << 20

// spell returns the record with a JSON text if the rules need one.
func (in *reading) spell(rec *Record) *Record {
	if rec.Row == nil || in.set.readsRows && rec.Row.Size() <= maxRow {
		return rec
	}
	in.text = rec.Row.AppendJSON(in.text[:0])
	in.spelled = *rec
	in.spelled.Data, in.spelled.Row, in.spelled.Borrowed = in.text, nil, true
	return &in.spelled
}

// textOf is the JSON text of a record, valid until the next call.
func (in *reading) textOf(rec *Record) []byte {
	if rec.Row == nil {
		return rec.Data
	}
	in.text = rec.Row.AppendJSON(in.text[:0])
	return in.text
}

// admit applies the filter.
func (in *reading) admit(rec *Record) filter.Result {
	if in.matcher == nil {
		return filter.Matched
	}
	return in.matcher.Match(rec.Data, rec.PartitionKey)
}

// read fills the slots. It returns the reason why the record is invalid, or the empty reason.
func (in *reading) read(rec *Record) Reason {
	c := in.set
	if c.every != nil || c.schema.Text {
		if len(rec.Data) > payload.MaxRecordBytes {
			return ReasonTooLarge
		}
		if !utf8.Valid(rec.Data) {
			return ReasonInvalidUTF8
		}
		if c.every != nil && len(c.outputs) == 0 {
			return ""
		}
		if !c.schema.Text {
			in.unwritable = in.decode(rec)
		}
		in.builtins(rec)
		return ""
	}
	if reason := in.decode(rec); reason != "" {
		return reason
	}
	for slot, hidden := range in.decoder.Shadowed {
		if hidden {
			in.pipeline.shadowed(slot)
		}
	}
	in.builtins(rec)
	return ""
}

// decode fills the slots of the fields.
func (in *reading) decode(rec *Record) Reason {
	for _, slot := range in.decoder.Touched { // left by the previous record
		in.frame.Slots[slot] = condition.Value{}
	}
	if rec.Row != nil {
		return Reason(in.decoder.DecodeRow(rec.Row, in.frame.Slots))
	}
	return Reason(in.decoder.Decode(rec.Data, in.frame.Slots))
}

// builtins fills the slots of the built-in names that rules mention.
func (in *reading) builtins(rec *Record) {
	used := &in.set.schema.Used
	slots := in.frame.Slots
	if used[condition.SlotPartitionKey] {
		in.key = append(in.key[:0], rec.PartitionKey...)
		slots[condition.SlotPartitionKey] = condition.Value{Kind: condition.Text, Raw: in.key}
	}
	if used[condition.SlotShard] {
		slots[condition.SlotShard] = condition.Value{Kind: condition.Text, Raw: in.name}
	}
	if used[condition.SlotArrival] {
		slots[condition.SlotArrival] = condition.Value{Kind: condition.Moment, At: rec.Arrival.UTC()}
	}
	if used[condition.SlotAge] {
		slots[condition.SlotAge] = condition.Value{Kind: condition.Span, NS: int64(in.clock.eventTime.Sub(rec.Arrival))}
	}
	if used[condition.SlotData] {
		slots[condition.SlotData] = condition.Value{Kind: condition.Text, Raw: rec.Data}
	}
}

// readQuietly is read without counting hidden fields.
func (in *reading) readQuietly(rec *Record) Reason {
	if in.set.every != nil || in.set.schema.Text {
		return in.read(rec)
	}
	if defect := in.decoder.Decode(rec.Data, in.frame.Slots); defect != "" {
		return Reason(defect)
	}
	in.builtins(rec)
	return ""
}

// countKey counts a record that matches a rule and has no proper key.
func (in *reading) countKey(r *rule) {
	if r.key == nil {
		return
	}
	if _, cause := r.key.Load(&in.frame); cause.Undefined() {
		r.metrics.undefined[cause].Add(1)
	}
}

// keyOf returns the rule's key of a record. A key that cannot be computed is empty: an alert without a proper key is
// better than none. The bytes are valid until the next call.
func (in *reading) keyOf(r *rule, partitionKey string) []byte {
	in.keyText = in.keyText[:0]
	switch {
	case r.keyless():
	case r.key == nil:
		in.keyText = append(in.keyText, partitionKey...)
	default:
		if v, cause := r.key.Load(&in.frame); !cause.Undefined() {
			in.keyText = v.AppendText(in.keyText)
		}
		if len(in.keyText) > maxKey && in.agreed.keyed() {
			return in.agreed.key.shorten(in.keyText)
		}
	}
	return in.keyText
}

// severityOf returns an alert's severity as an index of severities.
func (in *reading) severityOf(r *rule, t *trigger) uint8 {
	word := r.severity
	if r.severityOf != nil && t.rec != nil {
		if v, cause := r.severityOf.Load(&in.frame); !cause.Undefined() && v.Kind == condition.Text {
			word = string(v.Raw)
		}
	}
	for i, s := range severities() {
		if s == word {
			return uint8(i)
		}
	}
	return warning // the expression yields no valid severity
}

// keep returns a copy of a record that may outlive the evaluation.
func (in *reading) keep(rec *Record) Record {
	if in.kept == nil {
		kept := rec.Kept()
		if in.scoring != nil { // whose buffer is used again
			kept.Data = bytes.Clone(rec.Data)
		}
		in.kept = &kept
	}
	return *in.kept
}

// verdicts returns which of some silence conditions the record at hand meets. Each is evaluated at most once per
// record, and only on demand.
func (in *reading) verdicts(of uint32) uint32 {
	for todo := of &^ in.judged; todo != 0; todo &= todo - 1 {
		if i := bits.TrailingZeros32(todo); in.set.covers[i].covers(&in.frame) {
			in.covered |= 1 << i
		}
	}
	in.judged |= of
	return in.covered & of
}
