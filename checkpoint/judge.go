package checkpoint

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/internal/guard"
)

// judge compares the listing that was just made with the rows, asks Kinesis about each shard of which they differ, and
// acts on what both say. It reports whether something could not be found out.
func (c *catalog) judge(ctx context.Context) (unsure bool) {
	s := c.store
	s.mu.Lock()
	missing := s.view.lineage.missing()
	doubtful := s.view.doubtfulEnds(time.Now())
	skipped := s.view.wronglySkipped()
	s.mu.Unlock()
	unsure = c.seek(ctx, missing)
	c.dropGone()
	unsure = c.undoEnds(ctx, doubtful) || unsure
	if len(skipped) > 0 {
		unsure = c.undoSkips(ctx) || unsure
	}
	return unsure
}

// seek asks Kinesis for shards that are not listed.
func (c *catalog) seek(ctx context.Context, ids []string) (unsure bool) {
	s := c.store
	answers := make([]error, len(ids))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, id := range ids {
		g.Go(func() error {
			return guard.Run(ctx, partName, func() error {
				found, err := s.stream.exists(ctx, id)
				if answers[i] = err; err == nil {
					s.mu.Lock()
					s.view.lineage.sought(id, found)
					s.mu.Unlock()
				}
				return nil
			})
		})
	}
	_ = g.Wait() // its functions answer nil, or a panic that was reported
	for i, err := range answers {
		if err != nil && ctx.Err() == nil {
			unsure = true
			s.log.Debug("cannot find out whether a shard that is not listed exists", zap.String("shard", ids[i]), zap.Error(err))
		}
	}
	if len(ids) > 0 {
		s.planner.replan()
	}
	return unsure
}

// dropGone ends the leases of shards that the stream has lost: what was left unread or unresolved in them is past the
// retention, and their consumers would ask for it for ever. The row keeps the position.
func (c *catalog) dropGone() {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, info := range s.view.lineage.shards {
		r, l := s.view.rows[id], s.view.leases[id]
		if !info.gone || info.told || r == nil || r.ended() {
			continue
		}
		held := l != nil && l.state != leaseOver
		if !held && s.view.liveOwner(r.owner, time.Now()) != "" {
			continue // its holder tells
		}
		info.told = true
		s.m.gaps.WithLabelValues("true").Inc()
		s.incidents.add(IncidentGone, id, r.position.Sequence)
		s.log.Error("the stream has lost a shard before it was read to its end, what was left in it is lost",
			zap.String("shard", id), zap.String("checkpoint", r.position.Sequence))
		if held {
			l.cancel(ErrShardGone) // its consumer ends and Release releases the row
		}
	}
}

// doubtfulEnds are the rows at SHARD_END of shards that listings show open, for a minute now.
func (v *view) doubtfulEnds(now time.Time) []*row {
	var out []*row
	for id, info := range v.lineage.shards {
		r := v.rows[id]
		if r == nil || !r.ended() || !info.open.any() {
			info.contradiction = sighting{}
			continue
		}
		info.contradiction.add(now)
		if info.contradiction.confirmed() {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *row) int { return compareIDs(a.id, b.id) })
	return out
}
