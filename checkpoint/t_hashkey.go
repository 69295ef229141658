package checkpoint

import (
	"crypto/rand"
	"encoding/hex"
)

// firstFormat is the format of snapshots that every version reads. A worker whose row names none reads no later one.
const firstFormat = 1

// hashKey is the secret of an application, under which its workers hash what producers write. It lies in #application, from the
// first worker on that knows of it.
type hashKey [16]byte

func (k hashKey) String() string { return hex.EncodeToString(k[:]) }

func parseHashKey(s string) (k hashKey, ok bool) {
	n, err := hex.Decode(k[:], []byte(s[:min(len(s), 2*len(k))]))
	return k, err == nil && n == len(k) && len(s) == 2*len(k)
}

func newHashKey() (k hashKey) {
	_, _ = rand.Read(k[:]) // crypto/rand never fails
	return k
}
