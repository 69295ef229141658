package alert

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinesis-alerter/alert/condition"
)

const (
	minWindow = time.Second
	maxWindow = 24 * time.Hour
	// defaultPanes and maxPanes are the default and the maximum number of parts of a sliding window.
	defaultPanes = 12
	maxPanes     = 120
	// maxDistinct is how many different values a window of one key counts.
	maxDistinct = 10_000
)

// windowRule is the aggregate of a rule, ready to run.
type windowRule struct {
	// length and step are milliseconds; a tumbling window has one step.
	length, step int64
	panes        int64
	tumbling     bool
	distinct     bool
	aggregate    string
	of           condition.Operand
	op           condition.Operator
	bound        float64
	// minRecords is how many records a window must have to be judged.
	minRecords uint64
	// needsWhole is set if a part of a window proves nothing: it can meet the comparison although the whole does not.
	needsWhole bool
}

// window is what is remembered of a window for one key: sums by step. It is exact in sums and counts; a sliding window
// moves in whole steps.
type window struct {
	// last is the number of the newest pane, counted from 1970; size is how many there are. panes are those that are
	// not empty, oldest first.
	last int64
	size uint8
	// resized is set if the window's size has changed since it was weighed.
	resized bool
	// seen are the conditions of silences that the last record meets, and unmet those that some record in the window
	// does not. silencedBy are those without whose records the window, when it last held, would not have held.
	seen, unmet, silencedBy uint32
	panes                   []pane
	// values are the values that a distinct window has seen, by hash, with the pane in which each was seen last. legacy
	// is the same by the hash of the plain format. In a window that has both, legacy counts until everything that it
	// saw before the pane since has left.
	values, legacy map[uint64]int64
	since          int64
	// watched is the time since when no record of the key was missed.
	watched int64
	// silenced is the part that came while a silence covered it; nil if there is none in the window.
	silenced *silencedPart
}

// pane is a part of a window. The sum is sum + rest, in units of sumUnit: rest is what rounding has lost (Neumaier:
// Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, 1974), and the unit keeps the mean of large
// numbers from becoming infinite.
type pane struct {
	n                   int64
	count               uint64
	sum, rest, min, max float64
}

const sumUnit = 1 << 32

func (p *pane) plus(x float64) {
	sum := p.sum + x
	switch {
	case math.IsInf(sum, 0):
		p.rest = 0
	case math.Abs(p.sum) >= math.Abs(x):
		p.rest += (p.sum - sum) + x
	default:
		p.rest += (x - sum) + p.sum
	}
	p.sum = sum
}

// mean returns the mean as exactly as the sum allows: the remainder of the division is divided, too.
func (p *pane) mean() float64 {
	n := float64(p.count)
	mean := p.sum / n
	return mean + (math.FMA(-mean, n, p.sum)+p.rest)/n
}

func (w *windowRule) newWindow(keyed bool) *window {
	out := &window{size: uint8(w.panes), resized: true} //nolint:gosec // at most maxPanes
	switch {
	case !w.distinct:
	case keyed:
		out.values = make(map[uint64]int64)
	default:
		out.legacy = make(map[uint64]int64)
	}
	return out
}

// upgrade starts to hash values under the hash key.
func (s *window) upgrade() {
	if s.legacy == nil || s.values != nil {
		return
	}
	s.values, s.since = make(map[uint64]int64), s.last
	if len(s.legacy) == 0 {
		s.legacy = nil
	}
}

// advance moves the window to the time now, and drops what has left it.
func (w *windowRule) advance(s *window, now int64) {
	n := now / w.step
	if n <= s.last {
		return
	}
	s.last, s.resized = n, true
	s.panes = s.inside(s.panes)
	s.advanceSilenced()
	s.age(s.values)
	s.age(s.legacy)
	if s.values != nil && s.legacy != nil && n >= s.since+int64(s.size) {
		s.legacy = nil
	}
}

// inside returns the panes that are still in the window.
func (s *window) inside(panes []pane) []pane {
	gone := 0
	for gone < len(panes) && panes[gone].n <= s.last-int64(s.size) {
		gone++
	}
	return slices.Delete(panes, 0, gone)
}

func (s *window) age(values map[uint64]int64) {
	for hash, seen := range values {
		if seen <= s.last-int64(s.size) {
			delete(values, hash)
		}
	}
}

// add puts a value into the window's newest pane.
func (s *window) add(v float64) { s.addTo(&s.panes, v) }

func (s *window) addTo(panes *[]pane, v float64) {
	if n := len(*panes); n == 0 || (*panes)[n-1].n != s.last {
		*panes = append(*panes, pane{n: s.last, min: v, max: v})
		s.resized = true
	}
	p := &(*panes)[len(*panes)-1]
	p.count++
	p.plus(v / sumUnit)
	p.min, p.max = min(p.min, v), max(p.max, v)
}

