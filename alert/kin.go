package alert

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
)

// This file is about keys that a shard has inherited and has not heard of yet. See "Inherited keys" in doc.go.

// Heir is how a shard takes over from its parents.
type Heir struct {
	// Owns says which partition keys fall to the shard by the MD5 of the key. Of all children of a parent exactly one owns a key.
	Owns func(partitionKey string) bool
	// Parents are the shards that it takes over from, Siblings those that take over from the same parents. Without siblings
	// the shard takes over only what it owns.
	Parents, Siblings []string
}

// family are the other shards that have a copy of the same keys.
type family struct {
	others []string
	users  int // entries and claims
}

// inheritance is what a shard shares with others, while it is not known to which of them the records of a key come.
type inheritance struct {
	kin      int // entries that other shards have, too
	families []*family
	// parked are entries that are due and wait for what others remember, parkedTo the latest moment at which one was due.
	parked   []*entry
	parkedTo int64
}

// kinship makes an entry one that was inherited, while no record of its key has come to this shard.
type kinship struct {
	family *family
	// silent says that another shard of the family speaks for the key while none of them hears of it.
	silent bool
	// born is the event time at which the shards parted that have copies. Who heard of the key before that is of the past.
	born int64
	// due is what has come due and waits for what the others remember; 0 for nothing.
	due int64
	// elsewhere is when another shard first heard of the key; 0 while none did, as far as is known.
	elsewhere int64
}

// claim says that this shard has heard of a key that it inherited, and since when. It is kept for those of the others that still
// have a copy: the entry itself may be forgotten long before they ask.
type claim struct {
	family *family
	at     int64
}

// pending is when time next has something to do with the entry, or had if it waits for other shards.
func (en *entry) pending() int64 {
	if en.kin != nil && en.kin.due != 0 {
		return en.kin.due
	}
	return en.due
}

// family returns the family of these shards, made if there is none.
func (h *inheritance) family(others []string) *family {
	for _, f := range h.families {
		if slices.Equal(f.others, others) {
			return f
		}
	}
	f := &family{others: others}
	h.families = append(h.families, f)
	return f
}

func (h *inheritance) leaveFamily(f *family) {
	if f.users--; f.users == 0 {
		h.families = slices.DeleteFunc(h.families, func(x *family) bool { return x == f })
	}
}

// bind makes an entry of the memory one that the others have, too.
func (m *memory) bind(en *entry, others []string, silent bool, born int64) {
	f := m.inherited.family(others)
	f.users++
	en.kin = &kinship{family: f, silent: silent, born: born}
	en.of.kin++
	m.inherited.kin++
}

// unbind makes an entry the shard's own.
func (m *memory) unbind(en *entry) {
	if en.kin == nil {
		return
	}
	m.inherited.leaveFamily(en.kin.family)
	en.kin = nil
	en.of.kin--
	m.inherited.kin--
}

// claim notes since when the shard has heard of a key that these others have, too. One that was noted before, or by a parent, goes on.
func (m *memory) claim(r *ruleMemory, key string, others []string, at int64) {
	if was, ok := r.claims[key]; ok {
		others = union(others, was.family.others)
		defer m.inherited.leaveFamily(was.family)
	}
	f := m.inherited.family(others)
	f.users++
	m.setClaim(r, key, claim{f, at})
}

// setClaim and dropClaim keep the size of what is remembered.
func (m *memory) setClaim(r *ruleMemory, key string, c claim) {
	if r.claims == nil {
		r.claims = make(map[string]claim)
	}
	if _, known := r.claims[key]; !known {
		m.pressure.bulk.add(bulk{claimHeap + len(key), claimStored + len(key)})
	}
	r.claims[key] = c
}

func (m *memory) dropClaim(r *ruleMemory, key string) {
	delete(r.claims, key)
	m.pressure.bulk.sub(bulk{claimHeap + len(key), claimStored + len(key)})
}

// union is the sorted union of two lists of shards.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// without is a list of shards without some of them.
func without(list []string, gone ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(shard string) bool { return slices.Contains(gone, shard) })
}

