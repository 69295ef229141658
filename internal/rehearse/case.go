package rehearse

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
)

// ruleTests is a file of tests for rules.
type ruleTests struct {
	// Config is the configuration file with the rules, relative to this one.
	Config string     `yaml:"config"`
	Tests  []ruleCase `yaml:"tests"`
}

// ruleCase is one test: records at their times, and what is expected of them.
type ruleCase struct {
	Name string `yaml:"name"`
	// Start is what the times count from.
	Start instant `yaml:"start"`
	Shard string  `yaml:"shard"`
	// Records are evaluated in the order of their times; those of the same time in that of the file.
	Records []caseRecord `yaml:"records"`
	Expect  expectation  `yaml:"expect"`
}

// caseRecord is a record, several that are alike, or only time that passes.
type caseRecord struct {
	At  time.Duration `yaml:"at"`
	Key string        `yaml:"key"`
	// Data or Base64 is the payload; without any, only time passes.
	Data   casePayload `yaml:"data"`
	Base64 *string     `yaml:"base64"`
	// Age is how much earlier than At the record arrived, for one that comes late.
	Age time.Duration `yaml:"age"`
	// Times is how often the record comes, and Every the time between.
	Times *int          `yaml:"times"`
	Every time.Duration `yaml:"every"`

	payload []byte // what Data or Base64 says
}

// expectation is what a test expects. What is left out is not looked at.
type expectation struct {
	// Alerts are all alerts in their order.
	Alerts *[]expectedAlert `yaml:"alerts"`
	// Outcomes are how many records met which outcome; one that is not named is 0.
	Outcomes map[string]int `yaml:"outcomes"`
	// Suppressed are how many alerts of a rule were suppressed, by reason; a reason that is not named is 0.
	Suppressed map[string]map[string]int `yaml:"suppressed"`
	// Outputs are all records that are written to output streams, in their order, and Written how many of each; an
	// output that is not named there is 0.
	Outputs *[]expectedOutput `yaml:"outputs"`
	Written map[string]int    `yaml:"written"`
	// Digests are all digests in their order, as one worker sends them.
	Digests *[]expectedDigest `yaml:"digests"`
}

// expectedAlert is one alert. What is left out is not compared.
type expectedAlert struct {
	At         *time.Duration    `yaml:"at"`
	Rule       *string           `yaml:"rule"`
	Kind       *string           `yaml:"kind"`
	Topic      *string           `yaml:"topic"`
	Key        *string           `yaml:"key"`
	Severity   *string           `yaml:"severity"`
	Subject    *string           `yaml:"subject"`
	Message    *string           `yaml:"message"`
	Attributes map[string]string `yaml:"attributes"`
	Bodies     map[string]string `yaml:"bodies"`
	Group      *string           `yaml:"group"`
	Suppressed *int              `yaml:"suppressed"`
}

// expectedDigest is one digest. What is left out is not compared.
type expectedDigest struct {
	At      *time.Duration `yaml:"at"`
	Topic   *string        `yaml:"topic"`
	Count   *int           `yaml:"count"`
	Subject *string        `yaml:"subject"`
	Message *string        `yaml:"message"`
}

// instant is a time in a file.
type instant time.Time

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *instant) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return errors.New("want a time such as 2026-11-22T09:00:00Z")
	}
	*i = instant(t.UTC())
	return nil
}

