package alert

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"unicode/utf8"
)

// What a rule may cost with one record: maxWork units of work, each of about ten nanoseconds, maxText bytes of text that its
// expressions make, and maxLists bytes of lists and objects at a time. Templates have the same for a message.
//
// A record as a whole has the work of maxRecord such budgets for its rules, in the order of the file, or a thousand rules that take a
// second each would stall its shard for a quarter of an hour. Whoever comes when that is used up judges the record only if it costs
// nothing. There is as much again for what depends on more than the record: the keys that rules look up of records that do not match,
// and the conditions of silences.
//
// The price depends on the text of the rule and the bytes of the record alone, never on time, caches or the index, so the
// daemon, explain, tests of rules, backtests and a replay agree. What costs memory is paid for before it is made: a process
// that asks for too much of it cannot be saved. budgetVersion is the version of the prices and limits. From 2 on it is part
// of the rules' fingerprints: other prices judge other records.
const (
	maxWork  = 100_000_000
	maxText  = 4 << 20
	maxLists = 64 << 20

	maxRecord = 5

	budgetVersion = 1
)

// The parts of a budget.
const (
	BudgetWork  = "work"
	BudgetText  = "text"
	BudgetLists = "lists"
	// BudgetRecord is what all rules together may do with one record.
	BudgetRecord = "record"
)

// BudgetRemedy says what a rule exceeds with a record, and what to do.
func BudgetRemedy(part string) string {
	return exceeded(part) + ": put a cheaper term in front, such as len(list) < 1000, or make the expression simpler"
}

// templateRemedy is BudgetRemedy for the templates of a message.
func templateRemedy(part string) string {
	return exceeded(part) + ": leave out loops inside loops and long lists"
}

func exceeded(part string) string {
	switch part {
	case BudgetRecord:
		return fmt.Sprintf("is too much for one record together with the rules before it, which have about %d seconds of work in all", maxRecord)
	case BudgetWork:
		return "costs more than about a second of work with this record"
	case BudgetText:
		return fmt.Sprintf("would make more than %d MiB of text of this record", maxText>>20)
	}
	return fmt.Sprintf("would make more than %d MiB of lists and objects of this record", maxLists>>20)
}

// meter counts what a rule has cost with the record at hand.
type meter struct {
	work, text, lists int64
	// lent is the work that is missing from the budget because other rules have done it.
	lent int64
	// over is the part of the budget that is exceeded; empty if none is. From then on nothing more is done.
	over string
	// settled says that everything is paid for: what is computed again costs nothing more.
	settled bool
}

// spend says whether a rule can still pay.
func (m *meter) spend(work, text, lists int64) bool {
	if m.settled {
		return true
	}
	m.work, m.text, m.lists = m.work+work, m.text+text, m.lists+lists
	if m.work > maxWork || m.text > maxText || m.lists > maxLists {
		m.exceed()
	}
	return m.over == ""
}

func (m *meter) exceed() {
	switch {
	case m.over != "":
	case m.text > maxText:
		m.over = BudgetText
	case m.lists > maxLists:
		m.over = BudgetLists
	case m.work-m.lent <= maxWork:
		m.over = BudgetRecord
	default:
		m.over = BudgetWork
	}
	// No sum of what is refused can overflow.
	m.work, m.text, m.lists = min(m.work, maxWork+1), min(m.text, maxText+1), min(m.lists, maxLists+1)
}

// perText is how many bytes of a text are read, compared or copied for a unit of work.
const perText = 64

// lend makes the budget of who comes next, as far as the record has that much left.
func (m *meter) lend(left int64) {
	m.lent = max(0, maxWork-left)
	m.work, m.text, m.lists, m.settled = m.lent, 0, 0, false
	if m.over != "" {
		m.over = ""
	}
}

// spent is what was done out of a budget.
func (m *meter) spent() int64 { return m.work - m.lent }