// park sets an entry aside that is due, until it is known what the others have heard.
func (m *memory) park(en *entry) {
	en.kin.due = en.due
	m.schedule(en, 0)
	m.inherited.parked = append(m.inherited.parked, en)
	m.inherited.parkedTo = max(m.inherited.parkedTo, en.kin.due)
}

// hear makes keys the shard's own of which a record has come. What was due before was due while nobody heard of them: it is done now,
// in the order of time and of the rules as ever, and told by the shard that speaks for the key.
func (rel *siblings) hear(rec *Record) {
	m, now := rel.memory, rel.life.clock.now()
	var heard []*entry
	for _, r := range m.rules {
		if r.kin == 0 {
			continue
		}
		if en := r.find(rel.life.in.keyOf(r.rule, rec)); en != nil && en.kin != nil {
			m.claim(r, en.key, en.kin.family.others, max(now, en.kin.born+1))
			heard = append(heard, en)
		}
	}
	for en := firstDue(heard); en != nil; en = firstDue(heard) {
		k := en.kin
		en.due, k.due = k.due, 0
		rel.life.expiring, rel.life.out.silent = en, k.silent
		rel.life.expire(en, now)
		if en.due != 0 && en.due <= now {
			k.due = en.due
			m.schedule(en, 0)
		}
	}
	rel.life.expiring, rel.life.out.silent = nil, false
	for _, en := range heard {
		m.unbind(en)
	}
	rel.life.muted = "" // what time brought about is not of the record
}

// firstDue is the first of these entries, in the order of their rules, for which something waits that was due before all others.
func firstDue(heard []*entry) *entry {
	var first *entry
	for _, en := range heard {
		if en.kin != nil && en.kin.due != 0 && (first == nil || en.kin.due < first.kin.due) {
			first = en
		}
	}
	return first
}

// settle does what waits for other shards, as far as it is known what they have heard.
func (rel *siblings) settle() {
	m := rel.memory
	if !rel.news {
		return
	}
	rel.news = false
	clear(rel.missing)
	parked := m.inherited.parked
	m.inherited.parked = nil
	for _, en := range parked {
		if en.kin == nil || en.kin.due == 0 {
			continue // it was heard of, or forgotten
		}
		due := en.kin.due
		en.kin.due = 0
		m.schedule(en, due)
	}
	rel.deciding = true
	rel.advance(rel.life.reached())
	rel.deciding = false
}

// cleared says whether what is due for an entry that the shard shares with others can be done now. Otherwise it is set aside, or
// forgotten because its records come to another shard.
func (rel *siblings) cleared(en *entry) bool {
	k := en.kin
	switch {
	case !en.of.rule.timed() && !en.of.rule.owes(en):
		rel.life.out.silent = k.silent // time only makes it forget
		return true
	case !rel.deciding:
		rel.memory.park(en)
		rel.news = true
		return false
	case k.elsewhere != 0 && k.elsewhere < en.due:
		rel.memory.drop(en)
		return false
	}
	covered, unsure := true, []string(nil)
	for _, shard := range k.family.others {
		if x := rel.met[shard]; x != nil && x.reached[en.of.rule.place] >= en.due {
			continue
		}
		if rel.missing == nil {
			rel.missing = make(map[string]bool)
		}
		rel.missing[shard] = true
		unsure = append(unsure, shard)
		covered = covered && slices.Contains(rel.without, shard)
	}
	if !covered {
		rel.memory.park(en)
		return false
	}
	rel.life.out.silent, rel.life.out.unsure = k.silent, strings.Join(unsure, ", ")
	return true
}

// Awaited is another shard of which an evaluator has to know what it has heard.
type Awaited struct {
	Shard string
	// Version is that of what is known of it already, or empty.
	Version string
	// Blocks says that something is due that waits for it.
	Blocks bool
}

