package alert

import (
	"errors"
	"slices"
)

// Inherit adds the states of parent shards. If several shards inherit, each takes over every key, until a record shows
// which of them gets the key (inherited.go). A shard without siblings takes over what it owns; for a key that is not
// the partition key, that of its last record decides. If both parents of a merged shard have a key, it is taken from
// the one that had a record of it, that notified a topic that it fires, or that used it last. A state that cannot be
// read is left out; the error wraps ErrState.
func (e *Evaluator) Inherit(parents [][]byte, heir Heir) error {
	var from []*memory
	var errs []error
	mine := e.memory
	if agreed := inheritedAgreement(mine.agreement, parents); mine.empty() {
		mine.agreement = agreed
	} else if mine.format < agreed.format {
		mine.upgrade(agreed)
	}
	for _, state := range parents {
		m, eventTime, err := readState(e.in.set, state, mine.agreement)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if eventTime.After(e.clock.eventTime) {
			e.clock.eventTime = eventTime
		}
		from = append(from, m)
	}
	h := &takeover{heir: heir, mine: mine, from: from, rank: map[*entry]int{}}
	for _, m := range from {
		mine.clock, mine.watchdog = max(mine.clock, m.clock), max(mine.watchdog, m.watchdog)
		for i, r := range m.rules {
			mine.rules[i].tokens, mine.rules[i].at = min(mine.rules[i].tokens, r.tokens), max(mine.rules[i].at, r.at)
		}
		for i, x := range m.scores {
			mine.scores[i].inherit(x, func(key string) bool { return len(heir.Siblings) > 0 || heir.Owns(key) })
		}
		mine.former.inherit(m.former, heir.Owns)
		for _, r := range m.rules {
			if r.rule.keyless() {
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
	mine.evictUnannounced()
	e.others.changed = true
	return errors.Join(errs...)
}

// inheritedAgreement returns what a child continues with: the latest format of its own and its parents', and the hash
// key of the first parent that has one. If parents have different hash keys, which takes a lost table, values that both
// have seen count twice until they have left the window.
func inheritedAgreement(agreed agreement, parents [][]byte) agreement {
	keyed := false
	for _, state := range parents {
		head, _, err := openState(state)
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

// takeover is a takeover from parents.
type takeover struct {
	heir Heir
	mine *memory
	from []*memory
	// rank is the precedence of an entry over one of another parent.
	rank map[*entry]int
}

const (
	silentCopy = iota
	spokenCopy
	ownRecord
)

// take takes over one entry, or leaves it.
func (h *takeover) take(parent *memory, en *entry, born int64) {
	r, rank := en.of.rule, ownRecord
	others := slices.Clone(h.heir.Siblings)
	if en.provisional == nil { // the claim is older, even if all of it happened in one millisecond
		born = max(born, parent.rules[r.place].claims[en.key].at)
	} else {
		if rank = spokenCopy; en.provisional.silent {
			rank = silentCopy
		}
		born = en.provisional.partedAt
		for _, m := range h.from {
			if m != parent && m.rules[r.place].claims[en.key].at > born {
				return // the other parent has the later state
			}
		}
		others = append(others, en.provisional.family.others...)
	}
	falls := en.ownedBy(r, h.heir.Owns)
	if len(h.heir.Siblings) == 0 && rank == ownRecord && !falls {
		return
	}
	others = union(without(others, h.heir.Parents...), nil)
	silent := rank == silentCopy || len(h.heir.Siblings) > 0 && !falls
	if known := h.mine.rules[r.place].entries[en.key]; known != nil {
		before, ok := h.rank[known]
		if !ok {
			before = ownRecord
		}
		if before > rank {
			return
		}
		if before < rank {
			h.mine.drop(known)
		} else if known.provisional != nil {
			others = union(others, known.provisional.family.others)
			silent, born = silent && known.provisional.silent, max(born, known.provisional.partedAt)
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
	if rank < ownRecord {
		h.rank[en] = rank
	}
}

// ownedBy reports whether, while no shard has a record of its key, an entry continues in the shard that owns partition
// keys by owns. Its timers must run in only one shard, since the other one would report records as missing that it does
// not get.
func (en *entry) ownedBy(r *rule, owns func(partitionKey string) bool) bool {
	if r.key != nil && en.last != nil {
		return owns(en.last.partitionKey)
	}
	return r.key != nil || owns(en.key)
}

// inherit takes over an entry of another memory, and returns the copy.
func (m *memory) inherit(en *entry, place int) *entry {
	r := m.rules[place]
	if known := r.entries[en.key]; known != nil {
		held := max(known.held, en.held)
		if known.preferredTo(en) {
			known.held = held
			return known
		}
		en.held = held
		m.drop(known)
	}
	due, topics := en.due, en.of.audienceOf(en)
	for topic, x := range en.of.formerTopics {
		if r.formerTopics == nil {
			r.formerTopics = map[string]*formerTopic{}
		}
		r.formerTopics[topic], r.oweEnds = x, true
	}
	*en = entry{ // without a size: it is weighed again
		key: en.key, of: r, place: -1, streak: en.streak, since: en.since, held: en.held, suppressed: en.suppressed,
		sent:   en.sent,
		firing: en.firing, notified: en.notified, ended: en.ended, covered: en.covered, severity: en.severity,
		grade: en.grade, last: en.last, window: en.window,
	}
	if en.firing && en.notified {
		r.setAudience(en, topics)
	}
	m.put(en)
	m.schedule(en, due)
	return en
}

// preferredTo reports whether an entry wins over another one for the same key. A topic that was notified that the key
// fires must be notified of the end.
func (en *entry) preferredTo(other *entry) bool {
	if notified := en.firing && en.notified; notified != (other.firing && other.notified) {
		return notified
	}
	return max(en.held, en.sent) >= max(other.held, other.sent)
}
