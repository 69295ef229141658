package lineage

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/checkpoint/table"
)

// Shard is what is known of one shard apart from its row.
type Shard struct {
	Parents  []string
	OfStream bool // the parents are from the stream, not from a row
	Keys     HashRange
	First    string // the starting sequence number, if a listing gave it
	Last     string // the ending sequence number, empty while the shard is open
	// InListing says that some completed listing held the shard, so that a parent which that listing did not hold is
	// past the retention, and not merely unknown.
	InListing bool
	Open      Sighting // listings in a row that showed it open
	Absent    Sighting // complete listings in a row that did not hold it
	// Contradiction are listings in a row that showed it open while its row said SHARD_END.
	Contradiction Sighting
	// Gone says that Kinesis does not know it either; found, that it does although it does not list it.
	Gone, found bool
	Told        bool // it was reported as gone
}

// Tree is the family tree of a stream's shards, from listings and from the rows of peers.
type Tree struct {
	Shards   map[string]*Shard
	trimmed  map[string]bool // parents that no listing ever held and Kinesis does not know
	complete time.Time       // when the last complete listing began
}

// New makes an empty tree.
func New() *Tree {
	return &Tree{Shards: map[string]*Shard{}, trimmed: map[string]bool{}}
}

// Learn adds a shard that a listing or a GetRecords answer named. It may be younger than the last listing, so it counts
// as listed until a listing says otherwise. Parents that the stream has named stay, until a later listing names others.
func (l *Tree) Learn(id string, parents []string) {
	s := l.shard(id)
	if !s.OfStream || len(s.Parents) == 0 {
		s.Parents, s.OfStream = parents, true
	}
}

// Plausible returns the shards of a listing whose parents can be theirs: shards have children when they are closed, and
// share keys with them. A shard would wait for another parent for as long as that is open, which may be forever.
func Plausible(shards []types.Shard) []types.Shard {
	byID := make(map[string]*types.Shard, len(shards))
	for i := range shards {
		byID[aws.ToString(shards[i].ShardId)] = &shards[i]
	}
	return slices.DeleteFunc(slices.Clone(shards), func(s types.Shard) bool {
		keys := HashRangeOf(s.HashKeyRange)
		return slices.ContainsFunc(ParentsOf(&s), func(id string) bool {
			p := byID[id]
			return p != nil && (IsOpen(p) || !keys.meets(HashRangeOf(p.HashKeyRange)))
		})
	})
}

// Claimed adds a shard that a row names. The row proves nothing: its parents count only until the stream has named
// them.
func (l *Tree) Claimed(id string, parents []string) {
	if s := l.shard(id); !s.OfStream && len(s.Parents) == 0 {
		s.Parents = parents
	}
}

func (l *Tree) shard(id string) *Shard {
	s := l.Shards[id]
	if s == nil {
		s = &Shard{}
		l.Shards[id] = s
	}
	return s
}

// descends reports whether a shard is among its own ancestors through one parent. Such a parent is never waited for.
func (l *Tree) descends(parent, from string) bool {
	return leadsTo(parent, from, func(id string) []string {
		if s := l.Shards[id]; s != nil {
			return s.Parents
		}
		return nil
	})
}

// leadsTo reports whether another shard is among the ancestors of one.
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

// Place notes the range of hash keys of a shard that is known. A range never changes.
func (l *Tree) Place(id string, r *types.HashKeyRange) {
	if s := l.Shards[id]; s != nil && !s.Keys.Known {
		s.Keys = HashRangeOf(r)
	}
}

// Listed merges a listing that began at that time. Shards in known were known when it began; only those can be missing
// from it, and only from a complete one.
func (l *Tree) Listed(shards []types.Shard, known map[string]bool, began time.Time, complete bool) {
	present := make(map[string]bool, len(shards))
	for i := range shards {
		id := aws.ToString(shards[i].ShardId)
		present[id] = true
		parents := ParentsOf(&shards[i])
		l.Learn(id, parents)
		l.Place(id, shards[i].HashKeyRange)
		s := l.Shards[id]
		if len(parents) > 0 {
			s.Parents = parents
		}
		s.InListing, s.Absent, s.Gone, s.found, s.Told = true, Sighting{}, false, false, false
		if r := shards[i].SequenceNumberRange; r != nil {
			s.First = cmp.Or(s.First, aws.ToString(r.StartingSequenceNumber)) // which identifies the stream
			s.Last = aws.ToString(r.EndingSequenceNumber)
		}
		if IsOpen(&shards[i]) {
			s.Open.Add(began)
		} else {
			s.Open = Sighting{}
		}
	}
	if !complete {
		return
	}
	l.complete = began
	for id, s := range l.Shards {
		if !present[id] && known[id] {
			s.Open = Sighting{}
			s.Absent.Add(began)
		}
	}
}