// Awaits are the other shards that have copies of keys which this shard has, sorted. It is nil almost always.
func (e *Evaluator) Awaits() []Awaited {
	var out []Awaited
	for _, f := range e.memory.inherited.families {
		for _, shard := range f.others {
			if slices.ContainsFunc(out, func(a Awaited) bool { return a.Shard == shard }) {
				continue
			}
			a := Awaited{Shard: shard, Blocks: e.others.missing[shard]}
			if x := e.others.met[shard]; x != nil {
				a.Version = x.version
			}
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Awaited) int { return cmp.Compare(a.Shard, b.Shard) })
	return out
}

// ParkedTo is the latest moment, in milliseconds, at which something came due for a key that other shards have, too. When it has
// grown, a snapshot is worth saving: the others wait for one that covers the same moment.
func (e *Evaluator) ParkedTo() int64 { return e.memory.inherited.parkedTo }

// met is what is known of another shard.
type met struct {
	version string
	reached []int64 // by rule: up to when it has the rule's records; 0 if it does not know the rule
}

// Relative is what another shard remembers of keys, read from its snapshot.
type Relative struct {
	shard, version string
	heirs          []string
	head           snapshotHead
	sections       map[string]*relativeSection
	senses         map[string]*relativeSection // by name and what the memory means
}

// relativeSection is what it remembers of a rule.
type relativeSection struct {
	used   int64
	keys   keyList // whether it has heard of the key: 0 or 1
	claims keyList // since when it has heard of keys that it inherited
}

// keyList are keys as they stand in a snapshot, sorted, each with a figure. A map of them would take several times as much.
type keyList struct {
	refs []keyRef
	long map[string]int64 // long keys by what is kept of them (Relative.shorten)
}

type keyRef struct {
	key    []byte // a part of the snapshot
	figure int64
}

func (l *keyList) add(key []byte, figure int64) { l.refs = append(l.refs, keyRef{key, figure}) }

// grow makes room for so many more, which are there.
func (l *keyList) grow(n uint64) { l.refs = slices.Grow(l.refs, int(n)) } //nolint:gosec // at most maxRelated

func (l *keyList) sort() {
	slices.SortFunc(l.refs, func(a, b keyRef) int { return bytes.Compare(a.key, b.key) })
}

// find answers the figure of a key, or false; other is what else it may be called there.
func (l *keyList) find(key, other string) (int64, bool) {
	for _, name := range [][]byte{[]byte(key), []byte(other)} {
		if i, ok := slices.BinarySearchFunc(l.refs, name, func(r keyRef, name []byte) int { return bytes.Compare(r.key, name) }); ok {
			return l.refs[i].figure, true
		}
	}
	figure, ok := l.long[key]
	return figure, ok
}

// maxRelated bounds how many keys of another shard are looked at: more than a snapshot of ours can have.
const maxRelated = 3 << 19

func tooManyKeys() error { return fmt.Errorf("%w: it has more than %d keys", ErrSnapshot, maxRelated) }

// countEntries counts the entries of a rule's section, and says whether they are sound; v is memory to work in.
func countEntries(body []byte, v *entryView) (n uint64, ok bool) {
	r := &reader{buf: body}
	r.limit()
	n = r.count()
	for range n {
		if r.entry(v); r.failed {
			return 0, false
		}
	}
	return n, !r.failed && len(r.buf) == 0
}

