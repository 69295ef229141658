package read

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/internal/clock"
)

const (
	// aheadSlack is how far an arrival time may be ahead of what confirms it.
	aheadSlack = 2 * time.Second
	// witnesses is how many of the next records are compared with an arrival time that is ahead.
	witnesses = 3
)

// CorrectArrivals corrects arrival times that are ahead, and returns how many there were. One record must not move its
// shard's time into the future: everything due until then would happen at once, and rules with memory would be silent
// until real time has caught up.
//
// A time that is ahead of all before it counts only as far as something confirms it. The first witness is the next
// records of the page: if more of them arrived before it than after it, it counts as the earliest of those. They are in
// the stream for every reader, so a replay finds the same; only about the last record of a page another reader may know
// more. The second witness is Kinesis' clock, if answers have shown it: a record cannot have arrived after it was read.
// reached is the time up to which the records before were evaluated; zero where there were none.
func CorrectArrivals(records []types.Record, reached time.Time, now *clock.Clock, read time.Time) int {
	n := 0
	latest, known := now.Latest(read)
	for i := range records {
		at := records[i].ApproximateArrivalTimestamp
		if at == nil {
			continue
		}
		borne := *at
		if borne.After(reached.Add(aheadSlack)) {
			borne = attested(records[i+1:], borne, reached)
			if known && borne.After(latest.Add(aheadSlack)) {
				borne = latest
			}
			if borne.Before(reached) {
				borne = reached
			}
		}
		if borne.Before(*at) {
			records[i].ApproximateArrivalTimestamp = &borne
			n++
		}
		if borne.After(reached) {
			reached = borne
		}
	}
	return n
}

// attested is an arrival time as far as the records behind it confirm it.
func attested(behind []types.Record, at, reached time.Time) time.Time {
	earliest, against, asked := at, 0, 0
	for i := range behind {
		other := behind[i].ApproximateArrivalTimestamp
		if other == nil {
			continue
		}
		if other.Before(at.Add(-aheadSlack)) && (reached.IsZero() || !other.Before(reached.Add(-aheadSlack))) {
			against++
			if other.Before(earliest) {
				earliest = *other
			}
		}
		if asked++; asked == witnesses {
			break
		}
	}
	if 2*against <= asked || reached.IsZero() && against < 2 {
		return at
	}
	return earliest
}
