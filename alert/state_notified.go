package alert

import (
	"slices"
)

// notifiedPrefix precedes the name of a rule in the name of a section. That section says what the rule's own section
// means to another version of the rule, and holds what the ends of its alerts need. It comes with formatEnds.
//
//	version | memory, condition | flags: ends are notified, in mode shadow | words of the rule |
//	topics { name, words } | audiences { places of topics }
const (
	notifiedPrefix  = "told:"
	notifiedVersion = 1
	notifiesEnds    = 1
	inShadow        = 2
	// maxAudience bounds the topics and audiences of a section, maxSaid the words in a snapshot.
	maxAudience   = 1<<16 - 1
	maxSavedWords = 1 << 20
	// maxEnds is how many ends one tick makes.
	maxEnds = 1000
)

// notifiedSection is the parsed section.
type notifiedSection struct {
	sense
	ends      bool
	shadow    bool // nobody was notified; false where an earlier version wrote it
	words     []byte
	topics    []notifiedTopic
	audiences [][]string // the first is that of entries that refer to none
}

type notifiedTopic struct {
	name  string
	words []byte
}

// write writes the section.
func (t *notifiedSection) write() []byte {
	w := &writer{}
	w.uint(notifiedVersion)
	w.buf = append(append(w.buf, t.memory[:]...), t.condition[:]...)
	flags := uint64(0)
	if t.ends {
		flags |= notifiesEnds
	}
	if t.shadow {
		flags |= inShadow
	}
	w.uint(flags)
	w.blob(t.words)
	w.uint(uint64(len(t.topics)))
	places := make(map[string]uint64, len(t.topics))
	for i, x := range t.topics {
		places[x.name] = uint64(i)
		w.text(x.name)
		w.blob(x.words)
	}
	w.uint(uint64(len(t.audiences)))
	for _, a := range t.audiences {
		w.uint(uint64(len(a)))
		for _, topic := range a {
			w.uint(places[topic])
		}
	}
	return w.buf
}

// readNotified reads such a section.
func readNotified(body []byte) (*notifiedSection, bool) {
	r, t := &reader{buf: body}, &notifiedSection{}
	if r.uint() != notifiedVersion {
		return nil, false
	}
	copy(t.memory[:], r.take(16))
	copy(t.condition[:], r.take(16))
	flags := r.uint()
	t.ends, t.shadow = flags&notifiesEnds != 0, flags&inShadow != 0
	t.words = slices.Clone(r.take(r.uint()))
	n := r.count()
	if n > maxAudience {
		return nil, false
	}
	for range n {
		x := notifiedTopic{name: r.text()}
		if x.words = slices.Clone(r.take(r.uint())); r.failed {
			return nil, false
		}
		t.topics = append(t.topics, x)
	}
	n, named := r.count(), uint64(0)
	if n == 0 || n > maxAudience {
		return nil, false
	}
	for range n {
		size := r.count()
		if named += size; named > maxNames {
			return nil, false
		}
		var a []string
		for range size {
			place := r.uint()
			if r.failed || place >= uint64(len(t.topics)) {
				return nil, false
			}
			a = append(a, t.topics[place].name)
		}
		slices.Sort(a)
		t.audiences = append(t.audiences, slices.Compact(a))
	}
	return t, !r.failed && len(r.buf) == 0
}

// notifiedSection returns the section of the rule, with the index of each of its audiences in it. room bounds the
// words.
func (m *ruleMemory) notifiedSection(room *int) (t *notifiedSection, places []uint64) {
	r := m.rule
	t = &notifiedSection{sense: r.sense, ends: r.notifiesEnd(), shadow: r.shadow, audiences: [][]string{r.audience}}
	if m.notifiedKeys == 0 {
		t.audiences[0] = nil
		return t, nil
	}
	used := make([]bool, len(m.audiences))
	if len(m.audiences) > 0 {
		for _, en := range m.entries {
			if en.audience != 0 && en.firing && en.notified {
				used[en.audience-1] = true
			}
		}
	}
	for i, a := range m.audiences {
		if used[i] {
			t.audiences = append(t.audiences, a)
		}
	}
	slices.SortFunc(t.audiences[1:], slices.Compare)
	places = make([]uint64, len(m.audiences))
	for i, a := range m.audiences {
		if used[i] {
			j, _ := slices.BinarySearchFunc(t.audiences[1:], a, slices.Compare)
			places[i] = uint64(j + 1) //nolint:gosec // an index
		}
	}
	var names []string
	for _, a := range t.audiences {
		names = union(names, a)
	}
	keep := func(words []byte) []byte {
		if *room -= len(words); *room < 0 {
			return nil
		}
		return words
	}
	t.words = keep(r.savedWords)
	for _, name := range names {
		x := notifiedTopic{name: name}
		if to := r.route(name); to != nil {
			x.words = keep(to.savedWords)
		} else if left := m.formerTopics[name]; left != nil {
			if x.words = keep(left.shared); len(t.words) == 0 {
				t.words = keep(left.own)
			}
		}
		t.topics = append(t.topics, x)
	}
	return t, places
}
