package rehearse

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Difference is one thing in which a test came out otherwise than expected.
type Difference struct {
	// Where is what differs: "alert 2 (10s high firing to oncall)", "outcomes".
	Where string `json:"where"`
	// Field is the part of an alert; empty for the whole.
	Field string `json:"field,omitempty"`
	// Want and Got are in words; one of them is empty where something is missing or not expected.
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
}

// Differences compares what came with what a test expects.
func (x *expectation) Differences(got *played) []Difference {
	var out []Difference
	for _, text := range got.refused {
		out = append(out, Difference{Where: text})
	}
	if x.Alerts != nil {
		out = append(out, align("alert", *x.Alerts, got.Alerts)...)
	}
	if x.Outcomes != nil && !sameCounts(x.Outcomes, got.outcomes) {
		out = append(out, Difference{Where: "outcomes", Want: counts(x.Outcomes), Got: counts(got.outcomes)})
	}
	for _, rule := range slices.Sorted(maps.Keys(x.Suppressed)) {
		if want, has := x.Suppressed[rule], got.suppressed[rule]; !sameCounts(want, has) {
			out = append(out, Difference{Where: "suppressed of " + rule, Want: counts(want), Got: counts(has)})
		}
	}
	if x.Outputs != nil {
		out = append(out, align("output", *x.Outputs, got.Outputs)...)
	}
	if x.Written != nil && !sameCounts(x.Written, got.written) {
		out = append(out, Difference{Where: "written", Want: counts(x.Written), Got: counts(got.written)})
	}
	if x.Digests != nil {
		out = append(out, align("digest", *x.Digests, got.digests)...)
	}
	return out
}

func sameCounts(a, b map[string]int) bool {
	zero := func(_ string, n int) bool { return n == 0 }
	a, b = maps.Clone(a), maps.Clone(b)
	maps.DeleteFunc(a, zero)
	maps.DeleteFunc(b, zero)
	return maps.Equal(a, b)
}

// expected is what a test expects of one thing that comes.
type expected[G any] interface {
	fmt.Stringer
	// against are the fields in which got differs.
	against(got G) []Difference
}

// The costs by which things that came are assigned to things that are expected. What differs in words and times alone
// is the same thing, gone wrong; what differs in two of those fields that say what it is about is another thing.
const (
	missingCost   = 2 // of something that does not come, and of something that is not expected
	identityCost  = 3
	mostWordsCost = 3
)

// cost is how unlikely it is that what came was meant to be what is expected.
func cost(d []Difference) int {
	identity := 0
	for _, x := range d {
		if slices.Contains([]string{"rule", "kind", "topic", "output", "key"}, x.Field) {
			identity++
		}
	}
	return identityCost*identity + min(mostWordsCost, len(d)-identity)
}

// mostAligned bounds the work of finding what belongs to what; longer lists are compared place by place.
const mostAligned = 4_000_000

// align finds what belongs to what, so that one alert that is missing does not make all behind it differ, and returns
// the differences.
func align[W expected[G], G fmt.Stringer](what string, want []W, got []G) []Difference {
	var out []Difference
	pair := func(i, j int) {
		for _, d := range want[i].against(got[j]) {
			d.Where = fmt.Sprintf("%s %d (%s)", what, j+1, got[j])
			out = append(out, d)
		}
	}
	missing := func(i int) {
		out = append(out, Difference{
			Where: fmt.Sprintf("%s %d of those expected is missing", what, i+1), Want: want[i].String(),
		})
	}
	extra := func(j int) {
		out = append(out, Difference{Where: fmt.Sprintf("%s %d is not expected", what, j+1), Got: got[j].String()})
	}
	i, j := 0, 0
	for i < len(want) && j < len(got) && len(want[i].against(got[j])) == 0 {
		i, j = i+1, j+1
	}
	rows, columns := len(want)-i, len(got)-j
	if rows*columns > mostAligned {
		for ; i < len(want) && j < len(got); i, j = i+1, j+1 {
			pair(i, j)
		}
	} else {
		for _, s := range cheapest(want[i:], got[j:]) {
			switch s {
			case stepPair:
				pair(i, j)
				i, j = i+1, j+1
			case stepMissing:
				missing(i)
				i++
			case stepExtra:
				extra(j)
				j++
			}
		}
	}
	for ; i < len(want); i++ {
		missing(i)
	}
	for ; j < len(got); j++ {
		extra(j)
	}
	return out
}

// step is one step on the way through two lists.
type alignStep uint8

const (
	stepPair alignStep = iota
	stepMissing
	stepExtra
)

