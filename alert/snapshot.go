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
//	magic, format | event time, clock, watchdog | hash key, 16 bytes (from format 2 on) | number of sections |
//	  { name, fingerprint, time of the last use, length, body } ... | CRC-32C
//
// Numbers are varints. Format 1 differs from 2 in that keys are kept whole and that distinct windows have no values by the hash key.
// What is read is looked through first, without taking memory: it may be anybody's. A section whose name and fingerprint no rule has is kept as it is, so that a rule set that is
// rolled back finds its state again. Entries carry their rank in an order in which those of one rule and standing stand as they were
// used (room.go).
const (
	snapshotMagic = "KAS"
	// foreignLife is for how long, in event time, the state of rules that are no more is kept, and maxForeign how much.
	foreignLife = 7 * 24 * time.Hour
	maxForeign  = 8 << 20
	// maxSnapshot bounds what Restore reads, maxSections and maxNames how many sections and names of shards it can have.
	maxSnapshot = 1 << 30
	maxSections = 1 << 16
	maxNames    = 1 << 16
	// maxMillis is the latest time, as far as nanoseconds reach: the year 2262.
	maxMillis = math.MaxInt64 / int64(time.Millisecond)
)

// scoreSection stands before the name of a score in the name of its section; no rule's name has a colon.
const scoreSection = "score:"

// section is the state of one rule, in the form of a snapshot.
type section struct {
	name        string
	fingerprint [16]byte
	used        int64 // how far time had come, in milliseconds, when a rule last had it
	body        []byte
	// covers are the hashes of the conditions that the bits of its entries stand for; format 3.
	covers []uint32

	// What follows is of rules that are no more (edited.go). owes counts the entries of which somebody is owed the end, and over are
	// those of whose end the rule of today has told somebody meanwhile.

	told *told
	owes int
	over map[string][]string
}

// ErrSnapshot says that a snapshot cannot be read: it is damaged, or of a later version.
var ErrSnapshot = errors.New("snapshot of evaluation cannot be read")

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

// MaxSnapshot is how large a snapshot may be that others store. What rules remember fits in; scores may not.
const MaxSnapshot = 23 << 20

