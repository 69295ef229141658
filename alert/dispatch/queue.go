package dispatch

import (
	"context"
	"slices"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// untilWoken is a wait that an event ends.
const untilWoken = delivery.UntilWoken

// request is one message on its way: an alert, or a digest. It keeps copies of what is needed after Publish has
// returned.
type request struct {
	ctx    context.Context //nolint:containedctx // a request is one call's context, as in net/http; nil for a digest
	msg    Message
	alert  alert.Alert
	queued time.Time
	// answer takes the outcome. It has room for one, so the topic never waits for a caller that has left.
	answer chan outcome

	// The rest belongs to the topic's goroutine, and to the call while one carries the request.

	// digest is what the message stands for; nil for a single alert.
	digest *digest
	// sent counts the attempts.
	sent int
	// failures counts the request's own failures, inside calls that the service answered. counted are those of them
	// that count for the limit of attempts. err is the last failure of any kind.
	failures, counted int
	err               error
	// due is when the request may go again after one.
	due time.Time
	// again is why it was sent before; empty on its first attempt.
	again alert.Reason
	// batch bounds the size of the call that carries it, after a call was too large or refused as a whole; 0 is no
	// bound.
	batch int
	// own says that the service blamed the topic for its failure, and took others in the same call: the request is to
	// blame.
	own bool

	// gathers says that its caller can hand it over by Gather instead. When a digest begins the caller is asked to,
	// so that the alerts that wait behind it at the caller can be gathered too. It never changes.
	gathers bool
}

// outcome is what became of a request.
type outcome struct {
	messageID string
	err       error
}

// abandoned says that no caller waits for the request any more.
func (r *request) abandoned() bool {
	if r.digest != nil {
		return r.digest.live == 0
	}
	return r.ctx.Err() != nil
}

// queue decides what a topic sends when. It does no I/O, reads no clock and draws no lots; one goroutine uses it.
type queue struct {
	linger   time.Duration
	inFlight int
	ready    []*request // in the order of their turns
	delayed  []*request // backing off alone
	calls    int        // under way
	health   *health
}

func (q *queue) push(r *request) { q.ready = append(q.ready, r) }

// drop forgets a request whose caller has left. One that a call carries stays with its call.
func (q *queue) drop(r *request) {
	q.remove(func(x *request) bool { return x == r })
}

// has says whether a request waits.
func (q *queue) has(r *request) bool {
	return slices.Contains(q.ready, r) || slices.Contains(q.delayed, r)
}

// next returns how many requests from the head of ready may be sent in one call now, where the rate has room for so
// many. With none it returns when to ask again; until woken means after the next event.
func (q *queue) next(now time.Time, room int, limits Limits) (int, time.Duration) {
	wake := q.promote(now)
	if len(q.ready) == 0 {
		return 0, wake
	}
	may, wait := q.may(now)
	if !may {
		return 0, sooner(wake, wait)
	}
	most := limits.Batch
	if q.health.Fault() != "" || q.health.careful {
		most = 1
	}
	if most = min(most, room); most <= 0 {
		return 0, wake
	}
	n, full := q.fit(most, limits.Bytes)
	if n == 0 {
		return 0, wake
	}
	if wait := q.ready[0].queued.Add(q.linger).Sub(now); !full && wait > 0 {
		return 0, sooner(wake, wait)
	}
	return n, 0
}

// may says whether the health of the topic lets a call start now, and if not, how long it takes until it does.
func (q *queue) may(now time.Time) (bool, time.Duration) {
	if q.calls >= q.inFlight {
		return false, untilWoken
	}
	wait := q.health.Wait(now)
	return wait == 0, wait
}

// fit counts the requests at the head that go into one call, and says whether a further one would not.
func (q *queue) fit(most, maxBytes int) (n int, full bool) {
	for size := 0; n < len(q.ready); {
		r := q.ready[n]
		if r.abandoned() {
			q.ready = slices.Delete(q.ready, n, n+1)
			continue
		}
		if r.batch > 0 {
			most = min(most, max(r.batch, n))
		}
		if size += r.msg.Size(); n >= most || n > 0 && size > maxBytes {
			return n, true
		}
		n++
	}
	return n, n >= most
}

// take removes the first n requests and counts a call that carries them.
func (q *queue) take(n int) []*request {
	batch := slices.Clone(q.ready[:n])
	q.ready = slices.Delete(q.ready, 0, n)
	q.calls++
	q.health.Start()
	return batch
}

// delay lets a request wait until its due time.
func (q *queue) delay(r *request) { q.delayed = append(q.delayed, r) }

// waiting counts the requests of ready that were never sent and whose callers wait.
func (q *queue) waiting() (n int) {
	for _, r := range q.ready {
		if r.sent == 0 && !r.abandoned() {
			n++
		}
	}
	return n
}

// untried removes and returns the requests of ready that were never sent.
func (q *queue) untried() []*request {
	var out []*request
	q.ready = slices.DeleteFunc(q.ready, func(r *request) bool {
		if r.sent > 0 {
			return false
		}
		out = append(out, r)
		return true
	})
	return out
}

// remove removes the requests for which bad says so.
func (q *queue) remove(bad func(*request) bool) {
	q.ready = slices.DeleteFunc(q.ready, bad)
	q.delayed = slices.DeleteFunc(q.delayed, bad)
}

// promote moves what is due to the end of ready and returns how long it takes until more is.
func (q *queue) promote(now time.Time) time.Duration {
	wake := untilWoken
	q.delayed = slices.DeleteFunc(q.delayed, func(r *request) bool {
		if wait := r.due.Sub(now); wait > 0 {
			wake = sooner(wake, wait)
			return false
		}
		q.push(r)
		return true
	})
	return wake
}

// sooner is the shorter of two waits, of which untilWoken is the longest.
func sooner(a, b time.Duration) time.Duration {
	switch {
	case a < 0:
		return b
	case b < 0:
		return a
	}
	return min(a, b)
}
