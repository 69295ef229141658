package position

import (
	"cmp"
	"strconv"
	"strings"
)

const (
	// ShardEnd is the checkpoint of a shard of which every record is settled.
	ShardEnd = "SHARD_END"
	// WholeRecord is the Sub of a position past a Kinesis record with all that is inside it.
	WholeRecord = ^uint32(0)
	// MaxDigits is the longest sequence number that the Kinesis API allows (pattern 0|([1-9]\d{0,128})).
	MaxDigits = 129
)

// Position is a position in a shard: a Kinesis record, or one of the records inside an aggregate. A plain record and
// the last one of an aggregate have Sub WholeRecord. The zero value is before the first record.
type Position struct {
	Sequence string
	Sub      uint32
}

// Before is a position behind everything that comes before a Kinesis record. No record has it, so Kinesis is never
// asked for it.
func Before(sequence string) Position {
	digits := []byte(sequence)
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i]--; digits[i] >= '0' {
			break
		}
		if digits[i] = '9'; i == 0 {
			return Position{} // nothing comes before 0
		}
	}
	if len(digits) > 1 && digits[0] == '0' && sequence[0] != '0' { // what has fewer digits is less
		digits = digits[1:]
	}
	return Past(string(digits))
}

// Inside reports whether the position is between two records of one Kinesis record.
func (p Position) Inside() bool { return !p.IsZero() && p.Sub != WholeRecord }

// Past is the position past a Kinesis record with all that is inside it.
func Past(sequence string) Position { return Position{sequence, WholeRecord} }

// IsZero reports whether the position is before the first record.
func (p Position) IsZero() bool { return p.Sequence == "" }

// Compare orders positions of one shard.
func (p Position) Compare(q Position) int {
	return cmp.Or(CompareSequences(p.Sequence, q.Sequence), cmp.Compare(p.Sub, q.Sub))
}

// Comparable reports whether two positions can be ordered: a number and a text that is not one cannot.
func (p Position) Comparable(q Position) bool {
	return p.IsZero() || q.IsZero() || ValidSequence(p.Sequence) == ValidSequence(q.Sequence)
}

// CompareSequences orders sequence numbers of one shard. They have no leading zeros, so the longer one is the larger
// one, and text order decides between equal lengths. The empty one is before all others.
func CompareSequences(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// ValidSequence reports whether s is a sequence number as the service writes it.
func ValidSequence(s string) bool {
	return IsNumber(s) && len(s) <= MaxDigits && (s[0] != '0' || len(s) == 1)
}

// IsNumber reports whether s has only digits. Some services write sequence numbers with leading zeros.
func IsNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// String writes a position as Parse reads it.
func (p Position) String() string {
	if p.Sub == WholeRecord {
		return p.Sequence
	}
	return p.Sequence + "." + strconv.FormatUint(uint64(p.Sub), 10)
}

// Parse reads what String wrote.
func Parse(text string) (Position, bool) {
	sequence, sub, aggregated := strings.Cut(text, ".")
	if !IsNumber(sequence) {
		return Position{}, false
	}
	if !aggregated {
		return Past(sequence), true
	}
	n, err := strconv.ParseUint(sub, 10, 32)
	return Position{sequence, uint32(n)}, err == nil
}
