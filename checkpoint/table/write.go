package table

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"kinesis-alerter/internal/position"
)

// Write gathers one write: what it sets and removes, and under which condition. Every attribute goes by a placeholder,
// because DynamoDB reserves several hundred words, counter and load among them.
type Write struct {
	set, remove, add, cond []string
	Names                  map[string]string
	Values                 Item
	Blind                  bool // do not return the row
}

func (e *Write) name(attr string) string {
	if e.Names == nil {
		e.Names = map[string]string{}
	}
	e.Names["#"+attr] = attr
	return "#" + attr
}

func (e *Write) value(av types.AttributeValue) string {
	if e.Values == nil {
		e.Values = Item{}
	}
	p := ":v" + strconv.Itoa(len(e.Values))
	e.Values[p] = av
	return p
}

// Set sets an attribute.
func (e *Write) Set(attr string, av types.AttributeValue) {
	e.set = append(e.set, e.name(attr)+" = "+e.value(av))
}

// Remove removes an attribute.
func (e *Write) Remove(attr string) { e.remove = append(e.remove, e.name(attr)) }

// IfEqual holds where an attribute has that value.
func (e *Write) IfEqual(attr string, av types.AttributeValue) {
	e.cond = append(e.cond, e.name(attr)+" = "+e.value(av))
}

// IfAbsent holds where the attribute is not there.
func (e *Write) IfAbsent(attr string) {
	e.cond = append(e.cond, "attribute_not_exists("+e.name(attr)+")")
}

// IfPresent holds where the attribute is there.
func (e *Write) IfPresent(attr string) {
	e.cond = append(e.cond, "attribute_exists("+e.name(attr)+")")
}

// ifNotBeyond holds where the stored position is at most p. Text order decides between sequence numbers of one length
// only, so the length is compared first (Position.Compare says the same).
// It holds, too, where that is replaces, unless that is empty.
func (e *Write) ifNotBeyond(p position.Position, replaces string) {
	seq, sub := e.name(AttrPosition), e.name(AttrSub)
	s, n, length := e.value(Str(p.Sequence)), e.value(Num(int64(p.Sub))), e.value(Num(int64(len(p.Sequence))))
	within := sub + " <= " + n
	if p.Sub == position.WholeRecord {
		within = "(attribute_not_exists(" + sub + ") OR " + within + ")" // a row without it has passed the whole record
	}
	or := ""
	if replaces != "" {
		or = " OR " + seq + " = " + e.value(Str(replaces))
	}
	e.cond = append(e.cond, fmt.Sprintf(
		"(attribute_not_exists(%[1]s) OR size(%[1]s) < %[3]s OR (size(%[1]s) = %[3]s AND %[1]s < %[2]s) OR (%[1]s = "+
			"%[2]s AND %[4]s)%[5]s)",
		seq, s, length, within, or))
}

// ifBefore holds where no write of progress with this number, or a later one, took effect. A row that was written by a
// version without numbers has none.
func (e *Write) ifBefore(number int64) {
	n := e.name(AttrOffers)
	e.cond = append(e.cond, fmt.Sprintf("(attribute_not_exists(%[1]s) OR %[1]s < %[2]s)", n, e.value(Num(number))))
}

// IfAtMost holds where a number is absent, or this at most.
func (e *Write) IfAtMost(attr string, most int64) {
	n := e.name(attr)
	e.cond = append(e.cond, fmt.Sprintf("(attribute_not_exists(%[1]s) OR %[1]s <= %[2]s)", n, e.value(Num(most))))
}

// Increment adds one to a number.
func (e *Write) Increment(attr string) { e.add = append(e.add, e.name(attr)+" "+e.value(Num(1))) }

// Projection lists the attributes to return, as a call wants them.
func Projection(attributes ...string) (list *string, names map[string]string) {
	e := &Write{}
	placeholders := make([]string, 0, len(attributes))
	for _, attr := range attributes {
		placeholders = append(placeholders, e.name(attr))
	}
	return aws.String(strings.Join(placeholders, ", ")), e.Names
}

// Condition is what all conditions say together; nil where there is none.
func (e *Write) Condition() *string {
	if len(e.cond) == 0 {
		return nil
	}
	return aws.String(strings.Join(e.cond, " AND "))
}

func (e *Write) updates() *string {
	var parts []string
	for _, c := range []struct {
		verb  string
		terms []string
	}{{"SET", e.set}, {"REMOVE", e.remove}, {"ADD", e.add}} {
		if len(c.terms) > 0 {
			parts = append(parts, c.verb+" "+strings.Join(c.terms, ", "))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return aws.String(strings.Join(parts, " "))
}

// Progress is one offer to the table.
type Progress struct {
	Position position.Position
	Resolved string
	Input    string // what counts places inside records, in both
	CaughtUp time.Time
	Load     float64
}

// Fence adds the condition under which a holder may write: the row still names this worker and this epoch.
func (e *Write) Fence(worker string, epoch int64) {
	e.IfEqual(AttrOwner, Str(worker))
	e.IfEqual(AttrEpoch, Num(epoch))
}

// Progress adds an offer to a write, never below what is stored and never after a later one of the same owner. It may
// be stored over a checkpoint that is replaces.
func (e *Write) Progress(p Progress, number int64, replaces string) {
	e.ifBefore(number)
	e.Set(AttrOffers, Num(number))
	if !p.Position.IsZero() {
		e.ifNotBeyond(p.Position, replaces)
		e.Set(AttrPosition, Str(p.Position.Sequence))
		e.Set(AttrSub, Num(int64(p.Position.Sub)))
	}
	// Also without a position: the first record of a shard may be the one that waits.
	if p.Resolved == "" {
		e.Remove(AttrResolved)
	} else {
		e.Set(AttrResolved, Str(p.Resolved))
	}
	e.Put(AttrInput, Str(p.Input), p.Input != "")
	e.Context(p)
}

// Context adds what is known besides the position.
func (e *Write) Context(p Progress) {
	if !p.CaughtUp.IsZero() {
		e.Set(AttrCaughtUp, Num(p.CaughtUp.UnixMilli()))
	}
	e.Set(AttrLoad, Num(int64(p.Load)))
}

// Put sets an attribute or removes it.
func (e *Write) Put(attr string, av types.AttributeValue, present bool) {
	if present {
		e.Set(attr, av)
	} else {
		e.Remove(attr)
	}
}

// SameAs compares what an operator can change.
func (r *Row) SameAs(o *Row) bool {
	return r.Owner == o.Owner && r.Epoch == o.Epoch && r.Position == o.Position && r.Resolved == o.Resolved &&
		r.Input == o.Input && r.Rewinds == o.Rewinds && r.StartAt.String() == o.StartAt.String() && r.Paused == o.Paused
}

// Unstorable returns why a position cannot be stored over another one of the same shard; empty when it can. Positions
// are compared as numbers: by length, text and sub-sequence number. What a service calls them is not judged, but a
// number and what is none have no order.
func Unstorable(p, over position.Position) string {
	switch {
	case p.Sequence == "":
		return "it is empty"
	case p.Sequence == position.ShardEnd:
		return "it is the mark of a shard's end"
	case len(p.Sequence) > position.MaxDigits:
		return fmt.Sprintf("it has %d characters, and the Kinesis API allows %d", len(p.Sequence), position.MaxDigits)
	case !utf8.ValidString(p.Sequence):
		return "it is not UTF-8"
	case !p.Comparable(over):
		return fmt.Sprintf("it cannot be compared with %s", Quoted(over.Sequence))
	}
	return ""
}
