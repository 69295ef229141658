package status

import (
	"time"

	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/answer"
)

// Status is everything that the daemon says about itself: the status page, its plain text and /api/v1/status are three
// renderings of one value. The JSON names are stable: fields are added, and never renamed or given another meaning. In
// JSON, the parts without a name of their own are flat.
//
// It is made from memory alone, without a call to AWS. What it says about this process is as of At. What it says about
// other workers and their shards may be ten seconds older. Times are absent (null in JSON) while they are not known.
// Durations are in seconds.
type Status struct {
	// At is when the snapshot was taken.
	At time.Time `json:"at"`
	Verdict
	Process
	Stream Stream `json:"stream"`
	Worker Worker `json:"worker"`
	// Credentials are those that this process calls AWS with.
	Credentials Credentials `json:"credentials"`
	History     History     `json:"history"`
	// Recent counts recent events of this process.
	Recent Recent `json:"recent"`
	// Records are the records that this process has settled since it started, by outcome.
	Records map[string]uint64 `json:"records"`
	Fleet
	Rulebook
	Delivery
	// Incidents happened to shards in the last 15 minutes and were dealt with.
	Incidents []Incident `json:"incidents,omitempty"`
	// UnreadableRows are rows of the lease table that no worker can read, and those that were rewritten in the last 15
	// minutes.
	UnreadableRows []Row `json:"unreadable_rows,omitempty"`
	// PlainEndpoints are the hosts other than this one that answer for AWS over plain HTTP.
	PlainEndpoints []string `json:"plain_endpoints,omitempty"`
	// ClockAhead is by how many seconds this machine's clock is ahead of Kinesis', negative if behind; missing before
	// the first answer.
	ClockAhead *float64 `json:"clock_ahead_seconds,omitempty"`
	// Doubts are what is valid in the active configuration and cannot be meant.
	Doubts []Doubt `json:"doubts"`
	// Log is the output of the log lines.
	Log Log `json:"log"`
	// BadAnswers are the operations of AWS whose answers cannot be used now.
	BadAnswers []BadAnswers `json:"bad_answers"`
	Configured
}

// Verdict is what to make of the rest: Problems and Summary compute it from the rest.
type Verdict struct {
	// Summary is one sentence: that all is well, or what is wrong.
	Summary string `json:"summary"`
	// Level is the most severe of the problems' levels, or ok.
	Level Level `json:"level"`
	// Problems are what is wrong, the most severe first.
	Problems []Problem `json:"problems"`
}

// Process is the running daemon itself. It is known before there is a stream, a table or a worker.
type Process struct {
	// State is starting, running or stopping.
	State string `json:"state"`
	// WaitingFor is what a start waits for, since WaitingSince; empty when it waits for nothing.
	WaitingFor   string     `json:"waiting_for,omitempty"`
	WaitingSince *time.Time `json:"waiting_since,omitempty"`

	Build   Build     `json:"build"`
	Started time.Time `json:"started"`
	Uptime  float64   `json:"uptime_seconds"`
}

// Fleet is who reads which shard: what the lease table says, and of the shards that are read here what their readers
// say.
type Fleet struct {
	// ShardCounts are the shards of the stream by state; every state is there.
	ShardCounts map[string]int `json:"shard_counts"`
	// TableLacks are settings of leases.table that tables still lack which this process created.
	TableLacks []TableLack `json:"table_lacks,omitempty"`
	// Shards are all shards of the stream that are of interest, parents before their children.
	Shards []Shard `json:"shards"`
	// Workers are those that share the stream, by id.
	Workers []FleetWorker `json:"workers"`
	// Totals are of all workers together: TotalsOf computes them from the rest.
	Totals FleetTotals `json:"totals"`
}

// TableLack is a setting that a new table does not have.
type TableLack struct {
	Table   string `json:"table"`
	Setting string `json:"setting"`
	// Since is when the table was created, Code what DynamoDB answered last.
	Since time.Time `json:"since"`
	Code  string    `json:"code"`
}

