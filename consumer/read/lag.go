package read

import "time"

// staleRead is how long a shard may go without an answer before that counts as lag: an idle shard is asked every poll
// interval, so silence of Kinesis is not the same as nothing to read.
const staleRead = 5 * time.Second

// LagAt computes a shard's lag: the age of the oldest unsettled record if one waits here; otherwise how old the next
// record in the stream must be, by the last answer. It grows while nothing moves; an idle shard has none.
func LagAt(now, oldest time.Time, waiting bool, lastFetch time.Time, behind time.Duration) time.Duration {
	switch {
	case waiting:
		return max(0, now.Sub(oldest))
	case lastFetch.IsZero():
		return 0
	case behind > 0:
		return behind + now.Sub(lastFetch)
	case now.Sub(lastFetch) > staleRead:
		return now.Sub(lastFetch)
	}
	return 0
}

// Unheard is since when the content of a shard is unknown, if Kinesis has not answered since began. It counts from the
// time up to which the last owner had read: otherwise every restart in an outage of Kinesis would reset the lag. In a
// shard's first moments that time is not used, because the row of an idle shard may be minutes old and the first answer
// is under way.
func Unheard(now, began, caughtUp time.Time) time.Time {
	if caughtUp.IsZero() || caughtUp.After(began) || now.Sub(began) <= staleRead {
		return began
	}
	return caughtUp
}

// loadHalfLife is how fast the measured load of a shard decays.
const loadHalfLife = 30 * time.Second

// Load is an exponentially decaying rate in bytes per second.
type Load struct {
	perSecond float64
	last      time.Time
}

// Add adds an answer of some bytes.
func (l *Load) Add(now time.Time, bytes int) {
	if l.last.IsZero() {
		l.last = now
		return
	}
	dt := now.Sub(l.last).Seconds()
	if dt <= 0 {
		return
	}
	keep := loadHalfLife.Seconds() / (loadHalfLife.Seconds() + dt)
	l.perSecond = keep*l.perSecond + (1-keep)*float64(bytes)/dt
	l.last = now
}

// Rate is the decayed rate at now: without answers it goes to zero after a while.
func (l *Load) Rate(now time.Time) float64 {
	return l.perSecond * loadHalfLife.Seconds() / (loadHalfLife.Seconds() + max(0, now.Sub(l.last).Seconds()))
}
