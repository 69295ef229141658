package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/guard"
)

// trustPoll is how often a closed trust window is looked at while alerts wait for it.
const trustPoll = 50 * time.Millisecond

// topic is one SNS topic. Its goroutine owns queue, limiter and what follows them; calls and callers reach it over the
// channels and the gatherer.
type topic struct {
	name, arn string
	settings  atomic.Pointer[settings]
	client    Client
	inRegion  func(*sns.Options) // the topic's own
	trust     func() (time.Time, bool)
	fleet     *fleet
	at        func(time.Time) time.Time // Deps.At
	log       *zap.Logger
	audit     *zap.Logger
	metrics   *topicMetrics
	vitals    vitals
	recent    *recent

	limits        atomic.Pointer[limits]
	subscriptions atomic.Pointer[Subscriptions]
	known         chan struct{} // closed when limits hold for the first time
	halts         atomic.Pointer[halts]

	in       chan *request
	gone     chan *request
	done     chan *call
	asked    chan asked
	gatherer *gatherer
	// quit takes the topic out of the publisher, unless it is back in the configuration, and says whether it did.
	quit  func() bool
	left  bool          // it did
	ended chan struct{} // closed when run has returned

	applied  *settings
	queue    queue
	limiter  limiter
	pressure pressure
	// plain says that the endpoint refuses the MessageStructure "string". It is set by calls.
	plain    atomic.Bool
	hurry    atomic.Bool // see Publisher.Hurry
	underWay int         // messages in calls
	logged   bool        // that the topic is backing off
	failure  string      // what SNS said when the last call failed
	// stubborn is an alert that failed alone at least delivery.WorthALine times; zero while there is none.
	stubborn struct {
		since  time.Time
		reason alert.Reason
		err    string
	}
	sweep time.Time // when to look for alerts that are too old; zero is never
	idle  time.Time // since when nothing has waited; zero while something does
	storm storm
}

// settings are what Update can change.
type settings struct {
	Config      // its Topics are of no interest
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
		t.note()
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
			t.hear(a)
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

// lingers is how long a topic that has left the configuration is kept without work: alerts of the rules that were may be
// on their way, and nobody else would take them.
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
	now := time.Now()
	if t.expired(r, now) {
		return
	}
	if t.storm.on {
		t.gatherer.join(r)
	} else {
		t.queue.push(r)
	}
}

// configure takes over what Update has changed.
func (t *topic) configure() {
	s := t.settings.Load()
	if s == t.applied {
		return
	}
	t.applied, t.sweep = s, time.Now()
	t.gatherer.refuse(s.ending || s.Rate == 0)
	t.queue.linger, t.queue.inFlight = s.Linger, s.InFlight
	if t.queue.limited = s.Rate > 0; t.queue.limited {
		t.limiter.allow(allowanceOf(s.Rate))
	}
}

// mayStart is how many messages the rate lets go now, and if none, when to ask again.
func (t *topic) mayStart(now time.Time) (int, time.Duration) {
	if !t.queue.limited {
		return math.MaxInt, 0
	}
	n, wait := t.limiter.room(now, t.fleet.share(now, t.limiter.allowance))
	if n == 0 && t.fleet.ask != nil {
		wait = sooner(wait, lookEvery) // the fleet may have changed
	}
	return n, wait
}

// dispatch starts every call that may start now and returns when to look again.
func (t *topic) dispatch(ctx context.Context) time.Duration {
	t.configure()
	for ctx.Err() == nil {
		now := time.Now()
		t.letGo()
		t.giveBack()
		if t.hurry.Swap(false) {
			t.queue.state.Hurry()
		}
		wake := t.expire(now)
		room, wait := t.mayStart(now)
		t.queue.room = room
		wake = sooner(wake, t.weather(now))
		n, w := t.queue.next(now, t.limits.Load().maxBytes)
		if n == 0 {
			wake = sooner(wake, w)
			if t.rises(now) {
				continue
			}
			if room == 0 && len(t.queue.ready) > 0 {
				wake = sooner(wake, wait)
			}
			return wake
		}
		if t.expiredAny(t.queue.ready[:n], now) || !t.prune(now) {
			continue
		}
		until, ok := t.trust()
		if !ok || until.Sub(now) < t.settings.Load().TrustMargin {
			return sooner(wake, trustPoll)
		}
		t.start(ctx, n, now, until)
	}
	return untilWoken
}

