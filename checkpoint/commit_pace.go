package checkpoint

import (
	"math"
	"time"

	"kinesis-alerter/internal/sleep"
)

// AtOnce is the checkpoint interval of a worker that writes progress as fast as DynamoDB answers. A shard has one write
// under way at a time, and the next one carries what came meanwhile. All shards together stay within commitBudget.
const AtOnce = time.Duration(math.MinInt64)

// commitPace is when the progress of a lease may be written next. The Store's mu guards it.
type commitPace struct {
	busy   bool // a write is under way
	failed int  // in a row
	after  time.Time
}

// answered notes how a commit ended. At once, one that failed is tried again after a back-off; else its interval has
// to pass.
func (c *committer) answered(l *Lease, err error) {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	l.ledger.pace.busy = false
	if s.cfg.CheckpointInterval != AtOnce {
		return
	}
	if err != nil {
		l.ledger.pace.after = time.Now().Add(sleep.Backoff(l.ledger.pace.failed))
		l.ledger.pace.failed++
		return
	}
	l.ledger.pace.failed, l.ledger.pace.after = 0, time.Time{}
	if l.ledger.dirty {
		ask(c.wake)
	}
}
