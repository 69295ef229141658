package lineage

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/internal/position"
)

// secondLook is how far apart two answers must be before both count as saying that the stream is another one.
const secondLook = time.Second

// Identity is what the summary of a stream says of which stream it is.
type Identity struct {
	ARN     string
	Created int64 // Unix seconds
}

// OtherIdentity is one that is not that of #application, and when it was seen.
type OtherIdentity struct {
	Identity

	Seen Sighting
}

// Note records a summary that names another stream.
func (o *OtherIdentity) Note(id Identity, at time.Time) {
	if o.Identity != id {
		*o = OtherIdentity{Identity: id}
	}
	o.Seen.Add(at)
}

// Twice reports whether two answers said so.
func (o *OtherIdentity) Twice() bool { return o.Seen.Any() && o.Seen.To.Sub(o.Seen.From) >= secondLook }

// SameShards reports whether a listing is of the stream to which these shards belong: first are the starting sequence
// numbers that were listed before, and positions the checkpoints. A stream that was recreated has higher ones.
func SameShards(shards []types.Shard, first map[string]string, positions map[string]position.Position) bool {
	for i := range shards {
		id, r := aws.ToString(shards[i].ShardId), shards[i].SequenceNumberRange
		if r == nil || !position.ValidSequence(aws.ToString(r.StartingSequenceNumber)) {
			continue
		}
		start := *r.StartingSequenceNumber
		if first[id] == start {
			return true
		}
		if p := positions[id]; position.ValidSequence(p.Sequence) && position.CompareSequences(p.Sequence, start) >= 0 {
			return true
		}
	}
	return false
}

// ClosedIn returns the shards that a listing shows closed.
func ClosedIn(shards []types.Shard) map[string]bool {
	out := map[string]bool{}
	for i := range shards {
		if !IsOpen(&shards[i]) {
			out[aws.ToString(shards[i].ShardId)] = true
		}
	}
	return out
}
