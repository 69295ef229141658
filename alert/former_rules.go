package alert

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// formerLife is how long, in event time, the state of former rules is kept, and maxFormer how much of it.
const (
	formerLife = 7 * 24 * time.Hour
	maxFormer  = 8 << 20
)

// formerRules is the state of rules, and of versions of rules, that this rule set does not have.
type formerRules []section

// oweEnds reports whether some topic is owed the end of an alert.
func (f formerRules) oweEnds() bool {
	return slices.ContainsFunc(f, func(s section) bool { return s.owedEnds > 0 })
}

// kept returns the sections that are still worth keeping and for which there is room, the most recently used first.
func (f formerRules) kept(room int, now int64) []section {
	for i := range f {
		f[i].removeEnded()
	}
	kept := slices.Clone(f)
	slices.SortStableFunc(kept, func(a, b section) int { return cmp.Compare(b.used, a.used) })
	total := 0
	return slices.DeleteFunc(kept, func(s section) bool {
		total += len(s.body) + sectionOverhead
		if s.notified != nil {
			total += len(s.notified.words) + 2*sectionOverhead
		}
		if s.owedEnds > 0 { // the next tick sends the ends first
			return total > room
		}
		return total > min(maxFormer, room) || s.expired(now) || s.rewound()
	})
}

// expired reports whether the state of a former rule is too old to be of use.
func (s *section) expired(now int64) bool { return now-s.used > millis(formerLife) }

// leaving calls end for each rule whose owed ends are to be sent now: because all workers agree, or because the state
// is about to be dropped.
func (f formerRules) leaving(settled bool, now int64, end func(*section)) {
	if !f.oweEnds() {
		return
	}
	total := 0
	slices.SortStableFunc(f, func(a, b section) int { return cmp.Compare(b.used, a.used) })
	for i := range f {
		s := &f[i]
		total += len(s.body) + sectionOverhead
		if s.owedEnds > 0 && (settled || total > maxFormer || s.expired(now)) {
			end(s)
		}
	}
}

// ended records that the present rule has notified topics of the end of a key.
func (f formerRules) ended(rule, key string, topics []string) {
	for i := range f {
		if s := &f[i]; s.owedEnds > 0 && s.name == rule {
			if s.over == nil {
				s.over = map[string][]string{}
			}
			s.over[key] = union(s.over[key], topics)
		}
	}
}

// inherit adds what a parent has of former rules.
func (f *formerRules) inherit(parent formerRules, owns func(partitionKey string) bool) {
	for _, s := range parent {
		if strings.HasPrefix(s.name, inheritedPrefix) {
			continue
		}
		s = s.inherited(owns)
		i := slices.IndexFunc(*f, func(t section) bool { return t.name == s.name && t.fingerprint == s.fingerprint })
		if i < 0 {
			*f = append(*f, s)
		} else {
			(*f)[i].absorb(s)
		}
	}
}

