package fakeaws

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxDepth is how deeply lists and maps may nest.
const maxDepth = 32

// attr is one attribute value. Values are never changed in place: a write makes new containers along its path, so an
// answer can be encoded after the lock was released.
type attr interface {
	// code is the type's name on the wire.
	code() string
	// size is what the value counts towards the item size, in bytes.
	size() int
	// appendJSON appends the value with its type tag.
	appendJSON(b []byte) []byte
	// plain is the value as plain Go: see DynamoDB.Item.
	plain() any
}

type (
	attrString    string
	attrBinary    []byte
	attrBool      bool
	attrNull      struct{}
	attrList      []attr
	attrMap       map[string]attr
	attrStringSet []string
	attrNumberSet []attrNumber
	attrBinarySet [][]byte
)

func (attrString) code() string    { return "S" }
func (attrNumber) code() string    { return "N" }
func (attrBinary) code() string    { return "B" }
func (attrBool) code() string      { return "BOOL" }
func (attrNull) code() string      { return "NULL" }
func (attrList) code() string      { return "L" }
func (attrMap) code() string       { return "M" }
func (attrStringSet) code() string { return "SS" }
func (attrNumberSet) code() string { return "NS" }
func (attrBinarySet) code() string { return "BS" }

// Sizes follow "DynamoDB item sizes and formats" of the developer guide.

func (v attrString) size() int { return len(v) }
func (v attrBinary) size() int { return len(v) }
func (attrBool) size() int     { return 1 }
func (attrNull) size() int     { return 1 }

func (v attrNumber) size() int {
	n := 1 + (len(v.digits)+1)/2
	if v.neg {
		n++
	}
	return n
}

func (v attrList) size() int {
	n := 3
	for _, e := range v {
		n += 1 + e.size()
	}
	return n
}

func (v attrMap) size() int { return 3 + len(v) + itemSize(v) }

func (v attrStringSet) size() (n int) {
	for _, e := range v {
		n += len(e)
	}
	return n
}

func (v attrNumberSet) size() (n int) {
	for _, e := range v {
		n += e.size()
	}
	return n
}

func (v attrBinarySet) size() (n int) {
	for _, e := range v {
		n += len(e)
	}
	return n
}

// itemSize is the size of a whole item: names and values, without the overhead of a nested map.
func itemSize(item attrMap) (n int) {
	for name, v := range item {
		n += len(name) + v.size()
	}
	return n
}

func (v attrString) plain() any    { return string(v) }
func (v attrBinary) plain() any    { return bytes.Clone(v) }
func (v attrBool) plain() any      { return bool(v) }
func (attrNull) plain() any        { return nil }
func (v attrStringSet) plain() any { return slices.Clone([]string(v)) }

func (v attrNumber) plain() any {
	s := v.String()
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	return json.Number(s)
}

func (v attrList) plain() any {
	out := make([]any, len(v))
	for i, e := range v {
		out[i] = e.plain()
	}
	return out
}

func (v attrMap) plain() any { return plainItem(v) }

func (v attrNumberSet) plain() any {
	out := make([]any, len(v))
	for i, e := range v {
		out[i] = e.plain()
	}
	return out
}

func (v attrBinarySet) plain() any {
	out := make([][]byte, len(v))
	for i, e := range v {
		out[i] = bytes.Clone(e)
	}
	return out
}

// plainItem converts an item; nil stays nil.
func plainItem(item attrMap) map[string]any {
	if item == nil {
		return nil
	}
	out := make(map[string]any, len(item))
	for name, v := range item {
		out[name] = v.plain()
	}
	return out
}

// MarshalJSON encodes an item: attribute values by name.
func (v attrMap) MarshalJSON() ([]byte, error) { return v.appendItem(nil), nil }

func (v attrMap) appendItem(b []byte) []byte {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(v)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSONString(b, name), ':')
		b = v[name].appendJSON(b)
	}
	return append(b, '}')
}

