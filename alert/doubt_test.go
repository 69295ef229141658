package alert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/filter"
)

func doubtsOf(t require.TestingT, c alert.Config) []string {
	if len(c.Topics) == 0 {
		c.Topics = map[string]alert.TopicConfig{"t": {ARN: "arn:aws:sns:us-east-1:000000000000:t"}}
	}
	require.NoError(t, c.Validate())
	var out []string
	for _, d := range c.Doubts(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)) {
		require.Equal(t, strings.HasPrefix(d.Fault.Rule, "can never") && !strings.HasPrefix(d.Fault.Field, "silences"),
			d.Never)
		out = append(out, d.Fault.Rule)
	}
	return out
}

func conditionDoubts(t require.TestingT, when string) []string {
	return doubtsOf(t, alert.Config{Rules: []alert.RuleConfig{{Name: "r", When: when}}})
}

// Conditions that no record can satisfy are found without a record, and reported in words that name the terms.
func TestDoubtsAboutConditions(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]string{
		`temp > 100 and temp < 50`:                 "temp < 50",
		`temp > 100 and kind == "a" and temp < 50`: "exclude each other",
		`temp > 5 and temp <= 5`:                   "exclude each other",
		`temp > 5 and not (temp > 5)`:              "exclude each other",
		`temp > 5 and temp == 3`:                   "exclude each other",
		`3 > temp and 5 < temp`:                    "exclude each other",
		`kind == "error" and kind == "warning"`: `kind == "error" and kind == "warning" exclude ` +
			`each other`,
		`kind == "error" and kind != "error"`:                "exclude each other",
		`kind in ["a", "b"] and kind in ["c"]`:               "exclude each other",
		`kind in ["a", "b"] and kind not in ["a", "b", "c"]`: "exclude each other",
		`temp in 10..5`:                                         "temp in 10..5: nothing lies in between",
		`temp in 1..5 and temp == 2.5`:                          "exclude each other",
		`temp in 1..5 and temp > 5`:                             "exclude each other",
		`kind in []`:                                            "empty list",
		`len(kind) < 0`:                                         "a whole number from 0 up",
		`len(kind) == 2.5`:                                      "a whole number",
		`len(kind) > 2 and len(kind) < 3`:                       "exclude each other",
		`count(tags, # == "a") < 0`:                             "a whole number from 0 up",
		`temp == nil and temp > 5`:                              "exclude each other",
		`temp == nil and temp != nil`:                           "exclude each other",
		`temp > 5 and temp startsWith "5"`:                      "exclude each other",
		`temp > 5 and temp == "5"`:                              "exclude each other",
		`open and not open`:                                     "exclude each other",
		`open == true and open == false`:                        "exclude each other",
		`open != true and open != false`:                        "exclude each other",
		`open and open > 3`:                                     "exclude each other",
		`lower(kind) == "ERROR"`:                                "no capital letters",
		`lower(kind) contains "Err"`:                            "no capital letters",
		`upper(kind) in ["error", "Warning"]`:                   "no small letters",
		`trim(kind) == "error "`:                                "no white space",
		`partition_key startsWith "k" and partition_key == "7"`: "exclude each other",
		`partition_key == nil`:                                  "partition_key",
		`shard == "0"`:                                          "shardId-000000000000",
		`shard startsWith "shard-"`:                             "exclude each other|shardId-",
		`shard in ["shardId-1", "2"]`:                           "shardId-000000000000",
		`false`:                                                 "never",
		`temp > 5 and false`:                                    "never",
		`temp != temp`:                                          "with itself",
		`temp < temp`:                                           "with itself",
		`temp > limit and temp < limit`:                         "exclude each other",
		`temp > limit and limit >= temp`:                        "exclude each other",
		`kind matches "^a$b"`:                                   "no text matches",
		`kind matches "a^b"`:                                    "no text matches",
		`kind matches "[^\\x00-\\x{10FFFF}]"`:                   "no text matches",
		`kind matches "^err" and kind == "warning"`:             "exclude each other",
		`kind startsWith "a" and kind startsWith "b"`:           "exclude each other",
		`kind endsWith "ab" and kind endsWith "b" and kind endsWith "cb"`: "exclude each other",
		`kind startsWith "ab" and not (kind startsWith "a")`:              "exclude each other",
		`not (kind contains "")`:                                          "kind contains",
		`int(temp) % 2 == 3`:                                              "left over",
		`int(temp) % 2 == 0.5`:                                            "left over",
		`temp % 10 >= 10`:                                                 "left over",
		`arrival.Year() == int("20260")`:                                  "between 1970",
		`arrival.Hour() > 23`:                                             "between 0 and 23",
		`arrival < date("2020-01-01")`:                                    "longer than a year",
		`age < duration("0s")`:                                            "an age is",
		`age > duration("1h") and age < duration("5m")`:                   "exclude each other",
		`age > duration("10000h")`:                                        "an age is",
		`at > date("2026-01-01")`:                                         "never a time",
		`took > duration("1s")`:                                           "never a time or a duration",
		`abs(temp) < 0`:                                                   "0 or more",
		`indexOf(kind, "a") < -1`:                                         "from -1 up",
		`(temp > 5 or temp > 7) and temp < 3`:                             "exclude each other",
		`(temp > 5 and temp < 3) or (kind == "a" and kind == "b")`:        "exclude each other",
		`temp > 5 ? temp < 3 : temp > 8`:                                  "exclude each other",
		`any(tags, # == "a" and # == "b")`:                                "exclude each other",
		`any(orders, .price > 5 and .price < 3)`:                          "exclude each other",
		`not all(tags, len(#) >= 0)`:                                      "",
		`order.price > 5 and order.price < 3`:                             "order.price > 5",
		`$env["heart rate"] > 5 and $env["heart rate"] < 3`:               "exclude each other",
		`not (temp > 3 or temp <= 3)`:                                     "exclude each other",
		`round(temp) == 2.5`:                                              "whole number",
		`temp + 1 > 5 and temp + 1 < 3`:                                   "exclude each other",
	} {
		t.Run(when, func(t *testing.T) {
			got := conditionDoubts(t, when)
			require.Len(t, got, 1)
			require.Regexp(t, "^can never hold: ", got[0])
			require.Regexp(t, want, got[0])
		})
	}
	for when, want := range map[string]string{
		`kind != "a" or kind != "b"`:                `^kind != "a" or kind != "b" can never be false$`,
		`temp > 5 and (kind != "a" or kind != "b")`: `^kind != "a" or kind != "b" can never be false$`,
		`temp > 3 or temp <= 3`:                     "can never be false",
		`len(kind) >= 0`:                            "can never be false",
		`age >= duration("0s")`:                     "can never be false",
		`temp == temp`:                              "can never be false",
		`temp == nil or temp != nil`:                "can never be false",
		`kind matches ".*"`:                         "can never be false",
		`temp > 5 or kind in []`:                    `^the alternative kind in \[\] can never hold: `,
		`temp < 50 and (temp > 100 or kind == "a")`: `^the alternative temp > 100 can never hold: temp < 50 and ` +
			`temp > 100 exclude`,
	} {
		t.Run(when, func(t *testing.T) {
			require.Regexp(t, want, strings.Join(conditionDoubts(t, when), "\n"))
		})
	}
	for _, when := range []string{
		`true`, `temp == nil`, `temp > 50`, `temp > 5 and temp < 100`, `temp > 5 and hot > 5`,
		`temp >= 5 and temp <= 5`, `kind == "a" or kind == "b"`,
		`kind in ["a", "b"] and kind != "a"`, `kind startsWith "a" and kind endsWith "b" and kind contains "c"`,
		`temp in 5..5`,
		`temp != nil and temp > 5`, `temp > 5 or temp == nil`, `(temp ?? 0) > 5`,
		`partition_key == "7" and shard == "shardId-000000000012"`,
		`lower(kind) == "error" and kind == "ERROR"`, `lower(kind) == kind`, `kind matches "^a.*b$"`,
		`kind matches "(?m)a$\\nb"`, `kind matches "\\bno\\b"`,
		`arrival.Hour() == 23`, `arrival > date("2026-11-01")`, `age > duration("5m")`, `date(at) > date("2026-01-01")`,
		`int(temp) % 2 == 1`, `temp % 10 == 9.5`, `temp > limit`, `temp > limit or temp < limit`,
		`temp >= limit and temp <= limit`,
		`any(tags, # == "a") and any(tags, # == "b")`, `any(orders, .price > 5) and any(orders, .price < 3)`,
		`all(tags, # != "a")`, `len(tags) > 0`,
		`count(tags, # == "a") == 2`, `not open`, `open`, `id > 9007199254740993 and id < 9007199254740995`,
		`"prod" in tags`, `tags[0] == "prod"`,
		`let x = temp * 2; x > 5 and x < 9`, `temp > 5 ? kind == "a" : kind == "b"`,
		`temp == 3 and string(temp) == "3"`, `order?.price > 3`,
		`(temp > 5 or kind == "a") and (temp < 3 or kind == "b")`, `temp - 5 > 3 and temp < 100`, `not (kind in ["a"])`,
		`-temp > 5`, `"error" == kind`,
		`duration(took) > duration("1s")`, `kind > "a" and kind < "b"`, `1 < temp and temp < 2`, `float(code) >= 500`,
		`type(temp) == "string"`,
		`split(kind, ",")[0] == "a"`, `hasPrefix(kind, "a") and hasSuffix(kind, "b")`, `temp ?? false`,
		`ANOMALY_SCORE > 3.0`,
		`temp > 5 and temp > 7 and temp >= 7.5`, `find(orders, .id == 3).price > 5`,
		`filter(tags, # startsWith "a") != nil`,
	} {
		t.Run(when, func(t *testing.T) { require.Empty(t, conditionDoubts(t, when)) })
	}
}

