package dispatch

import (
	"context"
	"errors"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/guard"
)

// errNoOutcome says that a service answered a call without an outcome of one of its messages.
var errNoOutcome = errors.New("the answer has neither a message id nor an error code for the message")

// call is one call of the destination. A goroutine of its own makes it and hands it back to the topic with what came of
// it.
type call struct {
	epoch    int
	deadline time.Time
	// fenced says that deadline is the end of the trust window.
	fenced   bool
	requests []*request

	// err is the error of the whole call; nil when the service judged the messages one by one.
	err     error
	verdict delivery.Verdict // of err
	// fault is the reason of a message that failed as if the topic were misconfigured, and its error. It is the topic's
	// only where the call had no message accepted; held are the messages that it was said of.
	fault    alert.Reason
	faultErr error
	held     []*request
	// cut says that the end of Run cut the call off, which says nothing about the service.
	cut bool
	// left are the requests without an answer.
	left []*request
}

// start makes a call with the first n requests of the queue, which may last until the end of the trust window.
func (t *topic) start(ctx context.Context, n int, now, until time.Time) {
	c := &call{
		epoch:    t.health.Epoch(),
		requests: t.queue.take(n),
		deadline: now.Add(t.settings.Load().AttemptTimeout),
	}
	if until.Before(c.deadline) {
		c.deadline, c.fenced = until, true
	}
	for _, r := range c.requests {
		r.sent++
		t.metrics.retry(r.again)
	}
	t.rate.start(now, n)
	t.underWay += n
	go func() {
		if guard.Run(ctx, "publisher", func() error { t.attempt(ctx, c); return nil }) != nil {
			c.cut = true // its outcome is unknown, and the process ends
		}
		t.done <- c
	}()
}

// settle puts back what a call has left over and draws the conclusions about the topic.
func (t *topic) settle(c *call) {
	now := time.Now()
	t.queue.calls--
	t.rate.limiter.end(now, len(c.requests))
	t.underWay -= len(c.requests)
	if c.cut {
		return
	}
	t.storm.settle(c)
	share := delivery.Lot() // one for all, so that what failed together goes again in one call
	for _, r := range c.left {
		if c.err == nil && r.failures > 0 && c.fault == "" {
			r.due = now.Add(delivery.Backoff(r.failures-1, share))
			t.queue.delay(r)
			continue
		}
		t.queue.push(r)
	}
	t.health.settle(now, c)
}

// attempt makes the call, answers the callers whose alert has met its end, and leaves the others in c.left.
func (t *topic) attempt(ctx context.Context, c *call) {
	bounded, cancel := context.WithDeadline(ctx, c.deadline)
	defer cancel()
	messages := make([]Message, len(c.requests))
	for i, r := range c.requests {
		messages[i] = r.msg
	}
	start := time.Now()
	a := t.destination.Send(bounded, messages)
	if a.Err != nil && ctx.Err() != nil {
		c.cut = true
		return
	}
	t.metrics.callSeconds.Observe(time.Since(start).Seconds())
	if a.Err != nil {
		t.judgeCall(c, a)
	} else {
		t.judgeOutcomes(c, a.Outcomes)
	}
}

// judgeCall deals with an error of the whole call.
func (t *topic) judgeCall(c *call, a Answer) {
	err, v := a.Err, a.Verdict
	if v.Reason == delivery.ReasonTimeout && c.fenced {
		v.Reason = reasonTrustWindow
	}
	c.err, c.verdict = err, v
	if len(c.requests) == 1 {
		if v.Class == delivery.Shrink {
			v = delivery.Reject.Because(ReasonTooLarge)
		}
		if v.Class == delivery.Reject {
			t.refused(c, c.requests[0], v.Reason, err)
			return
		}
	}
	for _, r := range c.requests {
		if v.Class == delivery.Shrink || v.Class == delivery.Reject {
			// The service does not say which message it refuses. Halves find it and hold up none of the others.
			r.batch = len(c.requests) / 2
		}
		t.again(c, r, v, err)
	}
}

