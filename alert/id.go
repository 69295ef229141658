package alert

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// alertID returns the id of an alert that a record caused: the SHA-256, in lower-case hex, of these fields in this
// order: stream ARN, shard id, sequence number, sub-sequence number in decimal, rule name, topic name, kind, and, for a
// shard that was rewound, its generation in decimal. For a record inside a Kinesis record, under an input, there are
// always two more: the generation and the input's hash. At the same place another input has another record.
func alertID(stream string, rec *Record, rule, topic string, kind Kind, generation uint32, input string) string {
	fields := []string{stream, rec.Shard, rec.SequenceNumber, decimal(rec.SubSequence), rule, topic, string(kind)}
	if input != "" && rec.Inner {
		return hashFields(append(fields, decimal(generation), input))
	}
	if generation > 0 { // ids of shards that were never rewound are older than generations
		fields = append(fields, decimal(generation))
	}
	return hashFields(fields)
}

// timeID returns the id of an alert about a rule's key that a timer caused: it has the due time in place of the record.
// An alert about the whole stream has no shard, so its id does not depend on which worker decides.
func timeID(stream, shard, rule, topic string, kind Kind, key string, due int64, generation uint32) string {
	return hashFields([]string{
		stream, shard, rule, topic, string(kind), key, strconv.FormatInt(due, 10), decimal(generation), "time", "",
	})
}

// evictionID returns the id of an alert about a key that was evicted to make room for a record. The last field is the
// input's hash, for a record inside a Kinesis record.
func evictionID(stream string, rec *Record, rule, topic string, kind Kind, key string, generation uint32,
	input string,
) string {
	if !rec.Inner {
		input = ""
	}
	return hashFields([]string{
		stream, rec.Shard, rec.SequenceNumber, decimal(rec.SubSequence), rule, topic, string(kind), key,
		decimal(generation), "pushed", "", input,
	})
}

// hashFields precedes each field by its length in bytes as eight bytes, big-endian, so that no two lists of fields have
// the same encoding.
func hashFields(fields []string) string {
	buf := make([]byte, 0, 512)
	for _, s := range fields {
		buf = binary.BigEndian.AppendUint64(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:])
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
