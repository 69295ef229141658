package main

// The colours of thresholds.
const (
	green  = "green"
	yellow = "yellow"
	red    = "red"
)

// zeroIsGood is for counts of what should not be.
func zeroIsGood() []step { return []step{{0, green}, {1, red}} }

// lagSteps are those of the alerts.
func lagSteps() []step { return []step{{0, green}, {60, yellow}, {300, red}} }

// sections are the dashboard from top to bottom. The ids of a section begin with a hundred of its own.
func sections() []section {
	return []section{health(), overview(), shards(), alerts(), outputs(), calls(), process()}
}

// health is what somebody sees first who was woken: are records read, do alerts go out, and what is in trouble.
func health() section {
	return section{panels: []panel{
		{
			id: 1, kind: number, title: "Processes up", w: 3, h: 4, steps: []step{{0, red}, {1, green}},
			good:    "As many as you run. 0: nobody reads the streams; see why the last process ended.",
			alerts:  []string{"KinesisAlerterDown", "KinesisAlerterInstanceDown"},
			queries: []query{{`count(kinesis_alerter_build_info%J) or vector(0)`, "processes"}},
		},
		{
			id: 2, kind: number, title: "Shards without owner", w: 3, h: 4, steps: zeroIsGood(),
			good: "0; for seconds more while a process is replaced. Otherwise DynamoDB or the processes: " +
				"kinesis-alerter leases list names the shards. No data: no process has reached its table.",
			alerts: []string{"KinesisAlerterShardUnread", "KinesisAlerterNothingRead"},
			queries: []query{{
				`sum(min by (job, stream) (kinesis_alerter_shards%S,state="unread"} and on (job, stream, instance) sum by (job, stream, instance) (kinesis_alerter_shards%S) > 0))`, "unread",
			}},
		},
		{
			id: 3, kind: number, title: "Worst lag", unit: "s", w: 3, h: 4, steps: lagSteps(),
			good: "Below a few seconds. It is the age of the oldest record without an outcome; an idle shard has " +
				"none. Which shard it is stands below.",
			alerts:  []string{"KinesisAlerterShardLagging", "KinesisAlerterShardLagHigh"},
			queries: []query{{`max(kinesis_alerter_shard_lag_seconds%S)`, "lag"}},
		},
		{
			id: 4, kind: number, title: "Retention used", unit: "percentunit", w: 3, h: 4, steps: []step{
				{0, green}, {.25, yellow}, {.5, red},
			},
			good: "Near 0 %. At 100 % Kinesis deletes records that nobody has seen: raise the stream's retention " +
				"first, then look for the cause.",
			alerts: []string{"KinesisAlerterDataLossImminent"},
			queries: []query{{
				`max(max by (job, stream) (kinesis_alerter_shard_lag_seconds%S) / max by (job, stream) (kinesis_alerter_stream_retention_seconds%S))`, "used",
			}},
		},
		{
			id: 5, kind: number, title: "Destinations refusing", w: 3, h: 4, steps: zeroIsGood(),
			good: "0. Otherwise SNS refuses the alerts of a topic, or the dead letters' destination its letters, " +
				"because of a configuration. They wait, none is lost.",
			alerts: []string{"KinesisAlerterTopicFault", "KinesisAlerterDeadLetterFault"},
			queries: []query{{
				`sum(max by (job, stream, topic) (kinesis_alerter_topic_fault%S)) + (sum(max by (job, stream) (kinesis_alerter_dead_letter_fault%S)) or vector(0))`, "refusing",
			}},
		},
		{
			id: 6, kind: number, title: "Partition keys held", w: 3, h: 4, steps: zeroIsGood(),
			good: "0. Otherwise SNS will never accept an alert as it is, and its key gets no more alerts until " +
				"the rule is mended.",
			alerts:  []string{"KinesisAlerterKeysHeld"},
			queries: []query{{`sum(max by (job, stream, shard) (kinesis_alerter_shard_held_keys%S))`, "keys"}},
		},
		{
			id: 7, kind: number, title: "Alerts accepted", unit: "cps", w: 3, h: 4, steps: []step{{0, green}},
			good:    "What is usual for your streams. 0 is fine on a calm day; 0 beside failures below is not.",
			alerts:  []string{"KinesisAlerterPublishFailing"},
			queries: []query{{`sum(rate(kinesis_alerter_alerts_published_total%S[%R]))`, "alerts"}},
		},
		{
			id: 8, kind: number, title: "Alerts within 5 s, last hour", unit: "percentunit", w: 3, h: 4, steps: []step{
				{0, red}, {.856, yellow}, {.99, green},
			},
			good:   "99 % and more. Below it the error budget burns: high lag, slow SNS or digest mode.",
			alerts: []string{"KinesisAlerterSLOBurnFast", "KinesisAlerterSLOBurnMedium", "KinesisAlerterSLOBurnSlow"},
			queries: []query{
				{
					`sum(rate(kinesis_alerter_slo_events_total%S,result="good"}[1h])) / (sum(rate(kinesis_alerter_slo_events_total%S[1h])) > 0) or vector(1)`, "good",
				},
			},
		},
		{
			id: 9, kind: list, title: "Shards, the worst first", w: 12, h: 8, sortBy: "Lag",
			good: "Every lag below a few seconds and nothing held. Behind without lag: reading is slow. Waiting " +
				"without behind: SNS is slow, or alerts wait in digests.",
			alerts: []string{"KinesisAlerterShardLagging", "KinesisAlerterCheckpointStuck"},
			queries: []query{
				{expr: `sort_desc(topk(10, max by (stream, shard, instance) (kinesis_alerter_shard_lag_seconds%S)))`},
				{
					expr: `max by (stream, shard, instance) (kinesis_alerter_shard_behind_seconds%S) and on (stream, shard, instance) topk(10, max by (stream, shard, instance) (kinesis_alerter_shard_lag_seconds%S))`,
				},
				{
					expr: `max by (stream, shard, instance) (kinesis_alerter_shard_unresolved_records%S) and on (stream, shard, instance) topk(10, max by (stream, shard, instance) (kinesis_alerter_shard_lag_seconds%S))`,
				},
				{
					expr: `max by (stream, shard, instance) (kinesis_alerter_shard_held_keys%S) and on (stream, shard, instance) topk(10, max by (stream, shard, instance) (kinesis_alerter_shard_lag_seconds%S))`,
				},
				{
					expr: `time() - max by (stream, shard, instance) (kinesis_alerter_shard_checkpoint_timestamp_seconds%S) and on (stream, shard, instance) topk(10, max by (stream, shard, instance) (kinesis_alerter_shard_lag_seconds%S))`,
				},
			},
			columns: []column{
				{field: "stream", title: "Stream"},
				{field: "shard", title: "Shard"},
				{field: "Value #A", title: "Lag", unit: "s", steps: lagSteps()},
				{field: "Value #B", title: "Behind", unit: "s"},
				{field: "Value #C", title: "Records waiting"},
				{field: "Value #D", title: "Keys held", steps: zeroIsGood()},
				{field: "Value #E", title: "Checkpoint age", unit: "s", steps: []step{{0, green}, {300, red}}},
				{field: "instance", title: "Process", link: "http://${__value.text}/"},
			},
		},
		{
			id: 10, kind: list, title: "Topics", w: 12, h: 8,
			good: "Every state is ok. Refusing: a configuration, see the log's remedy. Digest: the rules make " +
				"more alerts than the topic's rate lets through.",
			alerts: []string{"KinesisAlerterTopicFault", "KinesisAlerterPublishFailing", "KinesisAlerterDigestMode"},
			queries: []query{
				{expr: `max by (stream, topic) (kinesis_alerter_topic_fault%S)`},
				{expr: `max by (stream, topic) (kinesis_alerter_topic_digest_mode%S)`},
				{expr: `sum by (stream, topic) (rate(kinesis_alerter_alerts_published_total%S[%R]))`},
				{expr: `sum by (stream, topic) (rate(kinesis_alerter_publish_failures_total%S[%R]))`},
				{expr: `sum by (stream, topic) (kinesis_alerter_topic_rate_share%S)`},
			},
			columns: []column{
				{field: "stream", title: "Stream"},
				{field: "topic", title: "Topic"},
				{
					field: "Value #A", title: "Configuration", steps: zeroIsGood(),
					words: map[string]string{"0": "ok", "1": "refusing"},
				},
				{
					field: "Value #B", title: "Mode", steps: []step{{0, green}, {1, yellow}}, words: map[string]string{
						"0": "one by one", "1": "digest",
					},
				},
				{field: "Value #C", title: "Accepted", unit: "cps"},
				{
					field: "Value #D", title: "Failed attempts", unit: "cps", steps: []step{
						{0, green}, {.01, yellow}, {1, red},
					},
				},
				{field: "Value #E", title: "Allowed rate", unit: "cps"},
			},
		},
	}}
}

