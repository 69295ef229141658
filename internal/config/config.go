package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/arns"
	"kinesis-alerter/internal/plain"
)

// Defaults of the configuration that are this package's own.
const (
	DefaultStopBudget = 25 * time.Second
	DefaultListen     = "127.0.0.1:9464"
)

// Config is the configuration file. Each package's part is checked by the package itself; this one adds what is true
// only of the whole.
type Config struct {
	// Which stream is read, and by which group of workers.
	Stream StreamConfig `yaml:"stream"`
	// How workers share the shards of the stream.
	Leases LeasesConfig `yaml:"leases"`
	// How records are read and alerts are published.
	Processing ProcessingConfig `yaml:"processing"`
	// How the payload of a record is read. `json` is one object a record. `text` is not decoded; rules see it as
	// `data`. With an `input`, its step `parse` says this.
	Format string `yaml:"format" default:"json" enum:"json|text"`
	// What was done to the records before they were put, which is undone: the name of a preset, or a list of at most
	// eight steps in the order in which the bytes were wrapped. Each step has one key. Without any, a payload is the
	// record. A change takes effect with a restart.
	Input decode.Input `yaml:"input"`
	// What one Kinesis record may become under `input`. One that would become more is invalid as a whole. A change
	// takes effect with a restart.
	InputLimits InputLimitsConfig `yaml:"input_limits"`
	// Lambda's filter patterns: a record passes if one of them matches, and is counted as filtered otherwise. Each is
	// `{data: {...}}`, `{partitionKey: [...]}` or both. Without any, every record passes.
	Filter []filter.Pattern `yaml:"filter"`
	// A file with filter patterns in Lambda's form, as FilterCriteria in JSON; its name is relative to the
	// configuration file. Together with `filter` it is one list.
	FilterFile string `yaml:"filter_file"`
	// Anomaly scores by RANDOM_CUT_FOREST, which are added to a record before filters, rules and templates see it. One
	// score can stand here without a list.
	Score []alert.ScoreConfig `yaml:"score" form:"one"`
	// The rules, which say which records alert. Without any, every record is published to the one topic with the words
	// of AWS's sample function.
	Rules []alert.RuleConfig `yaml:"rules"`
	// Silences mute rules from one time to another.
	Silences []alert.SilenceConfig `yaml:"silences"`
	// A message at an interval, whose absence means trouble.
	Watchdog alert.WatchdogConfig `yaml:"watchdog"`
	// How much rules remember.
	State alert.StateConfig `yaml:"state"`
	// The SNS topics, by the names that rules use: 1 to 64 letters, digits, dashes or underscores.
	Topics map[string]alert.TopicConfig `yaml:"topics"`
	// Kinesis streams to which records are written onward, with their scores, as JSON, by names of their own: 1 to 64
	// letters, digits, dashes or underscores. A record is done when its alerts and its outputs are accepted.
	Outputs map[string]alert.OutputConfig `yaml:"outputs"`
	// Where records and alerts go that can never be published, as Lambda's on-failure document with the payload and the
	// reason; at most one of `sqs`, `sns` and `s3`. Without it, see `processing.on_rejected`.
	DeadLetter DeadLetterConfig `yaml:"dead_letter"`
	// The admin server, which has the status page, the metrics and the health checks.
	Server ServerConfig `yaml:"server"`
	// What the metrics have.
	Metrics MetricsConfig `yaml:"metrics"`
	// What is logged, and in which form.
	Log LogConfig `yaml:"log"`
}

// DeadLetterConfig is the section "dead_letter".
type DeadLetterConfig struct {
	// The URL of a standard queue.
	SQS string `yaml:"sqs"`
	// The ARN of a standard topic.
	SNS string `yaml:"sns"`
	// A bucket, as its name or as `s3://BUCKET/PREFIX`.
	S3 string `yaml:"s3"`
	// The ARN of an IAM role that the process assumes to send them, for a destination of another account.
	RoleARN string `yaml:"role_arn" unset:"the credentials of the process"`
	// The external id that the trust policy of `role_arn` wants.
	ExternalID string `yaml:"external_id"`
	// Also send records there that cannot be read, or that are not JSON under a filter on `data`. Records that a rule
	// cannot judge within its budget always go there, one a second of each shard.
	Invalid bool `yaml:"invalid" default:"false"`
}

