package sns

import (
	"context"
	"slices"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// untilWoken is a wait that an event ends.
const untilWoken = delivery.UntilTold

// request is one message on its way: an alert, or a digest. It keeps copies of what is needed after Publish has returned.
type request struct {
	ctx    context.Context //nolint:containedctx // a request is one call's context, as in net/http; nil for a digest
	msg    *message
	alert  alert.Alert
	queued time.Time
	// answer takes the end of the request; it has room for it, so that nobody waits for a caller that has left.
	answer chan outcome
	// gathers says that its caller can hand it over by Gather instead, and is told to when a digest begins: the alerts that
	// wait behind it at the caller can then be gathered too.
	gathers bool

	// The rest belongs to the topic's goroutine, and to the call while one carries the request.

	// digest is what the message stands for; nil for a single alert.
	digest *digest
	// sent counts the attempts.
	sent int
	// failures counts the entry's own failures, inside calls that SNS answered; counted those of them that the limit of
	// attempts counts, and err is the last failure of any kind.
	failures, counted int
	err               error
	// due is when the request may go again after one.
	due time.Time
	// again is why it was sent before; empty on its first way.
	again alert.Reason
	// batch bounds the entries of the call that carries it, after a call was too large or refused as a whole; 0 is
	// no bound.
	batch int
	// own says that SNS blamed the topic for its failure, and took others in the same call: the request is to blame.
	own bool
	// plain says that it goes without the structure "string", because SNS refused it with that.
	plain bool
}

// outcome is the end of a request.
type outcome struct {
	messageID string
	err       error
}

// abandoned says that nobody waits for the request any more.
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
	// limited says that the topic has a rate, and room how many messages it lets go now.
	limited bool
	room    int

	ready   []*request // in the order of their turns
	delayed []*request // backing off alone
	calls   int        // under way
	state   delivery.Health
	failing alert.Reason // why the last call failed; empty while SNS answers
	// careful says that SNS answers without an outcome: what it accepted may be sent again, so one message at a time goes.
	careful bool
}

func (q *queue) push(r *request) { q.ready = append(q.ready, r) }

// drop forgets a request whose caller has left. One that a call carries stays with its call.
func (q *queue) drop(r *request) {
	q.weed(func(x *request) bool { return x == r })
}

// next returns how many requests from the head of ready may be sent in one call now, at most maxBytes together. With
// none it returns when to ask again; until woken means after the next event.
func (q *queue) next(now time.Time, maxBytes int) (int, time.Duration) {
	wake := q.promote(now)
	if len(q.ready) == 0 {
		return 0, wake
	}
	may, wait := q.may(now)
	if !may {
		return 0, sooner(wake, wait)
	}
	most := maxEntries
	if q.state.Fault() != "" || q.careful {
		most = 1
	}
	if q.limited {
		if most = min(most, q.room); most <= 0 {
			return 0, wake
		}
	}
	n, full := q.fit(most, maxBytes)
	if n == 0 {
		return 0, wake
	}
	if wait := q.ready[0].queued.Add(q.linger).Sub(now); !full && wait > 0 {
		return 0, sooner(wake, wait)
	}
	return n, 0
}

// may says whether the state of the topic lets a call start now, and if not, how long it takes until it does.
func (q *queue) may(now time.Time) (bool, time.Duration) {
	if q.calls >= q.inFlight {
		return false, untilWoken
	}
	wait := q.state.Wait(now)
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
		if size += r.msg.size; n >= most || n > 0 && size > maxBytes {
			return n, true
		}
		n++
	}
	return n, n >= most
}

// take removes the first n requests and notes a call that carries them.
func (q *queue) take(n int) []*request {
	batch := slices.Clone(q.ready[:n])
	q.ready = slices.Delete(q.ready, 0, n)
	q.calls++
	q.state.Start()
	return batch
}

// delay lets a request wait until its due time.
func (q *queue) delay(r *request) { q.delayed = append(q.delayed, r) }

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

// weed removes the requests for which bad says so.
func (q *queue) weed(bad func(*request) bool) {
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
