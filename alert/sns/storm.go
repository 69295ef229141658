package sns

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/alert"
)

// auditIDs is how many ids of alerts one line of the audit log has.
const auditIDs = 100

// storm is the state of a topic's digest mode. It belongs to the topic's goroutine.
type storm struct {
	// on says that alerts are gathered.
	on bool
	// outgoing is the digest that SNS has not answered for good; there is never a second one.
	outgoing *request
	// members is how many it had when it was sealed.
	members int
	// calm says that the last digest had so few members that the mode ends if no more come until it is accepted.
	calm bool
	// swept is when the gathered alerts were last looked at for their age.
	swept time.Time
}

// few is how many alerts may wait before the rest is gathered: what the worker's share sends within a second.
func (t *topic) few() int { return max(1, int(t.perSecond())) }

// perSecond is the worker's share of the rate.
func (t *topic) perSecond() float64 {
	return t.fleet.share(time.Now(), t.limiter.allowance).perSecond(t.limiter.allowance)
}

// rises enters digest mode when more alerts wait than go out within a second, or when one waits that the rate does not let
// go while the topic is under pressure. It says whether it did.
func (t *topic) rises(now time.Time) bool {
	if t.storm.on || !t.queue.limited || len(t.queue.ready) == 0 {
		return false
	}
	if t.perSecond() <= 0 {
		return false // it has just joined, and knows its share in a moment: what waits may well fit into it
	}
	few := t.few()
	pressed := t.queue.room == 0 && t.pressure.high(now, t.perSecond())
	if len(t.queue.ready) <= few && !pressed {
		return false
	}
	waiting := 0
	for _, r := range t.queue.ready {
		if r.sent == 0 && !r.abandoned() {
			waiting++
		}
	}
	if waiting <= few && (!pressed || waiting == 0) {
		return false
	}
	t.storm = storm{on: true, swept: now}
	t.gatherer.swap(newDigest(now))
	// What was tried alone goes on alone: every attempt of an alert carries the same message. So do the first ones if
	// something else than the rate keeps them from going at once.
	first := max(0, t.limiter.free(t.fleet.share(now, t.limiter.allowance)))
	for i, r := range t.queue.untried() {
		if i < first {
			t.queue.push(r)
		} else {
			t.gatherer.join(r)
		}
	}
	t.metrics.digestMode.Set(1)
	t.log.Warn("more alerts than the topic's rate lets go one by one: they are gathered into digests",
		zap.Int("waiting", waiting), zap.Float64("rate", t.settings.Load().Rate))
	return true
}

// weather moves digest mode on: it seals the digest when that may be sent, or ends the mode. It returns when to look
// again.
func (t *topic) weather(now time.Time) time.Duration {
	if !t.storm.on {
		return untilWoken
	}
	if t.storm.outgoing != nil {
		return untilWoken // it is in the queue or in a call
	}
	s := t.settings.Load()
	live, members, drains := t.gatherer.size()
	if (live == 0 && t.storm.calm || s.Rate == 0) && t.subsides(s.Rate == 0) {
		return untilWoken
	}
	due := s.Rate == 0 || drains || members >= mostMembers || t.storm.calm && live <= t.few()
	if wait := t.opened().Add(s.Digest).Sub(now); !due && wait > 0 {
		return wait
	}
	if live == 0 {
		if t.subsides(false) {
			return untilWoken
		}
		return 0 // an alert came in this moment
	}
	if may, wait := t.queue.may(now); !may {
		return wait // gathering goes on: what cannot be sent yet need not be fixed yet
	}
	if t.queue.room == 0 {
		_, wait := t.mayStart(now)
		return wait
	}
	if until, ok := t.trust(); !ok || until.Sub(now) < s.TrustMargin {
		return trustPoll
	}
	t.seal(now)
	return 0
}

// opened is since when the digest gathers.
func (t *topic) opened() time.Time {
	t.gatherer.mu.Lock()
	defer t.gatherer.mu.Unlock()
	return t.gatherer.digest.opened
}

// seal fixes what was gathered as one message and puts it into the queue. The next digest is gathered from now on.
func (t *topic) seal(now time.Time) {
	d := t.gatherer.swap(newDigest(now))
	t.tell(d.weed(t.judge(now, 0, nil)), "")
	t.storm.calm = d.live <= t.few()
	if d.live == 0 {
		return
	}
	d.seal()
	msg, err := d.message(*t.limits.Load())
	if err != nil {
		t.refusedDigest(d, reasonBody, err)
		return
	}
	r := &request{digest: d, msg: msg, queued: d.opened}
	t.storm.outgoing, t.storm.members = r, d.live
	t.queue.push(r)
}

