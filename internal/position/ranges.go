package position

import (
	"slices"
	"strings"
)

// Range is everything after one position, up to and including another.
type Range struct {
	After, UpTo Position
}

// MaxText bounds the text of EncodeRanges. With it, the other attributes and the row's parents, a lease row stays far
// below DynamoDB's 400 KB. What does not fit is published again after a restart.
const MaxText = 64 << 10

// MaxRanges is more than EncodeRanges can write with sequence numbers of the length that Kinesis gives them.
const MaxRanges = 1024

// EncodeRanges writes ranges as "seq.sub>seq.sub", separated by commas; the first ones that fit.
func EncodeRanges(ranges []Range) string {
	var b strings.Builder
	for _, r := range ranges {
		text := r.After.String() + ">" + r.UpTo.String()
		if b.Len()+len(text)+1 > MaxText {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text)
	}
	return b.String()
}

// DecodeRanges reads what EncodeRanges wrote, up to the first text that it does not understand.
func DecodeRanges(text string) []Range {
	var out []Range
	for part := range strings.SplitSeq(text, ",") {
		after, upTo, ok := strings.Cut(part, ">")
		a, okA := Parse(after)
		u, okU := Parse(upTo)
		if !ok || !okA || !okU {
			return out
		}
		out = append(out, Range{a, u})
	}
	return out
}

// Covers reports whether a position is in one of the ranges, which are in order.
func Covers(ranges []Range, p Position) bool {
	for _, r := range ranges {
		if p.Compare(r.After) <= 0 {
			return false
		}
		if p.Compare(r.UpTo) <= 0 {
			return true
		}
	}
	return false
}

// Union joins ranges that meet or overlap, and puts them in order.
func Union(lists ...[]Range) []Range {
	all := slices.Concat(lists...)
	all = slices.DeleteFunc(all, func(r Range) bool { return r.UpTo.Compare(r.After) <= 0 })
	slices.SortFunc(all, func(a, b Range) int { return a.After.Compare(b.After) })
	out := all[:0]
	for _, r := range all {
		if n := len(out); n > 0 && r.After.Compare(out[n-1].UpTo) <= 0 {
			if r.UpTo.Compare(out[n-1].UpTo) > 0 {
				out[n-1].UpTo = r.UpTo
			}
			continue
		}
		out = append(out, r)
	}
	return out
}
