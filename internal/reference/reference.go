// Package reference computes what rules with memory have to report, for tests to compare the daemon with. It is written
// from docs/rules.md and alert/doc.go, and shares only the types of the configuration with the evaluator: no timers, no
// aggregates, no snapshots. It looks at every claim at every instant of a grid, and at all of a key's records. It knows
// one shard: what happens to the shards of a stream must change no word.
package reference

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinesis-alerter/alert"
)

// Verdict is what a condition is of a record.
type Verdict int8

// The verdicts.
const (
	Undefined Verdict = iota
	No
	Yes
)

// Record is a record with its fields. At is its arrival in Unix milliseconds, as all times are.
type Record struct {
	Key    string
	At     int64
	Fields map[string]any
}

// Rule is a rule with its expressions as functions.
type Rule struct {
	alert.RuleConfig

	Holds func(Record) Verdict
	Of    func(Record) (float64, bool) // of the window
	Grade func(Record) string          // the severity, if an expression gives it
	Group func(Record) string          // the key, if it is not the partition key
}

// Silence is a silence for some rules, or for all if there are none, and of keys whose last record meets a condition,
// or of all. For windows and whole shards, of which the last record says little, conditions are not modelled.
type Silence struct {
	Rules       []string
	From, Until int64
	When        func(Record) Verdict
}

// Word is an alert: that a key fires, still fires, or is resolved. A rise in severity is reported as firing.
type Word struct {
	At        int64
	Kind      alert.Kind
	Rule, Key string
	Severity  string
}

// String is the word as a line.
func (w Word) String() string {
	return fmt.Sprintf("%s %s %s %s of %s", time.UnixMilli(w.At).UTC().Format("15:04:05.000"), w.Rule, w.Kind,
		w.Severity, w.Key)
}

// World is a shard and its rules.
type World struct {
	Rules    []Rule
	Silences []Silence
	Every    int64 // the grid: every arrival, and every time of a rule, is a multiple of it

	now    int64 // the event time, which never goes back
	at     int64 // when what is at hand happens: a late record's own time
	claims map[string]map[string]*claim
	tokens map[string]*bucket
	known  map[string]bool // rules without memory that match the current record and were reported
	words  []Word
}

// claim is what a rule says of a key.
type claim struct {
	rule *Rule
	key  string
	// records are those that match, and at what event time they came.
	records []Record
	came    []int64
	// since is when it began to hold without a break, 0 while it does not; held is when it last held.
	since, held int64
	// inFavour and against count judgements in a row.
	inFavour, against int
	firing, told      bool
	// over says that the last word was that it is over; spoken is when the last other word was.
	over   bool
	spoken int64
	// gravest is the highest severity that was reported, grade that of the last record.
	gravest, grade string
}

type bucket struct {
	left float64
	at   int64
}

const (
	second = int64(1000)
	minute = 60 * second
)

func ms(d time.Duration) int64 { return d.Milliseconds() }

// Words returns what was reported so far, in order.
func (w *World) Words() []Word { return w.words }

// Pass lets time pass.
func (w *World) Pass(to int64) {
	if w.now == 0 { // from now on the shard is watched
		w.now = to
		for i := range w.Rules {
			if w.Rules[i].Absence.Of == alert.AbsenceOfShard {
				w.begin(&w.Rules[i], "").held = to
			}
		}
	}
	for w.now+w.Every <= to {
		w.now += w.Every
		w.at = w.now
		for i := range w.Rules {
			of := w.claims[w.Rules[i].Name]
			for _, key := range slices.Sorted(maps.Keys(of)) {
				w.instant(of[key])
			}
		}
	}
}

// Record takes a record in. What is due by then comes first. One that is late happens now.
func (w *World) Record(rec Record) {
	w.Pass(rec.At)
	w.at = rec.At
	w.known = map[string]bool{}
	for i := range w.Rules {
		r := &w.Rules[i]
		v := r.Holds(rec)
		if v == Undefined { // no match, and no normal record either
			continue
		}
		if !remembers(r) {
			if v == Yes && !w.mute(r, nil, keyOf(r, rec), &rec) {
				w.known[r.Name] = true
				w.words = append(w.words, Word{w.at, alert.KindFiring, r.Name, keyOf(r, rec), gradeOf(r, rec)})
			} else if v == Yes && w.silenced(r.Name, nil, &rec) {
				w.known[r.Name] = true
			}
			continue
		}
		c := w.claims[r.Name][keyOf(r, rec)]
		switch {
		case v == Yes && c == nil:
			c = w.begin(r, keyOf(r, rec))
		case c == nil:
			continue
		}
		if v == Yes {
			if r.Window.Length > 0 && len(c.came) > 0 && c.lost(w.now-w.now%step(r)) {
				c.records, c.came = nil, nil // it is watched again
			}
			c.records, c.came = append(c.records, rec), append(c.came, w.now)
			c.grade = gradeOf(r, rec)
		}
		switch {
		case r.Absence.After > 0:
			if v == Yes {
				c.held = w.now
				if c.firing {
					w.conclude(c)
				}
			}
		case r.Window.Length > 0:
			counts := true // a record that matches but has no figure does not belong to the window
			if v == Yes && r.Of != nil {
				_, counts = r.Of(rec)
			}
			if !r.Window.Tumbling && counts {
				w.judgeWindow(c, &rec)
			}
		default:
			w.judge(c, v == Yes, &rec)
		}
	}
}

