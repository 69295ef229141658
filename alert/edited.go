package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// This file is about rules that are edited while they fire. See "Edited rules" in doc.go.
//
// Who was told of a key is kept by audience, not by key: the topics to which the rule went when it told. An entry names one of its
// rule's audiences; nearly always it is the topics to which the rule goes now, and takes no room.

// toldSection stands before the name of a rule in the name of the section that says what the rule's own section means to another
// version of the rule, and what the ends of its alerts need. It comes with formatEnds.
//
//	version | memory, claim | whether ends are said | words of the rule | topics { name, words } | audiences { places of topics }
const (
	toldSection = "told:"
	toldVersion = 1
	// maxAudience bounds the topics and audiences of a section, maxSaid the words that a snapshot keeps.
	maxAudience = 1<<16 - 1
	maxSaid     = 1 << 20
	// maxEnds is how many ends one tick says.
	maxEnds = 1000
)

// told is such a section.
type told struct {
	sense
	ends      bool
	words     []byte
	topics    []toldTopic
	audiences [][]string // the first is that of entries that name none
}

type toldTopic struct {
	name  string
	words []byte
}

// sense is what the remembered values of a rule mean: two rules with the same memory can read each other's; with the same claim, too,
// what waits for them to fire goes on.
type sense struct{ memory, claim [16]byte }

// senseOf is of a rule whose configuration is c.
func (r *rule) senseOf(c RuleConfig) sense {
	memory := []any{
		strings.TrimSpace(c.Key), c.Window.Length, c.Window.Step, c.Window.Tumbling, c.Window.Aggregate, c.Window.Of,
		r.absence.Of, c.Absence.After > 0, r.episodic(),
	}
	if r.window != nil || c.Absence.After > 0 { // what was counted, and what is a sign of life
		memory = append(memory, c.When)
	}
	claim := []any{c.When, c.For.Records, c.For.Time, c.Window.Is, c.Window.MinRecords, c.Absence.After, c.Resolve.Records, c.Resolve.Time}
	sum := func(list []any) [16]byte {
		var b strings.Builder
		for _, x := range list {
			fmt.Fprintf(&b, "%q\n", fmt.Sprint(x))
		}
		sum := sha256.Sum256([]byte(b.String()))
		return [16]byte(sum[:16])
	}
	return sense{sum(memory), sum(claim)}
}

// concludes says whether the ends of the rule's alerts are said at all.
func (r *rule) concludes() bool { return !r.resolve.IsZero() || r.absence.After > 0 }

// takes says whether the rule can go on with what another version of it remembers.
func (r *rule) takes(t *told) bool {
	return r.remembers() && r.sense.memory == t.memory && (r.concludes() || !t.ends)
}

// listeners are the names of the topics to which the rule goes, sorted. In mode shadow nobody hears of it.
func (r *rule) listeners() []string {
	if r.shadow {
		return nil
	}
	var out []string
	for _, to := range r.routes {
		out = append(out, to.topic)
	}
	slices.Sort(out)
	return out
}

// route is the way to a topic; nil if the rule does not go there.
func (r *rule) route(topic string) *route {
	for _, to := range r.routes {
		if to.topic == topic && !r.shadow {
			return to
		}
	}
	return nil
}

// carry goes on with what another version of the rule remembered. What it knew of a claim that does not fire yet is about another claim,
// unless that is the same.
func (r *rule) carry(en *entry, same bool, now int64) bool {
	if !same {
		if en.streak = 0; !en.firing {
			en.since = 0
		}
	}
	if r.repeat > 0 && en.firing && en.told && now > en.sent {
		en.sent += (now - en.sent) / r.repeat * r.repeat
	}
	en.due = r.nextDue(en, now)
	if r.owes(en) {
		en.due = now + patience
	}
	return en.due != 0 || !r.forgettable(en)
}

