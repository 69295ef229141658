package alert

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// rewoundSense marks the memory of a rule from before its shard was rewound: no version of the rule reads it.
func rewoundSense() sense {
	sum := sha256.Sum256([]byte("rewound"))
	return sense{memory: [16]byte(sum[:16])}
}

// rewound reports whether the section is from before its shard was rewound.
func (s *section) rewound() bool { return s.notified != nil && s.notified.sense == rewoundSense() }

// Rewound takes over what a snapshot from before a rewind of the shard owes: the ends of alerts that fire. It returns
// for how many keys. Nothing else of the snapshot counts, as the records are judged again. Keys that no shard has
// claimed since a split are left out, because a sibling may have them. They are ended as those of a rule that was
// replaced, unless the key fires again before that. After an error, which wraps ErrState, nothing has changed.
func (e *Evaluator) Rewound(data []byte) (keys int, err error) {
	head, sections, err := openState(data)
	if err != nil {
		return 0, err
	}
	if head.format > e.memory.format {
		return 0, nil // a worker of an older version may read what is saved next
	}
	notified := map[versionID]*notifiedSection{}
	for i := range sections {
		if name, ok := strings.CutPrefix(sections[i].name, notifiedPrefix); ok {
			t, ok := readNotified(sections[i].body)
			if !ok {
				return 0, fmt.Errorf("%w: the notified topics of rule %s", ErrState, name)
			}
			notified[versionID{name, sections[i].fingerprint}] = t
		}
	}
	var owed formerRules
	for _, s := range sections {
		t := notified[versionID{s.name, s.fingerprint}]
		if t == nil || strings.HasPrefix(s.name, notifiedPrefix) {
			continue
		}
		old := *t
		old.sense = rewoundSense()
		sum := sha256.Sum256([]byte("rewound " + s.name))
		s.fingerprint, s.notified = [16]byte(sum[:16]), &old
		if !s.countOwedEnds() {
			return 0, fmt.Errorf("%w: the keys of rule %s", ErrState, s.name)
		}
		if s.owedEnds == 0 {
			continue
		}
		s.onlyOwed()
		if s.countOwedEnds() && s.owedEnds > 0 {
			owed = append(owed, s)
		}
	}
	e.memory.former.inherit(owed, func(string) bool { return true })
	for i := range e.memory.former {
		if e.memory.former[i].rewound() {
			keys += e.memory.former[i].owedEnds
		}
	}
	return keys, nil
}

// onlyOwed drops the entries whose end is owed to nobody, or may be owed by a sibling.
func (s *section) onlyOwed() {
	head := (&reader{buf: s.body}).limit()
	kept, n := &writer{}, uint64(0)
	s.each(func(rank, bits uint64, rest []byte, v *entryView) {
		if len(s.owedTo(v)) == 0 || v.isProvisional {
			return
		}
		n++
		kept.uint(rank)
		if kept.uint(bits); bits&entryAudience != 0 {
			kept.uint(uint64(v.audience))
		}
		kept.buf = append(kept.buf, rest...)
	})
	w := &writer{}
	w.float(head.tokens)
	w.int(head.at)
	w.uint(n)
	s.body = append(w.buf, kept.buf...)
}
