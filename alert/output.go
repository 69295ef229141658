package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/condition"
)

// defaultSource is the member of an output record that says where it came from.
const defaultSource = "sourcePosition"

// OutputConfig is one output stream.
type OutputConfig struct {
	// The stream to write to: its name, in the account and the region of the process, or its ARN. It cannot be the
	// stream that is read.
	Stream string `yaml:"stream" required:"true"`
	// Which records are written: a condition in the language of the rules, such as `ANOMALY_SCORE > 3.0`. It sees what
	// rules see, and no rule, silence or dedup has a say in it. A record that the filter drops, that cannot be read, or
	// that is over the budget of rules is never written.
	When string `yaml:"when" unset:"every record"`
	// The members of what is written, in this order, by their paths: `heartRate`, `order.price`, what a score adds, and
	// the built-in names. Values are as the record has them, to the last digit; what a record lacks is left out. With
	// `format: text` only built-in names can stand here.
	Fields []string `yaml:"fields" unset:"the record as it came, with what scores add"`
	// The partition key of what is written, which decides its shard and its order: an expression in the language of the
	// rules. A record whose key is undefined, empty or longer than 256 characters cannot be written, and is a dead
	// letter.
	Key string `yaml:"key" default:"partition_key"`
	// The name of the member with the place that the record came from: `stream`, `shardId`, `sequenceNumber` and
	// `subSequenceNumber`, by which a reader recognises a record that was written twice. It replaces a member of that
	// name. Empty (`""`) adds nothing.
	Source *string `yaml:"source" default:"sourcePosition"`
	// A role to write as, for a stream of another account.
	RoleARN string `yaml:"role_arn" unset:"the credentials of the process"`
	// The external id that the trust policy of `role_arn` wants.
	ExternalID string `yaml:"external_id"`
}

// output is one compiled output. It does not change.
type output struct {
	name string
	// always is set if every record is written.
	always  bool
	formula condition.Formula
	// key is nil for the partition key, and keySource its text.
	key       condition.Operand
	keySource string
	fields    []outputField // none: the whole record
	// source is the name of the member that says where the record came from, and replaced the place in Decoder.Raw of
	// the record's own one; empty and -1 for none.
	source   string
	replaced int
	text     bool
}

// outputField is one member of an output record.
type outputField struct {
	member  []byte // `"heartRate":`
	raw     int    // the place in Decoder.Raw; unused for a built-in name
	builtin int    // the slot of a built-in name; -1 for a field
}

func (c OutputConfig) withDefaults() OutputConfig {
	if c.Key == "" {
		c.Key = "partition_key"
	}
	if c.Source == nil {
		c.Source = new(defaultSource)
	}
	c.Fields = slices.Clone(c.Fields)
	return c
}

// outputs compiles the outputs. They share the schema of the rules, so that a record is read once.
func (f *faults) outputs(c *Config, into *compiled) {
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		if f.full() {
			return
		}
		f.name("outputs."+name, name, "_-")
		into.outputs = append(into.outputs, f.output(name, c.Outputs[name], into))
	}
}

func (f *faults) output(name string, c OutputConfig, into *compiled) *output {
	field, s := "outputs."+name, into.schema
	o := &output{name: name, text: s.Text, source: *c.Source, replaced: -1}
	when := &condition.Condition{}
	if o.always = strings.TrimSpace(c.When) == ""; !o.always {
		if compiled := f.condition(field+".when", c.When, s); compiled != nil {
			when = compiled
		}
	}
	if key := strings.TrimSpace(c.Key); key != "partition_key" {
		o.keySource, o.key = key, f.operand(field+".key", c.Key, s)
	}
	o.formula = condition.NewFormula(when, o.key)
	f.outputFields(field, c, o, s)
	if o.source == "" {
		return o
	}
	for _, x := range into.scores {
		if slices.Contains(x.adds(), o.source) {
			f.add(field+".source", o.source, "is what score[%d] adds; use another name, or \"\" for none", x.place)
		}
	}
	if len(o.fields) == 0 && !o.text {
		o.replaced = s.Raw([]string{o.source})
	}
	if o.text && len(o.fields) == 0 && o.source == textMember {
		f.add(field+".source", o.source, "is the member with the text; use another name, or \"\" for none")
	}
	return o
}

// textMember is the member with the payload of a text record.
const textMember = "data"

func (f *faults) outputFields(field string, c OutputConfig, o *output, s *condition.Schema) {
	names := condition.BuiltinNames()
	for i, path := range c.Fields {
		at, parts := fmt.Sprintf("%s.fields[%d]", field, i), strings.Split(path, ".")
		switch {
		case slices.Contains(parts, "") || strings.TrimSpace(path) != path:
			f.add(at, path, "must be the path of a field, such as order.price")
			continue
		case slices.Index(c.Fields, path) < i:
			f.add(at, path, "is listed twice; a member of JSON has a name of its own")
			continue
		case path == o.source:
			f.add(at, path, "is also the name in source; use another name there, or \"\" for none")
			continue
		}
		x := outputField{builtin: -1}
		x.member, _ = jsontext.AppendQuote(nil, path)
		x.member = append(x.member, ':')
		if slot, ok := s.Builtin(path); ok {
			x.builtin = slot
		} else if s.Text {
			f.add(at, path, "is no field of a text: with format text use %s", strings.Join(names[:], ", "))
		} else {
			x.raw = s.Raw(parts)
		}
		o.fields = append(o.fields, x)
	}
}
