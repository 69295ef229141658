package alert

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/filter"
)

// The formats of a payload.
const (
	// FormatJSON is one JSON object per record. It is the default.
	FormatJSON = "json"
	// FormatText is any UTF-8 text, which rules see as data.
	FormatText = "text"
)

// The severities, most severe first.
const (
	SeverityCritical = "critical"
	SeverityWarning  = "warning"
	SeverityInfo     = "info"
)

// The modes of a rule.
const (
	// ModeLive publishes. It is the default.
	ModeLive = "live"
	// ModeShadow evaluates and counts what would be published, and publishes nothing.
	ModeShadow = "shadow"
)

// Config is what a Pipeline is made of. The zero value of a field means its default.
type Config struct {
	// Format says how payloads are read: json (default) or text.
	Format string `yaml:"format"`
	// Filter are Lambda's filter patterns, ORed. Without any, every record passes.
	Filter []filter.Pattern `yaml:"filter"`
	// DeadLetterInvalid sends records that cannot be parsed, also for a filter on data, to the dead letters.
	DeadLetterInvalid bool `yaml:"dead_letter_invalid"`
	// Score are random cut forests, whose scores are added to the records before filters, rules and templates see them.
	Score []ScoreConfig `yaml:"score" form:"one"`
	// Rules are tried in order, each on every record. Without rules every record alerts to the one topic.
	Rules []RuleConfig `yaml:"rules"`
	// Silences mute rules for a time.
	Silences []SilenceConfig `yaml:"silences"`
	// Watchdog is a message at an interval, whose absence means trouble.
	Watchdog WatchdogConfig `yaml:"watchdog"`
	// State bounds what rules remember.
	State StateConfig `yaml:"state"`
	// Topics are the destinations by name, which is 1 to 64 letters, digits, "_" and "-".
	Topics map[string]TopicConfig `yaml:"topics"`
	// Outputs are the output streams by name, which is 1 to 64 letters, digits, "_" and "-".
	Outputs map[string]OutputConfig `yaml:"outputs"`
}

