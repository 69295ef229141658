package alert

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"time"
)

// A snapshot is a header, sections by rule, and a checksum:
//
//	magic, version | event time, clock, watchdog | number of sections |
//	  { name, fingerprint, time of the last use, length, body } ... | CRC-32C
//
// Numbers are varints. A section whose name and fingerprint no rule has is kept as it is, so that a rule set that is
// rolled back finds its state again. Entries carry their rank in the order of use over all rules.
const (
	snapshotMagic   = "KAS"
	snapshotVersion = 1
	// foreignLife is for how long, in event time, the state of rules that are no more is kept, and maxForeign how much.
	foreignLife = 7 * 24 * time.Hour
	maxForeign  = 8 << 20
	// maxSnapshot bounds what Restore reads.
	maxSnapshot = 1 << 30
)

// scoreSection stands before the name of a score in the name of its section; no rule's name has a colon.
const scoreSection = "score:"

// section is the state of one rule, in the form of a snapshot.
type section struct {
	name        string
	fingerprint [16]byte
	used        int64 // how far time had come, in milliseconds, when a rule last had it
	body        []byte
}

// ErrSnapshot says that a snapshot cannot be read: it is damaged, or of a later version.
var ErrSnapshot = errors.New("snapshot of evaluation cannot be read")

// Snapshot returns the state after everything that was evaluated so far. It takes less than a microsecond an entry.
func (e *Evaluator) Snapshot() []byte {
	m := e.memory
	bodies := make([]writer, len(m.rules))
	for i, r := range m.rules {
		w := &bodies[i]
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
	if m.kin > 0 {
		ranks = make(map[*entry]uint64, m.kin)
	}
	rank := uint64(0)
	for en := m.oldest; en != nil; en = en.newer {
		if en.kin != nil {
			ranks[en] = rank
		}
		if en.kin == nil || !en.kin.silent {
			bodies[en.of.rule.place].entry(rank, en)
		}
		rank++
	}
	sections := e.foreign()
	total := 128
	for i, r := range m.rules {
		if r.rule.stateful() {
			sections = append(sections, section{r.rule.name, r.rule.fingerprint, e.reached(), bodies[i].buf})
			total += len(bodies[i].buf) + 128
		}
		if body := m.writeKin(r, ranks); body != nil {
			sections = append(sections, section{kinSection + r.rule.name, r.rule.fingerprint, e.reached(), body})
			total += len(body) + 128
		}
	}
	for _, x := range m.scores {
		body := &writer{}
		if err := x.write(body); err != nil {
			continue // unreachable: a forest of a validated configuration can be written
		}
		sections = append(sections, section{scoreSection + x.score.config.As, x.score.fingerprint, e.now(), body.buf})
		total += len(body.buf) + 128
	}
	w := &writer{buf: make([]byte, 0, total)}
	w.buf = append(w.buf, snapshotMagic...)
	w.buf = append(w.buf, snapshotVersion)
	if e.eventTime.IsZero() {
		w.int(0)
	} else {
		w.int(e.eventTime.UnixNano())
	}
	w.int(m.clock)
	w.int(m.watchdog)
	w.uint(uint64(len(sections)))
	for i := range sections {
		s := &sections[i]
		w.text(s.name)
		w.buf = append(w.buf, s.fingerprint[:]...)
		w.int(s.used)
		w.uint(uint64(len(s.body)))
		w.buf = append(w.buf, s.body...)
	}
	return binary.BigEndian.AppendUint32(w.buf, crc32.Checksum(w.buf, crc32.MakeTable(crc32.Castagnoli)))
}

// foreign is the state of unknown rules that is still worth keeping, the most recently used first.
func (e *Evaluator) foreign() []section {
	kept := slices.Clone(e.memory.foreign)
	sort.SliceStable(kept, func(i, j int) bool { return kept[i].used > kept[j].used })
	total := 0
	return slices.DeleteFunc(kept, func(s section) bool {
		total += len(s.body)
		return total > maxForeign || e.now()-s.used > millis(foreignLife)
	})
}

// reached is how far time has come, by records or by ticks.
func (e *Evaluator) reached() int64 { return max(e.now(), e.memory.clock) }

// Restore replaces the state by a snapshot. After an error, which wraps ErrSnapshot, the state is as it was.
func (e *Evaluator) Restore(data []byte) error {
	m, eventTime, err := readSnapshot(e.pipeline.current.Load(), data)
	if err != nil {
		return err
	}
	if set := e.pipeline.current.Load(); set != e.set {
		e.run(set)
	}
	e.memory, e.eventTime = m, eventTime
	e.met, e.news = nil, true
	return nil
}

// adopt changes over to another version of the rules: rules that are the same as before keep what they remember.
func (e *Evaluator) adopt(set *compiled) {
	state := e.Snapshot()
	e.run(set)
	m, _, err := readSnapshot(set, state)
	if err != nil { // of our own making: a bug, and forgetting is the lesser evil
		m = newMemory(set)
	}
	m.noted = e.memory.noted
	e.memory = m
	e.met, e.news = nil, true // what is known of other shards is known by the rules
}

// Inherit adds the states of parent shards. Where several shards inherit, each takes every key over, and it shows which of them
// its records come to (kin.go); else a shard takes over what it owns. Of a key that is not the partition key, that of its last
// record counts. What both parents of a merged shard know is taken from the one that heard of it, that told somebody that it fires, or
// that used it later. A state that cannot be read is left out; the error wraps ErrSnapshot.
func (e *Evaluator) Inherit(parents [][]byte, heir Heir) error {
	var from []*memory
	var errs []error
	for _, state := range parents {
		m, eventTime, err := readSnapshot(e.set, state)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if eventTime.After(e.eventTime) {
			e.eventTime = eventTime
		}
		from = append(from, m)
	}
	mine := e.memory
	h := &heritage{heir: heir, mine: mine, from: from, rank: map[*entry]int{}}
	for _, m := range from {
		mine.clock, mine.watchdog = max(mine.clock, m.clock), max(mine.watchdog, m.watchdog)
		for i, r := range m.rules {
			mine.rules[i].tokens, mine.rules[i].at = min(mine.rules[i].tokens, r.tokens), max(mine.rules[i].at, r.at)
		}
		for i, x := range m.scores {
			mine.scores[i].inherit(x, func(key string) bool { return len(heir.Siblings) > 0 || heir.Owns(key) })
		}
		for _, s := range m.foreign {
			same := func(t section) bool { return t.name == s.name && t.fingerprint == s.fingerprint }
			if !slices.ContainsFunc(mine.foreign, same) && !strings.HasPrefix(s.name, kinSection) {
				mine.foreign = append(mine.foreign, s.inherited(heir.Owns))
			}
		}
		for _, r := range m.rules {
			if r.rule.whole() {
				for _, en := range r.entries {
					mine.inherit(en, r.rule.place)
				}
			}
		}
		for i, r := range m.rules {
			for key, c := range r.claims {
				if others := without(c.family.others, heir.Parents...); len(others) > 0 {
					mine.claim(mine.rules[i], key, others, c.at)
				}
			}
		}
		for en := m.oldest; en != nil; {
			next := en.newer
			h.take(m, en, millisOf(e.eventTime))
			en = next
		}
	}
	e.news = true
	return errors.Join(errs...)
}

// heritage is a takeover from parents.
type heritage struct {
	heir Heir
	mine *memory
	from []*memory
	// rank is how much an entry counts against one of another parent, where that is not heard.
	rank map[*entry]int
}

const (
	silentCopy = iota
	spokenCopy
	heard
)

// take takes over one entry, or leaves it.
func (h *heritage) take(parent *memory, en *entry, born int64) {
	r, rank := en.of.rule, heard
	others := slices.Clone(h.heir.Siblings)
	if en.kin != nil {
		if rank = spokenCopy; en.kin.silent {
			rank = silentCopy
		}
		born = en.kin.born
		for _, m := range h.from {
			if m != parent && m.rules[r.place].claims[en.key].at > born {
				return // the other parent has what became of it
			}
		}
		others = append(others, en.kin.family.others...)
	}
	falls := en.falls(r, h.heir.Owns)
	if len(h.heir.Siblings) == 0 && rank == heard && !falls {
		return
	}
	others = union(without(others, h.heir.Parents...), nil)
	silent := rank == silentCopy || len(h.heir.Siblings) > 0 && !falls
	if known := h.mine.rules[r.place].entries[en.key]; known != nil {
		before, ok := h.rank[known]
		if !ok {
			before = heard
		}
		if before > rank {
			return
		}
		if before < rank {
			h.mine.drop(known)
		} else if known.kin != nil {
			others = union(others, known.kin.family.others)
			silent, born = silent && known.kin.silent, max(born, known.kin.born)
		}
	}
	due := en.pending()
	en.due = due
	if en = h.mine.inherit(en, r.place); en == nil {
		return
	}
	if h.mine.unbind(en); len(others) > 0 {
		h.mine.bind(en, others, silent, born)
	}
	if rank < heard {
		h.rank[en] = rank
	}
}

// falls says whether an entry goes on in the shard that owns partition keys by owns, while no shard hears of its key. Time must go
// on for it in one shard only, or the other would miss records that it does not get.
func (en *entry) falls(r *rule, owns func(partitionKey string) bool) bool {
	if r.key != nil && en.last != nil {
		return owns(en.last.partitionKey)
	}
	return r.key != nil || owns(en.key)
}

// inherited is the state of an unknown rule without the keys whose last record would not be this shard's. Entries without a
// last record are not moved by time, so that they do no harm in both children.
func (s section) inherited(owns func(partitionKey string) bool) section {
	r, w := &reader{buf: s.body}, &writer{}
	w.float(r.float())
	w.int(r.int())
	var kept []ranked
	for range r.count() {
		rank := r.uint()
		if e := r.entry(); e.last == nil || e.key == "" || owns(e.last.partitionKey) {
			kept = append(kept, ranked{e, rank})
		}
	}
	if r.failed || len(r.buf) > 0 {
		return s // by a later version, which knows what to make of it
	}
	w.uint(uint64(len(kept)))
	for _, x := range kept {
		w.entry(x.rank, x.entry)
	}
	s.body = w.buf
	return s
}

// inherit takes an entry of another memory over, and returns the one that is remembered.
func (m *memory) inherit(en *entry, place int) *entry {
	r := m.rules[place]
	if known := r.entries[en.key]; known != nil {
		held := max(known.held, en.held)
		if known.outlives(en) {
			known.held = held
			return known
		}
		en.held = held
		m.drop(known)
	}
	if m.count >= m.max && !r.rule.whole() {
		m.evict()
	}
	due := en.due
	*en = entry{
		key: en.key, of: r, place: -1, streak: en.streak, since: en.since, held: en.held, swallowed: en.swallowed, sent: en.sent,
		firing: en.firing, told: en.told, severity: en.severity, last: en.last, window: en.window,
	}
	m.put(en)
	m.schedule(en, due)
	return en
}

// outlives says which of two entries for one key goes on. Whoever was told that it fires is to be told of the end.
func (en *entry) outlives(other *entry) bool {
	if told := en.firing && en.told; told != (other.firing && other.told) {
		return told
	}
	return max(en.held, en.sent) >= max(other.held, other.sent)
}

// ranked is an entry on its way into a memory, with its rank in the order of use.
type ranked struct {
	entry *entry
	rank  uint64
}

// readSnapshot makes the memory of a rule set from a snapshot.
func readSnapshot(set *compiled, data []byte) (*memory, time.Time, error) {
	header, sections, err := openSnapshot(data)
	if err != nil {
		return nil, time.Time{}, err
	}
	m := newMemory(set)
	var eventTime time.Time
	if ns := header[0]; ns != 0 {
		eventTime = time.Unix(0, ns).UTC()
	}
	m.clock, m.watchdog = header[1], header[2]
	reached := max(millisOf(eventTime), m.clock, 0)
	var all []ranked
	failed := false
	kin := map[int]*kinState{} // by rule
	for _, s := range sections {
		if j := slices.IndexFunc(set.scores, func(x *score) bool { return scoreSection+x.config.As == s.name && x.fingerprint == s.fingerprint }); j >= 0 {
			part := &reader{buf: s.body}
			m.scores[j].read(part)
			failed = failed || part.failed || len(part.buf) > 0
			continue
		}
		name, shared := strings.CutPrefix(s.name, kinSection)
		i := slices.IndexFunc(set.rules, func(x *rule) bool { return x.name == name && x.fingerprint == s.fingerprint })
		if i < 0 {
			s.body = slices.Clone(s.body)
			m.foreign = append(m.foreign, s)
			continue
		}
		if shared && set.rules[i].whole() {
			continue // it has no keys
		}
		if shared {
			k, ok := readKin(s.body)
			if failed = failed || !ok; s.used < reached { // what came meanwhile nobody noted
				k.copies, k.shared = nil, nil
			}
			kin[i] = &k
			continue
		}
		part := &reader{buf: s.body}
		entries := part.rule(m.rules[i])
		if s.used < reached {
			entries = slices.DeleteFunc(entries, func(x ranked) bool { return !set.rules[i].thaw(x.entry, reached) })
		}
		all = append(all, entries...)
		failed = failed || part.failed || len(part.buf) > 0
	}
	copies := map[*entry]*kinCopy{}
	for i, k := range kin {
		for j := range k.copies {
			c := &k.copies[j]
			failed = failed || !m.rules[i].fits(c.entry)
			c.entry.of = m.rules[i]
			copies[c.entry] = c
			all = append(all, c.ranked)
		}
	}
	if failed {
		return nil, time.Time{}, fmt.Errorf("%w: its parts do not fit together", ErrSnapshot)
	}
	slices.SortFunc(all, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	for _, x := range all {
		if m.count >= m.max && !x.entry.of.rule.whole() { // state.max_keys was lowered
			m.evict()
		}
		if x.entry.of.entries[x.entry.key] != nil {
			continue // twice: nobody writes that
		}
		due := x.entry.due
		x.entry.due = 0
		m.put(x.entry)
		m.schedule(x.entry, due)
		if c := copies[x.entry]; c != nil {
			m.bind(x.entry, kin[x.entry.of.rule.place].families[c.family], true, c.born)
		}
	}
	for i, k := range kin {
		r := m.rules[i]
		for _, c := range k.shared {
			if en := r.entries[c.key]; en != nil && en.kin == nil {
				m.bind(en, k.families[c.family], false, c.at)
			}
		}
		for _, c := range k.claims {
			if _, known := r.claims[c.key]; !known {
				m.claim(r, c.key, k.families[c.family], c.at)
			}
		}
	}
	return m, eventTime, nil
}

// fits says whether an entry can be one of the rule.
func (m *ruleMemory) fits(en *entry) bool {
	w := m.rule.window
	return (w == nil) == (en.window == nil) && (w == nil || int64(len(en.window.panes)) == w.panes)
}

// silent counts the entries for which another shard speaks.
func (m *ruleMemory) silent() (n int) {
	if m.kin > 0 {
		for _, en := range m.entries {
			if en.kin != nil && en.kin.silent {
				n++
			}
		}
	}
	return n
}

// thaw goes on with what a rule remembers that was not in force for a while. What came meanwhile nobody noted, so nothing may
// be concluded from its absence: what waits, begins to wait anew. It is false if nothing is left to remember.
func (r *rule) thaw(en *entry, now int64) bool {
	if r.absence.Of == AbsenceOfStream {
		return true // what the fleet knows of the stream has no gap
	}
	if en.window != nil {
		r.window.advance(en.window, now)
	}
	switch {
	case en.firing:
		en.held = max(en.held, now)
		if r.repeat > 0 && now > en.sent {
			en.sent += (now - en.sent) / r.repeat * r.repeat
		}
	case r.absence.After > 0:
		en.held = max(en.held, now)
	default:
		en.since, en.streak = 0, 0
	}
	en.due = r.nextDue(en, now)
	if r.insists() && en.firing && !en.told {
		en.due = now + patience
	}
	return en.due != 0 || !r.forgettable(en)
}

// writer appends the parts of a snapshot.
type writer struct{ buf []byte }

func (w *writer) uint(n uint64) { w.buf = binary.AppendUvarint(w.buf, n) }
func (w *writer) int(n int64)   { w.buf = binary.AppendVarint(w.buf, n) }
func (w *writer) blob(b []byte) { w.uint(uint64(len(b))); w.buf = append(w.buf, b...) }
func (w *writer) text(s string) { w.uint(uint64(len(s))); w.buf = append(w.buf, s...) }

func (w *writer) float(f float64) {
	w.buf = binary.BigEndian.AppendUint64(w.buf, math.Float64bits(f))
}

// The bits of an entry that say what follows.
const (
	entryFiring = 1 << iota
	entryTold
	entryLast
	entryWindow
	entryValues
	entryKin // other shards have it, too; no more follows
)

// entry writes an entry behind its rank in the order of use.
func (w *writer) entry(rank uint64, e *entry) {
	w.uint(rank)
	bits := uint64(0)
	set := func(bit uint64, on bool) {
		if on {
			bits |= bit
		}
	}
	set(entryFiring, e.firing)
	set(entryTold, e.told)
	set(entryKin, e.kin != nil)
	set(entryLast, e.last != nil)
	set(entryWindow, e.window != nil)
	set(entryValues, e.window != nil && e.window.values != nil)
	w.uint(bits)
	w.text(e.key)
	w.uint(uint64(e.severity))
	w.int(e.pending())
	w.uint(uint64(e.streak))
	w.int(e.since)
	w.int(e.held)
	w.uint(uint64(e.swallowed))
	w.int(e.sent)
	if e.last != nil {
		w.text(e.last.partitionKey)
		w.text(e.last.sequence)
		w.uint(uint64(e.last.sub))
		w.int(e.last.arrival)
	}
	if e.window != nil {
		w.window(e.window)
	}
}

func (w *writer) window(s *window) {
	w.int(s.last)
	w.uint(uint64(len(s.panes)))
	for i := range s.panes {
		p := &s.panes[i]
		w.uint(p.count)
		if p.count > 0 {
			w.float(p.sum)
			w.float(p.min)
			w.float(p.max)
		}
	}
	if s.values == nil {
		return
	}
	w.uint(uint64(len(s.values)))
	for _, hash := range slices.Sorted(maps.Keys(s.values)) {
		w.buf = binary.BigEndian.AppendUint64(w.buf, hash)
		w.int(s.values[hash])
	}
}

// reader takes the parts of a snapshot. After the first part that is not there it gives zero values.
type reader struct {
	buf    []byte
	failed bool
	kin    bool // the last entry is one that other shards have, too
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.buf)
	r.skip(size)
	return n
}

// small is a number of at most most.
func (r *reader) small(most uint32) uint32 {
	return uint32(min(r.uint(), uint64(most))) //nolint:gosec // bounded in the same line
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.buf)
	r.skip(size)
	return n
}