func (w *World) begin(r *Rule, key string) *claim {
	if w.claims == nil {
		w.claims = map[string]map[string]*claim{}
	}
	if w.claims[r.Name] == nil {
		w.claims[r.Name] = map[string]*claim{}
	}
	c := &claim{rule: r, key: key, grade: alert.SeverityWarning}
	if r.Grade == nil {
		c.grade = cmp.Or(r.Severity, c.grade)
	}
	w.claims[r.Name][key] = c
	return c
}

func keyOf(r *Rule, rec Record) string {
	switch {
	case r.Absence.Of == alert.AbsenceOfShard:
		return ""
	case r.Group != nil:
		return r.Group(rec)
	}
	return rec.Key
}

func gradeOf(r *Rule, rec Record) string {
	if r.Grade != nil {
		return r.Grade(rec)
	}
	return cmp.Or(r.Severity, alert.SeverityWarning)
}

// remembers: everything but a plain condition.
func remembers(r *Rule) bool { return excursions(r) || r.Dedup > 0 || r.Window.Length > 0 }

// excursions reports whether the rule alerts once an excursion, and not with every record, or tumbling window, for
// which it holds.
func excursions(r *Rule) bool {
	return !r.For.IsZero() || !r.Resolve.IsZero() || r.Absence.After > 0 || r.Window.Length > 0 && !r.Window.Tumbling
}

// instant does what timers cause for a claim.
func (w *World) instant(c *claim) {
	r := c.rule
	fired := c.firing
	hold := c.since != 0 && r.For.Time > 0 && w.now == c.since+ms(r.For.Time)
	ends := r.Resolve.Time > 0 && w.now == c.held+ms(r.Resolve.Time) // unless its window still is what it should not be
	switch {
	case r.Absence.After > 0:
		if !c.firing && w.now == c.held+ms(r.Absence.After) {
			c.since = c.held
			w.fire(c, nil)
		}
	case r.Window.Length > 0 && w.now%step(r) == 0, r.Window.Length > 0 && !r.Window.Tumbling &&
		(!c.firing && hold || c.firing && ends):
		if !c.lost(w.now - step(r)) {
			w.judgeWindow(c, nil)
		}
	case !c.firing && hold:
		if r.Resolve.Time > 0 && w.now >= c.held+ms(r.Resolve.Time) { // it is over before it could fire
			c.since, c.inFavour = 0, 0
		} else {
			w.fire(c, nil)
		}
	}
	switch {
	case !c.firing:
	case c.told && r.Absence.After > 0 && r.Absence.Of != alert.AbsenceOfShard && w.now >= c.givenUp():
		w.conclude(c) // a last message says so, and the key is forgotten
		delete(w.claims[r.Name], c.key)
	case r.Resolve.Time > 0 && w.now >= c.held+ms(r.Resolve.Time):
		w.conclude(c)
	case c.told && r.RepeatInterval > 0 && w.now >= c.spoken+ms(r.RepeatInterval):
		if !w.mute(r, c, c.key, nil) {
			w.tell(c, alert.KindRepeat, c.grade)
			if c.graver() {
				c.gravest = c.grade
			}
		}
		c.spoken = w.now // the next one is an interval later all the same
	case !c.told && fired && w.again(c):
		w.announce(c, nil)
	case c.graver() && fired && w.again(c) && !w.mute(r, c, c.key, nil):
		c.gravest = c.grade
		w.tell(c, alert.KindFiring, c.grade)
	}
}

// givenUp is until when a key that does not come back is reported. That report replaces the next repeat; for a key that
// was reported late it comes after a repeat, or as long again.
func (c *claim) givenUp() int64 {
	life := cmp.Or(ms(c.rule.Absence.GiveUp), 24*60*minute)
	return max(c.since+ms(c.rule.Absence.After)+life, c.spoken+min(life, cmp.Or(ms(c.rule.RepeatInterval), life)))
}

