package checkpoint

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
)

// view is what this process knows of the table and the stream. It has no lock and does no I/O: the Store's mu guards
// it, so call its methods with mu held. A decision is a method of the view that takes the time and returns what to
// do.
type view struct {
	start table.Start // where a shard without a checkpoint starts, by the configuration; never changes
	most  int         // how many shards this worker may hold; 0 is any number; never changes

	// Of the #application row. The opener writes them, everyone reads them.
	app      *table.Application // nil until the row was read
	duration time.Duration      // of a lease, as the table says
	adopted  time.Time          // when #application, as it is, was first read

	// Of this worker. The session writes me and retired, Leave writes leaving, planner and leases write the rest.
	me      *incarnation    // nil while not joined
	retired map[string]bool // former ids of this process, to be fenced
	leaving bool
	leases  map[string]*Lease
	// those that wait for their consumer, oldest first, and some that do not any more
	granted       []*Lease
	memory        map[string]*table.Row // of shards that this process held
	cooldownUntil map[string]time.Time  // shards that this process does not take before

	// Of the table. The watcher writes them after a scan, and every part after it has read or written a row.
	scanned  time.Time
	rows     map[string]*table.Row
	peers    map[string]*peer
	suspects []string // shards whose row a scan showed at a lower epoch than was known
	// owners that have no worker row, confirmed, and since when their leases count as over
	orphans map[string]time.Time
	// shards whose row vanished while another worker held it, and until when they are its own
	vanished map[string]time.Time
	circles  map[string]bool // rows whose parents lead back to them, as of the last scan
	damaged  map[string]*table.DamagedRow
	arrival  time.Time // the latest that any worker reported

	lineage *lineage.Tree // of the stream; the catalog writes it, and rows of peers add to it
}

func newView(start table.Start, most int, lease time.Duration) view {
	return view{
		start: start, most: most, duration: lease, retired: map[string]bool{}, leases: map[string]*Lease{},
		memory: map[string]*table.Row{}, cooldownUntil: map[string]time.Time{}, rows: map[string]*table.Row{},
		peers:   map[string]*peer{},
		orphans: map[string]time.Time{}, vanished: map[string]time.Time{}, damaged: map[string]*table.DamagedRow{},
		lineage: lineage.New(),
	}
}

// held returns the lease of a shard that this process holds, or nil.
func (v *view) held(id string) *Lease {
	if l := v.leases[id]; l != nil && l.state != leaseOver {
		return l
	}
	return nil
}

// finished reports whether nothing of a shard is left to read. It needs the #application row, like all methods below.
func (v *view) finished(id string) bool { return lineage.Finished(id, v.rows, &v.app.Origin, v.start) }

// gateOpen reports whether the parents of a shard let it be read.
func (v *view) gateOpen(id string) bool {
	return v.lineage.GateOpen(id, v.rows, &v.app.Origin, v.start)
}

// startOf returns where a shard without a checkpoint starts.
func (v *view) startOf(id string) types.StartingPosition {
	return v.lineage.From(id, v.rows, &v.app.Origin, v.start)
}

// noteVanished compares what a scan showed with what was known before. If a row is gone while another worker held the
// shard, that worker puts it back: it is still inside its trust window, and only it knows its progress. After a lease
// duration it has lost the shard, and any worker may take it. Call it before rows replace those known.
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