// judgeOutcomes deals with what the service said of each message. Where it said nothing the message is sent again,
// which no limit of attempts counts, since the service is at fault.
func (t *topic) judgeOutcomes(c *call, outcomes []Outcome) {
	silent, took := true, false
	for i, r := range c.requests {
		switch o := &outcomes[i]; {
		case o.ID != "":
			silent, took = false, true
			t.accepted(r, o.ID)
		case o.Failure != nil:
			silent = false
			t.judgeFailure(c, r, o.Failure)
		default:
			r.failures++
			t.again(c, r, delivery.Retry.Because(delivery.ReasonBadAnswer), errNoOutcome)
		}
	}
	if took && c.fault != "" {
		// The topic takes alerts, so the fault is of these messages: an endpoint's policy by message attribute, say,
		// or a key of KMS that was throttled. They go again with pauses of their own, alone or not, and never hold the
		// topic.
		c.fault, c.faultErr = "", nil
		for _, r := range c.held {
			r.own = true
			r.failures++
		}
	}
	if silent {
		c.err, c.verdict = errNoOutcome, delivery.Retry.Because(delivery.ReasonBadAnswer)
	}
}

func (t *topic) judgeFailure(c *call, r *request, f *Failure) {
	v, err := f.Verdict, f.Err
	switch {
	case f.Changed:
	case v.Class == delivery.Reject:
		t.refused(c, r, v.Reason, err)
		return
	case v.Class == delivery.Shrink:
		t.refused(c, r, ReasonTooLarge, err)
		return
	case r.own, v.Class == delivery.Retry:
		r.failures++
		if v.Class == delivery.Retry && v.Reason == delivery.ReasonServiceError {
			t.againCounted(c, r, v, err)
			return
		}
	default:
		c.fault, c.faultErr = v.Reason, err
		c.held = append(c.held, r)
	}
	t.again(c, r, v, err)
}

// again notes that a request has to be sent once more.
func (t *topic) again(c *call, r *request, v delivery.Verdict, err error) {
	t.metrics.failure(v.Reason)
	r.again, r.err = v.Reason, err
	c.left = append(c.left, r)
}

// againCounted does so after a failure that counts for the limit of attempts, unless that is used up.
func (t *topic) againCounted(c *call, r *request, v delivery.Verdict, err error) {
	r.counted++
	if most := t.settings.Load().MaxAttempts; most > 0 && r.counted > most {
		t.metrics.failure(v.Reason)
		t.giveUp(r, &alert.GivenUpError{Condition: alert.ConditionRetries, Attempts: r.sent, Err: err})
		return
	}
	t.again(c, r, v, err)
}

// accepted ends a request that the service took. It counts even when the caller has left: what was published was
// published.
func (t *topic) accepted(r *request, messageID string) {
	now := time.Now()
	t.vitals.accepted(now)
	if r.digest != nil {
		t.receipts.digest(r.digest, messageID, now)
		endings := make([]ending, 0, r.digest.live)
		r.digest.each(func(m *member) { endings = append(endings, r.digest.end(m, nil)) })
		t.answer(endings, messageID)
		return
	}
	t.receipts.alert(&r.alert, messageID, now)
	r.answer <- outcome{messageID: messageID}
}

// refused ends a request that the service will never take. A digest is first tried with fewer ids.
func (t *topic) refused(c *call, r *request, reason alert.Reason, err error) {
	if r.digest == nil {
		t.metrics.failure(reason)
		r.answer <- outcome{err: rejected(reason, err)}
		return
	}
	if r.digest.shrink() {
		if msg, broken := r.digest.message(t.destination); broken == nil {
			r.msg = msg
			t.again(c, r, delivery.Retry.Because(ReasonBatchTooLong), err)
			return
		}
	}
	t.refusedDigest(r.digest, reason, err)
}

// refusedDigest ends a digest that the service will never take.
func (t *topic) refusedDigest(d *digest, reason alert.Reason, err error) {
	t.metrics.failure(reason)
	t.answer(d.remove(func(*member, *origin) error { return rejected(reason, err) }), "")
}

// giveUp ends a request whose limits are used up.
func (t *topic) giveUp(r *request, err *alert.GivenUpError) {
	if r.digest != nil {
		t.answer(r.digest.remove(func(*member, *origin) error { return err }), "")
		return
	}
	t.metrics.gaveUp(err.Condition)
	r.answer <- outcome{err: err}
}