func overview() section {
	return section{id: 100, title: "Overview", panels: []panel{
		{
			id: 101, kind: stacked, title: "Records by outcome", unit: "cps", w: 8, h: 8,
			good: "The shape of your traffic. A new share of invalid is a producer; of expired or dead_lettered, " +
				"alerts that were given up.",
			alerts:  []string{"KinesisAlerterDeadLetters"},
			queries: []query{{`sum by (outcome) (rate(kinesis_alerter_records_total%S[%R]))`, "{{outcome}}"}},
		},
		{
			id: 102, kind: graph, title: "Lag by stream", unit: "s", w: 8, h: 8, steps: lagSteps(),
			good: "Flat, below a few seconds. A slope of one second a second is a stall: a fault. A slope " +
				"downwards catches up.",
			alerts:  []string{"KinesisAlerterShardLagHigh", "KinesisAlerterDataLossImminent"},
			queries: []query{{`max by (job, stream) (kinesis_alerter_shard_lag_seconds%S)`, "{{job}} {{stream}}"}},
		},
		{
			id: 103, kind: graph, title: "Time from arrival to SNS' answer", unit: "s", w: 8, h: 8, exemplars: true,
			good: "p99 below 5 s, p50 about the polling interval. Points are single alerts: search the audit log " +
				"for their alert_id. Gathered alerts wait up to the topic's digest.",
			alerts: []string{"KinesisAlerterSLOBurnFast"},
			queries: []query{
				{
					`histogram_quantile(0.5, sum by (le) (rate(kinesis_alerter_alert_latency_seconds_bucket%S[%R])))`,
					"p50",
				},
				{
					`histogram_quantile(0.99, sum by (le) (rate(kinesis_alerter_alert_latency_seconds_bucket%S[%R])))`,
					"p99",
				},
			},
		},
		{
			id: 104, kind: graph, title: "Share of late alerts", unit: "percentunit", w: 8, h: 8, steps: []step{
				{0, green}, {.01, yellow}, {.144, red},
			},
			good:   "Below 1 %, which is the error budget. At 14.4 % for an hour, and 6 % for six, the alerts page.",
			alerts: []string{"KinesisAlerterSLOBurnFast", "KinesisAlerterSLOBurnMedium", "KinesisAlerterSLOBurnSlow"},
			queries: []query{
				{
					`sum(rate(kinesis_alerter_slo_events_total%S,result="bad"}[5m])) / (sum(rate(kinesis_alerter_slo_events_total%S[5m])) > 0) or vector(0)`, "5 minutes",
				},
				{
					`sum(rate(kinesis_alerter_slo_events_total%S,result="bad"}[1h])) / (sum(rate(kinesis_alerter_slo_events_total%S[1h])) > 0) or vector(0)`, "1 hour",
				},
				{
					`sum(rate(kinesis_alerter_slo_events_total%S,result="bad"}[6h])) / (sum(rate(kinesis_alerter_slo_events_total%S[6h])) > 0) or vector(0)`, "6 hours",
				},
			},
		},
		{
			id: 105, kind: graph, title: "Alerts accepted, failed and tried again", unit: "cps", w: 8, h: 8,
			good:   "Accepted follows the rules, the others are 0. Failures without accepted: nothing goes out.",
			alerts: []string{"KinesisAlerterPublishFailing", "KinesisAlerterTopicFault"},
			queries: []query{
				{`sum(rate(kinesis_alerter_alerts_published_total%S[%R]))`, "accepted"},
				{`sum(rate(kinesis_alerter_publish_failures_total%S[%R]))`, "failed attempts"},
				{`sum(rate(kinesis_alerter_publish_retries_total%S[%R]))`, "tried again"},
			},
		},
		{
			id: 106, kind: graph, title: "Records in flight", w: 8, h: 8,
			good:   "Small and moving. A plateau is what may wait at once: alerts go out slower than records come in.",
			alerts: []string{"KinesisAlerterShardLagHigh"},
			queries: []query{
				{`sum by (job, stream) (kinesis_alerter_inflight_records%S)`, "{{job}} {{stream}} in flight"},
				{`sum by (job, stream) (kinesis_alerter_shard_gathered_records%S)`, "{{job}} {{stream}} in digests"},
			},
		},
	}}
}

