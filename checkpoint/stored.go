package checkpoint

import (
	"context"

	"kinesis-alerter/checkpoint/table"
)

// Checkpoint returns what the table is known to have of a shard, whichever worker reads it: how often an operator has
// rewound it, and its checkpoint, which is empty where there is none and SHARD_END at the end. known is false for a
// shard without a row. It does no I/O.
func (s *Store) Checkpoint(shardID string) (generation uint32, sequence string, sub uint32, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.view.rows[shardID]
	if r == nil {
		return 0, "", 0, false
	}
	return r.Rewinds, r.Position.Sequence, r.Position.Sub, true
}

// Keepsake is a text that the workers of an application keep with it, for the next to start; empty if there is none.
// The table does not interpret it.
func (s *Store) Keepsake(ctx context.Context) (string, error) {
	it, err := s.table.Get(ctx, table.KeyApplication, true)
	return table.Text(it[table.AttrKeepsake]), err
}

// SetKeepsake replaces the text. The last writer wins. Without an application, there is nothing to keep it with.
func (s *Store) SetKeepsake(ctx context.Context, kept string) error {
	e := &table.Write{Blind: true}
	e.Set(table.AttrKeepsake, table.Str(kept))
	e.IfPresent(table.AttrKey)
	_, err := s.table.Update(ctx, table.KeyApplication, e)
	return err
}