func (c DeadLetterConfig) destination() deadletter.Config {
	return deadletter.Config{SQS: c.SQS, SNS: c.SNS, S3: c.S3}
}

// StreamConfig is the section "stream".
type StreamConfig struct {
	// The name of the stream. Give either `name` or `arn`.
	Name string `yaml:"name"`
	// The ARN of the stream, for a stream of another account or region. Give either `name` or `arn`.
	ARN string `yaml:"arn"`
	// The ARN of an IAM role that the process assumes to read the stream, for a stream of another account. The tables
	// stay in the account of the process.
	RoleARN string `yaml:"role_arn" unset:"the credentials of the process"`
	// The external id that the trust policy of `role_arn` wants.
	ExternalID string `yaml:"external_id"`
	// The group of workers that share the stream and its progress, and the name of their DynamoDB table: 3 to 249
	// letters, digits, dots, dashes or underscores.
	Application string `yaml:"application" unset:"kinesis-alerter-NAME, with the name of the stream"`
	// Where an application without checkpoints begins: `latest`, `trim_horizon` or a time such as
	// 2026-11-22T09:00:00Z. `latest` is the moment of its very first start, fixed once for all shards and workers, so
	// that neither a slow start nor a crash before the first checkpoint loses a record.
	Start checkpoint.Start `yaml:"start" default:"latest"`
	// Reserved: enhanced fan-out is not supported yet, and anything but empty is refused.
	FanOut string `yaml:"fan_out" enum:""`
}

// LeasesConfig is the section "leases".
type LeasesConfig struct {
	// How long a worker that has fallen silent keeps its shards. The first worker's value applies to all.
	Duration time.Duration `yaml:"duration" default:"10s" range:"3s..5m"`
	// How many shards this worker reads at most, so that it is not given more than its memory and CPU are made for when
	// others fail. The other workers read the rest. Shards for which no worker has room are read by nobody: that is a
	// critical problem of the status page. `0` is without limit.
	MaxShards int `yaml:"max_shards" default:"0" range:"0..10000"`
	// What the tables get that the daemon creates: the lease table, and the one of the same name with `-state` at its
	// end. A table that is there is not changed.
	Table LeaseTableConfig `yaml:"table"`
}

// LeaseTableConfig is the section "leases.table".
type LeaseTableConfig struct {
	// Tags of the tables, as in `{team: oncall}`. This takes the permission `dynamodb:TagResource`.
	Tags map[string]string `yaml:"tags"`
	// Whether DynamoDB refuses to delete the tables.
	DeletionProtection bool `yaml:"deletion_protection" default:"false"`
	// Whether the tables can be restored as they were at any time of the last 35 days. This takes the permission
	// `dynamodb:UpdateContinuousBackups`, and costs by the size of the tables.
	PointInTimeRecovery bool `yaml:"point_in_time_recovery" default:"false"`
}