// RuleConfig is one rule.
type RuleConfig struct {
	// The name of the rule: 1 to 64 letters, digits, `_`, `-` or `.`, unique. It is part of the alert id, and the
	// memory of the rule is kept under it: a renamed rule alerts again.
	Name string `yaml:"name" required:"true"`
	// The condition, in the language of https://expr-lang.org, such as `ANOMALY_SCORE > 3.0`; `true` matches every
	// record. It sees the fields of the record by their exact names (`order.price`) and `partition_key`, `shard`,
	// `arrival` and `age`. A field that is missing, null or of another type makes a comparison neither true nor false:
	// the rule does not match. With `absence` it can be left out.
	When string `yaml:"when"`
	// An expression for what "the same alert" means to `for`, `window`, `absence`, `dedup`, `resolve` and
	// `inhibited_by`. With a key that is not the partition key, each shard counts its own part of the key's records.
	Key string `yaml:"key" default:"partition_key"`
	// An expression for the figure that messages and digests show.
	Value string `yaml:"value" unset:"the first field that when compares with a number"`
	// Fire only when `when` has held for so many records of the key in a row (`3`), or for so long (`30s`); at most
	// 1000000 records or 168h.
	For Stretch `yaml:"for"`
	// Fire on an aggregate of the key's records for which `when` holds, as in
	// `{length: 1m, aggregate: avg, of: latency, is: "> 250"}`.
	Window WindowConfig `yaml:"window"`
	// Fire when no record came for which `when` holds.
	Absence AbsenceConfig `yaml:"absence"`
	// Suppress further alerts of a key for so long after one was made.
	Dedup time.Duration `yaml:"dedup" range:"1ms..168h"`
	// A key that fires is resolved after so many records in a row for which `when` is false (`3`), or so long without
	// one for which it is true (`2m`), and a message says so. While it fires, its only further alerts are those of
	// `repeat_interval`. At most 1000000 records or 168h.
	Resolve Stretch `yaml:"resolve"`
	// Report again, at this interval, that a key still fires. It needs `resolve` or `absence`.
	RepeatInterval time.Duration `yaml:"repeat_interval" range:"1s..168h"`
	// Names of rules before this one: while one of them is active for the same key, and somebody was told of it or has
	// silenced it, this rule is muted. A rule without `resolve` is active for its `dedup`.
	InhibitedBy []string `yaml:"inhibited_by"`
	// Suppress the alerts of the rule above this rate, for each shard: `10/1m`, at most 100000000 in at most 8760h.
	RateLimit Rate `yaml:"rate_limit"`
	// `critical`, `warning` or `info`, or an expression that gives one of them: `score > 5 ? "critical" : "info"`. A
	// rise is reported at once, whatever `dedup` would suppress; one that a silence, quiet hours or `rate_limit`
	// suppressed, when they are over.
	Severity string `yaml:"severity" default:"warning"`
	// Texts that templates see and that are message attributes.
	Labels map[string]string `yaml:"labels"`
	// `shadow` evaluates and counts, in kinesis_alerter_shadow_alerts_total, and publishes nothing.
	Mode string `yaml:"mode" default:"live" enum:"live|shadow"`
	// Hours in which the rule is muted: `{days: [sat, sun], from: "22:00", to: "06:00", zone: Europe/Berlin}`.
	Quiet []QuietConfig `yaml:"quiet"`
	// Where the alerts of the rule go: names from `topics`.
	Topics []string `yaml:"topics" unset:"the only topic"`
	// A Go template of the subject of the message.
	Subject string `yaml:"subject" unset:"that of the topic"`
	// A Go template of the message.
	Message string `yaml:"message" unset:"that of the topic"`
	// Message attributes for filter policies, by name; at most 10 with `alert_id`, `rule`, `severity`, `kind` and the
	// labels.
	Attributes map[string]AttributeConfig `yaml:"attributes"`
	// A template of a link to what to do, which is added to the message where it does not have it.
	Runbook string `yaml:"runbook"`
	// A template of a link to a dashboard, which is added to the message where it does not have it.
	Dashboard string `yaml:"dashboard"`
}

// The aggregates of a window.
const (
	AggregateCount    = "count"
	AggregateSum      = "sum"
	AggregateAvg      = "avg"
	AggregateMin      = "min"
	AggregateMax      = "max"
	AggregateRate     = "rate"
	AggregateDistinct = "distinct"
)

// WindowConfig is an aggregate over event time.
type WindowConfig struct {
	// The length of the window, in whole milliseconds.
	Length time.Duration `yaml:"length" range:"1s..24h"`
	// How far a sliding window moves at a time; it divides `length` into at most 120 parts. A sliding window is judged
	// with every record and at the end of each step. Its newest step has only begun, so it covers between `length -
	// step` and `length`: leave that margin below an upper bound (`< 55` for one record a second in a minute), or
	// choose a smaller step.
	Step time.Duration `yaml:"step" unset:"a twelfth of length" range:"1ms..24h"`
	// Windows without overlap, each judged once, at its end.
	Tumbling bool `yaml:"tumbling" default:"false"`
	// What is compared. `rate` is records per second over the whole `length`, also while the window has only begun to
	// fill: 90 records in `{length: 1m, aggregate: rate}` are 1.5. `count`, `rate`, `sum` and `distinct` are 0 when
	// nothing comes.
	Aggregate string `yaml:"aggregate" default:"count" enum:"count|sum|avg|min|max|rate|distinct"`
	// The expression that is aggregated, such as the name of a field; not for `count` and `rate`.
	Of string `yaml:"of"`
	// The comparison that makes the rule fire, such as `> 100`.
	Is string `yaml:"is"`
	// How many records a window must have to fire, so that the first error of a quiet service is not 100 %. A window
	// with an upper bound (`< 5`, `== 0`), or a lower one of `min`, is judged once a whole length of it was watched,
	// `avg` with what there is.
	MinRecords int `yaml:"min_records" default:"0" range:"0..1000000000"`
}

