package decode

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kinesis-alerter/alert/decode/columns"
	"kinesis-alerter/alert/decode/envelope"
	"kinesis-alerter/alert/decode/rewrite"
	"kinesis-alerter/alert/decode/unpack"
	"kinesis-alerter/alert/payload"
)

// maxSteps is how many steps an input may have.
const maxSteps = 8

// splitters are the ways to split that are no paths.
const (
	splitLines        = "lines"
	splitConcatenated = "concatenated"
	splitArray        = "array"
)

// encodedJSON is the encoding of JSON that was encoded twice.
const encodedJSON = "json_string"

// Plan is a compiled Input. It is immutable and safe for concurrent use. A nil Plan, and that of an empty Input, takes
// records as they are.
type Plan struct {
	// first are the steps up to the last one that unpacks or splits: they are done for the whole of a Kinesis record
	// before its first piece is seen. then are the others, which make one record of one piece.
	first, then []step
	// splits says that places count pieces, rather than the records of an aggregate.
	splits bool
	text   bool
	// lastOfName says that names may occur twice.
	lastOfName bool
	hash       string
	limits     Limits
	budget     *Budget        // of All
	events     *payload.Names // of CloudWatch Logs
}

// step is a compiled Step.
type step struct {
	decompress unpack.Kind
	encoding   *unpack.Encoding
	jsonString bool
	split      string
	path       []string
	separator  string          // of the columns, where lines are split outside the quotes of CSV
	header     *columns.Config // the first line of what is split names the columns
	bare       bool            // what is no JSON needs no envelope, or no member: it is the text itself
	unwrap     string
	columns    *columns.Config
	nested     *rewrite.Paths
	tolerate   *rewrite.Tolerances
}

// expands reports whether a step has to be done before the first piece is seen.
func (s *step) expands() bool {
	return s.decompress != "" || s.encoding != nil || s.jsonString || s.split != "" || s.unwrap != ""
}

// Presets are the names of inputs, in the order of the documentation.
func Presets() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

type preset struct {
	name  string
	steps []Step
}

func presets() []preset {
	unpacked := Step{Decompress: string(unpack.Auto)}
	return []preset{
		{"cloudwatch_logs", []Step{unpacked, unpacked, {Unwrap: envelope.CloudWatchLogs}}},
		{"vpc_flow_logs", []Step{unpacked, unpacked, {Unwrap: envelope.CloudWatchLogs}, {Parse: flowLogs()}}},
		{"cloudfront_realtime", []Step{{Parse: cloudFront()}}},
		{"dynamodb", []Step{{Unwrap: envelope.DynamoDB}}},
		{"dms", []Step{{Unwrap: envelope.DMS}}},
		{"debezium", []Step{{Unwrap: envelope.Debezium}}},
		{"sns", []Step{{Unwrap: envelope.SNS}}},
		{"eventbridge", []Step{{Unwrap: envelope.EventBridge}}},
		{"fluent_bit", []Step{unpacked, {Split: splitLines}}},
	}
}

// Spelled returns the steps of an input, those of its preset included.
func (in Input) Spelled() []Step {
	for _, p := range presets() {
		if p.name == in.Preset {
			return p.steps
		}
	}
	return in.Steps
}

// InputError is what is wrong with an Input: a step's place, from 0, and its field; -1 for the whole.
type InputError struct {
	Step         int
	Field, Value string
	Problem      string
}

func (f *InputError) Error() string { return f.Problem }