// ReadRelative reads the snapshot of a shard, of a version that Awaits will name; state is nil if there is none. heirs are the
// shards that took over from it, if it has ended. The answer keeps state.
func ReadRelative(shard, version string, state []byte, heirs []string) (*Relative, error) {
	x := &Relative{shard: shard, version: version, heirs: heirs, sections: map[string]*relativeSection{}, senses: map[string]*relativeSection{}}
	if state == nil {
		return x, nil
	}
	head, sections, err := openSnapshot(state)
	if err != nil {
		return nil, err
	}
	x.head = head
	count, v := 0, &entryView{}
	senses := map[string]string{}
	for i := range sections {
		s := &sections[i]
		if of, ok := strings.CutPrefix(s.name, toldSection); ok {
			if t, ok := readTold(s.body); ok {
				senses[of+string(s.fingerprint[:])] = of + string(t.memory[:])
			}
			continue
		}
		name, shared := strings.CutPrefix(s.name, kinSection)
		if !shared && strings.Contains(name, ":") {
			continue // no rule's
		}
		id := name + string(s.fingerprint[:])
		of := x.sections[id]
		if of == nil {
			of = &relativeSection{}
			x.sections[id] = of
		}
		if shared {
			k, ok := readKin(s.body)
			if !ok {
				return nil, fmt.Errorf("%w: its inherited keys do not fit together", ErrSnapshot)
			}
			if count += int(k.copies.count + k.claims.count); count > maxRelated { //nolint:gosec // at most the bytes of a snapshot
				return nil, tooManyKeys()
			}
			of.keys.grow(k.copies.count)
			of.claims.grow(k.claims.count)
			r := k.copies.reader()
			for range k.copies.count {
				k.family(r)
				r.time()
				r.entry(v)
				of.keys.add(v.key, 0)
			}
			k.each(k.claims, func(_ int, at int64, key []byte) { of.claims.add(key, at) })
		} else {
			of.used = s.used
			n, ok := countEntries(s.body, v)
			if !ok {
				return nil, fmt.Errorf("%w: its parts do not fit together", ErrSnapshot)
			}
			if count += int(n); count > maxRelated { //nolint:gosec // at most the bytes of a snapshot
				return nil, tooManyKeys()
			}
			of.keys.grow(n)
			r := &reader{buf: s.body}
			r.limit()
			for range r.count() {
				r.entry(v)
				heard := int64(1)
				if v.shared {
					heard = 0
				}
				of.keys.add(v.key, heard)
			}
		}
	}
	for id, of := range x.sections {
		of.keys.sort()
		of.claims.sort()
		if sense := senses[id]; sense != "" && (x.senses[sense] == nil || x.senses[sense].used < of.used) {
			x.senses[sense] = of
		}
	}
	return x, nil
}

// called is what a key of this memory is called by the other shard, if that is something else.
func (x *Relative) called(key string) string {
	if len(key) <= maxKey || !x.head.keyed() {
		return key
	}
	return string(x.head.key.shorten([]byte(key)))
}

// shorten makes the long keys of a snapshot in the plain format known by what is kept of them here.
func (l *keyList) shorten(key *HashKey) {
	for _, r := range l.refs {
		if len(r.key) > maxKey {
			if l.long == nil {
				l.long = map[string]int64{}
			}
			l.long[string(key.shorten(r.key))] = r.figure
		}
	}
}

// Meet tells the evaluator what another shard remembers. Keys that the other one has heard of are forgotten, and what waits for it
// is done by the next tick.
func (e *Evaluator) Meet(x *Relative) {
	m := e.memory
	known := &met{version: x.version, reached: make([]int64, len(m.rules))}
	for i, r := range m.rules {
		s := x.sections[r.rule.name+string(r.rule.fingerprint[:])]
		if s == nil { // of a worker with another version of the rule
			s = x.senses[r.rule.name+string(r.rule.sense.memory[:])]
		}
		if s == nil {
			continue
		}
		known.reached[i] = s.used
		if m.keyed() && !x.head.keyed() && r.rule.key != nil {
			s.keys.shorten(&m.key)
			s.claims.shorten(&m.key)
		}
		if r.kin > 0 {
			for _, en := range r.entries {
				e.others.meet(en, x, s)
			}
		}
		for key, c := range r.claims {
			if heard, has := s.keys.find(key, x.called(key)); !slices.Contains(c.family.others, x.shard) || has && heard == 0 {
				continue
			}
			others := without(c.family.others, x.shard)
			if m.dropClaim(r, key); len(others) > 0 {
				m.claim(r, key, others, c.at)
			}
			m.inherited.leaveFamily(c.family)
		}
	}
	if e.others.met == nil {
		e.others.met = make(map[string]*met)
	}
	e.others.met[x.shard] = known
	e.others.news = true
	if len(x.heirs) == 0 {
		return
	}
	delete(e.others.met, x.shard)
	alone := false
	for _, f := range m.inherited.families {
		if !slices.Contains(f.others, x.shard) {
			continue
		}
		f.others = without(union(f.others, x.heirs), x.shard, e.shard)
		alone = alone || len(f.others) == 0
	}
	if alone { // all of the family has come together in this shard
		e.others.settleAlone()
	}
}

