package decode

import (
	"context"
	"slices"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode/columns"
	"kinesis-alerter/alert/decode/envelope"
	"kinesis-alerter/alert/decode/rewrite"
	"kinesis-alerter/alert/decode/split"
	"kinesis-alerter/alert/decode/unpack"
	"kinesis-alerter/alert/payload"
)

// pieceBytes is what a piece takes while its record is decoded, beside its text.
const pieceBytes = 64

// Decoder decodes the records of one shard. It belongs to one goroutine. It has memory only while a record is at hand.
type Decoder struct {
	plan   *Plan
	budget *Budget

	readers []*columns.Reader // by step of plan.then
	user    UserRecord        // what a visit gets

	// What follows is the record at hand.

	*memory

	unpacker  *unpack.Unpacker // only while it is unpacked
	aggregate bool
	inside    unpacked
	faults    []*payload.Fault // of broken pieces
	headers   []*payload.Names
	left      int  // how many bytes steps may still make
	work      int  // how many compressed bytes they may still read
	big       bool // its memory is that of the one large record
	large     bool // it needed that one, maybe before a Yield
	spent     bool // it went beyond its limits, and what is left of an aggregate is not looked at
	yielded   bool
	// whole is why the record as a whole is one outcome.
	whole   *payload.Fault
	dropped alert.Reason
}

// piece is one user record, or what may become one.
type piece struct {
	data []byte
	// batch and header count from 1; event is the place in the batch.
	batch, event, header uint32
	// inside is the place of the aggregate's record that it came from, and key that of its partition key; from 1, and 0
	// where there is none.
	inside, key uint32
	// blank pieces have a place, and are not visited. Of broken ones, event is the place of the fault.
	blank, broken bool
}

// Decoder makes the decoder of a shard.
func (p *Plan) Decoder(b *Budget) *Decoder {
	d := &Decoder{plan: p, budget: b}
	if p != nil {
		d.readers = make([]*columns.Reader, len(p.then))
		for i := range p.then {
			if c := p.then[i].columns; c != nil {
				d.readers[i], _, _ = c.Compile() // it compiled before
				d.readers[i].Bare, d.readers[i].LastOfName = p.then[i].bare, p.lastOfName
			}
		}
	}
	return d
}

// Simple reports whether a Kinesis record is its own only user record, as it is. Most are.
func (d *Decoder) Simple(data []byte) bool {
	return d.plan == nil && !IsAggregate(data) && !marked(data) && len(data) > 0
}

// Each decodes a Kinesis record and visits its user records in order. What visit gets is valid until it returns, or
// calls Yield; its first error ends the visits. Bad input is no error: it is what visit gets.
func (d *Decoder) Each(ctx context.Context, rec *alert.Record, visit func(u *UserRecord) error) error {
	defer func() {
		d.release(true)
		d.user = UserRecord{}
	}()
	d.large = false
	return d.each(ctx, rec, visit)
}

// Large reports whether the last record took much memory, which a reference to any of its pieces would keep.
func (d *Decoder) Large() bool { return d.large }

// Yield gives back the memory of the record at hand where others may need it, and reports whether it did. A visit calls
// it before it waits for anything, and drops what it got. The record is decoded again for the pieces that are left,
// which gives the same.
func (d *Decoder) Yield() bool {
	if d.plan == nil || d.memory == nil || !d.big && !d.budget.crowded() {
		return false
	}
	d.release(false)
	d.user.Data, d.user.Row = nil, nil // they are of the memory that is given back
	d.yielded = true
	return true
}

// release drops what must not outlive a record. reuse says that nobody can look at it any more.
func (d *Decoder) release(reuse bool) {
	m, big := d.memory, d.big
	d.memory, d.big = nil, false
	d.inside, d.faults, d.headers = unpacked{}, nil, nil
	for _, r := range d.readers {
		if r != nil {
			r.Release()
		}
	}
	if m == nil {
		return
	}
	if !reuse {
		m = nil
	}
	if big {
		d.budget.giveLarge(m)
	} else {
		d.budget.give(m)
	}
}

