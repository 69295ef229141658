package filter_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"kinesis-alerter/alert/filter"
)

// reference says what a record means to patterns that Compile accepts, in the plainest way: it makes every combination
// of $or, every leaf of the record and every choice of leaves, one by one.
func reference(patterns []string, payload []byte, partitionKey string) filter.Result {
	if len(patterns) == 0 {
		return filter.Matched
	}
	var root any
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	valid := json.Valid(payload) && utf8.Valid(payload) && !loneSurrogate(payload) && dec.Decode(&root) == nil
	leaves := map[string][]refLeaf{"partitionKey": {{value: partitionKey}}}
	if valid {
		arrays := 0
		flatten(root, "data", map[int]int{}, &arrays, leaves)
	}
	readsData := false
	for _, text := range patterns {
		for _, clause := range refClauses(text) {
			paths := slices.Sorted(maps.Keys(clause))
			reads := slices.ContainsFunc(paths, func(p string) bool { return p != "partitionKey" })
			readsData = readsData || reads
			if (valid || !reads) && refHolds(paths, clause, leaves, map[int]int{}) {
				return filter.Matched
			}
		}
	}
	if readsData && !valid {
		return filter.NotJSON
	}
	return filter.NotMatched
}

// refLeaf is a value with the index of each array element around it, by array.
type refLeaf struct {
	value  any
	member map[int]int
}

func flatten(v any, path string, member map[int]int, arrays *int, out map[string][]refLeaf) {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			flatten(x, path+"."+name, member, arrays, out)
		}
	case []any:
		array := *arrays
		*arrays++
		for i, x := range v {
			switch x.(type) {
			case map[string]any, []any:
				inner := maps.Clone(member)
				inner[array] = i
				flatten(x, path, inner, arrays, out)
			default:
				flatten(x, path, member, arrays, out)
			}
		}
	default:
		out[path] = append(out[path], refLeaf{value: v, member: member})
	}
}

func agree(a, b map[int]int) bool {
	for array, i := range a {
		if j, ok := b[array]; ok && i != j {
			return false
		}
	}
	return true
}

func refHolds(paths []string, clause map[string][]any, leaves map[string][]refLeaf, chosen map[int]int) bool {
	if len(paths) == 0 {
		return true
	}
	path := paths[0]
	absent := true
	for _, l := range leaves[path] {
		if !agree(chosen, l.member) {
			continue
		}
		absent = false
		if slices.ContainsFunc(clause[path], func(alternative any) bool { return refMatches(alternative, l.value) }) {
			more := maps.Clone(chosen)
			maps.Copy(more, l.member)
			if refHolds(paths[1:], clause, leaves, more) {
				return true
			}
		}
	}
	wantsAbsent := slices.ContainsFunc(clause[path], func(alternative any) bool {
		m, ok := alternative.(map[string]any)
		return ok && m["exists"] == false
	})
	return absent && wantsAbsent && refHolds(paths[1:], clause, leaves, chosen)
}

// refClauses are the combinations of a pattern: the alternatives of each path.
func refClauses(text string) []map[string][]any {
	var wrapped map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &wrapped) == nil && wrapped["Pattern"] != nil {
		text = string(wrapped["Pattern"])
	}
	var inString string
	if json.Unmarshal([]byte(text), &inString) == nil {
		text = inString
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	_, _ = dec.Token()
	return refObject(dec, "", []map[string][]any{{}})
}

func refObject(dec *json.Decoder, path string, clauses []map[string][]any) []map[string][]any {
	for dec.More() {
		token, _ := dec.Token()
		name, _ := token.(string)
		if name == "$or" {
			_, _ = dec.Token()
			var forks []map[string][]any
			for dec.More() {
				_, _ = dec.Token()
				var fork []map[string][]any
				for _, c := range clauses {
					fork = append(fork, maps.Clone(c))
				}
				forks = append(forks, refObject(dec, path, fork)...)
			}
			_, _ = dec.Token()
			clauses = forks
			continue
		}
		inner := name
		if path != "" {
			inner = path + "." + name
		}
		if token, _ = dec.Token(); token == json.Delim('{') {
			clauses = refObject(dec, inner, clauses)
			continue
		}
		var alternatives []any
		for dec.More() {
			var x any
			_ = dec.Decode(&x)
			alternatives = append(alternatives, x)
		}
		_, _ = dec.Token()
		for _, c := range clauses {
			c[inner] = alternatives
		}
	}
	_, _ = dec.Token()
	return clauses
}