// casePayload is the payload of a record: text as it is, anything else as JSON.
type casePayload struct {
	given bool
	bytes []byte
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *casePayload) UnmarshalJSON(text []byte) error {
	p.given, p.bytes = true, bytes.Clone(text)
	if text[0] != '"' {
		return nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	p.bytes = []byte(s)
	return nil
}

const (
	defaultCaseShard = "shardId-000000000000"
	// DefaultCaseKey is the one partition key of AWS' sample producers.
	DefaultCaseKey = "partitionkey"
	// mostCaseRecords is how many records one test has at most, with their repetitions.
	mostCaseRecords = 1_000_000
	// mostCaseTime is how long one test lasts at most.
	mostCaseTime = 366 * 24 * time.Hour
)

// LoadedTests are the valid tests of a file, ready to be played.
type LoadedTests struct {
	File  string
	Cases []ruleCase

	stage *stage
}

// TestLoader reads files of tests, and each configuration once.
type TestLoader struct {
	Lookup func(string) (string, bool)
	// Config is the configuration for all files; empty where each names its own.
	Config string
	// Open reads a configuration; nil reads files and env:NAME.
	Open func(ctx context.Context, name string) (*config.LoadedConfig, error)
	// Read reads a file of tests; nil reads a file.
	Read     func(ctx context.Context, name string) ([]byte, error)
	Problems config.FieldErrors

	stages map[string]*stage // by configuration; nil for a faulty one
}

// Load reads a file of tests. It returns nil if there are problems with it, or with its configuration.
func (l *TestLoader) Load(ctx context.Context, file string) *LoadedTests {
	read := l.Read
	if read == nil {
		read = func(ctx context.Context, name string) ([]byte, error) {
			return config.ReadFile(ctx, name, config.MaxDocument)
		}
	}
	data, err := read(ctx, file)
	if err != nil {
		l.Problems = append(l.Problems, &config.FieldError{File: file, Rule: err.Error()})
		return nil
	}
	var tests ruleTests
	doc := config.ParseDocument(file, data, l.Lookup, &tests)
	if doc.IsBroken("") || doc.Root == nil {
		l.Problems = append(l.Problems, doc.Problems...)
		return nil
	}
	on := l.stageOf(ctx, doc, &tests)
	if len(tests.Tests) == 0 && !doc.IsBroken("tests") {
		doc.Fault("tests", "", "there are no tests")
	}
	names := map[string]bool{}
	for i := range tests.Tests {
		c, path := &tests.Tests[i], fmt.Sprintf("tests[%d]", i)
		if doc.IsBroken(path) {
			continue
		}
		switch {
		case doc.IsBroken(path + ".name"):
		case strings.TrimSpace(c.Name) == "":
			doc.Fault(path+".name", c.Name, "required: what the test says about the rules")
		case names[c.Name]:
			doc.Fault(path+".name", c.Name, "is also the name of a test above")
		}
		names[c.Name] = true
		c.prepare(doc, path)
		if on != nil {
			c.Expect.check(doc, path+".expect", on.config)
		}
	}
	if len(doc.Problems) > 0 {
		doc.Problems.Sort()
		l.Problems = append(l.Problems, doc.Problems...)
		return nil
	}
	if on == nil {
		return nil
	}
	return &LoadedTests{File: file, Cases: tests.Tests, stage: on}
}

// stageOf loads the configuration that a file of tests is about; nil if there is none, which is a fault.
func (l *TestLoader) stageOf(ctx context.Context, doc *config.Document, tests *ruleTests) *stage {
	name := l.Config
	if name == "" {
		switch {
		case doc.IsBroken("config"):
			return nil
		case tests.Config == "":
			doc.Fault("config", "",
				"required: the configuration file with the rules, relative to this file; or give --config FILE")
			return nil
		}
		if name = tests.Config; !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(doc.File), name)
		}
	}
	if known, seen := l.stages[name]; seen {
		return known
	}
	var on *stage
	open := l.Open
	if open == nil {
		open = func(ctx context.Context, name string) (*config.LoadedConfig, error) {
			return config.LoadConfig(ctx, name, l.Lookup)
		}
	}
	loaded, err := open(ctx, name)
	var faults config.FieldErrors
	switch {
	case err == nil:
		on = &stage{config: loaded}
	case !errors.As(err, &faults):
		faults = config.FieldErrors{{File: name, Rule: err.Error()}}
		fallthrough
	default:
		l.Problems = append(l.Problems, faults...)
	}
	if l.stages == nil {
		l.stages = map[string]*stage{}
	}
	l.stages[name] = on
	return on
}