// marked reports whether a payload begins with a byte order mark of UTF-8, which is no part of the record.
func marked(data []byte) bool {
	return len(data) > 2 && data[0] == 0xEF && data[1] == 0xBB && data[2] == 0xBF
}

// each does the work of Each.
func (d *Decoder) each(ctx context.Context, rec *alert.Record, visit func(u *UserRecord) error) error {
	if err := d.decode(ctx, rec); err != nil {
		return err
	}
	last := d.lastSeen()
	u := &d.user
	*u = UserRecord{Record: *rec, Whole: true, Last: true, plan: d.plan, outer: rec.Data}
	if last < 0 {
		if d.whole != nil {
			u.Err = d.whole
		} else {
			u.Dropped = d.dropped
		}
		return visit(u)
	}
	u.Inner = d.aggregate || d.splits()
	u.Whole = !u.Inner
	for i := 0; i <= last; i++ {
		if d.yielded {
			if err := d.decode(ctx, rec); err != nil {
				return err
			}
		}
		if d.pieces[i].blank {
			continue
		}
		d.piece(i, rec.PartitionKey, u)
		u.Last = i == last
		if err := visit(u); err != nil {
			return err
		}
	}
	return nil
}

// lastSeen is the place of the last piece that is visited; -1 where there is none.
func (d *Decoder) lastSeen() int {
	for i, p := range slices.Backward(d.pieces) {
		if !p.blank {
			return i
		}
	}
	return -1
}

// decode takes a Kinesis record apart. It waits for the budget if the record needs more than a small one's memory.
func (d *Decoder) decode(ctx context.Context, rec *alert.Record) error {
	d.yielded = false
	d.memory = d.budget.take()
	if d.plan == nil {
		d.expand(rec, 0)
		return nil
	}
	d.unpacker = d.budget.takeUnpacker()
	defer func() {
		d.budget.giveUnpacker(d.unpacker)
		d.unpacker = nil
	}()
	most := d.plan.limits.Of(len(rec.Data))
	if d.block == nil && len(d.plan.first) > 0 {
		d.block = make([]byte, 0, min(ownMemory, most))
	}
	if d.expand(rec, min(ownMemory, most)) {
		return nil
	}
	d.release(true)
	m, err := d.budget.takeLarge(ctx)
	if err != nil {
		return err
	}
	d.memory, d.big, d.large = m, true, true
	d.expand(rec, most)
	return nil
}

// expand finds the pieces, by steps that make at most so many bytes. It returns false if a small record's memory is not
// enough for that.
func (d *Decoder) expand(rec *alert.Record, most int) bool {
	d.left, d.spent = most, false
	if d.plan != nil {
		d.work = len(rec.Data) + d.plan.limits.Bytes/workShare
	}
	d.whole, d.dropped = nil, alert.ReasonEmpty
	d.inside = unpacked{}
	d.aggregate = IsAggregate(rec.Data)
	if !d.aggregate {
		return d.run(0, piece{data: rec.Data}) || d.refuse()
	}
	pieces := DefaultLimits().Pieces
	if d.plan != nil {
		pieces = d.plan.limits.Pieces
	}
	var err error
	if d.inside, err = deaggregate(rec.Data, pieces); err != nil {
		d.whole = &payload.Fault{Defect: payload.BadAggregate, Detail: err.Error()}
		return true
	}
	for i := range d.inside.records {
		key, data, err := d.inside.read(i)
		p := piece{data: data, inside: uint32(i), key: key + 1}
		var ok bool
		switch {
		case err != nil:
			if p.key = 0; data == nil {
				p.data = d.inside.records[i]
			}
			ok = d.fail(p, &payload.Fault{Defect: payload.BadAggregate, Detail: err.Error()})
		case d.spent: // the work has been done
			ok = d.fail(p, beyond())
		default:
			ok = d.run(0, p)
		}
		if !ok {
			return d.refuse()
		}
	}
	return true
}

// workShare is which part of the limit steps may read in compressed bytes, beside the record itself: what is compressed
// in several layers makes bytes to read, and bytes that unpack to nothing cost as much as others.
const workShare = 4

// refuse makes a record that is beyond its limits one outcome; it returns false where the budget may still help.
func (d *Decoder) refuse() bool {
	if !d.big && d.whole == nil {
		return false
	}
	clear(d.pieces)
	d.pieces = d.pieces[:0]
	return true
}

