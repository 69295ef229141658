package fakeaws

import (
	"crypto/md5" //nolint:gosec // the KPL's format prescribes it
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// UserRecord is one record inside an aggregate of the KPL. Key is an index of the aggregate's partition keys; one
// beyond them makes a malformed record.
type UserRecord struct {
	Key  uint64
	Data []byte
}

// Aggregate packs records as the Kinesis Producer Library does.
func Aggregate(keys []string, records []UserRecord) []byte {
	var message []byte
	for _, k := range keys {
		message = protowire.AppendTag(message, 1, protowire.BytesType)
		message = protowire.AppendString(message, k)
	}
	for _, r := range records {
		m := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), r.Key)
		m = protowire.AppendBytes(protowire.AppendTag(m, 3, protowire.BytesType), r.Data)
		message = protowire.AppendTag(message, 3, protowire.BytesType)
		message = protowire.AppendBytes(message, m)
	}
	return SealAggregate(message)
}

// SealAggregate puts the magic bytes and the checksum around a message, whatever is in it.
func SealAggregate(message []byte) []byte {
	sum := md5.Sum(message) //nolint:gosec // see the import
	return slices.Concat([]byte{0xF3, 0x89, 0x9A, 0xC2}, message, sum[:])
}
