package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Restore replaces the state by a snapshot. After an error, which wraps ErrState, the state is unchanged.
func (e *Evaluator) Restore(data []byte) error {
	m, eventTime, err := readState(e.pipeline.current.Load(), data, e.agreed)
	if err != nil {
		return err
	}
	if set := e.pipeline.current.Load(); set != e.in.set {
		e.run(set)
	}
	e.memory.replace(m)
	e.clock.eventTime = eventTime
	e.others.known, e.others.changed = nil, true
	return nil
}

// adopt switches to another version of the rules: rules with the same definition keep what they remember.
func (e *Evaluator) adopt(set *compiled) {
	state := e.State()
	e.run(set)
	m, _, err := readState(set, state, e.memory.agreement)
	if err != nil { // the state is our own, so this is a bug: losing it is the lesser evil
		m = newMemory(set, e.memory.agreement)
	}
	m.loggedNotJSON = e.memory.loggedNotJSON
	e.memory.replace(m)
	e.others.known, e.others.changed = nil, true // what is known of other shards is indexed by the former rules
}

// ranked is an entry on its way into a memory, with its rank in the order of use.
type ranked struct {
	entry *entry
	rank  uint64
}

// loading is a snapshot on its way into a memory.
type loading struct {
	m         *memory
	reached   int64
	bodies    [][]byte                  // by rule; nil for none
	used      []int64                   // by rule
	notified  []*notifiedSection        // by rule; nil if the notified topics are not known
	inherited map[int]*inheritedSection // by rule
	version   [][16]byte                // by rule: the fingerprint of the version that is read
	covers    [2][]coversOf             // by rule: of its own section, and of the one with inherited keys

	// kept are the entries for which there is room, by rule.
	kept []keptEntries
	all  []ranked
}

// readState builds the memory of a rule set from a snapshot.
func readState(set *compiled, data []byte, agreed agreement) (*memory, time.Time, error) {
	head, sections, err := openState(data)
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
		m: m, reached: max(millisOf(eventTime), m.clock, 0), bodies: make([][]byte, len(set.rules)),
		used:     make([]int64, len(set.rules)),
		notified: make([]*notifiedSection, len(set.rules)), inherited: map[int]*inheritedSection{},
		covers: [2][]coversOf{make([]coversOf, len(set.rules)), make([]coversOf, len(set.rules))},
	}
	if !l.sort(set, sections) || !l.choose() || !l.create() {
		return nil, time.Time{}, fmt.Errorf("%w: its parts do not fit together", ErrState)
	}
	l.put()
	m.evictUnannounced()
	if m.format < agreed.format { // a later format was agreed on when the snapshot was written
		m.upgrade(agreed)
	}
	return m, eventTime, nil
}

// sort assigns the sections to rules, and reads those of scores.
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
		if strings.HasPrefix(s.name, notifiedPrefix) {
			continue
		}
		if j := slices.IndexFunc(set.scores, func(x *score) bool {
			return scorePrefix+x.config.As == s.name &&
				x.fingerprint == s.fingerprint
		}); j >= 0 {
			part := &reader{buf: s.body}
			if l.m.scores[j].read(part); part.failed || len(part.buf) > 0 {
				return false
			}
			continue
		}
		name, shared := strings.CutPrefix(s.name, inheritedPrefix)
		i, known := places[name]
		switch {
		case !known || versions.of[i] != s.fingerprint:
			s.body = slices.Clone(s.body)
			if s.notified = versions.notified[versionID{s.name, s.fingerprint}]; !s.countOwedEnds() {
				return false
			}
			l.m.former = append(l.m.former, *s)
		case shared && set.rules[i].keyless(): // it has no keys
		case shared:
			k, ok := readInherited(s.body)
			if !ok {
				return false
			}
			if s.used < l.reached { // the rule was inactive, and missed records
				k.copies, k.shared = sectionPart{}, sectionPart{}
			}
			l.inherited[i], l.covers[1][i] = k, set.coversOf(s.covers)
		case l.bodies[i] == nil:
			l.bodies[i], l.used[i], l.covers[0][i] = s.body, s.used, set.coversOf(s.covers)
			l.notified[i] = versions.notified[versionID{s.name, s.fingerprint}]
		}
	}
	return true
}

// versionID names a version of a rule.
type versionID struct {
	name        string
	fingerprint [16]byte
}

// versions are the versions of rules in a snapshot, and which of them each rule continues with, by fingerprint.
type versions struct {
	notified map[versionID]*notifiedSection
	of       [][16]byte
}

// versionsOf chooses, for each rule, its own version or else the latest that it can continue with.
func versionsOf(set *compiled, places map[string]int, sections []section) (versions, bool) {
	out := versions{map[versionID]*notifiedSection{}, make([][16]byte, len(set.rules))}
	used, own := make([]int64, len(set.rules)), make([]bool, len(set.rules))
	for i, r := range set.rules {
		out.of[i], used[i] = r.fingerprint, -1
	}
	for i := range sections {
		s := &sections[i]
		if place, known := places[s.name]; known {
			own[place] = own[place] || s.fingerprint == set.rules[place].fingerprint
		}
		name, ok := strings.CutPrefix(s.name, notifiedPrefix)
		if !ok {
			continue
		}
		t, ok := readNotified(s.body)
		if !ok {
			return out, false
		}
		out.notified[versionID{name, s.fingerprint}] = t
	}
	for i := range sections {
		s := &sections[i]
		place, known := places[s.name]
		if !known || own[place] || s.used <= used[place] {
			continue
		}
		if t := out.notified[versionID{s.name, s.fingerprint}]; t != nil && set.rules[place].takes(t) {
			out.of[place], used[place] = s.fingerprint, s.used
		}
	}
	return out, true
}