// ruleSaid and topicSaid are the words of a rule and of a topic, as a snapshot keeps them.
type ruleSaid struct {
	Severity   string                     `json:"severity,omitempty"`
	Absence    bool                       `json:"absence,omitempty"`
	Labels     map[string]string          `json:"labels,omitempty"`
	Subject    string                     `json:"subject,omitempty"`
	Message    string                     `json:"message,omitempty"`
	Runbook    string                     `json:"runbook,omitempty"`
	Dashboard  string                     `json:"dashboard,omitempty"`
	Attributes map[string]AttributeConfig `json:"attributes,omitempty"`
}

type topicSaid struct {
	Subject string            `json:"subject,omitempty"`
	Message string            `json:"message,omitempty"`
	Bodies  map[string]string `json:"bodies,omitempty"`
	Group   string            `json:"group,omitempty"`
}

func saidByRule(c RuleConfig) []byte {
	b, _ := json.Marshal(ruleSaid{ // texts and maps of texts can always be written
		c.Severity, c.Absence.After > 0, c.Labels, c.Subject, c.Message, c.Runbook, c.Dashboard, c.Attributes,
	})
	return b
}

func saidByTopic(c TopicConfig) []byte {
	b, _ := json.Marshal(topicSaid{c.Subject, c.Message, c.Bodies, c.GroupID})
	return b
}

// rendererOf makes the renderer of words that were in force before. Words that cannot be read any more are the default ones.
func rendererOf(rule, stream string, own, shared []byte) *renderer {
	var said ruleSaid
	var topic topicSaid
	c, t := RuleConfig{Name: rule, Severity: SeverityWarning}, TopicConfig{}
	if json.Unmarshal(own, &said) == nil && json.Unmarshal(shared, &topic) == nil {
		c = RuleConfig{
			Name: rule, Severity: said.Severity, Labels: said.Labels, Subject: said.Subject, Message: said.Message,
			Runbook: said.Runbook, Dashboard: said.Dashboard, Attributes: said.Attributes,
		}
		if said.Absence {
			c.Absence.After = 1
		}
		t = TopicConfig{ARN: ".fifo", Subject: topic.Subject, Message: topic.Message, Bodies: topic.Bodies, GroupID: topic.Group}
	}
	var f faults
	r := f.render(f.topicWords("topic", t), f.ruleWords("rule", c))
	if len(f) > 0 {
		f = nil
		r = f.render(f.topicWords("topic", TopicConfig{}), f.ruleWords("rule", RuleConfig{Name: rule, Severity: SeverityWarning}))
	}
	r.stream = stream
	return r
}

// tally notes whether somebody was told of an entry.
func (en *entry) tally() {
	if tells := en.firing && en.told; tells != en.counted {
		if en.counted = tells; tells {
			en.of.telling++
		} else {
			en.of.telling--
		}
	}
}

// heard are the topics that were told of an entry.
func (m *ruleMemory) heard(en *entry) []string {
	if en.heard == 0 {
		return m.rule.audience
	}
	return m.audiences[en.heard-1]
}

// hears notes who was told of an entry.
func (m *ruleMemory) hears(en *entry, topics []string) {
	en.heard = 0
	if slices.Equal(topics, m.rule.audience) {
		return
	}
	i := slices.IndexFunc(m.audiences, func(a []string) bool { return slices.Equal(a, topics) })
	if i < 0 {
		i = len(m.audiences)
		m.audiences = append(m.audiences, topics)
	}
	en.heard = uint16(min(i+1, 1<<16-1))
}

// joins says that whoever hears of the rule now has heard of the entry, too.
func (m *ruleMemory) joins(en *entry) {
	if en.heard != 0 {
		m.hears(en, union(m.heard(en), m.rule.audience))
	}
}

// receive takes over what is known of who was told of an entry that another version of the rule left behind, or none.
func (m *ruleMemory) receive(en *entry, t *told) {
	place := en.heard
	if en.heard = 0; t == nil || !en.firing || !en.told {
		return
	}
	topics := t.audiences[place]
	if len(topics) == 0 && len(m.rule.audience) > 0 {
		en.told = false // nobody was
		return
	}
	m.hears(en, topics)
	for _, x := range t.topics {
		if m.rule.route(x.name) == nil && slices.Contains(topics, x.name) {
			if m.left == nil {
				m.left = map[string]*leftTopic{}
			}
			m.left[x.name] = &leftTopic{own: t.words, shared: x.words}
			m.owing = true
		}
	}
}

