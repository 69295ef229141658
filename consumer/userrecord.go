package consumer

import "kinesis-alerter/alert"

// UserRecord is a record as the evaluation of a shard sees it, or the reason why it cannot be read.
type UserRecord struct {
	alert.Record
	Err error
}

// UserRecords takes a Kinesis record apart, as reading does: into the records of a KPL aggregate in their order, or the
// record itself. The error says that it is an aggregate that cannot be taken apart at all.
func UserRecords(rec alert.Record) ([]UserRecord, error) {
	if !isAggregate(rec.Data) {
		return []UserRecord{{Record: rec}}, nil
	}
	inside, err := deaggregate(rec.Data)
	if err != nil {
		return nil, err
	}
	out := make([]UserRecord, len(inside))
	for i, u := range inside {
		out[i] = UserRecord{Record: rec, Err: u.err}
		out[i].PartitionKey, out[i].Data, out[i].SubSequence = u.partitionKey, u.data, uint32(i)
	}
	return out, nil
}