// inherited returns the state of an unknown rule with only the keys whose last record would be this shard's. Entries
// without a last record have no timers, so it is safe to keep them in both children. If their end is owed, only one
// child keeps them, and sends it.
func (s section) inherited(owns func(partitionKey string) bool) section {
	s.removeEnded()
	kept, n := []byte(nil), uint64(0)
	v := &entryView{}
	r := &reader{buf: s.body}
	head := r.limit()
	for range r.count() {
		before := r.buf
		r.entry(v)
		if r.failed {
			return s // by a later version, which can read it
		}
		mine := v.located && len(v.key) > 0 && owns(string(v.partitionKey))
		if !v.located || len(v.key) == 0 {
			mine = len(s.owedTo(v)) == 0 || owns(string(v.key))
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
	s.countOwedEnds()
	return s
}

// removeEnded removes what the present rule has ended in the meantime.
func (s *section) removeEnded() {
	if len(s.over) == 0 {
		return
	}
	over := s.over
	s.over = nil
	s.rewrite(func(v *entryView, topics []string) []string { return without(topics, over[string(v.key)]...) })
}

// each calls do with the entries of a section, and with the bytes after an entry's bits. It returns false if the
// section is malformed.
func (s *section) each(do func(rank, bits uint64, rest []byte, v *entryView)) bool {
	r, v := &reader{buf: s.body}, &entryView{}
	r.limit()
	for range r.count() {
		rank := r.entry(v)
		if r.failed || s.notified != nil && int(v.audience) >= len(s.notified.audiences) {
			return false
		}
		do(rank, v.bits, v.rest[:len(v.rest)-len(r.buf)], v)
	}
	return !r.failed && len(r.buf) == 0
}

// owedTo returns the topics to which the end of an entry is owed.
func (s *section) owedTo(v *entryView) []string {
	if s.notified == nil || !s.notified.ends || !v.firing || !v.notified {
		return nil
	}
	return s.notified.audiences[v.audience]
}

// countOwedEnds counts the entries whose ends are owed.
func (s *section) countOwedEnds() bool {
	s.owedEnds = 0
	return s.notified == nil || s.each(func(_, _ uint64, _ []byte, v *entryView) {
		if len(s.owedTo(v)) > 0 {
			s.owedEnds++
		}
	})
}

// rewrite changes which topics are owed the ends of entries. An entry whose end is owed to no topic counts as not
// notified.
func (s *section) rewrite(to func(v *entryView, topics []string) []string) {
	w := &writer{buf: make([]byte, 0, len(s.body)+16)}
	head := (&reader{buf: s.body}).limit()
	w.float(head.tokens)
	w.int(head.at)
	n, kept := uint64(0), &writer{}
	t := *s.notified
	t.audiences = slices.Clone(t.audiences)
	owes := 0
	s.each(func(rank, bits uint64, rest []byte, v *entryView) {
		audience := uint64(v.audience)
		if topics := s.owedTo(v); len(topics) > 0 {
			left := to(v, topics)
			if bits &^= entryAudience; len(left) == 0 {
				bits, audience = bits&^entryNotified, 0
			} else {
				owes++
				i := slices.IndexFunc(t.audiences, func(a []string) bool { return slices.Equal(a, left) })
				if i < 0 {
					i = len(t.audiences)
					t.audiences = append(t.audiences, left)
				}
				if audience = uint64(i); i > 0 {
					bits |= entryAudience
				}
			}
		}
		n++
		kept.uint(rank)
		if kept.uint(bits); bits&entryAudience != 0 {
			kept.uint(audience)
		}
		kept.buf = append(kept.buf, rest...)
	})
	w.uint(n)
	s.body, s.notified, s.owedEnds = append(w.buf, kept.buf...), &t, owes
}

// absorb adds what another shard has of the same rule. Of two entries for one key, the one whose end is owed stays.
func (s *section) absorb(t section) {
	if s.notified == nil || t.notified == nil {
		return
	}
	s.removeEnded()
	t.removeEnded()
	have := map[string]bool{} // whether its end is owed
	s.each(func(_, _ uint64, _ []byte, v *entryView) { have[string(v.key)] = len(s.owedTo(v)) > 0 })
	better := map[string]bool{}
	t.each(func(_, _ uint64, _ []byte, v *entryView) {
		if owed, known := have[string(v.key)]; !known || !owed && len(t.owedTo(v)) > 0 {
			better[string(v.key)] = true
		}
	})
	both := *s.notified
	both.audiences = slices.Concat(both.audiences, t.notified.audiences)
	for _, x := range t.notified.topics {
		if !slices.ContainsFunc(both.topics, func(y notifiedTopic) bool { return x.name == y.name }) {
			both.topics = append(both.topics, x)
		}
	}
	w, n := &writer{}, uint64(0)
	add := func(from *section, first uint64, mine bool) {
		from.each(func(rank, bits uint64, rest []byte, v *entryView) {
			if better[string(v.key)] == mine {
				return
			}
			n++
			w.uint(rank)
			if audience := first + uint64(v.audience); audience > 0 {
				w.uint(bits | entryAudience)
				w.uint(audience)
			} else {
				w.uint(bits &^ entryAudience)
			}
			w.buf = append(w.buf, rest...)
		})
	}
	add(s, 0, true)
	add(&t, uint64(len(s.notified.audiences)), false)
	out, head := &writer{}, (&reader{buf: s.body}).limit()
	out.float(head.tokens)
	out.int(head.at)
	out.uint(n)
	s.body, s.notified, s.used = append(out.buf, w.buf...), &both, max(s.used, t.used)
	s.countOwedEnds()
}