// TrustListing counts parents that are not listed as gone, without asking Kinesis: for commands that only read.
func (l *Tree) TrustListing() {
	for _, s := range l.Shards {
		for _, p := range s.Parents {
			if parent := l.Shards[p]; s.InListing && parent == nil {
				l.trimmed[p] = true
			} else if parent != nil && parent.Absent.Any() {
				parent.Gone = true
			}
		}
	}
}

// Known returns the ids of all shards.
func (l *Tree) Known() map[string]bool {
	out := make(map[string]bool, len(l.Shards))
	for id := range l.Shards {
		out[id] = true
	}
	return out
}

// Children returns the shards that name this one as a parent.
func (l *Tree) Children(id string) []string {
	var out []string
	for child, s := range l.Shards {
		if slices.Contains(s.Parents, id) {
			out = append(out, child)
		}
	}
	return out
}

// ParentsOf are the parents that a listing names.
func ParentsOf(s *types.Shard) []string {
	var out []string
	for _, p := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
		if id := aws.ToString(p); id != "" {
			out = append(out, id)
		}
	}
	return out
}

// Unlisted reports whether the stream no longer lists a shard, and it is not known to exist all the same.
func (s *Shard) Unlisted() bool { return s.Absent.Any() && !s.found }

// From returns where a shard without a checkpoint starts. Under latest, a shard that was closed at T0 is read only if
// an operator imported or rewound its progress. Its children then start at their beginning, not at T0.
func (l *Tree) From(id string, rows map[string]*table.Row, o *table.Origin, start table.Start) types.StartingPosition {
	if s := l.Shards[id]; s != nil && start.Kind == table.StartLatest {
		for _, p := range s.Parents {
			if r := rows[p]; r != nil && r.Placed() {
				return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
			}
		}
	}
	return o.From(start, id)
}

// Finished reports whether nothing of a shard is left to read.
func Finished(id string, rows map[string]*table.Row, o *table.Origin, start table.Start) bool {
	if r := rows[id]; r != nil && r.Placed() {
		return r.Ended()
	}
	return o.Skipped(start, id)
}

// GateOpen reports whether a shard may be read: every parent that is still listed is finished.
//
// A parent that descends from the shard itself does not count. A parent that is not listed is past the retention only
// if Kinesis does not know it either. One that is unknown here may have come from a peer's row, and its own row is
// merely late.
func (l *Tree) GateOpen(id string, rows map[string]*table.Row, o *table.Origin, start table.Start) bool {
	s := l.Shards[id]
	if s == nil {
		return false
	}
	for _, p := range s.Parents {
		parent := l.Shards[p]
		switch {
		case Finished(p, rows, o, start):
		case parent == nil && l.trimmed[p]:
		case parent != nil && parent.Gone:
		case l.descends(p, id):
		default:
			return false
		}
	}
	return true
}

// Missing returns the shards to ask Kinesis about: known ones that were absent for a minute, and parents that no
// listing ever held, which are past the retention if Kinesis does not know them either.
func (l *Tree) Missing() []string {
	ask := map[string]bool{}
	for id, s := range l.Shards {
		if s.Absent.Confirmed() && !s.Gone {
			ask[id] = true
		}
		if !s.InListing || s.Absent.Any() {
			continue
		}
		for _, p := range s.Parents {
			if l.Shards[p] == nil && !l.trimmed[p] {
				ask[p] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ask))
}

// Sought notes what Kinesis said of a shard that listings do not show.
func (l *Tree) Sought(id string, found bool) {
	if s := l.Shards[id]; s != nil {
		if s.Absent.Confirmed() { // it may have been listed meanwhile
			s.Gone, s.found = !found, found
		}
		return
	}
	if found {
		l.shard(id).found = true // unlisted but there: read it before its children
		return
	}
	l.trimmed[id] = true
}

// ParentsOf are the parents of a shard.
func (l *Tree) ParentsOf(id string) []string {
	if s := l.Shards[id]; s != nil {
		return s.Parents
	}
	return nil
}

// Related reports whether one of these shards is reached from id by one or more steps.
func (*Tree) Related(id string, these map[string]bool, step func(string) []string) bool {
	seen := map[string]bool{}
	for todo := step(id); len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		if these[next] {
			return true
		}
		if !seen[next] {
			seen[next] = true
			todo = append(todo, step(next)...)
		}
	}
	return false
}
