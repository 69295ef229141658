package alert

import "time"

// eventClock is the time as an evaluator knows it: by the records that it saw, and by the clock of Kinesis.
type eventClock struct {
	// eventTime is the latest arrival so far. Arrivals of a shard do not always increase.
	eventTime time.Time
	// clock is the time by the clock of Kinesis, in milliseconds; 0 if Reaches was never called.
	clock int64
}

// at returns the event time of a trigger. A late record counts as happening now.
func (c *eventClock) at(t *trigger) int64 {
	if t.rec != nil {
		return c.now()
	}
	return t.ms()
}

// now returns the event time in milliseconds. It never goes back.
func (c *eventClock) now() int64 { return millisOf(c.eventTime) }

// EventTime returns the latest arrival that the evaluator has seen; zero before the first.
func (e *Evaluator) EventTime() time.Time { return e.clock.eventTime }

// Reaches sets the time up to which the stream has records, by the clock of Kinesis, however far behind evaluation is.
// It decides one thing: which repetitions are sent while evaluation catches up. Without a call of Reaches, all are.
func (e *Evaluator) Reaches(now time.Time) { e.clock.clock = now.UnixMilli() }

func millis(d time.Duration) int64 { return d.Milliseconds() }

// millisOf returns a time in milliseconds; 0 for the zero time. An arrival before 1970 counts as 1970: 0 is "never",
// and windows are counted from there.
func millisOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMilli(), 1)
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
