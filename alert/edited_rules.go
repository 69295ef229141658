package alert

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// This file is about rules that are edited while they fire. See "Edited rules" in doc.go.
//
// Which topics were notified of a key is kept as an audience: the topics of the rule at that time. An entry refers to
// one of its rule's audiences. Nearly always that is the rule's present topics, which takes no space.

// sense is what a rule's remembered values mean. Two rules with the same memory can read each other's entries. If their
// condition is the same, too, keys that wait to fire keep waiting.
type sense struct{ memory, condition [16]byte }

// senseOf returns the sense of a rule whose configuration is c.
func (r *rule) senseOf(c RuleConfig) sense {
	memory := []any{
		strings.TrimSpace(c.Key), c.Window.Length, c.Window.Step, c.Window.Tumbling, c.Window.Aggregate, c.Window.Of,
		r.absence.Of, c.Absence.After > 0, r.hasPeriods(),
	}
	if r.window != nil || c.Absence.After > 0 { // what the window counted, or which records ended the absence
		memory = append(memory, c.When)
	}
	cond := []any{
		c.When, c.For.Records, c.For.Time, c.Window.Is, c.Window.MinRecords, c.Absence.After,
		c.Resolve.Records, c.Resolve.Time,
	}
	sum := func(list []any) [16]byte {
		var b strings.Builder
		for _, x := range list {
			fmt.Fprintf(&b, "%q\n", fmt.Sprint(x))
		}
		sum := sha256.Sum256([]byte(b.String()))
		return [16]byte(sum[:16])
	}
	return sense{sum(memory), sum(cond)}
}

// notifiesEnd reports whether the rule makes an alert when a firing period ends.
func (r *rule) notifiesEnd() bool { return !r.resolve.IsZero() || r.absence.After > 0 }

// takes reports whether the rule can continue with what another version of it remembers.
func (r *rule) takes(t *notifiedSection) bool {
	return r.remembers() && r.sense.memory == t.memory && (r.notifiesEnd() || !t.ends)
}

// adopt continues with an entry of another version of the rule. same says that both have the same condition; otherwise
// progress towards firing or resolving is dropped.
func (r *rule) adopt(en *entry, same bool, now int64) bool {
	if !same {
		if en.streak = 0; !en.firing {
			en.since = 0
		}
	}
	if r.repeat > 0 && en.firing && en.notified && now > en.sent {
		en.sent += (now - en.sent) / r.repeat * r.repeat
	}
	en.due = r.nextDue(en, now)
	if r.needsRecheck(en) {
		en.due = now + recheckInterval
	}
	return en.due != 0 || !r.forgettable(en)
}

// notifyEnd makes the alerts that a firing period is over, for exactly the topics that were notified of it.
func (l *lifecycle) notifyEnd(r *rule, en *entry, t *trigger) {
	m := l.memory.rules[r.place]
	if en.audience == 0 {
		l.out.emit(r, en, KindResolved, t)
	} else if !l.out.silent {
		for _, topic := range m.audienceOf(en) {
			l.out.make(l.out.routeTo(m, topic), KindResolved, t, en)
		}
	}
	if !l.out.silent {
		l.memory.former.ended(r.name, en.key, m.audienceOf(en))
	}
}

// endEdited ends the alerts that no rule will end, at a tick at which all workers have had the same rules for a while.
// Alerts whose state is about to be dropped are ended in any case.
func (l *lifecycle) endEdited(settled bool) {
	m := l.memory
	if !m.has(formatEnds) {
		return
	}
	room := maxEnds
	for _, r := range m.rules {
		if settled && r.oweEnds {
			r.oweEnds = l.endInLostTopics(r, &room)
		}
	}
	m.former.leaving(settled, l.clock.now(), func(s *section) { l.endFormer(s, &room) })
}

