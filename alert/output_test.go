package alert_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/alert/payload"
)

// position is what an output adds to a record of the tests.
const position = `"sourcePosition":{"stream":"` + streamARN + `","shardId":"` + shardID +
	`","sequenceNumber":"7","subSequenceNumber":0}`

// oneOutput is a configuration with one output and a rule that never matches.
func oneOutput(o alert.OutputConfig) alert.Config {
	c := oneRule(alert.RuleConfig{Name: "r", When: "false"})
	c.Outputs = map[string]alert.OutputConfig{"out": o}
	return c
}

// texts are what a record's outputs hold, byte by byte.
func texts(d alert.Decision) (all []string) {
	for _, o := range d.Outputs {
		all = append(all, string(o.Data))
	}
	return all
}

func TestOutputRecords(t *testing.T) {
	t.Parallel()
	none := new("")
	for name, c := range map[string]struct {
		output alert.OutputConfig
		format string
		record string
		want   string // nothing is not written
	}{
		"as it came": {record: `{"a":1,"b":"x"}`, want: `{"a":1,"b":"x",` + position + `}`},
		"nothing added": {
			output: alert.OutputConfig{Source: none},
			record: ` {"a" : 1} `,
			want:   ` {"a" : 1} `,
		},
		"empty":       {record: `{ }`, want: `{` + position + `}`},
		"white space": {record: " {\"a\":1 }\r\n", want: ` {"a":1,` + position + "}\r\n"},
		"exact numbers": {
			record: `{"a":12345678901234567890.10e-2,"b":-0}`,
			want:   `{"a":12345678901234567890.10e-2,"b":-0,` + position + `}`,
		},
		"own source position": {record: `{"sourcePosition":{"x":1},"a":1}`, want: `{"a":1,` + position + `}`},
		"own position alone":  {record: "{\"sourcePosition\":null}\n", want: `{` + position + "}\n"},
		"own position, escaped": {
			record: `{"a":1,"\u0073ourcePosition":5,"b":2}`,
			want:   `{"a":1,"b":2,` + position + `}`,
		},
		"position in a member": {
			record: `{"a":{"sourcePosition":1}}`,
			want:   `{"a":{"sourcePosition":1},` + position + `}`,
		},
		"a name like a built-in": {
			output: alert.OutputConfig{Source: new("shard"), When: `shard != ""`},
			record: `{"shard":1}`,
			want:   `{` + strings.Replace(position, "sourcePosition", "shard", 1) + `}`,
		},
		"a brace in the end": {record: `{"a":"}"}`, want: `{"a":"}",` + position + `}`},
		"matches": {
			output: alert.OutputConfig{When: "a > 0", Source: none},
			record: `{"a":1}`,
			want:   `{"a":1}`,
		},
		"does not match": {output: alert.OutputConfig{When: "a > 1"}, record: `{"a":1}`},
		"undefined":      {output: alert.OutputConfig{When: "b > 1"}, record: `{"a":1}`},
		"fields": {
			output: alert.OutputConfig{Fields: []string{"b", "a"}, Source: none},
			record: `{"a":1,"b":"\u00e4\n","c":3}`,
			want:   `{"b":"\u00e4\n","a":1}`,
		},
		"fields and position": {
			output: alert.OutputConfig{Fields: []string{"b"}},
			record: `{"a":1,"b":2,"sourcePosition":3}`,
			want:   `{"b":2,` + position + `}`,
		},
		"no field is there": {
			output: alert.OutputConfig{Fields: []string{"c"}},
			record: `{"a":1}`,
			want:   `{` + position + `}`,
		},
		"no field, no position": {
			output: alert.OutputConfig{Fields: []string{"c"}, Source: none},
			record: `{"a":1}`,
			want:   `{}`,
		},
		"nested fields": {
			output: alert.OutputConfig{Fields: []string{"o.p.q", "o", "o.r"}, Source: none},
			record: `{"o": {"p":{"q":[1, 2]},"r" : null}}`,
			want:   `{"o.p.q":[1, 2],"o":{"p":{"q":[1, 2]},"r" : null},"o.r":null}`,
		},
		"a field of no object": {
			output: alert.OutputConfig{Fields: []string{"a.b"}, Source: none},
			record: `{"a":5}`,
			want:   `{}`,
		},
		"escaped name": {
			output: alert.OutputConfig{Fields: []string{"a", "o"}, Source: none},
			record: `{"\u0061":1.50, "o" : {"\u0061":1}}`,
			want:   `{"a":1.50,"o":{"\u0061":1}}`,
		},
		"name that needs escapes": {
			output: alert.OutputConfig{Fields: []string{"a\"b\\"}, Source: none},
			record: `{"a\"b\\":1}`,
			want:   `{"a\"b\\":1}`,
		},
		"built-in names": {
			output: alert.OutputConfig{Fields: []string{"partition_key", "shard", "arrival", "age"}, Source: none},
			record: `{"shard":5}`,
			want: `{"partition_key":"partitionkey","shard":"` + shardID +
				`","arrival":"2026-11-22T09:00:00Z","age":"0s"}`,
		},
		"also what the rule sees": {
			output: alert.OutputConfig{Fields: []string{"v"}, When: "v > 1 && o.x == 2", Source: none},
			record: `{"v":1e1,"o":{"x":2}}`,
			want:   `{"v":1e1}`,
		},
		"text": {
			format: alert.FormatText,
			record: "a \"b\"\n",
			want:   `{"data":"a \"b\"\n",` + position + `}`,
		},
		"text alone": {
			format: alert.FormatText,
			output: alert.OutputConfig{Source: none, When: `data contains "b"`},
			record: "abc",
			want:   `{"data":"abc"}`,
		},
		"text, not matching": {
			format: alert.FormatText,
			output: alert.OutputConfig{When: `data contains "x"`},
			record: "abc",
		},
		"text, members": {
			format: alert.FormatText,
			output: alert.OutputConfig{Fields: []string{"shard", "data"}, Source: none},
			record: "abc",
			want:   `{"shard":"` + shardID + `","data":"abc"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := oneOutput(c.output)
			config.Format = c.format
			w := newWorld(t, config)
			d := w.evaluator.Evaluate(record("7", c.record))
			require.Equal(t, alert.Unmatched, d.Outcome)
			if c.want == "" {
				require.Empty(t, d.Outputs)
				return
			}
			require.Len(t, d.Outputs, 1)
			out := d.Outputs[0]
			require.Equal(t, c.want, string(out.Data))
			require.Equal(t, alert.Output{Name: "out", Key: "partitionkey", Data: out.Data}, out)
		})
	}
}

// The sample's output stream had these three members, in this order, and nothing else.
func TestOutputOfTheSample(t *testing.T) {
	t.Parallel()
	c := oneOutput(alert.OutputConfig{
		When: "ANOMALY_SCORE >= 0", Fields: []string{"heartRate", "rateType", "ANOMALY_SCORE"}, Source: new(""),
	})
	c.Score = []alert.ScoreConfig{{Fields: []string{"heartRate"}, Explain: true}}
	c.Outputs["all"] = alert.OutputConfig{}
	c.Outputs["why"] = alert.OutputConfig{Fields: []string{"ANOMALY_EXPLANATION"}, Source: new("")}
	w := newWorld(t, c)
	var d alert.Decision
	for i := range 400 {
		rate := 60 + i%10
		if i == 399 {
			rate = 180
		}
		d = w.evaluator.Evaluate(record("7", fmt.Sprintf("{\"heartRate\": %d, \"rateType\": \"NORMAL\"}\n", rate)))
	}
	require.Len(t, d.Outputs, 3)
	all, out, why := d.Outputs[0], d.Outputs[1], d.Outputs[2]
	var scored struct{ ANOMALY_SCORE json.Number }
	require.NoError(t, json.Unmarshal(out.Data, &scored))
	require.Equal(t, `{"heartRate":180,"rateType":"NORMAL","ANOMALY_SCORE":`+scored.ANOMALY_SCORE.String()+`}`,
		string(out.Data))
	figure, err := scored.ANOMALY_SCORE.Float64()
	require.NoError(t, err)
	require.Greater(t, figure, 1.0)
	require.Regexp(t, `^\{"ANOMALY_EXPLANATION":\{"heartRate":\{"DIRECTION":"HIGH","STRENGTH":".*"\}\}\}$`,
		string(why.Data))
	require.Equal(t, strings.TrimSuffix(string(w.evaluator.Scored()), "}\n")+`,`+position+"}\n", string(all.Data))
	kept := slices.Clone(all.Data)
	w.evaluator.Evaluate(record("8", `{"heartRate": 61, "rateType": "NORMAL"}`))
	require.Equal(t, kept, all.Data, "what an output holds may be kept")
}

// An output is independent of what rules make of the record. What is filtered, unreadable or over budget has none, and
// what was settled before has none again.
func TestOutputsByOutcome(t *testing.T) {
	t.Parallel()
	pattern := func(text string) filter.Pattern {
		var p filter.Pattern
		require.NoError(t, p.UnmarshalJSON([]byte(text)))
		return p
	}
	const costly = `{"a":1,"big":true,"list":[` // enough of a list to be over the budget of a rule
	big := costly + strings.Repeat("1,", 20_000) + `1]}`
	const loop = `big && any(list, any(list, # > 5))`
	for name, c := range map[string]struct {
		rules     []alert.RuleConfig
		when      string
		record    string
		replayed  bool
		outcome   alert.Outcome
		written   int
		dead      bool
		anyLetter bool
	}{
		"alerted": {
			record:  `{"a":1}`,
			rules:   []alert.RuleConfig{{Name: "r", When: "a > 0"}},
			outcome: alert.Alerted,
			written: 1,
		},
		"silenced": {
			record:  `{"a":1}`,
			rules:   []alert.RuleConfig{{Name: "quiet", When: "a > 0"}},
			outcome: alert.Suppressed,
			written: 1,
		},
		"unmatched":  {record: `{"a":1}`, outcome: alert.Unmatched, written: 1},
		"filtered":   {record: `{"a":7}`, outcome: alert.Filtered},
		"unreadable": {record: `{"a":1,"b":[}`, outcome: alert.Invalid},
		"no object":  {record: `5`, outcome: alert.Filtered},
		"replayed":   {record: `{"a":1}`, replayed: true, outcome: alert.Unmatched},
		"rule over budget": {
			record:  big,
			rules:   []alert.RuleConfig{{Name: "r", When: loop}},
			outcome: alert.OverBudget,
			dead:    true,
		},
		"and another alerts": {
			record:  big,
			rules:   []alert.RuleConfig{{Name: "r", When: loop}, {Name: "s", When: "a > 0"}},
			outcome: alert.Alerted,
			written: 1,
			dead:    true,
		},
		"when over budget": {record: big, when: loop, outcome: alert.OverBudget, dead: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := oneOutput(alert.OutputConfig{When: c.when})
			if c.rules != nil {
				config.Rules = c.rules
			}
			config.Filter = []filter.Pattern{pattern(`{"data":{"a":[1]}}`)}
			if len(c.rules) == 1 && c.rules[0].Name == "quiet" {
				config.Silences = []alert.SilenceConfig{{Name: "s", Until: "2036-11-22T09:00:00Z"}}
			}
			if name == "unreadable" {
				config.Filter = nil
			}
			w := newWorld(t, config)
			rec := record("7", c.record)
			rec.Replayed = c.replayed
			d := w.evaluator.Evaluate(rec)
			require.Equal(t, c.outcome, d.Outcome)
			require.Len(t, d.Outputs, c.written)
			require.Equal(t, c.dead, d.DeadLetter)
		})
	}
}

// Nothing of one record is written of the next, whichever decoder reads it.
func TestOutputOfAnotherRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneOutput(alert.OutputConfig{Fields: []string{"a", "o.b"}, Source: new("")}))
	for _, of := range []struct{ record, want string }{
		{`{"a":1,"o":{"b":2}}`, `{"a":1,"o.b":2}`},
		{`{"c":1}`, `{}`},
		{`{"\u0061":1}`, `{"a":1}`},
		{`{"\u0063":1}`, `{}`},
		{`{"o":{"b":3}}`, `{"o.b":3}`},
	} {
		require.Equal(t, []string{of.want}, texts(w.evaluator.Evaluate(record("7", of.record))), of.record)
	}
}

// Without rules a record need not be JSON to alert. It cannot be written, and is not forgotten.
func TestOutputsWithoutRules(t *testing.T) {
	t.Parallel()
	config := alert.Config{
		Topics: map[string]alert.TopicConfig{"t": {}}, Outputs: map[string]alert.OutputConfig{
			"all": {}, "some": {When: "a > 0", Fields: []string{"a"}, Source: new("")},
		},
	}
	w := newWorld(t, config)
	d := w.evaluator.Evaluate(record("7", `{"a":1}`))
	require.Equal(t, alert.Alerted, d.Outcome)
	require.Len(t, d.Outputs, 2)
	require.Equal(t, []string{`{"a":1,` + position + `}`, `{"a":1}`}, texts(d))
	for _, text := range []string{`QXZ,1.2`, `{"a":1,`} { // of the second, some fields were read
		d = w.evaluator.Evaluate(record("8", text))
		require.Equal(t, alert.Alerted, d.Outcome)
		require.Len(t, d.Outputs, 1)
		require.Equal(t, "all", d.Outputs[0].Name)
		require.Equal(t, text, string(d.Outputs[0].Data))
		require.Contains(t, alert.InvalidReasons(), d.Outputs[0].Reason)
		require.NotEmpty(t, d.Outputs[0].Detail)
	}
	require.Len(t, w.evaluator.Evaluate(record("9", `{"a":1}`)).Outputs, 2)

	config.Format = alert.FormatText
	w = newWorld(t, alert.Config{
		Format: alert.FormatText, Topics: config.Topics,
		Outputs: map[string]alert.OutputConfig{"some": {When: `data startsWith "Q"`, Source: new("")}},
	})
	require.Equal(t, []string{`{"data":"QXZ"}`}, texts(w.evaluator.Evaluate(record("7", "QXZ"))))
	require.Empty(t, w.evaluator.Evaluate(record("7", "XZ")).Outputs)
}

func TestOutputKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, partitionKey, record, want, detail string }{
		{"", "k", `{}`, "k", ""},
		{"partition_key", "k", `{}`, "k", ""},
		{"o.id", "k", `{"o":{"id":12345678901234567890}}`, "12345678901234567890", ""},
		{`host + "/" + partition_key`, "k", `{"host":"h"}`, "h/k", ""},
		{"id", "k", `{"id":true}`, "true", ""},
		{"id", "k", `{"id":"` + strings.Repeat("ä", 256) + `"}`, strings.Repeat("ä", 256), ""},
		{
			"id",
			"k",
			`{"id":"` + strings.Repeat("ä", 257) + `"}`,
			strings.Repeat("ä", 257),
			"the key has 257 characters, and Kinesis takes 256",
		},
		{"id", "k", `{}`, "", "the key id is undefined: missing"},
		{"id", "k", `{"id":null}`, "", "the key id is undefined: null"},
		{"id", "k", `{"id":""}`, "", "the key is empty"},
		{"", "", `{}`, "", "the key is empty"},
	} {
		w := newWorld(t, oneOutput(alert.OutputConfig{Key: c.key, Source: new("")}))
		rec := record("7", c.record)
		rec.PartitionKey = c.partitionKey
		out := w.evaluator.Evaluate(rec).Outputs[0]
		require.Equal(t, c.want, out.Key)
		require.Equal(t, c.detail, out.Detail)
		require.Equal(t, c.record, string(out.Data), "a dead letter has it")
		if c.detail == "" {
			require.Empty(t, out.Reason)
		} else {
			require.Equal(t, alert.ReasonOutputKey, out.Reason)
		}
	}
}