// cheapest is the way through two lists with the fewest differences.
func cheapest[W expected[G], G fmt.Stringer](want []W, got []G) []alignStep {
	// rest[i][j] is the cost from want[i] and got[j] on.
	rest := make([][]int, len(want)+1)
	for i := len(want); i >= 0; i-- {
		rest[i] = make([]int, len(got)+1)
		for j := len(got); j >= 0; j-- {
			switch {
			case i == len(want):
				rest[i][j] = missingCost * (len(got) - j)
			case j == len(got):
				rest[i][j] = missingCost * (len(want) - i)
			default:
				rest[i][j] = min(rest[i+1][j+1]+cost(want[i].against(got[j])), rest[i+1][j]+missingCost,
					rest[i][j+1]+missingCost)
			}
		}
	}
	var steps []alignStep
	for i, j := 0, 0; i < len(want) && j < len(got); {
		switch rest[i][j] {
		case rest[i+1][j+1] + cost(want[i].against(got[j])):
			steps = append(steps, stepPair)
			i, j = i+1, j+1
		case rest[i+1][j] + missingCost:
			steps = append(steps, stepMissing)
			i++
		default:
			steps = append(steps, stepExtra)
			j++
		}
	}
	return steps
}

// fieldDiff gathers differing fields.
type fieldDiff []Difference

func (d *fieldDiff) text(field string, want *string, got string) {
	if want != nil && *want != got {
		w, g := contrast(*want, got)
		*d = append(*d, Difference{Field: field, Want: w, Got: g})
	}
}

func (d *fieldDiff) plain(field, want, got string) {
	if want != got {
		*d = append(*d, Difference{Field: field, Want: want, Got: got})
	}
}

func (d *fieldDiff) texts(field string, want, got map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		has, ok := got[name]
		if !ok {
			*d = append(*d, Difference{
				Field: field + "." + name, Want: strconv.Quote(want[name]), Got: "there is none",
			})
			continue
		}
		d.text(field+"."+name, new(want[name]), has)
	}
}

func (a expectedAlert) against(got PlayedAlert) []Difference {
	var d fieldDiff
	if a.At != nil {
		d.plain("at", shortDuration(*a.At), got.At.String())
	}
	d.text("rule", a.Rule, got.Rule)
	d.text("kind", a.Kind, got.Kind)
	d.text("topic", a.Topic, got.Topic)
	d.text("key", a.Key, got.Key)
	d.text("severity", a.Severity, got.Severity)
	d.text("subject", a.Subject, got.Subject)
	d.text("message", a.Message, got.Message)
	d.texts("attributes", a.Attributes, got.Attributes)
	d.texts("bodies", a.Bodies, got.Bodies)
	d.text("group", a.Group, got.Group)
	if a.Suppressed != nil {
		d.plain("suppressed", strconv.Itoa(*a.Suppressed), strconv.FormatUint(uint64(got.Suppressed), 10))
	}
	return d
}

// String is what is expected, in a line.
func (a expectedAlert) String() string {
	var parts []string
	add := func(format string, value *string) {
		if value != nil {
			parts = append(parts, fmt.Sprintf(format, *value))
		}
	}
	if a.At != nil {
		parts = append(parts, shortDuration(*a.At))
	}
	add("%s", a.Rule)
	add("%s", a.Kind)
	add("to %s", a.Topic)
	s := strings.Join(parts, " ")
	if a.Key != nil {
		s += fmt.Sprintf(", key %q", *a.Key)
	}
	if s = strings.TrimPrefix(s, ", "); s == "" {
		return "any alert"
	}
	return s
}

func (x expectedDigest) against(got playedDigest) []Difference {
	var d fieldDiff
	if x.At != nil {
		d.plain("at", shortDuration(*x.At), got.At.String())
	}
	d.text("topic", x.Topic, got.Topic)
	if x.Count != nil {
		d.plain("count", strconv.Itoa(*x.Count), strconv.Itoa(got.Count))
	}
	d.text("subject", x.Subject, got.Subject)
	d.text("message", x.Message, got.Message)
	return d
}

// String is what is expected, in a line.
func (x expectedDigest) String() string {
	var parts []string
	if x.At != nil {
		parts = append(parts, shortDuration(*x.At))
	}
	if x.Count != nil {
		parts = append(parts, strconv.Itoa(*x.Count)+" alerts")
	}
	if x.Topic != nil {
		parts = append(parts, "to "+*x.Topic)
	}
	if len(parts) == 0 {
		return "any digest"
	}
	return strings.Join(parts, " ")
}

// String is the digest in a line.
func (d playedDigest) String() string {
	return fmt.Sprintf("%s %d alerts to %s", d.At, d.Count, d.Topic)
}

// contrast quotes two texts so that people find where they differ: long ones from shortly before that on.
func contrast(want, got string) (w, g string) {
	const long, before, most = 100, 30, 200
	if len(want) <= long && len(got) <= long {
		return strconv.Quote(want), strconv.Quote(got)
	}
	common := 0
	for common < len(want) && common < len(got) && want[common] == got[common] {
		common++
	}
	from := max(0, common-before)
	for from > 0 && !utf8.RuneStart(want[min(from, len(want)-1)]) {
		from--
	}
	shown := func(s string) string {
		lead, tail := "", ""
		if s = s[min(from, len(s)):]; from > 0 {
			lead = "…"
		}
		if len(s) > most {
			cut := most
			for cut > 0 && !utf8.RuneStart(s[cut]) {
				cut--
			}
			s, tail = s[:cut], "…"
		}
		return lead + strconv.Quote(s) + tail
	}
	return shown(want), shown(got)
}
