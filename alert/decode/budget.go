package decode

import (
	"context"
	"sync/atomic"
	"weak"

	"kinesis-alerter/alert/decode/envelope"
	"kinesis-alerter/alert/decode/unpack"
	"kinesis-alerter/alert/payload"
)

const (
	// ownMemory is what a record may unpack to without asking the Budget. Batches of CloudWatch Logs are smaller.
	ownMemory = 256 << 10
	// keptMemories is how many memories a process keeps for records to come. Few are in use at once, as a shard needs
	// one only while a record is at hand.
	keptMemories = 16
	// keptBatches is how many envelopes of one record are kept with a memory.
	keptBatches = 64
	// heldMemories is how many visits may wait with theirs. Those above yield, as when no topic answers.
	heldMemories = 64
)

// Budget is the memory that all decoders of a process unpack into: a little for each record at hand, and much for one
// record at a time. Nobody waits for anything else while holding that one, see Decoder.Yield. The zero value is not
// usable.
type Budget struct {
	held chan struct{}
	// large is what the last large record was unpacked into. The next garbage collection takes it; until then the next
	// large record uses it again.
	large weak.Pointer[memory]
	// free and unpackers are kept for records to come.
	free      chan *memory
	unpackers chan *unpack.Unpacker
	inUse     atomic.Int64
}

// memory is what one record is decoded into.
type memory struct {
	pieces  []piece
	batches []*envelope.Batch
	block   []byte // what steps made, one behind the other
	// row is a batch's event, and shaped what a step made of a record. text and spare are the piece that is visited.
	row, shaped payload.Row
	text, spare []byte
}

// NewBudget makes the budget of a process.
func NewBudget() *Budget {
	return &Budget{
		held: make(chan struct{}, 1), free: make(chan *memory, keptMemories),
		unpackers: make(chan *unpack.Unpacker, keptMemories),
	}
}

// takeLarge waits for the memory of the one large record.
func (b *Budget) takeLarge(ctx context.Context) (*memory, error) {
	select {
	case b.held <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if m := b.large.Value(); m != nil {
		return m, nil
	}
	return &memory{}, nil
}

// giveLarge ends a takeLarge. m is nil if it may still be looked at.
func (b *Budget) giveLarge(m *memory) {
	b.large = weak.Pointer[memory]{}
	if m != nil {
		m.forget()
		b.large = weak.Make(m)
	}
	<-b.held
}

// take is the memory of a small record.
func (b *Budget) take() *memory {
	b.inUse.Add(1)
	select {
	case m := <-b.free:
		return m
	default:
		return &memory{}
	}
}

// give ends a take. m is nil if it may still be looked at.
func (b *Budget) give(m *memory) {
	b.inUse.Add(-1)
	if m == nil {
		return
	}
	m.forget()
	if cap(m.text) > ownMemory || cap(m.spare) > ownMemory { // a piece may be any part of its record
		m.text, m.spare = nil, nil
	}
	if cap(m.pieces)*pieceBytes > 2*ownMemory { // an aggregate may hold a million records
		m.pieces = nil
	}
	if cap(m.batches) > keptBatches {
		m.batches = nil
	}
	select {
	case b.free <- m:
	default:
	}
}

// crowded reports whether so many records are at hand that those which wait must yield.
func (b *Budget) crowded() bool { return b.inUse.Load() > heldMemories }

func (b *Budget) takeUnpacker() *unpack.Unpacker {
	select {
	case u := <-b.unpackers:
		return u
	default:
		return &unpack.Unpacker{}
	}
}

func (b *Budget) giveUnpacker(u *unpack.Unpacker) {
	u.Release()
	select {
	case b.unpackers <- u:
	default:
	}
}

// forget drops what must not outlive a record.
func (m *memory) forget() {
	for _, b := range m.batches {
		b.Release()
	}
	clear(m.pieces)
	clear(m.row.Cells)
	clear(m.shaped.Cells)
	m.pieces, m.block, m.batches = m.pieces[:0], m.block[:0], m.batches[:0]
}