// subsides ends digest mode if nothing is gathered, and says whether it did. Without a rate it does not wait for that:
// alerts whose callers wait for them go one by one again, which keeps their order, since all before them are accepted.
func (t *topic) subsides(unlimited bool) bool {
	waiting, ok := t.gatherer.leave(unlimited)
	if !ok {
		return false
	}
	t.storm = storm{}
	for _, r := range waiting {
		t.queue.push(r)
	}
	t.metrics.digestMode.Set(0)
	t.log.Info("alerts go one by one again")
	return true
}

// resolved notes that a call carried the digest to its end.
func (t *topic) resolved(c *call) {
	if r := t.storm.outgoing; r != nil && slices.Contains(c.entries, r) && !slices.Contains(c.left, r) {
		t.storm.outgoing = nil
	}
}

// judge says which members must not be sent any more: those nobody waits for, whose lease has ended, or whose record is
// too old.
func (t *topic) judge(now time.Time, attempts int, last error) func(*member, *origin) error {
	most, halts := t.settings.Load().MaxRecordAge, t.halts.Load()
	return func(m *member, o *origin) error {
		if m.asked != nil && m.asked.ctx.Err() != nil {
			return context.Cause(m.asked.ctx)
		}
		if err := o.lease.ended(); err != nil {
			return err
		}
		if most > 0 && halts.age(m.arrived(), t.at(now)) > most {
			return &alert.GivenUpError{Condition: alert.ConditionAge, Attempts: attempts, Err: last}
		}
		return nil
	}
}

// prune ends members of the digest that waits for another attempt, and says whether it may still go. Its message stays
// what it is, since SNS may have accepted it already. When nobody is left it is not sent again.
func (t *topic) prune(now time.Time) bool {
	r := t.storm.outgoing
	if r == nil || r.sent == 0 || !slices.Contains(t.queue.ready, r) && !slices.Contains(t.queue.delayed, r) {
		return true // it was looked at when it was sealed, or a call has it
	}
	t.tell(r.digest.weed(t.judge(now, r.sent, r.err)), "")
	if r.digest.live > 0 {
		return true
	}
	t.queue.drop(r)
	t.storm.outgoing = nil
	return false
}

// tell tells the owners of members about their end, and counts those that were given up.
func (t *topic) tell(endings []ending, messageID string) {
	for _, e := range endings {
		if given, ok := e.err.(*alert.GivenUpError); ok { //nolint:errorlint // made here, never wrapped
			t.metrics.gaveUp(given.Condition)
		}
		e.tell(messageID)
	}
}

// acceptedDigest ends a digest that SNS took, and with it every member.
func (t *topic) acceptedDigest(d *digest, messageID string) {
	now := time.Now()
	ids := make([]string, 0, d.live)
	endings := make([]ending, 0, d.live)
	var first time.Time
	d.each(func(m *member) {
		ids = append(ids, m.id)
		if at := m.arrived(); first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
		latency := time.Duration(0)
		if m.arrival != 0 {
			latency = max(0, t.at(now).Sub(m.arrived()))
		}
		example := ""
		if len(ids) == 1 { // one speaks for all: a digest can have a million
			example = m.id
		}
		t.metrics.accepted(d.lines[m.line].rule, example, latency)
		endings = append(endings, d.end(m, nil))
	})
	t.metrics.digests.Inc()
	t.metrics.members.Add(float64(len(ids)))
	t.rememberDigest(d, len(ids), first, messageID, now)
	t.audit.Info("digest published", zap.String("digest_id", d.id), zap.String("topic", t.name),
		zap.String("message_id", messageID), zap.Int("alerts", len(ids)))
	for part := 0; part*auditIDs < len(ids); part++ {
		t.audit.Info("alerts of a digest", zap.String("digest_id", d.id), zap.String("topic", t.name), zap.Int("part", part),
			zap.Strings("alert_ids", ids[part*auditIDs:min(len(ids), (part+1)*auditIDs)]))
	}
	t.tell(endings, messageID)
}

// refusedDigest ends a digest that SNS will never take.
func (t *topic) refusedDigest(d *digest, reason alert.Reason, err error) {
	t.metrics.failure(reason)
	t.tell(d.weed(func(*member, *origin) error { return rejected(reason, err) }), "")
}

// finish ends what is still gathered when the topic ends. Callers of Publish find out by themselves.
func (t *topic) finish() {
	t.gatherer.refuse(true)
	stopped := func(*member, *origin) error { return ErrStopped }
	if d := t.gatherer.swap(nil); d != nil {
		t.tell(d.weed(stopped), "")
	}
	if r := t.storm.outgoing; r != nil {
		t.tell(r.digest.weed(stopped), "")
	}
	if t.storm.on {
		t.metrics.digestMode.Set(0)
	}
	t.note()
}