// FleetTotals are of all workers together, as far as this one knows.
type FleetTotals struct {
	// Workers are those that live, Readers those that hold a shard, this process among them.
	Workers int `json:"workers"`
	Readers int `json:"readers"`
	// Open are the shards that have not ended, Read those of them that a worker holds, Silent those whose worker has
	// missed a heartbeat and has not lost its lease yet: whether it reads them is not known.
	Open   int `json:"open_shards"`
	Read   int `json:"read_shards"`
	Silent int `json:"silent_shards"`
	// Bytes, Records and Alerts are rates a second. Records, Alerts and Lag, which is the greatest lag, are as the
	// workers last said. Unsaid are workers that do not say them, because their version is older
	// or they are silent.
	Bytes   float64 `json:"bytes_per_second"`
	Records float64 `json:"records_per_second"`
	Alerts  float64 `json:"alerts_per_second"`
	Lag     float64 `json:"lag_seconds"`
	Unsaid  int     `json:"workers_without_figures"`
	// Versions are how many workers have each version; unknown where they do not say. Configurations is how many
	// different configurations the workers have that say it.
	Versions       map[string]int `json:"versions"`
	Configurations int            `json:"configurations"`
}

// Rulebook is what decides about records, and what it has decided in this process.
type Rulebook struct {
	// Rules are in the order of the configuration; empty where every record alerts.
	Rules []Rule `json:"rules"`
	// Filter is what the filter has dropped; null without one.
	Filter *Filter `json:"filter"`
	// Silences are those of the configuration, in its order.
	Silences []Silence `json:"silences"`
}

// Delivery is where alerts go, and what has arrived there.
type Delivery struct {
	// Alerts are the latest messages that SNS accepted from this process, the latest first, at most 50.
	Alerts []Alert `json:"alerts"`
	Topics []Topic `json:"topics"`
	// Outputs are the output streams, by name.
	Outputs []Output `json:"outputs,omitempty"`
	// DeadLetters is the on-failure destination; null without one.
	DeadLetters *DeadLetters `json:"dead_letters"`
}

// Configured is the active configuration and the last attempt to replace it.
type Configured struct {
	// Reload is the last reload of the configuration that has ended; null before the first. ReloadingSince is when one
	// began that has not.
	Reload         *Reload    `json:"reload"`
	ReloadingSince *time.Time `json:"reloading_since"`
	// Configuration is the active one, as YAML. Where a value came from the environment it has ${VAR}, and what looks
	// like a credential is cut.
	Configuration string `json:"configuration"`
}

// Level says how severe something is.
type Level string

// The levels, the most severe first.
const (
	// LevelCritical means that alerts or records wait, and will until an operator acts.
	LevelCritical Level = "critical"
	// LevelWarning means that something needs a look.
	LevelWarning Level = "warning"
	// LevelInfo is worth knowing and needs nothing.
	LevelInfo Level = "info"
	// LevelOK means that all is well.
	LevelOK Level = "ok"
)

// Problem is one thing that is wrong.
type Problem struct {
	Level Level `json:"level"`
	// Code names the kind of problem, for machines: ProblemSubjects has all of them.
	Code string `json:"code"`
	// Subject is what it is about: credentials, daemon, answers (of AWS), table, topic, dead_letters, kinesis, owners
	// (shards without a reader), shards, records, rules, lag or configuration. Problems of one level are in this
	// order: causes come before what they cause.
	Subject string `json:"subject"`
	// Object is the topic or the output, where the problem is that of one.
	Object string `json:"object,omitempty"`
	// Text is one clause, without a full stop.
	Text string `json:"text"`
	// Remedy is what to do about it; empty where waiting is all.
	Remedy string `json:"remedy,omitempty"`
}

// Build is what is running.
type Build struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	GoVersion string `json:"go_version"`
}

// Stream is what is read.
type Stream struct {
	Name string `json:"name"`
	// Application is the group of workers that shares the stream, and its lease table.
	Application string `json:"application"`
	// Retention is how long the stream keeps a record; 0 while that is not known.
	Retention float64 `json:"retention_seconds"`
	// Incomplete is since when ListShards does not name all shards; absent while it does.
	Incomplete *time.Time `json:"listing_incomplete_since,omitempty"`
}

