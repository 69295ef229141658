package alert

import (
	"bytes"
	"strings"
	"time"

	"kinesis-alerter/alert/payload"
)

// Record is one user record of a stream: a Kinesis record, or one of the records inside it.
//
// Data, PartitionKey and SequenceNumber are parts of the page that the record came in: keeping a Record keeps parts of
// the page in memory. What outlives the page is made by Kept.
type Record struct {
	// Shard is the id of the shard that the record was read from.
	Shard string
	// PartitionKey is the record's own key (inside an aggregate: the inner key).
	PartitionKey string
	// SequenceNumber is a decimal number of up to 129 digits; it orders the records of a shard.
	SequenceNumber string
	// SubSequence is the place inside a Kinesis record that holds several, from 0; 0 for a plain record.
	SubSequence uint32
	// Replayed is set if the record's alerts were published before, so that they are not published again.
	Replayed bool
	// Arrival is Kinesis' ApproximateArrivalTimestamp, the event time of everything that the pipeline computes.
	Arrival time.Time
	// Data is the payload as rules see it: as the producer put it, or what was decoded from that. It is nil while Row
	// is what the record is.
	Data []byte
	// Row is a record without a JSON text of its own. It is valid until the evaluation of the record returns.
	Row *payload.Row
	// Inner marks one of possibly several user records of a Kinesis record.
	Inner bool
	// Borrowed marks Data that is in a buffer which is used again: what outlives the evaluation copies it.
	Borrowed bool
}

// ownBytes is the length from which the payload of a Kinesis record has memory of its own. A shorter one shares a piece
// of memory with others of its page (internal/getrecords), all of which it would keep.
const ownBytes = 24 << 10

// Kept is the record as it may be kept: nothing but itself stays in memory with it.
func (r *Record) Kept() Record {
	kept := *r
	switch {
	case r.Row != nil:
		kept.Data, kept.Row = r.Row.JSON(), nil
	case r.Borrowed || r.Inner || len(r.Data) < ownBytes:
		kept.Data = bytes.Clone(r.Data)
	}
	kept.Borrowed = false
	kept.PartitionKey, kept.SequenceNumber = strings.Clone(r.PartitionKey), strings.Clone(r.SequenceNumber)
	return kept
}

// size is how many bytes the payload is.
func (r *Record) size() int {
	if r.Row != nil {
		return r.Row.Size()
	}
	return len(r.Data)
}

// isEmpty reports whether there is nothing in a whole Kinesis record. Such are written on purpose, as the tombstones of
// Debezium; inside of others they are broken.
func (r *Record) isEmpty() bool { return !r.Inner && r.Row == nil && payload.IsBlank(r.Data) }
