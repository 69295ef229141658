package decode

import (
	"kinesis-alerter/alert"
)

// UserRecord is a record as the evaluation of a shard sees it, or the reason why it cannot be evaluated.
type UserRecord struct {
	alert.Record
	// Err is why the record, or the aggregate that contains it, cannot be unpacked.
	Err error
	// Whole marks a Kinesis record as such, Empty an aggregate of nothing, and Last the last one of a Kinesis record.
	Whole, Empty, Last bool
}

// Each unpacks a Kinesis record: into the records of an aggregate in their order, or the record itself. What visit gets
// is valid until it returns; its first error ends the visits.
func Each(rec *alert.Record, visit func(u *UserRecord) error) error {
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
			u.Data = data // its dead letter shows this record, not the whole aggregate thousands of times
		}
		if err := visit(&u); err != nil {
			return err
		}
	}
	return nil
}

// All lists the user records of a Kinesis record.
func All(rec alert.Record) []UserRecord {
	var all []UserRecord
	_ = Each(&rec, func(u *UserRecord) error {
		all = append(all, *u)
		return nil
	})
	return all
}

// Undecidable reports whether no rule can see the record.
func (u *UserRecord) Undecidable() bool { return u.Err != nil || u.Empty }

// Decide is the decision on a record that no rule can see; poison is the pipeline's.
func (u *UserRecord) Decide(poison func(alert.Reason) alert.Decision) alert.Decision {
	if u.Empty {
		return alert.Decision{Outcome: alert.Filtered, Reason: alert.ReasonEmpty}
	}
	return poison(alert.ReasonBadAggregate)
}
