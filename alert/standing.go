package alert

import (
	"fmt"
	"strconv"
	"time"
)

// Standing returns what a rule remembers of a key, a line for each thing, in the words of its settings. It is empty for
// a rule that remembers nothing of the key. It is for people, and counts nothing.
func (e *Evaluator) Standing(rule, key string) (lines []string) {
	for _, r := range e.in.set.rules {
		if r.name != rule || !r.remembers() {
			continue
		}
		if en := e.memory.rules[r.place].find([]byte(key)); en != nil {
			return r.standing(en, e.clock.now())
		}
	}
	return nil
}

func (r *rule) standing(en *entry, now int64) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if en.window != nil {
		say("%s", r.window.standing(en.window))
	}
	switch {
	case en.firing || r.absence.After > 0:
	case r.hold.Records > 1 && en.streak > 0:
		say("for: the condition holds for %d of %d records in a row", en.streak, r.hold.Records)
	case r.hold.Time > 0 && en.since > 0:
		say("for: the condition has held for %s of %s", shortDuration(span(now-en.since)), shortDuration(r.hold.Time))
	}
	switch {
	case en.firing && !en.notified:
		say("it fires since %s; no alert was sent for that", at(en.since))
	case en.firing:
		say("it fires since %s; the last alert was at %s", at(en.since), at(en.sent))
	case en.sent > 0:
		say("the last alert was at %s", at(en.sent))
	}
	if until := en.sent + r.dedup; r.dedup > 0 && en.sent > 0 && until > now {
		say("dedup: no further alert before %s", at(until))
	}
	if r.repeat > 0 && en.firing && en.notified {
		say("repeat_interval: the next alert is due at %s", at(en.sent+r.repeat))
	}
	return lines
}

// standing is the figure of a window beside its limit.
func (w *windowRule) standing(s *window) string {
	all := s.all()
	value, known := w.value(&all, s.distinct())
	figure := "not known yet"
	if known {
		figure = strconv.FormatFloat(value, 'g', 6, 64)
	}
	text := fmt.Sprintf("window: the %s of %s is %s, of %d records; it fires when that is %s %s", w.aggregate,
		shortDuration(span(w.length)), figure, all.count, w.op, strconv.FormatFloat(w.bound, 'g', -1, 64))
	if all.count < w.minRecords {
		text += fmt.Sprintf(" and of %d records at least", w.minRecords)
	}
	return text
}

func span(millis int64) time.Duration { return time.Duration(millis) * time.Millisecond }

func at(millis int64) string {
	return time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

// Horizon is how far back records decide what the rule makes of a new one, as far as its settings say that. A key that
// has fired for longer than that is known to do so from further back.
func (c *RuleConfig) Horizon() time.Duration {
	return max(c.For.Time, c.Window.Length, c.Absence.After, c.Dedup, c.Resolve.Time, c.RepeatInterval)
}

// Remembers reports whether what the rule makes of a record depends on earlier ones.
func (c *RuleConfig) Remembers() bool {
	return c.Horizon() > 0 || c.For.Records > 1 || c.Resolve.Records > 0 || len(c.InhibitedBy) > 0 ||
		!c.RateLimit.IsZero()
}