func refMatches(alternative, value any) bool {
	text, isText := value.(string)
	switch a := alternative.(type) {
	case string:
		if x, ok := refAddress(a); ok && isText {
			y, ok := refAddress(text)
			return ok && x == y
		}
		return isText && text == a
	case json.Number:
		n, ok := value.(json.Number)
		return ok && rat(n).Cmp(rat(a)) == 0
	case map[string]any:
		for name, x := range a {
			return refOperator(name, x, value)
		}
	}
	return alternative == value
}

func refOperator(name string, x, value any) bool {
	text, isText := value.(string)
	switch name {
	case "exists":
		return x == true
	case "exactly":
		return isText && text == x
	case "anything-but":
		if m, ok := x.(map[string]any); ok {
			for name, x := range m {
				return !slices.ContainsFunc(list(x), func(x any) bool { return refOperator(name, x, value) })
			}
		}
		return !slices.ContainsFunc(list(x), func(x any) bool {
			if n, ok := x.(json.Number); ok {
				return refMatches(n, value)
			}
			return x == value
		})
	case "numeric":
		n, ok := value.(json.Number)
		if !ok {
			return false
		}
		bounds, _ := x.([]any)
		for i := 0; i < len(bounds); i += 2 {
			bound, _ := bounds[i+1].(json.Number)
			c := rat(n).Cmp(rat(bound))
			if !map[any]bool{"=": c == 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[bounds[i]] {
				return false
			}
		}
		return true
	}
	if !isText {
		return false
	}
	if m, ok := x.(map[string]any); ok {
		return refFold(name, m["equals-ignore-case"].(string), text)
	}
	want, _ := x.(string)
	switch name {
	case "prefix":
		return strings.HasPrefix(text, want)
	case "suffix":
		return strings.HasSuffix(text, want)
	case "equals-ignore-case":
		return refFold("equal", want, text)
	case "cidr":
		block, bits, _ := strings.Cut(want, "/")
		n, _ := strconv.Atoi(bits)
		base, _ := refAddress(block)
		address, ok := refAddress(text)
		return ok && netip.PrefixFrom(base, n).Masked().Contains(address)
	case "wildcard":
		expression := "(?s)^"
		for i := 0; i < len(want); i++ {
			switch want[i] {
			case '*':
				expression += ".*"
			case '\\':
				i++
				expression += regexp.QuoteMeta(want[i : i+1])
			default:
				_, size := utf8.DecodeRuneInString(want[i:])
				expression += regexp.QuoteMeta(want[i : i+size])
				i += size - 1
			}
		}
		return regexp.MustCompile(expression + "$").MatchString(text)
	}
	return false
}

func list(x any) []any {
	if l, ok := x.([]any); ok {
		return l
	}
	return []any{x}
}

func refFold(where, want, text string) bool {
	w, t := []rune(want), []rune(text)
	if len(t) < len(w) || where == "equal" && len(t) != len(w) {
		return false
	}
	if where == "suffix" {
		t = t[len(t)-len(w):]
	}
	for i, r := range w {
		if t[i] != r && t[i] != unicode.ToLower(r) && t[i] != unicode.ToUpper(r) {
			return false
		}
	}
	return true
}

func rat(n json.Number) *big.Rat {
	r, _ := new(big.Rat).SetString(string(n))
	return r
}

// refAddress is netip's reading but for zones, dots in version 6 and leading zeros in version 4.
func refAddress(text string) (netip.Addr, bool) {
	if len(text) > 39 || strings.ContainsRune(text, '%') {
		return netip.Addr{}, false
	}
	if strings.ContainsRune(text, ':') {
		if strings.ContainsRune(text, '.') {
			return netip.Addr{}, false
		}
	} else {
		steps := strings.Split(text, ".")
		for i, s := range steps {
			if s != "" {
				steps[i] = strings.TrimLeft(s[:len(s)-1], "0") + s[len(s)-1:]
			}
		}
		text = strings.Join(steps, ".")
	}
	address, err := netip.ParseAddr(text)
	return address.Unmap(), err == nil
}

// loneSurrogate reports whether valid JSON has an escaped surrogate without its other half.
func loneSurrogate(payload []byte) bool {
	for i := 0; i < len(payload); i++ {
		if payload[i] != '\\' {
			continue
		}
		unit := func(at int) rune {
			if at+6 > len(payload) || payload[at] != '\\' || payload[at+1] != 'u' {
				return 0
			}
			x, _ := strconv.ParseUint(string(payload[at+2:at+6]), 16, 16)
			return rune(x)
		}
		switch x := unit(i); {
		case 0xd800 <= x && x < 0xdc00:
			if y := unit(i + 6); y < 0xdc00 || y > 0xdfff {
				return true
			}
			i += 11
		case 0xdc00 <= x && x <= 0xdfff:
			return true
		default:
			i++
		}
	}
	return false
}
