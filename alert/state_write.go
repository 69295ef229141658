package alert

import (
	"encoding/binary"
	"hash/crc32"
)

// State returns a snapshot of the state after everything evaluated so far. It takes less than a microsecond per entry.
func (e *Evaluator) State() []byte {
	x := &encoding{
		m: e.memory, covers: e.in.set.covers, now: e.clock.now(), reached: e.life.reached(), size: sectionOverhead,
		bodies: make([]writer, len(e.memory.rules)), notified: make([]*notifiedSection, len(e.memory.rules)),
	}
	x.entries()
	x.rules()
	x.scores()
	x.former()
	eventTime := int64(0)
	if !e.clock.eventTime.IsZero() {
		eventTime = e.clock.eventTime.UnixNano()
	}
	return x.seal(eventTime)
}

// encoding is a memory being written as a snapshot.
type encoding struct {
	m            *memory
	covers       []*cover // of the rule set
	now, reached int64
	bodies       []writer           // of the rules' own sections
	notified     []*notifiedSection // by rule; nil if not needed
	ranks        map[*entry]uint64  // of entries that other shards have, too
	sections     []section
	size         int // of the snapshot, approximately
}

// sectionOverhead is about the most that a section takes in addition to its body.
const sectionOverhead = 128

func (x *encoding) add(s section) {
	x.sections = append(x.sections, s)
	x.size += len(s.body) + sectionOverhead
}

// entries writes the entry of each key into the section of its rule.
func (x *encoding) entries() {
	m, words := x.m, maxSavedWords
	for i, r := range m.rules {
		w := &x.bodies[i]
		w.format = m.format
		if m.has(formatEnds) && r.rule.stateful() {
			x.notified[i], w.audiences = r.notifiedSection(&words)
		}
		w.buf = make([]byte, 0, 32+len(r.entries)*64)
		w.float(r.tokens)
		w.int(r.at)
		w.uint(uint64(len(r.entries) - r.silent())) //nolint:gosec // the silent ones are among them
		if r.rule.keyless() {
			for _, en := range r.entries { // one at most, outside the order of use
				w.entry(0, en)
			}
		}
	}
	if m.inherited.provisional > 0 {
		x.ranks = make(map[*entry]uint64, m.inherited.provisional)
	}
	for i, en := range m.inOrder() {
		rank := uint64(i)
		if en.provisional != nil {
			x.ranks[en] = rank
		}
		if en.provisional == nil || !en.provisional.silent {
			x.bodies[en.of.rule.place].entry(rank, en)
		}
	}
}

// rules adds the sections of each rule: its own, that of the notified topics, and that of what it shares with other
// shards.
func (x *encoding) rules() {
	for i, r := range x.m.rules {
		s := section{name: r.rule.name, fingerprint: r.rule.fingerprint, used: x.reached}
		covers := x.coversOf(r)
		if r.rule.stateful() {
			own := s
			own.body, own.covers = x.bodies[i].buf, covers
			x.add(own)
		}
		if t := x.notified[i]; t != nil {
			x.add(s.of(notifiedPrefix, t.write(), nil))
		}
		if body := x.m.writeInherited(r, x.ranks, x.bodies[i].audiences); body != nil {
			x.add(s.of(inheritedPrefix, body, covers))
		}
	}
}

// of returns another section about the same version of a rule.
func (s section) of(prefix string, body []byte, covers []uint32) section {
	return section{name: prefix + s.name, fingerprint: s.fingerprint, used: s.used, body: body, covers: covers}
}

func (x *encoding) scores() {
	for _, m := range x.m.scores {
		body := &writer{}
		if err := m.write(body); err != nil {
			continue // unreachable: a forest of a validated configuration can be written
		}
		x.add(section{
			name: scorePrefix + m.score.config.As, fingerprint: m.score.fingerprint, used: x.now,
			body: body.buf,
		})
	}
}

func (x *encoding) former() {
	for _, s := range x.m.former.kept(MaxState-x.size, x.now) {
		x.add(s)
		if s.notified != nil {
			x.add(s.of(notifiedPrefix, s.notified.write(), nil))
		}
	}
}

// seal assembles the header, the sections and the checksum.
func (x *encoding) seal(eventTime int64) []byte {
	m, w := x.m, &writer{buf: make([]byte, 0, x.size)}
	w.buf = append(append(w.buf, stateMagic...), m.format)
	w.int(eventTime)
	w.int(m.clock)
	w.int(m.watchdog)
	if m.keyed() {
		w.buf = append(w.buf, m.key[:]...)
	}
	w.uint(uint64(len(x.sections)))
	for i := range x.sections {
		s := &x.sections[i]
		w.text(s.name)
		w.buf = append(w.buf, s.fingerprint[:]...)
		w.int(s.used)
		if m.has(formatEnds) {
			w.covers(s.covers)
		}
		w.blob(s.body)
	}
	return binary.BigEndian.AppendUint32(w.buf, crc32.Checksum(w.buf, crc32.MakeTable(crc32.Castagnoli)))
}

// coversOf returns the hashes of the conditions behind the bits of a rule's entries.
func (x *encoding) coversOf(r *ruleMemory) []uint32 {
	if r.rule.covers == 0 || len(r.entries) == 0 {
		return nil
	}
	hashes := make([]uint32, len(x.covers))
	for i, c := range x.covers {
		hashes[i] = c.hash
	}
	return hashes
}
