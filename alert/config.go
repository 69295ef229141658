package alert

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The formats of a payload.
const (
	// FormatJSON is one JSON object per record. It is the default.
	FormatJSON = "json"
	// FormatText is any UTF-8 text, which rules see as data.
	FormatText = "text"
)

// The severities, gravest first.
const (
	SeverityCritical = "critical"
	SeverityWarning  = "warning"
	SeverityInfo     = "info"
)

// Config is what a Pipeline is made of. The zero value of a field means its default.
type Config struct {
	// Format says how payloads are read: json (default) or text.
	Format string `yaml:"format"`
	// Rules are tried in order, each on every record. Without rules every record alerts to the one topic.
	Rules []RuleConfig `yaml:"rules"`
	// Topics are the destinations by name, which is 1 to 64 letters, digits, "_" and "-".
	Topics map[string]TopicConfig `yaml:"topics"`
}

// RuleConfig is one rule.
type RuleConfig struct {
	// Name is 1 to 64 letters, digits, "_", "-" and ".", unique. It is part of the alert id: a renamed rule alerts anew.
	Name string `yaml:"name"`
	// When is the condition; see the package documentation.
	When string `yaml:"when"`
	// Severity is critical, warning (default) or info.
	Severity string `yaml:"severity"`
	// Topics are names of Config.Topics. It may be left out where there is one topic only.
	Topics []string `yaml:"topics"`
	// Subject and Message are text/template sources that win over the topic's. Empty means the topic's.
	Subject string `yaml:"subject"`
	Message string `yaml:"message"`
}

// TopicConfig is one destination.
type TopicConfig struct {
	// ARN is the SNS topic. Only the publisher uses it.
	ARN string `yaml:"arn"`
	// Subject and Message are text/template sources. Empty means the words of AWS's sample.
	Subject string `yaml:"subject"`
	Message string `yaml:"message"`
}

// WithDefaults returns a copy in which every default is filled in. The receiver shares nothing with it.
func (c Config) WithDefaults() Config {
	c.Format = cmp.Or(c.Format, FormatJSON)
	c.Topics = maps.Clone(c.Topics)
	c.Rules = slices.Clone(c.Rules)
	only := c.onlyTopic()
	for i := range c.Rules {
		r := &c.Rules[i]
		r.Severity = cmp.Or(r.Severity, SeverityWarning)
		r.Topics = slices.Clone(r.Topics)
		if len(r.Topics) == 0 && only != "" {
			r.Topics = []string{only}
		}
	}
	return c
}

// onlyTopic is the name of the one topic, or empty if there are none or several.
func (c *Config) onlyTopic() string {
	if len(c.Topics) != 1 {
		return ""
	}
	for name := range c.Topics {
		return name
	}
	return ""
}

// Validate reports every fault of c, each as a *ConfigError, joined. It applies the defaults first.
func (c Config) Validate() error {
	_, err := compileConfig(c.WithDefaults())
	return err
}

// faults collects what is wrong with a Config.
type faults []error

func (f *faults) add(field, value, format string, args ...any) {
	*f = append(*f, &ConfigError{Field: field, Value: value, Rule: fmt.Sprintf(format, args...)})
}

// compiled is a Config made ready to run.
type compiled struct {
	schema *schema
	rules  []*rule
	// every is the alert of each record where there are no rules; nil otherwise.
	every *route
}

// compileConfig validates c, whose defaults are filled in, and compiles it on the way.
func compileConfig(c Config) (*compiled, error) {
	var errs faults
	if c.Format != FormatJSON && c.Format != FormatText {
		errs.add("format", c.Format, "must be %s or %s", FormatJSON, FormatText)
		c.Format = FormatJSON
	}
	topics := errs.topics(&c)
	out := &compiled{schema: newSchema(c.Format)}
	if len(c.Rules) == 0 {
		if only := c.onlyTopic(); only != "" {
			out.every = &route{topic: only, render: &renderer{words: topics[only], sample: true}}
		} else {
			errs.add("topics", strings.Join(slices.Sorted(maps.Keys(c.Topics)), ", "),
				"without rules every record alerts, so there must be exactly one topic, not %d", len(c.Topics))
		}
	}
	seen := make(map[string]int, len(c.Rules))
	for i, r := range c.Rules {
		out.rules = append(out.rules, errs.rule(fmt.Sprintf("rules[%d]", i), r, topics, out.schema))
		if first, ok := seen[r.Name]; ok && r.Name != "" {
			errs.add(fmt.Sprintf("rules[%d].name", i), r.Name, "is also the name of rules[%d]; names must be unique", first)
		} else {
			seen[r.Name] = i
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

func (f *faults) topics(c *Config) map[string]words {
	topics := make(map[string]words, len(c.Topics))
	for _, name := range slices.Sorted(maps.Keys(c.Topics)) {
		t := c.Topics[name]
		field := "topics." + name
		f.name(field, name, "_-")
		topics[name] = words{
			subject: f.template(field+".subject", t.Subject),
			message: f.template(field+".message", t.Message),
		}
	}
	return topics
}

func (f *faults) rule(field string, c RuleConfig, topics map[string]words, s *schema) *rule {
	f.name(field+".name", c.Name, "_-.")
	r := &rule{name: c.Name, severity: c.Severity}
	switch c.Severity {
	case SeverityCritical, SeverityWarning, SeverityInfo:
	default:
		f.add(field+".severity", c.Severity, "must be %s, %s or %s", SeverityCritical, SeverityWarning, SeverityInfo)
	}
	if strings.TrimSpace(c.When) == "" {
		f.add(field+".when", c.When, `must be a condition such as ANOMALY_SCORE > 3.0; "true" matches every record`)
	} else if condition, fault := compileCondition(c.When, s); fault != nil {
		*f = append(*f, &ConfigError{
			Field: field + ".when", Value: c.When, Rule: fault.Message, Line: fault.Line, Col: fault.Column + 1,
		})
	} else {
		r.when = condition
	}
	own := words{
		subject: f.template(field+".subject", c.Subject),
		message: f.template(field+".message", c.Message),
	}
	if len(c.Topics) == 0 {
		f.add(field+".topics", "", "must name at least one of the topics: %s", strings.Join(sortedNames(topics), ", "))
	}
	for i, name := range c.Topics {
		at := fmt.Sprintf("%s.topics[%d]", field, i)
		switch shared, ok := topics[name]; {
		case !ok:
			f.add(at, name, "is not one of the topics: %s", strings.Join(sortedNames(topics), ", "))
		case slices.Index(c.Topics, name) < i:
			f.add(at, name, "is listed twice; one alert per topic is sent")
		default:
			r.routes = append(r.routes, &route{
				rule: r, topic: name, render: &renderer{rule: c.Name, severity: c.Severity, words: own.or(shared)},
			})
		}
	}
	return r
}

func sortedNames(topics map[string]words) []string { return slices.Sorted(maps.Keys(topics)) }

// maxName keeps names usable as metric labels, message attributes and parts of a log line.
const maxName = 64

// name checks that a name is made of letters, digits and the given signs. A topic's has no dot, since it is part of the
// path that an error names.
func (f *faults) name(field, name, signs string) {
	valid := name != "" && len(name) <= maxName
	for _, c := range name {
		valid = valid && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(signs, c))
	}
	if !valid {
		f.add(field, name, "must be 1 to %d letters, digits or any of %s", maxName, signs)
	}
}