// run takes the steps from the one at i on for what may become pieces. It returns false to give the record up.
func (d *Decoder) run(i int, p piece) bool {
	if marked(p.data) {
		p.data = p.data[3:]
	}
	if d.plan == nil || i == len(d.plan.first) || payload.IsBlank(p.data) {
		return d.add(p) // where there is nothing, no step has anything to do
	}
	s := &d.plan.first[i]
	switch {
	case s.decompress != "":
		return d.unpack(i, p, func(dst []byte, limit int) ([]byte, *payload.Fault) {
			if d.work -= len(p.data); d.work < 0 {
				limit = -1
			}
			out, packed, fault := d.unpacker.Append(dst, s.decompress, p.data, limit)
			if !packed {
				d.work += len(p.data)
			}
			switch {
			case fault == nil && !packed:
				return nil, nil
			case fault == nil && out == nil:
				return []byte{}, nil // it unpacks to nothing
			}
			return out, fault
		})
	case s.encoding != nil:
		return d.unpack(i, p, func(dst []byte, limit int) ([]byte, *payload.Fault) {
			return s.encoding.Append(dst, p.data, limit)
		})
	case s.jsonString:
		return d.unpack(i, p, func(dst []byte, _ int) ([]byte, *payload.Fault) {
			return rewrite.JSONString(dst, p.data)
		})
	case s.unwrap == envelope.CloudWatchLogs && (!s.bare || payload.MayBeJSON(p.data)):
		return d.events(i, p)
	case s.unwrap == envelope.CloudWatchLogs: // it is the text of an event
	case s.unwrap != "":
		control := false
		ok, made := d.convert(&p, func(dst []byte, _ int) (out []byte, fault *payload.Fault) {
			out, control, fault = envelope.Append(dst, s.unwrap, p.data)
			return out, fault
		})
		switch {
		case !made:
			return ok
		case control:
			d.dropped = alert.ReasonControlMessage
			p.blank = true
			return d.add(p)
		}
	case s.split != "":
		return d.split(i, p)
	case s.nested != nil:
		return d.unpack(i, p, func(dst []byte, _ int) ([]byte, *payload.Fault) {
			return s.nested.Append(dst, p.data), nil
		})
	case s.tolerate != nil:
		return d.unpack(i, p, func(dst []byte, _ int) ([]byte, *payload.Fault) {
			return s.tolerate.Append(dst, p.data), nil
		})
	}
	return d.run(i+1, p)
}

// unpack does a step that makes bytes of bytes, and those behind it.
func (d *Decoder) unpack(i int, p piece, do func(dst []byte, limit int) ([]byte, *payload.Fault)) bool {
	if ok, made := d.convert(&p, do); !made {
		return ok
	}
	return d.run(i+1, p)
}

// convert makes other bytes of a piece: within the limit, behind what earlier steps made. nil means that the bytes are
// as they should be. Where it makes none, there is a broken piece if it is ok, and the record is given up if not.
func (d *Decoder) convert(p *piece, do func(dst []byte, limit int) ([]byte, *payload.Fault)) (ok, made bool) {
	dst := d.block[len(d.block):]
	if dst == nil {
		dst = []byte{} // so that what is unpacked to nothing is not nil
	}
	out, fault := do(dst, d.left)
	if fault == nil && len(out) > d.left {
		fault = beyond()
	}
	switch {
	case fault != nil && fault.Defect == payload.UnpackLimit && !d.big:
		return false, false
	case fault != nil:
		if fault.Defect == payload.UnpackLimit {
			d.left = 0 // whatever comes behind it in an aggregate: the work has been done
		}
		return d.fail(*p, fault), false
	case out != nil:
		d.left -= len(out)
		if cap(out) > cap(dst) { // it has outgrown the block, and is the next one
			d.block = out
		} else {
			d.block = d.block[:len(d.block)+len(out)]
		}
		p.data = out
	}
	return true, true
}

// beyond is the fault of a record that is more than it may be.
func beyond() *payload.Fault {
	return &payload.Fault{Defect: payload.UnpackLimit, Detail: "it unpacks to more than input_limits allow"}
}

