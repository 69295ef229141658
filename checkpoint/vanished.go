package checkpoint

import "time"

// noteVanished compares what a scan showed with what was known before. A row that is gone while another worker held the
// shard is that worker's to put back: it is still inside its trust window, and it alone knows how far it is. After a
// lease duration it has lost the shard, and anybody may have it. Call it with mu held, before rows replace those known.
func (s *Store) noteVanished(rows map[string]*row, now time.Time) {
	for id, until := range s.vanished {
		if rows[id] != nil || now.After(until) {
			delete(s.vanished, id)
		}
	}
	for id, old := range s.rows {
		if rows[id] == nil && old.owner != "" && !s.mine(old.owner) && s.liveOwner(old.owner) != "" {
			s.vanished[id] = now.Add(s.duration)
		}
	}
}

// mine reports whether an owner is this process, under its present id or one before. Call it with mu held.
func (s *Store) mine(owner string) bool {
	return s.retired[owner] || s.me != nil && owner == s.me.id
}
