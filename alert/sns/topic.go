package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"kinesis-alerter/alert"
)

const (
	// trustPoll is how often a closed trust window is looked at while alerts wait for it.
	trustPoll = 50 * time.Millisecond
	// worthALine is how many calls in a row fail before it is logged: a single throttled call is daily business.
	worthALine = 3
)

// topic is one SNS topic. Its goroutine owns queue; calls and callers reach it over the channels.
type topic struct {
	name, arn string
	cfg       Config
	client    Client
	trust     func() (time.Time, bool)
	log       *zap.Logger
	audit     *zap.Logger
	metrics   *topicMetrics

	limits atomic.Pointer[limits]
	known  chan struct{} // closed when limits hold for the first time

	in    chan *request
	gone  chan *request
	done  chan *call
	asked chan asked

	queue  queue
	logged bool // that the topic is backing off
}

// run moves requests into calls until ctx is done, and returns when no call is under way any more.
func (t *topic) run(ctx context.Context) {
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		if wait := t.dispatch(ctx); wait >= 0 {
			alarm.Reset(wait)
		} else {
			alarm.Stop()
		}
		select {
		case r := <-t.in:
			t.queue.push(r)
		case r := <-t.gone:
			t.queue.drop(r)
		case c := <-t.done:
			t.settle(c)
		case a := <-t.asked:
			t.hear(a)
		case <-alarm.C:
		case <-ctx.Done():
			for ; t.queue.calls > 0; t.queue.calls-- {
				<-t.done
			}
			return
		}
	}
}

// dispatch starts every call that may start now and returns when to look again.
func (t *topic) dispatch(ctx context.Context) time.Duration {
	for ctx.Err() == nil {
		now := time.Now()
		n, wait := t.queue.next(now, t.limits.Load().maxBytes)
		if n == 0 {
			return wait
		}
		until, ok := t.trust()
		if !ok || until.Sub(now) < t.cfg.TrustMargin {
			return trustPoll
		}
		c := &call{epoch: t.queue.state.epoch, entries: t.queue.take(n), deadline: now.Add(t.cfg.AttemptTimeout)}
		if until.Before(c.deadline) {
			c.deadline, c.fenced = until, true
		}
		for _, r := range c.entries {
			t.metrics.retry(r.again)
		}
		go func() {
			t.attempt(ctx, c)
			t.done <- c
		}()
	}
	return untilWoken
}

// settle puts back what a call has left over and draws the conclusions about the topic.
func (t *topic) settle(c *call) {
	now := time.Now()
	q := &t.queue
	q.calls--
	if c.cut {
		return
	}
	share := lot() // one for all, so that what failed together goes again in one call
	for _, r := range c.left {
		if c.err == nil && r.failures > 0 && c.fault == "" {
			r.due = now.Add(backoff(r.failures-1, share))
			q.delay(r)
			continue
		}
		q.push(r)
	}
	switch {
	case c.fault != "":
		t.failed(now, c.epoch, c.fault, c.faultErr)
	case c.err != nil && c.verdict.class == hold:
		t.failed(now, c.epoch, c.verdict.reason, c.err)
	case c.err != nil && c.verdict.class == retry:
		t.failed(now, c.epoch, "", c.err)
	default:
		t.answered(now, c.epoch)
	}
}

// hear draws the conclusions from an answer about the topic's attributes. Only whether the topic exists counts: who may
// publish need not be allowed to read attributes.
func (t *topic) hear(a asked) {
	state := &t.queue.state
	switch {
	case a.verdict.reason == reasonTopicMissing && state.fault == "":
		t.failed(time.Now(), state.epoch, reasonTopicMissing, a.err)
	case a.err == nil && state.fault == reasonTopicMissing:
		t.answered(time.Now(), state.epoch)
	}
}

func (t *topic) failed(now time.Time, epoch int, fault alert.Reason, err error) {
	state := &t.queue.state
	before := state.fault
	if !state.failed(now, epoch, fault, lot()) {
		return
	}
	if state.fault != before {
		t.metrics.setFault(before, state.fault)
		t.log.Error("topic refuses alerts, they wait and the topic is probed",
			zap.String("reason", string(state.fault)), zap.String("remedy", remedies()[state.fault]), zap.Error(err))
		return
	}
	if state.fault == "" && state.failures >= worthALine && !t.logged {
		t.logged = true
		t.log.Warn("publishing fails, alerts wait and are tried again", zap.Error(err))
	}
}

func (t *topic) answered(now time.Time, epoch int) {
	before := t.queue.state
	if !t.queue.state.answered(epoch) {
		return
	}
	if before.fault != "" {
		t.metrics.setFault(before.fault, "")
	}
	if before.fault != "" || t.logged {
		t.logged = false
		t.log.Info("topic accepts alerts again", zap.Duration("after", now.Sub(before.since)),
			zap.String("reason", string(before.fault)))
	}
}

// accepted ends a request that SNS took. It counts even when the caller has left: what was published was published.
func (t *topic) accepted(r *request, messageID *string) {
	a := &r.alert
	latency := max(0, time.Since(a.Record.Arrival))
	t.metrics.accepted(a.Rule, latency)
	if line := t.audit.Check(zapcore.InfoLevel, "alert published"); line != nil {
		key := sha256.Sum256([]byte(a.Record.PartitionKey)) // keys may name people
		line.Write(
			zap.String("alert_id", a.ID), zap.String("rule", a.Rule), zap.String("topic", t.name),
			zap.String("message_id", text(messageID)), zap.String("shard", a.Record.Shard),
			zap.String("sequence", a.Record.SequenceNumber), zap.Uint32("sub", a.Record.SubSequence),
			zap.String("partition_key_sha256", hex.EncodeToString(key[:8])), zap.Duration("latency", latency))
	}
	r.answer <- nil
}

// refused ends a request that SNS will never take.
func (t *topic) refused(r *request, reason alert.Reason, err error) {
	t.metrics.failure(reason)
	r.answer <- rejected(reason, err)
}
