package checkpoint

import (
	"errors"
	"fmt"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// damage says what of a shard's row cannot be read; nil when all of it can.
func damage(it item, now time.Time) error {
	var errs []error
	want := func(attr, kind string, ok bool) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is %s, and should be %s", attr, shown(it[attr]), kind))
		}
	}
	isNumber := func(attr string) bool { _, ok := count(it[attr]); return ok }
	want(attrEpoch, "a number", isNumber(attrEpoch))
	want(attrOwner, "a worker's id", it[attrOwner] == nil || isText(it[attrOwner], mostOwner))
	want(attrPosition, "a sequence number", it[attrPosition] == nil || isText(it[attrPosition], mostPosition))
	want(attrSub, "a number", it[attrSub] == nil || isNumber(attrSub))
	want(attrOffers, "a number", it[attrOffers] == nil || isNumber(attrOffers))
	want(attrStartAt, "a time or trim_horizon", it[attrStartAt] == nil || isStart(it[attrStartAt], now))
	return errors.Join(errs...)
}

// isText says that an attribute is a text of at most so many bytes.
func isText(av ddb.AttributeValue, most int) bool {
	s, ok := av.(*ddb.AttributeValueMemberS)
	return ok && len(s.Value) <= most
}

// isStart says that an attribute is a place to start at that is there already: Kinesis reads nothing from one that is to come.
func isStart(av ddb.AttributeValue, now time.Time) bool {
	var start Start
	return isText(av, mostWord) && start.UnmarshalText([]byte(text(av))) == nil && !start.Time.After(now.Add(mostAhead))
}

// mend is the write that makes a damaged row readable and keeps what of it can be read. It holds only while the row is as
// it was read, whatever its attributes are. The epoch is raised, so that nobody who held the shard can write any more; where
// it cannot be read, to one that nobody can have had. The owner stays: while it is alive, nobody else takes the shard. A
// shard whose checkpoint cannot be read goes on at what this process last saw of it, known, or at its first record.
func mend(it item, known *row, now time.Time) *expr {
	e := &expr{}
	for _, attr := range []string{attrEpoch, attrOwner, attrPosition, attrSub, attrOffers, attrStartAt} {
		if av := it[attr]; av == nil {
			e.ifAbsent(attr)
		} else {
			e.ifEqual(attr, av)
		}
	}
	epoch, ok := count(it[attrEpoch])
	if !ok {
		epoch = now.UnixMilli()
		if known != nil {
			epoch = max(epoch, known.epoch)
		}
	}
	e.setAttr(attrEpoch, num(epoch+1))
	if it[attrOwner] != nil && (text(it[attrOwner]) == "" || !isText(it[attrOwner], mostOwner)) {
		e.removeAttr(attrOwner)
	}
	if _, ok := count(it[attrOffers]); it[attrOffers] != nil && !ok {
		e.removeAttr(attrOffers)
	}
	readable := isText(it[attrPosition], mostPosition)
	placed := readable
	_, ok = count(it[attrSub])
	badSub := it[attrSub] != nil && !ok
	switch {
	case readable && badSub: // the first record inside an aggregate is resolved for certain
		e.setAttr(attrSub, num(0))
	case readable || it[attrPosition] == nil:
		if badSub {
			e.removeAttr(attrSub)
		}
	case known != nil && known.progressed():
		placed = true
		e.setAttr(attrPosition, str(known.position.Sequence))
		e.put(attrSub, num(int64(known.position.Sub)), !known.ended())
		e.put(attrResolved, str(known.resolved), known.resolved != "")
	default:
		for _, attr := range append([]string{attrPosition, attrSub, attrResolved}, stateAttributes()...) {
			e.removeAttr(attr)
		}
	}
	badStart := it[attrStartAt] != nil && (!isStart(it[attrStartAt], now) || text(it[attrStartAt]) == "")
	switch lost := it[attrPosition] != nil && !placed; {
	case lost, badStart && !placed:
		e.setAttr(attrStartAt, str(Start{Kind: StartTrimHorizon}.String()))
	case badStart:
		e.removeAttr(attrStartAt)
	}
	return e
}