// ProcessingConfig is the section "processing".
type ProcessingConfig struct {
	// How many partition keys of a shard publish to a topic at once.
	Parallelism int `yaml:"parallelism" default:"10" range:"1..1000"`
	// How many bytes the pages of all shards of a worker take together.
	Memory Size `yaml:"memory" default:"64MiB" range:"1MiB..1024GiB"`
	// The least time between two reads of a shard. Kinesis allows five reads a second of each shard to all readers
	// together: use `1s` where others read the stream, another application of this daemon included. It must be shorter
	// than `leases.duration`.
	PollInterval time.Duration `yaml:"poll_interval" default:"200ms" range:"200ms..1m"`
	// How long the progress of a shard waits at most, up to a third of `leases.duration`, after something was accepted
	// that a crash would repeat: an alert, a dead letter or an output record. Other progress is written every 15 s, or
	// after 4 MiB of records. `0s` is as fast as
	// DynamoDB answers, one write of a shard at a time, so that a crash repeats only what was accepted since the last
	// write began. It costs up to 100 writes a second for each worker with busy shards. A throttled write waits 0.25 to
	// 5 s before it is tried again.
	CheckpointInterval *time.Duration `yaml:"checkpoint_interval" default:"1s" range:"100ms..100s"`
	// How often an alert is tried again after failures of its own; `-1` is without limit, as in Lambda. Outages,
	// throttling and faults of a topic's configuration do not count.
	MaxRetryAttempts *int `yaml:"max_retry_attempts" default:"-1" range:"-1..10000"`
	// How old a record may be for its alert to be tried; `0s` is without limit. Time in which a fault of its topic's
	// configuration held it does not count.
	MaxRecordAge time.Duration `yaml:"max_record_age" default:"0s" range:"0s..168h"`
	// What happens to an alert that SNS will never accept, where there are no dead letters: `hold` its partition key
	// and report it, or `skip` it.
	OnRejected string `yaml:"on_rejected" default:"hold" enum:"hold|skip"`
	// The time that the whole of an orderly stop may take. Keep it below the grace period of the container.
	StopBudget time.Duration `yaml:"stop_budget" default:"25s" range:"5s..10m"`
}

// MetricsConfig is the section "metrics".
type MetricsConfig struct {
	// A series for every shard. `false` is one for the whole process, with `shard="all"`: the worst lag, the sum of
	// what is counted.
	PerShard *bool `yaml:"per_shard" default:"true"`
	// Also print a line a minute on the log's output from which CloudWatch Logs makes metrics, in its embedded metric
	// format, whatever `log` says.
	EMF bool `yaml:"emf" default:"false"`
}

// parts are the configurations of the packages, as the file asks for them.
type parts struct {
	Alert      alert.Config
	SNS        dispatch.Config
	Checkpoint checkpoint.Config
	Consumer   consumer.Config
	DeadLetter deadletter.Config
	Output     output.Config
}

// Parts translates the file into what each package wants, with defaults.
func (c Config) Parts() parts {
	p := parts{
		Alert: alert.Config{
			Format: c.recordFormat(), Filter: c.Filter, DeadLetterInvalid: c.DeadLetter.Invalid, Score: c.Score,
			Rules: c.Rules, Silences: c.Silences,
			Watchdog: c.Watchdog, State: c.State, Topics: c.Topics, Outputs: c.Outputs,
		}.WithDefaults(),
		DeadLetter: c.DeadLetter.destination(),
		Checkpoint: checkpoint.Config{
			Reads:       alert.StateFormat,
			Application: c.Stream.Application, StreamName: c.Stream.Name, StreamARN: c.Stream.ARN,
			Start:         c.Stream.Start,
			LeaseDuration: c.Leases.Duration, CheckpointInterval: c.Processing.checkpointInterval(),
			MaxShards:   c.Leases.MaxShards,
			NewTables:   table.Wanted(c.Leases.Table),
			MergeShards: c.mergeShards(),
		}.WithDefaults(),
		Consumer: consumer.Config{
			StreamName: c.Stream.Name, StreamARN: c.Stream.ARN,
			Parallelism: c.Processing.Parallelism, Memory: int(c.Processing.Memory),
			PollInterval: c.Processing.PollInterval,
			OnRejected:   c.Processing.OnRejected, MergeShards: c.mergeShards(), Plan: c.Plan(),
		}.WithDefaults(),
		SNS: dispatch.Config{
			Topics: map[string]dispatch.TopicConfig{}, MaxRecordAge: c.Processing.MaxRecordAge, MaxAttempts: -1,
		},
	}
	if n := c.Processing.MaxRetryAttempts; n != nil {
		p.SNS.MaxAttempts = *n
	}
	// An attempt must fit into the trust window, which is nine tenths of a lease, with time to spare for a second one.
	p.SNS.AttemptTimeout = min(dispatch.DefaultAttemptTimeout, p.Checkpoint.LeaseDuration*9/10/2)
	rulesOf := map[string][]string{}
	for _, r := range p.Alert.Rules {
		for _, name := range r.Topics {
			if of := rulesOf[name]; len(of) == 0 || of[len(of)-1] != r.Name {
				rulesOf[name] = append(of, r.Name)
			}
		}
	}
	for name, t := range p.Alert.Topics {
		p.SNS.Topics[name] = dispatch.TopicConfig{
			ARN: t.ARN, Rate: t.Rate.PerSecond(), Digest: t.Digest, Rules: rulesOf[name],
		}
	}
	p.SNS = p.SNS.WithDefaults()
	p.Output = output.Config{
		// As the shards' alerts: what waits for an output keeps at most a quarter of the byte budget's size.
		Outputs: map[string]output.StreamConfig{}, MaxBytes: p.Consumer.Memory / 4,
		MaxRecordAge: p.SNS.MaxRecordAge, MaxAttempts: p.SNS.MaxAttempts, AttemptTimeout: p.SNS.AttemptTimeout,
		Skip: p.Consumer.OnRejected == consumer.OnRejectedSkip,
	}
	for name, o := range p.Alert.Outputs {
		p.Output.Outputs[name] = output.StreamConfig{Stream: o.Stream}
	}
	return p
}