// see adds a value to a distinct window. 64 bits suffice for 10,000 values, since producers do not know the key and
// cannot craft collisions.
func (s *window) see(v *condition.Value, key *HashKey, silenced bool) {
	if s.legacy != nil {
		s.saw(s.legacy, plainHash(v))
	}
	if s.values != nil {
		hash := key.distinct(v)
		if s.saw(s.values, hash); s.silenced != nil && !silenced {
			s.saw(s.silenced.unsilenced, hash)
		}
	}
}

func (s *window) saw(values map[uint64]int64, hash uint64) {
	if _, known := values[hash]; known || len(values) < maxDistinct {
		values[hash] = s.last
		s.resized = s.resized || !known
	}
}

// distinct returns how many values the window has seen.
func (s *window) distinct() int {
	if s.legacy != nil {
		return len(s.legacy)
	}
	return len(s.values)
}

// value returns the aggregate of panes that have this many different values. It returns false for the average, minimum
// and maximum of nothing.
func (w *windowRule) value(all *pane, distinct int) (float64, bool) {
	switch w.aggregate {
	case AggregateSum:
		return (all.sum + all.rest) * sumUnit, true
	case AggregateAvg:
		return all.mean() * sumUnit, all.count > 0
	case AggregateMin:
		return all.min, all.count > 0
	case AggregateMax:
		return all.max, all.count > 0
	case AggregateRate:
		return float64(all.count) * 1000 / float64(w.length), true
	case AggregateDistinct:
		return float64(distinct), true
	}
	return float64(all.count), true
}

// empty reports whether nothing is in the window.
func (s *window) empty() bool { return len(s.panes) == 0 && s.silenced == nil }

// complete reports whether the window may be judged: its whole length was watched, or that makes no difference. The
// newest pane of a sliding window does not count as watched: it has only begun.
func (w *windowRule) complete(s *window) bool {
	from := s.last - w.panes
	if w.tumbling {
		from = s.last
	}
	return !w.needsWhole || s.watched <= from*w.step
}

// keepsEmpty reports whether an empty window is still kept, until a whole one of its key can be judged. It depends only
// on the step in which now lies, not on when the key is looked at.
func (w *windowRule) keepsEmpty(en *entry, now int64) bool {
	return w.needsWhole && en.last != nil && now-now%w.step < en.last.arrival+2*w.length
}

// windowLapsed reports whether a key without a firing period has had an empty window for so long that it is no longer
// judged, even if dedup still remembers it. Otherwise a key that is gone would alert forever.
func (r *rule) windowLapsed(en *entry, now int64) bool {
	return !en.firing && en.since == 0 && en.window.empty() && !r.window.keepsEmpty(en, now)
}

// merge adds panes, the oldest first: the order matters to the last bits of a sum.
func (p *pane) merge(panes []pane) {
	for i := range panes {
		x := &panes[i]
		p.count += x.count
		p.plus(x.sum)
		p.plus(x.rest)
		p.min, p.max = min(p.min, x.min), max(p.max, x.max)
	}
}

func noPane() pane { return pane{min: math.Inf(1), max: math.Inf(-1)} }

// all returns the whole window as one pane.
func (s *window) all() pane {
	all := noPane()
	if all.merge(s.panes); s.silenced != nil {
		all.merge(s.silenced.panes)
	}
	return all
}

// holds judges the window, and returns its value.
func (w *windowRule) holds(s *window) (value float64, ok bool) {
	all := s.all()
	return w.judge(&all, s.distinct())
}

func (w *windowRule) judge(all *pane, distinct int) (value float64, ok bool) {
	value, ok = w.value(all, distinct)
	return value, ok && all.count >= w.minRecords && !math.IsNaN(value) &&
		w.op.Holds(cmp.Compare(value, w.bound)) == condition.Yes
}

// end returns the end of the newest pane: for a tumbling window its own end.
func (w *windowRule) end(s *window) int64 { return (s.last + 1) * w.step }

// load reads what is aggregated from the record: a number, or, into item, the value for a distinct window. It is
// undefined if the record has none.
func (w *windowRule) load(f *condition.Frame, item *condition.Value) (v float64, cause condition.Verdict) {
	if w.of == nil {
		return 1, condition.Yes
	}
	x, cause := w.of.Load(f)
	if cause.Undefined() {
		return 0, cause
	}
	if w.distinct {
		*item = x
		return 1, condition.Yes
	}
	if x.Kind != condition.Number && x.Kind != condition.Boolean { // true is 1
		return 0, condition.UndefinedMistyped
	}
	return x.Num, condition.Yes
}