// leftTopic is a topic to which the rule no longer goes, with the words in force before.
type leftTopic struct {
	own, shared []byte
	route       *route
}

// way is the way to a topic that was told of an entry.
func (out *outbox) way(m *ruleMemory, topic string) *route {
	if to := m.rule.route(topic); to != nil {
		return to
	}
	x := m.left[topic]
	if x == nil { // unreachable: each topic of an audience came with its words
		x = &leftTopic{}
	}
	if x.route == nil {
		x.route = &route{rule: m.rule, topic: topic, render: rendererOf(m.rule.name, out.stream, x.own, x.shared)}
	}
	return x.route
}

// emitEnd says that an excursion is over, to everybody who heard of it, and to nobody else.
func (l *lifecycle) emitEnd(r *rule, en *entry, o *occasion) {
	m := l.memory.rules[r.place]
	if en.heard == 0 {
		l.out.emit(r, en, KindResolved, o)
	} else if !l.out.silent {
		for _, topic := range m.heard(en) {
			l.out.make(l.out.way(m, topic), KindResolved, o, en)
		}
	}
	for i := range l.memory.foreign {
		if s := &l.memory.foreign[i]; s.owes > 0 && s.name == r.name && !l.out.silent {
			if s.over == nil {
				s.over = map[string][]string{}
			}
			s.over[en.key] = union(s.over[en.key], m.heard(en))
		}
	}
}

// endEdited says the ends of what rules have told and do not tell any more, at a tick at which all workers have had the same rules for a
// while; and of what is about to be forgotten in any case.
func (l *lifecycle) endEdited(settled bool) {
	m := l.memory
	if !m.has(formatEnds) {
		return
	}
	room := maxEnds
	for _, r := range m.rules {
		if settled && r.owing {
			r.owing = l.endLeft(r, &room)
		}
	}
	if !slices.ContainsFunc(m.foreign, func(s section) bool { return s.owes > 0 }) {
		return
	}
	total := 0
	slices.SortStableFunc(m.foreign, func(a, b section) int { return cmp.Compare(b.used, a.used) })
	for i := range m.foreign {
		s := &m.foreign[i]
		total += len(s.body) + 128
		if s.owes > 0 && (settled || total > maxForeign || l.clock.now()-s.used > millis(foreignLife)) {
			l.endForeign(s, &room)
		}
	}
}

