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
	// known are the states that were read of those shards. missing are the shards whose state the last look at due
	// entries lacked, and without those that need not be waited for. changed is set if another look may settle
	// something.
	known    map[string]*siblingState
	without  []string
	missing  map[string]bool
	changed  bool
	deciding bool // a tick is settling parked entries
}

// claimKeys makes the keys of a record the shard's own. What fell due before the record is done now, in the usual order
// of time and rules. The shard that makes the key's alerts makes these, too.
func (rel *siblings) claimKeys(rec *Record) {
	m, now := rel.memory, rel.life.clock.now()
	var claimed []*entry
	for _, r := range m.rules {
		if r.provisional == 0 {
			continue
		}
		if en := r.find(rel.life.in.keyOf(r.rule, rec.PartitionKey)); en != nil && en.provisional != nil {
			m.claim(r, en.key, en.provisional.family.others, max(now, en.provisional.partedAt+1))
			claimed = append(claimed, en)
		}
	}
	for en := firstDue(claimed); en != nil; en = firstDue(claimed) {
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
	for _, en := range claimed {
		m.unbind(en)
	}
	rel.life.suppressedBy = "" // timers caused it, not the record
}

// firstDue returns the entry whose parked work was due first; of several, the one whose rule comes first.
func firstDue(claimed []*entry) *entry {
	var first *entry
	for _, en := range claimed {
		if en.provisional != nil && en.provisional.due != 0 &&
			(first == nil || en.provisional.due < first.provisional.due) {
			first = en
		}
	}
	return first
}

// settleParked does what waits for other shards, where their states are known by now.
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
			continue // it got a record, or was forgotten
		}
		due := en.provisional.due
		en.provisional.due = 0
		m.schedule(en, due)
	}
	rel.deciding = true
	rel.advance(rel.life.reached())
	rel.deciding = false
}

// mayRun reports whether what is due for a shared entry can be done now. If not, the entry is parked, or dropped
// because its records go to another shard.
func (rel *siblings) mayRun(en *entry) bool {
	k := en.provisional
	switch {
	case !en.of.rule.timed() && !en.of.rule.needsRecheck(en):
		rel.life.out.silent = k.silent // time alone makes no alert of it
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

// Awaited is another shard whose state an evaluator needs.
type Awaited struct {
	Shard string
	// Version is that of the state that is known already, or empty.
	Version string
	// Blocks is set if something that is due waits for it.
	Blocks bool
}

// Awaits returns the other shards that have copies of this shard's keys, sorted. It is almost always nil.
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

// ParkedTo returns the latest due time, in milliseconds, of a key that other shards have, too. When it has grown, a
// snapshot should be saved: the others wait for one that covers that time.
func (e *Evaluator) ParkedTo() int64 { return e.memory.inherited.parkedTo }

// siblingState is what is known of another shard.
type siblingState struct {
	version string
	reached []int64 // by rule: the time up to which it has seen the rule's records; 0 if it does not have the rule
}

// Meet takes in what another shard remembers. Keys of which the other shard has had a record are forgotten, and the
// next tick does what waits for it.
func (e *Evaluator) Meet(x *Relative) {
	m := e.memory
	known := &siblingState{version: x.version, reached: make([]int64, len(m.rules))}
	for i, r := range m.rules {
		s := x.sections[r.rule.name+string(r.rule.fingerprint[:])]
		if s == nil { // its worker has another version of the rule
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
			if hasRecord, found := s.keys.find(key, x.called(key)); !slices.Contains(c.family.others, x.shard) ||
				found && hasRecord == 0 {
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
	if alone { // all of the family has merged into this shard
		e.others.releaseAlone()
	}
}

// releaseAlone makes keys that no other shard has the shard's own.
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

// meetKey compares one key with what another shard remembers of its rule.
func (rel *siblings) meetKey(en *entry, x *Relative, s *relativeSection) {
	if en.provisional == nil || !slices.Contains(en.provisional.family.others, x.shard) {
		return
	}
	called := x.called(en.key)
	at, _ := s.claims.find(en.key, called)
	if at <= en.provisional.partedAt {
		at = 0
		if hasRecord, _ := s.keys.find(en.key, called); hasRecord == 0 {
			return
		} // else the other shard runs a version without claims, or got the key again after forgetting its copy
	}
	if due := en.pending(); due == 0 || due > at {
		rel.memory.drop(en) // nothing was due before
		return
	}
	if at = max(at, 1); en.provisional.elsewhere == 0 || at < en.provisional.elsewhere {
		en.provisional.elsewhere = at
	}
}

// advance runs everything that is due up to a time.
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
