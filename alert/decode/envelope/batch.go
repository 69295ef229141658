package envelope

import (
	"math"

	"kinesis-alerter/alert/payload"
)

// Batch is what a record of CloudWatch Logs holds: its events, and what is the same for all of them. It keeps its
// memory for the next one.
type Batch struct {
	// Control marks a control message, which holds no events.
	Control bool
	// Names are those of the rows' members, EventNames, where several batches share them.
	Names *payload.Names

	data []byte
	// texts are the messages in which something was escaped, one behind the other.
	texts  []byte
	head   [members]payload.Cell
	events []event
	strict strictReader
}

// EventBytes is how much a Batch keeps of each event, beside its message.
const EventBytes = 36

// event is where an event's members are. It is kept small, as a record may hold a million.
type event struct {
	message, id, timestamp, extracted span
	state                             eventState
}

// span is a part of the data, or for an escaped message of the texts. It is empty for a member that is not there.
type span struct{ from, to uint32 }

// between is a span; Read has refused what is beyond it.
func between(from, to int) span { return span{uint32(from), uint32(to)} } //nolint:gosec // see above

type eventState uint8

const (
	plainMessage eventState = iota
	escapedMessage
	// The others are broken: the message's span is the whole event.
	noObject
	noMessage
	otherMessage
	notStrict
)

// The places of a row's members.
const (
	memberMessage = iota
	memberTimestamp
	memberID
	memberGroup
	memberStream
	memberOwner
	memberFilters
	memberExtracted
	memberJSON
	memberLevel
	members
)

// EventNames are the members of an event. Batches share them.
func EventNames() *payload.Names {
	return payload.NewNames("message", "timestamp", "id", "logGroup", "logStream", "owner", "subscriptionFilters",
		"extractedFields", "json", "policyLevel")
}

// Read reads an envelope, with at most `pieces` events, of which the Batch keeps slices. The fault is about the whole;
// a broken event has its own, see Row.
func (b *Batch) Read(data []byte, pieces int) *payload.Fault {
	if b.Names == nil {
		b.Names = EventNames()
	}
	b.begin(data)
	if int64(len(data)) > math.MaxUint32 {
		return tooLarge()
	}
	fault, sure := b.readShort(pieces)
	if !sure {
		b.begin(data)
		fault = b.readStrictly(pieces)
	}
	if fault != nil || b.Control {
		b.events = b.events[:0]
	}
	return fault
}

// begin forgets the envelope before.
func (b *Batch) begin(data []byte) {
	b.Control, b.data = false, data
	b.texts, b.events = b.texts[:0], b.events[:0]
	clear(b.head[:])
}

// Release drops what the Batch was read from, and keeps its memory.
func (b *Batch) Release() { b.begin(nil) }

// Len is how many events there are.
func (b *Batch) Len() int { return len(b.events) }

// Size is how many bytes the Batch takes beside the data that it was read from.
func (b *Batch) Size() int { return len(b.events)*EventBytes + len(b.texts) }

// Event is an event as it is in the envelope, if it is broken.
func (b *Batch) Event(i int) []byte {
	e := &b.events[i]
	if e.state <= escapedMessage {
		return nil
	}
	return b.data[e.message.from:e.message.to]
}

// Row makes an event into row, whose cells it uses again.
func (b *Batch) Row(i int, row *payload.Row) *payload.Fault {
	e := &b.events[i]
	if e.state > escapedMessage {
		return b.broken(i)
	}
	text := b.data
	if e.state == escapedMessage {
		text = b.texts
	}
	text = text[e.message.from:e.message.to]
	row.Names = b.Names
	row.Cells = append(row.Cells[:0], b.head[:]...)
	row.Cells[memberMessage] = payload.Cell{Kind: payload.Text, Raw: text}
	if e.timestamp.to > 0 {
		row.Cells[memberTimestamp] = b.json(e.timestamp)
	}
	if e.id.to > 0 {
		row.Cells[memberID] = b.json(e.id)
	}
	if e.extracted.to > 0 {
		row.Cells[memberExtracted] = b.json(e.extracted)
	}
	if payload.MayBeObject(text) {
		row.Cells[memberJSON] = payload.Cell{Kind: payload.Object, Raw: text}
	}
	return nil
}

// json is the cell of a member that stays as it is.
func (b *Batch) json(s span) payload.Cell {
	return payload.Cell{Kind: payload.JSON, Raw: b.data[s.from:s.to]}
}

// headMember is the place of a member that all events share; false for any other.
func headMember(name []byte) (place int, ok bool) {
	switch string(name) {
	case "owner":
		return memberOwner, true
	case "logGroup":
		return memberGroup, true
	case "logStream":
		return memberStream, true
	case "subscriptionFilters":
		return memberFilters, true
	case "policyLevel":
		return memberLevel, true
	}
	return 0, false
}

func badEnvelope(detail string) *payload.Fault {
	return &payload.Fault{Defect: payload.BadEnvelope, Detail: CloudWatchLogs + ": " + detail}
}

func tooMany() *payload.Fault {
	return &payload.Fault{
		Defect: payload.UnpackLimit, Detail: CloudWatchLogs + ": it has more events than input_limits allow",
	}
}

func tooLarge() *payload.Fault {
	return &payload.Fault{Defect: payload.UnpackLimit, Detail: CloudWatchLogs + ": it is larger than 4 GiB"}
}
