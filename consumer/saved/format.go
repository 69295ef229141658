package saved

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Memory is what is saved of a shard: a header, then the evaluator state. The header says when it was taken, and where
// reading began before there was a checkpoint. The lease table forgets that place with the first checkpoint, and a
// memory from before the first record has to be replayed from there.
//
// The header is a version, the kind of that place, its time, and the time of the memory. Both times are nanoseconds
// since 1970, in eight bytes, big-endian.
type Memory struct {
	Origin types.StartingPosition
	Taken  time.Time
	State  []byte
}

const (
	version = 1
	header  = 2 + 8 + 8

	originTrimHorizon = 0
	originTimestamp   = 1
)

// ErrFormat is the error of bytes that are no saved memory of this version.
var ErrFormat = errors.New("no saved memory, or one of another version")

// Encode returns the bytes to save.
func (s Memory) Encode() []byte {
	b := make([]byte, 0, header+len(s.State))
	kind, at := byte(originTrimHorizon), int64(0)
	if s.Origin.Type == types.ShardIteratorTypeAtTimestamp {
		kind, at = originTimestamp, s.Origin.Timestamp.UnixNano()
	}
	b = append(b, version, kind)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Taken.UnixNano()))
	return append(b, s.State...)
}

// Decode is the inverse of Encode. The error is ErrFormat.
func Decode(b []byte) (Memory, error) {
	if len(b) < header || b[0] != version || b[1] > originTimestamp {
		return Memory{}, ErrFormat
	}
	nanoseconds := func(i int) time.Time {
		return time.Unix(0, int64(binary.BigEndian.Uint64(b[i:]))) //nolint:gosec // see encode
	}
	s := Memory{
		Origin: types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
		Taken:  nanoseconds(10), State: b[header:],
	}
	if b[1] == originTimestamp {
		s.Origin = types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(nanoseconds(2))}
	}
	return s, nil
}