// What can be absent.
const (
	AbsenceOfKey    = "key"
	AbsenceOfShard  = "shard"
	AbsenceOfStream = "stream"
)

// AbsenceConfig is an alert about what does not come.
type AbsenceConfig struct {
	// How long nothing must have come; at least 30s for `of: stream`.
	After time.Duration `yaml:"after" range:"1s..168h"`
	// What is absent: a `key`, or everything in a `shard` or in the whole `stream`.
	Of string `yaml:"of" default:"key" enum:"key|shard|stream"`
	// For how long a key that does not come back is reported. Then a last message says that it is given up, and the
	// key is forgotten until its next record. For `of: key` only: the absence of a shard or of the stream is never
	// given up.
	GiveUp time.Duration `yaml:"give_up" default:"24h" range:"1s..8760h"`
}

// QuietConfig is a daily span of time.
type QuietConfig struct {
	// The days on which the hours begin.
	Days []string `yaml:"days" unset:"every day" enum:"sun|mon|tue|wed|thu|fri|sat"`
	// When the hours begin: HH:MM, in quotes.
	From string `yaml:"from" required:"true"`
	// When the hours end: HH:MM, in quotes. If it is not after `from`, it is on the next day.
	To string `yaml:"to" required:"true"`
	// A time zone of the IANA database, such as Europe/Berlin.
	Zone string `yaml:"zone" default:"UTC"`
}

// SilenceConfig mutes rules from one time to another.
type SilenceConfig struct {
	// The name of the silence, for people: 1 to 64 letters, digits, `_`, `-` or `.`.
	Name string `yaml:"name" required:"true"`
	// Names of the rules that are muted.
	Rules []string `yaml:"rules" unset:"all rules"`
	// A condition: for which records. What it says of a key's last matching record also holds for what time brings
	// about.
	When string `yaml:"when" unset:"every record"`
	// From when, as 2026-11-22T09:00:00Z: times are those at which records arrive.
	From string `yaml:"from" unset:"always"`
	// Until when, as 2026-11-22T17:00:00Z: every silence has an end. One that is over is refused by `check` and by a
	// reload, not by a start.
	Until string `yaml:"until" required:"true"`
	// Why, for people.
	Comment string `yaml:"comment"`
}

// WatchdogConfig is a message at an interval.
type WatchdogConfig struct {
	// How often: a message at the end of every interval, as long as every open shard is read, none is paused, and none
	// is further behind than that by the clock (20s at least). What was missed is not made up for. If the message
	// stays away, look.
	Interval time.Duration `yaml:"interval" range:"10s..24h"`
	// Where the message goes: names from `topics`.
	Topics []string `yaml:"topics" unset:"the only topic"`
}

// StateConfig bounds the memory of rules.
type StateConfig struct {
	// How many keys one shard remembers, of all rules together. Beyond it keys of the rule that has most are forgotten,
	// quiet ones first, and counted. 100,000 keys take about 17 MiB. What a shard remembers is also bounded in bytes:
	// 48 MiB in memory, 22 MiB of a snapshot.
	MaxKeys int `yaml:"max_keys" default:"100000" range:"1..10000000"`
}

