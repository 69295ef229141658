package lanes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/sleep"
)

// stepEnd is how a lane's step ended.
type stepEnd uint8

const (
	legDispatched stepEnd = iota // the lane is done with its first leg
	letterQueued                 // a dead letter has to be sent before the first leg continues
	legWaits                     // for alerts in digests
	letterSettled                // the first dead letter is done
	keyHeld
	stopped
)

// Refusal reports an alert that was not accepted, or a record whose dead letter was not.
type Refusal struct {
	alertRef
	Disposition Disposition
	Err         error
}

// alertRef names an alert, without its payload.
type alertRef struct {
	ID, Rule, Topic, Sequence string
}

func refOf(a *alert.Alert) alertRef { return alertRef{a.ID, a.Rule, a.Topic, a.Record.SequenceNumber} }

// letter is a dead letter on its way: an alert or a record.
type letter struct {
	leg      *leg
	alert    *alert.Alert // nil for a record
	gathered *gathered    // nil unless the alert was in a digest
	err      error
}

// gathered is an alert in a digest.
type gathered struct {
	lane *lane
	leg  *leg
	ref  alertRef
	// alert is kept only for a dead letter, because it keeps the record's payload in memory.
	alert *alert.Alert
	over  bool // settled; guarded by the lanes' mutex
}

// step does one piece of a lane's work.
func (l *Lanes) step(p *pool, ln *lane) stepEnd {
	l.mu.Lock()
	if p == &l.sending {
		m := ln.letters[0]
		l.mu.Unlock()
		return l.sendDeadLetter(ln, m)
	}
	g := ln.queue[0]
	l.mu.Unlock()
	return l.publishLeg(ln, g)
}

// publishLeg publishes what is left of a leg, in order.
func (l *Lanes) publishLeg(ln *lane, g *leg) stepEnd {
	if g.task.Letter != nil {
		l.queueDeadLetter(ln, &letter{leg: g})
		return letterQueued
	}
	for ; g.next < len(g.alerts); g.next++ {
		if l.ctx.Err() != nil {
			return stopped
		}
		a := g.alerts[g.next]
		gathered, err := l.publishAlert(ln, g, a)
		if gathered {
			continue
		}
		if errors.Is(err, errKeyIsOut) {
			return legWaits
		}
		if redirected, waits := l.redirect(g, err); waits {
			return legWaits
		} else if redirected {
			g.next--
			continue
		}
		switch f := l.dispositionOf(err); f {
		case accepted, Expired, Skipped:
			l.report(Refusal{refOf(a), f, err})
			l.mu.Lock()
			g.task.note(a.ID, f)
			l.mu.Unlock()
		case DeadLettered:
			l.queueDeadLetter(ln, &letter{leg: g, alert: a, err: err})
			return letterQueued
		case Held:
			l.hold(ln, Refusal{refOf(a), f, err})
			return keyHeld
		case leftToNext:
			l.leaveKey(ln)
			return keyHeld
		case ended:
			return stopped
		}
	}
	l.dispatched(g)
	return legDispatched
}

