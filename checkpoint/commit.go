package checkpoint

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

const (
	// idleEvery is how old the stored caught-up time of an idle shard may grow.
	idleEvery = 5 * time.Minute
	// idleSpace is the least time between two writes of this worker that only store a caught-up time.
	idleSpace = 2 * time.Second
	// commitBudget is how many commits a second one worker makes at most. With more busy shards than that, each is
	// written less often, the one that has waited longest first. So a large fleet cannot overload a table.
	commitBudget = 100
	// lazyInterval and lazyBytes are how long progress may wait, and how many bytes of records may be read again after
	// a crash, where nothing was alerted, written or sent since the last checkpoint. Nearly all progress is of that
	// kind, and each write costs.
	lazyInterval = 15 * time.Second
	lazyBytes    = 4 << 20
)

// need is how soon an offer has to be written. Commit adds to it.
type need struct {
	offers  uint64 // so far
	settled uint64 // of those, the last that settled something; 0 before the first
	bytes   int    // offered so far
	// what the stored offer, or a later one, includes; acknowledge writes it
	stored struct {
		offers uint64
		bytes  int
	}
}

func (n *need) add(p position.Progress) {
	n.offers++
	n.bytes += p.Bytes
	if p.Settled {
		n.settled = n.offers
	}
}

// soon reports whether the offer is to be written within the checkpoint interval.
func (n *need) soon() bool {
	return n.settled > n.stored.offers || n.bytes-n.stored.bytes >= lazyBytes
}

// acknowledge notes that the offer is stored with which the need was `of`.
func (n *need) acknowledge(of need) {
	n.stored.offers, n.stored.bytes = max(n.stored.offers, of.offers), max(n.stored.bytes, of.bytes)
}

// committer writes the progress of all leases, within a budget.
type committer struct {
	store *Store
	wake  chan struct{} // by a lease whose progress is to be written at once

	// Guarded by Store.mu; due writes and reads them.

	idled  time.Time // the last write that was for a caught-up time alone
	credit credit
}

// run writes the offers of all leases that need it: each at most once per checkpoint interval or, with AtOnce, as soon
// as the last write was answered. Those that a crash would only read again wait longer, see need.
func (c *committer) run(ctx context.Context) error {
	s := c.store
	tick := time.NewTicker(max(s.cfg.CheckpointInterval, MinCheckpointInterval) / 4)
	defer tick.Stop()
	var g errgroup.Group
	g.SetLimit(parallel)
	defer func() { _ = g.Wait() }() // its functions return nil, or a panic that was reported
	for {
		select {
		case <-tick.C:
		case <-c.wake:
		case <-ctx.Done():
			return nil
		}
		for _, l := range c.due() {
			g.Go(func() error {
				return guard.Run(ctx, partName, func() error {
					err := l.writeProgress(ctx)
					if err != nil && ctx.Err() == nil {
						s.log.Debug("commit failed, trying again", zap.String("shard", l.shard), zap.Error(err))
					}
					c.answered(l, err)
					return nil
				})
			})
		}
	}
}

// due returns the leases to write now, and marks them as written so that a failing one waits for its interval too.
func (c *committer) due() []*Lease {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var out []*Lease
	var idle *Lease
	for _, l := range s.view.leases {
		switch {
		case l.state == leaseOver || l.state == leaseReleasing:
		case l.ledger.pace.busy, now.Before(l.ledger.pace.after):
		case l.ledger.suspect, l.ledger.dirty:
			interval := s.cfg.CheckpointInterval
			if !l.ledger.suspect && !l.ledger.need.soon() {
				interval = max(interval, lazyInterval)
			}
			if now.Sub(l.ledger.written) >= interval {
				out = append(out, l)
			}
		case l.ledger.offer.CaughtUp.Sub(l.ledger.stored.CaughtUp) >= idleEvery &&
			(idle == nil || l.ledger.stored.CaughtUp.Before(idle.ledger.stored.CaughtUp)):
			idle = l
		}
	}
	if idle != nil && now.Sub(c.idled) >= idleSpace {
		c.idled = now
		out = append(out, idle)
	}
	slices.SortFunc(out, func(a, b *Lease) int {
		return cmp.Or(a.ledger.written.Compare(b.ledger.written), cmp.Compare(a.shard, b.shard))
	})
	out = out[:min(len(out), c.credit.spend(now, len(out)))]
	for _, l := range out {
		l.ledger.written, l.ledger.pace.busy = now, true
	}
	return out
}

