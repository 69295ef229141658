package checkpoint

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// origin is the moment at which the application began, and which shards the stream had then.
type origin struct {
	t0           time.Time
	open, closed map[string]bool
}

// encodeShards writes shard ids as sorted text: consecutive numbers of the usual names as ranges ("0-99,104"), other
// names as they are. Thousands of shards fit into one attribute.
func encodeShards(ids map[string]bool) string {
	var numbers []uint64
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if n, ok := shardNumber(id); ok {
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

func decodeShards(s string) (map[string]bool, error) {
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
				return nil, fmt.Errorf("shard range %s: %w", quoted(part), err)
			}
		}
		room := uint64(max(0, maxShards-len(out)))
		if hi < lo || hi-lo >= room || !isShardNumber(hi) {
			return nil, fmt.Errorf("shard range %s is not a range, or has more shards than a stream", quoted(part))
		}
		for n := lo; n <= hi; n++ {
			out[shardName(n)] = true
		}
	}
	return out, nil
}

const (
	shardPrefix = "shardId-"
	shardDigits = 12
)

// isShardNumber says whether a number fits into a name.
func isShardNumber(n uint64) bool { return n < 1_000_000_000_000 }

func shardName(n uint64) string { return fmt.Sprintf("%s%0*d", shardPrefix, shardDigits, n) }

func shardNumber(id string) (uint64, bool) {
	digits, ok := strings.CutPrefix(id, shardPrefix)
	if !ok || len(digits) != shardDigits {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && shardName(n) == id
}
