package consumer

import (
	"cmp"
	"strconv"
	"strings"
)

// position is a place in a shard: a Kinesis record, or one of the records inside an aggregate. A plain record and the
// last one of an aggregate have sub WholeRecord, so that a checkpoint there is past the whole Kinesis record.
type position struct {
	sequence string
	sub      uint32
}

// compare orders positions of one shard. Sequence numbers are decimal numbers of up to 129 digits without leading
// zeros: the longer one is the larger one. The empty position is before all others.
func (p position) compare(q position) int {
	return cmp.Or(
		cmp.Compare(len(p.sequence), len(q.sequence)),
		strings.Compare(p.sequence, q.sequence),
		cmp.Compare(p.sub, q.sub),
	)
}

// stretch is what is resolved above the watermark: everything after `after`, up to and including `upTo`.
type stretch struct {
	after, upTo position
}

// maxStretchText bounds the text of encodeStretches, for the lease row: with it, the other attributes and the row's
// parents, the row stays far below DynamoDB's 400 KB. What does not fit is published again after a restart.
const maxStretchText = 64 << 10

// maxStretches is more than fits into maxStretchText with sequence numbers of the length that Kinesis gives them.
const maxStretches = 1024

// encodeStretches writes stretches as "seq.sub>seq.sub", separated by commas; the first ones that fit.
func encodeStretches(stretches []stretch) string {
	var b strings.Builder
	for _, s := range stretches {
		text := s.after.String() + ">" + s.upTo.String()
		if b.Len()+len(text)+1 > maxStretchText {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text)
	}
	return b.String()
}

// decodeStretches reads what encodeStretches wrote. Text that it does not understand is ignored from there on: the
// records are published again, which is always allowed.
func decodeStretches(text string) []stretch {
	var out []stretch
	for part := range strings.SplitSeq(text, ",") {
		after, upTo, ok := strings.Cut(part, ">")
		a, okA := parsePosition(after)
		u, okU := parsePosition(upTo)
		if !ok || !okA || !okU {
			return out
		}
		out = append(out, stretch{a, u})
	}
	return out
}

func (p position) String() string {
	if p.sub == WholeRecord {
		return p.sequence
	}
	return p.sequence + "." + strconv.FormatUint(uint64(p.sub), 10)
}

func parsePosition(text string) (position, bool) {
	seq, sub, aggregated := strings.Cut(text, ".")
	if seq == "" || strings.Trim(seq, "0123456789") != "" {
		return position{}, false
	}
	if !aggregated {
		return position{seq, WholeRecord}, true
	}
	n, err := strconv.ParseUint(sub, 10, 32)
	return position{seq, uint32(n)}, err == nil
}

// covers says whether a position lies in one of the stretches, which are in order.
func covers(stretches []stretch, p position) bool {
	for _, s := range stretches {
		if p.compare(s.after) <= 0 {
			return false
		}
		if p.compare(s.upTo) <= 0 {
			return true
		}
	}
	return false
}