// Row is a row of the lease table that cannot, or could not, be read.
type Row struct {
	Key   string `json:"key"`
	Cause string `json:"cause"`
	// Mended says that it was rewritten.
	Mended bool `json:"mended"`
}

// Incident is an event of a shard in the last 15 minutes that was dealt with: gone, end_undone,
// order_breached, skip_undone, position_unusable or parents_circular.
type Incident struct {
	Kind   string    `json:"kind"`
	Shard  string    `json:"shard"`
	Detail string    `json:"detail,omitempty"`
	At     time.Time `json:"at"`
}

// Worker is this process as one of the workers that share the stream.
type Worker struct {
	// ID is empty while the process has not joined the others.
	ID string `json:"id"`
	// TrustedUntil is until when the process may act on its leases without another answer from DynamoDB; null while it
	// may not.
	TrustedUntil *time.Time `json:"trusted_until"`
	// Heartbeat is when DynamoDB last confirmed that it lives.
	Heartbeat *time.Time `json:"heartbeat"`
	// Failure is why the last heartbeat failed: the error code of DynamoDB, timeout or unreachable; empty when it did
	// not.
	Failure string `json:"failure,omitempty"`
	// LeaseSeconds is how long a silent worker keeps its shards.
	LeaseSeconds float64 `json:"lease_seconds"`
}

// Credentials is what is known of the AWS credentials of this process.
type Credentials struct {
	// Known says that there are or were some; Expires is when they end or ended, null where they do not.
	Known   bool       `json:"known"`
	Expires *time.Time `json:"expires"`
	// Failing is why they cannot be loaded or renewed, since FailingSince; empty while they can.
	Failing      string     `json:"failing,omitempty"`
	FailingSince *time.Time `json:"failing_since"`
	// Refused are the services that do not accept them, by name.
	Refused []refusal `json:"refused"`
	// Roles are the credentials of the roles that the process assumes.
	Roles []RoleCredentials `json:"roles,omitempty"`
}

// RoleCredentials is what is known of the credentials of a role that the process assumes.
type RoleCredentials struct {
	// Role is the ARN of the role, UsedBy the sections of the configuration that have it.
	Role   string   `json:"role"`
	UsedBy []string `json:"used_by"`
	// The others are as in Credentials.
	Known        bool       `json:"known"`
	Expires      *time.Time `json:"expires"`
	Failing      string     `json:"failing,omitempty"`
	FailingSince *time.Time `json:"failing_since"`
	Refused      []refusal  `json:"refused"`
}

// Refusal is a service of AWS that does not accept the credentials.
type refusal struct {
	Service string    `json:"service"`
	Code    string    `json:"code"`
	Since   time.Time `json:"since"`
}

// History is the throughput of this process: figures a second, the oldest first. Each is the mean of Interval, and
// the last one ends at or before Status.At. There are at most 15 minutes, and less in a young process.
type History struct {
	Interval float64   `json:"interval_seconds"`
	Records  []float64 `json:"records_per_second"`
	Alerts   []float64 `json:"alerts_per_second"`
	// Lag is the greatest lag of the shards that this process read at the end of each interval; null where it read
	// none.
	Lag []*float64 `json:"lag_seconds"`
	// Fleet is the same of all workers together, as they said with their heartbeats.
	Fleet FleetHistory `json:"fleet"`
}

// FleetHistory is the throughput and the lag of all workers together.
type FleetHistory struct {
	Records []float64  `json:"records_per_second"`
	Alerts  []float64  `json:"alerts_per_second"`
	Lag     []*float64 `json:"lag_seconds"`
}

