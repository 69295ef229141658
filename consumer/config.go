package consumer

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"

	"kinesis-alerter/alert/decode"
)

// Defaults of Config.
const (
	DefaultParallelism  = 10
	DefaultMemory       = 64 << 20
	DefaultPollInterval = 200 * time.Millisecond
	DefaultOnRejected   = OnRejectedHold

	minPollInterval = 200 * time.Millisecond
	maxPollInterval = time.Minute
	maxParallelism  = 1000
	minMemory       = 1 << 20
)

// What to do with an alert that SNS will never accept, when there are no dead letters.
const (
	// OnRejectedHold holds the alert's partition key until an operator fixes the cause and restarts.
	OnRejectedHold = "hold"
	// OnRejectedSkip drops the alert, logs and counts it.
	OnRejectedSkip = "skip"
)

// Config says how shards are read and their alerts published. The zero value means the defaults.
type Config struct {
	// StreamName or StreamARN names the stream; the ARN reaches streams of other accounts.
	StreamName string
	StreamARN  string
	// Parallelism is how many partition keys of one shard are published to a topic at once, 1 to 1000. Defaults to 10.
	Parallelism int
	// Memory is the byte budget of all pages together, at least 1 MiB. Defaults to 64 MiB.
	Memory int
	// PollInterval is the least time between two calls for one shard, 200 ms to 1 min. Kinesis allows five calls a
	// second per shard, for all readers together; use 1 s where others read the stream. Defaults to 200 ms.
	PollInterval time.Duration
	// OnRejected is OnRejectedHold or OnRejectedSkip. Defaults to OnRejectedHold.
	OnRejected string
	// Plan takes Kinesis records apart; nil takes them as they are.
	Plan *decode.Plan
	// MergeShards replaces the gauges of each shard by one for the whole process: the worst value or the sum, with
	// AllShards as the shard. It is for processes where thousands of series would be too many.
	MergeShards bool
}

// WithDefaults returns a copy in which every zero value is its default.
func (c Config) WithDefaults() Config {
	c.Parallelism = cmp.Or(c.Parallelism, DefaultParallelism)
	c.Memory = cmp.Or(c.Memory, DefaultMemory)
	c.PollInterval = cmp.Or(c.PollInterval, DefaultPollInterval)
	c.OnRejected = cmp.Or(c.OnRejected, DefaultOnRejected)
	return c
}

// ConfigError is one fault of a configuration.
type ConfigError struct {
	Field, Value, Rule string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("%s: %s: %s", e.Field, e.Value, e.Rule) }

// ConfigField is the path of the field in the configuration file.
func (e *ConfigError) ConfigField() string { return e.Field }

// Validate returns everything that is wrong, as ConfigErrors joined.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, field string, value any, rule string) {
		if !ok {
			errs = append(errs, &ConfigError{field, fmt.Sprint(value), rule})
		}
	}
	check(c.StreamName != "" || c.StreamARN != "", "stream.name", `""`, "name the stream, or give its arn")
	check(c.Parallelism >= 1 && c.Parallelism <= maxParallelism, "processing.parallelism", c.Parallelism,
		"must be 1 to 1000 partition keys of a shard at once")
	check(c.Memory >= minMemory, "processing.memory", c.Memory, "must be at least 1MiB")
	check(c.PollInterval >= minPollInterval && c.PollInterval <= maxPollInterval, "processing.poll_interval",
		c.PollInterval,
		"must be 200ms to 1m: Kinesis allows five reads a second and shard, to all readers together")
	check(c.OnRejected == OnRejectedHold || c.OnRejected == OnRejectedSkip, "processing.on_rejected",
		strconv.Quote(c.OnRejected),
		`must be "hold" (the key waits for an operator) or "skip" (the alert is dropped, logged and counted)`)
	return errors.Join(errs...)
}
