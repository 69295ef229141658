package table

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Skipped reports whether a shard is never read: under latest, what was closed at T0 holds nothing newer than T0.
func (o *Origin) Skipped(start Start, id string) bool {
	return start.Kind == StartLatest && o.Closed[id]
}

// From returns where a shard starts if only #application is known about it and its parents.
func (o *Origin) From(start Start, id string) types.StartingPosition {
	if !o.Open[id] && !o.Closed[id] {
		// Created after T0: all that it holds is newer than T0, and no record of it was ever read.
		return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	}
	if start.Kind == StartLatest && !o.T0.IsZero() {
		return types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(o.T0)}
	}
	return start.Position()
}

// Origin is the moment at which the application began, and which shards the stream had then.
type Origin struct {
	T0           time.Time
	Open, Closed map[string]bool
}

// EncodeShards writes shard ids as sorted text: consecutive numbers of the usual names as ranges ("0-99,104"), other
// names as they are. Thousands of shards fit into one attribute.
func EncodeShards(ids map[string]bool) string {
	var numbers []uint64
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if n, ok := ShardNumber(id); ok {
			numbers = append(numbers, n)
		} else {
			parts = append(parts, id)
		}
	}
	slices.Sort(numbers)
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, strconv.FormatUint(numbers[i], 10))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", numbers[i], numbers[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// maxShards bounds what a damaged row can make us allocate, in all its ranges; it is far above any stream's quota.
const maxShards = 1 << 18

// DecodeShards reads what EncodeShards wrote.
func DecodeShards(s string) (map[string]bool, error) {
	out := map[string]bool{}
	if s == "" {
		return out, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		lo, err := strconv.ParseUint(first, 10, 64)
		if err != nil {
			out[part] = true
			continue
		}
		hi := lo
		if isRange {
			if hi, err = strconv.ParseUint(last, 10, 64); err != nil {
				return nil, fmt.Errorf("shard range %s: %w", Quoted(part), err)
			}
		}
		room := uint64(max(0, maxShards-len(out)))
		if hi < lo || hi-lo >= room || !isShardNumber(hi) {
			return nil, fmt.Errorf("shard range %s is not a range, or has more shards than a stream", Quoted(part))
		}
		for n := lo; n <= hi; n++ {
			out[ShardName(n)] = true
		}
	}
	return out, nil
}

// The usual name of a shard is the prefix and a number of so many digits.
const (
	ShardPrefix = "shardId-"
	ShardDigits = 12
)

// isShardNumber reports whether a number fits into a name.
func isShardNumber(n uint64) bool { return n < 1_000_000_000_000 }

// ShardName is the usual name of a shard with a number.
func ShardName(n uint64) string { return fmt.Sprintf("%s%0*d", ShardPrefix, ShardDigits, n) }

// ShardNumber is the number of a shard with a usual name.
func ShardNumber(id string) (uint64, bool) {
	digits, ok := strings.CutPrefix(id, ShardPrefix)
	if !ok || len(digits) != ShardDigits {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && ShardName(n) == id
}

// FirstFormat is the format of snapshots that every version reads. A worker whose row names none reads no later one.
const FirstFormat = 1

// HashKey is the secret of an application, under which its workers hash what producers write. The first worker with a
// version that knows of it writes it into #application.
type HashKey [16]byte

func (k HashKey) String() string { return hex.EncodeToString(k[:]) }

// ParseHashKey reads what HashKey.String wrote.
func ParseHashKey(s string) (k HashKey, ok bool) {
	n, err := hex.Decode(k[:], []byte(s[:min(len(s), 2*len(k))]))
	return k, err == nil && n == len(k) && len(s) == 2*len(k)
}

// NewHashKey makes a key at random.
func NewHashKey() (k HashKey) {
	_, _ = rand.Read(k[:]) // crypto/rand never fails
	return k
}
