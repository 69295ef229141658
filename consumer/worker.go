package consumer

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/consumer/kcl"
)

// table is the lease table as the KCL's worker needs it.
type table struct{ Leases }

var _ kcl.Table = table{}

// Lease implements kcl.Table.
func (t table) Lease(shard string) kcl.Lease {
	if lease := t.Leases.Lease(shard); lease != nil {
		return lease
	}
	return nil // an untyped nil
}

// shards is the Consumer as the KCL's worker calls it.
type shards struct{ *Consumer }

var _ kcl.Shards = shards{}

// Begin implements kcl.Shards.
func (c shards) Begin(id string) error { return c.begin(id) }

// Next implements kcl.Shards. The page waits in the shard for Ingest.
func (c shards) Next(id string) (at time.Time, last bool, err error) {
	s := c.shard(id)
	if s == nil {
		return time.Time{}, false, errNoLease
	}
	p, err := s.nextPage()
	if err != nil {
		return time.Time{}, false, err
	}
	s.intake.setCurrent(&p)
	return p.At, p.Proven, nil
}

// Ingest implements kcl.Shards.
func (c shards) Ingest(id string) {
	s := c.shard(id)
	if p := s.intake.takeCurrent(); p != nil {
		s.ingest(p)
	}
}

// Finish implements kcl.Shards.
func (c shards) Finish(id string) { c.shard(id).finish() }

// End implements kcl.Shards. The shard is wound down before its lease is released, so that a second consumer of the
// shard never runs alongside what remains of the first.
func (c shards) End(id string) error {
	released := c.end(id)
	defer released()
	defer c.ledger.prune(c.leases.Checkpoint) // a release stores what was dealt with
	return c.leases.Release(id)
}

// Panicked implements kcl.Shards. It costs the shard a new start from its checkpoint.
func (c shards) Panicked(id string, value any) error {
	c.metrics.panics.Inc()
	c.log.Error("panic, the shard starts again from its checkpoint", zap.String("shard", id), zap.Any("panic", value),
		zap.Stack("stack"))
	err := fmt.Errorf("panic: %v", value)
	if s := c.shard(id); s != nil {
		s.fail(err)
	}
	return err
}