// TopicConfig is one destination.
type TopicConfig struct {
	// The ARN of the SNS topic. That of a FIFO topic ends in `.fifo`.
	ARN string `yaml:"arn" required:"true"`
	// The ARN of an IAM role that the process assumes to publish to the topic, for a topic of another account.
	RoleARN string `yaml:"role_arn" unset:"the credentials of the process"`
	// The external id that the trust policy of `role_arn` wants.
	ExternalID string `yaml:"external_id"`
	// What all workers of this application together publish to the topic at most; alerts above it are gathered into
	// digests, and each worker has its share. SNS counts all publishers: several applications on one e-mail topic have
	// to stay below 10/s together. At least one a day, at most 30000/s, or `unlimited` for topics that no person
	// reads.
	Rate Rate `yaml:"rate" default:"8/s"`
	// E-mail subscribes to the topic. SNS switches such subscriptions off above 10 messages a second, so `rate` cannot
	// be above that.
	Email *bool `yaml:"email" default:"true"`
	// How long alerts above the rate are gathered for one message.
	Digest time.Duration `yaml:"digest" default:"10s" range:"1s..10m"`
	// A Go template of the subject, which is cut to the 99 characters that SNS takes.
	Subject string `yaml:"subject" unset:"that of AWS's sample, Anomaly detected"`
	// A Go template of the message.
	Message string `yaml:"message" unset:"that of AWS's sample, with the payload"`
	// Templates of the message by protocol: `email`, `email-json`, `sms`, `sqs`, `http`, `https`, `lambda`,
	// `application` or `firehose`. SNS then drops message attributes, so a rule with attributes is refused there.
	Bodies map[string]string `yaml:"bodies"`
	// A Go template of the message group of a FIFO topic.
	GroupID string `yaml:"group_id" unset:"the partition key"`
}

// AttributeConfig is one message attribute.
type AttributeConfig struct {
	// The type of the attribute, as filter policies compare it.
	Type string `yaml:"type" default:"String" enum:"String|Number|String.Array"`
	// A Go template of the value. An attribute whose value is empty is left out.
	Value string `yaml:"value" required:"true"`
}

// The default and the maximum of MaxKeys.
const (
	defaultMaxKeys = 100_000
	maxMaxKeys     = 10_000_000
)

// defaultGiveUp and maxGiveUp are the default and the maximum of GiveUp.
const (
	defaultGiveUp = 24 * time.Hour
	maxGiveUp     = 365 * 24 * time.Hour
)

// WithDefaults returns a copy in which every default is filled in. The receiver shares nothing that changes with it.
func (c Config) WithDefaults() Config {
	c.Format = cmp.Or(c.Format, FormatJSON)
	c.State.MaxKeys = cmp.Or(c.State.MaxKeys, defaultMaxKeys)
	c.Topics = maps.Clone(c.Topics)
	for name, t := range c.Topics {
		c.Topics[name] = t.withDefaults()
	}
	c.Outputs = maps.Clone(c.Outputs)
	for name, o := range c.Outputs {
		c.Outputs[name] = o.withDefaults()
	}
	c.Score = slices.Clone(c.Score)
	for i := range c.Score {
		c.Score[i] = c.Score[i].withDefaults()
	}
	c.Rules = slices.Clone(c.Rules)
	var only []string
	if name := c.onlyTopic(); name != "" {
		only = []string{name}
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		r.Severity = cmp.Or(r.Severity, SeverityWarning)
		r.Mode = cmp.Or(r.Mode, ModeLive)
		if a := &r.Absence; a.After > 0 && cmp.Or(a.Of, AbsenceOfKey) == AbsenceOfKey {
			a.GiveUp = cmp.Or(a.GiveUp, defaultGiveUp)
		}
		if r.Topics = slices.Clone(r.Topics); len(r.Topics) == 0 {
			r.Topics = only
		}
	}
	if c.Watchdog.Interval != 0 && len(c.Watchdog.Topics) == 0 {
		c.Watchdog.Topics = only
	}
	return c
}

// DefaultDigest is how long alerts above a topic's rate are collected.
const DefaultDigest = 10 * time.Second

// emailRate is the rate at which SNS switches e-mail subscriptions off, in messages a second.
const emailRate = 10

func (c TopicConfig) withDefaults() TopicConfig {
	if c.Email == nil {
		c.Email = new(true)
	}
	if c.Rate.IsZero() {
		c.Rate = Rate{Events: 8, Per: time.Second}
	}
	c.Digest = cmp.Or(c.Digest, DefaultDigest)
	return c
}

