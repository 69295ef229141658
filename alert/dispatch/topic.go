package dispatch

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/sleep"
)

// trustPoll is how often a closed trust window is looked at while alerts wait for it.
const trustPoll = 50 * time.Millisecond

// topic is what rules name, with its destination. Its goroutine owns the schedule and what follows it. Calls and
// callers reach it over the channels and the gatherer.
type topic struct {
	// Written before the goroutine begins, or safe for concurrent use.

	name        string
	settings    atomic.Pointer[settings]
	destination Destination
	trust       func() (time.Time, bool)
	log         *zap.Logger
	metrics     *topicMetrics
	receipts    *receipts
	ages        *delivery.Ages
	vitals      vitals
	hurry       atomic.Bool   // see Publisher.Hurry
	known       chan struct{} // closed when the destination was asked for the first time

	in    chan *request
	gone  chan *request
	done  chan *call
	asked chan asked
	// quit takes the topic out of the publisher, unless it is back in the configuration, and says whether it did.
	quit  func() bool
	ended chan struct{} // closed when run has returned
	left  bool          // quit did; read when ended is closed

	// Of the topic's goroutine only, but for the gatherer.

	schedule
	health   *health
	applied  *settings
	underWay int       // messages in calls
	sweep    time.Time // when to look for alerts that are too old; zero is never
	idle     time.Time // since when nothing has waited; zero while something does
}

// settings are what Update can change.
type settings struct {
	Config      // without its Topics
	TopicConfig // of this topic

	// ending says that the topic has left the configuration, replaced that another one has its name.
	ending, replaced bool
}

// run moves requests into calls until ctx is done, or nothing waits at a topic that has left the configuration. It
// returns when no call is under way any more.
func (t *topic) run(ctx context.Context) {
	defer close(t.ended)
	defer t.finish()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		wait := t.dispatch(ctx)
		t.showVitals()
		end, over := t.over(time.Now())
		if over {
			return
		}
		if wait = sooner(wait, end); wait >= 0 {
			alarm.Reset(wait)
		} else {
			alarm.Stop()
		}
		select {
		case r := <-t.in:
			t.admit(r)
		case r := <-t.gone:
			t.queue.drop(r)
		case c := <-t.done:
			t.settle(c)
		case a := <-t.asked:
			t.health.hear(time.Now(), a)
		case <-t.gatherer.wake:
		case <-alarm.C:
		case <-ctx.Done():
			for ; t.queue.calls > 0; t.queue.calls-- {
				<-t.done
			}
			return
		}
	}
}

// askEvery is how often a destination is asked what it takes, on average.
const askEvery = 5 * time.Minute

// asked is the answer to Ask.
type asked struct {
	verdict delivery.Verdict
	err     error
}

// ask asks the destination what it takes, again and again: soon while it cannot be reached or does not exist, else
// every few minutes. Alerts wait for the first answer only: a destination that takes little would reject what the
// limits before it let through.
func (t *topic) ask(ctx context.Context) {
	first, missing := true, false
	for failures := 0; ; {
		attempt, cancel := context.WithTimeout(ctx, t.settings.Load().AttemptTimeout)
		v, err := t.destination.Ask(attempt)
		cancel()
		if ctx.Err() != nil {
			return
		}
		// That the destination exists says nothing against a call that did not find it.
		counts := first || missing || v.Reason == ReasonMissing
		missing = v.Reason == ReasonMissing
		if first {
			first = false
			close(t.known)
		}
		if counts {
			select {
			case t.asked <- asked{verdict: v, err: err}:
			case <-ctx.Done():
				return
			}
		}
		wait := askEvery - askEvery/5 + time.Duration(delivery.Lot()*float64(2*askEvery/5))
		passes := v.Class == delivery.Retry || v.Reason == ReasonMissing ||
			v.Reason == delivery.ReasonCredentialsRefused
		if err == nil || !passes {
			failures = 0
		} else {
			wait = min(wait, delivery.Probe(failures, delivery.Lot()))
			failures++
		}
		if !sleep.For(ctx, wait) {
			return
		}
	}
}

// lingers is how long a topic that has left the configuration is kept without work: alerts of the former rules may be
// on their way, and no other topic would take them.
//
// It is longer than the minute that ends of edited rules wait for all workers to agree.
const lingers = 3 * time.Minute

// over says whether the topic may end, and if not now, when to ask again.
func (t *topic) over(now time.Time) (time.Duration, bool) {
	s := t.settings.Load()
	if t.left {
		return 0, true
	}
	if len(t.queue.ready)+len(t.queue.delayed)+t.queue.calls > 0 || t.storm.on {
		t.idle = time.Time{}
		return untilWoken, false
	}
	if t.idle.IsZero() {
		t.idle = now
	}
	if !s.ending {
		return untilWoken, false
	}
	if wait := t.idle.Add(lingers).Sub(now); wait > 0 && !s.replaced {
		return wait, false
	}
	t.left = t.quit()
	return 0, t.left
}

// admit takes a request in.
func (t *topic) admit(r *request) {
	t.idle = time.Time{}
	if !t.expired(r, time.Now()) {
		t.push(r)
	}
}

// configure applies what Update has changed.
func (t *topic) configure() {
	s := t.settings.Load()
	if s == t.applied {
		return
	}
	t.applied, t.sweep = s, time.Now()
	t.gatherer.refuse(s.ending || s.Rate == 0)
	t.schedule.configure(s.Config, s.TopicConfig)
}