// The places are those of the terms.
func TestDoubtsNameTheirPlace(t *testing.T) {
	t.Parallel()
	c := alert.Config{
		Rules:  []alert.RuleConfig{{Name: "ok", When: "temp > 3"}, {Name: "r", When: "temp > 100 and\n temp < 50"}},
		Topics: map[string]alert.TopicConfig{"t": {ARN: "arn:aws:sns:us-east-1:000000000000:t"}},
	}
	got := c.Doubts(time.Now())
	require.Len(t, got, 1)
	require.Equal(t, []any{"rules[1].when", 2}, []any{got[0].Fault.Field, got[0].Fault.Line})
}

func TestDoubtsAboutOtherParts(t *testing.T) {
	t.Parallel()
	pattern := func(text string) filter.Pattern {
		var p filter.Pattern
		require.NoError(t, p.UnmarshalJSON([]byte(text)))
		return p
	}
	rule := alert.RuleConfig{Name: "r", When: "temp > 3"}
	window := func(w alert.WindowConfig) alert.Config {
		r := rule
		w.Length = time.Minute
		r.Window = w
		return alert.Config{Rules: []alert.RuleConfig{r}}
	}
	silence := func(s alert.SilenceConfig) alert.Config {
		s.Name = "s"
		return alert.Config{Rules: []alert.RuleConfig{rule}, Silences: []alert.SilenceConfig{s}}
	}
	scored := func(when string) alert.Config {
		return alert.Config{
			Score: []alert.ScoreConfig{{Fields: []string{"temp"}}},
			Rules: []alert.RuleConfig{{Name: "r", When: when}},
		}
	}
	for name, c := range map[string]struct {
		config alert.Config
		want   string
	}{
		"severity that is none": {
			alert.Config{Rules: []alert.RuleConfig{{
				Name: "r", When: "temp > 3",
				Severity: `temp > 9 ? "critical" : temp > 5 ? "crit" : "info"`,
			}}},
			`gives "crit", which is not a severity and counts as warning`,
		},
		"count below 0":   {window(alert.WindowConfig{Is: "< 0"}), "can never hold for the count of a window"},
		"count of a half": {window(alert.WindowConfig{Is: "== 2.5"}), "can never hold"},
		"count from 0":    {window(alert.WindowConfig{Is: ">= 0"}), "holds for every window"},
		"count":           {window(alert.WindowConfig{Is: "> 100"}), ""},
		"count below its least": {
			window(alert.WindowConfig{Is: "< 5", MinRecords: 5}),
			"can never hold for the count of a window: min_records makes it 5 at least",
		},
		"count above its least": {window(alert.WindowConfig{Is: "< 6", MinRecords: 5}), ""},
		"rate below its least": {
			window(alert.WindowConfig{Aggregate: "rate", Is: "< 1", MinRecords: 60}),
			"can never hold for the rate of a window: min_records makes it 1 at least",
		},
		"least of values": {window(alert.WindowConfig{
			Aggregate: "distinct", Of: "temp", Is: "< 2",
			MinRecords: 60,
		}), ""},
		"rate below 0":         {window(alert.WindowConfig{Aggregate: "rate", Is: "< 0"}), "can never hold"},
		"rate":                 {window(alert.WindowConfig{Aggregate: "rate", Is: "< 0.5"}), ""},
		"sum below 0":          {window(alert.WindowConfig{Aggregate: "sum", Of: "temp", Is: "< 0"}), ""},
		"silence forever":      {silence(alert.SilenceConfig{Until: "2099-01-01T00:00:00Z"}), "lasts 2\\d{4} days"},
		"silence for two days": {silence(alert.SilenceConfig{Until: "2026-12-02T00:00:00Z"}), ""},
		"silence to come, long": {silence(alert.SilenceConfig{
			From:  "2027-01-01T00:00:00Z",
			Until: "2027-03-01T00:00:00Z",
		}), "lasts 59 days"},
		"silence that is over": {silence(alert.SilenceConfig{
			From:  "2025-01-01T00:00:00Z",
			Until: "2025-12-01T00:00:00Z",
		}), ""},
		"silence of nothing": {silence(alert.SilenceConfig{
			Until: "2026-12-02T00:00:00Z",
			When:  `host == "a" and host == "b"`,
		}), "can never hold"},
		"score below 0":         {scored(`ANOMALY_SCORE < 0`), "a score is"},
		"score beyond its most": {scored(`ANOMALY_SCORE > 9`), "between 0 and 8"},
		"score":                 {scored(`ANOMALY_SCORE > 3.5`), ""},
		"key is no number": {alert.Config{
			Filter: []filter.Pattern{pattern(`{"partitionKey":[7]}`)},
			Rules:  []alert.RuleConfig{rule},
		}, "partition key is a string"},
		"key is there": {alert.Config{
			Filter: []filter.Pattern{pattern(`{"partitionKey":[{"exists":false}]}`)},
			Rules:  []alert.RuleConfig{rule},
		}, "can never match"},
		"key": {alert.Config{
			Filter: []filter.Pattern{pattern(`{"partitionKey":["7", 7]}`)},
			Rules:  []alert.RuleConfig{rule},
		}, ""},
		"one way is open": {alert.Config{
			Filter: []filter.Pattern{pattern(
				`{"data":{"c":["x"]},"$or":[{"partitionKey":[7]},{"partitionKey":["x"]}]}`)},
			Rules: []alert.RuleConfig{rule},
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := doubtsOf(t, c.config)
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Regexp(t, c.want, got[0])
		})
	}
}

