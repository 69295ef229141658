package alert

import (
	"cmp"
	"slices"
	"strings"
)

// siblings is what is known of the shards that have copies of this shard's inherited keys, and what waits for them.
type siblings struct {
	shard  string
	memory *memory
	life   *lifecycle
	// known are those shards, as far as is known, and without those for which nothing waits; missing is what the last
	// look at what is due has missed. news says that another look is worth while.
	known    map[string]*siblingState
	without  []string
	missing  map[string]bool
	changed  bool
	deciding bool // a tick looks at what waits
}

// claimKeys makes keys the shard's own of which a record has come. What was due before was due while nobody heard of
// them: it is done now, in the order of time and of the rules as ever, and told by the shard that speaks for the key.
func (rel *siblings) claimKeys(rec *Record) {
	m, now := rel.memory, rel.life.clock.now()
	var heard []*entry
	for _, r := range m.rules {
		if r.provisional == 0 {
			continue
		}
		if en := r.find(rel.life.in.keyOf(r.rule, rec.PartitionKey)); en != nil && en.provisional != nil {
			m.claim(r, en.key, en.provisional.family.others, max(now, en.provisional.partedAt+1))
			heard = append(heard, en)
		}
	}
	for en := firstDue(heard); en != nil; en = firstDue(heard) {
		k := en.provisional
		en.due, k.due = k.due, 0
		rel.life.running, rel.life.out.silent = en, k.silent
		rel.life.runDue(en, now)
		if en.due != 0 && en.due <= now {
			k.due = en.due
			m.schedule(en, 0)
		}
	}
	rel.life.running, rel.life.out.silent = nil, false
	for _, en := range heard {
		m.unbind(en)
	}
	rel.life.suppressedBy = "" // what time caused is not of the record
}

// firstDue is the first of these entries, in the order of their rules, for which something waits that was due before
// all others.
func firstDue(heard []*entry) *entry {
	var first *entry
	for _, en := range heard {
		if en.provisional != nil && en.provisional.due != 0 &&
			(first == nil || en.provisional.due < first.provisional.due) {
			first = en
		}
	}
	return first
}

// settleParked does what waits for other shards, as far as it is known what they have heard.
func (rel *siblings) settleParked() {
	m := rel.memory
	if !rel.changed {
		return
	}
	rel.changed = false
	clear(rel.missing)
	parked := m.inherited.parked
	m.inherited.parked = nil
	for _, en := range parked {
		if en.provisional == nil || en.provisional.due == 0 {
			continue // it was heard of, or forgotten
		}
		due := en.provisional.due
		en.provisional.due = 0
		m.schedule(en, due)
	}
	rel.deciding = true
	rel.advance(rel.life.reached())
	rel.deciding = false
}

// mayRun says whether what is due for an entry that the shard shares with others can be done now. Otherwise it is set
// aside, or forgotten because its records come to another shard.
func (rel *siblings) mayRun(en *entry) bool {
	k := en.provisional
	switch {
	case !en.of.rule.timed() && !en.of.rule.needsRecheck(en):
		rel.life.out.silent = k.silent // time only makes it forget
		return true
	case !rel.deciding:
		rel.memory.park(en)
		rel.changed = true
		return false
	case k.elsewhere != 0 && k.elsewhere < en.due:
		rel.memory.drop(en)
		return false
	}
	covered, unsure := true, []string(nil)
	for _, shard := range k.family.others {
		if x := rel.known[shard]; x != nil && x.reached[en.of.rule.place] >= en.due {
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
			if x := e.others.known[shard]; x != nil {
				a.Version = x.version
			}
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Awaited) int { return cmp.Compare(a.Shard, b.Shard) })
	return out
}

// ParkedTo is the latest moment, in milliseconds, at which something came due for a key that other shards have, too.
// When it has grown, a snapshot is worth saving: the others wait for one that covers the same moment.
func (e *Evaluator) ParkedTo() int64 { return e.memory.inherited.parkedTo }

// siblingState is what is known of another shard.
type siblingState struct {
	version string
	reached []int64 // by rule: up to when it has the rule's records; 0 if it does not know the rule
}

// Meet tells the evaluator what another shard remembers. Keys that the other one has heard of are forgotten, and what
// waits for it is done by the next tick.
func (e *Evaluator) Meet(x *Relative) {
	m := e.memory
	known := &siblingState{version: x.version, reached: make([]int64, len(m.rules))}
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
		if r.provisional > 0 {
			for _, en := range r.entries {
				e.others.meetKey(en, x, s)
			}
		}
		for key, c := range r.claims {
			if heard, has := s.keys.find(key, x.called(key)); !slices.Contains(c.family.others, x.shard) ||
				has && heard == 0 {
				continue
			}
			others := without(c.family.others, x.shard)
			if m.dropClaim(r, key); len(others) > 0 {
				m.claim(r, key, others, c.at)
			}
			m.inherited.leaveFamily(c.family)
		}
	}
	if e.others.known == nil {
		e.others.known = make(map[string]*siblingState)
	}
	e.others.known[x.shard] = known
	e.others.changed = true
	if len(x.heirs) == 0 {
		return
	}
	delete(e.others.known, x.shard)
	alone := false
	for _, f := range m.inherited.families {
		if !slices.Contains(f.others, x.shard) {
			continue
		}
		f.others = without(union(f.others, x.heirs), x.shard, e.shard)
		alone = alone || len(f.others) == 0
	}
	if alone { // all of the family has come together in this shard
		e.others.releaseAlone()
	}
}

// releaseAlone makes keys the shard's own that no other shard has.
func (rel *siblings) releaseAlone() {
	m := rel.memory
	for _, r := range m.rules {
		for _, en := range r.entries {
			if en.provisional != nil && len(en.provisional.family.others) == 0 {
				if due := en.provisional.due; due != 0 {
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

// meetKey looks at one key of a rule of which another shard remembers s.
func (rel *siblings) meetKey(en *entry, x *Relative, s *relativeSection) {
	if en.provisional == nil || !slices.Contains(en.provisional.family.others, x.shard) {
		return
	}
	called := x.called(en.key)
	at, _ := s.claims.find(en.key, called)
	if at <= en.provisional.partedAt {
		at = 0
		if heard, _ := s.keys.find(en.key, called); heard == 0 {
			return
		} // else it is known to a version that keeps no claims, or came again when the copy had been forgotten
	}
	if due := en.pending(); due == 0 || due > at {
		rel.memory.drop(en) // nothing was due before
		return
	}
	if at = max(at, 1); en.provisional.elsewhere == 0 || at < en.provisional.elsewhere {
		en.provisional.elsewhere = at
	}
}

// advance does everything that is due up to a time.
func (rel *siblings) advance(to int64) {
	m := rel.memory
	for en := m.next(to); en != nil; en = m.next(to) {
		rel.life.running = en
		if en.provisional == nil {
			rel.life.runDue(en, to)
		} else if rel.mayRun(en) {
			rel.life.runDue(en, to)
			rel.life.out.silent, rel.life.out.unsure = false, ""
		}
	}
	rel.life.running = nil
	m.clock = max(m.clock, to)
}