// plainHash is FNV-1a over the kind and the text of a value, the hash of the plain format.
func plainHash(v *condition.Value) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	step := func(b byte) { h = (h ^ uint64(b)) * prime }
	step(byte(v.Kind))
	raw := v.Raw
	switch {
	case v.Kind == condition.Span:
		raw = strconv.AppendInt(nil, v.NS, 10)
	case v.Kind == condition.Moment:
		raw = strconv.AppendInt(nil, v.At.UnixNano(), 10)
	case v.Kind == condition.Boolean, v.Kind == condition.Number && !v.Wide:
		raw = strconv.AppendFloat(nil, v.Num, 'g', -1, 64)
	}
	for _, b := range raw {
		step(b)
	}
	return h
}

// comparisonOf parses a comparison such as "> 100".
func comparisonOf(text string) (condition.Operator, float64, error) {
	text = strings.TrimSpace(text)
	for _, sign := range []string{">=", "<=", "==", "!=", ">", "<"} {
		rest, ok := strings.CutPrefix(text, sign)
		if !ok {
			continue
		}
		bound, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
		if err != nil || math.IsNaN(bound) || math.IsInf(bound, 0) {
			break
		}
		op, _ := condition.Comparison(sign)
		return op, bound, nil
	}
	return 0, 0, errors.New(`want a comparison with a number, such as "> 100"`)
}

// needsWhole reports whether a comparison that holds for a part of a window proves nothing about the whole. The average
// is judged on what there is, whatever the comparison: min_records says how much is too little for it.
func needsWhole(aggregate string, op condition.Operator) bool {
	lower := op == condition.More || op == condition.MoreOrEqual
	switch aggregate {
	case AggregateAvg:
		return false
	case AggregateMin: // more records can only lower it
		return op != condition.Less && op != condition.LessOrEqual
	}
	return !lower
}

// window compiles a window; nil if the rule has none.
func (f *faults) window(field string, c WindowConfig, s *condition.Schema) *windowRule {
	if c == (WindowConfig{}) {
		return nil
	}
	if c.Length < minWindow || c.Length > maxWindow || c.Length%time.Millisecond != 0 {
		f.add(field+".length", c.Length.String(), "must be between %s and %s, in whole milliseconds", minWindow,
			shortDuration(maxWindow))
		return nil
	}
	w := &windowRule{length: millis(c.Length), tumbling: c.Tumbling, aggregate: cmp.Or(c.Aggregate, AggregateCount)}
	w.distinct = w.aggregate == AggregateDistinct
	switch {
	case c.Tumbling && c.Step != 0:
		f.add(field+".step", c.Step.String(), "a tumbling window has no step; leave it out, or leave tumbling out")
	case c.Tumbling:
		w.step = w.length
	default:
		w.step = cmp.Or(millis(c.Step), max(1, w.length/defaultPanes))
		if c.Step == 0 {
			for w.length%w.step != 0 {
				w.step--
			}
		}
		if w.step < 1 || w.length%w.step != 0 || w.length/w.step > maxPanes {
			f.add(field+".step", c.Step.String(), "must divide the length (%s) into at most %d parts",
				shortDuration(c.Length), maxPanes)
			return nil
		}
	}
	w.panes = w.length / max(w.step, 1)
	known := []string{
		AggregateCount, AggregateSum, AggregateAvg, AggregateMin, AggregateMax, AggregateRate, AggregateDistinct,
	}
	counts := w.aggregate == AggregateCount || w.aggregate == AggregateRate
	switch {
	case !slices.Contains(known, w.aggregate):
		f.add(field+".aggregate", c.Aggregate, "must be one of %s; a share of records is the avg of a condition, with "+
			"of: status >= 500 and is: \"> 0.05\" for 5 %%", strings.Join(known, ", "))
	case counts && c.Of != "":
		f.add(field+".of", c.Of, "%s counts records and takes no expression; narrow them down with when", w.aggregate)
	case !counts && c.Of == "":
		f.add(field+".of", "", "%s needs an expression, such as a field's name", w.aggregate)
	case !counts:
		w.of = f.operand(field+".of", c.Of, s)
	}
	op, bound, err := comparisonOf(c.Is)
	if err != nil {
		f.add(field+".is", c.Is, "%s", err.Error())
	}
	if w.aggregate == AggregateDistinct && bound >= maxDistinct {
		f.add(field+".is", c.Is, "distinct counts to %d", maxDistinct)
	}
	w.op, w.bound = op, bound
	if c.MinRecords < 0 {
		f.add(field+".min_records", strconv.Itoa(c.MinRecords), "must be 0 or more")
	}
	w.minRecords = uint64(max(c.MinRecords, 0))
	w.needsWhole = needsWhole(w.aggregate, op)
	return w
}