// The records of an aggregate have their own keys and places.
func TestOutputOfAnAggregate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneOutput(alert.OutputConfig{}))
	rec := record("7", `{"a":1}`)
	rec.SubSequence, rec.PartitionKey = 12, "inner"
	out := w.evaluator.Evaluate(rec).Outputs[0]
	require.Equal(t, "inner", out.Key)
	require.Equal(t, `{"a":1,`+strings.Replace(position, `Number":0`, `Number":12`, 1)+`}`, string(out.Data))
}

// A reload takes over outputs between two records.
func TestOutputsChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alert.Config{Topics: map[string]alert.TopicConfig{"t": {}}})
	update := func(c alert.Config) {
		rules, err := c.Compile()
		require.NoError(t, err)
		require.NoError(t, w.pipeline.Update(rules))
	}
	evaluate := func() (out []string) {
		for _, o := range w.evaluator.Evaluate(record("7", "no JSON")).Outputs {
			out = append(out, o.Name+" "+string(o.Reason))
		}
		for _, o := range w.evaluator.Evaluate(record("7", `{"a":1,"b":2}`)).Outputs {
			out = append(out, o.Name+" "+string(o.Data))
		}
		return out
	}
	require.Empty(t, evaluate())
	update(alert.Config{
		Topics: map[string]alert.TopicConfig{"t": {}}, Outputs: map[string]alert.OutputConfig{"out": {}},
	})
	require.Equal(t, []string{"out not_json", `out {"a":1,"b":2,` + position + `}`}, evaluate())
	update(oneOutput(alert.OutputConfig{Fields: []string{"b"}, Source: new("")}))
	require.Equal(t, []string{`out {"b":2}`}, evaluate())
	update(oneRule(alert.RuleConfig{Name: "r", When: "b > 0"}))
	require.Empty(t, evaluate())
}

func TestOutputFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		output alert.OutputConfig
		format string
		want   string
	}{
		"condition": {output: alert.OutputConfig{When: "a >"}, want: "outputs.out.when: \"a >\": "},
		"key":       {output: alert.OutputConfig{Key: "nosuch("}, want: "outputs.out.key: \"nosuch(\": "},
		"path": {
			output: alert.OutputConfig{Fields: []string{"a", "b..c"}},
			want:   `outputs.out.fields[1]: "b..c": must be the path of a field`,
		},
		"empty": {
			output: alert.OutputConfig{Fields: []string{""}},
			want:   `outputs.out.fields[0]: "": must be the path`,
		},
		"twice": {
			output: alert.OutputConfig{Fields: []string{"a", "b", "a"}},
			want:   `outputs.out.fields[2]: "a": is listed twice`,
		},
		"source": {
			output: alert.OutputConfig{Fields: []string{"sourcePosition"}},
			want:   `outputs.out.fields[0]: "sourcePosition": is also the name in source`,
		},
		"score": {
			output: alert.OutputConfig{Source: new("ANOMALY_SCORE")},
			want:   "outputs.out.source: \"ANOMALY_SCORE\": is what score[0] adds",
		},
		"text": {
			format: alert.FormatText,
			output: alert.OutputConfig{Fields: []string{"a"}},
			want: "outputs.out.fields[0]: \"a\": is no field of a text: with format text use partition_key, shard, " +
				"arrival, age, data",
		},
		"text data": {
			format: alert.FormatText,
			output: alert.OutputConfig{Source: new("data")},
			want:   "outputs.out.source: \"data\": is the member with the text",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := oneOutput(c.output)
			if config.Format = c.format; c.format == "" {
				config.Score = []alert.ScoreConfig{{Fields: []string{"a"}}}
			}
			require.ErrorContains(t, config.Validate(), c.want)
		})
	}
	config := oneOutput(alert.OutputConfig{})
	config.Outputs["no name"] = alert.OutputConfig{}
	require.ErrorContains(t, config.Validate(), "outputs.no name: \"no name\": must be 1 to 64 letters")
}

