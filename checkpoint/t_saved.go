package checkpoint

import (
	"kinesis-alerter/internal/position"
)

// snapshot is what a shard's row says of the state that belongs to it.
type snapshot struct {
	version    string // of the save, as stored; empty where there is none
	chunks     int
	sum        uint32 // CRC-32C of the whole
	bytes      int
	at         position.Position // the last record that it includes; zero: it is from before the first
	generation uint32            // of the shard when it was saved
}

// stateAttributes are those of a shard's row that belong to its snapshot.
func stateAttributes() []string {
	return []string{attrState, attrStateChunks, attrStateSum, attrStateBytes, attrStateAt, attrStateSub, attrStateGeneration}
}

// encode adds the snapshot to a row.
func (p snapshot) encode(it item) {
	if p.version == "" {
		return
	}
	it[attrState], it[attrStateChunks], it[attrStateBytes] = str(p.version), num(int64(p.chunks)), num(int64(p.bytes))
	it[attrStateSum], it[attrStateGeneration] = num(int64(p.sum)), num(int64(p.generation))
	if !p.at.IsZero() {
		it[attrStateAt], it[attrStateSub] = str(p.at.Sequence), num(int64(p.at.Sub))
	}
}

// decodeSnapshot never fails: a row that cannot be understood in this regard still says who owns the shard and where it
// is read. Its chunks will not match.
func decodeSnapshot(it item) snapshot {
	p := snapshot{version: text(it[attrState])}
	if p.version == "" {
		return p
	}
	number := func(attr string) int64 {
		n, err := integer(it[attr])
		if err != nil {
			return 0
		}
		return n
	}
	p.chunks, p.bytes = int(number(attrStateChunks)), int(number(attrStateBytes))
	p.sum, p.generation = uint32(number(attrStateSum)), uint32(number(attrStateGeneration)) //nolint:gosec // as they were written
	if at := text(it[attrStateAt]); at != "" {
		p.at = position.Position{Sequence: at, Sub: uint32(number(attrStateSub))} //nolint:gosec // as it was written
	}
	return p
}

// point adds to a write that the row points to p, where it pointed to was before: so flips of one shard have an order, and
// one that comes late changes nothing.
func (e *expr) point(p snapshot, was string) {
	it := item{}
	p.encode(it)
	for _, attr := range stateAttributes() {
		e.put(attr, it[attr], it[attr] != nil)
	}
	if was == "" {
		e.ifAbsent(attrState)
	} else {
		e.ifEqual(attrState, str(was))
	}
}
