package alert

import (
	"slices"
	"time"
)

// A muter is one thing that can suppress the alerts of a rule. It has no side effects: [Pipeline.Explain] asks it, and
// so does nextRecheck.
type muter interface {
	// mutes reports whether it suppresses a candidate.
	mutes(c *candidate) bool
	// changesAt is when that answer may change by itself, whatever it is; zero if that is not known in advance.
	changesAt(c *candidate) time.Time
	reason() Reason
	// words name it in an explanation.
	words() string
	// dependency is the setting that asks for it, where its answer depends on earlier records.
	dependency() (Dependency, bool)
}

// muterKind is a kind of muter. compile checks its part of a rule's configuration.
type muterKind struct {
	reason  Reason
	compile func(f *faults, field string, c RuleConfig, r *rule, before map[string]*rule) []muter
}

// muterKinds are the kinds of muters, in the order in which they are asked: the first one that mutes is the reason. A
// new kind is a file and a line here. A kind without compile has its muters, or its test, from elsewhere.
func muterKinds() []muterKind {
	return []muterKind{
		{ReasonDedup, (*faults).dedup},
		{ReasonFiring, nil}, // the state of a key (lifecycle.holds)
		{ReasonInhibited, (*faults).inhibitions},
		{ReasonSilenced, nil}, // those of all rules together (faults.silences)
		{ReasonQuietHours, (*faults).quietHours},
		{ReasonRateLimit, (*faults).rateLimit}, // it spends what a muter in front of it would waste
		{ReasonOverdue, nil},                   // of repetitions alone, and behind the rate limit (overdue.go)
	}
}

// suppressions are the reasons of Suppressed.
func suppressions() (reasons []Reason) {
	for _, k := range muterKinds() {
		reasons = append(reasons, k.reason)
	}
	return reasons
}

// Suppressions are the reasons that a Suppressed record can have.
func Suppressions() []Reason { return suppressions() }

// muters compiles the muters of a rule, but for silences.
func (f *faults) muters(field string, c RuleConfig, r *rule, before map[string]*rule) {
	for _, k := range muterKinds() {
		if k.compile != nil {
			r.muters = append(r.muters, k.compile(f, field, c, r, before)...)
		}
	}
}

// askedLater says whether a muter is asked behind those of a kind.
func askedLater(m muter, than Reason) bool {
	order := suppressions()
	return slices.Index(order, m.reason()) > slices.Index(order, than)
}

// mutedBy adds a muter to those of the rule, in the order in which they are asked.
func (r *rule) mutedBy(m muter) {
	at := slices.IndexFunc(r.muters, func(x muter) bool { return askedLater(x, m.reason()) })
	if at < 0 {
		at = len(r.muters)
	}
	r.muters = slices.Insert(r.muters, at, m)
}

// candidate is an alert that is about to be made.
type candidate struct {
	life *lifecycle
	rule *rule
	key  *entry // nil for a rule that remembers nothing
	at   time.Time
	now  int64 // the same in milliseconds
	// repeat says that the alert repeats one that was made before.
	repeat bool
	// record says that the record at hand is the cause, and partitionKey is its key.
	record       bool
	partitionKey string
}

// candidate describes an alert for its muters. There is one at a time, so that muters can have a pointer to it without
// an allocation.
func (l *lifecycle) candidate(r *rule, en *entry, t *trigger, repeat bool) *candidate {
	now := l.clock.at(t)
	l.asked = candidate{life: l, rule: r, key: en, at: timeOf(now), now: now, repeat: repeat}
	if t.rec != nil {
		l.asked.record, l.asked.partitionKey = true, t.rec.PartitionKey
	}
	return &l.asked
}

// mute is what suppresses an alert; nil for nothing. An alert that nothing suppresses is charged to the rate limit of
// its rule.
func (l *lifecycle) mute(r *rule, en *entry, t *trigger, repeat bool) muter {
	if len(r.muters) == 0 {
		return nil
	}
	c := l.candidate(r, en, t, repeat)
	for _, m := range r.muters {
		if limit, ok := m.(*rateLimit); ok {
			if !limit.spend(c) {
				return m
			}
		} else if m.mutes(c) {
			return m
		}
	}
	return nil
}

// recheckInterval and maxRecheckInterval are after which time a claim that was suppressed is looked at again where
// nobody knows how long that lasts: the interval doubles up to the longer one.
const (
	recheckInterval    = 60 * 1000
	maxRecheckInterval = 10 * recheckInterval
)

// nextRecheck is when to look again at a key that fires and of which nobody was notified: when what suppresses it ends,
// as far as that is known, and at intervals in any case.
func (l *lifecycle) nextRecheck(r *rule, en *entry, now int64) int64 {
	began := en.since + max(millis(r.hold.Time), millis(r.absence.After))
	wait := int64(recheckInterval)
	for began+wait <= now && wait < maxRecheckInterval {
		wait = min(2*wait, maxRecheckInterval)
	}
	next := began + wait
	if next <= now {
		next += (now - next + maxRecheckInterval) / maxRecheckInterval * maxRecheckInterval
	}
	c := l.candidate(r, en, &trigger{at: timeOf(now)}, false)
	for _, m := range r.muters { // also one that only begins by then
		if at := m.changesAt(c).UnixMilli(); at > now {
			next = min(next, at)
		}
	}
	if word := en.since + resolvedGrace; en.ended && word > now {
		next = min(next, word)
	}
	return next
}

// suppressBy accounts for an alert that a muter suppresses.
func (l *lifecycle) suppressBy(r *rule, en *entry, by muter) {
	if s, ok := by.(*silence); ok && !l.out.silent {
		s.muted.Add(1)
	}
	l.suppress(r, en, by.reason())
}

// explainMutes names what suppresses an alert of the rule on this record, whatever came before.
func (e *Evaluator) explainMutes(r *rule, rec *Record, x *RuleExplanation) {
	c := e.life.candidate(r, nil, &trigger{rec: rec, at: rec.Arrival}, false)
	for _, m := range r.muters {
		if m.mutes(c) {
			if x.Reason == "" {
				x.Reason = m.reason()
			}
			x.Mutes = append(x.Mutes, m.words())
		}
	}
}
