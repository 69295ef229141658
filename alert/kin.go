package alert

import (
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
func (m *memory) family(others []string) *family {
	for _, f := range m.families {
		if slices.Equal(f.others, others) {
			return f
		}
	}
	f := &family{others: others}
	m.families = append(m.families, f)
	return f
}

func (m *memory) leaveFamily(f *family) {
	if f.users--; f.users == 0 {
		m.families = slices.DeleteFunc(m.families, func(x *family) bool { return x == f })
	}
}

// bind makes an entry of the memory one that the others have, too.
func (m *memory) bind(en *entry, others []string, silent bool, born int64) {
	f := m.family(others)
	f.users++
	en.kin = &kinship{family: f, silent: silent, born: born}
	en.of.kin++
	m.kin++
}

// unbind makes an entry the shard's own.
func (m *memory) unbind(en *entry) {
	if en.kin == nil {
		return
	}
	m.leaveFamily(en.kin.family)
	en.kin = nil
	en.of.kin--
	m.kin--
}

// claim notes since when the shard has heard of a key that these others have, too. One that was noted before, or by a parent, goes on.
func (m *memory) claim(r *ruleMemory, key string, others []string, at int64) {
	if r.claims == nil {
		r.claims = make(map[string]claim)
	}
	if was, ok := r.claims[key]; ok {
		others = union(others, was.family.others)
		defer m.leaveFamily(was.family)
	}
	f := m.family(others)
	f.users++
	r.claims[key] = claim{f, at}
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
	m.parked = append(m.parked, en)
	m.parkedTo = max(m.parkedTo, en.kin.due)
}

// hear makes keys the shard's own of which a record has come.
func (e *Evaluator) hear(rec *Record) {
	for _, r := range e.memory.rules {
		if r.kin == 0 {
			continue
		}
		if en := r.find(e.keyOf(r.rule, rec)); en != nil && en.kin != nil {
			e.confirm(en)
		}
	}
	e.muted = "" // what time brought about is not of the record
}

// confirm makes a key the shard's own. What was due before was due while nobody heard of it: it is done now, and told by the
// shard that speaks for the key.
func (e *Evaluator) confirm(en *entry) {
	m, now, k := e.memory, e.now(), en.kin
	m.claim(en.of, en.key, k.family.others, max(now, k.born+1))
	e.silent = k.silent
	for k.due != 0 {
		en.due, k.due = k.due, 0
		e.expiring = en
		e.expire(en, now)
		if en.due != 0 && en.due <= now {
			k.due = en.due
			m.schedule(en, 0)
		}
	}
	e.expiring, e.silent = nil, false
	m.unbind(en)
}

// settle does what waits for other shards, as far as it is known what they have heard.
func (e *Evaluator) settle() {
	m := e.memory
	if !e.news {
		return
	}
	e.news = false
	clear(e.missing)
	parked := m.parked
	m.parked = nil
	for _, en := range parked {
		if en.kin == nil || en.kin.due == 0 {
			continue // it was heard of, or forgotten
		}
		due := en.kin.due
		en.kin.due = 0
		m.schedule(en, due)
	}
	e.deciding = true
	e.advance(e.reached())
	e.deciding = false
}

// cleared says whether what is due for an entry that the shard shares with others can be done now. Otherwise it is set aside, or
// forgotten because its records come to another shard.
func (e *Evaluator) cleared(en *entry) bool {
	k := en.kin
	switch {
	case !en.of.rule.timed():
		e.silent = k.silent // time only makes it forget
		return true
	case !e.deciding:
		e.memory.park(en)
		e.news = true
		return false
	case k.elsewhere != 0 && k.elsewhere < en.due:
		e.memory.drop(en)
		return false
	}
	covered, unsure := true, []string(nil)
	for _, shard := range k.family.others {
		if x := e.met[shard]; x != nil && x.reached[en.of.rule.place] >= en.due {
			continue
		}
		if e.missing == nil {
			e.missing = make(map[string]bool)
		}
		e.missing[shard] = true
		unsure = append(unsure, shard)
		covered = covered && slices.Contains(e.without, shard)
	}
	if !covered {
		e.memory.park(en)
		return false
	}
	e.silent, e.unsure = k.silent, strings.Join(unsure, ", ")
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
	for _, f := range e.memory.families {
		for _, shard := range f.others {
			if slices.ContainsFunc(out, func(a Awaited) bool { return a.Shard == shard }) {
				continue
			}
			a := Awaited{Shard: shard, Blocks: e.missing[shard]}
			if x := e.met[shard]; x != nil {
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
func (e *Evaluator) ParkedTo() int64 { return e.memory.parkedTo }

// met is what is known of another shard.
type met struct {
	version string
	reached []int64 // by rule: up to when it has the rule's records; 0 if it does not know the rule
}

// Relative is what another shard remembers of keys, read from its snapshot.
type Relative struct {
	shard, version string
	heirs          []string
	sections       map[string]*relativeSection
}

// relativeSection is what it remembers of a rule.
type relativeSection struct {
	used   int64
	keys   map[string]bool  // whether it has heard of the key
	claims map[string]int64 // since when it has heard of keys that it inherited
}

// ReadRelative reads the snapshot of a shard, of a version that Awaits will name; state is nil if there is none. heirs are the
// shards that took over from it, if it has ended.
func ReadRelative(shard, version string, state []byte, heirs []string) (*Relative, error) {
	x := &Relative{shard: shard, version: version, heirs: heirs, sections: map[string]*relativeSection{}}
	if state == nil {
		return x, nil
	}
	_, sections, err := openSnapshot(state)
	if err != nil {
		return nil, err
	}
	find := func(name string, s *section) *relativeSection {
		id := name + string(s.fingerprint[:])
		if x.sections[id] == nil {
			x.sections[id] = &relativeSection{keys: map[string]bool{}}
		}
		return x.sections[id]
	}
	for i := range sections {
		s := &sections[i]
		if name, ok := strings.CutPrefix(s.name, kinSection); ok {
			k, ok := readKin(s.body)
			if !ok {
				return nil, fmt.Errorf("%w: its inherited keys do not fit together", ErrSnapshot)
			}
			of := find(name, s)
			for _, c := range k.copies {
				of.keys[c.entry.key] = false
			}
			of.claims = make(map[string]int64, len(k.claims))
			for _, c := range k.claims {
				of.claims[c.key] = c.at
			}
			continue
		}
		if strings.Contains(s.name, ":") {
			continue // no rule's
		}
		of := find(s.name, s)
		of.used = s.used
		r := &reader{buf: s.body}
		r.float()
		r.int()
		for range r.count() {
			r.uint()
			if en := r.entry(); !r.failed {
				of.keys[en.key] = !r.kin
			}
		}
		if r.failed || len(r.buf) > 0 {
			return nil, fmt.Errorf("%w: its parts do not fit together", ErrSnapshot)
		}
	}
	return x, nil
}

// Meet tells the evaluator what another shard remembers. Keys that the other one has heard of are forgotten, and what waits for it
// is done by the next tick.
func (e *Evaluator) Meet(x *Relative) {
	m := e.memory
	known := &met{version: x.version, reached: make([]int64, len(m.rules))}
	for i, r := range m.rules {
		s := x.sections[r.rule.name+string(r.rule.fingerprint[:])]
		if s == nil {
			continue
		}
		known.reached[i] = s.used
		if r.kin > 0 {
			for _, en := range r.entries {
				e.meet(en, x.shard, s)
			}
		}
		for key, c := range r.claims {
			if _, has := s.keys[key]; !slices.Contains(c.family.others, x.shard) || has && !s.keys[key] {
				continue
			}
			others := without(c.family.others, x.shard)
			if delete(r.claims, key); len(others) > 0 {
				m.claim(r, key, others, c.at)
			}
			m.leaveFamily(c.family)
		}
	}
	if e.met == nil {
		e.met = make(map[string]*met)
	}
	e.met[x.shard] = known
	e.news = true
	if len(x.heirs) == 0 {
		return
	}
	delete(e.met, x.shard)
	alone := false
	for _, f := range m.families {
		if !slices.Contains(f.others, x.shard) {
			continue
		}
		f.others = without(union(f.others, x.heirs), x.shard, e.shard)
		alone = alone || len(f.others) == 0
	}
	if alone { // all of the family has come together in this shard
		e.settleAlone()
	}
}

// settleAlone makes keys the shard's own that no other shard has.
func (e *Evaluator) settleAlone() {
	m := e.memory
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
				delete(r.claims, key)
				m.leaveFamily(c.family)
			}
		}
	}
}

// meet looks at one key of a rule of which another shard remembers s.
func (e *Evaluator) meet(en *entry, shard string, s *relativeSection) {
	if en.kin == nil || !slices.Contains(en.kin.family.others, shard) {
		return
	}
	at := s.claims[en.key]
	if at <= en.kin.born {
		if at = 0; !s.keys[en.key] {
			return
		} // else it is known to a version that keeps no claims, or came anew when the copy had been forgotten
	}
	if due := en.pending(); due == 0 || due > at {
		e.memory.drop(en) // nothing was due before
		return
	}
	if at = max(at, 1); en.kin.elsewhere == 0 || at < en.kin.elsewhere {
		en.kin.elsewhere = at
	}
}

// openSnapshot checks a snapshot and takes its sections apart. Their bodies are parts of data.
func openSnapshot(data []byte) (header [3]int64, sections []section, err error) {
	if len(data) < len(snapshotMagic)+1+4 || len(data) > maxSnapshot || string(data[:3]) != snapshotMagic {
		return header, nil, fmt.Errorf("%w: it is no snapshot", ErrSnapshot)
	}
	if v := data[3]; v != snapshotVersion {
		return header, nil, fmt.Errorf("%w: it has version %d, this program reads %d", ErrSnapshot, v, snapshotVersion)
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return header, nil, fmt.Errorf("%w: its checksum is wrong", ErrSnapshot)
	}
	r := &reader{buf: body[4:]}
	for i := range header {
		header[i] = r.int()
	}
	for range r.count() {
		s := section{name: r.text()}
		copy(s.fingerprint[:], r.take(16))
		s.used = r.int()
		s.body = r.take(r.uint())
		sections = append(sections, s)
	}
	if r.failed || len(r.buf) > 0 {
		return header, nil, fmt.Errorf("%w: its parts do not fit together", ErrSnapshot)
	}
	return header, sections, nil
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

// kinState is such a section.
type kinState struct {
	families [][]string
	copies   []kinCopy
	shared   []kinKey
	claims   []kinKey
}

type kinCopy struct {
	ranked

	family int
	born   int64
}

type kinKey struct {
	key    string
	family int
	at     int64 // when it was heard of, or born
}

// writeKin writes what a rule shares with other shards; nil if that is nothing. ranks are the places of entries in the order of use.
func (m *memory) writeKin(r *ruleMemory, ranks map[*entry]uint64) []byte {
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
	w := &writer{}
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
	place := make(map[*family]uint64, len(m.families))
	for _, f := range m.families {
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

// readKin reads such a section.
func readKin(body []byte) (k kinState, ok bool) {
	r := &reader{buf: body}
	r.float()
	r.int()
	if r.uint() != 0 || r.uint() != kinVersion {
		return k, false
	}
	for range r.count() {
		var others []string
		for range r.count() {
			others = append(others, r.text())
		}
		slices.Sort(others)
		others = slices.Compact(others)
		if r.failed = r.failed || len(others) == 0; !r.failed {
			k.families = append(k.families, others)
		}
	}
	family := func() int {
		n := r.uint()
		r.failed = r.failed || n >= uint64(len(k.families))
		return int(min(n, maxSnapshot))
	}
	for range r.count() {
		c := kinCopy{family: family(), born: r.int()}
		c.rank = r.uint()
		if c.entry = r.entry(); !r.failed {
			k.copies = append(k.copies, c)
		}
	}
	for range r.count() {
		if c := (kinKey{family: family(), at: r.int(), key: r.text()}); !r.failed {
			k.shared = append(k.shared, c)
		}
	}
	for range r.count() {
		if c := (kinKey{family: family(), at: r.int(), key: r.text()}); !r.failed {
			k.claims = append(k.claims, c)
		}
	}
	return k, !r.failed && len(r.buf) == 0
}