// again reports whether a claim that something suppressed is looked at again although no record comes.
func (w *World) again(c *claim) bool {
	r := c.rule
	for _, s := range w.Silences { // when what suppressed it is over
		if s.Until == w.now && s.of(r.Name) {
			return true
		}
	}
	if quietAt(r, w.now-w.Every) && !quietAt(r, w.now) || c.spoken != 0 && r.Dedup > 0 &&
		w.now == c.spoken+ms(r.Dedup) {
		return true
	}
	if c.over && w.now == c.since+minute {
		return true
	}
	// Else after a minute, doubled up to ten.
	waited := w.now - c.since - max(ms(r.For.Time), ms(r.Absence.After))
	return slices.Contains([]int64{minute, 2 * minute, 4 * minute, 8 * minute}, waited) || waited > 0 &&
		waited%(10*minute) == 0
}

// judge takes a claim that holds or does not. rec is nil where time judges.
func (w *World) judge(c *claim, holds bool, rec *Record) {
	r := c.rule
	switch {
	case !excursions(r):
		if holds {
			w.announce(c, rec)
		}
	case holds && !c.firing:
		c.held = w.now
		if c.since == 0 {
			c.since = w.now
		}
		if c.inFavour++; c.inFavour >= r.For.Records && w.now-c.since >= ms(r.For.Time) {
			w.fire(c, rec)
		}
	case holds:
		c.held, c.against = w.now, 0
		switch {
		case !c.told:
			w.announce(c, rec)
		case c.graver() && !w.mute(r, c, c.key, rec):
			c.gravest = c.grade
			w.tell(c, alert.KindFiring, c.grade)
		}
	case !c.firing:
		c.since, c.inFavour = 0, 0
	default:
		c.against++
		if r.Resolve.Records > 0 && c.against >= r.Resolve.Records {
			w.conclude(c)
		}
		if r.Resolve.IsZero() { // a firing period whose end is not to be reported
			c.told = false
			w.conclude(c)
		}
	}
}

func (w *World) fire(c *claim, rec *Record) {
	c.firing, c.told, c.inFavour, c.against = true, false, 0, 0
	w.announce(c, rec)
}

// announce reports that a claim fires, unless something suppresses it.
func (w *World) announce(c *claim, rec *Record) {
	owed := c.firing && c.over && w.now-c.since >= minute // the last word must not be wrong for longer than a minute
	dedup := c.rule.Dedup > 0 && c.spoken != 0 && w.now-c.spoken < ms(c.rule.Dedup)
	if dedup && !owed && !c.graver() || w.mute(c.rule, c, c.key, rec) {
		return
	}
	c.told, c.over, c.gravest = true, false, c.grade
	w.tell(c, alert.KindFiring, c.grade)
}

func (w *World) tell(c *claim, kind alert.Kind, severity string) {
	w.words = append(w.words, Word{w.at, kind, c.rule.Name, c.key, severity})
	if kind != alert.KindResolved {
		c.spoken = w.now
	}
}

// conclude ends a firing period. If its beginning was reported, so is its end, whatever mutes the rule now.
func (w *World) conclude(c *claim) {
	if c.told {
		w.tell(c, alert.KindResolved, c.gravest)
		c.over = true
	}
	c.firing, c.told, c.since, c.inFavour, c.against = false, false, 0, 0, 0
}

// graver reports whether the last record is more severe than anything that was reported.
func (c *claim) graver() bool {
	order := []string{alert.SeverityCritical, alert.SeverityWarning, alert.SeverityInfo}
	return c.rule.Grade != nil && slices.Index(order, c.grade) < slices.Index(order, c.gravest)
}

// mute reports whether something other than dedup suppresses an alert.
func (w *World) mute(r *Rule, c *claim, key string, rec *Record) bool {
	for _, name := range r.InhibitedBy {
		if w.inhibits(name, key, rec) {
			return true
		}
	}
	if w.silenced(r.Name, c, rec) || quietAt(r, w.now) {
		return true
	}
	owed := c != nil && c.firing && !c.told && c.over && w.now-c.since >= minute
	return !r.RateLimit.IsZero() && !w.spend(r) && !owed
}

// inhibits reports whether another rule is active for the key, and that is known: it was reported, or an operator
// silenced it.
func (w *World) inhibits(name, key string, rec *Record) bool {
	other := &w.Rules[slices.IndexFunc(w.Rules, func(r Rule) bool { return r.Name == name })]
	if !remembers(other) {
		return rec != nil && w.known[name]
	}
	if other.Absence.Of == alert.AbsenceOfShard {
		key = ""
	}
	c := w.claims[name][key]
	if c == nil {
		return false
	}
	ends := !other.Resolve.IsZero() || other.Absence.After > 0 // and its end is reported
	dedup := !ends && other.Dedup > 0 && c.spoken != 0 && w.now-c.spoken < ms(other.Dedup)
	return c.firing && (c.told || w.silenced(name, c, rec)) || dedup
}

