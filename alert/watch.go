package alert

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/internal/near"
)

const (
	// A field that was there before counts as missing after watchRecords records and watchTime without it; one that was
	// never there, after watchFew records.
	watchRecords = 10_000
	watchTime    = time.Hour
	watchFew     = 20
	// noteRecords and noteAfter bound for how many records, and how much event time, an evaluator holds back what it
	// saw.
	noteRecords = 1024
	noteAfter   = int64(10 * time.Second / time.Millisecond)
	// maxSampledNames bounds how many field names are remembered of sampled records, and maxNameLength their length.
	// maxSampled bounds how much of a record is examined, and maxSampledDepth how deep.
	maxSampledNames = 512
	maxNameLength   = 128
	maxSampled      = 64 << 10
	maxSampledDepth = 8
)

// fieldWatch tracks which of the fields that rules look at the records have. Evaluators report what they saw in
// batches, so a record costs only a bit for each of its fields.
type fieldWatch struct {
	fields []*watchedField
	wants  []fieldWant
	// lacks is set while some field was never seen, so that names of other fields are of interest.
	lacks atomic.Bool

	mu      sync.Mutex
	records uint64
	latest  int64 // milliseconds of event time
	names   map[string]bool
}

// watchedField is a field that some rule needs.
type watchedField struct {
	slot int
	path []string
	last [condition.Span + 1]sighting // by kind
	// similar is the most similar name in sampled records, and likeness how similar it is.
	similar  string
	likeness likeness
}

// sighting is the last record that had something.
type sighting struct {
	record uint64 // counted from 1; 0 is never
	at     int64
}

// fieldWant is what a rule needs of a field: to be there, or to be of some kinds. The outputs count behind the rules.
type fieldWant struct {
	rule  int
	field *watchedField
	kinds condition.KindSet
}

type likeness uint8

const (
	unlike likeness = iota
	// alike are names that differ by a letter or two, or in their place in the record.
	alike
	// same are names that differ in case or punctuation alone.
	same
)

// newFieldWatch makes the field watch of a rule set. mentions are those of its configuration.
func newFieldWatch(rules []*rule, outputs []*output, mentions []Mention, s *condition.Schema) *fieldWatch {
	w := &fieldWatch{names: make(map[string]bool)}
	bySlot := make(map[int]*watchedField)
	field := func(slot int, path []string) *watchedField {
		f := bySlot[slot]
		if f == nil {
			f = &watchedField{slot: slot, path: path}
			bySlot[slot], w.fields = f, append(w.fields, f)
		}
		return f
	}
	type looker struct{ rule, output string }
	places := make(map[looker]int, len(rules)+len(outputs))
	for i, r := range rules {
		places[looker{rule: r.name}] = i
	}
	for i, o := range outputs {
		places[looker{output: o.name}] = len(rules) + i
	}
	wanted := make(map[fieldWant]bool, len(mentions))
	for _, m := range mentions {
		place, ok := places[looker{m.Rule, m.Output}]
		if !ok || m.Filter || m.Optional {
			continue
		}
		slot := s.SlotOf(m.Path)
		if slot < condition.BuiltinSlots {
			continue
		}
		want := fieldWant{rule: place, field: field(slot, m.Path), kinds: condition.JSONKinds}
		if !wanted[want] {
			wanted[want] = true
			w.wants = append(w.wants, want)
		}
	}
	for i, r := range rules {
		for _, need := range r.formula.When.Needs() {
			if field := bySlot[need.Slot]; field != nil {
				w.wants = append(w.wants, fieldWant{rule: i, field: field, kinds: need.Kinds})
			}
		}
	}
	w.lacks.Store(len(w.fields) > 0)
	return w
}

// fieldNotes are what an evaluator has seen since its last report.
type fieldNotes struct {
	seen    []condition.KindSet // by slot
	records int
	at      int64
}

// due counts the record at hand, and reports whether it is time to report.
func (n *fieldNotes) due(now int64) bool {
	n.records++
	return n.records >= noteRecords || now-n.at >= noteAfter
}