func shards() section {
	return section{id: 200, title: "Shards and leases", panels: []panel{
		{
			id: 201, kind: graph, title: "Lag by shard", unit: "s", w: 12, h: 8, steps: lagSteps(),
			good: "All alike. One above the others: a hot key, or one that is held. All at once: Kinesis, SNS or " +
				"the process.",
			alerts: []string{"KinesisAlerterShardLagging"},
			queries: []query{
				{`topk(20, max by (stream, shard) (kinesis_alerter_shard_lag_seconds%S))`, "{{stream}} {{shard}}"},
			},
		},
		{
			id: 202, kind: graph, title: "Reading behind the tip, by shard", unit: "s", w: 12, h: 8,
			good: "0. Above it, Kinesis has records that were not read: throttled reads, no CPU, or no " +
				"memory credits.",
			alerts: []string{"KinesisAlerterShardLagging"},
			queries: []query{
				{`topk(20, max by (stream, shard) (kinesis_alerter_shard_behind_seconds%S))`, "{{stream}} {{shard}}"},
			},
		},
		{
			id: 203, kind: graph, title: "Shards by state", w: 8, h: 8,
			good: "Held as many as the stream has open shards (more for a while after a split), unread 0. Blocked " +
				"children wait for their parents. Somebody paused what is paused: nobody reads it.",
			alerts: []string{"KinesisAlerterShardUnread", "KinesisAlerterShardPaused"},
			queries: []query{
				{`sum(kinesis_alerter_shards%S,state="held"})`, "held"},
				{
					`sum(min by (job, stream) (kinesis_alerter_shards%S,state="unread"} and on (job, stream, instance) sum by (job, stream, instance) (kinesis_alerter_shards%S) > 0))`, "unread",
				},
				{
					`sum by (state) (max by (job, stream, state) (kinesis_alerter_shards%S,state=~"blocked|paused"}))`,
					"{{state}}",
				},
				{`sum(max by (job, stream) (kinesis_alerter_stream_open_shards%S))`, "open in the stream"},
			},
		},
		{
			id: 204, kind: stacked, title: "Leases by process", w: 8, h: 8,
			good:    "Even shares. A process without any is a spare one; more processes than shards do not help.",
			queries: []query{{`sum by (instance) (kinesis_alerter_leases_held%S)`, "{{instance}}"}},
		},
		{
			id: 205, kind: graph, title: "Lease moves", w: 8, h: 8,
			good: "0 between deployments. stolen, lost or expired again and again: a process is too slow or " +
				"cannot reach DynamoDB.",
			alerts:  []string{"KinesisAlerterLeaseRenewalsFailing"},
			queries: []query{{`sum by (event) (increase(kinesis_alerter_lease_events_total%S[%R]))`, "{{event}}"}},
		},
		{
			id: 206, kind: graph, title: "Heartbeats by result", unit: "cps", w: 8, h: 8,
			good:    "ok three times per lease duration and process, the others 0.",
			alerts:  []string{"KinesisAlerterLeaseRenewalsFailing"},
			queries: []query{{`sum by (result) (rate(kinesis_alerter_lease_renewals_total%S[%R]))`, "{{result}}"}},
		},
		{
			id: 207, kind: graph, title: "Age of the oldest checkpoint", unit: "s", w: 8, h: 8,
			steps: []step{{0, green}, {300, red}},
			good: "About a second, also for idle shards. It grows with the lag, or when DynamoDB does not " +
				"take writes.",
			alerts: []string{"KinesisAlerterCheckpointStuck"},
			queries: []query{
				{
					`time() - min by (job, stream) (kinesis_alerter_shard_checkpoint_timestamp_seconds%S)`,
					"{{job}} {{stream}}",
				},
			},
		},
		{
			id: 208, kind: graph, title: "Checkpoint writes by result", unit: "cps", w: 8, h: 8,
			good:    "ok, up to one a second and busy shard. error: DynamoDB. fenced: another process has the shard.",
			alerts:  []string{"KinesisAlerterCheckpointStuck"},
			queries: []query{{`sum by (result) (rate(kinesis_alerter_checkpoints_total%S[%R]))`, "{{result}}"}},
		},
		{
			id: 209, kind: graph, title: "Time of a table write, p99", unit: "s", w: 8, h: 8,
			good: "Tens of milliseconds. Seconds: DynamoDB or the way to it; leases are at risk when a heartbeat " +
				"takes a lease duration.",
			queries: []query{
				{
					`histogram_quantile(0.99, sum by (le) (rate(kinesis_alerter_checkpoint_duration_seconds_bucket%S[%R])))`, "checkpoint",
				},
				{
					`histogram_quantile(0.99, sum by (le) (rate(kinesis_alerter_state_save_duration_seconds_bucket%S[5m])))`, "what rules remember, 5 minutes",
				},
			},
		},
		{
			id: 210, kind: graph, title: "Gaps and losses, last hour", w: 8, h: 8,
			good: "0. Records missed: they were deleted unread. State: rules went on without what they " +
				"should remember.",
			alerts: []string{"KinesisAlerterRecordsMissed", "KinesisAlerterStateLost"},
			queries: []query{
				{`sum(increase(kinesis_alerter_checkpoint_gaps_total%S,missed="true"}[1h]))`, "records missed"},
				{`sum by (reason) (increase(kinesis_alerter_state_gaps_total%S[1h]))`, "state {{reason}}"},
			},
		},
		{
			id: 211, kind: graph, title: "Handoffs and saves of state", w: 8, h: 8,
			good: "Handoffs during deployments only, all done. Saves about one a minute and shard where rules " +
				"remember; failed 0.",
			queries: []query{
				{`sum by (result) (increase(kinesis_alerter_handoffs_total%S[%R]))`, "handoff {{result}}"},
				{`sum by (result) (increase(kinesis_alerter_state_saves_total%S[%R]))`, "save {{result}}"},
			},
		},
	}}
}