// silenced reports whether a person has silenced a rule, as far as its claim or the record at hand goes.
func (w *World) silenced(rule string, c *claim, rec *Record) bool {
	return slices.ContainsFunc(w.Silences, func(s Silence) bool {
		covers := s.When == nil || rec != nil && s.When(*rec) == Yes || c != nil && len(c.records) > 0 &&
			s.When(c.records[len(c.records)-1]) == Yes
		return s.of(rule) && w.now >= s.From && w.now < s.Until && covers
	})
}

func (s *Silence) of(rule string) bool { return len(s.Rules) == 0 || slices.Contains(s.Rules, rule) }

// quietAt reports whether a time, in UTC, lies in a rule's quiet hours of every day.
func quietAt(r *Rule, at int64) bool {
	return slices.ContainsFunc(r.Quiet, func(q alert.QuietConfig) bool {
		now := time.UnixMilli(at).UTC().Format("15:04")
		if q.From < q.To {
			return q.From <= now && now < q.To
		}
		return q.From <= now || now < q.To
	})
}

// spend takes one of the rate limit's tokens, which come back evenly.
func (w *World) spend(r *Rule) bool {
	if w.tokens == nil {
		w.tokens = map[string]*bucket{}
	}
	b := w.tokens[r.Name]
	if b == nil {
		b = &bucket{left: float64(r.RateLimit.Events), at: w.now}
		w.tokens[r.Name] = b
	}
	b.left = min(float64(r.RateLimit.Events), b.left+float64(w.now-b.at)/1000*r.RateLimit.PerSecond())
	b.at = w.now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// step is by how much a window moves: its length, or a twelfth of it.
func step(r *Rule) int64 {
	if r.Window.Tumbling {
		return ms(r.Window.Length)
	}
	return cmp.Or(ms(r.Window.Step), ms(r.Window.Length)/12)
}

// judgeWindow judges a window: of the records so far, or of those before now if time judges a tumbling one at its end.
func (w *World) judgeWindow(c *claim, rec *Record) {
	r := c.rule
	to := w.now - w.now%step(r) + step(r) // the end of the step that has begun
	if r.Window.Tumbling {
		to = w.now
	}
	from := to - ms(r.Window.Length)
	op, bound, _ := strings.Cut(r.Window.Is, " ")
	limit, err := strconv.ParseFloat(bound, 64)
	if err != nil {
		panic(err)
	}
	kind := cmp.Or(r.Window.Aggregate, alert.AggregateCount)
	part := kind == alert.AggregateAvg || op == ">" || op == ">="
	if kind == alert.AggregateMin {
		part = op == "<" || op == "<="
	}
	if !part && c.came[0] > w.now-w.now%step(r)-ms(r.Window.Length) {
		return // a whole window, up to the last full step, was not watched
	}
	var values []float64
	for i := len(c.records) - 1; i >= 0 && c.came[i] >= from; i-- {
		x, ok := 1.0, true
		if r.Of != nil {
			x, ok = r.Of(c.records[i])
		}
		if ok && c.came[i] < to {
			values = append(values, x)
		}
	}
	x, ok := aggregate(kind, values, ms(r.Window.Length))
	holds := map[string]bool{
		">": x > limit, ">=": x >= limit, "<": x < limit, "<=": x <= limit, "==": x == limit, "!=": x != limit,
	}[op]
	w.judge(c, ok && holds && len(values) >= r.Window.MinRecords, rec)
}

func aggregate(kind string, values []float64, length int64) (float64, bool) {
	sum, low, high, seen := 0.0, math.Inf(1), math.Inf(-1), map[float64]bool{}
	for _, x := range values {
		sum, low, high, seen[x] = sum+x, min(low, x), max(high, x), true
	}
	n := float64(len(values))
	some := n > 0
	switch kind {
	case alert.AggregateSum:
		return sum, true
	case alert.AggregateAvg:
		return sum / max(n, 1), some
	case alert.AggregateMin:
		return low, some
	case alert.AggregateMax:
		return high, some
	case alert.AggregateRate:
		return n * 1000 / float64(length), true
	case alert.AggregateDistinct:
		return float64(len(seen)), true
	}
	return n, true
}

// lost reports whether a key had no record for two windows and has no firing period: an empty window is not reported
// forever.
func (c *claim) lost(at int64) bool {
	return !c.firing && c.since == 0 && at >= c.came[len(c.came)-1]+2*ms(c.rule.Window.Length)
}