// Recent counts the events of this process within the last Window seconds.
type Recent struct {
	Window float64 `json:"window_seconds"`
	// Missed are checkpoints that had left the stream before the records behind them were read.
	Missed uint64 `json:"checkpoint_gaps"`
	// Skipped are alerts that SNS rejected and that were dropped as configured, GivenUp those dropped at the limits of
	// attempts or age.
	Skipped uint64 `json:"alerts_skipped"`
	GivenUp uint64 `json:"alerts_given_up"`
	// Letters are the dead letters of alerts, InvalidLetters those of records that could not be read.
	Letters        uint64 `json:"dead_letters"`
	InvalidLetters uint64 `json:"invalid_dead_letters"`
	Panics         uint64 `json:"panics"`
	// StateGaps are shards whose evaluation continued without what it should remember.
	StateGaps uint64 `json:"state_gaps"`
	// Resolved are the settled records, of every outcome. Unreadable are those that could not be read, or not by the
	// filter, and UnreadableAs the same by what they look like; only what came is there.
	Resolved     uint64                    `json:"resolved_records"`
	Unreadable   uint64                    `json:"unreadable_records"`
	UnreadableAs map[payload.Likely]uint64 `json:"unreadable_as,omitempty"`
	// Inputs are the Kinesis records that cannot be read and were looked at, by the input that was seen to read them;
	// "" for none. Only a sample is looked at.
	Inputs map[string]uint64 `json:"readable_with_input,omitempty"`
	// OverBudget are the records that a rule did not judge, and the messages that got the default words, because the
	// rule would have cost more than it may, by rule; only what came is there.
	OverBudget map[string]uint64 `json:"over_budget,omitempty"`
	// FilterOverBudget are the records that passed the filter because it would have cost too much.
	FilterOverBudget uint64 `json:"filter_over_budget"`
	// SilencesOverBudget are the records that a silence did not cover because its condition would have cost too much,
	// by silence.
	SilencesOverBudget map[string]uint64 `json:"silences_over_budget,omitempty"`
	// TemplateFailures are the templates that failed, and Evicted the keys that were forgotten because there were too
	// many, by rule.
	TemplateFailures map[string]uint64 `json:"template_failures,omitempty"`
	Evicted          map[string]uint64 `json:"evicted_keys,omitempty"`
	// EvictedActive are those of them that fired or were about to.
	EvictedActive map[string]uint64 `json:"evicted_active_keys,omitempty"`
	// Untimed are records that were read without their arrival times, because these could not be.
	Untimed uint64 `json:"untimed_records"`
}

// Shard is one shard.
type Shard struct {
	ID      string   `json:"id"`
	Parents []string `json:"parents"`
	// State is held (by this process), foreign (by another worker), unread, blocked (a parent is not finished),
	// paused, ended or skipped (closed before the application began).
	State string `json:"state"`
	// EndDoubted is since when listings show the shard open although the lease table says that it ended.
	EndDoubted *time.Time `json:"end_doubted_since,omitempty"`
	// Owner is the worker that has the lease; empty without one.
	Owner string `json:"owner"`
	// UnreadSince is since when no worker reads the shard for the reason that its state tells, unread or blocked, as
	// far as this process has seen; null while one does.
	UnreadSince *time.Time `json:"unread_since"`
	// HandoffTarget is the worker that the shard is being handed over to.
	HandoffTarget string `json:"heir,omitempty"`
	// BytesPerSecond is the recent rate of reading.
	BytesPerSecond float64 `json:"bytes_per_second"`
	// CaughtUp is the time up to which every record is settled, as its owner last said. Null while that is not known.
	CaughtUp *time.Time `json:"caught_up"`
	// Reading is what only the process knows that reads the shard; null for the others.
	Reading *Reading `json:"reading"`
}