// onlyTopic returns the name of the only topic; empty if there are none or several.
func (c *Config) onlyTopic() string {
	if len(c.Topics) != 1 {
		return ""
	}
	for name := range c.Topics {
		return name
	}
	return ""
}

// Validate is Compile for a caller that needs only the faults. It discards what it compiles.
func (c Config) Validate() error {
	_, err := compileRules(c.WithDefaults(), (*rule).forget)
	return err
}

// faults collects what is wrong with a Config.
type faults []error

// maxFaults bounds how many are collected. People read the first few, and a file can have a fault at every byte.
const maxFaults = 1000

// full reports whether enough faults have been collected.
func (f *faults) full() bool { return len(*f) >= maxFaults }

func (f *faults) add(field, value, format string, args ...any) {
	if f.full() {
		return
	}
	*f = append(*f, &ConfigError{Field: field, Value: value, Rule: fmt.Sprintf(format, args...)})
}

// placedFault is a fault inside an expression.
func placedFault(field, source string, fault *condition.Fault) *ConfigError {
	return &ConfigError{Field: field, Value: source, Rule: fault.Text, Line: fault.Line, Col: fault.Col}
}

// compileConfig validates and compiles c, whose defaults are filled in.
func compileConfig(c Config) (*compiled, error) {
	out, err := compileRules(c, func(*rule) {})
	if err != nil {
		return nil, err
	}
	out.topics = make(map[string]bool, len(c.Topics))
	for name := range c.Topics {
		out.topics[name] = true
	}
	mentions := c.Mentions()
	out.watch = newFieldWatch(out.rules, out.outputs, mentions, out.schema)
	out.filtered = make(map[string]bool)
	for _, m := range mentions {
		if m.Filter {
			out.filtered[m.Path[0]] = true
		}
	}
	conditions := make([]*condition.Condition, len(out.rules))
	for i, r := range out.rules {
		conditions[i] = r.formula.When
	}
	out.index = condition.NewIndex(conditions, out.schema.Slots)
	out.needNonMatches = condition.NewRuleSet(len(out.rules))
	for _, r := range out.rules {
		if r.needsNonMatches() {
			out.needNonMatches.Add(r.place)
		}
		out.stateful = out.stateful || r.stateful()
	}
	out.stateful = out.stateful || out.watchdog != nil || len(out.scores) > 0
	out.readsRows = out.every == nil && out.filter == nil && len(out.scores) == 0 && len(out.outputs) == 0 &&
		out.schema.TakesRows()
	return out, nil
}