// letGo ends everything that waits, if the topic refuses alerts and the process stops.
func (t *topic) letGo() {
	if t.queue.state.Fault() == "" || !t.gatherer.draining() {
		return
	}
	t.empty(alert.ErrHeld, alert.ErrHeld)
}

// giveBack ends a topic that has left the configuration and refuses alerts: what waits goes where its rules go now, and stops nobody.
func (t *topic) giveBack() {
	if !t.settings.Load().ending || t.queue.state.Fault() == "" || t.queue.calls > 0 || t.left {
		return
	}
	if t.left = t.quit(); t.left {
		t.empty(errTopicEnded, unknownTopic(t.name))
	}
}

// empty answers everything that waits: what waits by itself, and what is in digests.
func (t *topic) empty(single, gathered error) {
	each := func(*member, *origin) error { return gathered }
	t.tell(t.gatherer.weed(each), "")
	t.queue.weed(func(r *request) bool {
		if r.digest == nil {
			r.answer <- outcome{err: single}
			return true
		}
		t.tell(r.digest.weed(each), "")
		t.storm.outgoing = nil
		return true
	})
	if t.storm.on && t.storm.outgoing == nil {
		t.subsides(false)
	}
}

// start makes a call with the first n requests of the queue.
func (t *topic) start(ctx context.Context, n int, now, until time.Time) {
	c := &call{
		epoch: t.queue.state.Epoch(), entries: t.queue.take(n), deadline: now.Add(t.settings.Load().AttemptTimeout),
	}
	if until.Before(c.deadline) {
		c.deadline, c.fenced = until, true
	}
	for _, r := range c.entries {
		r.sent++
		t.metrics.retry(r.again)
	}
	t.limiter.start(n)
	if t.queue.limited {
		t.pressure.sent(now, n, t.perSecond())
	}
	t.underWay += n
	go func() {
		if guard.Run(ctx, "publisher", func() error { t.attempt(ctx, c); return nil }) != nil {
			c.cut = true // nobody knows what became of it, and the process ends
		}
		t.done <- c
	}()
}

// settle puts back what a call has left over and draws the conclusions about the topic.
func (t *topic) settle(c *call) {
	now := time.Now()
	q := &t.queue
	q.calls--
	t.limiter.end(now, len(c.entries))
	t.underWay -= len(c.entries)
	if c.cut {
		return
	}
	t.resolved(c)
	t.noteStubborn(c)
	share := delivery.Lot() // one for all, so that what failed together goes again in one call
	for _, r := range c.left {
		if c.err == nil && r.failures > 0 && c.fault == "" {
			r.due = now.Add(delivery.Backoff(r.failures-1, share))
			q.delay(r)
			continue
		}
		q.push(r)
	}
	switch {
	case c.fault != "":
		q.failing = c.fault
		t.failed(now, c.epoch, c.fault, c.faultErr)
	case c.err != nil && c.verdict.Class == delivery.Hold:
		q.failing = c.verdict.Reason
		t.failed(now, c.epoch, c.verdict.Reason, c.err)
	case c.err != nil && c.verdict.Class == delivery.Retry:
		q.failing = c.verdict.Reason
		t.failed(now, c.epoch, "", c.err)
		if c.verdict.Reason == delivery.ReasonBadAnswer {
			q.careful = true
			q.state.Postpone(now.Add(delivery.Pause(q.state.Failures()-1, delivery.Lot())))
		}
	default:
		t.answered(now, c.epoch)
	}
}

// noteStubborn remembers an alert that SNS fails again and again while it takes others, until it has met its end.
func (t *topic) noteStubborn(c *call) {
	for _, r := range c.entries {
		if r.failures < delivery.WorthALine {
			continue
		}
		switch {
		case !slices.Contains(c.left, r):
			t.stubborn.since = time.Time{}
		case t.stubborn.since.IsZero() || r.queued.Before(t.stubborn.since):
			t.stubborn.since, t.stubborn.reason, t.stubborn.err = r.queued, r.again, alert.ErrorText(r.err)
		}
	}
}

