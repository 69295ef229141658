package fakeaws

import (
	"cmp"
	"crypto/md5" //nolint:gosec // the service's own hash of partition keys
	"encoding/binary"
	"math/big"
	"math/bits"
)

// hashKey is a point of the 128-bit space in which shards hold ranges.
type hashKey struct{ hi, lo uint64 }

func maxHashKey() hashKey { return hashKey{^uint64(0), ^uint64(0)} }

// hashOf is where a partition key falls: its MD5 as a big-endian number.
func hashOf(partitionKey string) hashKey {
	sum := md5.Sum([]byte(partitionKey)) //nolint:gosec // the service's own hash of partition keys
	return hashKey{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

// parseHashKey reads the decimal form 0 … 2^128-1.
func parseHashKey(s string) (hashKey, bool) {
	if len(s) == 0 || len(s) > 39 {
		return hashKey{}, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return hashKey{}, false
		}
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || n.BitLen() > 128 {
		return hashKey{}, false
	}
	return hashKeyOf(n), true
}

func hashKeyOf(n *big.Int) hashKey {
	var b [16]byte
	n.FillBytes(b[:])
	return hashKey{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (h hashKey) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], h.hi)
	binary.BigEndian.PutUint64(b[8:], h.lo)
	return new(big.Int).SetBytes(b[:]).String()
}

func (h hashKey) compare(o hashKey) int {
	return cmp.Or(cmp.Compare(h.hi, o.hi), cmp.Compare(h.lo, o.lo))
}

// plus and minus wrap around at the ends of the space.
func (h hashKey) plus(n uint64) hashKey {
	lo, carry := bits.Add64(h.lo, n, 0)
	return hashKey{h.hi + carry, lo}
}

func (h hashKey) minus(o hashKey) hashKey {
	lo, borrow := bits.Sub64(h.lo, o.lo, 0)
	hi, _ := bits.Sub64(h.hi, o.hi, borrow)
	return hashKey{hi, lo}
}

func (h hashKey) prev() hashKey { return h.minus(hashKey{0, 1}) }

// keyRange is a shard's part of the space; both ends belong to it.
type keyRange struct{ first, last hashKey }

// middle is where the upper of two halves begins. The range has at least two keys.
func (r keyRange) middle() hashKey {
	d := r.last.minus(r.first)
	half := hashKey{d.hi >> 1, d.lo>>1 | d.hi<<63}
	lo, carry := bits.Add64(r.first.lo, half.lo, 0)
	return hashKey{r.first.hi + half.hi + carry, lo}.plus(1)
}

// inside says that the range can be split at key: both parts would hold at least one key.
func (r keyRange) inside(key hashKey) bool {
	return key.compare(r.first) > 0 && key.compare(r.last) <= 0
}

func (r keyRange) adjacent(o keyRange) bool {
	return r.last.compare(o.first) < 0 && r.last.plus(1) == o.first || o.last.compare(r.first) < 0 &&
		o.last.plus(1) == r.first
}

// union covers two adjacent ranges.
func (r keyRange) union(o keyRange) keyRange {
	if o.first.compare(r.first) < 0 {
		r, o = o, r
	}
	return keyRange{r.first, o.last}
}

// uniform returns where n ranges of equal size begin; as in AWS the last one holds the remainder.
func uniform(n int) []hashKey {
	size := new(big.Int).Lsh(big.NewInt(1), 128)
	size.Div(size, big.NewInt(int64(n)))
	starts := make([]hashKey, n)
	for i := range starts {
		starts[i] = hashKeyOf(new(big.Int).Mul(size, big.NewInt(int64(i))))
	}
	return starts
}
