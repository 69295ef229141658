package table

import (
	"errors"
	"fmt"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Damage returns what of a shard's row cannot be read; nil when all of it can.
func Damage(it Item, now time.Time) error {
	var errs []error
	want := func(attr, kind string, ok bool) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is %s, and should be %s", attr, Show(it[attr]), kind))
		}
	}
	isNumber := func(attr string) bool { _, ok := Count(it[attr]); return ok }
	want(AttrEpoch, "a number", isNumber(AttrEpoch))
	want(AttrOwner, "a worker's id", it[AttrOwner] == nil || isText(it[AttrOwner], mostOwner))
	want(AttrPosition, "a sequence number", it[AttrPosition] == nil || isText(it[AttrPosition], mostPosition))
	want(AttrSub, "a number", it[AttrSub] == nil || isNumber(AttrSub))
	want(AttrOffers, "a number", it[AttrOffers] == nil || isNumber(AttrOffers))
	want(AttrStartAt, "a time or trim_horizon", it[AttrStartAt] == nil || isStart(it[AttrStartAt], now))
	return errors.Join(errs...)
}

// isText reports whether an attribute is a text of at most so many bytes.
func isText(av ddb.AttributeValue, most int) bool {
	s, ok := av.(*ddb.AttributeValueMemberS)
	return ok && len(s.Value) <= most
}

// isStart reports whether an attribute is a start in the past: Kinesis reads nothing from one in the future.
func isStart(av ddb.AttributeValue, now time.Time) bool {
	var start Start
	return isText(av, mostWord) && start.UnmarshalText([]byte(Text(av))) == nil && !start.Time.After(now.Add(mostAhead))
}

// Repair is the write that makes a damaged row readable and keeps the readable part. It holds only while the row is as
// it was read, whatever its attributes are. The epoch is raised, so that no former holder of the shard can write any
// more. If it cannot be read, it becomes one that no worker can have had. The owner stays: while it is alive, no other
// worker takes the shard. A shard whose checkpoint cannot be read continues at what this process last saw of it, known,
// or at its first record.
func Repair(it Item, known *Row, now time.Time) *Write {
	e := &Write{}
	for _, attr := range []string{AttrEpoch, AttrOwner, AttrPosition, AttrSub, AttrOffers, AttrStartAt} {
		if av := it[attr]; av == nil {
			e.IfAbsent(attr)
		} else {
			e.IfEqual(attr, av)
		}
	}
	epoch, ok := Count(it[AttrEpoch])
	if !ok {
		epoch = now.UnixMilli()
		if known != nil {
			epoch = max(epoch, known.Epoch)
		}
	}
	e.Set(AttrEpoch, Num(epoch+1))
	if it[AttrOwner] != nil && (Text(it[AttrOwner]) == "" || !isText(it[AttrOwner], mostOwner)) {
		e.Remove(AttrOwner)
	}
	if _, ok := Count(it[AttrOffers]); it[AttrOffers] != nil && !ok {
		e.Remove(AttrOffers)
	}
	readable := isText(it[AttrPosition], mostPosition)
	placed := readable
	_, ok = Count(it[AttrSub])
	badSub := it[AttrSub] != nil && !ok
	switch {
	case readable && badSub: // the first record inside an aggregate is certainly settled
		e.Set(AttrSub, Num(0))
	case readable || it[AttrPosition] == nil:
		if badSub {
			e.Remove(AttrSub)
		}
	case known != nil && known.Progressed():
		placed = true
		e.Set(AttrPosition, Str(known.Position.Sequence))
		e.Put(AttrSub, Num(int64(known.Position.Sub)), !known.Ended())
		e.Put(AttrResolved, Str(known.Resolved), known.Resolved != "")
		e.Put(AttrInput, Str(known.Input), known.Input != "")
	default:
		for _, attr := range append([]string{AttrPosition, AttrSub, AttrResolved, AttrInput}, StateAttributes()...) {
			e.Remove(attr)
		}
	}
	badStart := it[AttrStartAt] != nil && (!isStart(it[AttrStartAt], now) || Text(it[AttrStartAt]) == "")
	switch lost := it[AttrPosition] != nil && !placed; {
	case lost, badStart && !placed:
		e.Set(AttrStartAt, Str(Start{Kind: StartTrimHorizon}.String()))
	case badStart:
		e.Remove(AttrStartAt)
	}
	return e
}

// DamagedRow is a row of the lease table that no worker can read: another program wrote to it.
type DamagedRow struct {
	Key, Cause string
	// Mended says that it was rewritten, so that it is read again.
	Mended bool
	At     time.Time // when it was last seen so
}
