package alert

import "time"

// Record is one user record of a stream: a Kinesis record, or one of the records inside a KPL aggregate.
//
// Data is part of the page that the record came in: keeping a Record keeps that part of the page alive.
type Record struct {
	// Shard is the id of the shard that the record was read from.
	Shard string
	// PartitionKey is the record's own key (inside an aggregate: the inner key).
	PartitionKey string
	// SequenceNumber is a decimal number of up to 129 digits; it orders the records of a shard.
	SequenceNumber string
	// SubSequence is the place inside a KPL aggregate, from 0; 0 for a plain record.
	SubSequence uint32
	// Replayed is set if the record's alerts were published before, so that they are not published again.
	Replayed bool
	// Arrival is Kinesis' ApproximateArrivalTimestamp, the event time of everything that the pipeline computes.
	Arrival time.Time
	// Data is the payload as the producer put it.
	Data []byte
}