// entries reads the keys of the snapshot, without keeping them.
func (l *loading) entries(each func(place int, rank uint64, v *entryView, c *inheritedCopy)) bool {
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
		if k := l.inherited[i]; k != nil {
			r, c := k.copies.reader(), inheritedCopy{}
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

// keptEntries are the entries of a rule that are evicted last.
type keptEntries struct {
	from uint64 // the first of them, by entryView.evictionOrder
	n    int
}

// choose checks that all entries are well formed, and chooses those for which there is room in bytes. Keys beyond
// state.max_keys are kept for now: their eviction may need an alert.
func (l *loading) choose() bool {
	rules := l.m.rules
	total := bulk{}
	l.kept = make([]keptEntries, len(rules))
	sound := l.entries(func(place int, _ uint64, v *entryView, _ *inheritedCopy) {
		if l.kept[place].n++; !rules[place].rule.keyless() {
			total.add(v.bulk())
		}
	})
	for i, r := range rules {
		sound = sound && (!r.rule.keyless() || l.kept[i].n <= 1)
	}
	if !sound || !total.over() {
		return sound
	}
	const unit, heaviest = 64, 1<<24 - 1 // bytes; the weight of an entry is packed below its order
	orders := make([][]uint64, len(rules))
	for i := range orders {
		orders[i] = make([]uint64, 0, l.kept[i].n)
	}
	most := ruleHeap{}
	shares := make([]ruleMemory, len(rules)) // how much the rules would hold
	l.entries(func(place int, rank uint64, v *entryView, _ *inheritedCopy) {
		if of := rules[place].rule; !of.keyless() {
			weight := min((v.bulk().weight()+unit-1)/unit, heaviest)
			order := v.evictionOrder(of, rank) | uint64(weight) //nolint:gosec // not negative
			orders[place] = append(orders[place], order)
			shares[place].held[byBytes] += weight
		}
	})
	left := maxHeap / unit
	for i, r := range rules {
		if !r.rule.keyless() {
			slices.Sort(orders[i])
			shares[i].rule = r.rule
			held := shares[i].held[byBytes]
			most.join(&shares[i], byBytes)
			most.holds(&shares[i], byBytes, held)
			left -= held
		}
	}
	for left < 0 {
		i := most[0].rule.place
		order := orders[i][0]
		weight := int(order & heaviest)
		orders[i] = orders[i][1:]
		left += weight
		most.holds(&shares[i], byBytes, shares[i].held[byBytes]-weight)
		rules[i].rule.metrics.forgot(phase(order >> phaseShift))
	}
	for i, r := range rules {
		if l.kept[i].n = len(orders[i]); r.rule.keyless() {
			l.kept[i].n = 1
		} else if l.kept[i].n > 0 {
			l.kept[i].from = orders[i][0] &^ heaviest
		}
	}
	return true
}

// phaseShift is the number of bits of a order below the phase.
const phaseShift = 62

// create makes the entries for which there is room.
func (l *loading) create() bool {
	room := 0
	for _, k := range l.kept {
		room += k.n
	}
	l.all = make([]ranked, 0, room)
	frozen := func(i int) bool { return l.used[i] < l.reached }
	sound := true
	return l.entries(func(i int, rank uint64, v *entryView, c *inheritedCopy) {
		r, t := l.m.rules[i], l.notified[i]
		if v.audience != 0 && (t == nil || int(v.audience) >= len(t.audiences)) {
			sound = false
		}
		k := &l.kept[i]
		if !sound || k.n == 0 || v.evictionOrder(r.rule, rank) < k.from {
			return
		}
		k.n--
		en := v.make(r, l.m)
		r.receiveAudience(en, t)
		if t != nil && l.version[i] != r.rule.fingerprint &&
			!r.rule.adopt(en, t.condition == r.rule.sense.condition, l.reached) && c == nil {
			return
		}
		if c != nil {
			l.covers[1][i].translate(en)
			en.provisional = &provisional{family: &family{others: l.inherited[i].families[c.family]}, partedAt: c.born}
		} else if l.covers[0][i].translate(en); frozen(i) && !r.rule.resume(en, l.reached) {
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
		en, copied := x.entry, x.entry.provisional
		if en.of.entries[en.key] != nil {
			continue // a duplicate: no version writes one
		}
		due := en.due
		en.due, en.provisional = 0, nil
		m.put(en)
		m.schedule(en, due)
		if copied != nil {
			m.bind(en, copied.family.others, true, copied.partedAt)
		}
	}
	for i, body := range l.bodies {
		if body != nil {
			head := (&reader{buf: body}).limit()
			m.rules[i].at = head.at
			if head.tokens >= 0 && !m.rules[i].rule.leavesShadow(l.notified[i]) {
				m.rules[i].tokens = min(head.tokens, float64(m.rules[i].rule.limit.Events))
			}
		}
	}
	for i, k := range l.inherited {
		r := m.rules[i]
		k.each(k.shared, func(family int, at int64, key []byte) {
			if en := r.entries[m.shortened(r.rule, string(key))]; en != nil && en.provisional == nil {
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

// fits reports whether an entry can belong to the rule.
func (m *ruleMemory) fits(v *entryView) bool {
	w := m.rule.window
	if w == nil || !v.windowed {
		return w == nil && !v.windowed
	}
	seen := w.distinct
	return int64(v.win.size) == w.panes && v.win.last <= maxMillis/w.step && seen == (v.values.has || v.legacy.has) &&
		(v.win.silenced == nil || v.values.has == v.unsilenced.has)
}

// silent returns the number of entries whose alerts another shard makes.
func (m *ruleMemory) silent() (n int) {
	if m.provisional > 0 {
		for _, en := range m.entries {
			if en.provisional != nil && en.provisional.silent {
				n++
			}
		}
	}
	return n
}
