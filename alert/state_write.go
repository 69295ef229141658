package alert

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sort"
)

// Snapshot returns the state after everything that was evaluated so far. It takes less than a microsecond an entry.
func (e *Evaluator) Snapshot() []byte {
	m := e.memory
	bodies := make([]writer, len(m.rules))
	tells, words := make([]*told, len(m.rules)), maxSaid
	for i, r := range m.rules {
		w := &bodies[i]
		w.format = m.format
		if m.has(formatEnds) && r.rule.stateful() {
			tells[i], w.audiences = r.tells(&words)
		}
		w.buf = make([]byte, 0, 32+len(r.entries)*64)
		w.float(r.tokens)
		w.int(r.at)
		w.uint(uint64(len(r.entries) - r.silent())) //nolint:gosec // the silent ones are a part
		if r.rule.whole() {
			for _, en := range r.entries { // one at most, outside the order of use
				w.entry(0, en)
			}
		}
	}
	var ranks map[*entry]uint64
	if m.inherited.kin > 0 {
		ranks = make(map[*entry]uint64, m.inherited.kin)
	}
	for i, en := range m.inOrder() {
		rank := uint64(i)
		if en.kin != nil {
			ranks[en] = rank
		}
		if en.kin == nil || !en.kin.silent {
			bodies[en.of.rule.place].entry(rank, en)
		}
	}
	var sections []section
	total := 128
	for i, r := range m.rules {
		if r.rule.stateful() {
			sections = append(sections, section{name: r.rule.name, fingerprint: r.rule.fingerprint, used: e.life.reached(), body: bodies[i].buf, covers: e.coversOf(r)})
			total += len(bodies[i].buf) + 128
		}
		if t := tells[i]; t != nil {
			sections = append(sections, section{name: toldSection + r.rule.name, fingerprint: r.rule.fingerprint, used: e.life.reached(), body: t.write()})
			total += len(sections[len(sections)-1].body) + 128
		}
		if body := m.writeKin(r, ranks, bodies[i].audiences); body != nil {
			sections = append(sections, section{name: kinSection + r.rule.name, fingerprint: r.rule.fingerprint, used: e.life.reached(), body: body, covers: e.coversOf(r)})
			total += len(body) + 128
		}
	}
	for _, x := range m.scores {
		body := &writer{}
		if err := x.write(body); err != nil {
			continue // unreachable: a forest of a validated configuration can be written
		}
		sections = append(sections, section{name: scoreSection + x.score.config.As, fingerprint: x.score.fingerprint, used: e.clock.now(), body: body.buf})
		total += len(body.buf) + 128
	}
	for _, s := range e.foreign(MaxSnapshot - total) {
		sections = append(sections, s)
		total += len(s.body) + 128
		if s.told != nil {
			sections = append(sections, section{name: toldSection + s.name, fingerprint: s.fingerprint, used: s.used, body: s.told.write()})
			total += len(sections[len(sections)-1].body) + 128
		}
	}
	w := &writer{buf: make([]byte, 0, total)}
	w.buf = append(append(w.buf, snapshotMagic...), m.format)
	if e.clock.eventTime.IsZero() {
		w.int(0)
	} else {
		w.int(e.clock.eventTime.UnixNano())
	}
	w.int(m.clock)
	w.int(m.watchdog)
	if m.keyed() {
		w.buf = append(w.buf, m.key[:]...)
	}
	w.uint(uint64(len(sections)))
	for i := range sections {
		s := &sections[i]
		w.text(s.name)
		w.buf = append(w.buf, s.fingerprint[:]...)
		w.int(s.used)
		if m.has(formatEnds) {
			w.covers(s.covers)
		}
		w.uint(uint64(len(s.body)))
		w.buf = append(w.buf, s.body...)
	}
	return binary.BigEndian.AppendUint32(w.buf, crc32.Checksum(w.buf, crc32.MakeTable(crc32.Castagnoli)))
}

// foreign is the state of unknown rules that is still worth keeping, and for which there is room, the most recently used first.
func (e *Evaluator) foreign(room int) []section {
	for i := range e.memory.foreign {
		e.memory.foreign[i].settleOver()
	}
	kept := slices.Clone(e.memory.foreign)
	sort.SliceStable(kept, func(i, j int) bool { return kept[i].used > kept[j].used })
	total := 0
	return slices.DeleteFunc(kept, func(s section) bool {
		total += len(s.body) + 128
		if s.told != nil {
			total += len(s.told.words) + 256
		}
		if s.owes > 0 { // the next tick says the ends first
			return total > room
		}
		return total > min(maxForeign, room) || e.clock.now()-s.used > millis(foreignLife)
	})
}

// coversOf are the hashes of the conditions that the bits of a rule's entries stand for.
func (e *Evaluator) coversOf(r *ruleMemory) []uint32 {
	if r.rule.covers == 0 || len(r.entries) == 0 {
		return nil
	}
	hashes := make([]uint32, len(e.in.set.covers))
	for i, c := range e.in.set.covers {
		hashes[i] = c.hash
	}
	return hashes
}
