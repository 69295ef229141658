package consumer

import (
	"time"

	"kinesis-alerter/alert"
)

// evaluator is what a shard asks of its part of the pipeline; *alert.Evaluator has it. It is used by the shard's
// goroutine only. A reload of the rules may change whether it is stateful, so that is asked each time.
type evaluator interface {
	Evaluate(rec *alert.Record) alert.Decision
	Forget()
	Tick(t alert.Tick) []*alert.Alert
	EventTime() time.Time
	Reaches(now time.Time)

	Stateful() bool
	Told() (firing, leaving map[string]int)
	Agree(key alert.HashKey, format int)
	State() []byte
	Restore(state []byte) error
	Rewound(state []byte) (keys int, err error)
	BringBack(now time.Time) time.Duration
	Inherit(parents [][]byte, heir alert.Heir) error

	// What several shards have inherited together.

	Awaits() []alert.Awaited
	Meet(*alert.Relative)
	ParkedTo() int64
}
