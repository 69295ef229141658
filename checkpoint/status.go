package checkpoint

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// ShardStatus is one shard in a Status.
type ShardStatus struct {
	ID       string
	Owner    string // worker id, or empty
	Epoch    int64
	Position position.Position // as offered if this process holds the shard, else as stored at the last scan
	CaughtUp time.Time
	Load     float64 // bytes per second
	Parents  []string
	State    table.ShardState
	Handoff  string // the worker that this process is to hand it to
	// Confirmed is when the stored checkpoint was last known to be current, if this process holds the shard.
	Confirmed time.Time
	// EndDoubted is since when listings show the shard open although its row says SHARD_END; zero while they do not.
	EndDoubted time.Time
	// Unstorable is why progress of a shard that this process holds cannot be stored; empty when it can.
	Unstorable string
}

// WorkerStatus is one worker in a Status.
type WorkerStatus struct {
	ID      string
	Version string
	Self    bool
	Fenced  bool
	Leaving bool
	Silent  time.Duration // since its last observed heartbeat, or since it was first seen; zero for this process
	// Heard is when its last heartbeat was observed. Before the first it is the time in the worker's row, by its own
	// clock; zero if it has none.
	Heard time.Time
	// Config is a keyed hash of the worker's configuration; empty if its version does not write one.
	Config string
	// Most is how many shards it may hold; 0 is any number.
	Most int
	// Pulse is that of its last heartbeat; for this process, that of now.
	Pulse table.Pulse
}

// Status is what one process knows of the lease table. Peers' rows may be ten seconds old.
type Status struct {
	Worker        string // empty while not joined
	TrustedUntil  time.Time
	Heartbeat     time.Time // when the attempt began that was last confirmed; zero while not joined
	Ready         bool
	Leaving       bool
	T0            time.Time
	Generation    string
	LeaseDuration time.Duration
	Scanned       time.Time
	Retention     time.Duration // of the stream's records; 0 while it is not known
	// WaitsFor is what the Store waits for before it can begin, since when, and the error code that the last call was
	// answered with: what is missing, or no answer at all (timeout, unreachable). Empty from the first heartbeat on.
	WaitsFor     string
	WaitingSince time.Time
	Because      string
	// Failure is why the last heartbeat failed, in the same way; empty when it did not.
	Failure string
	// Incomplete is since when the listings of the stream's shards lack some; zero while they do not.
	Incomplete time.Time
	Incidents  []Incident         // of the last 15 minutes
	Damaged    []table.DamagedRow // rows that cannot be read, and those that were rewritten in the last 15 minutes
	Lacks      []table.Lack       // settings that tables still lack which this process created
	Workers    []WorkerStatus     // sorted by id
	Shards     []ShardStatus      // sorted by id
}

// Status returns what is known in memory.
func (s *Store) Status() Status {
	var pulse table.Pulse
	if s.pulse != nil {
		pulse = s.pulse()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	out := Status{
		Ready: s.opener.ready, Leaving: s.view.leaving, LeaseDuration: s.view.duration, Scanned: s.view.scanned,
		Retention: s.catalog.retention,
		WaitsFor:  s.opener.opening.what, WaitingSince: s.opener.opening.since, Because: s.opener.opening.because,
		Failure: s.session.failure,
	}
	out.Lacks = s.maker.Lacks()
	out.Damaged = s.view.damagedRows(now)
	out.Incomplete, out.Incidents = s.catalog.health.since, s.incidents.recent(now)
	if s.view.app != nil {
		out.T0, out.Generation = s.view.app.Origin.T0, s.view.app.Generation
	}
	if s.view.me != nil {
		out.Worker, out.TrustedUntil, out.Heartbeat = s.view.me.id, s.view.me.window.until(), s.view.me.window.anchor
		out.Workers = append(out.Workers, WorkerStatus{
			ID: s.view.me.id, Version: s.cfg.Version, Self: true,
			Leaving: s.view.leaving, Config: s.agreement.configHashLocked(), Most: s.view.most, Pulse: pulse,
		})
	}
	for id, p := range s.view.peers {
		out.Workers = append(out.Workers, WorkerStatus{
			ID: id, Version: p.Version, Fenced: p.Fenced,
			Leaving: p.Leaving, Silent: now.Sub(p.since), Heard: s.since(p.heard(), p.since, now), Config: p.Config,
			Most: p.Most, Pulse: p.Pulse,
		})
	}
	slices.SortFunc(out.Workers, func(a, b WorkerStatus) int { return cmp.Compare(a.ID, b.ID) })
	for _, id := range slices.Sorted(maps.Keys(s.view.lineage.Shards)) {
		if s.view.shown(id) {
			out.Shards = append(out.Shards, s.view.shardStatus(id, now))
		}
	}
	return out
}

// shown reports whether a shard of the lineage is to be shown: it is in the stream, or has a row.
func (v *view) shown(id string) bool {
	return !v.lineage.Shards[id].Unlisted() || v.rows[id] != nil || v.leases[id] != nil
}

// abandoned reports whether a worker that has shards by their rows reads none of them, as far as this process can know:
// it is fenced, it is a former id of this process, or it was not heard of for a lease duration plus the time between
// two reads of all workers. The last happens when the table is unavailable, and then the owner's leases have expired
// too.
func (v *view) abandoned(owner string, now time.Time) bool {
	p := v.peers[owner]
	return p == nil || p.Fenced || now.Sub(p.since) > v.duration+scanEvery
}

// shardStatus is one shard of a Status.
func (v *view) shardStatus(id string, now time.Time) ShardStatus {
	out := ShardStatus{
		ID: id, Parents: v.lineage.Shards[id].Parents, State: table.ShardUnread,
		EndDoubted: v.lineage.Shards[id].Contradiction.From,
	}
	if r := v.rows[id]; r != nil {
		out.Owner, out.Epoch, out.Position, out.CaughtUp, out.Load = r.Owner, r.Epoch, r.Position, r.CaughtUp, r.Load
	}
	if l := v.held(id); l != nil {
		out.Owner, out.Epoch, out.Position, out.CaughtUp, out.Load = l.worker.id, l.epoch, l.ledger.offer.Position,
			l.ledger.offer.CaughtUp, l.ledger.offer.Load
		out.State, out.Handoff, out.Confirmed, out.Unstorable = table.ShardHeld, l.target, l.ledger.confirmed,
			cmp.Or(l.ledger.unstorable, l.ledger.foreign)
		return out
	}
	r := v.rows[id]
	switch {
	case r != nil && r.Ended():
		out.State = table.ShardEnded
	case out.Owner != "" && !v.abandoned(out.Owner, now):
		out.State = table.ShardForeign
	case r != nil && r.Paused:
		out.State = table.ShardPaused
	case out.Owner != "":
		out.State = table.ShardUnread
	case v.app != nil && v.finished(id):
		out.State = table.ShardSkipped
	case v.app != nil && !v.gateOpen(id):
		out.State = table.ShardBlocked
	}
	return out
}
