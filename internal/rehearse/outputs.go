package rehearse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"kinesis-alerter/alert"
)

// PlayedOutput is one record that was written to an output stream, as it is compared and shown.
type PlayedOutput struct {
	At     offset `json:"at"`
	Output string `json:"output"`
	Key    string `json:"key"`
	Data   string `json:"data"`
	// Unwritable is why it could never be written, in words.
	Unwritable string `json:"unwritable,omitempty"`
}

// write takes up what is written to output streams.
func (p *player) write(outputs []alert.Output) {
	for i := range outputs {
		o := &outputs[i]
		got := PlayedOutput{At: offset(p.now), Output: o.Name, Key: o.Key, Data: string(o.Data)}
		if o.Reason != "" {
			got.Unwritable = o.Detail
			p.out.Notes = append(p.out.Notes, fmt.Sprintf("what is for output %s at %s cannot be written: %s", o.Name,
				got.At, o.Detail))
		}
		p.out.Outputs = append(p.out.Outputs, got)
		p.out.written[o.Name]++
	}
}

// String is the output record in a line.
func (o PlayedOutput) String() string {
	return fmt.Sprintf("%s to %s, key %q", o.At, o.Output, o.Key)
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