// A condition reported as impossible is false or undefined for every record that is tried; one reported as never false
// is never false.
func TestDoubtsAreNeverWrong(tt *testing.T) {
	tt.Parallel()
	operand := rapid.SampledFrom([]string{"a", "b", "len(b)", "lower(b)", "int(a)", "a % 3", "a + 1"})
	term := rapid.Custom(func(t *rapid.T) string {
		o := operand.Draw(t, "operand")
		switch rapid.IntRange(0, 6).Draw(t, "form") {
		case 0, 1, 2:
			return o + rapid.SampledFrom([]string{" > ", " < ", " >= ", " <= ", " == ", " != "}).Draw(t, "op") +
				rapid.SampledFrom([]string{"0", "1", "1.5", "2", "-1"}).Draw(t, "number")
		case 3:
			return "b" + rapid.SampledFrom([]string{
				" == ", " != ", " startsWith ", " endsWith ", " contains ",
				" < ",
			}).Draw(t, "op") + rapid.SampledFrom([]string{`"x"`, `"xy"`, `"X"`, `""`}).Draw(t, "text")
		case 4:
			return o + rapid.SampledFrom([]string{" in [1, 2]", ` in ["x", "xy"]`, " in 0..2", " not in [1]"}).Draw(t,
				"in")
		case 5:
			return "a" + rapid.SampledFrom([]string{" > b", " == b", " == nil", " != nil", " < b"}).Draw(t, "relation")
		}
		return `b matches "` + rapid.SampledFrom([]string{"^x", "y$", "^x$", "", "x.*y"}).Draw(t, "pattern") + `"`
	})
	var condition func(depth int) *rapid.Generator[string]
	condition = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			kind := rapid.IntRange(0, 5).Draw(t, "kind")
			switch {
			case depth == 0 || kind < 2:
				return term.Draw(t, "term")
			case kind < 4:
				return "(" + condition(depth-1).Draw(t, "left") + " and " + condition(depth-1).Draw(t, "right") + ")"
			case kind == 4:
				return "(" + condition(depth-1).Draw(t, "left") + " or " + condition(depth-1).Draw(t, "right") + ")"
			}
			return "not (" + condition(depth-1).Draw(t, "inner") + ")"
		})
	}
	values := []string{
		"", "null", "true", "0", "1", "1.5", "2", "3", "-1", "4", "0.5", `"x"`, `"xy"`, `"X"`, `""`,
		`"yx"`, `"1"`, "[1]",
	}
	rapid.Check(tt, func(t *rapid.T) {
		when := condition(3).Draw(t, "condition")
		c := oneRule(alert.RuleConfig{Name: "r", When: when})
		if c.Validate() != nil {
			t.Skip("refused")
		}
		got := strings.Join(conditionDoubts(t, when), "\n")
		never := strings.HasPrefix(got, "can never hold")
		always := strings.HasSuffix(got, "can never be false") && !strings.Contains(got, "\n")
		if !never && !always {
			return
		}
		w := newWorld(tt, c)
		for _, a := range values {
			for _, b := range values {
				var members []string
				if a != "" {
					members = append(members, `"a":`+a)
				}
				if b != "" {
					members = append(members, `"b":`+b)
				}
				x := w.pipeline.Explain(record("1", "{"+strings.Join(members, ",")+"}"))
				v := x.Rules[0].Verdict
				if never && v == alert.VerdictTrue {
					t.Fatalf("%s: %s; but it holds for a=%s b=%s", when, got, a, b)
				}
				if always && v == alert.VerdictFalse && !strings.Contains(when, " and ") {
					t.Fatalf("%s: %s; but it is false for a=%s b=%s", when, got, a, b)
				}
			}
		}
	})
}