func alerts() section {
	return section{id: 300, title: "Alerts by rule and topic", panels: []panel{
		{
			id: 301, kind: graph, title: "Matches by rule", unit: "cps", w: 8, h: 8,
			good:   "What the rules are for. One rule far above the others is the one that fills the topics.",
			alerts: []string{"KinesisAlerterDigestMode"},
			queries: []query{
				{
					`topk(20, sum by (stream, rule) (rate(kinesis_alerter_rule_matches_total%S[%R])))`,
					"{{stream}} {{rule}}",
				},
			},
		},
		{
			id: 302, kind: graph, title: "Alerts by rule and topic", unit: "cps", w: 8, h: 8,
			good: "What people and systems get. Matches without alerts are in the next panel.",
			queries: []query{
				{
					`topk(20, sum by (rule, topic) (rate(kinesis_alerter_alerts_published_total%S[%R])))`,
					"{{rule}} to {{topic}}",
				},
			},
		},
		{
			id: 303, kind: graph, title: "Swallowed alerts by reason", unit: "cps", w: 8, h: 8,
			good:    "What dedup, silences and limits are configured for. A forgotten silence shows here.",
			queries: []query{{`sum by (reason) (rate(kinesis_alerter_alerts_suppressed_total%S[%R]))`, "{{reason}}"}},
		},
		{
			id: 304, kind: graph, title: "Failed attempts by topic and reason", unit: "cps", w: 8, h: 8,
			good: "0. The reason says whose fault it is: throttled, timeout and connection pass, not_authorized " +
				"and the kms ones have to be mended.",
			alerts: []string{"KinesisAlerterPublishFailing", "KinesisAlerterTopicFault"},
			queries: []query{
				{
					`topk(20, sum by (topic, reason) (rate(kinesis_alerter_publish_failures_total%S[%R])))`,
					"{{topic}} {{reason}}",
				},
			},
		},
		{
			id: 305, kind: graph, title: "Time of a publish call, p99", unit: "s", w: 8, h: 8,
			good:   "Below a second. The deadline of a call is the end of the lease's trust.",
			alerts: []string{"KinesisAlerterSLOBurnFast"},
			queries: []query{
				{
					`histogram_quantile(0.99, sum by (le, topic) (rate(kinesis_alerter_publish_duration_seconds_bucket%S[%R])))`, "{{topic}}",
				},
			},
		},
		{
			id: 306, kind: graph, title: "Digests", unit: "cps", w: 8, h: 8,
			good:   "0. Otherwise alerts come faster than the topic's rate, and people read summaries.",
			alerts: []string{"KinesisAlerterDigestMode"},
			queries: []query{
				{`sum by (topic) (rate(kinesis_alerter_digests_total%S[%R]))`, "digests to {{topic}}"},
				{`sum by (topic) (rate(kinesis_alerter_digest_members_total%S[%R]))`, "alerts inside, to {{topic}}"},
			},
		},
		{
			id: 307, kind: graph, title: "Dead letters and dropped alerts", w: 8, h: 8,
			good: "0. A dead letter is kept, a dropped alert is in the log only. Failed letters wait and hold " +
				"their shards.",
			alerts: []string{"KinesisAlerterDeadLetters", "KinesisAlerterAlertsDropped"},
			queries: []query{
				{`sum by (reason) (increase(kinesis_alerter_alerts_skipped_total%S[%R]))`, "dropped {{reason}}"},
				{
					`sum by (reason) (increase(kinesis_alerter_dead_letters_total%S[%R])) or on () vector(0)`,
					"letter {{reason}}",
				},
				{
					`sum by (reason) (increase(kinesis_alerter_dead_letter_failures_total%S[%R])) or on () vector(0)`,
					"failed letter {{reason}}",
				},
			},
		},
		{
			id: 308, kind: graph, title: "Invalid records by reason", unit: "cps", w: 8, h: 8,
			good:    "0, or what the producer is known for. They alert nobody; dead_letter.invalid keeps them.",
			alerts:  []string{"KinesisAlerterDeadLetters"},
			queries: []query{{`sum by (reason) (rate(kinesis_alerter_invalid_records_total%S[%R]))`, "{{reason}}"}},
		},
		{
			id: 309, kind: graph, title: "Rules that could not decide, templates that failed", unit: "cps", w: 8, h: 8,
			good: "0. missing: the rule asks for a field that records do not have (anymore). Failed templates send " +
				"the default words.",
			queries: []query{
				{
					`topk(10, sum by (rule, reason) (rate(kinesis_alerter_rule_undefined_total%S[%R])))`,
					"{{rule}} {{reason}}",
				},
				{`sum(rate(kinesis_alerter_template_failures_total%S[%R]))`, "failed templates"},
			},
		},
	}}
}