// times is a product that does not overflow.
func times(a, b int64) int64 {
	if a > 0 && b > math.MaxInt32*math.MaxInt16/a {
		return math.MaxInt32 * math.MaxInt16
	}
	return a * b
}

// box pays for the lists and objects of a JSON text, before it is read. A short one cannot be too much.
func (m *meter) box(raw []byte) bool {
	const short = 32 << 10
	size := int64(len(raw))
	if size <= short {
		return m.spend(2*size, 0, 0)
	}
	return m.spend(2*size, 0, size+boxedBytes(raw))
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

// extent is what there is in a value: elements counts everything in it, text the bytes of its texts, depth how deep it goes,
// and printed is at least what fmt or JSON make of it.
type extent struct {
	elements, text, depth, printed, indent int64
	// sorted is the work of sorting the names of objects, and widest at least what the longest number takes with all its digits.
	sorted, widest int64
	// most is how many elements are looked at.
	most int64
}

// extentOf measures a value of expressions or templates, and pays for that. One part may be in a value many times, so it looks at
// no more than can be paid for.
func (m *meter) extentOf(x any) extent {
	e := extent{most: maxWork - m.work}
	e.measure(x, 1)
	m.spend(e.elements+e.sorted, 0, 0)
	return e
}

// printable is a value that knows at least what fmt makes of it, and the most that a number in it takes with all its digits.
type printable interface {
	Printed() (size, widest int64)
}

// maxPrintedNumber is longer than any number but the least and the greatest, and maxPrinted longer than any.
const (
	maxPrintedNumber = 26
	maxPrinted       = 340
)

func (e *extent) measure(x any, depth int64) {
	if e.elements++; e.elements > e.most {
		return
	}
	e.depth = max(e.depth, depth)
	e.indent += 2*depth + 3
	switch x := x.(type) {
	case string:
		e.text += int64(len(x))
		e.printed += int64(len(x)) + 1
	case printable:
		printed, widest := x.Printed()
		e.printed, e.widest = e.printed+printed, max(e.widest, widest)
	case []any:
		e.printed += 3
		for i := 0; i < len(x) && e.elements <= e.most; i++ {
			e.measure(x[i], depth+1)
		}
	case []string:
		for i := 0; i < len(x) && e.elements <= e.most; i++ {
			e.measure(x[i], depth+1)
		}
	case []int:
		n := int64(len(x))
		e.elements, e.printed, e.indent = e.elements+n, e.printed+n*maxPrintedNumber, e.indent+n*(2*depth+5)
	case map[string]any:
		e.printed += 6
		e.sorted += sorting(int64(len(x)))
		for name, y := range x {
			e.text += int64(len(name))
			e.printed += int64(len(name)) + 2
			e.measure(y, depth+1)
		}
	case map[string]string:
		for name, y := range x {
			e.printed += int64(len(name)+len(y)) + 4
		}
	case map[any][]any:
		e.printed += 6
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
		e.printed += 64
		e.widest = max(e.widest, 64)
	}
}

// sorting is the work of sorting the names of an object.
func sorting(n int64) int64 {
	return n * int64(bits.Len64(uint64(n))) * 12 //nolint:gosec // a length
}

// swollen is the length of a text of which the bytes that are special take so many more.
func swollen(s string, special func(c byte) bool, more int64) int64 {
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

// lengthOf is how many elements a list or an object has.
func lengthOf(x any) int {
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

// escapes is how much longer the texts of a value are in JSON than as they are.
func escapes(x any) (n int64) {
	switch x := x.(type) {
	case string:
		return swollen(x, specialInJSON, 5) - int64(len(x))
	case []any:
		for _, y := range x {
			n += escapes(y)
		}
	case []string:
		for _, y := range x {
			n += escapes(y)
		}
	case map[string]any:
		for name, y := range x {
			n += escapes(name) + escapes(y)
		}
	}
	return n
}