// endInLostTopics ends a rule's alerts in topics to which it no longer publishes. It reports whether some are left for
// the next tick.
func (l *lifecycle) endInLostTopics(r *ruleMemory, room *int) bool {
	var entries []*entry
	for _, en := range r.entries {
		if en.audience != 0 && en.firing && en.notified {
			entries = append(entries, en)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	why := "the rule no longer publishes to this topic"
	switch {
	case r.rule.shadow:
		why = "the rule is in mode shadow now, so it sends nothing"
	case len(r.rule.audience) > 0:
		why += ", but to " + strings.Join(r.rule.audience, ", ")
	}
	for _, en := range entries {
		notified := r.audienceOf(en)
		left := without(notified, r.rule.audience...)
		if len(left) == 0 {
			continue
		}
		if *room -= len(left); *room < 0 {
			return true
		}
		l.out.silent = en.provisional != nil && en.provisional.silent
		for _, topic := range left {
			if !l.out.silent {
				l.out.makeEnd(l.out.routeTo(r, topic), en, timeOf(l.reached()), why)
			}
		}
		l.out.silent = false
		// the topics that the rule has gained were not notified of this
		if r.setAudience(en, without(notified, left...)); len(left) == len(notified) {
			en.notified, en.ended, en.audience = false, true, 0
		}
		l.reschedule(r.rule, en, l.reached())
	}
	return false
}

// endFormer ends the alerts of a rule that was removed or replaced, or whose shard was rewound. Then the time reached
// may be before the alert.
func (l *lifecycle) endFormer(s *section, room *int) {
	s.removeEnded()
	why := "the rule was removed from the configuration"
	var now *ruleMemory
	for _, r := range l.memory.rules {
		if r.rule.name == s.name {
			now, why = r, "the rule was changed, and starts again"
		}
	}
	if s.rewound() {
		why = "the shard was rewound, and its records are judged again"
	}
	routes := map[string]*route{}
	s.rewrite(func(v *entryView, topics []string) []string {
		if now != nil {
			if en := now.entries[string(v.key)]; en != nil && en.firing && en.notified && now.rule.notifiesEnd() {
				topics = without(topics, now.audienceOf(en)...) // the present rule notifies these when the period ends
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
			to := routes[topic]
			if to == nil {
				i := slices.IndexFunc(s.notified.topics, func(t notifiedTopic) bool { return t.name == topic })
				to = &route{topic: topic, render: rendererOf(s.name, l.out.stream, s.notified.words,
					s.notified.topics[i].words)}
				routes[topic] = to
			}
			l.out.makeEnd(to, &en, timeOf(max(l.reached(), en.since, v.arrival)), why)
		}
		return nil
	})
}

// Told counts, by rule (nil for none), the firing keys of which a topic was notified. firing are those of rules that
// continue. leaving are those whose rule was removed, was changed so that its memory was dropped, or no longer
// publishes to a topic that was notified. Their ends are sent once all workers have had the same rules for a while.
func (e *Evaluator) Told() (firing, leaving map[string]int) {
	count := func(to *map[string]int, rule string, n int) {
		if *to == nil {
			*to = map[string]int{}
		}
		(*to)[rule] += n
	}
	for _, r := range e.memory.rules {
		if r.notifiedKeys > 0 && r.rule.notifiesEnd() && len(r.rule.audience) > 0 {
			count(&firing, r.rule.name, r.notifiedKeys)
		}
		if r.oweEnds {
			for _, en := range r.entries {
				if en.audience != 0 && en.firing && en.notified &&
					len(without(r.audienceOf(en), r.rule.audience...)) > 0 {
					count(&leaving, r.rule.name, 1)
				}
			}
		}
	}
	for i := range e.memory.former {
		if s := &e.memory.former[i]; s.owedEnds > 0 {
			count(&leaving, s.name, s.owedEnds)
		}
	}
	return firing, leaving
}

// owesEnds reports whether some topic is owed the end of an alert, or may be after the next change of the rules.
func (e *Evaluator) owesEnds() bool {
	return e.memory.has(formatEnds) && (e.memory.former.oweEnds() ||
		slices.ContainsFunc(e.memory.rules, func(r *ruleMemory) bool { return r.notifiedKeys > 0 }))
}
