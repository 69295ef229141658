package checkpoint

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/stream"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/arns"
)

// Defaults and limits of Config.
const (
	DefaultLeaseDuration      = 10 * time.Second
	DefaultCheckpointInterval = time.Second
	MinCheckpointInterval     = 100 * time.Millisecond
	DefaultStateWriteUnits    = 1000
	MinStateWriteUnits        = 50
	MaxStateWriteUnits        = 40_000
	MostShards                = 10_000 // above the quota of any stream
)

// Config says which stream is read, under which name, and how leases run.
type Config struct {
	// Application names the consumers that share progress. Required.
	Application string
	// Table is the lease table. Defaults to Application.
	Table string
	// StreamName or StreamARN is required; the ARN wins.
	StreamName, StreamARN string
	// Start applies to shards without a checkpoint. Defaults to latest.
	Start table.Start
	// LeaseDuration is how long a worker that fell silent keeps its shards, from 3 s to 5 min. Defaults to 10 s. The
	// first worker writes it into the table, and that value holds for all.
	LeaseDuration time.Duration
	// CheckpointInterval is how often progress of a shard is written at most, from 100 ms to a third of the lease
	// duration, or AtOnce. Defaults to 1 s.
	CheckpointInterval time.Duration
	// StateWriteUnits bounds what this process spends on snapshots, in DynamoDB write units a second on average (a
	// unit is 1 KB, and four seconds' worth is saved up), from 50 to 40,000, the quota of an on-demand table.
	// Defaults to 1,000.
	StateWriteUnits int
	// MaxShards is how many shards this worker may hold, up to MostShards; 0, the default, is any number. The workers'
	// rows say it, and the others take what is left.
	MaxShards int
	// NewTables is what the tables get that this process creates: the lease table, and that of the snapshots.
	NewTables table.Wanted
	// CreateTable lets a running process create the table again after it vanished. A table that this
	// process never saw is always created.
	CreateTable bool
	// FailFast makes Run return start-up faults that it would otherwise wait out (a missing permission or stream).
	FailFast bool
	// Patience is how long FailFast waits for AWS to accept the credentials: new ones take a while to be known.
	Patience time.Duration
	// MergeShards gives the gauges of shards one value for the whole process, with the label value "all".
	MergeShards bool
	// Version of this program, shown in the worker's row.
	Version string
	// Reads is the latest snapshot format that this program reads, stored in the worker's row. Defaults to the
	// first.
	Reads int
	// Host is the readable part of the worker's id. Defaults to "worker".
	Host string
}

// WithDefaults returns a copy in which every zero value is its default.
func (c Config) WithDefaults() Config {
	c.Table = cmp.Or(c.Table, c.Application)
	c.LeaseDuration = cmp.Or(c.LeaseDuration, DefaultLeaseDuration)
	c.CheckpointInterval = cmp.Or(c.CheckpointInterval, min(DefaultCheckpointInterval, c.LeaseDuration/3))
	c.StateWriteUnits = cmp.Or(c.StateWriteUnits, DefaultStateWriteUnits)
	c.Version = cmp.Or(c.Version, "unknown")
	c.Host = cmp.Or(c.Host, "worker")
	return c
}