// split does a step that makes several pieces of one.
func (d *Decoder) split(i int, p piece) bool {
	s := &d.plan.first[i]
	ok, names := true, uint32(0)
	emit := func(data []byte, fault *payload.Fault) bool {
		part := piece{data: data, inside: p.inside, key: p.key, header: names}
		switch {
		case fault != nil:
			ok = d.fail(part, fault)
		case s.header != nil && names == 0 && !payload.IsBlank(data):
			header, fault := d.reader(s.header).Header(data)
			if fault != nil {
				part.data = p.data // no line can be read without it
				ok = d.fail(part, fault)
				return false
			}
			if ok = d.spend(len(data) + header.Len()*nameBytes); !ok {
				return false
			}
			d.headers = append(d.headers, header)
			names = uint32(len(d.headers))
			part.blank = true
			ok = d.add(part)
		default:
			ok = d.run(i+1, part)
		}
		return ok
	}
	switch s.split {
	case splitLines:
		split.Lines(p.data, s.separator, emit)
	case splitConcatenated:
		split.Concatenated(p.data, emit)
	default:
		if fault := split.Array(p.data, s.path, emit); fault != nil && ok {
			return d.fail(p, fault)
		}
	}
	return ok
}

const (
	// batchBytes is what a batch takes beside its events, and nameBytes what a name of a header does beside its text.
	batchBytes = 1 << 10
	nameBytes  = 64
)

// spend counts memory that is not bytes that a step made. It returns false to give the record up.
func (d *Decoder) spend(n int) bool {
	if d.left -= n; d.left >= 0 {
		return true
	}
	if d.big {
		d.whole = beyond()
	}
	return false
}

// events does the step that takes the events out of a batch.
func (d *Decoder) events(i int, p piece) bool {
	n := len(d.batches)
	if d.batches = slices.Grow(d.batches, 1)[:n+1]; d.batches[n] == nil {
		d.batches[n] = &envelope.Batch{}
	}
	b := d.batches[n] // its memory is used again
	b.Names = d.plan.events
	d.batches = d.batches[:n]
	most := d.plan.limits.Pieces - len(d.pieces)
	if !d.big { // nor may the messages that it unescapes be more than the decoder's own memory
		if most = min(most, d.left/envelope.EventBytes); len(p.data) > d.left {
			return false
		}
	}
	if fault := b.Read(p.data, most); fault != nil {
		if fault.Defect == payload.UnpackLimit {
			if d.big {
				d.whole = fault
			}
			return false
		}
		return d.fail(p, fault)
	}
	if !d.spend(b.Size() + batchBytes) {
		return false
	}
	if b.Len() > 0 {
		d.batches = d.batches[:n+1]
	}
	if b.Control {
		d.dropped = alert.ReasonControlMessage
		p.blank = true
		return d.add(p)
	}
	last := i+1 == len(d.plan.first)
	for n := range b.Len() {
		part := piece{inside: p.inside, key: p.key, batch: uint32(len(d.batches)), event: uint32(n)}
		if last {
			if !d.add(part) {
				return false
			}
			continue
		}
		fault := b.Row(n, &d.row)
		if fault != nil {
			part.data = b.Event(n)
			if !d.fail(part, fault) {
				return false
			}
			continue
		}
		part.batch = 0
		if !d.unpack(i, part, func(dst []byte, _ int) ([]byte, *payload.Fault) { return d.row.AppendJSON(dst), nil }) {
			return false
		}
	}
	return true
}

// reader is that of a step that parses.
func (d *Decoder) reader(c *columns.Config) *columns.Reader {
	for i := range d.plan.then {
		if d.plan.then[i].columns == c {
			return d.readers[i]
		}
	}
	return nil
}

// add makes a piece. Pieces of nothing but white space keep their place, and are not visited.
func (d *Decoder) add(p piece) bool {
	if d.plan != nil {
		if len(d.pieces) >= d.plan.limits.Pieces {
			d.whole = &payload.Fault{Defect: payload.UnpackLimit, Detail: "it has more pieces than input_limits allow"}
			return false
		}
		single := !d.aggregate && !d.plan.splits
		p.blank = p.blank || p.batch == 0 && !p.broken && (d.plan.splits || single) && payload.IsBlank(p.data)
		if !d.big && len(d.pieces)*pieceBytes > ownMemory {
			return false
		}
	}
	d.pieces = append(d.pieces, p)
	return true
}