// Compile makes a Plan of an Input, or returns everything that is wrong with it.
func (in Input) Compile(limits Limits) (*Plan, []*InputError) {
	var faults []*InputError
	refuse := func(i int, field, value, format string, args ...any) {
		faults = append(faults, &InputError{i, field, value, fmt.Sprintf(format, args...)})
	}
	if in.Preset != "" && !slices.Contains(Presets(), in.Preset) {
		refuse(-1, "", in.Preset, "must be a list of steps, or one of %s", strings.Join(Presets(), ", "))
		return nil, faults
	}
	steps := in.Spelled()
	if len(steps) == 0 {
		return nil, nil
	}
	if len(steps) > maxSteps {
		refuse(-1, "", "", "has %d steps, and can have %d", len(steps), maxSteps)
	}
	p := &Plan{limits: limits, budget: NewBudget(), text: in.Text(), events: envelope.EventNames()}
	last, parsed := -1, false
	for i := range steps {
		s, is := steps[i].compile(func(field, value, format string, args ...any) {
			refuse(i, field, value, format, args...)
		})
		if is != 1 {
			refuse(i, "", "", "must have exactly one of decompress, decode, split, unwrap, parse, nested and tolerate")
		}
		p.splits = p.splits || s.split != "" || s.unwrap == envelope.CloudWatchLogs
		if s.columns != nil && parsed {
			refuse(i, "parse", "", "is there already, and one step parses")
		}
		parsed = parsed || s.columns != nil
		p.lastOfName = p.lastOfName || s.tolerate != nil && s.tolerate.DuplicateNames
		p.then = append(p.then, s)
		if s.expands() {
			last = i
		}
	}
	for i := range steps[:last+1] {
		if steps[i].Parse != nil {
			refuse(i, "parse", "", "must come after the steps that unpack and split")
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	for i := range p.then {
		if f := p.then[i].fit(p.then[:i]); f != "" {
			refuse(i, "parse.header", "", "%s", f)
			return nil, faults
		}
	}
	p.first, p.then = p.then[:last+1], p.then[last+1:]
	canonical, err := json.Marshal(steps)
	if err != nil {
		panic(err) // steps are texts and lists of texts
	}
	sum := sha256.Sum256(canonical)
	p.hash = hex.EncodeToString(sum[:8])
	return p, nil
}

// fit makes a step that parses fit those before it; it says why it does not.
func (s *step) fit(before []step) string {
	c := s.columns
	if c == nil {
		return ""
	}
	var last *step
	if len(before) > 0 {
		last = &before[len(before)-1]
	}
	switch {
	case c.As != columns.AsCSV:
	case last != nil && last.split == splitLines: // CSV frames itself: its quotes may hold newlines
		last.separator = c.SeparatorText()
		if c.Header {
			last.header = c
		}
	case c.Header:
		return "must come right behind `split: lines`"
	case last != nil && last.unwrap == envelope.CloudWatchLogs && c.From != "": // what has the columns is one of them
		last.bare, s.bare = true, true
	}
	return ""
}

// compile is one step, and how many members it has.
func (s *Step) compile(refuse func(field, value, format string, args ...any)) (c step, members int) {
	if s.Decompress != "" {
		members++
		if c.decompress = unpack.Kind(s.Decompress); !unpack.Known(c.decompress) {
			refuse("decompress", s.Decompress, "must be one of %s", strings.Join(unpack.Kinds(), ", "))
		}
	}
	if s.Decode != "" {
		members++
		ok := s.Decode == encodedJSON
		if c.jsonString = ok; !ok {
			c.encoding, ok = unpack.FindEncoding(s.Decode)
		}
		if !ok {
			refuse("decode", s.Decode,
				"must be base64, %s or the name of a character set, such as utf-16 or iso-8859-1",
				encodedJSON)
		}
	}
	if s.Split != "" {
		members++
		c.split = s.Split
		if s.Split != splitLines && s.Split != splitConcatenated && s.Split != splitArray {
			c.path = strings.Split(strings.TrimPrefix(s.Split, "."), ".")
			if slices.Contains(c.path, "") {
				refuse("split", s.Split, "must be %s, %s, %s or the path of a member, as detail.items",
					splitLines, splitConcatenated, splitArray)
			}
		}
	}
	if s.Unwrap != "" {
		members++
		if c.unwrap = s.Unwrap; !slices.Contains(envelope.Kinds(), s.Unwrap) {
			refuse("unwrap", s.Unwrap, "must be one of %s", strings.Join(envelope.Kinds(), ", "))
		}
	}
	if s.Parse != nil {
		members++
		c.columns = s.Parse
		as := []string{columns.AsJSON, columns.AsText, columns.AsCSV, columns.AsLogfmt}
		if !slices.Contains(as, s.Parse.As) {
			refuse("parse.as", s.Parse.As, "must be one of %s", strings.Join(as, ", "))
		} else if _, field, err := s.Parse.Compile(); err != nil {
			refuse("parse"+field, "", "%s", err)
		}
	}
	if s.Nested != nil {
		members++
		var err error
		if c.nested, err = rewrite.NewPaths(s.Nested); err != nil {
			refuse("nested", strings.Join(s.Nested, ", "), "%s", err)
		}
	}
	if s.Tolerate != nil {
		members++
		c.tolerate = &rewrite.Tolerances{}
		for _, t := range s.Tolerate {
			switch t {
			case "non_finite":
				c.tolerate.NonFinite = true
			case "duplicate_names":
				c.tolerate.DuplicateNames = true
			default:
				refuse("tolerate", t, "must be non_finite or duplicate_names")
			}
		}
	}
	return c, members
}

// Text reports whether records are texts, rather than objects.
func (p *Plan) Text() bool { return p != nil && p.text }

// Hash stands for the steps, wherever a place inside a record is kept: another input counts other pieces. It is empty
// for records as they are.
func (p *Plan) Hash() string {
	if p == nil {
		return ""
	}
	return p.hash
}