// outputs is empty where no output streams are configured.
func outputs() section {
	return section{id: 350, title: "Output streams", folded: true, panels: []panel{
		{
			id: 351, kind: graph, title: "Output records by how they ended", unit: "cps", w: 8, h: 8,
			good:   "Written alone. A dead letter is kept; rejected and given up ones are in the log only.",
			alerts: []string{"KinesisAlerterOutputFault", "KinesisAlerterOutputFailing"},
			queries: []query{
				{
					`sum by (output, result) (rate(kinesis_alerter_output_records_total%S[%R])) or on () vector(0)`,
					"{{output}} {{result}}",
				},
			},
		},
		{
			id: 352, kind: graph, title: "Oldest record that waits for an output", unit: "s", w: 8, h: 8,
			steps: []step{{0, green}, {60, yellow}, {300, red}},
			good: "Below a second. Without dead letters the shards are no longer read once what waits fills the " +
				"memory of the output.",
			alerts: []string{"KinesisAlerterOutputFault", "KinesisAlerterOutputFailing"},
			queries: []query{
				{
					`max by (stream, output) (kinesis_alerter_output_oldest_seconds%S) or on () vector(0)`,
					"{{stream}} {{output}}",
				},
			},
		},
		{
			id: 353, kind: graph, title: "Memory of what waits for an output", unit: "bytes", w: 8, h: 8,
			good:   "Small and moving. A quarter of processing.memory is all that may wait for one output in a process.",
			alerts: []string{"KinesisAlerterOutputFailing"},
			queries: []query{
				{
					`max by (stream, output) (kinesis_alerter_output_waiting_bytes%S) or on () vector(0)`,
					"{{stream}} {{output}}",
				},
			},
		},
		{
			id: 354, kind: graph, title: "Output records sent again, by reason", unit: "cps", w: 8, h: 8,
			good: "0. throttled: the output stream has too few shards, or a key that many records have. The others " +
				"pass, or are faults of a configuration.",
			alerts: []string{"KinesisAlerterOutputFailing"},
			queries: []query{
				{
					`topk(20, sum by (output, reason) (rate(kinesis_alerter_output_retries_total%S[%R]))) or on () vector(0)`,
					"{{output}} {{reason}}",
				},
			},
		},
		{
			id: 355, kind: graph, title: "Faults of outputs", w: 8, h: 8,
			good:   "0. Otherwise a configuration has to be corrected; the log says how.",
			alerts: []string{"KinesisAlerterOutputFault"},
			queries: []query{
				{
					`max by (output, reason) (kinesis_alerter_output_fault%S) > 0 or on () vector(0)`,
					"{{output}} {{reason}}",
				},
			},
		},
	}}
}

