package dispatch

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kinesis-alerter/alert"
)

const (
	// digestGroup is the message group of digests on a FIFO topic: they belong to no partition key.
	digestGroup = "digest"
	// smallestDigest is the least budget of a digest's message in bytes. Every destination takes so much.
	smallestDigest = 1 << 10
	// mostKeysCounted is up to how many distinct keys are counted exactly.
	mostKeysCounted = 10_000
	// mostShardsNamed is how many shards one sentence names.
	mostShardsNamed = 3
)

// tally is what a digest says about one rule and severity.
type tally struct {
	rule, severity string
	members        int
	kinds          [kinds]int
	keys           []uint64
	worse          int8
	worst          float64
	judged         bool // worst holds a value
	from, to       int64
	spans          map[string]*span
	shards         []string // of spans, in the order of gathering
}

// span is the first and last sequence number of a shard's members.
type span struct {
	first, last string
}

// summary is what a digest says, the most severe first.
type summary struct {
	members  int
	tallies  []*tally
	rules    int
	resolved int
	from, to int64
}

// summarize counts the live members.
func (d *digest) summarize() summary {
	type place struct{ rule, severity string }
	tallies := map[place]*tally{}
	byLine := make([]*tally, len(d.lines))
	s := summary{members: d.live}
	for i, l := range d.lines {
		t := tallies[place{l.rule, l.severity}]
		if t == nil {
			t = &tally{rule: l.rule, severity: l.severity, spans: map[string]*span{}}
			tallies[place{l.rule, l.severity}] = t
		}
		byLine[i] = t
	}
	d.each(func(m *member) { byLine[m.line].add(m, d.lines[m.line].worse, d.origins[m.from].shard) })
	rules := map[string]bool{}
	for _, t := range tallies {
		if t.members == 0 {
			continue
		}
		s.tallies = append(s.tallies, t)
		s.resolved += t.kinds[kindResolved]
		s.from, s.to = earlier(s.from, t.from), max(s.to, t.to)
		rules[t.rule] = true
	}
	s.rules = len(rules)
	slices.SortFunc(s.tallies, func(a, b *tally) int {
		return cmp.Or(cmp.Compare(gravity(a.severity), gravity(b.severity)), cmp.Compare(b.members, a.members),
			cmp.Compare(a.rule, b.rule), cmp.Compare(a.severity, b.severity))
	})
	return s
}

// earlier is the earlier of two times, of which 0 is unknown.
func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// gravity orders severities, most severe first.
func gravity(severity string) int {
	switch severity {
	case alert.SeverityCritical:
		return 0
	case alert.SeverityWarning:
		return 1
	case alert.SeverityInfo:
		return 2
	}
	return 3
}

func (t *tally) add(m *member, worse int8, shard string) {
	t.members++
	t.kinds[m.kind]++
	t.keys = append(t.keys, m.key)
	t.from, t.to = earlier(t.from, m.arrival), max(t.to, m.arrival)
	// The value that resolves an alert is not its worst.
	if worse != 0 && m.kind != kindResolved && !math.IsNaN(m.value) {
		if t.worse == 0 {
			t.worse = worse
		}
		if !t.judged || t.worse > 0 && m.value > t.worst || t.worse < 0 && m.value < t.worst {
			t.worst, t.judged = m.value, true
		}
	}
	if m.sequence == "" {
		return
	}
	at := t.spans[shard]
	if at == nil {
		t.spans[shard] = &span{m.sequence, m.sequence}
		t.shards = append(t.shards, shard)
		return
	}
	if compareSequence(m.sequence, at.first) < 0 {
		at.first = m.sequence
	}
	if compareSequence(m.sequence, at.last) > 0 {
		at.last = m.sequence
	}
}

// compareSequence compares decimal numbers without leading zeros.
func compareSequence(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

// sentence says everything about a tally; without records it leaves out where they are.
func (t *tally) sentence(records bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "+%d", t.members)
	if t.rule != "" {
		b.WriteString(" of " + oneLine(t.rule))
	}
	if t.severity != "" {
		b.WriteString(" (" + oneLine(t.severity) + ")")
	}
	for _, k := range []struct {
		kind kind
		name string
	}{{kindResolved, "resolved"}, {kindRepeat, "repeated"}, {kindWatchdog, "watchdog"}, {kindDrill, "drill"}} {
		if n := t.kinds[k.kind]; n > 0 {
			fmt.Fprintf(&b, ", %d %s", n, k.name)
		}
	}
	slices.Sort(t.keys)
	switch keys := len(slices.Compact(t.keys)); {
	case keys > mostKeysCounted:
		fmt.Fprintf(&b, ", %d+ keys", mostKeysCounted)
	case keys == 1:
		b.WriteString(", 1 key")
	default:
		fmt.Fprintf(&b, ", %d keys", keys)
	}
	if t.judged {
		b.WriteString(", worst " + figure(t.worst))
	}
	if records {
		t.records(&b)
	}
	if t.from != 0 {
		b.WriteString(", " + clock(t.from, t.to))
	}
	return b.String()
}

func (t *tally) records(b *strings.Builder) {
	slices.Sort(t.shards)
	for i, shard := range t.shards {
		if i == mostShardsNamed {
			fmt.Fprintf(b, " and %s", count(len(t.shards)-i, "other shard"))
			return
		}
		at := t.spans[shard]
		what := ", "
		if i == 0 {
			what = ", records "
		}
		if at.first == at.last {
			if i == 0 {
				what = ", record "
			}
			fmt.Fprintf(b, "%s%s of %s", what, oneLine(at.first), oneLine(shard))
			continue
		}
		fmt.Fprintf(b, "%s%s to %s of %s", what, oneLine(at.first), oneLine(at.last), oneLine(shard))
	}
}