// dispatch starts every call that may start now and returns when to look again.
func (t *topic) dispatch(ctx context.Context) time.Duration {
	t.configure()
	for ctx.Err() == nil {
		now := time.Now()
		t.releaseHeld()
		if t.hurry.Swap(false) {
			t.health.Hurry()
		}
		wake := t.expire(now)
		act, n, wait := t.next(now, t.destination.Limits(), t.trusted)
		wake = sooner(wake, wait)
		switch act {
		case rest:
			return wake
		case enterDigestMode:
			t.enter(now)
		case sealDigest:
			t.seal(now)
		case leaveDigestMode:
			t.leave() // or an alert came in this moment
		case send:
			if t.expiredAny(t.queue.ready[:n], now) || !t.prune(now) {
				continue
			}
			until, ok := t.fence(now)
			if !ok {
				return sooner(wake, trustPoll)
			}
			t.start(ctx, n, now, until)
		}
	}
	return untilWoken
}

// fence is the end of the trust window, and whether enough of it is left for an attempt.
func (t *topic) fence(now time.Time) (time.Time, bool) {
	until, ok := t.trust()
	return until, ok && until.Sub(now) >= t.settings.Load().TrustMargin
}

func (t *topic) trusted(now time.Time) bool {
	_, ok := t.fence(now)
	return ok
}

// releaseHeld ends what waits at a topic that refuses alerts: where the process stops, so that the next owner has it,
// and where the topic has left the configuration, so that it goes where its rules go now.
func (t *topic) releaseHeld() {
	switch {
	case t.health.Fault() == "":
	case t.gatherer.state().drains:
		t.empty(alert.ErrHeld, alert.ErrHeld)
	case t.settings.Load().ending && t.queue.calls == 0 && !t.left:
		if t.left = t.quit(); t.left {
			t.empty(errTopicEnded, unknownTopic(t.name))
		}
	}
}

// empty answers everything that waits: what waits by itself, and what is in digests.
func (t *topic) empty(single, gathered error) {
	each := func(*member, *origin) error { return gathered }
	t.answer(t.gatherer.remove(each), "")
	t.queue.remove(func(r *request) bool {
		if r.digest == nil {
			r.answer <- outcome{err: single}
			return true
		}
		t.answer(r.digest.remove(each), "")
		t.storm.outgoing = nil
		return true
	})
	if t.storm.on && t.storm.outgoing == nil {
		t.leave()
	}
}

// enter begins digest mode.
func (t *topic) enter(now time.Time) {
	waiting := t.queue.waiting()
	t.enterDigestMode(now)
	t.metrics.digestMode.Set(1)
	t.log.Warn("more alerts than the topic's rate lets go one by one: they are gathered into digests",
		zap.Int("waiting", waiting), zap.Float64("rate", t.settings.Load().Rate))
}

// seal queues the digest.
func (t *topic) seal(now time.Time) {
	over, broken, err := t.sealDigest(now, t.destination, t.judge(now, 0, nil))
	t.answer(over, "")
	if err != nil {
		t.refusedDigest(broken, reasonBody, err)
	}
}

// leave ends digest mode if nothing is gathered.
func (t *topic) leave() {
	if t.leaveDigestMode() {
		t.metrics.digestMode.Set(0)
		t.log.Info("alerts go one by one again")
	}
}

// judge says which members must not be sent any more: those whose caller has left, whose lease has ended, or whose
// record is too old.
func (t *topic) judge(now time.Time, attempts int, last error) func(*member, *origin) error {
	most := t.settings.Load().MaxRecordAge
	return func(m *member, o *origin) error {
		if m.asked != nil && m.asked.ctx.Err() != nil {
			return context.Cause(m.asked.ctx)
		}
		if err := o.lease.ended(); err != nil {
			return err
		}
		if most > 0 && t.ages.Of(m.arrived(), now) > most {
			return &alert.GivenUpError{Condition: alert.ConditionAge, Attempts: attempts, Err: last}
		}
		return nil
	}
}

// prune ends members of the digest that waits for another attempt, and says whether it may still go. Its message stays
// what it is, since the service may have accepted it already. When no member is left it is not sent again.
func (t *topic) prune(now time.Time) bool {
	r := t.storm.outgoing
	if r == nil || r.sent == 0 || !t.queue.has(r) {
		return true // it was looked at when it was sealed, or a call has it
	}
	t.answer(r.digest.remove(t.judge(now, r.sent, r.err)), "")
	if r.digest.live > 0 {
		return true
	}
	t.queue.drop(r)
	t.storm.outgoing = nil
	return false
}

// answer reports the ends of members to their owners, and counts those that were given up.
func (t *topic) answer(endings []ending, messageID string) {
	for _, e := range endings {
		if given, ok := e.err.(*alert.GivenUpError); ok { //nolint:errorlint // made here, never wrapped
			t.metrics.gaveUp(given.Condition)
		}
		e.report(messageID)
	}
}

// finish ends what is still gathered when the topic ends. Callers of Publish find out by themselves.
func (t *topic) finish() {
	t.gatherer.refuse(true)
	stopped := func(*member, *origin) error { return ErrStopped }
	if d := t.gatherer.swap(nil); d != nil {
		t.answer(d.remove(stopped), "")
	}
	if r := t.storm.outgoing; r != nil {
		t.answer(r.digest.remove(stopped), "")
	}
	if t.storm.on {
		t.metrics.digestMode.Set(0)
	}
	t.showVitals()
}

// closedOutcome is the answer to a caller whose topic has ended: alone, or with Run.
func (t *topic) closedOutcome() outcome {
	if t.left {
		return outcome{err: errTopicEnded}
	}
	return outcome{err: ErrStopped}
}
