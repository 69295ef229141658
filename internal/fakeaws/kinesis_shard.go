package fakeaws

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shard holds records by position: the first record ever is at position 1, and position 0 is the starting sequence
// number, which AWS accepts although no record has it.
type shard struct {
	id     string
	number int64
	keys   keyRange
	// firstKey and lastKey are keys in decimal, because a stream of a thousand shards is listed often.
	firstKey, lastKey string
	opened            time.Time
	closed            time.Time // zero while open
	parents           []string  // ParentShardId, AdjacentParentShardId

	prefix  string // of the shard's sequence numbers
	base    int64  // position of records[0]
	records []record

	readCalls, iteratorCalls bucket
	readBytes                bucket
	readBlocked              time.Time // after a full page
	writeBytes, writeCount   bucket
	readsWithData            int // for EmptyPages
}

// record is immutable once stored: pages are encoded outside the lock.
type record struct {
	arrival int64 // ms, never falling within a shard
	key     string
	data    []byte
}

func (r *record) size() int { return len(r.key) + len(r.data) }

const shardIDPrefix = "shardId-"

func shardID(number int64) string { return fmt.Sprintf(shardIDPrefix+"%012d", number) }

func parseShardID(id string) (int64, bool) {
	digits, ok := strings.CutPrefix(id, shardIDPrefix)
	if !ok || len(digits) != 12 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	return int64(n), err == nil
}

func (s *shard) isOpen() bool { return s.closed.IsZero() }

// next is the position of the record that would be stored now, and the end of a closed shard.
func (s *shard) next() int64 { return s.base + int64(len(s.records)) }

// Sequence numbers have 56 digits: 49, the ms at which the shard opened (13), the number of the shard in the account
// (10), the position (19) and a check (12). Children open after their parents, so theirs are above.
const (
	sequenceDigits = 56
	prefixDigits   = 25
	positionDigits = 19
	checkDigits    = 12
)

// check spreads sequence numbers out, so that neither "plus one" nor a made-up number passes for one of ours.
func check(position int64) int64 {
	return int64(uint64(position) * 0x9E3779B97F4A7C15 % 1_000_000_000_000) //nolint:gosec // wraps on purpose
}

func (s *shard) sequence(position int64) string {
	return string(s.appendSequence(make([]byte, 0, sequenceDigits), position))
}

func (s *shard) appendSequence(b []byte, position int64) []byte {
	b = append(b, s.prefix...)
	b = appendPadded(b, position, positionDigits)
	return appendPadded(b, check(position), checkDigits)
}

func appendPadded(b []byte, n int64, digits int) []byte {
	start := len(b)
	b = append(b, "0000000000000000000"[:digits]...)
	for i := start + digits - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// position is the inverse of sequence. It knows the numbers that the shard has given out, trimmed or not.
func (s *shard) position(sequence string) (int64, bool) {
	if len(sequence) != sequenceDigits {
		return 0, false
	}
	u, err := strconv.ParseUint(sequence[prefixDigits:prefixDigits+positionDigits], 10, 63)
	p := int64(u)
	if err != nil || s.sequence(p) != sequence {
		return 0, false
	}
	if s.isOpen() {
		return p, p < s.next()
	}
	return p, p <= s.next() // the ending sequence number
}

// append stores a record and returns its sequence number.
func (s *shard) append(now time.Time, cutoff int64, key string, data []byte) string {
	s.trim(cutoff)
	arrival := now.UnixMilli()
	if n := len(s.records); n > 0 {
		arrival = max(arrival, s.records[n-1].arrival)
	}
	s.records = append(s.records, record{arrival: arrival, key: key, data: data})
	return s.sequence(s.next() - 1)
}

// trim drops the records that arrived before cutoff (ms).
func (s *shard) trim(cutoff int64) {
	if len(s.records) == 0 || s.records[0].arrival >= cutoff {
		return
	}
	n := s.after(cutoff)
	s.base += int64(n)
	if s.records = s.records[n:]; n > len(s.records) {
		// The old array is left to the pages that are being encoded from it.
		s.records = slices.Clone(s.records)
	}
}

// after is the index of the first record that arrived at or after that time (ms).
func (s *shard) after(arrival int64) int {
	i, _ := slices.BinarySearchFunc(s.records, arrival, func(r record, t int64) int {
		if r.arrival < t {
			return -1
		}
		return 1
	})
	return i
}

// bucket is a rate limit with one second of burst. It may go into debt, because one record or one answer can be larger
// than a second's worth: AWS averages such bursts out.
type bucket struct {
	rate  float64 // per second
	level float64
	at    time.Time
}

func newBucket(rate float64, now time.Time) bucket { return bucket{rate: rate, level: rate, at: now} }

// ready reports whether the bucket is out of debt and has one left to give.
func (b *bucket) ready(now time.Time) bool {
	if d := now.Sub(b.at); d > 0 {
		b.level = min(b.rate, b.level+d.Seconds()*b.rate)
		b.at = now
	}
	const rounding = 1e-6
	return b.level >= 1-rounding
}

func (b *bucket) spend(n int) { b.level -= float64(n) }