// Reading is a shard that this process reads.
type Reading struct {
	// Phase is reading, draining (for another worker), ending (the shard is closed) or stopping.
	Phase string `json:"phase"`
	// Lag is the age of the oldest record that is not settled; 0 when there is none.
	Lag float64 `json:"lag_seconds"`
	// Behind is how far reading was from the tip of the shard at LastFetch.
	Behind    float64    `json:"behind_seconds"`
	LastFetch *time.Time `json:"last_fetch"`
	// Unstorable is why the shard's progress cannot be stored; empty when it can.
	Unstorable string `json:"unstorable,omitempty"`
	// Since is when this process began to read the shard.
	Since *time.Time `json:"since"`
	// WaitsFor is what it waits for before it can continue to read: state (in DynamoDB), kinesis (an answer), memory
	// (the unsettled records of all shards have taken it) or alerts (its own wait); empty in a pause between two
	// reads.
	WaitsFor string `json:"waits_for,omitempty"`
	// ReadError is why the last call of Kinesis failed: its error code, timeout or unreachable; empty when it did not.
	ReadError string `json:"read_error,omitempty"`
	// ReadFailing is when the first of the calls in a row failed that did. Throttled is when Kinesis throttled the
	// last call.
	ReadFailing *time.Time `json:"read_failing_since"`
	Throttled   *time.Time `json:"throttled_at"`
	// Evaluating is since when the evaluation has been at work on what was read; null while it is not.
	Evaluating *time.Time `json:"evaluating_since"`
	// LagGrows says that the lag has grown for half a minute.
	LagGrows bool `json:"lag_grows"`
	// Checkpoint is when the stored checkpoint was last confirmed to be current.
	Checkpoint *time.Time `json:"checkpoint"`
	// Unresolved are the records whose alerts wait; Gathered are those of them that wait in digests.
	Unresolved int `json:"unresolved_records"`
	Gathered   int `json:"gathered_records"`
	// Writing are output records of it that wait for their output stream. They hold the checkpoint, and are no lag.
	Writing int `json:"writing_records,omitempty"`
	// HeldKeys are the partition keys that are held because of an alert that SNS will never accept.
	// HeldBy is what SNS said of one.
	HeldKeys int    `json:"held_keys"`
	HeldBy   string `json:"held_by,omitempty"`
	// StateFailing is since when saving the state of evaluation fails; null while it does not.
	StateFailing *time.Time `json:"state_failing_since"`
	// StateTooLarge is the rule or score that most of a state is about which is too large to be saved; empty while it
	// is not.
	StateTooLarge string `json:"state_too_large"`
	// EndUnproven is since when Kinesis says that the shard has ended and no listing confirms it; EndChildren wait for
	// that.
	EndUnproven *time.Time `json:"end_unproven_since,omitempty"`
	EndChildren []string   `json:"end_children,omitempty"`
	// Unheard are shards whose memory of inherited keys was not readable for five minutes, so that something was
	// decided without it in the last 15 minutes.
	Unheard []string `json:"unheard,omitempty"`
	// Keyless says that records without partition key have come while rules remember.
	Keyless bool `json:"keyless,omitempty"`
	// Leaving are, by rule, the keys that fire and whose rule was taken out or changed: their end is sent once all
	// workers have had the same configuration for a minute.
	Leaving map[string]int `json:"leaving_keys,omitempty"`
}

// FleetWorker is one of the workers that share the stream.
type FleetWorker struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Self    bool   `json:"self"`
	// State is live, leaving (it stops) or fenced (it fell silent, and its shards are taken over).
	State string `json:"state"`
	// Silent is the time since Heard; in the first moments, since this process first saw the worker's row.
	Silent float64 `json:"silent_seconds"`
	// Heard is when its last heartbeat was observed; before the first one, when the worker says that it wrote it. Null
	// where neither is known, and for this process.
	Heard *time.Time `json:"heard"`
	// Configuration is a hash of what rules, filters, silences, topics and input are active there; empty where that is
	// not known. DiffersSince is since when it is another one than here, in workers of the same version; null while it
	// is not.
	Configuration string     `json:"configuration_hash,omitempty"`
	DiffersSince  *time.Time `json:"configuration_differs_since"`
	// Shards is how many it holds, MaxShards how many it may hold by its configuration; left out without a limit.
	Shards    int `json:"shards"`
	MaxShards int `json:"max_shards,omitempty"`
	// Records and Alerts are what it does a second, Lag the greatest lag of its shards, as of its last heartbeat. Null
	// where it does not say, as an older version.
	Records *float64 `json:"records_per_second"`
	Alerts  *float64 `json:"alerts_per_second"`
	Lag     *float64 `json:"lag_seconds"`
}

