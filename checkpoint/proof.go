package checkpoint

import (
	"context"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/lineage"
)

// Ended reports whether the shard has ended, as an answer of GetRecords at that time said. It waits for a listing that
// began after the answer, and requests one at once. It is false when the listing shows the shard open.
func (l *Lease) Ended(ctx context.Context, answered time.Time) (bool, error) {
	s := l.store
	for asked := false; ; asked = true {
		s.mu.Lock()
		p, changed := s.view.lineage.ProveEnd(l.shard, answered), s.changed
		s.mu.Unlock()
		switch p {
		case lineage.ProofEnded:
			return true, nil
		case lineage.ProofOpen:
			return false, nil
		case lineage.ProofAwaited:
		}
		if !asked {
			s.catalog.relist()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// listingHealth records whether the listings of the stream are complete.
type listingHealth struct {
	complete bool
	since    time.Time // since when they are not
	reported bool
}

// note records a listing, and reports whether that is to be logged.
func (h *listingHealth) Note(began time.Time, complete bool) bool {
	h.complete = complete
	if complete {
		h.since = time.Time{}
	} else if h.since.IsZero() {
		h.since = began
	}
	news := h.reported == complete // reported as incomplete and now complete, or the other way round
	h.reported = !complete
	return news
}

func (c *catalog) tellListing(complete bool, shards, open int) {
	s := c.store
	fields := []zap.Field{zap.Int("shards", shards), zap.Int("open", open)}
	if complete {
		s.log.Info("the list of the stream's shards is complete again", fields...)
		return
	}
	s.log.Warn(
		"the list of the stream's shards cannot be right: its open shards do not hold every key, or a parent is "+
			"open or has other keys; asking again", fields...)
}
