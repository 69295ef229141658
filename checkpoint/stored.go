package checkpoint

// Checkpoint answers what the table is known to have of a shard, whoever reads it: how often an operator has sent it
// back, and its checkpoint, which is empty where there is none and SHARD_END at the end. known is false for a shard
// without a row. It does no I/O.
func (s *Store) Checkpoint(shardID string) (generation uint32, sequence string, sub uint32, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.view.rows[shardID]
	if r == nil {
		return 0, "", 0, false
	}
	return r.Rewinds, r.Position.Sequence, r.Position.Sub, true
}