// hear draws the conclusions from an answer about the topic's attributes. Only whether the topic exists counts: who may
// publish need not be allowed to read attributes.
func (t *topic) hear(a asked) {
	state := &t.queue.state
	switch {
	case a.verdict.Reason == reasonTopicMissing && state.Fault() == "":
		t.failed(time.Now(), state.Epoch(), reasonTopicMissing, a.err)
	case a.err == nil && state.Fault() == reasonTopicMissing:
		t.answered(time.Now(), state.Epoch())
	}
}

func (t *topic) failed(now time.Time, epoch int, fault alert.Reason, err error) {
	state := &t.queue.state
	before := state.Fault()
	t.failure = alert.ErrorText(err)
	if !state.Failed(now, epoch, fault, delivery.Lot()) {
		return
	}
	held := state.Fault()
	if held != before {
		t.metrics.faults.Move(before, held)
		if before == "" {
			t.halts.Store(new(t.halts.Load().began(t.at(now))))
		}
		t.log.Error("topic refuses alerts, they wait and the topic is probed",
			zap.String("reason", string(held)), zap.String("remedy", remedies()[held]), zap.Error(err))
		return
	}
	if held == "" && state.Failures() >= delivery.WorthALine && !t.logged {
		t.logged = true
		t.log.Warn("publishing fails, alerts wait and are tried again", zap.Error(err))
	}
}

func (t *topic) answered(now time.Time, epoch int) {
	before := t.queue.state
	if !t.queue.state.Answered(epoch) {
		return
	}
	t.queue.careful, t.queue.failing = false, ""
	if before.Fault() != "" {
		t.metrics.faults.Move(before.Fault(), "")
		t.halts.Store(new(t.halts.Load().ended(t.at(now))))
	}
	if before.Fault() != "" || t.logged {
		t.logged = false
		t.log.Info("topic accepts alerts again", zap.Duration("after", now.Sub(before.Since())),
			zap.String("reason", string(before.Fault())))
	}
}

// accepted ends a request that SNS took. It counts even when the caller has left: what was published was published.
func (t *topic) accepted(r *request, messageID string) {
	now := time.Now()
	t.vitals.accepted(now)
	if r.plain && !t.plain.Swap(true) {
		t.log.Info("the endpoint refuses the MessageStructure string, messages go without it")
	}
	if r.digest != nil {
		t.acceptedDigest(r.digest, messageID)
		return
	}
	a := &r.alert
	latency := max(0, t.at(now).Sub(a.Occurred()))
	t.metrics.accepted(a.Rule, a.ID, latency)
	if line := t.audit.Check(zapcore.InfoLevel, "alert published"); line != nil {
		key := sha256.Sum256([]byte(a.Record.PartitionKey)) // keys may name people
		line.Write(
			zap.String("alert_id", a.ID), zap.String("rule", a.Rule), zap.String("topic", t.name),
			zap.String("message_id", messageID), zap.String("shard", a.Record.Shard),
			zap.String("sequence", a.Record.SequenceNumber), zap.Uint32("sub", a.Record.SubSequence),
			zap.String("partition_key_sha256", hex.EncodeToString(key[:8])), zap.Duration("latency", latency))
	}
	t.remember(a, messageID, now)
	r.answer <- outcome{messageID: messageID}
}

// refused ends a request that SNS will never take. A digest is first tried with fewer ids.
func (t *topic) refused(c *call, r *request, reason alert.Reason, err error) {
	if r.digest == nil {
		t.metrics.failure(reason)
		r.answer <- outcome{err: rejected(reason, err)}
		return
	}
	if r.digest.shrink() {
		if msg, broken := r.digest.message(*t.limits.Load()); broken == nil {
			r.msg = msg
			t.again(c, r, delivery.Retry.Because(reasonBatchTooLong), err)
			return
		}
	}
	t.refusedDigest(r.digest, reason, err)
}

// giveUp ends a request whose limits are used up.
func (t *topic) giveUp(r *request, err *alert.GivenUpError) {
	if r.digest != nil {
		t.tell(r.digest.weed(func(*member, *origin) error { return err }), "")
		return
	}
	t.metrics.gaveUp(err.Condition)
	r.answer <- outcome{err: err}
}
