package rehearse

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
)

// PlayedOutput is one record that was written to an output stream, as it is compared and shown.
type PlayedOutput struct {
	At     offset `json:"at"`
	Output string `json:"output"`
	Key    string `json:"key"`
	Data   string `json:"data"`
}

// write takes up what is written to output streams, and notes what can never be.
func (p *player) write(outputs []alert.Output) {
	for i := range outputs {
		o := &outputs[i]
		if o.Reason != "" {
			p.out.Notes = append(p.out.Notes, fmt.Sprintf("a record for output %s at %s can never be written: %s",
				o.Name, offset(p.now), o.Detail))
			continue
		}
		p.out.Outputs = append(p.out.Outputs, PlayedOutput{
			At: offset(p.now), Output: o.Name, Key: o.Key, Data: string(o.Data),
		})
		p.out.written[o.Name]++
	}
}

// String is the output record in a line.
func (o PlayedOutput) String() string {
	return fmt.Sprintf("%s to %s, key %q: %s", o.At, o.Output, o.Key, abridged(o.Data))
}

// expectedOutput is one record for an output stream. What is left out is not compared.
type expectedOutput struct {
	Output *string `yaml:"output"`
	Key    *string `yaml:"key"`
	// Data are members that it must have, in any order; or, as a text, all of it, byte by byte.
	Data casePayload `yaml:"data"`
}

func (x expectedOutput) against(got PlayedOutput) []Difference {
	var d fieldDiff
	d.text("output", x.Output, got.Output)
	d.text("key", x.Key, got.Key)
	if x.Data.given {
		d.json("data", x.Data.bytes, []byte(got.Data))
	}
	return d
}

// json compares the members of an object that are expected; what is no object is compared byte by byte.
func (d *fieldDiff) json(field string, want, got []byte) {
	var wanted, has map[string]json.RawMessage
	if json.Unmarshal(want, &wanted) != nil || wanted == nil || json.Unmarshal(got, &has) != nil {
		d.text(field, new(string(want)), string(got))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		w, g := wanted[name], has[name]
		switch {
		case g == nil:
			*d = append(*d, Difference{Field: field + "." + name, Want: string(w), Got: "there is none"})
		case !sameJSON(readJSON(w), readJSON(g)):
			*d = append(*d, Difference{Field: field + "." + name, Want: string(w), Got: string(g)})
		}
	}
}

// readJSON reads a value, which is valid, with exact numbers.
func readJSON(text []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_ = d.Decode(&v)
	return v
}

// sameJSON compares values: numbers by what they are worth, objects whatever the order of their members.
func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok || a == b {
			return ok
		}
		const most = 400 // digits and exponents that a float64 has no use for
		x, xOK := new(big.Rat).SetString(string(a))
		y, yOK := new(big.Rat).SetString(string(b))
		return len(a) < most && len(b) < most && xOK && yOK && x.Cmp(y) == 0
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameJSON)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, sameJSON)
	}
	return a == b
}

// String is what is expected, in a line.
func (x expectedOutput) String() string {
	var parts []string
	if x.Output != nil {
		parts = append(parts, "to "+*x.Output)
	}
	if x.Key != nil {
		parts = append(parts, "key "+strconv.Quote(*x.Key))
	}
	if x.Data.given {
		parts = append(parts, string(x.Data.bytes))
	}
	if len(parts) == 0 {
		return "any record"
	}
	return strings.Join(parts, ", ")
}

// SampledOutput is what a sample shows of an output. Its names in JSON are stable.
type SampledOutput struct {
	Output  string `json:"output"`
	Written int    `json:"written"`
	// First is the first record that is written; nil for none.
	First *alert.OutputText `json:"first,omitempty"`

	seen       int
	first      map[string]int // records by the term that kept them from being written
	unwritable map[string]int // and those that never can be, by why
}

func (s *SampledOutput) add(x *alert.OutputExplanation) {
	s.seen++
	switch o := x.Writes; {
	case o == nil:
		s.first[cmp.Or(x.First, x.OverBudget, x.Cause)]++
	case o.Unwritable != "":
		s.unwritable[cmp.Or(o.Detail, string(o.Unwritable))]++
	default:
		if s.Written++; s.First == nil {
			s.First = o
		}
	}
}

func (s *SampledOutput) warn(faulty bool, warn func(string, ...any)) {
	for _, why := range slices.Sorted(maps.Keys(s.unwritable)) {
		warn("outputs.%s: %s of the sample can never be written: %s", s.Output,
			config.Plural(s.unwritable[why], "record"), why)
	}
	if s.seen > 0 && s.Written == 0 && len(s.unwritable) == 0 && !faulty {
		warn("outputs.%s: no record of the sample is written; most often %s", s.Output, mostOften(s.first))
	}
}
