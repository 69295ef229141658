package checkpoint

import (
	"context"

	"kinesis-alerter/checkpoint/table"
)

// Keepsake is a text that the workers of an application keep with it, for whoever starts next; empty where there is
// none. The table knows nothing of what is in it.
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
