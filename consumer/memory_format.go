package consumer

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// snapshot is what is stored of a shard's evaluation: a header, then the evaluator's own snapshot. The header says when
// it was taken, and where reading began before there was a checkpoint. The lease table forgets the beginning with the
// first checkpoint, and a snapshot from before the first record has to be replayed from there.
//
// The header is a version, the kind of the beginning, its time and that of the snapshot, in nanoseconds since 1970,
// both as eight bytes, big-endian.
type snapshot struct {
	origin types.StartingPosition
	taken  time.Time
	state  []byte
}

const (
	snapshotVersion = 1
	snapshotHeader  = 2 + 8 + 8

	originTrimHorizon = 0
	originTimestamp   = 1
)

var errSnapshot = errors.New("no snapshot, or one of another version")

func (s snapshot) encode() []byte {
	b := make([]byte, 0, snapshotHeader+len(s.state))
	kind, at := byte(originTrimHorizon), int64(0)
	if s.origin.Type == types.ShardIteratorTypeAtTimestamp {
		kind, at = originTimestamp, s.origin.Timestamp.UnixNano()
	}
	b = append(b, snapshotVersion, kind)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	b = binary.BigEndian.AppendUint64(b, uint64(s.taken.UnixNano()))
	return append(b, s.state...)
}

func decodeSnapshot(b []byte) (snapshot, error) {
	if len(b) < snapshotHeader || b[0] != snapshotVersion || b[1] > originTimestamp {
		return snapshot{}, errSnapshot
	}
	nanoseconds := func(i int) time.Time {
		return time.Unix(0, int64(binary.BigEndian.Uint64(b[i:]))) //nolint:gosec // see encode
	}
	s := snapshot{
		origin: types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
		taken:  nanoseconds(10), state: b[snapshotHeader:],
	}
	if b[1] == originTimestamp {
		s.origin = types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(nanoseconds(2))}
	}
	return s, nil
}
