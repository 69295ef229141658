package alert

import (
	"slices"
	"time"
)

// A muter is one thing that can suppress the alerts of a rule. Its methods have no side effects: [Pipeline.Explain] and
// nextRecheck call them, too.
type muter interface {
	// mutes reports whether the muter suppresses a candidate.
	mutes(c *candidate) bool
	// changesAt returns when the result of mutes may change with time alone; zero if that is not known in advance.
	changesAt(c *candidate) time.Time
	reason() Reason
	// words returns its name in an explanation.
	words() string
	// dependency returns the setting behind the muter, if its result depends on earlier records.
	dependency() (Dependency, bool)
}

// muterKind is a kind of muter. compile checks its part of a rule's configuration.
type muterKind struct {
	reason  Reason
	compile func(f *faults, field string, c RuleConfig, r *rule, before map[string]*rule) []muter
}

// muterKinds returns the kinds of muters, in the order in which they are tried: the first one that mutes is the reason.
// A new kind is a file and a line here. A kind without compile gets its muters, or is tested, elsewhere.
func muterKinds() []muterKind {
	return []muterKind{
		{ReasonDedup, (*faults).dedup},
		{ReasonFiring, nil}, // the state of a key (lifecycle.holds)
		{ReasonInhibited, (*faults).inhibitions},
		{ReasonSilenced, nil}, // compiled for all rules together (faults.silences)
		{ReasonQuietHours, (*faults).quietHours},
		// last of these: an alert that another muter suppresses must not take a token
		{ReasonRateLimit, (*faults).rateLimit},
		{ReasonOverdue, nil}, // for repetitions only, after the rate limit (overdue.go)
	}
}

// suppressions returns the reasons of Suppressed.
func suppressions() (reasons []Reason) {
	for _, k := range muterKinds() {
		reasons = append(reasons, k.reason)
	}
	return reasons
}

// Suppressions returns the reasons that a Suppressed record can have.
func Suppressions() []Reason { return suppressions() }

// muters compiles the muters of a rule, except silences.
func (f *faults) muters(field string, c RuleConfig, r *rule, before map[string]*rule) {
	for _, k := range muterKinds() {
		if k.compile != nil {
			r.muters = append(r.muters, k.compile(f, field, c, r, before)...)
		}
	}
}

// askedLater reports whether a muter is tried after those of a kind.
func askedLater(m muter, than Reason) bool {
	order := suppressions()
	return slices.Index(order, m.reason()) > slices.Index(order, than)
}

// mutedBy adds a muter to those of the rule, in the order in which they are tried.
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
	// repeat is set if the alert repeats an earlier one.
	repeat bool
	// record is set if the record at hand is the cause; partitionKey is its key.
	record       bool
	partitionKey string
}

// candidate describes an alert for its muters. There is only one at a time, so passing a pointer to it does not
// allocate.
func (l *lifecycle) candidate(r *rule, en *entry, t *trigger, repeat bool) *candidate {
	now := l.clock.at(t)
	l.asked = candidate{life: l, rule: r, key: en, at: timeOf(now), now: now, repeat: repeat}
	if t.rec != nil {
		l.asked.record, l.asked.partitionKey = true, t.rec.PartitionKey
	}
	return &l.asked
}

// mute returns what suppresses an alert; nil for nothing. An alert that nothing suppresses takes a token of its rule's
// rate limit.
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

// recheckInterval and maxRecheckInterval are how long after a suppression of unknown length a firing key is rechecked.
// The interval doubles up to the longer one.
const (
	recheckInterval    = 60 * 1000
	maxRecheckInterval = 10 * recheckInterval
)

// nextRecheck returns when to recheck a firing key of which no topic was notified: when the suppression ends, if that
// is known, and at intervals in any case.
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
	for _, m := range r.muters { // also one that only starts by then
		if at := m.changesAt(c).UnixMilli(); at > now {
			next = min(next, at)
		}
	}
	if remind := en.since + resolvedGrace; en.ended && remind > now {
		next = min(next, remind)
	}
	return next
}

// suppressBy counts an alert that a muter suppresses.
func (l *lifecycle) suppressBy(r *rule, en *entry, by muter) {
	if s, ok := by.(*silence); ok && !l.out.silent {
		s.muted.Add(1)
	}
	l.suppress(r, en, by.reason())
}

// explainMutes names what suppresses an alert of the rule on this record, regardless of earlier records.
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