// settleAlone makes keys the shard's own that no other shard has.
func (rel *siblings) settleAlone() {
	m := rel.memory
	for _, r := range m.rules {
		for _, en := range r.entries {
			if en.kin != nil && len(en.kin.family.others) == 0 {
				if due := en.kin.due; due != 0 {
					m.schedule(en, due)
				}
				m.unbind(en)
			}
		}
		for key, c := range r.claims {
			if len(c.family.others) == 0 {
				m.dropClaim(r, key)
				m.inherited.leaveFamily(c.family)
			}
		}
	}
}

// meet looks at one key of a rule of which another shard remembers s.
func (rel *siblings) meet(en *entry, x *Relative, s *relativeSection) {
	if en.kin == nil || !slices.Contains(en.kin.family.others, x.shard) {
		return
	}
	called := x.called(en.key)
	at, _ := s.claims.find(en.key, called)
	if at <= en.kin.born {
		at = 0
		if heard, _ := s.keys.find(en.key, called); heard == 0 {
			return
		} // else it is known to a version that keeps no claims, or came anew when the copy had been forgotten
	}
	if due := en.pending(); due == 0 || due > at {
		rel.memory.drop(en) // nothing was due before
		return
	}
	if at = max(at, 1); en.kin.elsewhere == 0 || at < en.kin.elsewhere {
		en.kin.elsewhere = at
	}
}

// snapshotHead is what stands before the sections of a snapshot.
type snapshotHead struct {
	agreement

	eventTime, clock, watchdog int64
}

// openSnapshot checks a snapshot and takes its sections apart. Their bodies are parts of data.
func openSnapshot(data []byte) (head snapshotHead, sections []section, err error) {
	if len(data) < len(snapshotMagic)+1+4 || len(data) > maxSnapshot || string(data[:3]) != snapshotMagic {
		return head, nil, fmt.Errorf("%w: it is no snapshot", ErrSnapshot)
	}
	if head.format = data[3]; head.format < formatPlain || head.format > SnapshotFormat {
		return head, nil, fmt.Errorf("%w: it has version %d, this program reads up to %d", ErrSnapshot, head.format, SnapshotFormat)
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return head, nil, fmt.Errorf("%w: its checksum is wrong", ErrSnapshot)
	}
	r := &reader{buf: body[4:]}
	head.eventTime, head.clock, head.watchdog = r.int(), r.time(), r.time()
	if head.keyed() {
		copy(head.key[:], r.take(uint64(len(head.key))))
	}
	n := r.count()
	if n > maxSections {
		r.fail()
	}
	for range n {
		s := section{name: r.text()}
		copy(s.fingerprint[:], r.take(16))
		s.used = r.time()
		if head.has(formatEnds) {
			s.covers = r.coverList()
		}
		if s.body = r.take(r.uint()); r.failed {
			break
		}
		sections = append(sections, s)
	}
	if r.failed || len(r.buf) > 0 {
		return head, nil, fmt.Errorf("%w: its parts do not fit together", ErrSnapshot)
	}
	return head, sections, nil
}

// kinSection stands before the name of a rule in the name of the section with what the shard shares with others. Versions that do
// not know it keep it as the state of an unknown rule: they go on with the keys that the shard speaks for.
//
//	0 (float), 0, 0 | version | families | copies { family, born, entry } | keys in the rule's own section { family, born, key } |
//	claims { family, time, key }
//
// The zeros are an empty section of a rule, with something behind it that such a version does not understand: it leaves it alone.
const (
	kinSection = "inherited:"
	kinVersion = 1
)

// kinState is such a section. Its parts stay where they are.
type kinState struct {
	families               [][]string
	copies, shared, claims kinPart
}

// kinPart are so many things in a row, the first of which begins from.
type kinPart struct {
	count uint64
	from  []byte
}

func (p kinPart) reader() *reader { return &reader{buf: p.from} }