// Whatever records are and whatever outputs are asked for, what is written is one JSON object that the reader of this
// program's own records takes: no name twice, no byte that is not UTF-8.
func TestOutputsAreValid(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "a\"b", "sourcePosition", "shard", "ä", "partition_key", "data", " "}
	rapid.Check(t, func(t *rapid.T) {
		scalar := rapid.SampledFrom([]string{
			"1", "-0.0e-5", "12345678901234567890123", "1e400", "true", "null", `""`,
			`"x"`, `"\u00e4\ud83d\ude00}"`, `"ä{"`,
		})
		var object func(t *rapid.T, depth int) string
		value := func(t *rapid.T, depth int) string {
			switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
			case kind == 0 && depth > 0:
				return object(t, depth-1)
			case kind == 1:
				return "[" + scalar.Draw(t, "element") + "]"
			}
			return scalar.Draw(t, "scalar")
		}
		space := rapid.SampledFrom([]string{"", " ", "\n", "\t \r"})
		object = func(t *rapid.T, depth int) string {
			var members []string
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 6, rapid.ID).Draw(t, "names") {
				quoted, err := json.Marshal(name)
				require.NoError(t, err)
				if rapid.Bool().Draw(t, "escape") && name[0] < utf8.RuneSelf {
					quoted = fmt.Appendf(nil, `"\u%04x%s`, name[0], strings.TrimPrefix(string(quoted[1:]), name[:1]))
				}
				members = append(members, space.Draw(t, "a")+string(quoted)+space.Draw(t, "b")+":"+space.Draw(t, "c")+
					value(t, depth)+space.Draw(t, "d"))
			}
			return "{" + space.Draw(t, "inner") + strings.Join(members, ",") + "}"
		}
		plain := rapid.IntRange(0, 4).Draw(t, "text") == 0
		config := alert.Config{Topics: map[string]alert.TopicConfig{"t": {}}}
		if rapid.Bool().Draw(t, "rules") {
			config = oneRule(alert.RuleConfig{Name: "r", When: `shard == ""`})
		}
		allowed := names
		if plain {
			config.Format, allowed = alert.FormatText, []string{"partition_key", "shard", "arrival", "age", "data"}
		} else if rapid.Bool().Draw(t, "score") {
			config.Score = []alert.ScoreConfig{{Fields: []string{"a"}, Explain: true}}
		}
		allowed = append(slices.Clone(allowed), "ä.a", "a.b.a", "ANOMALY_SCORE", "arrival")
		config.Outputs = map[string]alert.OutputConfig{}
		for _, name := range []string{"one", "two"} {
			config.Outputs[name] = alert.OutputConfig{
				When:   rapid.SampledFrom([]string{"", `partition_key != "x"`, "a == 1"}).Draw(t, "when"),
				Fields: rapid.SliceOfNDistinct(rapid.SampledFrom(allowed), 0, 4, rapid.ID).Draw(t, "fields"),
				Source: new(rapid.SampledFrom(append([]string{""}, names...)).Draw(t, "source")),
			}
		}
		rules, err := config.Compile()
		if err != nil {
			return // such as a field twice; TestOutputFaults has the reasons
		}
		p, err := alert.New(rules, alert.Deps{
			Stream: streamARN, Log: zap.NewNop(), Registerer: prometheus.NewRegistry(),
		})
		require.NoError(t, err)
		e := p.Shard(shardID)
		for range 3 {
			text := space.Draw(t, "before") + object(t, 2) + space.Draw(t, "behind")
			rec := record("7", text)
			rec.PartitionKey = rapid.SampledFrom([]string{"k", "\"", "\xff", "\n"}).Draw(t, "key")
			for _, o := range e.Evaluate(rec).Outputs {
				if o.Reason != "" { // without rules: a number that a condition cannot take
					require.Equal(t, alert.Reason(payload.NumberRange), o.Reason)
					continue
				}
				d := jsontext.NewDecoder(strings.NewReader(string(o.Data)))
				require.Equal(t, jsontext.KindBeginObject, d.PeekKind())
				require.Empty(t, condition.NewDecoder(condition.NewSchema(false)).Decode(o.Data, make([]condition.Value,
					condition.BuiltinSlots)), "%s\n%s", text, o.Data)
				var members map[string]json.RawMessage
				require.NoError(t, json.Unmarshal(o.Data, &members))
				if source := *config.Outputs[o.Name].Source; source != "" {
					require.Contains(t, string(members[source]), streamARN)
				}
			}
		}
	})
}

