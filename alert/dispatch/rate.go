package dispatch

import (
	"math"
	"time"
)

// rate is what the rate of a topic lets this worker send. It reads no clock; one goroutine uses it.
type rate struct {
	// limited says that the topic has a rate.
	limited  bool
	fleet    *fleet
	limiter  limiter
	pressure pressure
}

// set changes the rate; 0 is no limit.
func (r *rate) set(perSecond float64) {
	if r.limited = perSecond > 0; r.limited {
		r.limiter.allow(allowanceOf(perSecond))
	}
}

func (r *rate) share(now time.Time) share { return r.fleet.share(now, r.limiter.allowance) }

// perSecond is the worker's share.
func (r *rate) perSecond(now time.Time) float64 { return r.share(now).perSecond(r.limiter.allowance) }

// room is how many messages may start now, and if none, when to ask again.
func (r *rate) room(now time.Time) (int, time.Duration) {
	if !r.limited {
		return math.MaxInt, 0
	}
	n, wait := r.limiter.room(now, r.share(now))
	if n == 0 && r.fleet.ask != nil {
		wait = sooner(wait, lookEvery) // the fleet may have changed
	}
	return n, wait
}

// free is how many messages the share lets go, whatever else keeps them.
func (r *rate) free(now time.Time) int { return max(0, r.limiter.free(r.share(now))) }

// start counts n messages that are handed over.
func (r *rate) start(now time.Time, n int) {
	r.limiter.start(n)
	if r.limited {
		r.pressure.sent(now, n, r.perSecond(now))
	}
}
