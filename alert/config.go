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
}

// RuleConfig is one rule.
type RuleConfig struct {
	// Name is 1 to 64 letters, digits, "_", "-" and ".", unique. It is part of the alert id: a renamed rule alerts
	// again.
	Name string `yaml:"name"`
	// When is the condition; see the package documentation.
	When string `yaml:"when"`
	// Key is an expression for what "the same alert" means to for, window, absence, dedup, resolve and inhibition.
	// Defaults to partition_key.
	Key string `yaml:"key"`
	// Value is an expression for the figure that messages and digests show. Defaults to the field of the first
	// comparison of When with a number.
	Value string `yaml:"value"`
	// For lets the rule fire only when the condition has held for this many records of the key in a row, or for this
	// long.
	For Stretch `yaml:"for"`
	// Window lets the rule fire on an aggregate of the key's records for which When holds.
	Window WindowConfig `yaml:"window"`
	// Absence lets the rule fire when no record came for which When holds.
	Absence AbsenceConfig `yaml:"absence"`
	// Dedup suppresses further alerts of a key for this long after one was made.
	Dedup time.Duration `yaml:"dedup"`
	// Resolve ends a firing key after this many records in a row for which When is false, or after this long without
	// one for which it is true, and makes an alert that says so. While a key fires, its only further alerts are those
	// of RepeatInterval.
	Resolve Stretch `yaml:"resolve"`
	// RepeatInterval makes a firing key alert again at this interval. It needs Resolve or Absence.
	RepeatInterval time.Duration `yaml:"repeat_interval"`
	// InhibitedBy names rules earlier in the list: while one of them is active for the same key, this one is muted.
	InhibitedBy []string `yaml:"inhibited_by"`
	// RateLimit suppresses the rule's alerts above this rate, for each shard.
	RateLimit Rate `yaml:"rate_limit"`
	// Severity is critical, warning (default) or info, or an expression that gives one of them.
	Severity string `yaml:"severity"`
	// Labels are part of the message's attributes and of what templates see.
	Labels map[string]string `yaml:"labels"`
	// Mode is live (default) or shadow.
	Mode string `yaml:"mode"`
	// Quiet are the hours in which the rule is muted.
	Quiet []QuietConfig `yaml:"quiet"`
	// Topics are names of Config.Topics. It may be left out where there is one topic only.
	Topics []string `yaml:"topics"`
	// Subject and Message are text/template sources that win over the topic's. Empty means the topic's.
	Subject string `yaml:"subject"`
	Message string `yaml:"message"`
	// Attributes are typed message attributes in addition to alert_id, rule, severity, kind and the labels; at most 10
	// together.
	Attributes map[string]AttributeConfig `yaml:"attributes"`
	// Runbook and Dashboard are text/template sources of links.
	Runbook   string `yaml:"runbook"`
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
	// Length is the length of the window, 1 s to 24 h. Zero means that there is no window.
	Length time.Duration `yaml:"length"`
	// Step is how far the window slides at a time; it divides Length into at most 120 parts. Defaults to a twelfth of
	// Length. It is for sliding windows only.
	Step time.Duration `yaml:"step"`
	// Tumbling makes windows without overlap, aligned to multiples of Length since 1970. Each is judged once, at its
	// end. A sliding window is judged with every record.
	Tumbling bool `yaml:"tumbling"`
	// Aggregate is count (default), sum, avg, min, max, rate (records per second over the whole Length) or distinct.
	Aggregate string `yaml:"aggregate"`
	// Of is the expression that is aggregated; not for count and rate.
	Of string `yaml:"of"`
	// Is is the comparison that makes the rule fire, such as "> 100".
	Is string `yaml:"is"`
	// MinRecords is how many records a window must have to fire, so that the first failure of a quiet service is not
	// 100 %.
	MinRecords int `yaml:"min_records"`
}

// What can be absent.
const (
	AbsenceOfKey    = "key"
	AbsenceOfShard  = "shard"
	AbsenceOfStream = "stream"
)

// AbsenceConfig is an alert about what does not come.
type AbsenceConfig struct {
	// After is how long nothing must have come, 1 s to 7 days. Zero means that the rule is not about absence.
	After time.Duration `yaml:"after"`
	// Of is key (default), shard or stream.
	Of string `yaml:"of"`
	// GiveUp is how long a key is reported as absent, 1 s to a year. Then a last message says that it is given up, and
	// the key is forgotten until its next record. Defaults to 24 h. The absence of a shard or stream is never given up.
	GiveUp time.Duration `yaml:"give_up"`
}

// QuietConfig is a daily span of time.
type QuietConfig struct {
	// Days are mon to sun, on which the hours begin. Empty means every day.
	Days []string `yaml:"days"`
	// From and To are HH:MM. A To that is not after From is on the next day.
	From string `yaml:"from"`
	To   string `yaml:"to"`
	// Zone is an IANA time zone. Defaults to UTC.
	Zone string `yaml:"zone"`
}

// SilenceConfig mutes rules from one time to another.
type SilenceConfig struct {
	Name string `yaml:"name"`
	// Rules are the names of the rules; empty means all.
	Rules []string `yaml:"rules"`
	// When is a condition on the record; empty means every record.
	When string `yaml:"when"`
	// From and Until are RFC 3339 times of the records' arrival. From may be left out.
	From    string `yaml:"from"`
	Until   string `yaml:"until"`
	Comment string `yaml:"comment"`
}

// WatchdogConfig is a message at an interval.
type WatchdogConfig struct {
	// Interval is 10 s to 24 h. Zero means that there is no watchdog.
	Interval time.Duration `yaml:"interval"`
	// Topics are names of Config.Topics. It may be left out where there is one topic only.
	Topics []string `yaml:"topics"`
}

// StateConfig bounds the memory of rules.
type StateConfig struct {
	// MaxKeys is how many keys one shard remembers for all rules together. Beyond it, keys of the rule that has most
	// are evicted, quiet ones first, and counted. Defaults to 100000.
	MaxKeys int `yaml:"max_keys"`
}

// TopicConfig is one destination.
type TopicConfig struct {
	// ARN is the SNS topic. Only the publisher uses it.
	ARN string `yaml:"arn"`
	// Rate is the most that all workers together publish to the topic; alerts above it go into digests. Defaults to
	// 8/s.
	Rate Rate `yaml:"rate"`
	// Email says that e-mail subscribes to the topic, so that Rate must not be above 10/s. Defaults to true.
	Email *bool `yaml:"email"`
	// Digest is how long alerts above the rate are collected into one message, 1 s to 10 min. Defaults to 10 s.
	Digest time.Duration `yaml:"digest"`
	// Subject and Message are text/template sources. Empty means the words of AWS's sample.
	Subject string `yaml:"subject"`
	Message string `yaml:"message"`
	// Bodies are text/template sources for single protocols: email, email-json, sms, sqs, http, https, lambda,
	// application, firehose. With any, Message is the default body and there are no attributes.
	Bodies map[string]string `yaml:"bodies"`
	// GroupID is the text/template source of the message group id of a FIFO topic. Defaults to the partition key.
	GroupID string `yaml:"group_id"`
}

// AttributeConfig is one message attribute.
type AttributeConfig struct {
	// Type is String (default), Number or String.Array.
	Type string `yaml:"type"`
	// Value is a text/template source. An attribute whose value is empty is left out.
	Value string `yaml:"value"`
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
	mentions := c.Mentions()
	out.watch = newFieldWatch(out.rules, mentions, out.schema)
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
		f.add(field, string(text), "%s", fault.Rule)
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