// Validate returns every fault of a configuration with its defaults, joined; each is a *ConfigError.
func (c Config) Validate() error {
	var errs []error
	bad := func(field string, value any, rule string, args ...any) {
		errs = append(errs, &ConfigError{Field: field, Value: value, Rule: fmt.Sprintf(rule, args...)})
	}
	// AWS: table names have 3 to 255 characters of a-z A-Z 0-9 _ - and dot, stream names 1 to 128 of the same. The
	// name of the state table is longer by its suffix.
	if !regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,249}$`).MatchString(c.Table) {
		bad("stream.application", c.Table,
			"names the DynamoDB table: 3 to 249 letters, digits, dots, dashes or underscores")
	}
	switch {
	case c.StreamARN != "":
		if !regexp.MustCompile(`^arn:[a-z0-9-]+:kinesis:[a-z0-9-]+:\d{12}:` +
			`stream/[a-zA-Z0-9_.-]{1,128}$`).MatchString(c.StreamARN) {
			bad("stream.arn", c.StreamARN, "must look like arn:aws:kinesis:us-east-1:123456789012:stream/NAME")
		} else if address, err := arn.Parse(c.StreamARN); err == nil {
			if rule := arns.Check(address); rule != "" {
				bad("stream.arn", c.StreamARN, "%s", rule)
			}
		}
	case !regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`).MatchString(c.StreamName):
		bad("stream.name", c.StreamName,
			"must be 1 to 128 letters, digits, dots, dashes or underscores, or give stream.arn")
	}
	if c.Start.Kind == table.StartTime && c.Start.Time.IsZero() {
		bad("stream.start", c.Start, "needs a time")
	}
	if c.LeaseDuration < table.MinLeaseDuration || c.LeaseDuration > table.MaxLeaseDuration {
		bad("leases.duration", c.LeaseDuration, "must be between %s and %s", table.MinLeaseDuration,
			table.MaxLeaseDuration)
	}
	if i := c.CheckpointInterval; i != AtOnce && (i < MinCheckpointInterval ||
		i > max(c.LeaseDuration/3, MinCheckpointInterval)) {
		bad("processing.checkpoint_interval", i,
			"must be 0s (as fast as DynamoDB answers), or between %s and a third of leases.duration (%s), so that a "+
				"takeover repeats little",
			MinCheckpointInterval, c.LeaseDuration/3)
	}
	if c.StateWriteUnits < MinStateWriteUnits || c.StateWriteUnits > MaxStateWriteUnits {
		bad("leases.state_write_units", c.StateWriteUnits, "must be between %d and %d", MinStateWriteUnits,
			MaxStateWriteUnits)
	}
	errs = append(errs, tagFaults(c.NewTables.Tags)...)
	if c.MaxShards < 0 || c.MaxShards > MostShards {
		bad("leases.max_shards", c.MaxShards, "must be between 0 (no limit) and %d", MostShards)
	}
	return errors.Join(errs...)
}

// tagFaults are what DynamoDB would refuse of tags.
func tagFaults(tags map[string]string) (errs []error) {
	const letters = "letters, digits, blanks and any of _ . : / = + - @"
	allowed := regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
	if len(tags) > 50 {
		errs = append(errs, &ConfigError{"leases.table.tags", len(tags), "must be 50 at most"})
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		field, value := "leases.table.tags."+key, tags[key]
		switch n := utf8.RuneCountInString(key); {
		case n < 1 || n > 128 || !allowed.MatchString(key):
			errs = append(errs, &ConfigError{field, key, "a tag has a key of 1 to 128 " + letters})
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			errs = append(errs, &ConfigError{field, key, "keys that begin with aws: are reserved for AWS"})
		case utf8.RuneCountInString(value) > 256 || !allowed.MatchString(value):
			errs = append(errs, &ConfigError{field, value, "a tag has a value of at most 256 " + letters})
		}
	}
	return errs
}

// Deps are the parts that a Store works with. All from Report on are optional.
type Deps struct {
	DynamoDB   table.DynamoDB
	Stream     stream.API
	Log        *zap.Logger
	Registerer prometheus.Registerer
	// Report, if set, returns two times for the shards that this process holds: the latest arrival of a record in any
	// of them (zero: none yet), and the time up to which all of them were evaluated (zero: not known). The first
	// includes every arrival up to the second. A shard counts from the first Commit of its lease until the lease is
	// over. It is asked with every heartbeat and by Fleet, up to four times a second, from several goroutines; it must
	// not block or call the Store.
	Report func() (lastArrival, caughtUp time.Time)
	// Pulse, if set, returns what this process does now. Each heartbeat writes it, for the status pages of the others.
	// It must not block or call the Store.
	Pulse func() table.Pulse
	// Configuration, if set, returns what the workers of an application should have in common. Each heartbeat writes a
	// keyed hash of it, so that they can compare. It must not block or call the Store.
	Configuration func() []byte
	// Now, if set, is the clock by which records arrive; otherwise it is the machine's. Leases only measure durations.
	Now func() time.Time
}
