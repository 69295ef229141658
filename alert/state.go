package alert

import "time"

// Tick tells an evaluator how far time has come without records.
type Tick struct {
	// CaughtUp is the time up to which everything in the shard was evaluated, by this machine's clock.
	CaughtUp time.Time
	Fleet    Fleet
}

// Fleet is what is known of all shards of the stream together.
type Fleet struct {
	// Decides says that this shard's evaluator is the one that decides about the whole stream.
	Decides bool
	// LastArrival is the latest arrival of a record in any shard; zero if unknown.
	LastArrival time.Time
	// CaughtUp is the time up to which every open shard was read; zero while some shard is read by nobody.
	CaughtUp time.Time
}

// Stateful says whether a decision can depend on earlier records, so that there is a state to keep with the checkpoint.
func (*Evaluator) Stateful() bool { return false }

// Tick makes the alerts that are due because time has passed. The slice is valid until the next call of the evaluator.
func (*Evaluator) Tick(Tick) []*Alert { return nil }

// EventTime is the latest arrival that the evaluator has seen; zero before the first.
func (e *Evaluator) EventTime() time.Time { return e.eventTime }

// Snapshot returns the state after everything that was evaluated so far.
func (*Evaluator) Snapshot() []byte { return nil }

// Restore replaces the state by a snapshot. After an error the state is as it was.
func (*Evaluator) Restore([]byte) error { return nil }

// Inherit adds the state of a parent shard: the keys that fall to this one by owns, which is asked with partition keys,
// and all keys that are no partition keys.
func (*Evaluator) Inherit(parent []byte, owns func(partitionKey string) bool) error { return nil }
