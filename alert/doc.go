// Package alert decides what a record means. It matches the record against the rules and makes the alerts to publish.
//
// It is pure: it knows no AWS, no KCL and no clock. Every time that it computes with is the arrival time of a record.
// So the same records give the same decisions and the same alert ids after any restart.
//
// # The way of a record
//
// A [Pipeline] is made from a [Config] and safe for concurrent use. [Pipeline.Update] activates another Config as a
// whole. Each shard has one [Evaluator], which belongs to one goroutine and sees the shard's records in sequence order.
// [Evaluator.Evaluate] runs the stages in a fixed order:
//
//  1. Do what has come due (siblings.go, due.go).
//  2. Add the anomaly scores (score.go).
//  3. Ask the filter, and read the fields that rules mention (reading.go).
//  4. Match the rules (alert/condition).
//  5. Take each rule's memory of the key through its states (lifecycle.go).
//  6. Ask what mutes the alert (mute.go), and make it (outbox.go).
//
// Every record has exactly one [Outcome]. The consumer publishes the alerts, then calls [Pipeline.Resolved], which
// counts the record. The sum over the outcomes is the number of records that are done.
//
// Without rules every record alerts, with the text of AWS's sample Lambda function. The payload then only has to be
// UTF-8.
//
// # Reading
//
// In format json the payload must be one JSON object (RFC 8259, or I-JSON where that is stricter). The whole document
// is validated, whatever the rules mention. Invalid UTF-8, unpaired surrogates, a name that occurs twice in an object,
// trailing data and nesting below 10,000 levels make the record [Invalid]. Each has a [Reason] of its own. One thing is
// judged only where a rule looks: a number too large for a float64 (1e400). As the value of a referenced field it makes
// the record invalid. Inside a referenced list or object it makes the term undefined. Elsewhere nothing compares it.
//
// In format text nothing is decoded. The payload must be UTF-8, and rules see it as data.
//
// # Rules
//
// A condition is an expression of github.com/expr-lang/expr. It sees the record's fields: order.price for nested ones,
// $env["heart rate"] for top-level names that are not identifiers. It also sees the built-in names partition_key,
// shard, arrival and age, and data in format text. A built-in name wins over a field of the same name, and [Pipeline]
// counts the records in which that happens. Field names are case-sensitive.
//
// Event time is the latest arrival that the evaluator has seen. age is how long before it the record arrived: 0s for
// the latest record so far, and never negative. An evaluator that starts in the middle of a shard knows no earlier
// records. Where some rule remembers, the saved state has the event time. In a rule set without memory, a rule on age
// is the only thing that can decide otherwise after a restart.
//
// A condition is true, false or undefined (the "unknown" of SQL and Kleene). Only true matches. A comparison is
// undefined if one side is missing, null, of another type than the other, or not a finite number. The operators !, &&,
// || and ?: carry the third value: false && undefined is false, true || undefined is true, !(missing > 3) is undefined.
// So COL1 != "" does not match a record without COL1. The first undefined term that kept a rule from matching is
// counted with its cause. To ask for a missing field, use x == nil or x != nil, which are never undefined. x ?? 0 gives
// a missing or null x a value. Inside closures, let and pipes an undefined comparison makes the surrounding term
// undefined. Terms that need expr's virtual machine are tried last. That changes no match, only the cost and which
// undefined term is the first.
//
// Numbers are float64. Integers from 2^53 up also keep their digits, so two integers compare exactly at any size.
// Arithmetic with such an integer is undefined (cause inexact) rather than rounded.
//
// now, keys, values, toPairs and fromJSON are not offered. The first is a clock, the next three give map order, and the
// last would be a second, laxer way to read JSON.
//
// An index of the fields that rules compare with constants finds the rules that a record can match. So the time per
// record does not grow with the rules that it cannot match.
//
// # Scores
//
// A score is a member that is added to the record's JSON object first of all. Filters, rules, templates and bodies see
// it like any other. It comes from a forest (alert/forest) of the shard or of the key. The forest learns from each
// record after scoring it, so a score is a function of the shard's records before it. A record that already has such a
// member keeps its own and teaches nothing. Nor does one without a point: a field is missing, not a number, or not
// finite. Both are counted. The forest also learns from records that the filter drops.
//
// # What rules remember
//
// A rule remembers by key, in each shard separately. A key goes through these states (lifecycle.go):
//
//	quiet ──holds──▶ pending ──for is over──▶ firing ──resolve is over──▶ quiet
//	  ▲                 │                       │  ▲
//	  └──holds no more──┘                       └──┘ repeat_interval
//
// An alert is made when a key begins to fire, when repeat_interval is over, and when it is resolved. What comes in
// between is suppressed and counted. So is what a muter mutes: dedup, an inhibiting rule, a silence, quiet hours, the
// rate limit. Every topic that was notified that a key fires is notified that it is resolved, whatever mutes the rule
// by then.
//
// A key may begin to fire while its rule is muted. The next record for which it still fires makes the alert. Without a
// record, the alert is made when the silence, the quiet hours or dedup end, or at the next recheck: after a minute,
// doubled up to ten. Rules without for, resolve, absence and sliding window have no firing periods. They alert with
// every record, or every tumbling window, for which they hold.
//
// Three things are reported whatever dedup or a rate limit would suppress. The first is a rise in severity, once for
// each grade of a firing period. The second is a key that fires for a minute although the last alert said that it is
// resolved. The third is the end, to every topic that was notified of the beginning. A repetition has the severity of
// the last record, an end that of the most severe alert. A rule inhibits another only while operators know that it
// fires: an alert was made, or a silence covers it.
//
// A window is not judged by a part that says nothing about the whole. That concerns upper bounds (<, <=, ==, !=) of
// count, rate, sum, distinct or max, and lower ones (>, >=, ==, !=) of min. Such a window is judged once its whole
// length was watched. Count, rate, sum and distinct become 0 when no more records come. No operator wants messages for
// ever about a key that is gone. So an empty window of a key that does not fire is judged up to the end of the step in
// which two lengths have passed since the last record. A key that comes back is watched again. Sums keep what rounding
// loses. A boolean counts as 1 or 0.
//
// Something is due at the end of for, resolve, a window or an absence. It is done when event time passes that moment,
// at that moment, and before the record that shows that time has passed. A [Tick] does the same without a record: it
// brings forward what the next record would cause. So alerts are a function of the records, not of when they were read.
// A replay from an evaluator state ([Evaluator.State]) makes the same ones, with the same ids.
//
// # Bounds
//
// A shard remembers up to Config.State.MaxKeys keys, and up to 48 MiB in memory or 22 MiB of saved state. Both are
// counted by what is remembered and by nothing else (size.go), so a restart evicts the same keys. Beyond that a key of
// the rule that holds most is evicted and counted (eviction.go): first the quiet one that was not used for the longest
// time, then one that is pending, then one that fires. Of the last, an alert says so (Alert.Ended). An absent key is
// given up after AbsenceConfig.GiveUp, with a last alert.
//
// Of a key longer than a kilobyte the first part is kept, and a digest of the whole. The digest, and the hash by which
// distinct tells values apart, use a key of the application that producers do not know. It goes with the saved state,
// and to the children of a split.
//
// Saved state has formats. A later one is written when every live worker reads it ([Evaluator.Agree]). A window keeps
// the former hash until what it saw has passed. The state also holds what belongs to rules that this rule set does not
// have. A rule that comes back finds its part, but concludes nothing from the time in between: what waits starts to
// wait again.
//
// # Edited rules
//
// A rule continues with what another version of it remembers where that means the same. Key, kind of memory and window
// must be the same, but for the window's bound; with a window or absence, the condition too. A key that fires is then
// judged by the next record. One that waits to fire continues if condition, for, resolve and bounds are the same. All
// other memory of former versions is kept for a week, with the topics that were notified, and the text.
//
// Every topic that was notified that a key fires is notified of its end, once (edited_rules.go). Usually that is the
// end of the firing period. But the rule may have been removed, may have changed so that its memory was dropped, may
// be in mode shadow, or may go to other topics. Then the end is sent at the first tick at which all workers agree about
// the rules ([Tick.Settled]). Such an end has Alert.Ended. Its id is made of rule, key, topic and the beginning of the
// firing period.
//
// If no notified topic is left, the key counts as not notified, and the present topics are notified while it fires. A
// topic that a rule gains is notified by the next alert that says that the key fires, and only then of its end. A key
// of which no topic was notified, because the rule was in mode shadow, has no end. No such end is sent while the
// present rule has notified the same topic that the same key fires: that rule sends the end. All of this needs
// formatEnds.
//
// What a shard's rules had notified before an operator rewound it ends in the same way (rewound.go): their memory
// counts as that of a version whose memory no rule reads.
//
// # Inherited keys
//
// A producer may place records by an explicit hash key. So no shard knows which child of a split will get the records
// of a key. Each child inherits every key ([Evaluator.Inherit], inherited.go). A key is provisional in each until one
// of them gets a record of it:
//
//	             a record of the key comes here
//	provisional ───────────────────────────────▶ the shard's own; a claim for the others to read
//	     │  another shard has a claim, or has the key as its own
//	     └────────────────────────────────────▶ forgotten
//
// A provisional key has all that the parent knew of it, so the first record is judged as the parent would have judged
// it. What becomes due is the same in each child, and one of them makes the alert: the owner of the key by its MD5, or,
// where the key is not the partition key, by that of its last record. The others do the same silently, to be able to
// continue from there.
//
// Nothing of this is done in Evaluate (siblings.go). What is due is set aside. A [Tick] does it when every other shard
// of the family has saved a state that covers the moment ([Evaluator.Meet]) and had no record of the key before. So the
// alerts are a function of the records, whenever the states are read. A record of the key decides at once. Tick.Without
// names shards for which nothing waits any longer, and Alert.Unsure says so.
//
// A family is the other shards that have copies of the same keys. A member that has ended is replaced by its children
// once its last state was read. A shard that is the only one left owns the keys. Claims are kept until the others have
// let go. They carry over to children, because a stale copy may meet them in a merge; partedAt tells splits apart. Keys
// of rules for which time alone makes no alerts do not wait.
//
// # Looking at rules
//
// [Pipeline.Explain] says what the rules make of one record, term by term, and names what depends on earlier records.
// It counts and remembers nothing. [Config.Mentions] are the names of fields that a configuration looks at, with their
// places. [Evaluator.Elapse] lets time pass where no record can be on its way, for tests of rules.
//
// # Rendering
//
// A message is rendered late and never fails. A template that fails is counted, and the default text replaces it. An
// attribute, link, group or body of a protocol is left out instead. What SNS strips or refuses is refused by Validate
// where it is constant. Otherwise it is corrected or left out when the message is rendered.
//
// # What it does not promise
//
// A key that is not the partition key can have records in several shards. Each shard decides separately, so the alerts
// are exact for each shard only. Rate limits are each shard's own.
//
// A record may arrive before a tick that has passed, if it was on its way for more than two seconds. It is taken as it
// comes. A replay may decide otherwise about what was due in between.
//
// Time may advance so far in one step that an alert missed more than 60 repetitions. Then only the last is made. With
// [Evaluator.Reaches] none that is overdue is made. A replay, which is later, may leave out a repetition that was made,
// and count another number of alerts as suppressed.
//
// An alert that time alone causes has the severity of the key's last matching record. The same goes for what the
// condition of a silence says (window_silence.go). In a sliding window each judgement counts for for and resolve in
// records, also those at the end of a step. distinct tells up to 10,000 values of a window apart.
//
// A producer may put records of one key into several shards at once. After a split the key is in each of them, and each
// counts and resolves separately. What waits for other shards is lost when its shard is merged with the one that gets
// the next record of the key.
package alert
