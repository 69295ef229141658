package admin

import (
	"cmp"
	"context"
	"fmt"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// Check finds invalid checkpoints in a table that was just read: what is not a sequence number, the end of a shard that
// the stream shows open, and, for shards that no worker reads, what Kinesis refuses.
func (a *Admin) Check(ctx context.Context, t *LeaseTable) {
	for i := range t.Shards {
		r := &t.Shards[i]
		switch p := r.Position; {
		case r.Fault != "" || p.IsZero():
		case !r.Listed:
			r.Fault = "the stream has no such shard"
		case p.Sequence == position.ShardEnd && !a.closed(r.Shard):
			r.Fault = "the checkpoint is SHARD_END, and the stream shows the shard open; a running worker reads it on"
		case p.Sequence == position.ShardEnd, r.Owner != "" && !r.Silent:
		case !position.ValidSequence(p.Sequence):
			r.Fault = fmt.Sprintf(
				"the checkpoint %s is no sequence number; a running worker replaces it when Kinesis refuses it",
				table.Quoted(p.Sequence))
		default:
			refused, note := a.source.Place(ctx, r.Shard, p.Sequence)
			r.Fault = cmp.Or(refused, note)
		}
	}
}
