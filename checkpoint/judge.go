package checkpoint

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/guard"
)

// judge compares the last listing with the rows, asks Kinesis about each shard on which they differ, and acts on the
// result. It reports whether something could not be found out.
func (c *catalog) judge(ctx context.Context) (undecided bool) {
	s := c.store
	s.mu.Lock()
	missing := s.view.lineage.Missing()
	doubtful := s.view.doubtfulEnds(time.Now())
	skipped := s.view.wronglySkipped()
	s.mu.Unlock()
	undecided = c.seek(ctx, missing)
	c.dropGone()
	undecided = c.undoEnds(ctx, doubtful) || undecided
	if len(skipped) > 0 {
		undecided = c.undoSkips(ctx) || undecided
	}
	return undecided
}

// seek asks Kinesis for shards that are not listed.
func (c *catalog) seek(ctx context.Context, ids []string) (undecided bool) {
	s := c.store
	answers := make([]error, len(ids))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, id := range ids {
		g.Go(func() error {
			return guard.Run(ctx, partName, func() error {
				found, err := s.stream.Exists(ctx, id)
				if answers[i] = err; err == nil {
					s.mu.Lock()
					s.view.lineage.Sought(id, found)
					s.mu.Unlock()
				}
				return nil
			})
		})
	}
	_ = g.Wait() // its functions answer nil, or a panic that was reported
	for i, err := range answers {
		if err != nil && ctx.Err() == nil {
			undecided = true
			s.log.Debug("cannot find out whether a shard that is not listed exists", zap.String("shard", ids[i]),
				zap.Error(err))
		}
	}
	if len(ids) > 0 {
		s.planner.replan()
	}
	return undecided
}

// dropGone ends the leases of shards that the stream has lost: what was left unread or unsettled in them is past the
// retention, and their consumers would ask for it forever. The row keeps the position.
func (c *catalog) dropGone() {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, info := range s.view.lineage.Shards {
		r, l := s.view.rows[id], s.view.leases[id]
		if !info.Gone || info.Told || r == nil || r.Ended() {
			continue
		}
		held := l != nil && l.state != leaseOver
		if !held && s.view.liveOwner(r.Owner, time.Now()) != "" {
			continue // its holder reports it
		}
		info.Told = true
		s.m.gaps.WithLabelValues("true").Inc()
		s.incidents.add(IncidentGone, id, r.Position.Sequence)
		s.log.Error("the stream has lost a shard before it was read to its end, what was left in it is lost",
			zap.String("shard", id), zap.String("checkpoint", r.Position.Sequence))
		if held {
			l.cancel(ErrShardGone) // its consumer ends and Release releases the row
		}
	}
}

// doubtfulEnds returns the rows at SHARD_END of shards that listings have shown open for a minute.
func (v *view) doubtfulEnds(now time.Time) []*table.Row {
	var out []*table.Row
	for id, info := range v.lineage.Shards {
		r := v.rows[id]
		if r == nil || !r.Ended() || !info.Open.Any() {
			info.Contradiction = lineage.Sighting{}
			continue
		}
		info.Contradiction.Add(now)
		if info.Contradiction.Confirmed() {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *table.Row) int { return compareIDs(a.ID, b.ID) })
	return out
}