// WithDefaults returns a copy in which every value that was left out has its default.
func (c Config) WithDefaults() Config {
	if c.Stream.Application == "" {
		c.Stream.Application = "kinesis-alerter-" + c.StreamName()
	}
	c.Processing.StopBudget = cmp.Or(c.Processing.StopBudget, DefaultStopBudget)
	c.Server.Listen = cmp.Or(c.Server.Listen, DefaultListen)
	c.Metrics.PerShard = cmp.Or(c.Metrics.PerShard, new(true))
	c.Log.Level = cmp.Or(c.Log.Level, "info")
	c.Log.Format = cmp.Or(c.Log.Format, "json")
	p := c.Parts()
	c.Leases.Duration = p.Checkpoint.LeaseDuration
	c.Processing.CheckpointInterval = cmp.Or(c.Processing.CheckpointInterval, new(p.Checkpoint.CheckpointInterval))
	c.Processing.Parallelism = p.Consumer.Parallelism
	c.Processing.Memory = Size(p.Consumer.Memory)
	c.Processing.PollInterval = p.Consumer.PollInterval
	c.Processing.MaxRetryAttempts = cmp.Or(c.Processing.MaxRetryAttempts, new(-1))
	c.Processing.OnRejected = p.Consumer.OnRejected
	c.Format = cmp.Or(c.Format, alert.FormatJSON)
	c.InputLimits = c.InputLimits.withDefaults()
	c.Rules, c.Topics, c.Outputs = p.Alert.Rules, p.Alert.Topics, p.Alert.Outputs
	c.Watchdog, c.State, c.Score = p.Alert.Watchdog, p.Alert.State, p.Alert.Score
	return c
}

// checkpointInterval is the interval for the lease table: zero, its default, if the file has none.
func (c ProcessingConfig) checkpointInterval() time.Duration {
	switch i := c.CheckpointInterval; {
	case i == nil:
		return 0
	case *i == 0:
		return checkpoint.AtOnce
	default:
		return *i
	}
}

func (c Config) mergeShards() bool { return c.Metrics.PerShard != nil && !*c.Metrics.PerShard }

// StreamName is the name of the stream, taken from the ARN when that is what was given.
func (c Config) StreamName() string {
	if _, name, ok := strings.Cut(c.Stream.ARN, ":stream/"); ok {
		return name
	}
	return c.Stream.Name
}

// Validate returns every fault, joined; each has the method ConfigField. It wants the defaults in place.
func (c Config) Validate() error {
	p := c.Parts()
	return c.faults(p, p.Alert.Validate())
}