// credit is a budget of commitBudget writes a second, of which no more than one second's worth is saved up.
type credit struct {
	left float64
	at   time.Time
}

// spend returns how many of n writes may be made at now, and deducts them.
func (c *credit) spend(now time.Time, n int) int {
	c.left = min(commitBudget, c.left+now.Sub(c.at).Seconds()*commitBudget)
	c.at = now
	n = min(n, int(c.left))
	c.left -= float64(n)
	return n
}

// acknowledge notes that what a claim offers is stored now.
func (l *Lease) acknowledge(c claim) {
	s, p := l.store, c.offer
	s.mu.Lock()
	defer s.mu.Unlock()
	if was := l.ledger.stored; !p.Position.IsZero() && (p.Position != was.Position || p.Input != was.Input) {
		l.ledger.replaces = "" // a write of something else, as of a time, replaced nothing
	}
	l.ledger.stored, l.ledger.suspect = p, false
	l.ledger.need.acknowledge(c.need)
	l.reportUnstorableLocked(l.ledger.unstorable, "")
	l.ledger.dirty = l.ledger.offer.Position != p.Position || l.ledger.offer.Resolved != p.Resolved ||
		l.ledger.offer.Input != p.Input
	if r := s.view.rows[l.shard]; r != nil {
		now := *r
		now.Position, now.Resolved, now.Input, now.CaughtUp, now.Load, now.At = p.Position, p.Resolved, p.Input,
			p.CaughtUp, p.Load, time.Now()
		s.view.rows[l.shard] = &now
	}
	if l.state != leaseOver {
		l.ledger.confirm(time.Now())
	}
}

// confirm notes that the stored checkpoint was current at that time, which may be before what is known already.
func (d *ledger) confirm(at time.Time) {
	if at.After(d.confirmed) {
		d.confirmed = at
	}
}

// raise adopts a stored checkpoint that is beyond the offer.
func (l *Lease) raise(r *table.Row) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	l.ledger.suspect = false
	l.ledger.number = max(l.ledger.number, r.Offers)
	l.ledger.stored.Position, l.ledger.stored.Resolved, l.ledger.stored.Input = r.Position, r.Resolved, r.Input
	if l.comparableLocked(r) && r.Position.Compare(l.ledger.offer.Position) > 0 && !r.Ended() {
		l.ledger.offer.Position, l.ledger.offer.Resolved, l.ledger.offer.Input = r.Position, r.Resolved, r.Input
	}
	l.ledger.dirty = l.ledger.offer.Position != l.ledger.stored.Position ||
		l.ledger.offer.Resolved != l.ledger.stored.Resolved || l.ledger.offer.Input != l.ledger.stored.Input
	s.view.rows[l.shard] = r
}

// AtOnce is the checkpoint interval of a worker that writes progress as fast as DynamoDB answers. A shard has one write
// under way at a time, and the next one carries what came meanwhile. All shards together stay within commitBudget.
const AtOnce = time.Duration(math.MinInt64)

// commitPace is when the progress of a lease may be written next. The Store's mu guards it.
type commitPace struct {
	busy   bool // a write is under way
	failed int  // in a row
	after  time.Time
}

// answered notes how a commit ended. With AtOnce, one that failed is retried after a back-off; otherwise after its
// interval.
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
	if l.ledger.dirty && l.ledger.need.soon() {
		ask(c.wake)
	}
}
