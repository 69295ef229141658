package checkpoint

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/internal/position"
)

// secondLook is how far apart two answers must be that say that the stream is another one.
const secondLook = time.Second

// identity is what the summary of a stream says of which stream it is.
type identity struct {
	arn     string
	created int64 // Unix seconds
}

// otherIdentity is one that is not that of #application, and when it was seen.
type otherIdentity struct {
	identity

	seen lineage.Sighting
}

// note takes a summary in that names another stream.
func (o *otherIdentity) note(id identity, at time.Time) {
	if o.identity != id {
		*o = otherIdentity{identity: id}
	}
	o.seen.Add(at)
}

// twice reports whether two answers said so.
func (o *otherIdentity) twice() bool { return o.seen.Any() && o.seen.To.Sub(o.seen.From) >= secondLook }

// sameShards reports whether a listing is of the stream to which these shards belong: first are the starting sequence
// numbers that were listed before, and positions the checkpoints. A stream that was made anew has higher ones.
func sameShards(shards []types.Shard, first map[string]string, positions map[string]position.Position) bool {
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

func closedIn(shards []types.Shard) map[string]bool {
	out := map[string]bool{}
	for i := range shards {
		if !lineage.IsOpen(&shards[i]) {
			out[aws.ToString(shards[i].ShardId)] = true
		}
	}
	return out
}
