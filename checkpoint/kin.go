package checkpoint

import (
	"context"
	"crypto/md5" //nolint:gosec // Kinesis places records by the MD5 of their partition key; nothing is protected by it
	"errors"
	"slices"
	"time"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/saved"
	"kinesis-alerter/checkpoint/table"
)

// Family returns the parents of the shard, and its siblings: the other shards that take over from them. After a
// LoadState that returned parents the siblings are known, unless the stream could not be listed. It does no I/O.
func (l *Lease) Family() (parents, siblings []string) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.familyLocked()
}

// familyLocked is Family.
func (l *Lease) familyLocked() (parents, siblings []string) {
	lin := l.store.view.lineage
	parents = l.first.Parents
	if info := lin.Shards[l.shard]; info != nil && (info.OfStream || len(info.Parents) > 0) {
		parents = info.Parents
	}
	for _, p := range parents {
		for _, child := range lin.Children(p) {
			if child != l.shard && !slices.Contains(siblings, child) {
				siblings = append(siblings, child)
			}
		}
	}
	slices.Sort(siblings)
	return slices.Sorted(slices.Values(parents)), siblings
}

// Inherits reports whether what its parents remember of a partition key falls to the shard: the stream places records
// with the key here by its hash. Keys that a producer placed outside the parents' own range (with an explicit hash key)
// fall to the sibling with the lowest range, so that every key falls to one shard. A shard whose range is not known yet
// inherits every key; after a LoadState that returned parents it is known, unless the stream could not be listed. It
// does no I/O.
func (l *Lease) Inherits(partitionKey string) bool {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	own, hash := l.store.view.keysOf(l.shard), md5.Sum([]byte(partitionKey)) //nolint:gosec // see the import
	if own.Holds(hash) {
		return true
	}
	_, siblings := l.familyLocked()
	for _, id := range siblings {
		keys := l.store.view.lineage.Shards[id].Keys
		if keys.Known && (keys.Holds(hash) || keys.Below(own)) {
			return false
		}
	}
	return true
}

// keysOf is the range of a shard; unknown while no listing has named it.
func (v *view) keysOf(id string) lineage.HashRange {
	if info := v.lineage.Shards[id]; info != nil {
		return info.Keys
	}
	return lineage.HashRange{}
}

// Relative reads what another shard of the stream remembers: the current state, with its version, and, if the shard has
// ended, its children. It returns the version that was given, and nothing else, while there is nothing new. It may be
// late by a scan of the table, from which it learns of a later state without a call.
func (l *Lease) Relative(ctx context.Context, shard, version string) (now string, state []byte, children []string,
	err error,
) {
	ctx, cancel := l.within(ctx)
	defer cancel()
	s := l.store
	s.mu.Lock()
	r, heirs := s.view.rows[shard], s.view.lineage.Children(shard)
	s.mu.Unlock()
	slices.Sort(heirs)
	if r != nil && relativeVersion(r, heirs) == version {
		return version, nil, nil, nil
	}
	for attempt := 0; ; attempt++ {
		now, state, children, err = s.relative(ctx, shard, version, heirs)
		if _, moved := errors.AsType[*saved.StateError](err); !moved || attempt > 0 {
			return now, state, children, err
		} // or a later save has just replaced it
	}
}

func (s *Store) relative(ctx context.Context, shard, version string, heirs []string) (now string, state []byte,
	children []string, err error,
) {
	it, err := s.table.Get(ctx, shard, true)
	if err != nil {
		return version, nil, nil, err
	}
	if it == nil { // its row was deleted with its shard
		if len(heirs) == 0 {
			return version, nil, nil, nil
		}
		return versionGone, nil, heirs, nil
	}
	r, err := table.DecodeRow(it, time.Now())
	if err != nil {
		return version, nil, nil, err
	}
	if now = relativeVersion(r, heirs); now == version {
		return version, nil, nil, nil
	}
	if r.Ended() {
		children = heirs
	}
	if r.State.Version != "" && r.State.Generation == r.Rewinds {
		state, err = s.states.Read(ctx, shard, r.State)
	}
	if err != nil {
		return version, nil, nil, err
	}
	return now, state, children, nil
}

const (
	versionGone = "gone"
	versionEnd  = "!" // behind the version of the last state of a shard that has ended
)

// relativeVersion returns the version of what there is to read of a shard. One that has ended counts when its children
// are known.
func relativeVersion(r *table.Row, heirs []string) string {
	v := ""
	if r.State.Generation == r.Rewinds {
		v = r.State.Version
	}
	if r.Ended() && len(heirs) > 0 {
		v += versionEnd
	}
	return v
}
