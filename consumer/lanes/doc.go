// Package lanes publishes the alerts of one shard: several partition keys at once, the alerts of one key in order.
//
// # What it guarantees
//
//   - Alerts of one partition key are accepted in the order in which their tasks were submitted. While alerts of a key
//     wait in the digests of a topic, its next one for that topic is gathered too, or waits. Other topics do not wait.
//   - An alert that cannot be published holds its own key at most. Dead letters have workers of their own, so a
//     destination that does not answer holds only the keys that it concerns.
//   - A task ends in one call of Owner.Settled, or in none once Stop was called. No call comes after Stop has
//     returned.
//   - A panic while an alert is rendered rejects that alert.
//   - What waits is bounded: MaxUnresolved records, MaxGathered in digests, and Config.MaxBytes.
//
// # States
//
//	a lane:  idle ──task──▶ ready ──worker──▶ busy ──▶ ready, idle, waiting for digests, or held
//	a task:  queued ──▶ dispatched ──last digest──▶ settled
//	                └──────────────────────────────▶ settled
//
// # What it does not promise
//
// Order between keys, and exactly once: what a digest reports after Stop belongs to the shard's next owner.
package lanes
