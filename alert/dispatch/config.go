package dispatch

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Defaults of Config.
const (
	DefaultLinger         = 2 * time.Millisecond
	DefaultAttemptTimeout = 5 * time.Second
	DefaultTrustMargin    = 200 * time.Millisecond
	DefaultInFlight       = 4
	DefaultLatencyTarget  = 2 * time.Second
	DefaultDigest         = 10 * time.Second
)

// The range of a topic's rate, in messages a second: one a day, and the highest quota of SNS in any region.
const (
	slowestRate = 1.0 / (24 * 60 * 60)
	fastestRate = 30_000
)

// Config says what is published where. The zero value of a field means its default.
type Config struct {
	// Topics are the topics by the name that rules use. At least one.
	Topics map[string]TopicConfig
	// Linger is how long an alert waits for others to share its call, 0 < Linger <= 1 s. Defaults to 2 ms.
	Linger time.Duration
	// AttemptTimeout bounds one call, 100 ms..60 s. Defaults to 5 s.
	AttemptTimeout time.Duration
	// TrustMargin is how much of the trust window must be left for an attempt to start, less than AttemptTimeout.
	// Defaults to 200 ms, or a fifth of AttemptTimeout where that is less. That is several times what SNS needs to
	// answer, so an attempt is rarely cut off.
	TrustMargin time.Duration
	// InFlight is how many calls a topic may have under way, 1..64. Defaults to 4.
	InFlight int
	// LatencyTarget divides the alerts into good and bad ones of slo_events_total. Defaults to 2 s.
	LatencyTarget time.Duration
	// MaxAttempts is how often an alert is tried again after failures of its own, before it is given up: messages that
	// failed inside calls that the service answered. Throttling, failed calls and faults of the configuration do not
	// count. 0 and -1 are no limit.
	MaxAttempts int
	// MaxRecordAge is how old a record may be for its alert to be tried. Time in which a fault of the configuration
	// held its topic does not count. 0 is no limit.
	MaxRecordAge time.Duration
}

// TopicConfig is one topic.
type TopicConfig struct {
	// ARN is the address of the topic's destination. A topic whose address changes is a new one.
	ARN string
	// Rules names the rules that publish to the topic, so that their metrics exist before the first alert. Empty in
	// the mode without rules.
	Rules []string
	// Rate is how many messages a second all workers together hand over, at least one a day; 0 is no limit. A fraction
	// above 1 is cut off. What comes above it is gathered into digests.
	Rate float64
	// Digest is how long the alerts above the rate are gathered for one message, 1 s to 10 min. Defaults to 10 s.
	Digest time.Duration
}

// WithDefaults returns a copy in which every zero field has its default.
func (c Config) WithDefaults() Config {
	c.Linger = cmp.Or(c.Linger, DefaultLinger)
	c.AttemptTimeout = cmp.Or(c.AttemptTimeout, DefaultAttemptTimeout)
	c.TrustMargin = cmp.Or(c.TrustMargin, min(DefaultTrustMargin, c.AttemptTimeout/5))
	c.InFlight = cmp.Or(c.InFlight, DefaultInFlight)
	c.LatencyTarget = cmp.Or(c.LatencyTarget, DefaultLatencyTarget)
	c.Topics = maps.Clone(c.Topics)
	for name, t := range c.Topics {
		t.Digest = cmp.Or(t.Digest, DefaultDigest)
		c.Topics[name] = t
	}
	return c
}

// Validate checks the configuration with its defaults, and addresses by what a service says of each: the rule that it
// breaks, or nothing. It returns all errors joined, each a *ConfigError.
func (c Config) Validate(address func(string) (rule string)) error {
	c = c.WithDefaults()
	var errs []error
	refuse := func(bad bool, field string, value any, rule string) {
		if bad {
			errs = append(errs, &ConfigError{Field: field, Value: value, Rule: rule})
		}
	}
	refuse(len(c.Topics) == 0, "topics", len(c.Topics), "at least one topic is needed")
	for _, name := range slices.Sorted(maps.Keys(c.Topics)) {
		t := c.Topics[name]
		rule := address(t.ARN)
		refuse(rule != "", "topics."+name+".arn", t.ARN, rule)
		refuse(t.Rate != 0 && !(t.Rate >= slowestRate && t.Rate <= fastestRate), "topics."+name+".rate", t.Rate,
			"must be between one message a day and 30000 a second, or 0 for no limit")
		refuse(t.Digest < time.Second || t.Digest > 10*time.Minute, "topics."+name+".digest", t.Digest,
			"must be between 1s and 10m")
	}
	refuse(c.Linger < 0 || c.Linger > time.Second, "linger", c.Linger, "must be above 0 and at most 1s")
	refuse(c.AttemptTimeout < 100*time.Millisecond || c.AttemptTimeout > time.Minute, "attempt_timeout",
		c.AttemptTimeout, "must be between 100ms and 1m")
	refuse(c.TrustMargin < 0 || c.TrustMargin >= c.AttemptTimeout, "trust_margin", c.TrustMargin,
		"must be above 0 and less than attempt_timeout")
	refuse(c.InFlight < 1 || c.InFlight > 64, "in_flight", c.InFlight, "must be between 1 and 64")
	refuse(c.LatencyTarget < 0, "latency_target", c.LatencyTarget, "must be above 0")
	refuse(c.MaxAttempts < -1, "max_attempts", c.MaxAttempts, "must be -1 or more")
	refuse(c.MaxRecordAge < 0, "max_record_age", c.MaxRecordAge, "must be 0 or more")
	return errors.Join(errs...)
}

// ConfigError says that one field of a Config is wrong.
type ConfigError struct {
	// Field is the path of the field, as in topics.oncall.arn.
	Field string
	Value any
	// Rule is what is expected.
	Rule string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Field, e.Value, e.Rule) }

// ConfigField returns the path of the field.
func (e *ConfigError) ConfigField() string { return e.Field }