// Rule is one rule. Counts are of this process, since it started.
type Rule struct {
	Name     string   `json:"name"`
	Severity string   `json:"severity"`
	Topics   []string `json:"topics"`
	// Mode is live or shadow.
	Mode string `json:"mode"`
	// Judged are the records that the rule has judged, Matched those that it matched; Undefined those that it did not
	// match because a term was undefined, such as a field that is missing.
	Judged    uint64 `json:"judged"`
	Matched   uint64 `json:"matched"`
	Undefined uint64 `json:"undefined"`
	// Published are the alerts that SNS accepted, one for each topic, also inside digests. In mode shadow they are the
	// alerts that the rule would have made.
	Published uint64 `json:"published"`
	// Kinds are the alerts of Published by what they say. They add up to it.
	Kinds RuleAlerts `json:"published_kinds"`
	// InDigests are how many of Published were inside digests.
	InDigests uint64 `json:"published_in_digests"`
	// Standing is whether the rule fires, and if not, why.
	Standing Standing `json:"standing"`
	// Needs is what the rule needs to fire besides a record that matches, such as the average of 5m; empty if nothing.
	// Absence says that it fires when no record matches.
	Needs   string `json:"needs,omitempty"`
	Absence bool   `json:"absence,omitempty"`
	// Runbook is the rule's link as the configuration has it, without values of the environment and credentials.
	Runbook string `json:"runbook,omitempty"`
	// WouldBe says that the alerts of Published would be published, but are not: the mode is shadow.
	WouldBe bool `json:"would_be"`
	// Suppressed are the alerts that were suppressed, by reason; every reason is there.
	Suppressed map[string]uint64 `json:"suppressed"`
	// Fields are those that keep the rule from matching: no record has them, or none of the type that the rule needs.
	Fields []RuleField `json:"fields,omitempty"`
}

// RuleAlerts are alerts of a rule by kind.
type RuleAlerts struct {
	// Firing say that a condition holds, Repeats that it still does, Resolved that it no longer does.
	Firing   uint64 `json:"firing"`
	Repeats  uint64 `json:"repeat"`
	Resolved uint64 `json:"resolved"`
}

// Standing is whether a rule fires.
type Standing struct {
	// State is fires, suppressed (every alert), waits (SNS has accepted none of its alerts yet), matches (not enough to
	// fire), watches (for an absence), unmatched (no record yet), unjudged (no record came to it), stopped (records
	// matched, and no longer can) or cannot (no record can match).
	State string `json:"state"`
	// Why says more, in one clause; empty for a rule that fires.
	Why string `json:"why,omitempty"`
}

// Alert is a message that SNS accepted. Of the record's payload it has the figure that the rule compared.
type Alert struct {
	// ID is the alert_id, with which the audit log tells the rest.
	ID       string `json:"alert_id"`
	Kind     string `json:"kind"`
	Rule     string `json:"rule,omitempty"`
	Severity string `json:"severity,omitempty"`
	Topic    string `json:"topic"`
	// Key are both ends of the alert's key: four characters of each, and never more than half of them. Keys may name
	// people.
	Key string `json:"key,omitempty"`
	// Value is the figure that the rule compared; null where there is none.
	Value *float64 `json:"value"`
	// Runbook is that of the rule. Explain is the command that shows what the rules make of the record; empty where
	// time caused the alert, and for a digest.
	Runbook string `json:"runbook,omitempty"`
	Explain string `json:"explain,omitempty"`
	// Shard and Sequence are of the record.
	Shard    string `json:"shard,omitempty"`
	Sequence string `json:"sequence_number,omitempty"`
	// Alerts is how many alerts the message stands for: 1, or more in a digest.
	Alerts int `json:"alerts"`
	// Occurred is when the record arrived in the stream, or when a timer caused the alert; Accepted is when SNS took
	// it.
	Occurred  time.Time `json:"occurred"`
	Accepted  time.Time `json:"accepted"`
	MessageID string    `json:"message_id"`
}

