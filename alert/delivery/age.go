package delivery

import (
	"slices"
	"sync/atomic"
	"time"
)

// mostHalts bounds the memory of faults.
const mostHalts = 64

// halt is a time in which a fault of the configuration held a topic; to is zero while it still does.
type halt struct {
	from, to time.Time
}

// halts are those of a topic, oldest first. The value is never changed, so that callers can read it beside the topic.
type halts []halt

func (h halts) began(now time.Time) halts {
	h = slices.Clone(h[max(0, len(h)-mostHalts+1):])
	return append(h, halt{from: now})
}

func (h halts) ended(now time.Time) halts {
	h = slices.Clone(h)
	if n := len(h); n > 0 && h[n-1].to.IsZero() {
		h[n-1].to = now
	}
	return h
}

// age is how old a record is for the limit of ages. Time in which only a fault of the configuration kept it waiting
// does not count. A record without an arrival has no age.
func (h halts) age(arrival, now time.Time) time.Duration {
	if arrival.IsZero() {
		return 0
	}
	age := now.Sub(arrival)
	for _, s := range h {
		from, to := s.from, s.to
		if from.Before(arrival) {
			from = arrival
		}
		if to.IsZero() {
			to = now
		}
		age -= max(0, to.Sub(from))
	}
	return age
}

// Ages computes how old records are, by the time at which records arrive. It is safe for concurrent use.
type Ages struct {
	at    func(time.Time) time.Time
	halts atomic.Pointer[halts]
}

// NewAges makes the ages of the records for one destination. at is the time by which records arrive, at a moment of
// this process.
func NewAges(at func(time.Time) time.Time) *Ages {
	a := &Ages{at: at}
	a.halts.Store(new(halts))
	return a
}

// Of is the age of a record at a moment, without the time in which a fault of the configuration held the destination.
func (a *Ages) Of(arrival, now time.Time) time.Duration {
	return a.halts.Load().age(arrival, a.at(now))
}

// Since is how long ago a record arrived; 0 where that is in the future.
func (a *Ages) Since(arrival, now time.Time) time.Duration { return max(0, a.at(now).Sub(arrival)) }

// Holds notes that a fault of the configuration began.
func (a *Ages) Holds(now time.Time) { a.halts.Store(new(a.halts.Load().began(a.at(now)))) }

// Released notes that it ended.
func (a *Ages) Released(now time.Time) { a.halts.Store(new(a.halts.Load().ended(a.at(now)))) }
