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
			code: "shards_over_limit",
			remedy: "start more workers, or raise leases.max_shards, which takes a restart of the workers: give them " +
				"memory and CPU for it",
			find: func(m *model, _ thresholds) findings {
				o := &m.owners
				limit := m.shardLimit()
				if o.free == 0 || limit.room {
					return nil
				}
				level := cmp.Or(when(len(o.late) > 0, LevelCritical), LevelInfo)
				return found(level, "%s no reader%s; leases.max_shards lets %s read %s%s",
					have(o.free, "shard"), o.lasting(), Number(limit.workers, "live worker"),
					Number(limit.shards, "shard"), limit.each())
			},
		},
		{
			code: "shards_unread", symptomOf: []string{"shards_over_limit"},
			remedy: "look at the log of the workers, and at DynamoDB's UpdateItem: one should take them within a " +
				"lease's " +
				"duration",
			find: func(m *model, _ thresholds) findings {
				o := &m.owners
				return found(when(len(o.late) > 0, LevelCritical), "%s had no reader for %s%s%s%s",
					have(len(o.late), "shard"), words(o.longest), first(o.late), o.silence(), m.selfIsFull())
			},
		},
		{
			code: "shards_free", symptomOf: []string{"shards_over_limit", "shards_unread"},
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

// shardLimit is how many shards the live workers may hold together, by what they say.
type shardLimit struct {
	workers, shards int
	one             int  // what each of them may hold; 0 where they differ
	room            bool // one of them may hold another
}

func (st *Status) shardLimit() (l shardLimit) {
	for i := range st.Workers {
		w := &st.Workers[i]
		if w.State != workerLive {
			continue
		}
		l.room = l.room || w.MaxShards == 0 || w.Shards < w.MaxShards
		if l.one = w.MaxShards; l.workers > 0 && l.shards != l.workers*l.one {
			l.one = 0
		}
		l.workers, l.shards = l.workers+1, l.shards+w.MaxShards
	}
	l.room = l.room || l.workers == 0 // who is to read is not known yet
	return l
}

func (l shardLimit) each() string {
	if l.workers < 2 || l.one == 0 {
		return ""
	}
	return fmt.Sprintf(", %d each", l.one)
}

// selfIsFull says that this worker leaves shards to the others, where it does.
func (st *Status) selfIsFull() string {
	for i := range st.Workers {
		if w := &st.Workers[i]; w.Self && w.MaxShards > 0 && w.Shards >= w.MaxShards {
			return fmt.Sprintf("; this worker may not read more than %d (leases.max_shards)", w.MaxShards)
		}
	}
	return ""
}

// lasting says for how long shards have had no reader, once that is too long.
func (o *ownership) lasting() string {
	if len(o.late) == 0 {
		return ""
	}
	return " for " + words(o.longest) + first(o.late)
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