// kinCopy is what stands before an entry for which another shard speaks.
type kinCopy struct {
	family int
	born   int64
}

// family reads the place of a family.
func (k *kinState) family(r *reader) int {
	n := r.uint()
	if n >= uint64(len(k.families)) {
		r.fail()
		return 0
	}
	return int(n) //nolint:gosec // below the length of a list
}

// each reads keys: in the rule's own section, with when the shards parted, or claims, with when they were made.
func (k *kinState) each(p kinPart, do func(family int, at int64, key []byte)) {
	r := p.reader()
	for range p.count {
		do(k.family(r), r.time(), r.take(r.uint()))
	}
}

// writeKin writes what a rule shares with other shards; nil if that is nothing. ranks are the places of entries in the order of use.
func (m *memory) writeKin(r *ruleMemory, ranks map[*entry]uint64, audiences []uint64) []byte {
	if r.kin == 0 && len(r.claims) == 0 {
		return nil
	}
	var copies, shared []*entry
	for _, en := range r.entries {
		switch {
		case en.kin == nil:
		case en.kin.silent:
			copies = append(copies, en)
		default:
			shared = append(shared, en)
		}
	}
	slices.SortFunc(copies, func(a, b *entry) int { return cmp.Compare(ranks[a], ranks[b]) })
	slices.SortFunc(shared, func(a, b *entry) int { return cmp.Compare(ranks[a], ranks[b]) })
	w := &writer{format: m.format, audiences: audiences}
	w.float(0)
	w.int(0)
	w.uint(0)
	w.uint(kinVersion)
	var families [][]string
	use := func(f *family) {
		if i, known := slices.BinarySearchFunc(families, f.others, slices.Compare); !known {
			families = slices.Insert(families, i, f.others)
		}
	}
	for _, en := range slices.Concat(copies, shared) {
		use(en.kin.family)
	}
	for _, c := range r.claims {
		use(c.family)
	}
	place := make(map[*family]uint64, len(m.inherited.families))
	for _, f := range m.inherited.families {
		i, _ := slices.BinarySearchFunc(families, f.others, slices.Compare)
		place[f] = uint64(i) //nolint:gosec // an index
	}
	w.uint(uint64(len(families)))
	for _, others := range families {
		w.uint(uint64(len(others)))
		for _, shard := range others {
			w.text(shard)
		}
	}
	w.uint(uint64(len(copies)))
	for _, en := range copies {
		w.uint(place[en.kin.family])
		w.int(en.kin.born)
		w.entry(ranks[en], en)
	}
	w.uint(uint64(len(shared)))
	for _, en := range shared {
		w.uint(place[en.kin.family])
		w.int(en.kin.born)
		w.text(en.key)
	}
	w.uint(uint64(len(r.claims)))
	for _, key := range slices.Sorted(maps.Keys(r.claims)) {
		w.uint(place[r.claims[key].family])
		w.int(r.claims[key].at)
		w.text(key)
	}
	return w.buf
}

// readKin looks through such a section.
func readKin(body []byte) (*kinState, bool) {
	k := &kinState{}
	r := &reader{buf: body}
	r.limit()
	if r.uint() != 0 || r.uint() != kinVersion {
		return nil, false
	}
	names := uint64(0)
	for range r.count() {
		n := r.count()
		if names += n; n == 0 || names > maxNames {
			return nil, false
		}
		others := make([]string, 0, n)
		for range n {
			others = append(others, r.text())
		}
		if r.failed {
			return nil, false
		}
		slices.Sort(others)
		k.families = append(k.families, slices.Compact(others))
	}
	part := func(thing func()) (p kinPart) {
		p.count = r.count()
		p.from = r.buf
		for range p.count {
			if thing(); r.failed {
				break
			}
		}
		return p
	}
	v := &entryView{}
	key := func() {
		k.family(r)
		r.time()
		r.take(r.uint())
	}
	k.copies = part(func() {
		k.family(r)
		r.time()
		r.entry(v)
	})
	k.shared, k.claims = part(key), part(key)
	return k, !r.failed && len(r.buf) == 0
}