// Topic is one topic.
type Topic struct {
	Name string `json:"name"`
	FIFO bool   `json:"fifo"`
	// Rate is what all workers together may send, Share what this one may now, in messages a second; a Rate of 0 is no
	// limit.
	Rate  float64 `json:"rate"`
	Share float64 `json:"share"`
	// SentLastMinute are the messages that SNS accepted, LastAccepted is when it did for the last time.
	SentLastMinute int        `json:"sent_last_minute"`
	LastAccepted   *time.Time `json:"last_accepted"`
	// Waiting are the alerts that wait to go one by one, those under way included; Gathered are those in digests.
	Waiting  int `json:"waiting"`
	Gathered int `json:"gathered"`
	// Digesting says that alerts are gathered into digests.
	Digesting bool `json:"digesting"`
	// Fault is why the topic holds its alerts, and Remedy how to fix it; empty while it does not.
	Fault  string `json:"fault,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Failures are the calls that failed in a row, since FailingSince; 0 while SNS answers.
	Failures     int        `json:"failures"`
	FailingSince *time.Time `json:"failing_since"`
	// Failing is why the last of them failed; empty while SNS answers.
	Failing string `json:"failing,omitempty"`
	// Error is what SNS said at the last failure. Where it answers calls and yet fails one alert again and again, it
	// is what it said of that one, which has waited since AlertFailingSince.
	Error             string     `json:"error,omitempty"`
	AlertFailingSince *time.Time `json:"alert_failing_since"`
	// Ending says that the topic has left the configuration and is kept until nothing waits.
	Ending bool `json:"ending"`
	// Subscriptions are those of the topic, which is asked every five minutes.
	Subscriptions Subscriptions `json:"subscriptions"`
}

// Output is one output stream.
type Output struct {
	Name   string `json:"name"`
	Stream string `json:"stream"`
	// WrittenLastMinute are the records that the stream accepted, LastWritten is when it did for the last time.
	WrittenLastMinute int        `json:"written_last_minute"`
	LastWritten       *time.Time `json:"last_written"`
	// Waiting are the records that wait, those under way included, Oldest is since when the oldest of them has. They
	// take Bytes of MaxBytes. Crowded says that a shard waits for room among them.
	Waiting  int        `json:"waiting"`
	Oldest   *time.Time `json:"oldest"`
	Bytes    int        `json:"bytes"`
	MaxBytes int        `json:"max_bytes"`
	Crowded  bool       `json:"crowded"`
	// HeldKeys are the partition keys of the output that wait behind a record that was rejected.
	HeldKeys int `json:"held_keys"`
	// Fault, Remedy, Failures, FailingSince, Failing and Error are those of a topic.
	Fault        string     `json:"fault,omitempty"`
	Remedy       string     `json:"remedy,omitempty"`
	Failures     int        `json:"failures"`
	FailingSince *time.Time `json:"failing_since"`
	Failing      string     `json:"failing,omitempty"`
	Error        string     `json:"error,omitempty"`
	// FailingKeys are the partition keys whose records are refused one by one while others are written, since
	// KeysFailingSince.
	FailingKeys      int        `json:"failing_keys"`
	KeysFailingSince *time.Time `json:"keys_failing_since"`
	// Ending says that the output has left the configuration and is kept until nothing waits.
	Ending bool `json:"ending"`
	// Fields are those that its condition or its key looks at and no record has.
	Fields []RuleField `json:"fields,omitempty"`
}

// Subscriptions are the subscriptions of a topic, as SNS counted them at At; that is null before the first answer.
type Subscriptions struct {
	At        *time.Time `json:"at"`
	Confirmed int        `json:"confirmed"`
	// Pending ones wait for their confirmation and get nothing; Deleted ones are gone.
	Pending int `json:"pending"`
	Deleted int `json:"deleted"`
	// Had is how many were confirmed within the last day.
	Had int `json:"had"`
	// Unknown is why the numbers are not known; empty when they are.
	Unknown string `json:"unknown,omitempty"`
}

// DeadLetters is the on-failure destination.
type DeadLetters struct {
	// Kind is sqs, sns or s3.
	Kind string `json:"kind"`
	// Sent are the letters that it accepted, Waiting those that it has not yet.
	Sent    uint64 `json:"sent"`
	Waiting uint64 `json:"waiting"`
	// Fault, Remedy, Failures, FailingSince and Error are those of a topic.
	Fault        string     `json:"fault,omitempty"`
	Remedy       string     `json:"remedy,omitempty"`
	Failures     int        `json:"failures"`
	FailingSince *time.Time `json:"failing_since"`
	Error        string     `json:"error,omitempty"`
}

// Log is the output of the log lines. Nothing waits for it: lines that it does not take are dropped and counted.
type Log struct {
	// Waiting are the lines that are not written yet.
	Waiting int `json:"waiting_lines"`
	// Dropped and AuditDropped are the lines dropped since one was last written.
	Dropped      int `json:"dropped_lines"`
	AuditDropped int `json:"dropped_audit_lines"`
	// Since is since when the output has taken no line; null while it does.
	Since *time.Time `json:"blocked_since"`
}

// Reload is a reload of the configuration.
type Reload struct {
	At time.Time `json:"at"`
	OK bool      `json:"ok"`
	// Changes are what it changed, a line each.
	Changes []string `json:"changes"`
	// Error says where the file is wrong, without its values; the log and "kinesis-alerter check" tell the rest.
	Error string `json:"error,omitempty"`
}

// Ahead is by how much this machine's clock is ahead of the one by which records arrive.
func (st *Status) Ahead() time.Duration {
	if st.ClockAhead == nil {
		return 0
	}
	return seconds(*st.ClockAhead)
}

// BadAnswers is an operation of AWS whose answers cannot be used.
type BadAnswers struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
	// What is wrong with the last of them.
	What  string    `json:"what"`
	Since time.Time `json:"since"`
	// Of are the shards or topics that it is about; empty where an operation has none.
	Of []string `json:"of"`
}

// BadAnswersOf are the operations whose answers cannot be used now.
func BadAnswersOf(watch *answer.Watch) []BadAnswers {
	out := []BadAnswers{}
	for _, t := range watch.Troubles() {
		one := BadAnswers{
			Service: t.Service, Operation: t.Operation, What: t.What, Since: t.Since.UTC(), Of: t.Subjects,
		}
		if one.Of == nil {
			one.Of = []string{}
		}
		out = append(out, one)
	}
	return out
}

// RuleField is a field that keeps a rule from matching.
type RuleField struct {
	Field string `json:"field"`
	// Similar is a name that records have and that was probably meant; empty if there is none.
	Similar string `json:"similar,omitempty"`
	// Wanted and Has are the types that the rule needs and that the records have; empty where no record has the field.
	Wanted string `json:"wanted,omitempty"`
	Has    string `json:"has,omitempty"`
	// Records is how many records came since one had the field as the rule needs it.
	Records uint64 `json:"records"`
}

// Filter is what the filter of the configuration has dropped.
type Filter struct {
	// Dropped are the records that it has dropped since one passed, DroppingSince is when that was, or when this
	// process started.
	Dropped       uint64     `json:"dropped"`
	DroppingSince *time.Time `json:"dropping_since"`
}

// Silence is a silence.
type Silence struct {
	Name string `json:"name"`
	// All says that it mutes every rule, Conditional that it looks at the records.
	All         bool `json:"all_rules"`
	Conditional bool `json:"conditional"`
	// From is null where the configuration leaves it out.
	From  *time.Time `json:"from"`
	Until *time.Time `json:"until"`
	// Muted are the alerts that it has suppressed in this process.
	Muted uint64 `json:"muted"`
}

// Doubt is something valid in the configuration that cannot be meant.
type Doubt struct {
	// Field is its path, such as rules[0].when, and Line its line in the file; 0 where that is not known.
	Field string `json:"field"`
	Line  int    `json:"line"`
	Text  string `json:"text"`
	// Never says that it keeps a rule from ever matching, or a filter from ever letting a record pass.
	Never bool `json:"never"`
}
