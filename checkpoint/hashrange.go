package checkpoint

import (
	"bytes"
	"crypto/md5" //nolint:gosec // Kinesis places records by the MD5 of their partition key; nothing is protected by it
	"math/big"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// hashRange is a shard's part of the 128-bit space of hash keys, as big-endian numbers; both ends belong to it. The zero
// value is unknown.
type hashRange struct {
	first, last [md5.Size]byte
	known       bool
}

// hashRangeOf reads what the Kinesis API writes in decimals, from 0 to 2^128-1.
func hashRangeOf(r *types.HashKeyRange) hashRange {
	var h hashRange
	if r == nil {
		return h
	}
	for text, bound := range map[*string]*[md5.Size]byte{r.StartingHashKey: &h.first, r.EndingHashKey: &h.last} {
		n, ok := new(big.Int).SetString(aws.ToString(text), 10)
		if !ok || n.Sign() < 0 || n.BitLen() > 8*md5.Size {
			return hashRange{}
		}
		n.FillBytes(bound[:])
	}
	h.known = bytes.Compare(h.first[:], h.last[:]) <= 0
	return h
}

// holds says whether records with a partition key fall into the range. An unknown range holds everything.
func (h *hashRange) holds(partitionKey string) bool {
	if !h.known {
		return true
	}
	sum := md5.Sum([]byte(partitionKey)) //nolint:gosec // as above
	return bytes.Compare(h.first[:], sum[:]) <= 0 && bytes.Compare(sum[:], h.last[:]) <= 0
}

// Owns says whether records with a partition key fall to the shard, by the range of hash keys that the stream lists for
// it. A shard whose range is not known yet owns every key; after a LoadState that answered parents it is known, unless the
// stream could not be listed. It does no I/O.
func (l *Lease) Owns(partitionKey string) bool {
	l.store.mu.Lock()
	var keys hashRange
	if info := l.store.lineage.shards[l.shard]; info != nil {
		keys = info.keys
	}
	l.store.mu.Unlock()
	return keys.holds(partitionKey)
}
