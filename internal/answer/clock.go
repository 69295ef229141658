package answer

import (
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Slack is how far a time may be ahead of the service's.
const Slack = 5 * time.Minute

// longestKept is longer than any stream keeps a record (365 days).
const longestKept = 400 * 24 * time.Hour

// clock finds the services' time from the Date headers of their answers. A header that the others contradict is not
// believed. The zero value is ready.
type clock struct {
	mu    sync.Mutex
	ahead map[string]*[3]time.Duration // of this machine's clock, by service: the latest answers
	next  map[string]int
}

// trusted is the time of an answer with this Date, which may be zero.
func (c *clock) trusted(service string, date time.Time) time.Time {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ahead == nil {
		c.ahead, c.next = map[string]*[3]time.Duration{}, map[string]int{}
	}
	if !date.IsZero() {
		ring := c.ahead[service]
		if ring == nil {
			ring = &[3]time.Duration{date.Sub(now), date.Sub(now), date.Sub(now)}
			c.ahead[service] = ring
		}
		ring[c.next[service]] = date.Sub(now)
		c.next[service] = (c.next[service] + 1) % len(ring)
	}
	agreed := now.Add(c.median())
	if date.IsZero() || date.Sub(agreed).Abs() > Slack {
		return agreed
	}
	return date
}

// Now is the services' time, as far as their answers agree on it.
func (c *Checker) Now() time.Time {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	return time.Now().Add(c.clock.median())
}

// median is what most of the answers agree on; our own clock counts as one of them.
func (c *clock) median() time.Duration {
	all := make([]time.Duration, 1, 16)
	for _, ring := range c.ahead {
		all = append(all, ring[:]...)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// OffTime says whether an arrival time cannot be, at the service's time now.
func OffTime(arrival, now time.Time) bool {
	return arrival.Unix() > now.Add(Slack).Unix() || arrival.Unix() < now.Add(-longestKept).Unix()
}

// Untime takes the arrival times that cannot be from records, and says how many.
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