// toldFaults is how many broken pieces of a record are described. A record may have a million.
const toldFaults = 1000

// fail makes a broken piece.
func (d *Decoder) fail(p piece, fault *payload.Fault) bool {
	d.spent = d.spent || fault.Defect == payload.UnpackLimit
	n := len(d.faults)
	same := func(f *payload.Fault) bool { return f.Defect == fault.Defect }
	if n < toldFaults {
		d.faults = append(d.faults, fault)
	} else if at := slices.IndexFunc(d.faults[toldFaults:], same); at >= 0 {
		n = toldFaults + at
	} else {
		d.faults = append(d.faults, &payload.Fault{
			Defect: fault.Defect, Detail: "broken like others of its record, which has more of them than are described",
		})
	}
	p.batch, p.blank, p.broken, p.event = 0, false, true, uint32(n)
	return d.add(p)
}

// splits reports whether places count pieces.
func (d *Decoder) splits() bool { return d.plan != nil && d.plan.splits }

// piece makes the user record of a piece: what may differ from the one before. key is that of the Kinesis record.
func (d *Decoder) piece(i int, key string, u *UserRecord) {
	p := &d.pieces[i]
	u.Data, u.Row, u.Err = p.data, nil, nil
	u.Borrowed, u.Replayed = d.plan != nil, false
	if d.aggregate {
		u.SubSequence = p.inside
		if u.PartitionKey = key; p.key > 0 {
			u.PartitionKey = d.inside.keys[p.key-1]
		}
	}
	if d.splits() {
		u.SubSequence = uint32(i)
	}
	var fault *payload.Fault
	switch {
	case p.broken:
		fault = d.faults[p.event]
	case d.plan != nil:
		fault = d.shape(p, u)
	}
	if fault != nil {
		u.Err = fault
	}
}

// shape takes the steps that make one record of a piece.
func (d *Decoder) shape(p *piece, u *UserRecord) *payload.Fault {
	if p.batch > 0 {
		b := d.batches[p.batch-1]
		if fault := b.Row(int(p.event), &d.row); fault != nil {
			u.Data = b.Event(int(p.event)) // for its dead letter
			return fault
		}
		u.Data, u.Row = nil, &d.row
	}
	for i := range d.plan.then {
		s := &d.plan.then[i]
		switch {
		case s.columns != nil && s.columns.As == columns.AsJSON: // it is already
		case s.columns != nil:
			var header *payload.Names
			if p.header > 0 {
				header = d.headers[p.header-1]
			}
			text, fault := d.readers[i].Read(u.Data, u.Row, header, &d.shaped)
			if fault != nil {
				return fault
			}
			if u.Data, u.Row = text, nil; text == nil {
				u.Row = &d.shaped
			}
		case u.Row != nil && s.nested != nil:
			s.nested.Row(u.Row)
		case len(u.Data) > payload.MaxRecordBytes: // it is refused as it is
		default:
			data := u.Data
			if u.Row != nil {
				data = u.Row.AppendJSON(nil)
			}
			if s.nested != nil {
				data = s.nested.Append(d.text[:0], data)
			} else {
				data = s.tolerate.Append(d.text[:0], data)
			}
			u.Data, u.Row = data, nil
			d.text, d.spare = d.spare, data // the next step reads this and writes that
		}
	}
	return nil
}

// All lists the user records of a Kinesis record, as copies. Tools use it.
func (p *Plan) All(ctx context.Context, rec *alert.Record) []UserRecord {
	var all []UserRecord
	budget := NewBudget()
	if p != nil {
		budget = p.budget
	}
	_ = p.Decoder(budget).Each(ctx, rec, func(u *UserRecord) error {
		all = append(all, u.Keep())
		return nil
	})
	return all
}

// Keep is a user record that may be kept, with a Data of its own.
func (u *UserRecord) Keep() UserRecord {
	kept := *u
	kept.Record = u.Kept()
	return kept
}
