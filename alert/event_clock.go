package alert

import "time"

// eventClock is how late it is for an evaluator: by the records that it saw, and by the clock of the service.
type eventClock struct {
	// eventTime is the latest arrival so far. Arrivals of a shard do not always increase.
	eventTime time.Time
	// clock is how late it is for the stream, in milliseconds; 0 where nobody says so.
	clock int64
}
