package dispatch

import (
	"time"

	"kinesis-alerter/alert"
)

// sweepEvery is how often members of digests are looked at for their age. They come without the topic's noticing.
const sweepEvery = time.Second

// tooOld says whether a record's age ends the attempts. It is safe for concurrent use.
func (t *topic) tooOld(arrival time.Time) bool {
	most := t.settings.Load().MaxRecordAge
	return most > 0 && t.ages.Of(arrival, time.Now()) > most
}

// expired ends a request that is too old, or notes when it will be.
func (t *topic) expired(r *request, now time.Time) bool {
	most := t.settings.Load().MaxRecordAge
	if most == 0 || r.digest != nil {
		return false
	}
	age := t.ages.Of(r.alert.Occurred(), now)
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
