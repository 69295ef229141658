package lineage

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the size of a hash key
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Apart is how far apart two listings must begin for what both say to count as confirmed.
const Apart = time.Minute

// Sighting is a number of listings in a row that said the same of a shard: when the first and the last of them began.
// The zero value is none.
type Sighting struct{ From, To time.Time }

// Add adds a listing that began at that time.
func (s *Sighting) Add(began time.Time) {
	if s.From.IsZero() {
		s.From = began
	}
	s.To = began
}

// Any reports whether there was one.
func (s *Sighting) Any() bool { return !s.From.IsZero() }

// Confirmed reports whether two listings at least a minute apart said it, and none in between said otherwise.
func (s *Sighting) Confirmed() bool { return s.Any() && s.To.Sub(s.From) >= Apart }

// Proof is what the listings say about the end of a shard.
type Proof uint8

// The proofs.
const (
	ProofAwaited Proof = iota // no listing has begun since
	ProofEnded
	ProofOpen
)

// ProveEnd judges an answer of GetRecords that said that a shard has ended. Only a listing that began after the answer
// counts. One that shows the shard open refutes it. Only a complete one can confirm it: a shard that is wrongly shown
// closed, or not at all, leaves a hole in the key space.
func (l *Tree) ProveEnd(id string, answered time.Time) Proof {
	after := func(t time.Time) bool { return !t.IsZero() && !t.Before(answered) }
	s := l.Shards[id]
	switch {
	case s != nil && after(s.Open.To):
		return ProofOpen
	case after(l.complete):
		return ProofEnded
	}
	return ProofAwaited
}

// IsOpen reports whether a listing shows a shard open.
func IsOpen(s *types.Shard) bool {
	return s.SequenceNumberRange == nil || s.SequenceNumberRange.EndingSequenceNumber == nil
}

// Covered reports whether the open shards of a listing hold every hash key, as those of a stream always do. A listing
// that lacks an open shard, or shows one closed, is not complete.
func Covered(shards []types.Shard) bool {
	var open []HashRange
	for i := range shards {
		if IsOpen(&shards[i]) {
			r := HashRangeOf(shards[i].HashKeyRange)
			if !r.Known {
				return false
			}
			open = append(open, r)
		}
	}
	slices.SortFunc(open, func(a, b HashRange) int { return bytes.Compare(a.first[:], b.first[:]) })
	var next [md5.Size]byte // the lowest key that is not covered yet
	for _, r := range open {
		if bytes.Compare(r.first[:], next[:]) > 0 {
			return false
		}
		if bytes.Compare(r.last[:], next[:]) < 0 {
			continue
		}
		next = r.last
		if !increment(&next) {
			return true // that was the highest key
		}
	}
	return false
}

// increment adds one to a big-endian number, and reports whether it fits.
func increment(n *[md5.Size]byte) bool {
	for i := len(n) - 1; i >= 0; i-- {
		if n[i]++; n[i] != 0 {
			return true
		}
	}
	return false
}