// compile is Validate, and returns the rules, compiled.
func (c Config) compile() (*alert.Rules, error) {
	p := c.Parts()
	rules, err := p.Alert.Compile()
	if err = c.faults(p, err); err != nil {
		return nil, err
	}
	return rules, nil
}

// faults are those of the whole, of which those of the rules are known.
func (c Config) faults(p parts, ofRules error) error {
	var errs []error
	refuse := func(bad bool, field, value, rule string, args ...any) {
		if bad {
			errs = append(errs, &FieldError{Field: field, Value: value, Rule: fmt.Sprintf(rule, args...)})
		}
	}
	refuse(c.Stream.Name == "" && c.Stream.ARN == "", "stream.name", "", "required, unless stream.arn is given")
	refuse(c.Stream.Name != "" && c.Stream.ARN != "", "stream.name", c.Stream.Name,
		"give either stream.name or stream.arn, not both")
	refuse(c.Stream.FanOut != "", "stream.fan_out", c.Stream.FanOut,
		"enhanced fan-out is not supported yet; leave fan_out empty to poll")
	refuse(c.Processing.StopBudget < 5*time.Second || c.Processing.StopBudget > 10*time.Minute,
		"processing.stop_budget",
		c.Processing.StopBudget.String(), "must be between 5s and 10m")
	refuse(c.Processing.PollInterval >= c.Leases.Duration, "processing.poll_interval",
		c.Processing.PollInterval.String(),
		"must be shorter than leases.duration (%s), or a shard would change hands between two reads", c.Leases.Duration)
	refuse(p.SNS.AttemptTimeout >= c.Processing.StopBudget*StopShareShards/100, "processing.stop_budget",
		c.Processing.StopBudget.String(),
		"the drain gets %d %% of it, which must outlast one publish attempt (%s)", StopShareShards,
		p.SNS.AttemptTimeout)
	refuse(*c.Processing.MaxRetryAttempts < -1 || *c.Processing.MaxRetryAttempts > 10_000,
		"processing.max_retry_attempts",
		strconv.Itoa(*c.Processing.MaxRetryAttempts), "must be -1 (no limit) to 10000, as in Lambda")
	refuse(c.Processing.MaxRecordAge < 0 || c.Processing.MaxRecordAge > 7*24*time.Hour, "processing.max_record_age",
		c.Processing.MaxRecordAge.String(), "must be 0s (no limit) to 168h")
	refuse(c.DeadLetter.Invalid && !p.DeadLetter.Enabled(), "dead_letter.invalid", "true",
		"needs a destination; set dead_letter.sqs, sns or s3")
	_, levelErr := zap.ParseAtomicLevel(c.Log.Level)
	refuse(levelErr != nil || !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level",
		c.Log.Level,
		"want debug, info, warn or error")
	refuse(!slices.Contains([]string{"json", "console"}, c.Log.Format), "log.format", c.Log.Format,
		"want json or console")
	refuse(!Listenable(c.Server.Listen), "server.listen", c.Server.Listen,
		"want HOST:PORT, as in 127.0.0.1:9464, or :9464 for all addresses, with a port of 0 to 65535")
	for i, name := range c.Server.Names {
		refuse(!HostName(name), fmt.Sprintf("server.names[%d]", i), name,
			"want the name of a host alone, as in alerts.example.com: no scheme, no port, no path")
	}
	for field, r := range c.roleFields() {
		refuse(r.ARN != "" && arns.CheckRole(r.ARN) != "", field+".role_arn", r.ARN, "%s", arns.CheckRole(r.ARN))
		refuse(r.ExternalID != "" && r.ARN == "", field+".external_id", r.ExternalID, "goes with role_arn")
		refuse(r.ExternalID != "" && !externalID(r.ExternalID), field+".external_id", r.ExternalID,
			"must have 2 to 1224 letters, digits or any of +=,.@:/_-")
	}
	errs = append(errs, c.outputFaults(p.Alert.Outputs)...)
	errs = append(errs, c.inputFaults()...)
	return errors.Join(append(errs, p.Checkpoint.Validate(), p.Consumer.Validate(), ofRules, sns.Validate(p.SNS),
		p.DeadLetter.Validate(), c.ranges())...)
}

