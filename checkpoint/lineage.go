package checkpoint

import (
	"cmp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// shardInfo is what is known of one shard apart from its row.
type shardInfo struct {
	parents  []string
	ofStream bool // the parents are the stream's own word, and not that of a row
	keys     hashRange
	first    string // the starting sequence number, where a listing told
	last     string // the ending sequence number, empty while the shard is open
	// inListing says that some completed listing held the shard, so that a parent which that listing did not hold is
	// past the retention, and not merely unknown.
	inListing bool
	open      sighting // listings in a row that showed it open
	absent    sighting // complete listings in a row that did not hold it
	// contradiction are listings in a row that showed it open while its row said SHARD_END.
	contradiction sighting
	// gone says that Kinesis does not know it either, found that it does although it lists it not.
	gone, found bool
	told        bool // that it is gone
}

// lineage is the family tree of a stream's shards, from listings and from the rows of peers.
type lineage struct {
	shards   map[string]*shardInfo
	trimmed  map[string]bool // parents that no listing ever held and Kinesis does not know
	complete time.Time       // when the last complete listing began
}

func newLineage() *lineage {
	return &lineage{shards: map[string]*shardInfo{}, trimmed: map[string]bool{}}
}

// learn adds a shard that a listing or a GetRecords answer told of. It may be younger than the last listing, so it counts
// as listed until a listing says otherwise. What the stream says of parents stands, except that the last listing that names
// some is right.
func (l *lineage) learn(id string, parents []string) {
	s := l.shard(id)
	if !s.ofStream || len(s.parents) == 0 {
		s.parents, s.ofStream = parents, true
	}
}

// plausible are the shards of a listing whose parents can be theirs: shards have children when they are closed, and share keys
// with them. A shard would wait for another parent for as long as that is open, which may be for ever.
func plausible(shards []types.Shard) []types.Shard {
	byID := make(map[string]*types.Shard, len(shards))
	for i := range shards {
		byID[aws.ToString(shards[i].ShardId)] = &shards[i]
	}
	return slices.DeleteFunc(slices.Clone(shards), func(s types.Shard) bool {
		keys := hashRangeOf(s.HashKeyRange)
		return slices.ContainsFunc(parentsOf(&s), func(id string) bool {
			p := byID[id]
			return p != nil && (isOpen(p) || !keys.meets(hashRangeOf(p.HashKeyRange)))
		})
	})
}

// claimed adds a shard that a row told of. Anybody may have written the row: its parents count until the stream has named them.
func (l *lineage) claimed(id string, parents []string) {
	if s := l.shard(id); !s.ofStream && len(s.parents) == 0 {
		s.parents = parents
	}
}

func (l *lineage) shard(id string) *shardInfo {
	s := l.shards[id]
	if s == nil {
		s = &shardInfo{}
		l.shards[id] = s
	}
	return s
}

// descends reports whether a shard is among its own ancestors by way of one parent. Such a parent is never waited for.
func (l *lineage) descends(parent, from string) bool {
	return leadsTo(parent, from, func(id string) []string {
		if s := l.shards[id]; s != nil {
			return s.parents
		}
		return nil
	})
}

// leadsTo reports whether the way from one shard to its parents, theirs and so on comes to another one.
func leadsTo(from, to string, parents func(id string) []string) bool {
	seen, ask := map[string]bool{}, []string{from}
	for len(ask) > 0 {
		id := ask[len(ask)-1]
		ask = ask[:len(ask)-1]
		if id == to {
			return true
		}
		if !seen[id] {
			seen[id] = true
			ask = append(ask, parents(id)...)
		}
	}
	return false
}

// place notes the range of hash keys of a shard that is known. A range never changes.
func (l *lineage) place(id string, r *types.HashKeyRange) {
	if s := l.shards[id]; s != nil && !s.keys.known {
		s.keys = hashRangeOf(r)
	}
}

// listed merges a listing that began at that time. Shards in known were known when it began; only those can be missing
// from it, and only from a complete one.
func (l *lineage) listed(shards []types.Shard, known map[string]bool, began time.Time, complete bool) {
	present := make(map[string]bool, len(shards))
	for i := range shards {
		id := aws.ToString(shards[i].ShardId)
		present[id] = true
		parents := parentsOf(&shards[i])
		l.learn(id, parents)
		l.place(id, shards[i].HashKeyRange)
		s := l.shards[id]
		if len(parents) > 0 {
			s.parents = parents
		}
		s.inListing, s.absent, s.gone, s.found, s.told = true, sighting{}, false, false, false
		if r := shards[i].SequenceNumberRange; r != nil {
			s.first = cmp.Or(s.first, aws.ToString(r.StartingSequenceNumber)) // by which the stream is known again
			s.last = aws.ToString(r.EndingSequenceNumber)
		}
		if isOpen(&shards[i]) {
			s.open.add(began)
		} else {
			s.open = sighting{}
		}
	}
	if !complete {
		return
	}
	l.complete = began
	for id, s := range l.shards {
		if !present[id] && known[id] {
			s.open = sighting{}
			s.absent.add(began)
		}
	}
}

// trustListing takes parents that are not listed for gone, without asking Kinesis: for what only looks.
func (l *lineage) trustListing() {
	for _, s := range l.shards {
		for _, p := range s.parents {
			if parent := l.shards[p]; s.inListing && parent == nil {
				l.trimmed[p] = true
			} else if parent != nil && parent.absent.any() {
				parent.gone = true
			}
		}
	}
}

func (l *lineage) known() map[string]bool {
	out := make(map[string]bool, len(l.shards))
	for id := range l.shards {
		out[id] = true
	}
	return out
}

func (l *lineage) children(id string) []string {
	var out []string
	for child, s := range l.shards {
		if slices.Contains(s.parents, id) {
			out = append(out, child)
		}
	}
	return out
}

func parentsOf(s *types.Shard) []string {
	var out []string
	for _, p := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
		if id := aws.ToString(p); id != "" {
			out = append(out, id)
		}
	}
	return out
}

// unlisted reports whether the stream lists a shard no more, and it is not known to exist all the same.
func (s *shardInfo) unlisted() bool { return s.absent.any() && !s.found }

// from is where a shard without a checkpoint starts. Under latest a shard that was closed at T0 is read only when somebody
// imported or rewound its progress; its children then follow on at their beginning, and not at T0.
func (l *lineage) from(id string, rows map[string]*row, o *origin, start Start) types.StartingPosition {
	if s := l.shards[id]; s != nil && start.Kind == StartLatest {
		for _, p := range s.parents {
			if r := rows[p]; r != nil && r.placed() {
				return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
			}
		}
	}
	return o.from(start, id)
}

// finished reports whether nothing of a shard is left to read.
func finished(id string, rows map[string]*row, o *origin, start Start) bool {
	if r := rows[id]; r != nil && r.placed() {
		return r.ended()
	}
	return o.skipped(start, id)
}

// gateOpen reports whether a shard may be read: every parent that is still listed is finished.
//
// A parent that descends from the shard itself is none. A parent that is not listed is past the retention only if Kinesis does not know it either. One that nobody here has
// heard of may have come from a peer's row, and its own row is merely late.
func (l *lineage) gateOpen(id string, rows map[string]*row, o *origin, start Start) bool {
	s := l.shards[id]
	if s == nil {
		return false
	}
	for _, p := range s.parents {
		parent := l.shards[p]
		switch {
		case finished(p, rows, o, start):
		case parent == nil && l.trimmed[p]:
		case parent != nil && parent.gone:
		case l.descends(p, id):
		default:
			return false
		}
	}
	return true
}
