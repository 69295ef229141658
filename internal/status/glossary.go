package status

import "strings"

// A chapter is a part of the page, and what its figures mean. The page shows that on hover and in its last section, and
// docs/status-page.md has the same.
type chapter struct {
	// Key is part of its anchor.
	Key, Name string
	Terms     []term
}

// A term is a figure or a column of the page.
type term struct {
	// Key is its anchor, without "about-"; Name is what the page calls it.
	Key, Name string
	// Means is what it is; Good is which values are.
	Means, Good string
	// Metrics have the same figure, without kinesis_alerter_. Alerts of deploy/prometheus look at it, without
	// KinesisAlerter.
	Metrics, Alerts []string
}

// Glossary explains every figure of the page.
func Glossary() []chapter {
	return []chapter{
		{"figures", "At the top", []term{
			{
				"records", "Records a second",
				"Records that all workers have finished with, a second: they alerted, or no rule wanted them. The " +
					"dashed line is this worker.",
				"About what the producers write.",
				[]string{"records_total"},
				[]string{"NothingRead"},
			},
			{
				"alerts-rate", "Alerts a second",
				"Alerts that SNS accepted from all workers, a second, those inside digests included. The dashed line " +
					"is this worker.",
				"Low. A storm is gathered into digests.",
				[]string{"alerts_published_total"},
				[]string{"DigestMode"},
			},
			{
				"lag", "Lag",
				"The age of the oldest record that is not finished, over all shards: how late an alert would be. The " +
					"dashed line is this worker.",
				"Below 1 s. Above 1 m needs a look, above 5 m a person.",
				[]string{"shard_lag_seconds"},
				[]string{"ShardLagging", "ShardLagHigh", "DataLossImminent"},
			},
			{
				"coverage", "Shards read",
				"How many of the shards that have not ended a worker reads, and how many workers do so.",
				"All of them.",
				[]string{"shards", "lease_workers"},
				[]string{"NothingRead", "ShardUnread"},
			},
		}},
		{"shards", "Shards", []term{
			{
				"shard", "Shard",
				"The end of the shard's id. The commands take it as it is here. A child stands below its parent.", "",
				[]string{"stream_open_shards"},
				nil,
			},
			{
				"shard-state", "State",
				"held: this worker reads it. other worker: another one does. unread: no worker does. blocked: its " +
					"parent is not finished. paused: by an operator. ended: closed and read to its end. skipped: it " +
					"was closed before the application began.",
				"held or other worker; blocked right after a reshard.",
				[]string{"shards"},
				[]string{"ShardUnread", "ShardPaused"},
			},
			{"owner", "Owner", "The worker that has the lease of the shard.", "One of the live workers.", nil, nil},
			{
				"rate", "Rate", "Bytes that the owner reads from the shard, a second.",
				"Below 1 MB/s, which is what a shard takes.",
				[]string{"record_bytes_total"},
				nil,
			},
			{
				"shard-lag", "Lag",
				"The age of the shard's oldest record that is not finished. ≤ stands for another worker's shard: it " +
					"is no more than that, as its last checkpoint says.",
				"Below 1 s; another worker's below 10 s.",
				[]string{"shard_lag_seconds"},
				[]string{"ShardLagging", "ShardLagHigh", "DataLossImminent"},
			},
			{
				"behind", "Behind",
				"How far reading is from the newest record of the shard, as Kinesis said with the last answer. Lag " +
					"also counts what was read and whose alerts wait.",
				"0 s. If it grows, reading is too slow; if only lag grows, SNS or a digest is waited for.",
				[]string{"shard_behind_seconds"},
				[]string{"ShardLagging"},
			},
			{
				"checkpoint", "Checkpoint age",
				"How long ago the stored checkpoint was last up to date. After a crash the next owner begins there.",
				"A few seconds, and not more than lag plus the checkpoint interval.",
				[]string{"shard_checkpoint_timestamp_seconds"},
				[]string{"CheckpointStuck"},
			},
			{
				"waiting", "Waiting", "Records whose alerts SNS has not accepted yet.",
				"0, or a few for a moment.",
				[]string{"shard_unresolved_records", "shard_gathered_records"},
				[]string{"TopicFault", "PublishFailing"},
			},
			{
				"held-keys", "Held keys",
				"Partition keys that stand still because SNS will never accept one of their alerts.", "0.",
				[]string{"shard_held_keys"},
				[]string{"KeysHeld"},
			},
		}},
		{"workers", "Workers", []term{
			{
				"worker", "Worker", "Host and life of a process that shares the stream. A restart is a new life.", "",
				[]string{"lease_workers"},
				nil,
			},
			{
				"worker-state", "State",
				"live: its heartbeat comes. silent: it has missed one, so whether it reads is not known. leaving: it " +
					"stops and hands its shards over. fenced: it was silent for a lease, and the others take " +
					"its shards.",
				"live.", nil,
				[]string{"LeaseRenewalsFailing", "InstanceDown"},
			},
			{
				"heard", "Heard", "How long ago its last heartbeat was seen.",
				"Below the duration of a lease, which is 10 s by default.",
				[]string{"lease_renewals_total"},
				[]string{"LeaseRenewalsFailing"},
			},
			{
				"worker-records", "Records/s", "Records that it has finished with, a second, as of its last heartbeat.",
				"Similar on workers with similar shards.",
				[]string{"records_total"},
				nil,
			},
			{
				"worker-alerts", "Alerts/s",
				"Alerts that SNS accepted from it, a second, as of its last heartbeat.", "",
				[]string{"alerts_published_total"},
				nil,
			},
			{
				"worker-lag", "Lag", "The greatest lag of its shards, as of its last heartbeat.", "Below 1 s.",
				[]string{"shard_lag_seconds"},
				[]string{"ShardLagging", "ShardLagHigh"},
			},
			{
				"worker-shards", "Shards", "How many shards it has, of how many where they are limited, and which.",
				"About the same on every worker.",
				[]string{"leases_held"},
				nil,
			},
			{
				"version", "Version", "The version that it runs; unknown where it does not say.",
				"The same on all, except during a deployment.",
				[]string{"build_info"},
				nil,
			},
			{
				"hash", "Configuration",
				"The beginning of a hash of its rules, filters, silences, topics and input. Equal hashes are equal " +
					"configurations; workers of different versions may write the same one in different ways.",
				"The same on all, except during a deployment.",
				[]string{"config_last_reload_success_timestamp_seconds"},
				[]string{"ReloadFailed", "ProblemWarning"},
			},
		}},
		{"topics", "Topics", []term{
			{
				"topic", "Topic",
				"The name of the topic in the configuration, and the destination of dead letters.", "",
				nil, nil,
			},
			{
				"topic-state", "State",
				"accepts: SNS takes alerts, or has not been asked to yet. gathers digests: there are more alerts " +
					"than the topic's rate, so several go in one message. fails: SNS does not answer, or refuses. " +
					"Anything else names a fault that you have to remove.",
				"accepts.",
				[]string{"topic_fault", "topic_digest_mode"},
				[]string{"TopicFault", "PublishFailing", "DigestMode"},
			},
			{
				"topic-waiting", "Waiting", "Alerts on their way to SNS, one by one.", "0, or a few for a moment.",
				[]string{"inflight_records"},
				[]string{"TopicFault", "PublishFailing"},
			},
			{
				"gathered", "In digests", "Alerts that wait to go in the next digest.", "0, except in a storm.",
				[]string{"digest_members_total", "shard_gathered_records"},
				[]string{"DigestMode"},
			},
			{
				"sent", "Sent in 1 m",
				"Messages that SNS accepted from this worker in the last minute. A digest is one message.", "",
				[]string{"alerts_published_total", "digests_total"},
				nil,
			},
			{
				"share", "Share of rate",
				"Messages a second that this worker may send now, of those that all workers together may.",
				"The shares of all workers add up to the rate.",
				[]string{"topic_rate_share"},
				nil,
			},
			{
				"accepted", "Last accepted", "When SNS last accepted a message of this worker for the topic.",
				"Recent, if there was something to send.",
				[]string{"alerts_published_total"},
				[]string{"PublishFailing"},
			},
		}},
		{"outputs", "Output streams", []term{
			{
				"output", "Output",
				"The name of the output in the configuration, and the stream that its records are written to.", "",
				nil, nil,
			},
			{
				"output-state", "State",
				"accepts: Kinesis takes records, or has not been asked to yet. fails: it does not answer, or refuses " +
					"whole calls. refuses keys: it refuses the records of some keys, as when a shard of the stream " +
					"gets more than it takes. holds keys: a record can never be written, so its key waits. full: no " +
					"more fits into memory, so its shards are read only as fast as it is written. Anything else " +
					"names a fault that you have to remove. Alerts go out all the while, except of records that " +
					"are not read.",
				"accepts.",
				[]string{"output_fault", "output_retries_total"},
				[]string{"OutputFault", "OutputFailing"},
			},
			{
				"output-waiting", "Waiting",
				"Records on their way to the stream, and how much they take of the memory that the output has.",
				"A few. If it grows, the stream does not take records as fast as they come.",
				[]string{"output_waiting_records", "output_waiting_bytes", "output_oldest_seconds"},
				[]string{"OutputFailing"},
			},
			{
				"written", "Written in 1 m", "Records that the stream accepted from this worker in the last minute.",
				"",
				[]string{"output_records_total"},
				nil,
			},
			{
				"last-written", "Last written", "When the stream last accepted a record of this worker.",
				"Recent, if there was something to write.",
				[]string{"output_records_total"},
				[]string{"OutputFailing"},
			},
		}},
		{"rules", "Rules", []term{
			{
				"rule", "Rule", "A rule of the configuration, with its severity, its topics and its runbook.", "", nil,
				nil,
			},
			{
				"standing", "State",
				"Whether the rule has fired on this worker since it started; if not, why. cannot fire: no record can " +
					"match it as it is.",
				"fires, or no match yet.",
				[]string{"rule_matches_total"},
				[]string{"ProblemWarning"},
			},
			{
				"matched", "Matched",
				"Records for which the rule's condition holds. Not each of them alerts: a window or for may want " +
					"more of them, and dedup or a silence may suppress the alert.",
				"",
				[]string{"rule_matches_total"},
				nil,
			},
			{
				"fired", "Fired",
				"Alerts that say that the condition holds, one for each topic. Fired, repeats and resolves add up to " +
					"published.",
				"",
				[]string{"alerts_published_total"},
				nil,
			},
			{
				"repeats", "Repeats", "Alerts that say that the condition still holds, one for each topic.", "",
				[]string{"alerts_published_total"},
				nil,
			},
			{
				"resolves", "Resolves", "Alerts that say that the condition no longer holds, one for each topic.", "",
				[]string{"alerts_published_total"},
				nil,
			},
			{
				"published", "Published",
				"Alerts that SNS accepted: fired, repeats and resolves together, inside digests or not. In " +
					"mode shadow, " +
					"the alerts that there would have been.",
				"",
				[]string{"alerts_published_total", "shadow_alerts_total"},
				nil,
			},
			{
				"suppressed", "Suppressed", "Alerts that were not sent, by what suppressed them.", "",
				[]string{"alerts_suppressed_total"},
				nil,
			},
			{
				"undefined", "Undefined",
				"Records that did not match because a field of the condition is missing or of another type, and " +
					"their part of all records that came to the rule.",
				"0, or the part of records that the rule is not about.",
				[]string{"rule_undefined_total"},
				[]string{"ProblemWarning"},
			},
			{
				"silence", "Silence", "A silence of the configuration, and from when until when it is active.",
				"", nil, nil,
			},
			{
				"silenced", "Silenced", "Alerts that it has suppressed on this worker since it started.", "",
				[]string{"alerts_suppressed_total"},
				nil,
			},
		}},
		{"alerts", "Last alerts", []term{
			{"when", "When", "How long ago SNS accepted the message.", "", nil, nil},
			{"alert-rule", "Rule", "The rule; of a digest, how many alerts are in it.", "", nil, nil},
			{
				"key", "Key",
				"Both ends of the key of the alert. The whole key is in the message and in the answer of explain: " +
					"keys may name people.",
				"", nil, nil,
			},
			{
				"kind", "Kind", "firing, repeat (still firing), resolved, digest, watchdog or drill; and the severity.",
				"", nil, nil,
			},
			{"value", "Value", "The figure that the rule compared.", "", nil, nil},
			{"alert-topic", "Topic", "The topic that it went to.", "", nil, nil},
			{
				"latency", "Latency",
				"From the record's arrival in the stream, or from the timer that caused the alert, to the " +
					"answer of SNS.",
				"Below 1 s, a digest's below its interval.",
				[]string{"alert_latency_seconds"},
				[]string{"SLOBurnFast", "SLOBurnMedium", "SLOBurnSlow"},
			},
			{
				"alert-id", "Alert id",
				"The alert_id of the message. The audit log has a line with it. The same record and rule give the " +
					"same id after a restart.",
				"", nil, nil,
			},
			{
				"explain", "Explain",
				"The command that shows what the rules make of this record, and why. An alert that a timer caused " +
					"has none.",
				"", nil, nil,
			},
		}},
	}
}

// terms are those of the glossary, by key.
func terms() map[string]*term {
	all := make(map[string]*term)
	for _, c := range Glossary() {
		for i := range c.Terms {
			all[c.Terms[i].Key] = &c.Terms[i]
		}
	}
	return all
}

// Hint is what the page shows on hover.
func (t *term) Hint() string {
	if t.Good == "" {
		return t.Means
	}
	return t.Means + " Good: " + strings.ToLower(t.Good[:1]) + t.Good[1:]
}