func calls() section {
	return section{id: 400, title: "AWS calls", panels: []panel{
		{
			id: 401, kind: stacked, title: "Calls by operation", unit: "reqps", w: 8, h: 8,
			good: "GetRecords up to five a second and shard, the rest follows traffic. This is what AWS bills.",
			queries: []query{
				{
					`sum by (service, operation) (rate(kinesis_alerter_aws_requests_total%J[%R]))`,
					"{{service}} {{operation}}",
				},
			},
		},
		{
			id: 402, kind: graph, title: "Failed calls by code", unit: "reqps", w: 8, h: 8,
			good: "0. Denied: a policy. Throttled: others use the same stream, table or topic. Timeout and " +
				"Connection: the network.",
			alerts: []string{"KinesisAlerterAWSThrottled", "KinesisAlerterAWSDenied"},
			queries: []query{
				{
					`sum by (service, operation, code) (rate(kinesis_alerter_aws_requests_total%J,code!="OK"}[%R])) or on () vector(0)`, "{{service}} {{operation}} {{code}}",
				},
			},
		},
		{
			id: 403, kind: graph, title: "Time of a GetRecords call", unit: "s", w: 8, h: 8,
			good: "Below 0.2 s. It adds to the time of every alert.",
			queries: []query{
				{
					`histogram_quantile(0.5, sum by (le) (rate(kinesis_alerter_fetch_duration_seconds_bucket%S[%R])))`,
					"p50",
				},
				{
					`histogram_quantile(0.99, sum by (le) (rate(kinesis_alerter_fetch_duration_seconds_bucket%S[%R])))`,
					"p99",
				},
			},
		},
		{
			id: 404, kind: graph, title: "Failed reads by reason", unit: "cps", w: 8, h: 8,
			good: "0. throttled: five reads a second and 2 MB/s a shard are for all consumers together; " +
				"processing.poll_interval: 1s is polite.",
			alerts:  []string{"KinesisAlerterAWSThrottled"},
			queries: []query{{`sum by (reason) (rate(kinesis_alerter_read_failures_total%S[%R]))`, "{{reason}}"}},
		},
		{
			id: 405, kind: graph, title: "Bytes read", unit: "Bps", w: 8, h: 8,
			good: "The traffic of the stream. 2 MB/s a shard is the most that Kinesis gives.",
			queries: []query{
				{`sum by (job, stream) (rate(kinesis_alerter_record_bytes_total%S[%R]))`, "{{job}} {{stream}}"},
			},
		},
		{
			id: 406, kind: graph, title: "Write units of the state table", unit: "cps", w: 8, h: 8,
			good: "Small and even. What rules remember costs a unit per KB and save.",
			queries: []query{
				{
					`sum by (job, stream) (rate(kinesis_alerter_lease_state_write_units_total%S[%R]))`,
					"{{job}} {{stream}}",
				},
			},
		},
	}}
}

