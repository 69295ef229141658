package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/decode/unpack"
)

// InputLimitsConfig is the section "input_limits".
type InputLimitsConfig struct {
	// The most bytes to which all steps of `input` together may unpack a Kinesis record. One record of a process at a
	// time is unpacked to more than 256 KiB, so this adds to `processing.memory` once.
	Bytes Size `yaml:"bytes" default:"64MiB" range:"1MiB..1GiB"`
	// The most by which a Kinesis record may grow when it is unpacked. It counts from 4 MiB on.
	Ratio int `yaml:"ratio" default:"100" range:"1..100000"`
	// The most pieces into which a Kinesis record may be split, blank ones included.
	Pieces int `yaml:"pieces" default:"1000000" range:"1..10000000"`
}

func (c InputLimitsConfig) withDefaults() InputLimitsConfig {
	d := decode.DefaultLimits()
	return InputLimitsConfig{
		Bytes: cmp.Or(c.Bytes, Size(d.Bytes)), Ratio: cmp.Or(c.Ratio, d.Ratio), Pieces: cmp.Or(c.Pieces, d.Pieces),
	}
}

func (c InputLimitsConfig) limits() decode.Limits {
	c = c.withDefaults()
	return decode.Limits{Bytes: int(c.Bytes), Ratio: c.Ratio, Pieces: c.Pieces}
}

// Plan compiles the input of a valid configuration. It is nil where records are taken as they are.
func (c Config) Plan() *decode.Plan {
	plan, _ := c.Input.Compile(c.InputLimits.limits())
	return plan
}

// recordFormat is how rules see records: an input says it by its step `parse`.
func (c Config) recordFormat() string {
	switch {
	case !c.Input.Given() || c.Format != "" && c.Format != alert.FormatJSON && c.Format != alert.FormatText:
		return c.Format
	case c.Input.Text():
		return alert.FormatText
	}
	return alert.FormatJSON
}

// inputFaults returns what is wrong with the input.
func (c Config) inputFaults() []error {
	var errs []error
	_, faults := c.Input.Compile(c.InputLimits.limits())
	for _, f := range faults {
		e := &FieldError{Field: "input", Value: f.Value, Rule: f.Problem}
		if f.Step >= 0 {
			e.Field = fmt.Sprintf("input[%d]", f.Step)
		}
		if f.Field != "" {
			e.Field = Join(e.Field, f.Field)
		}
		if f.Step < 0 && f.Value != "" {
			if near := Nearest(f.Value, decode.Presets()); near != "" {
				e.Rule += fmt.Sprintf("; did you mean %q?", near)
			} else if slices.Contains(unpack.Kinds(), f.Value) {
				e.Rule += fmt.Sprintf("; write [{decompress: %s}]", f.Value)
			}
		}
		errs = append(errs, e)
	}
	if c.Format == alert.FormatText && c.Input.Given() && !c.Input.Text() {
		errs = append(errs, &FieldError{
			Field: "format", Value: c.Format, Rule: "with an input, its steps say how a record is read: take format " +
				"away, and for records that are texts write {parse: {as: text}} as the last step of input",
		})
	}
	return errs
}

// decodeInput reads the name of a preset or a list of steps.
func (d *Document) decodeInput(path string, n *yaml.Node, v reflect.Value) {
	switch n.Kind { //nolint:exhaustive // the others are neither
	case yaml.ScalarNode:
		d.decodeScalar(path, n, v.FieldByName("Preset"))
	case yaml.SequenceNode:
		before := len(d.Problems)
		d.decodeSlice(path, n, v.FieldByName("Steps"))
		if len(d.Problems) > before { // a step with an unknown key is no step without keys
			d.broken = append(d.broken, path)
		}
	default:
		d.report(path, n, describe(n), "want the name of a preset, or a list of steps, as in [{decompress: gzip}]")
	}
}
