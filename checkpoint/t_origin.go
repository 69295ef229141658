package checkpoint

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// skipped reports whether a shard is never read: under latest, what was closed at T0 holds nothing newer than T0.
func (o *origin) skipped(start Start, id string) bool {
	return start.Kind == StartLatest && o.closed[id]
}

// from is where a shard starts of which, and of whose parents, nothing is known but what #application says.
func (o *origin) from(start Start, id string) types.StartingPosition {
	if !o.open[id] && !o.closed[id] {
		// Created after T0: all that it holds is newer than T0, and no record of it was ever read.
		return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	}
	if start.Kind == StartLatest && !o.t0.IsZero() {
		return types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(o.t0)}
	}
	return start.position()
}