// figure writes a value as people do, and very large and small ones in powers of ten.
func figure(v float64) string {
	format := byte('f')
	if a := math.Abs(v); a != 0 && (a >= 1e15 || a < 1e-4) {
		format = 'g'
	}
	return strconv.FormatFloat(v, format, -1, 64)
}

// clock writes a stretch of time in UTC, with days where it has several.
func clock(from, to int64) string {
	a, b := time.Unix(0, from).UTC(), time.Unix(0, to).UTC()
	layout := time.TimeOnly
	if a.Format(time.DateOnly) != b.Format(time.DateOnly) {
		layout = time.DateTime
	}
	if a.Format(layout) == b.Format(layout) {
		return a.Format(layout) + " UTC"
	}
	return a.Format(layout) + " to " + b.Format(layout) + " UTC"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// oneLine makes a name from elsewhere fit for a subject and a line of the body.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// subject names the most severe rule, in at most so many characters.
func (s summary) subject(most int) string {
	noun := "alert"
	if s.resolved == s.members {
		noun = "resolved alert"
	}
	out := count(s.members, noun)
	rule := oneLine(s.tallies[0].rule)
	if rule == "" {
		return out
	}
	others := ""
	if s.rules > 1 {
		others = " and " + count(s.rules-1, "other rule")
	}
	room := most - len(out) - len(": ") - len(others)
	if r := []rune(rule); len(r) > room {
		rule = string(r[:room-1]) + "…"
	}
	return out + ": " + rule + others
}

// body says in at most room bytes what the digest stands for: a sentence for each rule, then ids of alerts as they fit.
func (d *digest) body(s summary, room int) string {
	var b strings.Builder
	b.WriteString(count(s.members, "alert"))
	if s.from != 0 {
		b.WriteString(" of " + clock(s.from, s.to))
	}
	b.WriteString(", gathered because they came faster than this topic's rate lets them go one by one.\n\n")
	const reserve = 160 // for the last lines of rules and of ids
	for i, t := range s.tallies {
		words := t.sentence(true)
		if b.Len()+len(words)+1+reserve > room {
			words = t.sentence(false)
		}
		if b.Len()+len(words)+1+reserve > room {
			left := 0
			for _, t := range s.tallies[i:] {
				left += t.members
			}
			fmt.Fprintf(&b, "+%d of %s\n", left, count(len(s.tallies)-i, "other rule"))
			break
		}
		b.WriteString(words + "\n")
	}
	d.writeIDs(&b, room)
	return beginning(strings.TrimSuffix(b.String(), "\n"), room)
}

// beginning is the longest part of s of at most n bytes that ends between characters.
func beginning(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:max(0, n)]
}

// writeIDs adds the ids of as many members as fit.
func (d *digest) writeIDs(b *strings.Builder, room int) {
	rest := func(n int) string {
		return fmt.Sprintf("%s in the audit log, digest_id %s\n", count(n, "more alert id"), d.id)
	}
	head := "\nAlert ids:\n"
	if b.Len()+len(head)+len(rest(d.members)) > room {
		return
	}
	written, full := 0, false
	d.each(func(m *member) {
		if full {
			return
		}
		id := oneLine(m.id)
		need := len(head) + len(id) + 1
		if written+1 < d.live {
			need += len(rest(d.members))
		}
		if full = b.Len()+need > room; full {
			return
		}
		b.WriteString(head + id + "\n")
		head = ""
		written++
	})
	if written < d.live {
		b.WriteString(head + rest(d.live-written))
	}
}

// message makes the digest's message of at most its budget.
func (d *digest) message(to Destination) (Message, error) {
	s, limits := d.summarize(), to.Limits()
	if d.budget == 0 || d.budget > limits.Bytes {
		d.budget = limits.Bytes
	}
	m := alert.Message{Subject: s.subject(limits.Subject), Group: digestGroup, Attributes: s.attributes(d.id)}
	if d.sampled {
		m.Attributes = append(m.Attributes,
			alert.Attribute{Name: alert.SampleAttributeName, Type: "String", Value: alert.SampleAttribute})
	}
	room := d.budget
	for _, a := range m.Attributes {
		room -= len(a.Name) + len(a.Type) + len(a.Value)
	}
	m.Body = d.body(s, room)
	d.text = m
	return to.Prepare(&alert.Alert{ID: d.id, Kind: alert.KindDigest}, m)
}

func (s summary) attributes(id string) []alert.Attribute {
	out := []alert.Attribute{
		{Name: "alert_id", Type: "String", Value: id},
		{Name: "kind", Type: "String", Value: string(alert.KindDigest)},
		{Name: "count", Type: "Number", Value: strconv.Itoa(s.members)},
	}
	add := func(name, value string) {
		if value != "" && !strings.ContainsFunc(value, unsupported) {
			out = append(out, alert.Attribute{Name: name, Type: "String", Value: oneLine(value)})
		}
	}
	add("severity", s.tallies[0].severity)
	if s.rules == 1 {
		add("rule", s.tallies[0].rule)
	}
	return out
}

// unsupported says whether an attribute with r is left out, because some service would refuse the message: XML 1.0 has
// no such character, or it needs two units of UTF-16.
func unsupported(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r >= 0xFFFF
}

// shrink lowers the budget after the service has refused the message, and says whether there is less to try.
func (d *digest) shrink() bool {
	if d.budget <= smallestDigest {
		return false
	}
	d.budget = max(smallestDigest, d.budget/4)
	return true
}
