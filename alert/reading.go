package alert

import (
	"bytes"
	"math/bits"
	"unicode/utf8"

	"kinesis-alerter/alert/filter"
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
	// scored is the record with what the scores add to its payload.
	scored Record
	// payload is what the alerts of a scored record keep, once one is made: the scores' own memory is used again.
	payload []byte
	// key and name are copies that the slots of the built-in names point to; keyText is the key of the rule at hand.
	key, name, keyText []byte
	// counted is what a distinct window counts of the record at hand.
	counted condition.Value
	// covered are the conditions of silences that the record meets, of those that were judged.
	covered, judged uint32
}

// release drops everything that may point into a payload or have grown with it.
func (in *reading) release() {
	in.decoder, in.frame, in.matcher = newDecoder(in.set.schema), newFrame(in.set.schema), nil
	in.keyText, in.counted = nil, value{}
	if in.scoring = nil; len(in.set.scores) > 0 {
		in.scoring = newScoring(in.set.scored)
	}
	if in.set.filter != nil {
		in.matcher = in.set.filter.Matcher()
	}
}

// maxRetained is the payload up to which an evaluator keeps its working memory, and with it the payload, until the next
// record. A larger one is let go at once: an idle shard must not pin megabytes.
const maxRetained = 64 << 10

// admit asks the filter.
func (in *reading) admit(rec *Record) filter.Result {
	if in.matcher == nil {
		return filter.Matched
	}
	return in.matcher.Match(rec.Data, rec.PartitionKey)
}

// read fills the slots. It returns the reason why the record is invalid, or the empty reason.
func (in *reading) read(rec *Record) Reason {
	c := in.set
	if c.every != nil || c.schema.text {
		if len(rec.Data) > MaxRecordBytes {
			return ReasonTooLarge
		}
		if !utf8.Valid(rec.Data) {
			return ReasonInvalidUTF8
		}
		if c.every != nil {
			return ""
		}
		in.builtins(rec)
		return ""
	}
	if reason := in.decode(rec); reason != "" {
		return reason
	}
	for slot, hidden := range in.decoder.shadowed {
		if hidden {
			in.pipeline.shadowed(slot)
		}
	}
	in.builtins(rec)
	return ""
}

// decode fills the slots of the fields.
func (in *reading) decode(rec *Record) Reason {
	for _, slot := range in.decoder.touched { // of the record before
		in.frame.slots[slot] = value{}
	}
	return Reason(in.decoder.decode(rec.Data, in.frame.slots))
}

// builtins fills the slots of the built-in names that some rule mentions.
func (in *reading) builtins(rec *Record) {
	used := &in.set.schema.used
	slots := in.frame.slots
	if used[slotPartitionKey] {
		in.key = append(in.key[:0], rec.PartitionKey...)
		slots[slotPartitionKey] = value{kind: text, raw: in.key}
	}
	if used[slotShard] {
		slots[slotShard] = value{kind: text, raw: in.name}
	}
	if used[slotArrival] {
		slots[slotArrival] = value{kind: moment, at: rec.Arrival.UTC()}
	}
	if used[slotAge] {
		slots[slotAge] = value{kind: span, ns: int64(in.clock.eventTime.Sub(rec.Arrival))}
	}
	if used[slotData] {
		slots[slotData] = value{kind: text, raw: rec.Data}
	}
}

// readQuietly is read without accounting for hidden fields.
func (in *reading) readQuietly(rec *Record) Reason {
	if in.set.every != nil || in.set.schema.text {
		return in.read(rec)
	}
	if defect := in.decoder.decode(rec.Data, in.frame.slots); defect != "" {
		return Reason(defect)
	}
	in.builtins(rec)
	return ""
}

// countKey accounts for a record that matches a rule and has no proper key.
func (in *reading) countKey(r *rule) {
	if r.key == nil {
		return
	}
	if _, cause := r.key.load(&in.frame); cause.undefined() {
		r.metrics.undefined[cause].Add(1)
	}
}

// keyOf is what "the same alert" means for a record. A key that cannot be computed is the empty one: an alert without a
// proper key is better than none. The bytes are valid until the next call.
func (in *reading) keyOf(r *rule, partitionKey string) []byte {
	in.keyText = in.keyText[:0]
	switch {
	case r.whole():
	case r.key == nil:
		in.keyText = append(in.keyText, partitionKey...)
	default:
		if v, cause := r.key.load(&in.frame); !cause.undefined() {
			in.keyText = v.appendText(in.keyText)
		}
		if len(in.keyText) > maxKey && in.agreed.keyed() {
			return in.agreed.key.shorten(in.keyText)
		}
	}
	return in.keyText
}

// severityOf is the place of an alert's severity among severities.
func (in *reading) severityOf(r *rule, o *occasion) uint8 {
	word := r.severity
	if r.severityOf != nil && o.rec != nil {
		if v, cause := r.severityOf.load(&in.frame); !cause.undefined() && v.kind == text {
			word = string(v.raw)
		}
	}
	for i, s := range severities() {
		if s == word {
			return uint8(i)
		}
	}
	return warning // what an expression says that is no severity
}

// kept is a record that may be kept.
func (in *reading) kept(rec *Record) Record {
	kept := *rec
	if in.scoring != nil {
		if in.payload == nil {
			in.payload = bytes.Clone(rec.Data)
		}
		kept.Data = in.payload
	}
	return kept
}

// verdicts says which of some conditions the record at hand meets. Each is evaluated once at most, and only for a record that matters.
func (in *reading) verdicts(of uint32) uint32 {
	for todo := of &^ in.judged; todo != 0; todo &= todo - 1 {
		if i := bits.TrailingZeros32(todo); in.set.covers[i].covers(&in.frame) {
			in.covered |= 1 << i
		}
	}
	in.judged |= of
	return in.covered & of
}