// redirect replaces an alert whose topic has left the configuration by alerts for the topics that its rule has now.
// They wait for older alerts of the key for these topics.
func (l *Lanes) redirect(g *leg, err error) (redirected, waits bool) {
	if rejected, ok := errors.AsType[*alert.RejectedError](err); !ok || rejected.Reason != alert.ReasonUnknownTopic ||
		l.cfg.Instead == nil {
		return false, false
	}
	others := l.cfg.Instead(g.alerts[g.next])
	if len(others) == 0 {
		return false, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g.alerts = slices.Concat(g.alerts[:g.next], others, g.alerts[g.next+1:])
	for _, ln := range l.byKey[g.task.Key] {
		if !slices.ContainsFunc(others, func(a *alert.Alert) bool { return a.Topic == ln.topic }) {
			continue
		}
		for _, older := range slices.Backward(ln.queue) {
			if older.task.number < g.task.number {
				g.after = append(g.after, older)
				break
			}
		}
	}
	return true, len(g.after) > 0
}

// gatherPause is the pause between two attempts with an alert that neither a digest nor the topic takes.
const gatherPause = 10 * time.Millisecond

// errKeyIsOut says that an alert may not be published while earlier ones of its lane are in digests, or held.
var errKeyIsOut = errors.New("earlier alerts of the key are in digests of the topic, or held")

// publishAlert gives an alert to a digest or, if there is none and the key's order allows it, publishes it. A panic
// while rendering is the alert's fault, not the process's: the alert is rejected.
func (l *Lanes) publishAlert(ln *lane, of *leg, a *alert.Alert) (gathered bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			gathered, err = false, &alert.RejectedError{Reason: alert.ReasonPanic, Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	for told := false; ; told = true {
		if l.gather(ln, of, a) {
			return true, nil
		}
		if told { // the topic gathers, but no digest takes it: the lease has ended, and soon the lanes end
			_ = sleep.Until(l.ctx, time.Now().Add(gatherPause))
		}
		l.mu.Lock()
		mayPublish := !ln.held && ln.out == 0
		l.mu.Unlock()
		switch {
		case l.ctx.Err() != nil:
			return false, context.Cause(l.ctx)
		case !mayPublish:
			return false, errKeyIsOut
		}
		if err := l.cfg.Publisher.Publish(l.ctx, a); !errors.Is(err, alert.ErrGathering) {
			return false, err
		}
	}
}

// gather offers an alert to a digest. The digest may settle it before this returns.
func (l *Lanes) gather(ln *lane, of *leg, a *alert.Alert) (taken bool) {
	g := &gathered{lane: ln, leg: of, ref: refOf(a)}
	if l.cfg.DeadLetters != nil {
		g.alert = a
	}
	l.mu.Lock()
	if ln.held { // by an alert in a digest, since the last one
		l.mu.Unlock()
		return false
	}
	l.addOutLocked(g, 1)
	l.mu.Unlock()
	defer func() {
		if taken {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		g.over = true
		l.addOutLocked(g, -1)
	}()
	return l.cfg.Publisher.Gather(a, func(err error) { l.settleGathered(g, err) })
}

// addOutLocked counts an alert that goes out (1), or does not (-1).
func (l *Lanes) addOutLocked(g *gathered, by int) {
	g.leg.out += by
	g.leg.task.out += by
	g.lane.out += by
	l.out += by
}

// dispatched ends a lane's work on a leg whose alerts are all done or in digests. When that was the last leg, what is
// in digests no longer needs its payload, unless it may become a dead letter.
func (l *Lanes) dispatched(g *leg) {
	keep, t := l.cfg.DeadLetters != nil, g.task
	l.mu.Lock()
	g.left = true
	if !keep {
		g.alerts = nil
	}
	if g.over() {
		l.overLocked(t.Key)
	}
	if t.legs--; t.legs > 0 {
		l.mu.Unlock()
		return
	}
	finished := t.out == 0
	if !finished {
		l.gathered++
		l.releaseLocked(t, keep)
		if !keep {
			t.Alerts, t.freed = nil, true
		}
	}
	l.mu.Unlock()
	switch {
	case finished:
		l.allSettled(t)
	case !keep:
		l.cfg.Owner.Freed(t)
	}
}

// allSettled reports that all of a task is done, and gives back the rest of what is reserved for it.
func (l *Lanes) allSettled(t *Task) {
	if !t.freed {
		l.cfg.Owner.Freed(t)
	}
	l.cfg.Owner.Settled(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !t.slot {
		l.gathered--
	}
	l.releaseLocked(t, false)
}

// settleGathered is called by the publisher when a digest is done, from its own goroutine.
func (l *Lanes) settleGathered(g *gathered, err error) {
	l.mu.Lock()
	f := l.dispositionOf(err)
	if g.over || l.stopped || f == ended { // what comes too late belongs to the next owner
		l.mu.Unlock()
		return
	}
	g.over = true
	l.wg.Add(1) // not after Stop, which waits for it
	defer l.wg.Done()
	if f == DeadLettered { // by a worker, as sending takes its time
		g.lane.letters = append(g.lane.letters, &letter{leg: g.leg, alert: g.alert, gathered: g, err: err})
		l.scheduleLocked(g.lane)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	switch f { //nolint:exhaustive // the others are settled
	case Held:
		l.hold(g.lane, Refusal{g.ref, f, err})
		l.releaseKey(g)
		return
	case leftToNext:
		l.leaveKey(g.lane)
		l.releaseKey(g)
		return
	}
	l.report(Refusal{g.ref, f, err})
	l.settle(g, f)
}

// settle records what happened to a gathered alert.
func (l *Lanes) settle(g *gathered, f Disposition) {
	l.mu.Lock()
	t := g.leg.task
	t.note(g.ref.ID, f)
	t.out--
	finished := t.legs == 0 && t.out == 0
	if g.leg.out--; g.leg.over() {
		l.overLocked(t.Key)
	}
	l.mu.Unlock()
	if finished {
		l.allSettled(t)
	}
	l.releaseKey(g)
}

// releaseKey lets the key of a gathered alert continue. It comes last, when everything is reported.
func (l *Lanes) releaseKey(g *gathered) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.lane.out--
	l.out--
	l.scheduleLocked(g.lane)
	l.wakeQuietLocked()
}

// post lines a letter up before the rest of its lane.
func (l *Lanes) queueDeadLetter(ln *lane, m *letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.letters = append(ln.letters, m)
}

// mail sends a letter.
func (l *Lanes) sendDeadLetter(ln *lane, m *letter) stepEnd {
	text, ref := m.text()
	switch err := l.send(text); {
	case err == nil:
	case l.ctx.Err() != nil:
		return stopped
	default: // not in the contract; see dispositionOf
		l.hold(ln, Refusal{ref, Held, err})
		if m.gathered != nil {
			l.releaseKey(m.gathered)
		}
		return letterSettled
	}
	l.report(Refusal{ref, DeadLettered, m.err})
	if m.gathered != nil {
		l.settle(m.gathered, DeadLettered)
		return letterSettled
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.alert != nil {
		m.leg.next++
	} else {
		m.leg.task.Letter = nil
	}
	m.leg.task.note(m.id(), DeadLettered)
	return letterSettled
}

// id is the alert's id, or the letterID of a record.
func (m *letter) id() string {
	if m.alert == nil {
		return m.leg.task.LetterID
	}
	return m.alert.ID
}

func (l *Lanes) send(m *alert.Letter) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.cfg.DeadLetters.Send(l.ctx, m)
}

// text renders a dead letter, and returns its name for the log.
func (m *letter) text() (*alert.Letter, alertRef) {
	if m.alert == nil {
		return m.leg.task.Letter, alertRef{Sequence: m.leg.task.Letter.Record.SequenceNumber}
	}
	a := m.alert
	out := &alert.Letter{
		Record: a.Record, Condition: alert.ConditionRetries, Detail: m.err.Error(), Attempts: 1,
		AlertID: a.ID, Rule: a.Rule, Topic: a.Topic, Kind: a.Kind, Severity: a.Severity, Message: rendered(a),
	}
	if rejected, ok := errors.AsType[*alert.RejectedError](m.err); ok {
		out.Reason = rejected.Reason
	}
	if given, ok := errors.AsType[*alert.GivenUpError](m.err); ok {
		out.Condition, out.Attempts, out.Reason = given.Condition, given.Attempts, GivenUpReason(given)
	}
	return out, refOf(a)
}

// mostSaid is what SNS takes of a message, in bytes: a dead letter needs no more of it.
const mostSaid = 1 << 20

// rendered is what an alert says, or nil where that cannot be rendered: then its dead letter has the record alone.
func rendered(a *alert.Alert) (said *alert.Message) {
	defer func() {
		if recover() != nil {
			said = nil
		}
	}()
	m, err := a.Render()
	if err != nil {
		return nil
	}
	m = alert.Truncate(m, mostSaid, a)
	m.Bodies = maps.Clone(m.Bodies)
	for protocol, body := range m.Bodies {
		m.Bodies[protocol] = alert.TruncateText(body, mostSaid, a)
	}
	return &m
}

// hold stops a key.
func (l *Lanes) hold(ln *lane, r Refusal) {
	l.mu.Lock()
	if !slices.ContainsFunc(l.byKey[ln.key], func(ln *lane) bool { return ln.held && !ln.left }) {
		l.held++
	}
	ln.held, ln.left = true, false
	l.mu.Unlock()
	l.cfg.Owner.Refused(r)
}

// leaveKey stops a key without logging: nothing is wrong with it.
func (l *Lanes) leaveKey(ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.held, ln.left = true, ln.left || !ln.held
	l.left = true
}

func (l *Lanes) report(r Refusal) {
	if r.Disposition != accepted {
		l.cfg.Owner.Refused(r)
	}
}
