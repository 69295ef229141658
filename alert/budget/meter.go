package budget

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"unicode/utf8"
)

// What a rule may cost with one record: maxWork units of work, each of about ten nanoseconds, maxText bytes of text
// that its expressions make, and maxLists bytes of lists and objects at a time. Templates have the same for a message.
//
// A record as a whole has the work of maxRecord such budgets for its rules, in the order of the file, or a thousand
// rules that take a second each would stall its shard for a quarter of an hour. A rule that comes when that is used up
// judges the record only if it costs nothing. There is as much again for what depends on more than the record: the keys
// that rules look up of records that do not match, and the conditions of silences.
//
// The price depends on the text of the rule and the bytes of the record alone, never on time, caches or the index, so
// the daemon, explain, tests of rules, backtests and a replay agree. What costs memory is paid for before it is made: a
// process that asks for too much of it cannot be saved. Version is the version of the prices and limits. From 2 on it
// is part of the rules' fingerprints: other prices judge other records.
const (
	MaxWork  = 100_000_000
	MaxText  = 4 << 20
	MaxLists = 64 << 20

	MaxRecord = 5

	Version = 1
)

// The parts of a budget.
const (
	Work  = "work"
	Text  = "text"
	Lists = "lists"
	// Record is what all rules together may do with one record.
	Record = "record"
)

// Remedy says what a rule exceeds with a record, and what to do.
func Remedy(part string) string {
	return exceeded(part) + ": put a cheaper term in front, such as len(list) < 1000, or make the expression simpler"
}

// MessageRemedy is Remedy for the templates of a message.
func MessageRemedy(part string) string {
	return exceeded(part) + ": leave out loops inside loops and long lists"
}

func exceeded(part string) string {
	switch part {
	case Record:
		return fmt.Sprintf("is too much for one record together with the rules before it, "+
			"which have about %d seconds of work in all", MaxRecord)
	case Work:
		return "costs more than about a second of work with this record"
	case Text:
		return fmt.Sprintf("would make more than %d MiB of text of this record", MaxText>>20)
	}
	return fmt.Sprintf("would make more than %d MiB of lists and objects of this record", MaxLists>>20)
}

// Meter counts what a rule has cost with the record at hand.
type Meter struct {
	Work, Text, Lists int64
	// lent is the work that is missing from the budget because other rules have done it.
	lent int64
	// Over is the part of the budget that is exceeded; empty if none is. From then on nothing more is done.
	Over string
	// Settled says that everything is paid for: what is computed again costs nothing more.
	Settled bool
}

// Spend says whether a rule can still pay.
func (m *Meter) Spend(work, text, lists int64) bool {
	if m.Settled {
		return true
	}
	m.Work, m.Text, m.Lists = m.Work+work, m.Text+text, m.Lists+lists
	if m.Work > MaxWork || m.Text > MaxText || m.Lists > MaxLists {
		m.exceed()
	}
	return m.Over == ""
}

func (m *Meter) exceed() {
	switch {
	case m.Over != "":
	case m.Text > MaxText:
		m.Over = Text
	case m.Lists > MaxLists:
		m.Over = Lists
	case m.Work-m.lent <= MaxWork:
		m.Over = Record
	default:
		m.Over = Work
	}
	// No sum of what is refused can overflow.
	m.Work, m.Text, m.Lists = min(m.Work, MaxWork+1), min(m.Text, MaxText+1), min(m.Lists, MaxLists+1)
}

// PerText is how many bytes of a text are read, compared or copied for a unit of work.
const PerText = 64

// Lend makes the budget of who comes next, as far as the record has that much left.
func (m *Meter) Lend(left int64) {
	m.lent = max(0, MaxWork-left)
	m.Work, m.Text, m.Lists, m.Settled = m.lent, 0, 0, false
	if m.Over != "" {
		m.Over = ""
	}
}

// Spent is what was done out of a budget.
func (m *Meter) Spent() int64 { return m.Work - m.lent }

// Times is a product that does not overflow.
func Times(a, b int64) int64 {
	if a > 0 && b > math.MaxInt32*math.MaxInt16/a {
		return math.MaxInt32 * math.MaxInt16
	}
	return a * b
}

// Box pays for the lists and objects of a JSON text, before it is read. A short one cannot be too much.
func (m *Meter) Box(raw []byte) bool {
	const short = 32 << 10
	size := int64(len(raw))
	if size <= short {
		return m.Spend(2*size, 0, 0)
	}
	return m.Spend(2*size, 0, size+boxedBytes(raw))
}

