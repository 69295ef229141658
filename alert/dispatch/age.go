package dispatch

import (
	"slices"
	"sync/atomic"
	"time"

	"kinesis-alerter/alert"
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

// ages computes how old records are, by the time at which records arrive. It is safe for concurrent use.
type ages struct {
	at    func(time.Time) time.Time // Deps.At
	halts atomic.Pointer[halts]
}

func newAges(at func(time.Time) time.Time) *ages {
	a := &ages{at: at}
	a.halts.Store(new(halts))
	return a
}

// of is the age of a record at a moment.
func (a *ages) of(arrival, now time.Time) time.Duration {
	return a.halts.Load().age(arrival, a.at(now))
}

// since is how long ago a record arrived; 0 where that is in the future.
func (a *ages) since(arrival, now time.Time) time.Duration { return max(0, a.at(now).Sub(arrival)) }

// holds and released note that a fault of the configuration began and ended.
func (a *ages) holds(now time.Time)    { a.halts.Store(new(a.halts.Load().began(a.at(now)))) }
func (a *ages) released(now time.Time) { a.halts.Store(new(a.halts.Load().ended(a.at(now)))) }

// sweepEvery is how often members of digests are looked at for their age. They come without the topic's noticing.
const sweepEvery = time.Second

// tooOld says whether a record's age ends the attempts. It is safe for concurrent use.
func (t *topic) tooOld(arrival time.Time) bool {
	most := t.settings.Load().MaxRecordAge
	return most > 0 && t.ages.of(arrival, time.Now()) > most
}

// expired ends a request that is too old, or notes when it will be.
func (t *topic) expired(r *request, now time.Time) bool {
	most := t.settings.Load().MaxRecordAge
	if most == 0 || r.digest != nil {
		return false
	}
	age := t.ages.of(r.alert.Occurred(), now)
	if age > most {
		t.giveUp(r, &alert.GivenUpError{Condition: alert.ConditionAge, Attempts: r.sent, Err: r.err})
		return true
	}
	if at := now.Add(most - age + 1); !r.alert.Occurred().IsZero() && (t.sweep.IsZero() || at.Before(t.sweep)) {
		t.sweep = at
	}
	return false
}

// expiredAny ends those of some requests that are too old, and says whether there were any.
func (t *topic) expiredAny(requests []*request, now time.Time) bool {
	if t.settings.Load().MaxRecordAge == 0 {
		return false
	}
	old := map[*request]bool{}
	for _, r := range requests {
		if t.expired(r, now) {
			old[r] = true
		}
	}
	if len(old) > 0 {
		t.queue.remove(func(r *request) bool { return old[r] })
	}
	return len(old) > 0
}

// expire ends the alerts that have become too old while they waited, and returns when the next ones will be.
func (t *topic) expire(now time.Time) time.Duration {
	most := t.settings.Load().MaxRecordAge
	if most == 0 || t.health.Fault() != "" { // in a fault nothing gets older
		return untilWoken
	}
	if t.storm.on {
		if t.storm.swept.IsZero() || now.Sub(t.storm.swept) >= sweepEvery {
			t.storm.swept = now
			t.answer(t.gatherer.remove(t.judge(now, 0, nil)), "")
			t.prune(now)
		}
	}
	if !t.sweep.IsZero() && !t.sweep.After(now) {
		t.sweep = time.Time{}
		t.queue.remove(func(r *request) bool { return t.expired(r, now) })
	}
	wait := untilWoken
	if !t.sweep.IsZero() {
		wait = t.sweep.Sub(now)
	}
	if t.storm.on {
		wait = sooner(wait, t.storm.swept.Add(sweepEvery).Sub(now))
	}
	return wait
}