// Heaviest names what takes most of a snapshot, "rule NAME" or "score NAME", with its bytes.
func Heaviest(state []byte) (name string, most int) {
	_, sections, err := openSnapshot(state)
	if err != nil {
		return "no rule", 0
	}
	for _, s := range sections {
		if len(s.body) < most {
			continue
		}
		most = len(s.body)
		if score, ok := strings.CutPrefix(s.name, scoreSection); ok {
			name = "score " + score
		} else {
			name = "rule " + strings.TrimPrefix(strings.TrimPrefix(s.name, kinSection), toldSection)
		}
	}
	return name, most
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

// reached is how far time has come, by records or by ticks.
func (l *lifecycle) reached() int64 { return max(l.clock.now(), l.memory.clock) }

// Restore replaces the state by a snapshot. After an error, which wraps ErrSnapshot, the state is as it was.
func (e *Evaluator) Restore(data []byte) error {
	m, eventTime, err := readSnapshot(e.pipeline.current.Load(), data, e.agreed)
	if err != nil {
		return err
	}
	if set := e.pipeline.current.Load(); set != e.in.set {
		e.run(set)
	}
	e.memory.replace(m)
	e.clock.eventTime = eventTime
	e.others.met, e.others.news = nil, true
	return nil
}

// adopt changes over to another version of the rules: rules that are the same as before keep what they remember.
func (e *Evaluator) adopt(set *compiled) {
	state := e.Snapshot()
	e.run(set)
	m, _, err := readSnapshot(set, state, e.memory.agreement)
	if err != nil { // of our own making: a bug, and forgetting is the lesser evil
		m = newMemory(set, e.memory.agreement)
	}
	m.noted = e.memory.noted
	e.memory.replace(m)
	e.others.met, e.others.news = nil, true // what is known of other shards is known by the rules
}

// Inherit adds the states of parent shards. Where several shards inherit, each takes every key over, and it shows which of them
// its records come to (kin.go); else a shard takes over what it owns. Of a key that is not the partition key, that of its last
// record counts. What both parents of a merged shard know is taken from the one that heard of it, that told somebody that it fires, or
// that used it later. A state that cannot be read is left out; the error wraps ErrSnapshot.
func (e *Evaluator) Inherit(parents [][]byte, heir Heir) error {
	var from []*memory
	var errs []error
	mine := e.memory
	if agreed := inherited(mine.agreement, parents); mine.empty() {
		mine.agreement = agreed
	} else if mine.format < agreed.format {
		mine.raise(agreed)
	}
	for _, state := range parents {
		m, eventTime, err := readSnapshot(e.in.set, state, mine.agreement)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if eventTime.After(e.clock.eventTime) {
			e.clock.eventTime = eventTime
		}
		from = append(from, m)
	}
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
			if strings.HasPrefix(s.name, kinSection) {
				continue
			}
			if s = s.inherited(heir.Owns); slices.ContainsFunc(mine.foreign, same) {
				mine.foreign[slices.IndexFunc(mine.foreign, same)].absorb(s)
			} else {
				mine.foreign = append(mine.foreign, s)
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
		for _, en := range m.inOrder() {
			h.take(m, en, millisOf(e.clock.eventTime))
		}
	}
	mine.bring()
	e.others.news = true
	return errors.Join(errs...)
}

// inherited is what a child goes on with: the latest format of what it knows and of its parents, with the key of the first parent that
// has one. Parents of two keys, which takes a lost table, count what both have seen twice until it has passed.
func inherited(agreed agreement, parents [][]byte) agreement {
	keyed := false
	for _, state := range parents {
		head, _, err := openSnapshot(state)
		if err != nil || !head.keyed() {
			continue
		}
		if !keyed {
			agreed.key, keyed = head.key, true
		}
		agreed.format = max(agreed.format, head.format)
	}
	return agreed
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
	if en.kin == nil { // the claim is of before, also if all of it happened in one millisecond
		born = max(born, parent.rules[r.place].claims[en.key].at)
	} else {
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
// last record are not moved by time, so that they do no harm in both children, unless their end is owed: one child says it.
func (s section) inherited(owns func(partitionKey string) bool) section {
	s.settleOver()
	kept, n := []byte(nil), uint64(0)
	v := &entryView{}
	r := &reader{buf: s.body}
	head := r.limit()
	for range r.count() {
		before := r.buf
		r.entry(v)
		if r.failed {
			return s // by a later version, which knows what to make of it
		}
		mine := v.located && len(v.key) > 0 && owns(string(v.partitionKey))
		if !v.located || len(v.key) == 0 {
			mine = len(s.owed(v)) == 0 || owns(string(v.key))
		}
		if mine {
			kept, n = append(kept, before[:len(before)-len(r.buf)]...), n+1
		}
	}
	if r.failed || len(r.buf) > 0 {
		return s
	}
	w := &writer{}
	w.float(head.tokens)
	w.int(head.at)
	w.uint(n)
	s.body = append(w.buf, kept...)
	s.countOwed()
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
	due, heard := en.due, en.of.heard(en)
	for topic, x := range en.of.left {
		if r.left == nil {
			r.left = map[string]*leftTopic{}
		}
		r.left[topic], r.owing = x, true
	}
	*en = entry{ // its size is counted anew
		key: en.key, of: r, place: -1, streak: en.streak, since: en.since, held: en.held, swallowed: en.swallowed, sent: en.sent,
		firing: en.firing, told: en.told, ended: en.ended, covered: en.covered, severity: en.severity, grade: en.grade, last: en.last, window: en.window,
	}
	if en.firing && en.told {
		r.hears(en, heard)
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

// loading is a snapshot on its way into a memory.
type loading struct {
	m       *memory
	reached int64
	bodies  [][]byte          // by rule; nil for none
	used    []int64           // by rule
	told    []*told           // by rule; nil where it is not known who was told
	kin     map[int]*kinState // by rule
	version [][16]byte        // by rule: the fingerprint of the version that is read
	covers  [2][]coversOf     // by rule: of its own section, and of the one with inherited keys

	// kept are the entries for which there is room, by rule.
	kept []keptEntries
	all  []ranked
}

// readSnapshot makes the memory of a rule set from a snapshot.
func readSnapshot(set *compiled, data []byte, agreed agreement) (*memory, time.Time, error) {
	head, sections, err := openSnapshot(data)
	if err != nil {
		return nil, time.Time{}, err
	}
	was := agreement{agreed.key, head.format}
	if head.keyed() {
		was.key = head.key
	}
	m := newMemory(set, was)
	var eventTime time.Time
	if head.eventTime != 0 {
		eventTime = time.Unix(0, head.eventTime).UTC()
	}
	m.clock, m.watchdog = head.clock, head.watchdog
	l := &loading{
		m: m, reached: max(millisOf(eventTime), m.clock, 0), bodies: make([][]byte, len(set.rules)), used: make([]int64, len(set.rules)),
		told: make([]*told, len(set.rules)), kin: map[int]*kinState{},
		covers: [2][]coversOf{make([]coversOf, len(set.rules)), make([]coversOf, len(set.rules))},
	}
	if !l.sort(set, sections) || !l.look() || !l.take() {
		return nil, time.Time{}, fmt.Errorf("%w: its parts do not fit together", ErrSnapshot)
	}
	l.put()
	m.bring()
	if m.format < agreed.format { // and what is later than what is agreed on was agreed on by whoever wrote it
		m.raise(agreed)
	}
	return m, eventTime, nil
}

// sort finds out what the sections are about, and reads those of scores.
func (l *loading) sort(set *compiled, sections []section) bool {
	places := make(map[string]int, len(set.rules))
	for i, r := range set.rules {
		places[r.name] = i
	}
	versions, known := versionsOf(set, places, sections)
	if !known {
		return false
	}
	l.version = versions.of
	for i := range sections {
		s := &sections[i]
		if strings.HasPrefix(s.name, toldSection) {
			continue
		}
		if j := slices.IndexFunc(set.scores, func(x *score) bool { return scoreSection+x.config.As == s.name && x.fingerprint == s.fingerprint }); j >= 0 {
			part := &reader{buf: s.body}
			if l.m.scores[j].read(part); part.failed || len(part.buf) > 0 {
				return false
			}
			continue
		}
		name, shared := strings.CutPrefix(s.name, kinSection)
		i, known := places[name]
		switch {
		case !known || versions.of[i] != s.fingerprint:
			s.body = slices.Clone(s.body)
			if s.told = versions.told[versionID{s.name, s.fingerprint}]; !s.countOwed() {
				return false
			}
			l.m.foreign = append(l.m.foreign, *s)
		case shared && set.rules[i].whole(): // it has no keys
		case shared:
			k, ok := readKin(s.body)
			if !ok {
				return false
			}
			if s.used < l.reached { // what came meanwhile nobody noted
				k.copies, k.shared = kinPart{}, kinPart{}
			}
			l.kin[i], l.covers[1][i] = k, set.coversOf(s.covers)
		case l.bodies[i] == nil:
			l.bodies[i], l.used[i], l.covers[0][i] = s.body, s.used, set.coversOf(s.covers)
			l.told[i] = versions.told[versionID{s.name, s.fingerprint}]
		}
	}
	return true
}

// versionID names a version of a rule.
type versionID struct {
	name        string
	fingerprint [16]byte
}

// versions are what a snapshot says of the versions of rules, and which of them each rule goes on with, by its fingerprint.
type versions struct {
	told map[versionID]*told
	of   [][16]byte
}

// versionsOf chooses, for each rule, its own version or else the latest that it can go on with.
func versionsOf(set *compiled, places map[string]int, sections []section) (versions, bool) {
	out := versions{map[versionID]*told{}, make([][16]byte, len(set.rules))}
	used, own := make([]int64, len(set.rules)), make([]bool, len(set.rules))
	for i, r := range set.rules {
		out.of[i], used[i] = r.fingerprint, -1
	}
	for i := range sections {
		s := &sections[i]
		if place, known := places[s.name]; known {
			own[place] = own[place] || s.fingerprint == set.rules[place].fingerprint
		}
		name, ok := strings.CutPrefix(s.name, toldSection)
		if !ok {
			continue
		}
		t, ok := readTold(s.body)
		if !ok {
			return out, false
		}
		out.told[versionID{name, s.fingerprint}] = t
	}
	for i := range sections {
		s := &sections[i]
		place, known := places[s.name]
		if !known || own[place] || s.used <= used[place] {
			continue
		}
		if t := out.told[versionID{s.name, s.fingerprint}]; t != nil && set.rules[place].takes(t) {
			out.of[place], used[place] = s.fingerprint, s.used
		}
	}
	return out, true
}

// entries reads what the snapshot has of keys, without keeping it.
func (l *loading) entries(each func(place int, rank uint64, v *entryView, c *kinCopy)) bool {
	v := &entryView{}
	for i, body := range l.bodies {
		if body != nil {
			r := &reader{buf: body}
			r.limit()
			for range r.count() {
				if rank := r.entry(v); !r.failed && l.m.rules[i].fits(v) {
					each(i, rank, v, nil)
				} else {
					return false
				}
			}
			if r.failed || len(r.buf) > 0 {
				return false
			}
		}
		if k := l.kin[i]; k != nil {
			r, c := k.copies.reader(), kinCopy{}
			for range k.copies.count {
				c.family, c.born = k.family(r), r.time()
				if rank := r.entry(v); !r.failed && l.m.rules[i].fits(v) {
					each(i, rank, v, &c)
				} else {
					return false
				}
			}
		}
	}
	return true
}

// keptEntries are those entries of a rule that are forgotten last.
type keptEntries struct {
	from uint64 // the first of them, by entryView.turn
	n    int
}

// look finds out whether all entries are sound, and which of them there is room for in bytes. More keys than there may be are kept
// for now: somebody may have to be told.
func (l *loading) look() bool {
	rules := l.m.rules
	total := bulk{}
	l.kept = make([]keptEntries, len(rules))
	sound := l.entries(func(place int, _ uint64, v *entryView, _ *kinCopy) {
		if l.kept[place].n++; !rules[place].rule.whole() {
			total.add(v.bulk())
		}
	})
	for i, r := range rules {
		sound = sound && (!r.rule.whole() || l.kept[i].n <= 1)
	}
	if !sound || !total.over() {
		return sound
	}
	const unit, heaviest = 64, 1<<24 - 1 // bytes; the weight of an entry is packed below its turn
	turns := make([][]uint64, len(rules))
	for i := range turns {
		turns[i] = make([]uint64, 0, l.kept[i].n)
	}
	most := crowd{}
	shares := make([]ruleMemory, len(rules)) // how much the rules would hold
	l.entries(func(place int, rank uint64, v *entryView, _ *kinCopy) {
		if of := rules[place].rule; !of.whole() {
			weight := min((v.bulk().weight()+unit-1)/unit, heaviest)
			turns[place] = append(turns[place], v.turn(of, rank)|uint64(weight)) //nolint:gosec // not negative
			shares[place].held[byBytes] += weight
		}
	})
	left := maxHeap / unit
	for i, r := range rules {
		if !r.rule.whole() {
			slices.Sort(turns[i])
			shares[i].rule = r.rule
			held := shares[i].held[byBytes]
			most.join(&shares[i], byBytes)
			most.holds(&shares[i], byBytes, held)
			left -= held
		}
	}
	for left < 0 {
		i := most[0].rule.place
		turn := turns[i][0]
		weight := int(turn & heaviest)
		turns[i] = turns[i][1:]
		left += weight
		most.holds(&shares[i], byBytes, shares[i].held[byBytes]-weight)
		rules[i].rule.metrics.forgot(standing(turn >> standsAbove))
	}
	for i, r := range rules {
		if l.kept[i].n = len(turns[i]); r.rule.whole() {
			l.kept[i].n = 1
		} else if l.kept[i].n > 0 {
			l.kept[i].from = turns[i][0] &^ heaviest
		}
	}
	return true
}

// standsAbove is how many bits of a turn stand below the standing.
const standsAbove = 62

// turn orders the entries of a rule as they are forgotten; the lower 24 bits are free.
func (v *entryView) turn(r *rule, rank uint64) uint64 {
	const last = 1<<38 - 1
	rank = min(rank, last)
	stands := v.stands()
	if r.absence.After > 0 && stands == quiet {
		rank = last - rank
	}
	return uint64(stands)<<standsAbove | rank<<24
}

// take makes the entries for which there is room.
func (l *loading) take() bool {
	room := 0
	for _, k := range l.kept {
		room += k.n
	}
	l.all = make([]ranked, 0, room)
	frozen := func(i int) bool { return l.used[i] < l.reached }
	sound := true
	return l.entries(func(i int, rank uint64, v *entryView, c *kinCopy) {
		r, t := l.m.rules[i], l.told[i]
		if v.entry.heard != 0 && (t == nil || int(v.entry.heard) >= len(t.audiences)) {
			sound = false
		}
		k := &l.kept[i]
		if !sound || k.n == 0 || v.turn(r.rule, rank) < k.from {
			return
		}
		k.n--
		en := v.make(r, l.m)
		r.receive(en, t)
		if t != nil && l.version[i] != r.rule.fingerprint && !r.rule.carry(en, t.claim == r.rule.sense.claim, l.reached) && c == nil {
			return
		}
		if c != nil {
			l.covers[1][i].translate(en)
			en.kin = &kinship{family: &family{others: l.kin[i].families[c.family]}, born: c.born}
		} else if l.covers[0][i].translate(en); frozen(i) && !r.rule.thaw(en, l.reached) {
			return
		}
		l.all = append(l.all, ranked{en, rank})
	}) && sound
}

// put puts the entries into the memory, in the order of their use.
func (l *loading) put() {
	m := l.m
	slices.SortStableFunc(l.all, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	counts := make([]int, len(m.rules))
	for _, x := range l.all {
		counts[x.entry.of.rule.place]++
	}
	for i, n := range counts {
		if n > 0 {
			m.rules[i].entries = make(map[string]*entry, n)
		}
	}
	for _, x := range l.all {
		en, copied := x.entry, x.entry.kin
		if en.of.entries[en.key] != nil {
			continue // twice: nobody writes that
		}
		due := en.due
		en.due, en.kin = 0, nil
		m.put(en)
		m.schedule(en, due)
		if copied != nil {
			m.bind(en, copied.family.others, true, copied.born)
		}
	}
	for i, body := range l.bodies {
		if body != nil {
			head := (&reader{buf: body}).limit()
			if m.rules[i].at = head.at; head.tokens >= 0 {
				m.rules[i].tokens = min(head.tokens, float64(m.rules[i].rule.limit.Events))
			}
		}
	}
	for i, k := range l.kin {
		r := m.rules[i]
		k.each(k.shared, func(family int, at int64, key []byte) {
			if en := r.entries[m.shortened(r.rule, string(key))]; en != nil && en.kin == nil {
				m.bind(en, k.families[family], false, at)
			}
		})
		k.each(k.claims, func(family int, at int64, text []byte) {
			key := m.shortened(r.rule, string(text))
			if _, known := r.claims[key]; !known && !m.pressure.bulk.over() {
				m.claim(r, key, k.families[family], at)
			}
		})
	}
}

// fits says whether an entry can be one of the rule.
func (m *ruleMemory) fits(v *entryView) bool {
	w := m.rule.window
	if w == nil || !v.windowed {
		return w == nil && !v.windowed
	}
	seen := w.distinct
	return int64(v.win.size) == w.panes && v.win.last <= maxMillis/w.step && seen == (v.values.has || v.legacy.has) && (v.win.hush == nil || v.values.has == v.heard.has)
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
		en.window.watched = now
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
	if r.owes(en) {
		en.due = now + patience
	}
	return en.due != 0 || !r.forgettable(en)
}

// writer appends the parts of a snapshot.
type writer struct {
	buf    []byte
	format byte // of entries
	// audiences are the places of a rule's audiences in what is written.
	audiences []uint64
}

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
	entryLegacy // the values of a distinct window by the plain hash
	entryKin    // other shards have it, too; no more follows
	entryValues // those by the hash key; format 2
	entryGrade  // the severity of the last record is another one; format 2
	entryExact  // the window has exact sums, and since when it is watched; format 2
	entryEnded  // the last alert said that it is over; format 2
	entryHeard  // who was told is not the first audience of the rule; format 3
	entryCovers // what conditions of silences said; format 3
	entryHush   // the window has what a silence covered; format 3
	entryBits
)

// entry writes an entry behind its rank in the order of use.
func (w *writer) entry(rank uint64, e *entry) {
	graded := w.format >= formatKeyed && e.grade != e.severity && e.of.rule.severityOf != nil
	w.uint(rank)
	bits := uint64(0)
	set := func(bit uint64, on bool) {
		if on {
			bits |= bit
		}
	}
	exact := e.window != nil && w.format >= formatKeyed
	heard := e.heard != 0 && e.firing && e.told && w.format >= formatEnds
	set(entryHeard, heard)
	set(entryExact, exact)
	set(entryEnded, e.ended && w.format >= formatKeyed)
	covers, hush := w.format >= formatEnds && e.covers(), w.format >= formatEnds && e.window != nil && e.window.hush != nil
	set(entryCovers, covers)
	set(entryHush, hush)
	set(entryGrade, graded)
	set(entryFiring, e.firing)
	set(entryTold, e.told)
	set(entryKin, e.kin != nil)
	set(entryLast, e.last != nil)
	set(entryWindow, e.window != nil)
	set(entryLegacy, e.window != nil && e.window.legacy != nil)
	set(entryValues, e.window != nil && e.window.values != nil)
	if w.uint(bits); heard {
		w.uint(w.audiences[e.heard-1])
	}
	w.text(e.key)
	w.uint(uint64(e.severity))
	if graded {
		w.uint(uint64(e.grade))
	}
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
		w.window(e.window, exact)
	}
	if covers {
		w.uint(uint64(e.covered))
		if e.window != nil {
			w.uint(uint64(e.window.seen))
			w.uint(uint64(e.window.spared))
			w.uint(uint64(e.window.hushed))
		}
	}
	if hush {
		w.hush(e.window)
	}
}

// window writes all panes, in a ring: pane n stands at n modulo their number.
func (w *writer) window(s *window, exact bool) {
	if exact {
		w.int(s.watched)
	}
	w.int(s.last)
	w.uint(uint64(s.size))
	ring := make([]*pane, s.size)
	for i := range s.panes {
		ring[s.panes[i].n%int64(s.size)] = &s.panes[i]
	}
	for _, p := range ring {
		if p == nil {
			w.uint(0)
			continue
		}
		w.uint(p.count)
		if exact {
			w.float(p.sum)
			w.float(p.rest)
		} else {
			w.float((p.sum + p.rest) * sumUnit)
		}
		w.float(p.min)
		w.float(p.max)
	}
	if s.legacy != nil {
		w.values(s.legacy)
	}
	if s.values != nil {
		w.int(s.since)
		w.values(s.values)
	}
}

func (w *writer) values(values map[uint64]int64) {
	w.uint(uint64(len(values)))
	for _, hash := range slices.Sorted(maps.Keys(values)) {
		w.buf = binary.BigEndian.AppendUint64(w.buf, hash)
		w.int(values[hash])
	}
}

// reader takes the parts of a snapshot. After the first part that is not there, or makes no sense, there are no more.
type reader struct {
	buf    []byte
	failed bool
}

func (r *reader) fail() { r.failed, r.buf = true, nil }

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

// time is a time in milliseconds. One that is out of range is none, or the latest there is.
func (r *reader) time() int64 { return min(max(r.int(), 0), maxMillis) }

// severity is a place among severities.
func (r *reader) severity() uint8 { return uint8(r.small(2)) } //nolint:gosec // at most 2

func (r *reader) skip(size int) {
	if size <= 0 {
		r.fail()
		return
	}
	r.buf = r.buf[size:]
}

// count is a number of things that take a byte each at least. It is for loops that end with the first part that fails.
func (r *reader) count() uint64 {
	n := r.uint()
	if n > uint64(len(r.buf)) {
		r.fail()
		return 0
	}
	return n
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.buf)) {
		r.fail()
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

// limitState is what a rate limit has left, in front of a rule's entries.
type limitState struct {
	tokens float64
	at     int64
}

func (r *reader) limit() limitState { return limitState{r.float(), r.time()} }

// entryView is an entry as it stands in a snapshot. Its texts are parts of that, and it takes no memory that grows with it.
type entryView struct {
	entry // without texts, window and last record

	key, partitionKey, sequence []byte
	sub                         uint32
	arrival                     int64
	located, windowed, shared   bool
	bits                        uint64
	rest                        []byte // behind who was told
	win                         window // without values
	legacy, values, heard       valuesView
	hush                        hush // of the window
}

// valuesView are the values of a distinct window.
type valuesView struct {
	has   bool
	count uint64
	from  []byte // begins with the first
}

// entry reads an entry into v, and answers its rank.
func (r *reader) entry(v *entryView) (rank uint64) {
	panes, hushed := v.win.panes[:0], v.hush.panes[:0]
	rank = r.uint()
	bits, heard := r.uint(), uint32(0)
	if bits&entryHeard != 0 {
		heard = r.small(maxAudience)
	}
	rest := r.buf
	*v = entryView{
		bits: bits, rest: rest,
		entry: entry{place: -1, firing: bits&entryFiring != 0, told: bits&entryTold != 0, ended: bits&entryEnded != 0, heard: uint16(heard)}, shared: bits&entryKin != 0,
		located: bits&entryLast != 0, windowed: bits&entryWindow != 0, key: r.take(r.uint()),
	}
	v.severity = r.severity()
	if v.grade = v.severity; bits&entryGrade != 0 {
		v.grade = r.severity()
	}
	v.due, v.streak = r.time(), r.small(math.MaxUint32)
	v.since, v.held, v.swallowed, v.sent = r.time(), r.time(), r.small(math.MaxUint32), r.time()
	if v.located {
		v.partitionKey, v.sequence, v.sub, v.arrival = r.take(r.uint()), r.take(r.uint()), r.small(math.MaxUint32), r.time()
	}
	if v.windowed {
		r.window(&v.win, panes, bits&entryExact != 0)
		if bits&entryLegacy != 0 {
			v.legacy = r.values()
		}
		if bits&entryValues != 0 {
			v.win.since = r.int()
			v.values = r.values()
		}
	}
	r.covers(v, bits, hushed)
	if bits >= entryBits {
		r.fail()
	}
	return rank
}

func (r *reader) window(s *window, panes []pane, exact bool) {
	watched := int64(0)
	if exact {
		watched = r.time()
	}
	*s = window{watched: watched, last: r.int(), size: uint8(min(r.count(), maxPanes+1)), panes: panes}
	if s.last < 0 || s.size > maxPanes || s.size == 0 {
		r.fail()
		return
	}
	size := int64(s.size)
	for i := range size {
		p := pane{n: s.last - (s.last%size-i+size)%size}
		if p.count = r.uint(); p.count > 0 {
			if p.sum = r.float(); exact {
				p.rest = r.float()
			} else {
				p.sum /= sumUnit
			}
			p.min, p.max = r.float(), r.float()
			s.panes = append(s.panes, p)
		}
		if r.failed || p.count > 0 && p.n < 0 {
			r.fail()
			return
		}
	}
	slices.SortFunc(s.panes, func(a, b pane) int { return cmp.Compare(a.n, b.n) })
}

// values passes over the values of a window.
func (r *reader) values() valuesView {
	v := valuesView{has: true, count: r.count(), from: r.buf}
	if v.count > maxDistinct {
		r.fail()
	}
	for range v.count {
		r.take(8)
		if r.int(); r.failed {
			return v
		}
	}
	return v
}

// read makes the values of a window.
func (v *valuesView) read() map[uint64]int64 {
	if !v.has {
		return nil
	}
	r := &reader{buf: v.from}
	out := make(map[uint64]int64, v.count)
	for range v.count {
		hash := r.take(8)
		out[binary.BigEndian.Uint64(hash)] = r.int()
	}
	return out
}

// bulk is what the entry would take.
func (v *entryView) bulk() bulk {
	b := bulk{entryHeap + len(v.key), entryStored + len(v.key)}
	if v.located {
		n := len(v.partitionKey) + len(v.sequence)
		b.add(bulk{lastHeap + n, lastStored + n})
	}
	if v.windowed {
		n := int(v.values.count + v.legacy.count + v.heard.count) //nolint:gosec // at most the bytes of a snapshot
		b.add(v.win.bulk())
		b.add(bulk{n * valueHeap, n * valueStored})
	}
	if v.covered != 0 {
		b.stored += coversStored
	}
	return b
}

// make makes the entry of a rule's memory.
func (v *entryView) make(of *ruleMemory, m *memory) *entry {
	en := new(v.entry)
	en.key, en.of = m.shortened(of.rule, string(v.key)), of
	if v.located {
		en.last = &lastRecord{partitionKey: string(v.partitionKey), sequence: string(v.sequence), sub: v.sub, arrival: v.arrival}
	}
	if v.windowed {
		w := new(v.win)
		w.panes = slices.Clone(v.win.panes)
		if w.watched == 0 { // of the first format, which has a window from the first record on
			first := w.last
			if len(w.panes) > 0 {
				first = w.panes[0].n
			}
			w.watched = (first + 1) * of.rule.window.step
		}
		w.legacy, w.values = v.legacy.read(), v.values.read()
		if v.win.hush != nil {
			w.hush = &hush{panes: slices.Clone(v.hush.panes), by: v.hush.by, heard: v.heard.read()}
		}
		en.window = w
	}
	return en
}
