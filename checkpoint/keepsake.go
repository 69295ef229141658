package checkpoint

import "context"

// Keepsake is a text that the workers of an application keep with it, for whoever starts next; empty where there is none. The
// table knows nothing of what is in it.
func (s *Store) Keepsake(ctx context.Context) (string, error) {
	it, err := s.table.get(ctx, keyApplication, true)
	return text(it[attrKeepsake]), err
}

// SetKeepsake replaces the text. The last writer wins. Without an application, there is nothing to keep it with.
func (s *Store) SetKeepsake(ctx context.Context, kept string) error {
	e := &expr{blind: true}
	e.setAttr(attrKeepsake, str(kept))
	e.ifPresent(attrKey)
	_, err := s.table.update(ctx, keyApplication, e)
	return err
}
