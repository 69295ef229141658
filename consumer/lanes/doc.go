// Package lanes publishes the alerts of one shard: several partition keys at once, the alerts of one key in order.
//
// # What it guarantees
//
//   - A topic accepts the alerts of one partition key in the order in which their tasks were submitted. While alerts of
//     a key wait in the digests of a topic, its next one for that topic is gathered too, or waits.
//   - Topics do not wait for each other. The exception are alerts whose topic has left the configuration: they go to
//     those that their rule has instead, before later alerts of the key and the rule, and after earlier ones.
//   - An alert that cannot be published holds its own key and topic at most. Dead letters have workers of their own, so
//     a destination that does not answer holds only the keys that it concerns.
//   - A task ends in one call of Owner.Settled, or in none once Stop was called. No call comes after Stop has
//     returned.
//   - A panic while an alert is rendered rejects that alert.
//   - What waits is bounded: MaxUnresolved records, MaxGathered in digests, and Config.MaxBytes.
//
// # States
//
//	a lane:  idle ──leg──▶ ready ──worker──▶ busy ──▶ ready, idle, waiting for digests, or held
//	a leg:   queued ──▶ dispatched ──last digest──▶ over; one for each topic of a task
//	a task:  queued ──▶ all legs dispatched ──▶ all over: settled
//
// # What it does not promise
//
// Order between keys, and exactly once: what a digest reports after Stop belongs to the shard's next owner.
package lanes
