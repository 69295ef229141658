package alert

import "time"

// eventClock is how late it is for an evaluator: by the records that it saw, and by the clock of the service.
type eventClock struct {
	// eventTime is the latest arrival so far. Arrivals of a shard do not always increase.
	eventTime time.Time
	// clock is how late it is for the stream, in milliseconds; 0 where nobody says so.
	clock int64
}

// at is the event time of an trigger: a record that came late happens now.
func (c *eventClock) at(t *trigger) int64 {
	if t.rec != nil {
		return c.now()
	}
	return t.ms()
}

// now is the event time in milliseconds. It never goes back.
func (c *eventClock) now() int64 { return millisOf(c.eventTime) }

// EventTime is the latest arrival that the evaluator has seen; zero before the first.
func (e *Evaluator) EventTime() time.Time { return e.clock.eventTime }

// Reaches tells the evaluator up to when the stream has records at least, however far behind evaluation is: what the
// service's clock shows. It decides one thing, which repetitions are said while evaluation catches up. An evaluator
// that knows no clock sends all.
func (e *Evaluator) Reaches(now time.Time) { e.clock.clock = now.UnixMilli() }

func millis(d time.Duration) int64 { return d.Milliseconds() }

// millisOf is 0 for the zero time. What a stream says to have arrived before 1970 arrived then: 0 is "never", and
// windows are counted from there.
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