// compileRules validates and compiles c, and calls done with each rule. A caller that only validates drops each rule
// there: a file can have thousands.
func compileRules(c Config, done func(*rule)) (*compiled, error) {
	var errs faults
	if c.Format != FormatJSON && c.Format != FormatText {
		errs.add("format", c.Format, "must be %s or %s", FormatJSON, FormatText)
		c.Format = FormatJSON
	}
	if c.State.MaxKeys < 1 || c.State.MaxKeys > maxMaxKeys {
		errs.add("state.max_keys", fmt.Sprint(c.State.MaxKeys), "must be 1 to %d", maxMaxKeys)
	}
	topics := errs.topics(&c)
	out := &compiled{
		schema: condition.NewSchema(c.Format == FormatText), maxKeys: c.State.MaxKeys,
		deadLetterInvalid: c.DeadLetterInvalid,
	}
	out.filter = errs.filter(&c)
	out.scores, out.scored = errs.scores(c.Score, c.Format)
	if len(c.Rules) == 0 {
		if only := c.onlyTopic(); only != "" {
			out.every = &route{topic: only, render: errs.render(topics[only], nil)}
		} else {
			errs.add("topics", strings.Join(slices.Sorted(maps.Keys(c.Topics)), ", "),
				"without rules every record alerts, so there must be exactly one topic, not %d", len(c.Topics))
		}
	}
	seen, named := make(map[string]int, len(c.Rules)), make(map[string]*rule, len(c.Rules))
	for i, r := range c.Rules {
		if errs.full() {
			break
		}
		out.rules = append(out.rules, errs.rule(fmt.Sprintf("rules[%d]", i), r, topics, out.schema, named))
		out.rules[i].place = i
		done(out.rules[i])
		if first, ok := seen[r.Name]; ok && r.Name != "" {
			errs.add(fmt.Sprintf("rules[%d].name", i), r.Name, "is also the name of rules[%d]; names must be unique",
				first)
		} else {
			seen[r.Name], named[r.Name] = i, out.rules[i]
		}
	}
	errs.outputs(&c, out)
	errs.silences(c.Silences, out)
	out.watchdog = errs.watchdog(c.Watchdog, topics)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// topics checks the topics, also those that no rule uses, and compiles their words.
func (f *faults) topics(c *Config) map[string]*topicWords {
	topics := make(map[string]*topicWords, len(c.Topics))
	for _, name := range slices.Sorted(maps.Keys(c.Topics)) {
		if f.full() {
			break
		}
		t := c.Topics[name]
		field := "topics." + name
		f.name(field, name, "_-")
		if t.Digest < time.Second || t.Digest > 10*time.Minute {
			f.add(field+".digest", shortDuration(t.Digest), "must be between 1s and 10m")
		}
		switch {
		case *t.Email && t.Rate.Unlimited:
			f.add(field+".rate", t.Rate.String(),
				"SNS switches e-mail subscriptions off above %d messages a second; set a rate, or email: false if "+
					"no e-mail subscribes", emailRate)
		case *t.Email && t.Rate.PerSecond() > emailRate:
			f.add(field+".rate", t.Rate.String(),
				"must be at most %d/s: above that SNS switches e-mail subscriptions off; set email: false if no "+
					"e-mail subscribes", emailRate)
		}
		topics[name] = f.topicWords(field, t)
	}
	return topics
}

// Placeholder begins a value that a tool left to a person.
const Placeholder = "REPLACE-ME"

func (f *faults) filter(c *Config) *filter.Set {
	if len(c.Filter) == 0 {
		return nil
	}
	set, err := filter.Compile(c.Filter)
	for _, cause := range leaves(err) {
		if f.full() {
			break
		}
		fault, ok := errors.AsType[*filter.PatternError](cause)
		if !ok {
			f.add("filter", "", "%s", cause.Error())
			continue
		}
		field := fmt.Sprintf("filter[%d]", fault.Index)
		text, _ := c.Filter[fault.Index].MarshalJSON()
		if fault.Path != "" {
			field += "." + fault.Path
		}
		rule := fault.Rule
		if pattern := strings.Trim(string(text), `"`); strings.HasPrefix(pattern, Placeholder) {
			rule = "is a placeholder: write the pattern here"
		}
		f.add(field, string(text), "%s", rule)
	}
	if c.Format == FormatText && err == nil && set.ReadsData() {
		f.add("filter", "",
			"patterns on data look into JSON; with format text use the rules' conditions, or partitionKey alone")
	}
	return set
}

// leaves splits joined errors.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, leaves(e)...)
	}
	return out
}

func sortedNames(topics map[string]*topicWords) []string { return slices.Sorted(maps.Keys(topics)) }

// maxName keeps names usable as metric labels, message attributes and parts of a log line.
const maxName = 64

// name checks that a name consists of letters, digits and the given signs. A topic name has no dot, since it is part of
// the path in errors.
func (f *faults) name(field, name, signs string) {
	valid := name != "" && len(name) <= maxName
	for _, c := range name {
		valid = valid && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.ContainsRune(signs, c))
	}
	if !valid {
		f.add(field, name, "must be 1 to %d letters, digits or any of %s", maxName, signs)
	}
}
