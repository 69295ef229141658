// Package alert decides what a record means: it reads the payload, matches it against the rules and makes the alerts
// that have to be published. It is pure. It knows no AWS, no KCL and no clock; every instant that it computes with is
// the arrival time of a record, so that the same records give the same decisions and the same alert ids after any
// restart.
//
// # The way of a record
//
// A [Pipeline] is made from a [Config] and safe for concurrent use; [Pipeline.Update] puts another Config in force as a
// whole. Each shard has one [Evaluator], which belongs to one goroutine and sees the shard's records in sequence order.
// [Evaluator.Evaluate] runs the stages in a fixed order: do what has come due, add the anomaly scores, ask the filter,
// read the fields that the rules mention, match the rules, take them through what they remember, make the alerts. It
// gives each record exactly one [Outcome]. The consumer publishes the alerts and then calls [Pipeline.Resolved], which
// counts the record; the sum over the outcomes is the number of records resolved.
//
// Without rules every record alerts, with the words of AWS's sample Lambda function, and the payload is only required
// to be UTF-8.
//
// # Reading
//
// In format json the payload must be one JSON object (RFC 8259, I-JSON where it is stricter). The whole document is
// validated, whatever the rules mention: invalid UTF-8, unpaired surrogates, a name that occurs twice in any object,
// trailing data and nesting below 10,000 levels make the record [Invalid], each with a [Reason] of its own. One thing
// is judged only where a rule looks: a number too large for a float64 (1e400) makes the record invalid if it is the
// value of a referenced field. Inside a referenced list or object it makes the term undefined, elsewhere nothing
// compares it.
//
// In format text nothing is decoded; the payload must be UTF-8 and rules see it as data.
//
// # Rules
//
// A rule's condition is an expression of github.com/expr-lang/expr over the record's fields (order.price for nested
// ones, $env["heart rate"] for top-level names that are no identifiers) and the built-in names partition_key, shard,
// arrival and age; in format text also data. Built-in names win over fields of the same name, and [Pipeline] counts the
// records in which that happens. Field names are case-sensitive.
//
// age is how long before the shard's event time the record arrived, where event time is the latest arrival that the
// evaluator has seen. It is 0s for a record that is the latest so far, and never negative. An evaluator that is made
// afresh in the middle of a shard knows nothing of the records before. Where some rule remembers, the snapshot has the
// event time; in a rule set without memory, a rule on age is the one thing that can decide otherwise after a restart.
//
// A condition has three states: true, false and undefined (the "unknown" of SQL and Kleene). Only true matches. A
// comparison is undefined if one side is missing, null, of another type than the other side, or not a finite number. !,
// &&, || and ?: carry the third state on: false && undefined is false, true || undefined is true, and !(missing > 3)
// stays undefined. So COL1 != "" does not match a record without COL1. The first undefined term that kept a rule from
// matching is counted with its cause. Missing is asked for by name: x == nil and x != nil are true or false, never
// undefined, and x ?? 0 gives a missing or null x a value. Inside closures, let and pipes an undefined comparison makes
// the term around it undefined. Terms that need expr's virtual machine are tried after the others; that changes no
// match, only the cost and which undefined term is the first.
//
// Numbers are float64, and integers from 2^53 up also keep their digits: two integers compare exactly at any size.
// Arithmetic with such an integer is undefined (cause inexact) rather than rounded.
//
// now, keys, values, toPairs and fromJSON are not offered: the first is a clock, the next three give map order, the
// last would be a second, laxer way to read JSON.
//
// The rules that a record can match are found through an index of the fields that they compare with constants, so the
// time per record does not grow with the rules that it cannot match.
//
// # Scores
//
// A score (score.go) is a member that is added to the record's JSON object before anything else looks at it, so that
// filters, rules, templates and bodies see it like any other. It comes from a package alert/forest forest of the shard,
// or of the key, that learns from each record after it was scored: a score is a function of the shard's records before
// it. A record that brings a member of such a name along keeps its own and is not learned from; neither is one without
// a point, where a field is missing, no number, or not finite. Both are counted. A record that the filter drops has
// been learned from.
//
// # What rules remember
//
// A rule remembers by key, for each shard by itself. What it claims goes through these states (lifecycle.go):
//
//	quiet ──holds──▶ pending ──for is over──▶ firing ──resolve is over──▶ quiet
//	  ▲                 │                       │  ▲
//	  └──holds no more──┘                       └──┘ repeat_interval
//
// An alert is made when a key begins to fire, when repeat_interval says so again, and when it is resolved. What comes
// in between is swallowed and counted, as is what dedup, an inhibiting rule, a silence, quiet hours or the rule's rate
// limit mute. Who was told that a key fires is told when it is resolved, whatever mutes the rule by then. What began to
// fire while the rule was mute is told with the next record for which it still does, and by itself when a silence, the
// quiet hours or dedup are over, and else after a minute, doubled up to ten. Rules without for, resolve, absence and
// sliding window have no excursions: they alert with every record, or every tumbling window.
//
// Three things are reported whatever dedup or a rate limit would swallow: a rise in severity, once for each grade of an
// excursion; a claim that holds for a minute although the last alert said that it is over; and an end, to whoever heard
// of the beginning. A repeat has the severity of the last record, an end that of the gravest alert. A rule inhibits
// only while somebody knows of its claim: an alert was made, or a silence covers it.
//
// A part of a window is not judged where it says nothing about the whole: with an upper bound (<, <=, ==, !=) of count,
// rate, sum, distinct or max, and a lower one (>, >=, ==, !=) of min, it is judged once a whole length of it was
// watched. Count, rate, sum and distinct are 0 when nothing comes any more; of a key that has no excursion, up to the
// end of the step in which two lengths have passed since its last record: nobody is told for ever of a key that is
// gone. One that comes back is watched anew. Sums keep what rounding loses. A boolean counts as 1 and 0.
//
// Time is event time: the running maximum of arrivals. What is due (a hold, a resolve, the end of a window, an absence)
// is done when event time passes it, at the time at which it was due, before the record that shows that time has
// passed. A [Tick] does the same without a record; it only brings forward what the next record would bring. So alerts
// are a function of the records, not of when they were read: a replay from a [Evaluator.Snapshot] makes the same ones,
// with the same ids.
//
// Keys are remembered up to Config.State.MaxKeys a shard, and up to 48 MiB of memory or 22 MiB of a snapshot, which are
// counted by what is remembered and by nothing else (size.go). Beyond that a key of the rule that holds most is
// forgotten, and counted: the quiet one that was not used for the longest time or, if there is none, one that is
// pending, then one that fires, of which a last alert says so (Alert.Ended). See eviction.go. A restart forgets the
// same keys. An absent key that is not heard of for AbsenceConfig.GiveUp is given up with a last alert, and forgotten.
// Of a key of more than a kilobyte the first part is kept, and a digest of all of it. The digest, and the hash by which
// distinct tells values apart, are under a key of the application that producers do not know; it goes with snapshots
// and to the children of a split. Snapshots have formats; a later one is written when every live worker reads it
// ([Evaluator.Agree]), and a window goes on by the hash of before until what it saw has passed. A snapshot holds all of
// it, together with what it holds of rules that this rule set does not know. A rule that comes back finds it, but
// concludes nothing from the time in between: what waits, begins to wait anew.
//
// # Edited rules
//
// A rule of the same name goes on with what another version of it remembers where that means the same: the same key,
// the same window but for its bound, the same kind of memory and, with a window or absence, the same condition. A claim
// that fires is then judged by the next record; one that waits to fire goes on if condition, for, resolve and bounds
// are the same. All other memory of versions that are not in force is kept untouched for a week, with the topics that
// were told, and the words.
//
// Whoever was told that a key fires is told its end, once (edited_rules.go): with the end of the excursion, or, where
// the rule was taken out, changed so that its memory was dropped, is in mode shadow or does not go to the topic any
// more, at the first tick that says that all workers agree about the rules ([Tick.Settled]). Such an end has
// Alert.Ended, and an id made of rule, key, topic and when the excursion began. If nobody is left who was told, the
// claim counts as not told: the topics of today hear of it while it holds. A topic that a rule gains hears of a key
// with the next alert that says that it fires, and of its end only if it heard of that. What nobody was told, because
// the rule was in mode shadow, has no end. An end is not said while the rule of today has told the same topic that the
// same key fires: it says the end itself. All of this needs formatEnds.
//
// # Inherited keys
//
// A producer may place records by an explicit hash key, so nobody knows to which child of a split the records of a key
// will go. Each child therefore inherits every key ([Evaluator.Inherit], inherited.go), and a key is provisional in
// each of them until one hears of it:
//
//	             a record of the key comes here
//	provisional ───────────────────────────────▶ the shard's own; a claim for the others to read
//	     │  another shard has a claim, or has the key as its own
//	     └────────────────────────────────────▶ forgotten
//
// A provisional key has all that the parent knew of it, so the first record is judged as the parent would have judged
// it. What time makes of such a key is the same in each child, and one of them says it: the one that owns the key by
// its MD5 (of a key that is not the partition key, by that of its last record). The others do the same silently, so
// that they can go on from there. None does it in Evaluate: what is due is set aside, and a [Tick] does it when every
// other shard of the family has saved a snapshot that covers the moment ([Evaluator.Meet]) and had not heard of the key
// before. So what is said is a function of the records, whenever the snapshots are read; a record of the key decides at
// once. Tick.Without names shards that nothing waits for any longer; Alert.Unsure says so.
//
// A family is the other shards that have copies of the same keys. One that has ended is replaced by its children, when
// its last snapshot has been read; a shard that finds itself there is alone, and the keys are its own. Claims are kept
// until the others have let go. They carry over to children, because a stale copy may meet them in a merge; born tells
// the generations apart. Keys of which a rule's time makes no alerts wait for nobody.
//
// # Looking at rules
//
// [Pipeline.Explain] says what the rules make of one record, term by term, and names what depends on earlier records.
// It counts and remembers nothing. [Config.Mentions] are the names of fields that a configuration looks at, with their
// places. [Evaluator.Elapse] lets time pass where no record can be under way, for tests of rules.
//
// # Words
//
// A message is made late and never fails: a template that fails is counted and replaced by the default words, an
// attribute, link, group or body of a protocol by nothing. What SNS strips or refuses is refused by Validate where it
// is constant, and else mended or left out when the message is made.
//
// # What it does not promise
//
// A key that is not the partition key can have records in several shards, each of which decides by itself: its alerts
// are exact for each shard only. A record whose arrival is earlier than a tick that has passed (it was under way for
// more than two seconds) is taken as it comes; a replay may decide otherwise about what was due in between. Where time
// comes so far in one step that an alert missed more than 60 repetitions, only the last is made, and with
// [Evaluator.Reaches] none that is overdue is: a replay, which is later, may leave out a repetition that was made, and
// count another number of alerts as swallowed. Of what time alone brings about, the severity is that of the key's last
// matching record, and so is what the condition of a silence says (window_silence.go). A producer that puts records of
// one key into several shards at once has the key in each of them after a split, and each counts and resolves for
// itself. What waits for other shards when its shard is merged with the one that hears of the key next is not said.
// Rate limits are each shard's own. In a sliding window each judgement counts for for and resolve in records, also
// those that time makes when a step ends. Distinct values are told apart up to 10,000 in a window.
package alert
