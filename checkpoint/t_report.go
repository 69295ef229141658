package checkpoint

import (
	"time"
)

// report is what one worker knows of the shards that it holds.
type report struct {
	arrival  time.Time // the latest arrival of a record in any of them, now or ever; zero: none yet
	caughtUp time.Time // the time up to which all of them were read; zero: not known
	covers   string    // of which shards caughtUp speaks
}

// add writes a report into the worker's own row.
func (r report) add(e *expr) {
	e.put(attrArrival, num(r.arrival.UnixMilli()), !r.arrival.IsZero())
	e.put(attrCaughtUp, num(r.caughtUp.UnixMilli()), !r.caughtUp.IsZero())
	e.put(attrCovers, str(r.covers), !r.caughtUp.IsZero())
}

func decodeReport(it item, now time.Time) report {
	return report{covers: short(text(it[attrCovers])), arrival: moment(it[attrArrival], now), caughtUp: moment(it[attrCaughtUp], now)}
}
