package checkpoint

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/internal/guard"
)

const (
	// idleEvery is how old the stored caught-up time of an idle shard may grow.
	idleEvery = 5 * time.Minute
	// idleSpace is the least time between two writes of this worker that carry nothing but a caught-up time.
	idleSpace = 2 * time.Second
	// commitBudget is how many commits a second one worker makes at most. With more busy shards than that, each of them is
	// written less often, the one that has waited longest first, so that a large fleet cannot run a table hot.
	commitBudget = 100
)

// committer writes the progress of all leases, within a budget.
type committer struct {
	store *Store
	wake  chan struct{} // by a lease whose progress is to be written at once

	// Guarded by Store.mu; due writes and reads them.

	idled  time.Time // the last write that was for a caught-up time alone
	credit credit
}

// run writes the offers of all leases: each at most once per checkpoint interval, or, at once, the next one when the
// last was answered.
func (c *committer) run(ctx context.Context) error {
	s := c.store
	tick := time.NewTicker(max(s.cfg.CheckpointInterval, MinCheckpointInterval) / 4)
	defer tick.Stop()
	var g errgroup.Group
	g.SetLimit(parallel)
	defer func() { _ = g.Wait() }() // its functions answer nil, or a panic that was reported
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
					err := s.commit(ctx, l)
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

// due answers the leases to write now, and marks them as written so that a failing one waits for its interval too.
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
		case l.pace.busy, now.Before(l.pace.after):
		case l.suspect, l.dirty:
			if now.Sub(l.written) >= s.cfg.CheckpointInterval {
				out = append(out, l)
			}
		case l.offer.caughtUp.Sub(l.stored.caughtUp) >= idleEvery && (idle == nil || l.stored.caughtUp.Before(idle.stored.caughtUp)):
			idle = l
		}
	}
	if idle != nil && now.Sub(c.idled) >= idleSpace {
		c.idled = now
		out = append(out, idle)
	}
	slices.SortFunc(out, func(a, b *Lease) int { return cmp.Or(a.written.Compare(b.written), cmp.Compare(a.shard, b.shard)) })
	out = out[:min(len(out), c.credit.spend(now, len(out)))]
	for _, l := range out {
		l.written, l.pace.busy = now, true
	}
	return out
}

// credit is a budget of commitBudget writes a second, of which no more than one second's worth is saved up.
type credit struct {
	left float64
	at   time.Time
}

// spend answers how many of n writes may be made at now, and takes them out.
func (c *credit) spend(now time.Time, n int) int {
	c.left = min(commitBudget, c.left+now.Sub(c.at).Seconds()*commitBudget)
	c.at = now
	n = min(n, int(c.left))
	c.left -= float64(n)
	return n
}

// acknowledge notes what is stored now.
func (s *Store) acknowledge(l *Lease, p progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.stored, l.suspect, l.replaces = p, false, ""
	s.tellUnstorable(l, l.unstorable, "")
	l.dirty = l.offer.position != p.position || l.offer.resolved != p.resolved
	if r := s.view.rows[l.shard]; r != nil {
		now := *r
		now.position, now.resolved, now.caughtUp, now.load, now.at = p.position, p.resolved, p.caughtUp, p.load, time.Now()
		s.view.rows[l.shard] = &now
	}
	l.confirm(time.Now())
}

// confirm notes that the stored checkpoint was current at that time, which may be before what is known already. Call it with the Store's mu held.
func (l *Lease) confirm(at time.Time) {
	if at.After(l.confirmed) && l.state != leaseOver {
		l.confirmed = at
	}
}

// raise takes a stored checkpoint over that is beyond the offer.
func (s *Store) raise(l *Lease, r *row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.suspect = false
	l.number = max(l.number, r.offers)
	l.stored.position, l.stored.resolved = r.position, r.resolved
	if s.comparable(l, r) && r.position.Compare(l.offer.position) > 0 && !r.ended() {
		l.offer.position, l.offer.resolved = r.position, r.resolved
	}
	l.dirty = l.offer.position != l.stored.position || l.offer.resolved != l.stored.resolved
	s.view.rows[l.shard] = r
}