// ConfigField is the path of the field, as the packages' own configuration errors have it.
func (p *FieldError) ConfigField() string { return p.Field }

// HostName reports whether a text may be the name of a host.
func HostName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._", c)
	})
}

// Listenable reports whether an address is HOST:PORT with a port of 0 to 65535.
func Listenable(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

// EnvSource marks a configuration that an environment variable holds. Some platforms, ECS among them, give a container
// variables but no files; there the task definition holds the configuration, and a rollback takes back both at once.
const EnvSource = "env:"

// LoadConfig reads and checks a configuration file, or, for env:NAME, the text in the environment variable NAME. lookup
// gives that and the values of ${VAR}. The error is a FieldErrors with every fault of the file, or that the file cannot
// be read. The configuration has its defaults.
//
// The work is bounded by the size of the file. When ctx ends first, the work is abandoned.
func LoadConfig(ctx context.Context, file string, lookup func(string) (string, bool)) (*LoadedConfig, error) {
	return interruptible(ctx, func() (*LoadedConfig, error) { return loadConfig(ctx, file, lookup, Config.compile) })
}

// CheckConfig is LoadConfig for a caller that runs no rules: it keeps nothing of what it compiles, so that a file of
// thousands of rules costs little.
func CheckConfig(ctx context.Context, file string, lookup func(string) (string, bool)) (*LoadedConfig, error) {
	return interruptible(ctx, func() (*LoadedConfig, error) { return loadConfig(ctx, file, lookup, validateOnly) })
}

func validateOnly(c Config) (*alert.Rules, error) { return nil, c.Validate() }

func loadConfig(
	ctx context.Context, file string, lookup func(string) (string, bool), compile func(Config) (*alert.Rules, error),
) (*LoadedConfig, error) {
	if variable, ok := strings.CutPrefix(file, EnvSource); ok {
		text, set := lookup(variable)
		switch {
		case variable == "":
			return nil, FieldErrors{{File: file, Rule: "names no variable; write env:NAME"}}
		case !set:
			return nil, FieldErrors{
				{
					File: file,
					Rule: fmt.Sprintf("the environment has no variable %q; set it to the text of a configuration, "+
						"or name a file", variable),
				},
			}
		case text == "":
			return nil, FieldErrors{
				{
					File: file,
					Rule: fmt.Sprintf("the variable %q is set, but empty; set it to the text of a configuration",
						variable),
				},
			}
		}
		return parseConfig(ctx, file, []byte(text), lookup, compile)
	}
	data, err := ReadFile(ctx, file, MaxDocument)
	if err != nil {
		return nil, FieldErrors{{File: file, Rule: err.Error()}}
	}
	return parseConfig(ctx, file, data, lookup, compile)
}

// LoadedConfig is a valid configuration, and what is known of where it came from.
type LoadedConfig struct {
	Config
	Doc *Document

	rules *alert.Rules // nil if no caller needs them, and after one has taken them
}

// TakeRules returns the rules of the configuration, compiled. They are for one pipeline: a second call compiles again.
func (c *LoadedConfig) TakeRules() (*alert.Rules, error) {
	if rules := c.rules; rules != nil {
		c.rules = nil
		return rules, nil
	}
	return c.Parts().Alert.Compile()
}

// Pipeline runs the rules of the configuration, on what its input takes records apart to.
func (c *LoadedConfig) Pipeline(deps alert.Deps) (*alert.Pipeline, error) {
	rules, err := c.TakeRules()
	if err != nil {
		return nil, err
	}
	deps.Input = c.Plan().Hash()
	return alert.New(rules, deps)
}

// doubt is something valid in a configuration that cannot be meant.
type doubt struct {
	*FieldError

	Never bool // it keeps a rule or a filter from ever matching
}

// Trials are the templates that can only fail. The daemon starts with them, and sends the default words.
func (c *LoadedConfig) Trials() error {
	var problems FieldErrors
	for _, fails := range c.Parts().Alert.Trials() {
		problems = append(problems, c.Doc.Place(fails)...)
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

// Current refuses a configuration with silences that are over, or that begins in the future, for a reload or a check. A
// start does not: a daemon that is restarted at night must not stay down because a silence has ended, and one that has
// checkpoints does not look at where it once began.
func (c *LoadedConfig) Current(now time.Time) error {
	var problems FieldErrors
	if at := c.Stream.Start.Time; at.After(now) {
		problems = append(problems, c.Doc.Place(&FieldError{
			Field: "stream.start", Value: c.Stream.Start.String(),
			Rule: "is in the future, and Kinesis reads nothing from there; want a time that has passed, latest or " +
				"trim_horizon",
		})...)
	}
	for _, over := range c.Parts().Alert.Over(now) {
		problems = append(problems, c.Doc.Place(over)...)
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

// Doubts returns what is valid in the configuration but cannot be meant, in the order of the file.
func (c *LoadedConfig) Doubts(now time.Time) []doubt {
	var out []doubt
	for _, d := range c.Parts().Alert.Doubts(now) {
		for _, placed := range c.Doc.Place(d.Fault) {
			out = append(out, doubt{placed, d.Never})
		}
	}
	slices.SortStableFunc(out, func(a, b doubt) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return out
}

// ParseConfig is LoadConfig for the bytes of a file that was read already.
func ParseConfig(ctx context.Context, file string, data []byte, lookup func(string) (string, bool)) (*LoadedConfig,
	error,
) {
	return parseConfig(ctx, file, data, lookup, Config.compile)
}

func parseConfig(
	ctx context.Context, file string, data []byte, lookup func(string) (string, bool),
	compile func(Config) (*alert.Rules, error),
) (*LoadedConfig, error) {
	var c Config
	doc := ParseDocument(file, data, lookup, &c)
	// What the packages say about a file without a usable root would only be noise.
	if doc.IsBroken("") || doc.Root == nil || doc.full() {
		doc.Problems.Sort()
		return nil, doc.Problems
	}
	if c.FilterFile != "" {
		doc.addFilters(ctx, &c)
	}
	c = c.WithDefaults()
	rules, err := compile(c)
	problems := slices.Concat(doc.Problems, doc.Place(err))
	if len(problems) > 0 {
		problems.Sort()
		return nil, problems
	}
	return &LoadedConfig{Config: c, Doc: doc, rules: rules}, nil
}

// addFilters adds the patterns of the filter file, whose name is relative to the configuration file.
func (d *Document) addFilters(ctx context.Context, c *Config) {
	name := c.FilterFile
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(d.File), name)
	}
	data, err := ReadFile(ctx, name, MaxDocument)
	if err == nil {
		var patterns []filter.Pattern
		patterns, err = filter.ParseCriteria(data)
		c.Filter = append(slices.Clone(c.Filter), patterns...)
	}
	if err != nil {
		n, _ := d.Locate("filter_file")
		d.report("filter_file", n, c.FilterFile, err.Error())
	}
}

// Place turns the errors of Validate methods into problems with a place in the file. A field is mentioned once, with
// the first that is wrong: several packages look at the stream, for one. Faults about values that could not even be
// decoded are left out: they speak of a default.
func (d *Document) Place(err error) FieldErrors {
	var placed FieldErrors
	said := map[string]bool{}
	for _, e := range flatten(err) {
		if len(placed) == mostFaults {
			break
		}
		var field fieldFault
		if !errors.As(e, &field) {
			placed = append(placed, &FieldError{File: d.File, Rule: e.Error()})
			continue
		}
		path := field.ConfigField()
		if d.IsBroken(path) || said[path] {
			continue
		}
		said[path] = true
		p := describeError(field)
		p.File = d.File
		p.Value, p.Rule = d.hide(path, p.Value, p.Rule)
		if n, exact := d.Locate(path); n != nil && (exact || n != d.Root) {
			within := p.Column // inside a value, where the package knows
			p.Line, p.Column = n.Line, n.Column
			// A value in one line: point at the very place. In a block or with variables the columns do not map.
			if within > 0 && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 &&
				!strings.ContainsAny(n.Value, "\n$\\") {
				p.Column += within - 1
				if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
					p.Column++
				}
			}
		} else {
			p.Line, p.Column = 0, 0
		}
		placed = append(placed, p)
	}
	return placed
}

// describeError takes the packages' configuration errors apart. Column is the place inside the value, from 1, or 0.
func describeError(err fieldFault) *FieldError {
	var (
		own     *FieldError
		rules   *alert.ConfigError
		topics  *dispatch.ConfigError
		table   *checkpoint.ConfigError
		reading *consumer.ConfigError
	)
	p := &FieldError{Field: err.ConfigField()}
	switch {
	case errors.As(err, &own):
		p.Value, p.Rule = own.Value, own.Rule
	case errors.As(err, &rules):
		p.Value, p.Rule = rules.Value, rules.Rule
		if rules.Line == 1 {
			p.Column = rules.Col
		}
	case errors.As(err, &topics):
		p.Value, p.Rule = fmt.Sprint(topics.Value), topics.Rule
	case errors.As(err, &table):
		p.Value, p.Rule = fmt.Sprint(table.Value), table.Rule
	case errors.As(err, &reading):
		p.Value, p.Rule = reading.Value, reading.Rule
	default:
		p.Rule = strings.TrimPrefix(err.Error(), p.Field+": ")
	}
	return p
}

// quoteUnprintable writes texts in the style in which escapes mean something, where they need some.
func quoteUnprintable(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && !plain.Printable(n.Value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		quoteUnprintable(child)
	}
}

func (d *Document) redactNode(path string, n *yaml.Node) {
	switch {
	case n.Kind == yaml.MappingNode:
		for pair := range slices.Chunk(n.Content, 2) {
			d.redactNode(Join(path, pair[0].Value), pair[1])
		}
	case n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			d.redactNode(fmt.Sprintf("%s[%d]", path, i), item)
		}
	case d.secrets[path] != "":
		n.SetString(redacted)
	}
}

// QuickConfig is the configuration of a start without a file.
type QuickConfig struct {
	Stream, TopicARN, Application, When string
}

// sampleAttributes are those of AWS's sample function: a filter policy that looks at them still matches.
func sampleAttributes() map[string]alert.AttributeConfig {
	return map[string]alert.AttributeConfig{alert.SampleAttributeName: {Value: alert.SampleAttribute}}
}

// Config builds the configuration. The error is a FieldErrors that speaks of flags.
func (q QuickConfig) Config() (*LoadedConfig, error) {
	c := Config{
		Stream: StreamConfig{Name: q.Stream, Application: q.Application},
		Topics: map[string]alert.TopicConfig{"topic": {ARN: q.TopicARN}},
	}
	if strings.HasPrefix(q.Stream, "arn:") {
		c.Stream.Name, c.Stream.ARN = "", q.Stream
	}
	if q.When != "" {
		c.Rules = []alert.RuleConfig{
			{Name: "rule", When: q.When, Topics: []string{"topic"}, Attributes: sampleAttributes()},
		}
	}
	c = c.WithDefaults()
	doc := &Document{}
	rules, err := c.compile()
	problems := doc.Place(err)
	if len(problems) == 0 {
		return &LoadedConfig{Config: c, Doc: doc, rules: rules}, nil
	}
	flags := map[string]string{
		"stream.name": "--stream", "stream.arn": "--stream", "stream.application": "--application",
		"topics.topic.arn": "--topic-arn", "rules[0].when": "--when",
	}
	for _, p := range problems {
		p.Field = cmp.Or(flags[p.Field], p.Field)
		for _, path := range slices.Sorted(maps.Keys(flags)) {
			p.Rule = regexp.MustCompile(`\b`+regexp.QuoteMeta(path)+`\b`).ReplaceAllString(p.Rule, flags[path])
		}
	}
	return nil, problems
}
