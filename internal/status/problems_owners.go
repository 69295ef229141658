package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"kinesis-alerter/checkpoint"
)

// unreadCritical is how long a shard may have no reader, beyond a lease's duration.
const unreadCritical = 10 * time.Second

func ownerKinds() []kind {
	return []kind{
		{
			code: "shards_unread",
			remedy: "look at the log of the workers, and at DynamoDB's UpdateItem: one should take them within a " +
				"lease's " +
				"duration",
			find: func(m *model, _ thresholds) findings {
				o := &m.owners
				return found(when(len(o.late) > 0, LevelCritical), "%s had no reader for %s%s%s",
					have(len(o.late), "shard"), words(o.longest), first(o.late), o.silence())
			},
		},
		{
			code: "shards_free", symptomOf: []string{"shards_unread"},
			find: func(m *model, _ thresholds) findings {
				o := &m.owners
				return found(when(o.free > 0, LevelInfo), "%s for an owner%s",
					wait(uint64(max(0, o.free)), "shard"), o.silence())
			},
		},
		{
			code: "worker_silent",
			find: func(m *model, _ thresholds) (all findings) {
				lease := seconds(m.Worker.LeaseSeconds)
				for i := range m.Workers { // not taken over yet, as far as this process can see
					w, silent := &m.Workers[i], seconds(m.Workers[i].Silent)
					told := m.owners.silent[w.ID] != nil
					if w.Shards == 0 || told || !m.hasGoneSilent(w) {
						continue
					}
					level := cmp.Or(when(silent >= lease+2*unreadCritical, LevelWarning), LevelInfo)
					all = append(all, found(level, "worker %s has been silent for %s, it holds %s",
						w.ID, words(silent), Number(w.Shards, "shard"))...)
				}
				return all
			},
		},
	}
}

// ownership is which shards have no reader, and whose fault that is.
type ownership struct {
	free    int           // shards that wait for an owner
	late    []string      // those of them that wait for too long
	longest time.Duration // of late
	// silent are the workers that those shards belonged to, by id.
	silent map[string]*FleetWorker
}

func ownershipOf(st *Status) ownership {
	workers := make(map[string]*FleetWorker, len(st.Workers))
	for i := range st.Workers {
		workers[st.Workers[i].ID] = &st.Workers[i]
	}
	o, allowed := ownership{silent: map[string]*FleetWorker{}}, seconds(st.Worker.LeaseSeconds)+unreadCritical
	for i := range st.Shards {
		s := &st.Shards[i]
		if s.UnreadSince == nil || s.State == string(checkpoint.ShardBlocked) {
			continue
		}
		o.free++
		if d := st.ago(s.UnreadSince); d >= allowed {
			o.late, o.longest = append(o.late, s.ID), max(o.longest, d)
		}
		if w := workers[s.Owner]; w != nil && !w.Self {
			o.silent[w.ID] = w
		}
	}
	return o
}

// silence says for how long the owners have been silent.
func (o *ownership) silence() string {
	if len(o.silent) == 0 {
		return ""
	}
	ids := slices.SortedStableFunc(maps.Keys(o.silent), func(a, b string) int {
		return cmp.Or(cmp.Compare(o.silent[b].Silent, o.silent[a].Silent), cmp.Compare(a, b))
	})
	text := fmt.Sprintf("; worker %s has been silent for %s", ids[0], words(seconds(o.silent[ids[0]].Silent)))
	if n := len(ids) - 1; n > 0 {
		text += ", and " + Number(n, "other")
	}
	return text
}
