package checkpoint

import (
	"time"

	"kinesis-alerter/checkpoint/table"
)

// noteVanished compares what a scan showed with what was known before. A row that is gone while another worker held the
// shard is that worker's to put back: it is still inside its trust window, and it alone knows how far it is. After a
// lease duration it has lost the shard, and anybody may have it. Call it before rows replace those known.
func (v *view) noteVanished(rows map[string]*table.Row, now time.Time) {
	for id, until := range v.vanished {
		if rows[id] != nil || now.After(until) {
			delete(v.vanished, id)
		}
	}
	for id, old := range v.rows {
		if rows[id] == nil && old.Owner != "" && !v.mine(old.Owner) && v.liveOwner(old.Owner, now) != "" {
			v.vanished[id] = now.Add(v.duration)
		}
	}
}

// mine reports whether an owner is this process, under its present id or one before.
func (v *view) mine(owner string) bool {
	return v.retired[owner] || v.me != nil && owner == v.me.id
}