// note adds what an evaluator saw. data is its latest record.
func (w *fieldWatch) note(n *fieldNotes, now int64, data []byte) {
	var names []string
	if w.lacks.Load() {
		names = sampledNames(data)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records += uint64(n.records) //nolint:gosec // small
	w.latest = max(w.latest, now)
	lacks := false
	for _, f := range w.fields {
		for k := range f.last {
			if n.seen[f.slot].Has(condition.Kind(k)) {
				f.last[k] = sighting{w.records, now}
			}
		}
		lacks = lacks || f.seen(condition.JSONKinds).record == 0
	}
	w.lacks.Store(lacks)
	if lacks {
		w.learn(names)
	}
	clear(n.seen)
	n.records, n.at = 0, now
}

// seen returns the last sighting of the field with one of the kinds.
func (f *watchedField) seen(kinds condition.KindSet) sighting {
	var last sighting
	for k := range f.last {
		if kinds.Has(condition.Kind(k)) && f.last[k].record > last.record {
			last = f.last[k]
		}
	}
	return last
}

// learn looks among names for likely spellings of fields that were never seen.
func (w *fieldWatch) learn(names []string) {
	for _, name := range names {
		if w.names[name] {
			continue
		}
		if len(w.names) >= maxSampledNames { // producers use data as names: start again rather than stop learning
			clear(w.names)
		}
		w.names[name] = true
		for _, f := range w.fields {
			if l := likenessOf(f.path, name); l > f.likeness && f.seen(condition.JSONKinds).record == 0 {
				f.similar, f.likeness = name, l
			}
		}
	}
}

// likenessOf returns how similar a field and a name of a record are. The parts of a name are joined by NUL.
func likenessOf(path []string, name string) likeness {
	want := strings.Join(path, "\x00")
	if name == want {
		return unlike // it is the field itself
	}
	a, b := folded(want), folded(name)
	last := func(s string) string { return folded(s[strings.LastIndexByte(s, 0)+1:]) }
	const short = 4
	switch {
	case a == b && a != "":
		return same
	case last(want) == last(name) && last(want) != "":
		return alike
	case len(a) >= short && max(len(a)-len(b), len(b)-len(a)) <= 1 && near.Distance(a, b) <= 1:
		return alike
	case len(a) >= 2*short && max(len(a)-len(b), len(b)-len(a)) <= 2 && near.Distance(a, b) <= 2:
		return alike
	}
	return unlike
}

// folded returns a name in lower case, without word separators.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("\x00._- ", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// sampledNames returns the field names in a JSON object, each with those above it.
func sampledNames(data []byte) []string {
	d := jsontext.NewDecoder(bytes.NewReader(data[:min(len(data), maxSampled)]))
	var names []string
	var path []string
	for len(names) < maxSampledNames {
		t, err := d.ReadToken()
		if err != nil {
			break
		}
		depth := d.StackDepth()
		switch t.Kind() { //nolint:exhaustive // no other token is a name or contains one
		case jsontext.KindBeginArray: // rules do not look into lists
			for d.StackDepth() >= depth {
				if _, err := d.ReadToken(); err != nil {
					return names
				}
			}
		case jsontext.KindString:
			if kind, length := d.StackIndex(depth); kind != jsontext.KindBeginObject || length%2 == 0 {
				continue
			}
			path = append(path[:min(depth-1, len(path))], t.String())
			if name := strings.Join(path, "\x00"); len(name) <= maxNameLength && depth <= maxSampledDepth {
				names = append(names, name)
			}
		}
	}
	return names
}

// FieldFinding is a field that keeps a rule from matching, and why.
type FieldFinding struct {
	// Field is the name as the rule has it.
	Field string
	// Similar is a name in the records that was probably meant; empty if there is none. Sure is set if it differs only
	// in case or punctuation.
	Similar string
	Sure    bool
	// Wanted and Has are the types that the rule needs and that records have; empty if the field is missing.
	Wanted, Has string
	// Records is how many records there were since one had the field as the rule needs it. Never is set if none ever
	// had.
	Records uint64
	Never   bool
}

// Missing reports whether no record has the field.
func (f FieldFinding) Missing() bool { return f.Wanted == "" }

// findings returns the findings of each rule, and behind them of each output.
func (w *fieldWatch) findings(mistyped func(rule int) uint64) map[int][]FieldFinding {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[int][]FieldFinding)
	for _, want := range w.wants {
		last := want.field.seen(want.kinds)
		since := w.records - last.record
		if last.record == 0 && since < watchFew ||
			last.record != 0 && (since < watchRecords || time.Duration(w.latest-last.at)*time.Millisecond < watchTime) {
			continue
		}
		f := FieldFinding{Field: shownName(want.field.path), Records: since, Never: last.record == 0}
		if want.kinds == condition.JSONKinds {
			f.Similar, f.Sure = shownPath(want.field.similar), want.field.likeness == same
			if !f.Sure && since < watchRecords { // another kind of event may have it
				f.Similar = ""
			}
		} else {
			var has []string
			for k, s := range want.field.last {
				if s.record > last.record && condition.Kind(k) > condition.Null && !want.kinds.Has(condition.Kind(k)) {
					has = append(has, condition.KindName(condition.Kind(k)))
				}
			}
			if len(has) == 0 || mistyped(want.rule) < watchFew {
				continue
			}
			f.Has, f.Wanted = strings.Join(has, " or "), condition.KindNames(want.kinds)
		}
		out[want.rule] = append(out[want.rule], f)
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b FieldFinding) int { return cmp.Compare(a.Field+a.Wanted, b.Field+b.Wanted) })
	}
	return out
}

// shownName returns a field as a rule writes it.
func shownName(path []string) string { return shownPath(strings.Join(path, "\x00")) }

func shownPath(name string) string {
	if strings.Contains(name, ".") { // such a name can only be at the top level
		return `$env["` + name + `"]`
	}
	return strings.ReplaceAll(name, "\x00", ".")
}
