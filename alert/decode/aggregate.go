package decode

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the KPL's format prescribes MD5 as a checksum; it protects nothing
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The KPL's aggregated record, from its format description (amazon-kinesis-producer, aggregation-format.md): four
// magic bytes, a protobuf message AggregatedRecord, and the MD5 sum of the message.
const (
	// Field 2, the explicit hash keys, says where the records were routed; they have arrived.
	fieldPartitionKeys = 1 // repeated string partition_key_table
	fieldRecords       = 3 // repeated Record records

	fieldPartitionKeyIndex = 1 // required uint64
	fieldData              = 3 // required bytes
)

// maxPartitionKey is what Kinesis accepts, in characters. It never saw the keys inside an aggregate. A long one that
// thousands of records share would be kept with each of their alerts.
const maxPartitionKey = 256

const aggregateOverhead = 4 + md5.Size

var (
	errNoPartitionKey = errors.New("partition key index out of range")
	errKeyTooLong     = errors.New("partition key of more than 256 characters")
	errNoData         = errors.New("record without data")
)

// IsAggregate reports whether a payload is in the KPL's format: magic bytes and a checksum that holds. As in every KCL,
// a payload whose checksum does not hold is a plain record that happens to start with the same bytes.
func IsAggregate(data []byte) bool {
	if len(data) < aggregateOverhead || data[0] != 0xF3 || data[1] != 0x89 || data[2] != 0x9A || data[3] != 0xC2 {
		return false
	}
	sum := md5.Sum(data[4 : len(data)-md5.Size]) //nolint:gosec // see the import
	return bytes.Equal(sum[:], data[len(data)-md5.Size:])
}

// unpacked is the KPL's message: the records, and the partition keys that they refer to.
type unpacked struct {
	keys    []string
	records [][]byte
}

// deaggregate finds the records of an aggregate, at most so many; they share memory with data. An error means that the
// message cannot be read at all.
func deaggregate(data []byte, most int) (a unpacked, err error) {
	message := data[4 : len(data)-md5.Size]
	err = eachField(message, func(field protowire.Number, value []byte) {
		switch { // no more are gathered than are told apart: two bytes of the message take a hundred
		case int(field) == fieldPartitionKeys && len(a.keys) <= most:
			a.keys = append(a.keys, string(value))
		case int(field) == fieldRecords && len(a.records) <= most:
			a.records = append(a.records, value)
		}
	}, nil)
	switch {
	case err != nil:
		return unpacked{}, fmt.Errorf("aggregated record: %w", err)
	case len(a.keys) > most || len(a.records) > most:
		return unpacked{}, fmt.Errorf("aggregated record: more than %d records, or keys", most)
	}
	return a, nil
}

// read reads one record, and where its partition key is. The error is of this record alone; its data are there if they
// can be found.
func (a *unpacked) read(i int) (key uint32, data []byte, err error) {
	index, haveKey, haveData := uint64(0), false, false
	err = eachField(a.records[i], func(field protowire.Number, value []byte) {
		if field == fieldData {
			data, haveData = value, true
		}
	}, func(field protowire.Number, value uint64) {
		if field == fieldPartitionKeyIndex {
			index, haveKey = value, true
		}
	})
	switch {
	case err != nil:
		return 0, nil, err
	case !haveKey || index >= uint64(len(a.keys)):
		return 0, data, errNoPartitionKey
	case len(a.keys[index]) > maxPartitionKey && utf8.RuneCountInString(a.keys[index]) > maxPartitionKey:
		return 0, data, errKeyTooLong
	case !haveData:
		return 0, nil, errNoData
	}
	return uint32(index), data, nil
}

// eachField walks a protobuf message and calls back for length-delimited and varint fields.
func eachField(message []byte, onBytes func(protowire.Number, []byte), onVarint func(protowire.Number, uint64)) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		switch kind { //nolint:exhaustive // the format has no other types; unknown fields are skipped
		case protowire.BytesType:
			value, n := protowire.ConsumeBytes(message)
			if n < 0 {
				return protowire.ParseError(n)
			}
			onBytes(field, value)
			message = message[n:]
		case protowire.VarintType:
			value, n := protowire.ConsumeVarint(message)
			if n < 0 {
				return protowire.ParseError(n)
			}
			if onVarint != nil {
				onVarint(field, value)
			}
			message = message[n:]
		default:
			n := protowire.ConsumeFieldValue(field, kind, message)
			if n < 0 {
				return protowire.ParseError(n)
			}
			message = message[n:]
		}
	}
	return nil
}
