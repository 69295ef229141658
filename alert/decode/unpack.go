package decode

import "kinesis-alerter/alert"

// UserRecord is a record as the evaluation of a shard sees it, or the reason why it cannot be evaluated.
type UserRecord struct {
	alert.Record
	// Err is why the record, or the aggregate that it was to be found in, cannot be taken apart.
	Err error
	// Whole says that it is a Kinesis record as such, Empty that this is an aggregate with nothing in it. Last says that no other one
	// of the Kinesis record follows.
	Whole, Empty, Last bool
}

// EachUserRecord takes a Kinesis record apart: into the records of a KPL aggregate in their order, or the record itself. There is
// always at least one. The daemon and every command that tries rules read records in this way alone. What visit is given is valid
// until it returns; its first error ends the visits.
func EachUserRecord(rec *alert.Record, visit func(u *UserRecord) error) error {
	u := UserRecord{Record: *rec, Whole: true, Last: true}
	if !IsAggregate(rec.Data) {
		return visit(&u)
	}
	inside, err := deaggregate(rec.Data)
	if err != nil || len(inside.records) == 0 {
		u.Err, u.Empty = err, err == nil
		return visit(&u)
	}
	for i := range inside.records {
		u = UserRecord{Record: *rec, Last: i == len(inside.records)-1}
		u.SubSequence = uint32(i)
		key, data, err := inside.read(i)
		if u.Err = err; err == nil {
			u.PartitionKey, u.Data = key, data
		} else if data != nil {
			u.Data = data // a dead letter of it is about the piece, not thousands of times about the whole
		}
		if err := visit(&u); err != nil {
			return err
		}
	}
	return nil
}

// UserRecords are those of a Kinesis record.
func UserRecords(rec alert.Record) []UserRecord {
	var all []UserRecord
	_ = EachUserRecord(&rec, func(u *UserRecord) error {
		all = append(all, *u)
		return nil
	})
	return all
}

// Undecidable says that no rule can see the record.
func (u *UserRecord) Undecidable() bool { return u.Err != nil || u.Empty }

// Decide is the decision on a record that no rule can see; poison is the pipeline's.
func (u *UserRecord) Decide(poison func(alert.Reason) alert.Decision) alert.Decision {
	if u.Empty {
		return alert.Decision{Outcome: alert.Filtered, Reason: alert.ReasonEmpty}
	}
	return poison(alert.ReasonBadAggregate)
}