func (v attrString) appendJSON(b []byte) []byte {
	return append(appendJSONString(append(b, `{"S":`...), string(v)), '}')
}

func (v attrNumber) appendJSON(b []byte) []byte {
	return append(append(append(b, `{"N":"`...), v.String()...), `"}`...)
}

func (v attrBinary) appendJSON(b []byte) []byte {
	return append(appendBase64(append(b, `{"B":`...), v), '}')
}

func (v attrBool) appendJSON(b []byte) []byte {
	return append(strconv.AppendBool(append(b, `{"BOOL":`...), bool(v)), '}')
}

func (attrNull) appendJSON(b []byte) []byte { return append(b, `{"NULL":true}`...) }

func (v attrList) appendJSON(b []byte) []byte {
	return appendSet(b, v.code(), v, func(b []byte, e attr) []byte { return e.appendJSON(b) })
}

func (v attrMap) appendJSON(b []byte) []byte {
	return append(v.appendItem(append(b, `{"M":`...)), '}')
}

func (v attrStringSet) appendJSON(b []byte) []byte {
	return appendSet(b, v.code(), v, appendJSONString)
}

func (v attrNumberSet) appendJSON(b []byte) []byte {
	return appendSet(b, v.code(), v, func(b []byte, e attrNumber) []byte { return appendJSONString(b, e.String()) })
}

func (v attrBinarySet) appendJSON(b []byte) []byte {
	return appendSet(b, v.code(), v, appendBase64)
}

func appendSet[E any](b []byte, code string, set []E, element func([]byte, E) []byte) []byte {
	b = append(append(append(b, `{"`...), code...), `":[`...)
	for i, e := range set {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(b, e)
	}
	return append(b, `]}`...)
}

func appendJSONString(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always encodes
		return append(b, `""`...)
	}
	return append(b, quoted...)
}

func appendBase64(b, v []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(b, '"'), v), '"')
}

// wireAttr is an attribute value as it arrives: exactly one member has to be set.
type wireAttr struct {
	S    *string
	N    *string
	B    *[]byte
	BOOL *bool
	NULL *bool
	L    *[]wireAttr
	M    *wireItem
	SS   *[]string
	NS   *[]string
	BS   *[][]byte
}

type wireItem map[string]wireAttr

// item checks and converts a whole item, or a key.
func (w wireItem) item() (attrMap, error) {
	if w == nil {
		return nil, nil
	}
	return w.at(0)
}