// boxedBytes is about how much memory the values of a valid JSON text take, texts apart.
func boxedBytes(raw []byte) (n int64) {
	const element, list, object, members = 32, 48, 64, 272
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; i < len(raw) && raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
		case ',':
			n += element
		case '[':
			n += list
		case '{':
			n += object
			if rest := bytes.TrimLeft(raw[i+1:min(len(raw), i+8)], " \t\r\n"); len(rest) == 0 || rest[0] != '}' {
				n += members
			}
		}
	}
	return n
}

// Extent is what there is in a value: elements counts everything in it, text the bytes of its texts, depth how deep it
// goes, and printed is at least what fmt or JSON make of it.
type Extent struct {
	Elements, Text, Depth, Printed, Indent int64
	// sorted is the work of sorting the names of objects, and widest at least what the longest number takes with all
	// its digits.
	sorted, Widest int64
	// most is how many elements are looked at.
	most int64
}

// ExtentOf measures a value of expressions or templates, and pays for that. One part may be in a value many times, so
// it looks at no more than can be paid for.
func (m *Meter) ExtentOf(x any) Extent {
	e := Extent{most: MaxWork - m.Work}
	e.measure(x, 1)
	m.Spend(e.Elements+e.sorted, 0, 0)
	return e
}

// printable is a value that knows at least what fmt makes of it, and the most that a number in it takes with all its
// digits.
type printable interface {
	Printed() (size, widest int64)
}

// maxPrintedNumber is longer than any number but the least and the greatest, and maxPrinted longer than any.
const (
	MaxPrintedNumber = 26
	MaxPrinted       = 340
)

func (e *Extent) measure(x any, depth int64) {
	if e.Elements++; e.Elements > e.most {
		return
	}
	e.Depth = max(e.Depth, depth)
	e.Indent += 2*depth + 3
	switch x := x.(type) {
	case string:
		e.Text += int64(len(x))
		e.Printed += int64(len(x)) + 1
	case printable:
		printed, widest := x.Printed()
		e.Printed, e.Widest = e.Printed+printed, max(e.Widest, widest)
	case []any:
		e.Printed += 3
		for i := 0; i < len(x) && e.Elements <= e.most; i++ {
			e.measure(x[i], depth+1)
		}
	case []string:
		for i := 0; i < len(x) && e.Elements <= e.most; i++ {
			e.measure(x[i], depth+1)
		}
	case []int:
		n := int64(len(x))
		e.Elements, e.Printed, e.Indent = e.Elements+n, e.Printed+n*MaxPrintedNumber, e.Indent+n*(2*depth+5)
	case map[string]any:
		e.Printed += 6
		e.sorted += Sorting(int64(len(x)))
		for name, y := range x {
			e.Text += int64(len(name))
			e.Printed += int64(len(name)) + 2
			e.measure(y, depth+1)
		}
	case map[string]string:
		for name, y := range x {
			e.Printed += int64(len(name)+len(y)) + 4
		}
	case map[any][]any:
		e.Printed += 6
		for name, y := range x {
			e.measure(name, depth+1)
			e.measure(y, depth+1)
		}
	case map[any]any:
		for name, y := range x {
			e.measure(name, depth+1)
			e.measure(y, depth+1)
		}
	default:
		e.Printed += 64
		e.Widest = max(e.Widest, 64)
	}
}

// Sorting is the work of sorting the names of an object.
func Sorting(n int64) int64 {
	return n * int64(bits.Len64(uint64(n))) * 12 //nolint:gosec // a length
}

// Swollen is the length of a text of which the bytes that are special take so many more.
func Swollen(s string, special func(c byte) bool, more int64) int64 {
	n := int64(len(s))
	for i := range len(s) {
		if special(s[i]) {
			n += more
		}
	}
	return n
}

func specialInJSON(c byte) bool {
	return c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c >= utf8.RuneSelf
}

// LengthOf is how many elements a list or an object has.
func LengthOf(x any) int {
	switch x := x.(type) {
	case []any:
		return len(x)
	case []string:
		return len(x)
	case []int:
		return len(x)
	case nil:
		return 0
	}
	if v := reflect.ValueOf(x); v.Kind() == reflect.Slice || v.Kind() == reflect.Map || v.Kind() == reflect.Array {
		return v.Len()
	}
	return 0
}

// Escapes is how much longer the texts of a value are in JSON than as they are.
func Escapes(x any) (n int64) {
	switch x := x.(type) {
	case string:
		return Swollen(x, specialInJSON, 5) - int64(len(x))
	case []any:
		for _, y := range x {
			n += Escapes(y)
		}
	case []string:
		for _, y := range x {
			n += Escapes(y)
		}
	case map[string]any:
		for name, y := range x {
			n += Escapes(name) + Escapes(y)
		}
	}
	return n
}