// A configuration without outputs costs nothing; one with an output allocates what is kept of it.
func TestOutputsAllocate(t *testing.T) {
	allocated := func(c alert.Config) float64 {
		w := newWorld(t, c)
		rec := record("7", benchRecord)
		w.evaluator.Evaluate(rec)
		return testing.AllocsPerRun(100, func() { w.evaluator.Evaluate(rec) })
	}
	require.Zero(t, allocated(oneRule(alert.RuleConfig{Name: "r", When: "ANOMALY_SCORE > 3"})))
	require.LessOrEqual(t, allocated(oneOutput(alert.OutputConfig{})), 1.0)
	require.LessOrEqual(t, allocated(oneOutput(alert.OutputConfig{Fields: []string{"PRICE", "NOTE"}})), 1.0)
	require.LessOrEqual(t, allocated(oneOutput(alert.OutputConfig{Key: "TICKER_SYMBOL"})), 2.0)
	require.Zero(t, allocated(oneOutput(alert.OutputConfig{When: "ANOMALY_SCORE > 3"})))
}

// BenchmarkOutput is the cost of a record that is written, beside one without outputs.
func BenchmarkOutput(b *testing.B) {
	for _, c := range []struct {
		name    string
		outputs map[string]alert.OutputConfig
	}{
		{"none", nil},
		{"no match", map[string]alert.OutputConfig{"out": {When: "ANOMALY_SCORE > 3"}}},
		{"whole", map[string]alert.OutputConfig{"out": {}}},
		{"fields", map[string]alert.OutputConfig{"out": {Fields: []string{"PRICE", "NOTE", "ANOMALY_SCORE"}}}},
		{"key", map[string]alert.OutputConfig{"out": {Key: "TICKER_SYMBOL"}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			config := oneRule(alert.RuleConfig{Name: "r", When: `ANOMALY_SCORE > 3.5 && COL1 != ""`})
			config.Outputs = c.outputs
			w := newWorld(b, config)
			rec := record("49590338271490256608559692538361571095921575989136588898", benchRecord)
			b.ReportAllocs()
			began := cpuTime(b)
			for b.Loop() {
				w.evaluator.Evaluate(rec)
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
		})
	}
}