func (r *reader) skip(size int) {
	if size <= 0 {
		r.failed, r.buf = true, nil
		return
	}
	r.buf = r.buf[size:]
}

// count is a number of things that take a byte each at least.
func (r *reader) count() uint64 {
	n := r.uint()
	if n > uint64(len(r.buf)) {
		r.failed, r.buf = true, nil
		return 0
	}
	return n
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.buf)) {
		r.failed, r.buf = true, nil
		return nil
	}
	out := r.buf[:n]
	r.buf = r.buf[n:]
	return out
}

func (r *reader) text() string { return string(r.take(r.uint())) }

func (r *reader) float() float64 {
	if b := r.take(8); b != nil {
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) rule(m *ruleMemory) []ranked {
	m.tokens, m.at = r.float(), r.int()
	n := r.count()
	out := make([]ranked, 0, n)
	for range n {
		rank := r.uint()
		e := r.entry()
		r.failed = r.failed || !m.fits(e)
		if e.of = m; !r.failed {
			out = append(out, ranked{e, rank})
		}
	}
	return out
}

func (r *reader) entry() *entry {
	bits := r.uint()
	r.kin = bits&entryKin != 0
	e := &entry{
		place: -1, firing: bits&entryFiring != 0, told: bits&entryTold != 0,
		key: r.text(), severity: uint8(r.small(2) & 3), due: r.int(), streak: r.small(math.MaxUint32),
		since: r.int(), held: r.int(), swallowed: r.small(math.MaxUint32), sent: r.int(),
	}
	if bits&entryLast != 0 {
		e.last = &lastRecord{partitionKey: r.text(), sequence: r.text(), sub: r.small(math.MaxUint32), arrival: r.int()}
	}
	if bits&entryWindow != 0 {
		e.window = r.window(bits&entryValues != 0)
	}
	return e
}

func (r *reader) window(values bool) *window {
	s := &window{last: r.int()}
	r.failed = r.failed || s.last < 0
	s.panes = make([]pane, min(r.count(), maxPanes))
	for i := range s.panes {
		if p := &s.panes[i]; !r.failed {
			if p.count = r.uint(); p.count > 0 {
				p.sum, p.min, p.max = r.float(), r.float(), r.float()
			}
		}
	}
	if !values {
		return s
	}
	n := r.count()
	s.values = make(map[uint64]int64, n)
	for range n {
		if b := r.take(8); b != nil {
			s.values[binary.BigEndian.Uint64(b)] = r.int()
		}
	}
	return s
}