// endLeft tells topics to which a rule goes no longer that its alerts end there. It answers whether there is more to say.
func (l *lifecycle) endLeft(r *ruleMemory, room *int) bool {
	var entries []*entry
	for _, en := range r.entries {
		if en.heard != 0 && en.firing && en.told {
			entries = append(entries, en)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	why := "the rule does not go to this topic any more"
	switch {
	case r.rule.shadow:
		why = "the rule is in mode shadow now, so it sends nothing"
	case len(r.rule.audience) > 0:
		why += ", but to " + strings.Join(r.rule.audience, ", ")
	}
	for _, en := range entries {
		heard := r.heard(en)
		left := without(heard, r.rule.audience...)
		if len(left) == 0 {
			continue
		}
		if *room -= len(left); *room < 0 {
			return true
		}
		l.out.silent = en.kin != nil && en.kin.silent
		for _, topic := range left {
			if !l.out.silent {
				l.out.makeEnd(l.out.way(r, topic), en, timeOf(l.reached()), why)
			}
		}
		l.out.silent = false
		if r.hears(en, without(heard, left...)); len(left) == len(heard) { // whoever hears of the rule now has not heard of this
			en.told, en.ended, en.heard = false, true, 0
		}
		l.reschedule(r.rule, en, l.reached())
	}
	return false
}

// makeEnd makes the alert that ends what a topic was told of an entry. Its id is that of the excursion, so that whoever says it again,
// after a crash or in another shard that has the key, says the same.
func (out *outbox) makeEnd(to *route, en *entry, at time.Time, why string) {
	a := &Alert{
		Rule: to.render.rule, Topic: to.topic, Kind: KindResolved, Ended: why, Severity: severities()[en.severity], Key: en.key,
		At: at, Since: timeOf(en.since), Suppressed: en.swallowed, render: to.render.message, sample: to.render.sampled,
	}
	a.Record = Record{Shard: out.shard, PartitionKey: en.key, Arrival: a.At}
	if en.last != nil {
		a.Record.PartitionKey, a.Record.SequenceNumber = en.last.partitionKey, en.last.sequence
		a.Record.SubSequence, a.Record.Arrival = en.last.sub, timeOf(en.last.arrival)
	}
	a.ID = timeID(out.stream, "", a.Rule, a.Topic, "ended", a.Key, en.since, out.generation)
	out.alerts = append(out.alerts, a)
}

// endForeign says the ends of what a rule has told that is no more, or is another one.
func (l *lifecycle) endForeign(s *section, room *int) {
	s.settleOver()
	why := "the rule was taken out of the configuration"
	var now *ruleMemory
	for _, r := range l.memory.rules {
		if r.rule.name == s.name {
			now, why = r, "the rule was changed, and begins anew"
		}
	}
	ways := map[string]*route{}
	s.rewrite(func(v *entryView, topics []string) []string {
		if now != nil {
			if en := now.entries[string(v.key)]; en != nil && en.firing && en.told && now.rule.concludes() {
				topics = without(topics, now.heard(en)...) // the rule of today says it, when it is over
			}
		}
		if *room -= len(topics); *room < 0 {
			return topics
		}
		en := v.entry
		en.key = string(v.key)
		if v.located {
			en.last = &lastRecord{string(v.partitionKey), string(v.sequence), v.sub, v.arrival}
		}
		for _, topic := range topics {
			to := ways[topic]
			if to == nil {
				i := slices.IndexFunc(s.told.topics, func(t toldTopic) bool { return t.name == topic })
				to = &route{topic: topic, render: rendererOf(s.name, l.out.stream, s.told.words, s.told.topics[i].words)}
				ways[topic] = to
			}
			l.out.makeEnd(to, &en, timeOf(l.reached()), why)
		}
		return nil
	})
}

// settleOver takes out what the rule of today has told to be over meanwhile.
func (s *section) settleOver() {
	if len(s.over) == 0 {
		return
	}
	over := s.over
	s.over = nil
	s.rewrite(func(v *entryView, topics []string) []string { return without(topics, over[string(v.key)]...) })
}

// each goes through the entries of a section, with what an entry takes behind its bits; false if they do not fit together.
func (s *section) each(do func(rank, bits uint64, rest []byte, v *entryView)) bool {
	r, v := &reader{buf: s.body}, &entryView{}
	r.limit()
	for range r.count() {
		rank := r.entry(v)
		if r.failed || s.told != nil && int(v.entry.heard) >= len(s.told.audiences) {
			return false
		}
		do(rank, v.bits, v.rest[:len(v.rest)-len(r.buf)], v)
	}
	return !r.failed && len(r.buf) == 0
}

// owed are the topics to which the end of an entry is owed.
func (s *section) owed(v *entryView) []string {
	if s.told == nil || !s.told.ends || !v.firing || !v.told {
		return nil
	}
	return s.told.audiences[v.entry.heard]
}

// countOwed counts the entries whose ends are owed.
func (s *section) countOwed() bool {
	s.owes = 0
	return s.told == nil || s.each(func(_, _ uint64, _ []byte, v *entryView) {
		if len(s.owed(v)) > 0 {
			s.owes++
		}
	})
}

// rewrite changes who is owed the ends of entries. One of which nobody is owed any counts as not told.
func (s *section) rewrite(to func(v *entryView, topics []string) []string) {
	w := &writer{buf: make([]byte, 0, len(s.body)+16)}
	head := (&reader{buf: s.body}).limit()
	w.float(head.tokens)
	w.int(head.at)
	n, kept := uint64(0), &writer{}
	t := *s.told
	t.audiences = slices.Clone(t.audiences)
	owes := 0
	s.each(func(rank, bits uint64, rest []byte, v *entryView) {
		heard := uint64(v.entry.heard)
		if topics := s.owed(v); len(topics) > 0 {
			left := to(v, topics)
			if bits &^= entryHeard; len(left) == 0 {
				bits, heard = bits&^entryTold, 0
			} else {
				owes++
				i := slices.IndexFunc(t.audiences, func(a []string) bool { return slices.Equal(a, left) })
				if i < 0 {
					i = len(t.audiences)
					t.audiences = append(t.audiences, left)
				}
				if heard = uint64(i); i > 0 {
					bits |= entryHeard
				}
			}
		}
		n++
		kept.uint(rank)
		if kept.uint(bits); bits&entryHeard != 0 {
			kept.uint(heard)
		}
		kept.buf = append(kept.buf, rest...)
	})
	w.uint(n)
	s.body, s.told, s.owes = append(w.buf, kept.buf...), &t, owes
}

// absorb adds what another shard has of the same rule. Of a key that both have, the one goes on of which an end is owed.
func (s *section) absorb(t section) {
	if s.told == nil || t.told == nil {
		return
	}
	s.settleOver()
	t.settleOver()
	have := map[string]bool{} // whether its end is owed
	s.each(func(_, _ uint64, _ []byte, v *entryView) { have[string(v.key)] = len(s.owed(v)) > 0 })
	better := map[string]bool{}
	t.each(func(_, _ uint64, _ []byte, v *entryView) {
		if owed, known := have[string(v.key)]; !known || !owed && len(t.owed(v)) > 0 {
			better[string(v.key)] = true
		}
	})
	both := *s.told
	both.audiences = slices.Concat(both.audiences, t.told.audiences)
	for _, x := range t.told.topics {
		if !slices.ContainsFunc(both.topics, func(y toldTopic) bool { return x.name == y.name }) {
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
			if heard := first + uint64(v.entry.heard); heard > 0 {
				w.uint(bits | entryHeard)
				w.uint(heard)
			} else {
				w.uint(bits &^ entryHeard)
			}
			w.buf = append(w.buf, rest...)
		})
	}
	add(s, 0, true)
	add(&t, uint64(len(s.told.audiences)), false)
	out, head := &writer{}, (&reader{buf: s.body}).limit()
	out.float(head.tokens)
	out.int(head.at)
	out.uint(n)
	s.body, s.told, s.used = append(out.buf, w.buf...), &both, max(s.used, t.used)
	s.countOwed()
}

// write writes the section.
func (t *told) write() []byte {
	w := &writer{}
	w.uint(toldVersion)
	w.buf = append(append(w.buf, t.memory[:]...), t.claim[:]...)
	ends := uint64(0)
	if t.ends {
		ends = 1
	}
	w.uint(ends)
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

// readTold reads such a section.
func readTold(body []byte) (*told, bool) {
	r, t := &reader{buf: body}, &told{}
	if r.uint() != toldVersion {
		return nil, false
	}
	copy(t.memory[:], r.take(16))
	copy(t.claim[:], r.take(16))
	t.ends = r.uint() == 1
	t.words = slices.Clone(r.take(r.uint()))
	n := r.count()
	if n > maxAudience {
		return nil, false
	}
	for range n {
		x := toldTopic{name: r.text()}
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

// tells is what a snapshot has of who was told by a rule, with the place of each of its audiences there. room bounds the words.
func (m *ruleMemory) tells(room *int) (t *told, places []uint64) {
	r := m.rule
	t = &told{sense: r.sense, ends: r.concludes(), audiences: [][]string{r.audience}}
	if m.telling == 0 {
		t.audiences[0] = nil
		return t, nil
	}
	used := make([]bool, len(m.audiences))
	if len(m.audiences) > 0 {
		for _, en := range m.entries {
			if en.heard != 0 && en.firing && en.told {
				used[en.heard-1] = true
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
	t.words = keep(r.said)
	for _, name := range names {
		x := toldTopic{name: name}
		if to := r.route(name); to != nil {
			x.words = keep(to.said)
		} else if left := m.left[name]; left != nil {
			if x.words = keep(left.shared); len(t.words) == 0 {
				t.words = keep(left.own)
			}
		}
		t.topics = append(t.topics, x)
	}
	return t, places
}

// Told counts, by rule (nil for none), the keys of which somebody was told that they fire: those of rules that go on, and those whose rule was taken out
// or changed so that its memory was dropped, or does not go to a topic any more that was told. Of those the end is said once all workers
// have had the same rules for a while.
func (e *Evaluator) Told() (firing, leaving map[string]int) {
	count := func(to *map[string]int, rule string, n int) {
		if *to == nil {
			*to = map[string]int{}
		}
		(*to)[rule] += n
	}
	for _, r := range e.memory.rules {
		if r.telling > 0 && r.rule.concludes() && len(r.rule.audience) > 0 {
			count(&firing, r.rule.name, r.telling)
		}
		if r.owing {
			for _, en := range r.entries {
				if en.heard != 0 && en.firing && en.told && len(without(r.heard(en), r.rule.audience...)) > 0 {
					count(&leaving, r.rule.name, 1)
				}
			}
		}
	}
	for i := range e.memory.foreign {
		if s := &e.memory.foreign[i]; s.owes > 0 {
			count(&leaving, s.name, s.owes)
		}
	}
	return firing, leaving
}

// owes says whether ends are owed, or may be after the next change of the rules.
func (e *Evaluator) owes() bool {
	return e.memory.has(formatEnds) && (slices.ContainsFunc(e.memory.foreign, func(s section) bool { return s.owes > 0 }) ||
		slices.ContainsFunc(e.memory.rules, func(r *ruleMemory) bool { return r.telling > 0 }))
}

// Redirect answers the alerts that take the place of one whose topic is not configured any more: for the topics to which its rule goes now and
// did not go when the alert was made. It is empty where the alert has no rule any more, or all of these have it already.
func (p *Pipeline) Redirect(a *Alert) (out []*Alert) {
	set := p.current.Load()
	var to []*route
	if set.every != nil && a.Rule == "" {
		to = []*route{set.every}
	}
	for _, r := range set.rules {
		if r.name == a.Rule && !r.shadow {
			to = r.routes
		}
	}
	if a.Ended != "" { // of no interest to whoever was not told of the beginning
		return nil
	}
	for _, x := range to {
		if x.topic == a.Topic || slices.Contains(a.sent, x.topic) {
			continue
		}
		b := *a
		b.Topic, b.render, b.sample = x.topic, x.render.message, x.render.sampled
		b.ID, b.sent = hashFields([]string{a.ID, "instead", x.topic}), append(slices.Clone(a.sent), x.topic)
		out = append(out, &b)
	}
	return out
}

// editsOf says of each rule of a version of which the next one drops what it has told some topic, what became of it.
func editsOf(old, next *compiled) map[string]string {
	out := map[string]string{}
	rules := make(map[string]*rule, len(next.rules))
	for _, r := range next.rules {
		rules[r.name] = r
	}
	for _, r := range old.rules {
		now := rules[r.name]
		switch {
		case !r.concludes() || len(r.audience) == 0:
		case now == nil:
			out[r.name] = "taken out"
		case !now.takes(&told{sense: r.sense, ends: true}):
			out[r.name] = "changed, so that its memory is dropped"
		case now.shadow:
			out[r.name] = "set to mode shadow"
		case len(without(r.audience, now.audience...)) > 0:
			out[r.name] = "taken away from " + strings.Join(without(r.audience, now.audience...), ", ")
		}
	}
	return out
}

// Edits says, by name, which rules the last Update took out, or changed so that some topic that was told of a key is owed its end, and how.
func (p *Pipeline) Edits() map[string]string {
	if edits := p.edits.Load(); edits != nil {
		return *edits
	}
	return nil
}