func (w wireItem) at(depth int) (attrMap, error) {
	out := make(attrMap, len(w))
	for name, wire := range w {
		v, err := wire.at(depth)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

func (w *wireAttr) attr() (attr, error) { return w.at(0) }

// at converts a value that lies depth containers deep.
func (w *wireAttr) at(depth int) (attr, error) {
	if depth > maxDepth {
		return nil, validation(
			"Nesting Levels have exceeded supported limits: Attributes have exceeded the maximum nesting level of %d",
			maxDepth,
		)
	}
	set := 0
	for _, present := range []bool{
		w.S != nil, w.N != nil, w.B != nil, w.BOOL != nil, w.NULL != nil,
		w.L != nil, w.M != nil, w.SS != nil, w.NS != nil, w.BS != nil,
	} {
		if present {
			set++
		}
	}
	switch {
	case set == 0:
		return nil, validation("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case set > 1:
		return nil, validation(
			"Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported " +
				"datatypes",
		)
	case w.S != nil:
		return attrString(*w.S), nil
	case w.N != nil:
		return numberAttr(*w.N)
	case w.B != nil:
		return attrBinary(*w.B), nil
	case w.BOOL != nil:
		return attrBool(*w.BOOL), nil
	case w.NULL != nil:
		if !*w.NULL {
			return nil, validation(
				"One or more parameter values were invalid: Null attribute value types must have the value of true",
			)
		}
		return attrNull{}, nil
	case w.L != nil:
		return listAttr(*w.L, depth)
	case w.M != nil:
		m, err := w.M.at(depth + 1)
		if err != nil {
			return nil, err
		}
		return m, nil
	}
	return w.set()
}

func numberAttr(s string) (attr, error) {
	n, err := parseNumber(s)
	if err != nil {
		return nil, err
	}
	return n, nil
}

func listAttr(wire []wireAttr, depth int) (attr, error) {
	out := make(attrList, len(wire))
	for i := range wire {
		v, err := wire[i].at(depth + 1)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// set converts the three set types: never empty, no element twice.
func (w *wireAttr) set() (attr, error) {
	switch {
	case w.SS != nil:
		set := slices.Sorted(slices.Values(*w.SS))
		if err := checkSet(
			"string", *w.SS, len(slices.Compact(slices.Clone(set))), func(e string) bool { return e == "" },
		); err != nil {
			return nil, err
		}
		return attrStringSet(set), nil
	case w.NS != nil:
		set := make(attrNumberSet, 0, len(*w.NS))
		for _, s := range *w.NS {
			n, err := parseNumber(s)
			if err != nil {
				return nil, err
			}
			set = append(set, n)
		}
		slices.SortFunc(set, attrNumber.compare)
		if err := checkSet(
			"number", *w.NS, len(slices.Compact(slices.Clone(set))), func(e string) bool { return e == "" },
		); err != nil {
			return nil, err
		}
		return set, nil
	}
	set := slices.SortedFunc(slices.Values(*w.BS), bytes.Compare)
	if err := checkSet(
		"binary", *w.BS, len(slices.CompactFunc(slices.Clone(set), bytes.Equal)),
		func(e []byte) bool { return len(e) == 0 },
	); err != nil {
		return nil, err
	}
	return attrBinarySet(set), nil
}

func checkSet[E any](kind string, set []E, distinct int, empty func(E) bool) error {
	switch {
	case len(set) == 0:
		return validation("One or more parameter values were invalid: An %s set  may not be empty", kind)
	case slices.ContainsFunc(set, empty):
		return validation(
			"One or more parameter values were invalid: An %s set may not have a empty %s as a member", kind, kind,
		)
	case distinct != len(set):
		return validation("One or more parameter values were invalid: Input collection %v contains duplicates.", set)
	}
	return nil
}

// attrEqual is deep equality; values of different types are never equal, lists compare in order, sets without.
func attrEqual(a, b attr) bool {
	switch a := a.(type) {
	case attrBinary:
		b, ok := b.(attrBinary)
		return ok && bytes.Equal(a, b)
	case attrList:
		b, ok := b.(attrList)
		return ok && slices.EqualFunc(a, b, attrEqual)
	case attrMap:
		b, ok := b.(attrMap)
		return ok && maps.EqualFunc(a, b, attrEqual)
	case attrStringSet:
		b, ok := b.(attrStringSet)
		return ok && slices.Equal(a, b)
	case attrNumberSet:
		b, ok := b.(attrNumberSet)
		return ok && slices.Equal(a, b)
	case attrBinarySet:
		b, ok := b.(attrBinarySet)
		return ok && slices.EqualFunc(a, b, bytes.Equal)
	}
	switch b.(type) {
	case attrString, attrNumber, attrBool, attrNull:
		return a == b
	}
	return false
}

// attrCompare orders two values of one ordered type (S, N, B); ok is false for anything else.
func attrCompare(a, b attr) (order int, ok bool) {
	switch a := a.(type) {
	case attrString:
		b, ok := b.(attrString)
		return strings.Compare(string(a), string(b)), ok
	case attrNumber:
		b, ok := b.(attrNumber)
		return a.compare(b), ok
	case attrBinary:
		b, ok := b.(attrBinary)
		return bytes.Compare(a, b), ok
	}
	return 0, false
}
