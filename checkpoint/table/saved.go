package table

import (
	"kinesis-alerter/internal/position"
)

// Saved is what a shard's row says of the state that belongs to it.
type Saved struct {
	Version    string // of the save, as stored; empty where there is none
	Chunks     int
	Sum        uint32 // CRC-32C of the whole
	Bytes      int
	At         position.Position // the last record that it includes; zero: it is from before the first
	Generation uint32            // of the shard when it was saved
}

// StateAttributes are those of a shard's row that belong to its snapshot.
func StateAttributes() []string {
	return []string{
		AttrState, AttrStateChunks, AttrStateSum, AttrStateBytes, AttrStateAt, AttrStateSub,
		AttrStateGeneration,
	}
}

// Encode adds the snapshot to a row.
func (p Saved) Encode(it Item) {
	if p.Version == "" {
		return
	}
	it[AttrState], it[AttrStateChunks], it[AttrStateBytes] = Str(p.Version), Num(int64(p.Chunks)), Num(int64(p.Bytes))
	it[AttrStateSum], it[AttrStateGeneration] = Num(int64(p.Sum)), Num(int64(p.Generation))
	if !p.At.IsZero() {
		it[AttrStateAt], it[AttrStateSub] = Str(p.At.Sequence), Num(int64(p.At.Sub))
	}
}

// DecodeSaved never fails: a row that cannot be understood in this regard still says who owns the shard and where it
// is read. Its chunks will not match.
func DecodeSaved(it Item) Saved {
	p := Saved{Version: Text(it[AttrState])}
	if p.Version == "" {
		return p
	}
	number := func(attr string) int64 {
		n, err := Integer(it[attr])
		if err != nil {
			return 0
		}
		return n
	}
	p.Chunks, p.Bytes = int(number(AttrStateChunks)), int(number(AttrStateBytes))
	p.Sum = uint32(number(AttrStateSum))               //nolint:gosec // as it was written
	p.Generation = uint32(number(AttrStateGeneration)) //nolint:gosec // as it was written
	if at := Text(it[AttrStateAt]); at != "" {
		p.At = position.Position{Sequence: at, Sub: uint32(number(AttrStateSub))} //nolint:gosec // as it was written
	}
	return p
}

// Point adds to a write that the row points to p, where it pointed to was before: so flips of one shard have an
// order, and one that comes late changes nothing.
func (e *Write) Point(p Saved, was string) {
	it := Item{}
	p.Encode(it)
	for _, attr := range StateAttributes() {
		e.Put(attr, it[attr], it[attr] != nil)
	}
	if was == "" {
		e.IfAbsent(AttrState)
	} else {
		e.IfEqual(AttrState, Str(was))
	}
}
