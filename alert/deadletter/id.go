package deadletter

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"

	"kinesis-alerter/alert"
)

// letterID is the dead letter's own UUID: the same for every attempt and every repeat.
func (a *application) letterID(l *alert.Letter) string {
	r := &l.Record
	fields := []string{
		"letter", a.stream, r.Shard, r.SequenceNumber, strconv.FormatUint(uint64(r.SubSequence), 10), l.AlertID,
		string(l.Reason),
	}
	if l.Output != "" { // a record can have a letter of each output
		fields = append(fields, l.Output)
	}
	return uuid(fields...)
}

// uuid derives a UUID from fields. It has the form of RFC 9562's version 5, with SHA-256 in the place of SHA-1. Each
// field is preceded by its length in bytes as eight bytes, big-endian, so that no two lists of fields have the same
// encoding.
func uuid(fields ...string) string {
	var b []byte
	for _, f := range fields {
		b = binary.BigEndian.AppendUint64(b, uint64(len(f)))
		b = append(b, f...)
	}
	u := sha256.Sum256(b)
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
