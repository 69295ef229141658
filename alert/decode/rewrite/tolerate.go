package rewrite

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/decode/scan"
)

// Tolerances are the departures from strict JSON that are accepted.
type Tolerances struct{ NonFinite, DuplicateNames bool }

// Append appends src as strict JSON. What cannot be read all the same is appended as it is. Several values one behind
// the other are all read.
func (t Tolerances) Append(dst, src []byte) []byte {
	start := len(dst)
	if t.NonFinite {
		dst = finite(dst, src)
		src = dst[start:]
	}
	if !t.DuplicateNames {
		if !t.NonFinite {
			dst = append(dst, src...)
		}
		return dst
	}
	cuts := earlier(src)
	if t.NonFinite { // src is in dst already, and gets shorter where it is
		return cut(dst[:start], src, cuts)
	}
	return cut(dst, src, cuts)
}

// finite appends src with null for numbers that JSON cannot express, as Python and JavaScript write them. Texts stay as
// they are.
func finite(dst, src []byte) []byte {
	done := 0
	for i := 0; i < len(src); i++ {
		var word string
		switch src[i] {
		case '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
			continue
		case 'N':
			word = "NaN"
		case 'I':
			word = "Infinity"
		case '-':
			word = "-Infinity"
		default:
			continue
		}
		end := i + len(word)
		if !bytes.HasPrefix(src[i:], []byte(word)) || i > 0 && !delimits(src[i-1]) || end < len(src) &&
			!delimits(src[end]) {
			continue
		}
		dst = append(append(dst, src[done:i]...), "null"...)
		done, i = end, end-1
	}
	return append(dst, src[done:]...)
}

// delimits reports whether a byte may stand beside a number.
func delimits(c byte) bool { return bytes.IndexByte([]byte(" \t\r\n,:[]{}\x1e"), c) >= 0 }

// span is src[from:to].
type span struct{ from, to int }

// cut appends src without the spans, of which one may be inside of another. dst may end where src begins.
func cut(dst, src []byte, spans []span) []byte {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	done := 0
	for _, s := range spans {
		if s.from >= done {
			dst = append(dst, src[done:s.from]...)
		}
		done = max(done, s.to)
	}
	return append(dst, src[done:]...)
}

const (
	// maxNames is how many names of open objects are compared with each other; where there are more, names twice stay.
	// It bounds the memory.
	maxNames = 100_000
	// maxCuts is how many members may be cut out of one text.
	maxCuts = 500_000
	// fewNames is how many names are compared without an index.
	fewNames = 24
)

// earlier finds the members whose name comes again in their object. It finds none in what is no JSON.
func earlier(src []byte) []span {
	c := comparer{src: src}
	for i := scan.Space(src, 0); i < len(src); i = between(src, i) {
		end, defect := scan.Walk(src, i, &c)
		if defect != "" || c.gaveUp {
			return nil
		}
		i = end
	}
	return c.cuts
}

// between passes what may stand between values.
func between(src []byte, i int) int {
	if i = scan.Space(src, i); i < len(src) && src[i] == 0x1E {
		i = scan.Space(src, i+1)
	}
	return i
}

// comparer visits objects.
type comparer struct {
	src     []byte
	objects []object
	names   []member // of the objects that are open, the innermost last
	cuts    []span
	gaveUp  bool
}

type object struct {
	first int            // the first of its names
	index map[string]int // of its names, if there are many
}

// member is the name of a member, and where it begins.
type member struct {
	name []byte
	at   int
}

func (c *comparer) Open(bool) { c.objects = append(c.objects, object{first: len(c.names)}) }

func (c *comparer) Close() {
	last := len(c.objects) - 1
	c.names = c.names[:c.objects[last].first]
	c.objects[last] = object{}
	c.objects = c.objects[:last]
}

func (c *comparer) Name(start, end int) {
	name := c.src[start+1 : end-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		var err error
		if name, err = jsontext.AppendUnquote(nil, c.src[start:end]); err != nil {
			c.gaveUp = true
		}
	}
	if len(c.names) >= maxNames || len(c.cuts) >= maxCuts {
		c.gaveUp = true
	}
	if c.gaveUp {
		return
	}
	o := &c.objects[len(c.objects)-1]
	before := c.find(o, name)
	c.names = append(c.names, member{name, start})
	if o.index != nil {
		o.index[string(name)] = len(c.names) - 1
	}
	if before < 0 {
		return
	}
	// The earlier one ends where the one behind it begins.
	s := span{c.names[before].at, c.names[before+1].at}
	if last := len(c.cuts) - 1; last >= 0 && c.cuts[last].to == s.from {
		c.cuts[last].to = s.to
		return
	}
	c.cuts = append(c.cuts, s)
}

// find is the place of the last member of that name; -1 is none.
func (c *comparer) find(o *object, name []byte) int {
	if o.index == nil && len(c.names)-o.first <= fewNames {
		for i := len(c.names) - 1; i >= o.first; i-- {
			if bytes.Equal(c.names[i].name, name) {
				return i
			}
		}
		return -1
	}
	if o.index == nil {
		o.index = map[string]int{}
		for i := o.first; i < len(c.names); i++ {
			o.index[string(c.names[i].name)] = i
		}
	}
	if i, ok := o.index[string(name)]; ok {
		return i
	}
	return -1
}
