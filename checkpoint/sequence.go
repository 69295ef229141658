package checkpoint

import (
	"cmp"
	"strings"
)

// ShardEnd is the checkpoint of a shard of which every record is resolved.
const ShardEnd = "SHARD_END"

// WholeRecord is the sub-sequence number of a position that has passed a Kinesis record with all that is inside it.
const WholeRecord = ^uint32(0)

// maxSequenceDigits is the longest sequence number that the Kinesis API allows (pattern 0|([1-9]\d{0,128})).
const maxSequenceDigits = 129

// Position is how far a shard is resolved: everything up to and including (Sequence, Sub). The zero value is before
// the first record.
type Position struct {
	Sequence string
	Sub      uint32
}

// IsZero reports whether nothing is resolved yet.
func (p Position) IsZero() bool { return p.Sequence == "" }

// Compare orders positions of one shard. Sequence numbers have up to 129 digits and no leading zeros, so the longer one
// is the larger one, and text order decides between equal lengths.
func (p Position) Compare(q Position) int {
	return cmp.Or(
		cmp.Compare(len(p.Sequence), len(q.Sequence)),
		strings.Compare(p.Sequence, q.Sequence),
		cmp.Compare(p.Sub, q.Sub),
	)
}

// validSequence reports whether s is a sequence number as the service writes it.
func validSequence(s string) bool {
	if s == "" || len(s) > maxSequenceDigits || (s[0] == '0' && len(s) > 1) {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}
