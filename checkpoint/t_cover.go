package checkpoint

import (
	"hash/fnv"
	"strconv"
)

// cover sums shards up, each with the epoch in which it is held, in any order. The worker of a report and its readers
// come to the same sum when they mean the same shards, and only then is the report about what the reader thinks.
type cover uint64

func (c *cover) Add(shard string, epoch int64) {
	h := fnv.New64a()
	_, _ = h.Write(strconv.AppendInt([]byte(shard+"@"), epoch, 10)) // a hash never fails
	*c ^= cover(h.Sum64())
}

func (c cover) String() string { return strconv.FormatUint(uint64(c), 36) }
