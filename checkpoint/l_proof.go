package checkpoint

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the size of a hash key
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// apart is how far apart two listings must begin for what both say to count as confirmed.
const apart = time.Minute

// sighting is a row of listings that said the same of a shard: when the first and the last of them began. The zero value
// is none.
type sighting struct{ from, to time.Time }

func (s *sighting) add(began time.Time) {
	if s.from.IsZero() {
		s.from = began
	}
	s.to = began
}

func (s *sighting) any() bool { return !s.from.IsZero() }

// confirmed reports whether two listings at least a minute apart said it, and none in between said otherwise.
func (s *sighting) confirmed() bool { return s.any() && s.to.Sub(s.from) >= apart }

// proof is what the listings say about the end of a shard.
type proof uint8

const (
	proofAwaited proof = iota // no listing has begun since
	proofEnded
	proofOpen
)

// proveEnd judges an answer of GetRecords that said that a shard has ended. Only a listing that began after the answer
// counts. One that shows the shard open refutes it. Only a complete one can confirm it: a shard that is wrongly shown
// closed, or not at all, leaves a hole in the key space.
func (l *lineage) proveEnd(id string, answered time.Time) proof {
	after := func(t time.Time) bool { return !t.IsZero() && !t.Before(answered) }
	s := l.shards[id]
	switch {
	case s != nil && after(s.open.to):
		return proofOpen
	case after(l.complete):
		return proofEnded
	}
	return proofAwaited
}

// isOpen reports whether a listing shows a shard open.
func isOpen(s *types.Shard) bool {
	return s.SequenceNumberRange == nil || s.SequenceNumberRange.EndingSequenceNumber == nil
}

// covered reports whether the open shards of a listing hold every hash key, as those of a stream always do. A listing
// that lacks an open shard, or shows one closed, is not complete.
func covered(shards []types.Shard) bool {
	var open []hashRange
	for i := range shards {
		if isOpen(&shards[i]) {
			r := hashRangeOf(shards[i].HashKeyRange)
			if !r.known {
				return false
			}
			open = append(open, r)
		}
	}
	slices.SortFunc(open, func(a, b hashRange) int { return bytes.Compare(a.first[:], b.first[:]) })
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
