package decode

import (
	"slices"

	"kinesis-alerter/alert/decode/columns"
)

// Step is one step of an input; exactly one member is set. Steps are in the order in which the bytes were wrapped.
type Step struct {
	// How the bytes are compressed: `auto` goes by the magic number, and takes what has none as it is.
	Decompress string `yaml:"decompress,omitempty"`
	// How the bytes are encoded: `base64`, `json_string` for JSON that was encoded twice, or a character set such as
	// `utf-16` or `iso-8859-1`.
	Decode string `yaml:"decode,omitempty"`
	// How several records were joined: `lines`, `concatenated` for JSON objects one behind the other, `array` for one
	// JSON array, or the path of a member that holds an array, as `detail.items`.
	Split string `yaml:"split,omitempty"`
	// The envelope around the records.
	Unwrap string `yaml:"unwrap,omitempty"`
	// What the record itself is.
	Parse *columns.Config `yaml:"parse,omitempty"`
	// Paths of members whose text is JSON, which is then read in place.
	Nested []string `yaml:"nested,omitempty"`
	// Departures from strict JSON that are accepted: `non_finite` reads NaN and infinities as null, `duplicate_names`
	// takes the last of several members with one name.
	Tolerate []string `yaml:"tolerate,omitempty"`
}

// Input is what the records of a stream are: the steps that take them apart. Without any, a record is one JSON object
// or, under `format: text`, one text.
type Input struct {
	// Preset names the steps; empty where they are spelled out.
	Preset string
	Steps  []Step
}

// MarshalYAML writes an input as a configuration has it: the name of its preset, or the list of its steps.
func (in Input) MarshalYAML() (any, error) {
	if in.Preset != "" {
		return in.Preset, nil
	}
	return in.Steps, nil
}

// Given reports whether there is an input at all.
func (in Input) Given() bool { return in.Preset != "" || len(in.Steps) > 0 }

// Text reports whether records are texts, rather than objects.
func (in Input) Text() bool {
	return slices.ContainsFunc(in.Spelled(), func(s Step) bool {
		return s.Parse != nil &&
			s.Parse.As == columns.AsText
	})
}

// Limits bound what one Kinesis record may become when it is unpacked.
type Limits struct {
	// Bytes is the most that all steps may unpack together.
	Bytes int
	// Ratio is the most by which a record may grow, beyond RatioFloor.
	Ratio int
	// Pieces is the most pieces that a record may have, blank ones included.
	Pieces int
}

// RatioFloor is how much every record may unpack to, whatever its ratio: real batches of one repeated line reach 300.
const RatioFloor = 4 << 20

// DefaultLimits are those of a configuration that says nothing.
func DefaultLimits() Limits { return Limits{Bytes: 64 << 20, Ratio: 100, Pieces: 1_000_000} }

// Of is how many bytes a record of that size may unpack to.
func (l Limits) Of(size int) int { return min(l.Bytes, max(RatioFloor, l.Ratio*size)) }