func process() section {
	return section{id: 500, title: "Process", folded: true, panels: []panel{
		{
			id: 501, kind: list, title: "Processes", w: 24, h: 6,
			good: "One version, but during a deployment; every reload good. The address leads to the status page, " +
				"where the browser can reach it.",
			alerts: []string{"KinesisAlerterCrashLooping", "KinesisAlerterShortLived", "KinesisAlerterReloadFailed"},
			queries: []query{
				{expr: `max by (job, instance, version, goversion) (kinesis_alerter_build_info%J)`},
				{
					expr: `max by (job, instance) (time() - process_start_time_seconds%J and on (job, instance) kinesis_alerter_build_info)`,
				},
				{expr: `sum by (job, instance) (kinesis_alerter_leases_held%S)`},
				{expr: `min by (job, instance) (kinesis_alerter_config_last_reload_successful%J)`},
				{
					expr: `max by (job, instance) (time() - kinesis_alerter_config_last_reload_success_timestamp_seconds%J)`,
				},
			},
			columns: []column{
				{field: "job", title: "Job"},
				{field: "instance", title: "Process", link: "http://${__value.text}/"},
				{field: "version", title: "Version"},
				{field: "goversion", title: "Go"},
				{field: "Value #A", title: "Up", words: map[string]string{"1": "yes"}},
				{field: "Value #B", title: "For", unit: "s"},
				{field: "Value #C", title: "Leases"},
				{
					field: "Value #D", title: "Last reload", steps: []step{{0, red}, {1, green}},
					words: map[string]string{"0": "refused", "1": "good"},
				},
				{field: "Value #E", title: "Rules since", unit: "s"},
			},
		},
		{
			id: 502, kind: graph, title: "CPU", unit: "none", w: 8, h: 8,
			good: "Cores in use, below the limit. At the limit, the lag grows: more processes, up to one a shard.",
			queries: []query{
				{
					`sum by (instance) (rate(process_cpu_seconds_total%J[%R]) and on (job, instance) kinesis_alerter_build_info)`, "{{instance}}",
				},
			},
		},
		{
			id: 503, kind: graph, title: "Memory", unit: "bytes", w: 8, h: 8,
			good: "Below the container's limit, of which the runtime takes nine tenths. Credits end at " +
				"processing.memory.",
			alerts: []string{"KinesisAlerterCrashLooping"},
			queries: []query{
				{
					`max by (instance) (process_resident_memory_bytes%J and on (job, instance) kinesis_alerter_build_info)`, "{{instance}} resident",
				},
				{
					`max by (instance) (go_memstats_heap_inuse_bytes%J and on (job, instance) kinesis_alerter_build_info)`, "{{instance}} heap",
				},
				{`sum by (instance) (kinesis_alerter_buffered_bytes%S)`, "{{instance}} credits in use"},
			},
		},
		{
			id: 504, kind: graph, title: "Time to evaluate a page", unit: "s", w: 8, h: 8,
			good: "Milliseconds. More: dear rules, scores, or no CPU.",
			queries: []query{
				{
					`histogram_quantile(0.5, sum by (le) (rate(kinesis_alerter_process_duration_seconds_bucket%S[%R])))`, "p50",
				},
				{
					`histogram_quantile(0.99, sum by (le) (rate(kinesis_alerter_process_duration_seconds_bucket%S[%R])))`, "p99",
				},
			},
		},
		{
			id: 505, kind: graph, title: "Goroutines", w: 8, h: 8,
			good: "Flat for a number of shards. A slope that never ends is a leak: report it.",
			queries: []query{
				{
					`max by (instance) (go_goroutines%J and on (job, instance) kinesis_alerter_build_info)`,
					"{{instance}}",
				},
			},
		},
		{
			id: 506, kind: graph, title: "Open files", w: 8, h: 8,
			good: "Far below the limit; connections to AWS count.",
			queries: []query{
				{
					`max by (instance) (process_open_fds%J and on (job, instance) kinesis_alerter_build_info)`,
					"{{instance}}",
				},
			},
		},
		{
			id: 507, kind: graph, title: "Panics and log lines left out, last hour", w: 8, h: 8,
			good: "0. A panic is a bug. Lines of level info are left out above 100 of a kind a second; warnings, " +
				"errors and audit lines never.",
			alerts: []string{"KinesisAlerterPanics"},
			queries: []query{
				{
					`sum(increase(kinesis_alerter_panics_total%S[1h])) + sum(increase(kinesis_alerter_consumer_panics_total%S[1h]))`, "panics",
				},
				{`sum(increase(kinesis_alerter_log_lines_dropped_total%J[1h]))`, "lines left out"},
			},
		},
	}}
}
