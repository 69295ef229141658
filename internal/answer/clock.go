package answer

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Slack is how far a time may be ahead of the service's.
const Slack = 5 * time.Minute

// longestKept is longer than any stream keeps a record (365 days).
const longestKept = 400 * 24 * time.Hour

// farOff is how far off this machine's clock may be when only the first answers say so.
const farOff = 24 * time.Hour

// trusted is the service's time of an answer with this Date, which may be zero.
func (c *Checker) trusted(date time.Time) time.Time {
	agreed, slack := c.clock.Now(), Slack
	if _, known := c.clock.Ahead(); !known {
		slack = farOff
	}
	if date.IsZero() || date.Sub(agreed).Abs() > slack {
		return agreed
	}
	return date
}

// OffTime reports whether an arrival time is impossible at the service's time now.
func OffTime(arrival, now time.Time) bool {
	return arrival.Unix() > now.Add(Slack).Unix() || arrival.Unix() < now.Add(-longestKept).Unix()
}

// Untime removes impossible arrival times from records, and returns how many there were.
func Untime(records []types.Record, now time.Time) int {
	n := 0
	for i := range records {
		if t := records[i].ApproximateArrivalTimestamp; t != nil && OffTime(*t, now) {
			records[i].ApproximateArrivalTimestamp = nil
			n++
		}
	}
	return n
}
