package checkpoint

import (
	"bytes"
	"crypto/md5" //nolint:gosec // for the size of a hash key
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

// holds says whether a hash key falls into the range. An unknown range holds everything.
func (h *hashRange) holds(hash [md5.Size]byte) bool {
	return !h.known || bytes.Compare(h.first[:], hash[:]) <= 0 && bytes.Compare(hash[:], h.last[:]) <= 0
}

// below says whether the range begins before another one.
func (h *hashRange) below(other hashRange) bool { return bytes.Compare(h.first[:], other.first[:]) < 0 }

// meets says whether two ranges share a key. An unknown range shares keys with every other one.
func (h *hashRange) meets(other hashRange) bool {
	return !h.known || !other.known || bytes.Compare(h.first[:], other.last[:]) <= 0 && bytes.Compare(other.first[:], h.last[:]) <= 0
}
