package lineage

import (
	"bytes"
	"crypto/md5" //nolint:gosec // for the size of a hash key
	"math/big"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// HashRange is a shard's part of the 128-bit space of hash keys, as big-endian numbers; both ends belong to it. The
// zero value is unknown.
type HashRange struct {
	first, last [md5.Size]byte
	Known       bool
}

// HashRangeOf reads what the Kinesis API writes in decimals, from 0 to 2^128-1.
func HashRangeOf(r *types.HashKeyRange) HashRange {
	var h HashRange
	if r == nil {
		return h
	}
	for text, bound := range map[*string]*[md5.Size]byte{r.StartingHashKey: &h.first, r.EndingHashKey: &h.last} {
		n, ok := new(big.Int).SetString(aws.ToString(text), 10)
		if !ok || n.Sign() < 0 || n.BitLen() > 8*md5.Size {
			return HashRange{}
		}
		n.FillBytes(bound[:])
	}
	h.Known = bytes.Compare(h.first[:], h.last[:]) <= 0
	return h
}

// Holds reports whether a hash key falls into the range. An unknown range holds everything.
func (h *HashRange) Holds(hash [md5.Size]byte) bool {
	return !h.Known || bytes.Compare(h.first[:], hash[:]) <= 0 && bytes.Compare(hash[:], h.last[:]) <= 0
}

// Below reports whether the range begins before another one.
func (h *HashRange) Below(other HashRange) bool { return bytes.Compare(h.first[:], other.first[:]) < 0 }

// meets reports whether two ranges share a key. An unknown range shares keys with every other one.
func (h *HashRange) meets(other HashRange) bool {
	return !h.Known || !other.Known || bytes.Compare(h.first[:], other.last[:]) <= 0 &&
		bytes.Compare(other.first[:], h.last[:]) <= 0
}
