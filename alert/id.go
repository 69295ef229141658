package alert

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// alertID is the SHA-256, in lower-case hex, of these fields in this order: stream ARN, shard id, sequence number,
// sub-sequence number in decimal, rule name, topic name, kind, and, for a shard that was rewound, its generation in
// decimal. Each field is preceded by its length in bytes as eight bytes, big-endian, so that no two lists of fields have
// the same encoding.
func alertID(stream string, rec *Record, rule, topic string, kind Kind, generation uint32) string {
	buf := make([]byte, 0, 512)
	field := func(s string) {
		buf = binary.BigEndian.AppendUint64(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	field(stream)
	field(rec.Shard)
	field(rec.SequenceNumber)
	field(decimal(rec.SubSequence))
	field(rule)
	field(topic)
	field(string(kind))
	if generation > 0 { // ids of shards that nobody rewound are older than generations
		field(decimal(generation))
	}
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:])
}
