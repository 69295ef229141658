package checkpoint

import (
	"fmt"
	"unicode/utf8"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// unstorable says why a position cannot be stored over another one of the same shard; empty when it can. Positions are
// compared as numbers: by length, text and sub-sequence number. What a service calls them is not judged, but a number and
// what is none have no order.
func unstorable(p, over position.Position) string {
	switch {
	case p.Sequence == "":
		return "it is empty"
	case p.Sequence == position.ShardEnd:
		return "it is the mark of a shard's end"
	case len(p.Sequence) > position.MaxDigits:
		return fmt.Sprintf("it has %d characters, and the Kinesis API allows %d", len(p.Sequence), position.MaxDigits)
	case !utf8.ValidString(p.Sequence):
		return "it is not UTF-8"
	case !p.Comparable(over):
		return fmt.Sprintf("it cannot be compared with %s", table.Quoted(over.Sequence))
	}
	return ""
}