// prepare fills in the defaults of a test and reports what is wrong with its records.
func (c *ruleCase) prepare(doc *config.Document, path string) {
	if time.Time(c.Start).IsZero() {
		c.Start = instant(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	}
	c.Shard = cmp.Or(c.Shard, defaultCaseShard)
	if len(c.Records) == 0 && !doc.IsBroken(path+".records") {
		doc.Fault(path+".records", "", "required: the records, such as {at: 0s, data: {heartRate: 180}}")
	}
	total := 0
	for i := range c.Records {
		at := fmt.Sprintf("%s.records[%d]", path, i)
		if !doc.IsBroken(at) {
			c.Records[i].prepare(doc, at)
			total += *c.Records[i].Times
		}
	}
	if total > mostCaseRecords {
		doc.Fault(path+".records", fmt.Sprint(total), fmt.Sprintf("are more than %d records", mostCaseRecords))
	}
}

func (r *caseRecord) prepare(doc *config.Document, path string) {
	span := func(name string, d time.Duration) {
		if d < 0 || d > mostCaseTime || d%time.Millisecond != 0 {
			doc.Fault(path+"."+name, d.String(),
				"must be between 0s and 8784h, in whole milliseconds as Kinesis has them")
		}
	}
	span("at", r.At)
	span("age", r.Age)
	span("every", r.Every)
	if r.Times == nil {
		r.Times = new(1)
		if r.Every != 0 {
			doc.Fault(path+".every", r.Every.String(), "needs times: how often the record comes")
		}
	}
	if n := *r.Times; n < 1 || n > mostCaseRecords {
		doc.Fault(path+".times", fmt.Sprint(n), fmt.Sprintf("must be 1 to %d", mostCaseRecords))
		*r.Times = 1
	}
	switch {
	case r.Data.given && r.Base64 != nil:
		doc.Fault(path+".base64", *r.Base64, "give either data or base64")
	case r.Data.given:
		r.payload = r.Data.bytes
	case r.Base64 != nil:
		var err error
		if r.payload, err = base64.StdEncoding.DecodeString(*r.Base64); err != nil {
			doc.Fault(path+".base64", *r.Base64, "is no base64: "+err.Error())
		}
	case r.Key != "" || r.Age != 0 || *r.Times != 1:
		doc.Fault(path, "", "a record needs data or base64; an entry with nothing but at lets time pass")
	}
	r.Key = cmp.Or(r.Key, DefaultCaseKey)
}

// isTick says that only time passes.
func (r *caseRecord) isTick() bool { return !r.Data.given && r.Base64 == nil }

// outcomesOfRules are those that evaluation gives a record; publishing has others.
func outcomesOfRules() []string {
	var names []string
	for _, o := range []alert.Outcome{
		alert.Alerted, alert.Unmatched, alert.Filtered, alert.Suppressed, alert.OverBudget, alert.Invalid,
	} {
		names = append(names, o.String())
	}
	return names
}

func suppressionsOfRules() (names []string) {
	for _, reason := range alert.Suppressions() {
		names = append(names, string(reason))
	}
	return names
}

// check reports names in an expectation that the configuration cannot produce: such a test would prove nothing.
func (x *expectation) check(doc *config.Document, path string, loaded *config.LoadedConfig) {
	name := func(path, what string, value *string, known []string) {
		if value != nil && !slices.Contains(known, *value) {
			doc.Fault(path, *value, notKnown(*value, what, known))
		}
	}
	for _, list := range []string{"alerts", "digests", "outputs"} {
		if n, exact := doc.Locate(path + "." + list); exact && n.ShortTag() == "!!null" {
			doc.Fault(path+"."+list, "",
				"is empty: write [] to expect none, or leave it out to expect nothing in particular")
		}
	}
	rules, topics := ruleNames(loaded), slices.Sorted(maps.Keys(loaded.Topics))
	kinds := []string{
		string(alert.KindFiring), string(alert.KindRepeat), string(alert.KindResolved), string(alert.KindWatchdog),
	}
	if x.Alerts != nil {
		for i, a := range *x.Alerts {
			at := fmt.Sprintf("%s.alerts[%d].", path, i)
			name(at+"rule", "rule", a.Rule, append(rules, ""))
			name(at+"topic", "topic", a.Topic, topics)
			name(at+"kind", "kind", a.Kind, kinds)
			name(at+"severity", "severity", a.Severity, []string{
				alert.SeverityCritical, alert.SeverityWarning, alert.SeverityInfo, "",
			})
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(x.Outcomes)) {
		name(path+".outcomes."+outcome, "outcome of evaluation", &outcome, outcomesOfRules())
	}
	for _, rule := range slices.Sorted(maps.Keys(x.Suppressed)) {
		at := path + ".suppressed." + rule
		name(at, "rule", &rule, rules)
		for _, reason := range slices.Sorted(maps.Keys(x.Suppressed[rule])) {
			name(at+"."+reason, "reason", &reason, suppressionsOfRules())
		}
	}
	outputs := slices.Sorted(maps.Keys(loaded.Outputs))
	if x.Outputs != nil {
		for i, o := range *x.Outputs {
			name(fmt.Sprintf("%s.outputs[%d].output", path, i), "output", o.Output, outputs)
		}
	}
	for _, output := range slices.Sorted(maps.Keys(x.Written)) {
		name(path+".written."+output, "output", &output, outputs)
	}
	if x.Digests != nil {
		for i, d := range *x.Digests {
			name(fmt.Sprintf("%s.digests[%d].topic", path, i), "topic", d.Topic, topics)
		}
	}
}

// ruleNames are the names that alerts can have.
func ruleNames(loaded *config.LoadedConfig) []string {
	var names []string
	for _, r := range loaded.Rules {
		names = append(names, r.Name)
	}
	if loaded.Watchdog.Interval > 0 {
		names = append(names, "watchdog")
	}
	return names
}

func notKnown(value, what string, known []string) string {
	if near := config.Nearest(value, known); near != "" {
		return fmt.Sprintf("there is no such %s; did you mean %q?", what, near)
	}
	known = slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == "" })
	if len(known) == 0 {
		return fmt.Sprintf("there is no %s in the configuration", what)
	}
	return fmt.Sprintf("there is no such %s; there are %s", what, strings.Join(known, ", "))
}
