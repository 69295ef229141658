package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/sleep"
)

// stepEnd is how a lane's step ended.
type stepEnd uint8

const (
	taskLeft   stepEnd = iota // the lane is through with its first task
	taskPosted                // a letter has to be sent before the first task goes on
	taskWaits                 // for alerts that are out
	letterGone                // the first letter is dealt with
	keyHeld
	stopped
)

// fate is what becomes of an alert.
type fate uint8

const (
	fateAccepted fate = iota
	fateLettered      // it goes to the dead letters
	fateExpired       // given up, and there are no dead letters
	fateSkipped       // rejected, and passed over
	fateHeld          // its key is held
	fateLeft          // the process stops, and its topic refuses alerts: it is left to the next owner
	fateEnded         // publishing ended first
)

// Reasons of letters, beside those of rejections and invalid records.
const (
	// ReasonRecordAge is an alert that was given up because its record was too old.
	ReasonRecordAge alert.Reason = "record_age"
	// ReasonRetryAttempts is an alert that was given up because SNS failed too often.
	ReasonRetryAttempts alert.Reason = "retry_attempts"
)

// refusal is news of an alert that was not accepted, or of a record whose letter was not.
type refusal struct {
	alertRef
	fate fate
	err  error
}

// alertRef is what is told of an alert, without its payload.
type alertRef struct {
	id, rule, topic, sequence string
}

func refOf(a *alert.Alert) alertRef { return alertRef{a.ID, a.Rule, a.Topic, a.Record.SequenceNumber} }

// letter is an alert, or a record, on its way to the dead letters.
type letter struct {
	task     *task
	alert    *alert.Alert // nil for a record
	gathered *gathered    // nil unless the alert was in a digest
	err      error
}

// gathered is an alert in a digest.
type gathered struct {
	lane *lane
	task *task
	ref  alertRef
	// alert is kept for a letter only: with it stays the record's payload.
	alert *alert.Alert
	over  bool // settled; guarded by the lanes' mutex
}

// step does one piece of a lane's work.
func (l *lanes) step(p *pool, ln *lane) stepEnd {
	l.mu.Lock()
	if p == &l.mailing {
		m := ln.letters[0]
		l.mu.Unlock()
		return l.mail(ln, m)
	}
	t := ln.queue[0]
	l.mu.Unlock()
	return l.publishTask(ln, t)
}

// publishTask deals with what is left of a task, in order.
func (l *lanes) publishTask(ln *lane, t *task) stepEnd {
	if t.letter != nil {
		l.post(ln, &letter{task: t})
		return taskPosted
	}
	for ; t.next < len(t.alerts); t.next++ {
		if l.ctx.Err() != nil {
			return stopped
		}
		a := t.alerts[t.next]
		gathered, err := l.publishAlert(ln, t, a)
		if gathered {
			continue
		}
		if errors.Is(err, errKeyIsOut) {
			return taskWaits
		}
		if l.redirect(t, err) {
			t.next--
			continue
		}
		switch f := l.fateOf(err); f {
		case fateAccepted, fateExpired, fateSkipped:
			l.tell(refusal{refOf(a), f, err})
			l.mu.Lock()
			t.note(a.ID, f)
			l.mu.Unlock()
		case fateLettered:
			l.post(ln, &letter{task: t, alert: a, err: err})
			return taskPosted
		case fateHeld:
			l.hold(ln, refusal{refOf(a), f, err})
			return keyHeld
		case fateLeft:
			l.leaveKey(ln)
			return keyHeld
		case fateEnded:
			return stopped
		}
	}
	l.leave(t)
	return taskLeft
}

// redirect puts others in the place of an alert whose topic has left the configuration: for the topics to which its rule goes now.
func (l *lanes) redirect(t *task, err error) bool {
	if rejected, ok := errors.AsType[*alert.RejectedError](err); !ok || rejected.Reason != alert.ReasonUnknownTopic || l.instead == nil {
		return false
	}
	others := l.instead(t.alerts[t.next])
	if len(others) == 0 {
		return false
	}
	l.mu.Lock()
	t.alerts = slices.Concat(t.alerts[:t.next], others, t.alerts[t.next+1:])
	l.mu.Unlock()
	return true
}

// gatherPause is the pause between two tries to hand an alert over that neither a digest nor the topic takes.
const gatherPause = 10 * time.Millisecond

// errKeyIsOut says that an alert may not be published while earlier ones of its key are in digests of its topic, or held.
var errKeyIsOut = errors.New("earlier alerts of the key are in digests of the topic, or held")

// publishAlert gives an alert to a digest or, where there is none and the key's order allows it, publishes it. A panic
// while rendering is the alert's fault, not the process's: the alert is rejected.
func (l *lanes) publishAlert(ln *lane, t *task, a *alert.Alert) (gathered bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			gathered, err = false, &alert.RejectedError{Reason: alert.ReasonPanic, Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	for told := false; ; told = true {
		if l.gather(ln, t, a) {
			return true, nil
		}
		if told { // to gather what cannot be gathered: its lease has ended, and soon the lanes'
			_ = sleep.Until(l.ctx, time.Now().Add(gatherPause))
		}
		l.mu.Lock()
		mayPublish := !ln.held && !ln.isOut(a.Topic)
		ln.waitsFor = a.Topic
		l.mu.Unlock()
		switch {
		case l.ctx.Err() != nil:
			return false, context.Cause(l.ctx)
		case !mayPublish:
			return false, errKeyIsOut
		}
		if err := l.publisher.Publish(l.ctx, a); !errors.Is(err, alert.ErrGathering) {
			return false, err
		}
	}
}

// gather offers an alert to a digest. The digest may settle it before this returns.
func (l *lanes) gather(ln *lane, t *task, a *alert.Alert) (taken bool) {
	g := &gathered{lane: ln, task: t, ref: refOf(a)}
	if l.deadLetters != nil {
		g.alert = a
	}
	l.mu.Lock()
	if ln.held { // since the last alert, by one in a digest
		l.mu.Unlock()
		return false
	}
	t.out++
	ln.addOut(a.Topic, 1)
	l.out++
	l.mu.Unlock()
	defer func() {
		if taken {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		g.over = true
		t.out--
		ln.addOut(a.Topic, -1)
		l.out--
	}()
	return l.publisher.Gather(a, func(err error) { l.settleGathered(g, err) })
}

// leave lets go of a task whose alerts are all dealt with or in digests. What is in digests needs no payload any more,
// unless it may become a letter.
func (l *lanes) leave(t *task) {
	keep := l.deadLetters != nil
	l.mu.Lock()
	t.left = true
	finished := t.out == 0
	if !finished {
		l.gathered++
		l.releaseLocked(t, keep)
		if !keep {
			t.alerts, t.freed = nil, true
		}
	}
	l.mu.Unlock()
	switch {
	case finished:
		l.finish(t)
	case !keep:
		l.owner.taskFreed(t)
	}
}

// finish tells that all of a task is dealt with and gives back the rest of what is reserved for it.
func (l *lanes) finish(t *task) {
	if !t.freed {
		l.owner.taskFreed(t)
	}
	l.owner.taskResolved(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !t.slot {
		l.gathered--
	}
	l.releaseLocked(t, false)
}

// settleGathered is called by the publisher when a digest is through, from its own goroutine.
func (l *lanes) settleGathered(g *gathered, err error) {
	l.mu.Lock()
	f := l.fateOf(err)
	if g.over || l.stopped || f == fateEnded { // what comes too late is the next owner's
		l.mu.Unlock()
		return
	}
	g.over = true
	l.wg.Add(1) // not after stop, which waits for it
	defer l.wg.Done()
	if f == fateLettered { // by a worker, as sending takes its time
		g.lane.letters = append(g.lane.letters, &letter{task: g.task, alert: g.alert, gathered: g, err: err})
		l.scheduleLocked(g.lane)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	switch f { //nolint:exhaustive // the others are settled
	case fateHeld:
		l.hold(g.lane, refusal{g.ref, f, err})
		l.backIn(g)
		return
	case fateLeft:
		l.leaveKey(g.lane)
		l.backIn(g)
		return
	}
	l.tell(refusal{g.ref, f, err})
	l.settle(g, f)
}

// settle notes what became of a gathered alert.
func (l *lanes) settle(g *gathered, f fate) {
	l.mu.Lock()
	t := g.task
	t.note(g.ref.id, f)
	t.out--
	finished := t.left && t.out == 0
	l.mu.Unlock()
	if finished {
		l.finish(t)
	}
	l.backIn(g)
}

// backIn lets the key of a gathered alert go on. It comes last: then everything has been told.
func (l *lanes) backIn(g *gathered) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.lane.addOut(g.ref.topic, -1)
	l.out--
	l.scheduleLocked(g.lane)
	l.wakeQuietLocked()
}

// post lines a letter up before the rest of its lane.
func (l *lanes) post(ln *lane, m *letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.letters = append(ln.letters, m)
}

// mail sends a letter.
func (l *lanes) mail(ln *lane, m *letter) stepEnd {
	text, ref := m.text()
	switch err := l.send(text); {
	case err == nil:
	case l.ctx.Err() != nil:
		return stopped
	default: // not in the contract; see fateOf
		l.hold(ln, refusal{ref, fateHeld, err})
		if m.gathered != nil {
			l.backIn(m.gathered)
		}
		return letterGone
	}
	l.tell(refusal{ref, fateLettered, m.err})
	if m.gathered != nil {
		l.settle(m.gathered, fateLettered)
		return letterGone
	}
	if m.alert != nil {
		m.task.next++
	}
	m.task.letter = nil
	l.mu.Lock()
	m.task.note(m.id(), fateLettered)
	l.mu.Unlock()
	return letterGone
}

// id is that of the alert, or what stands for one.
func (m *letter) id() string {
	if m.alert == nil {
		return m.task.letterID
	}
	return m.alert.ID
}

func (l *lanes) send(m *alert.Letter) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.deadLetters.Send(l.ctx, m)
}

// text writes a letter, and says what to call it in a log.
func (m *letter) text() (*alert.Letter, alertRef) {
	if m.alert == nil {
		return m.task.letter, alertRef{sequence: m.task.letter.Record.SequenceNumber}
	}
	a := m.alert
	out := &alert.Letter{
		Record: a.Record, Condition: alert.ConditionRetries, Detail: m.err.Error(), Attempts: 1,
		AlertID: a.ID, Rule: a.Rule, Topic: a.Topic,
	}
	if rejected, ok := errors.AsType[*alert.RejectedError](m.err); ok {
		out.Reason = rejected.Reason
	}
	if given, ok := errors.AsType[*alert.GivenUpError](m.err); ok {
		out.Condition, out.Attempts, out.Reason = given.Condition, given.Attempts, givenUpReason(given)
	}
	return out, refOf(a)
}

func givenUpReason(err *alert.GivenUpError) alert.Reason {
	if err.Condition == alert.ConditionAge {
		return ReasonRecordAge
	}
	return ReasonRetryAttempts
}

// hold stops a key.
func (l *lanes) hold(ln *lane, r refusal) {
	l.mu.Lock()
	if !ln.held {
		ln.held = true
		l.held++
	}
	l.mu.Unlock()
	l.owner.refused(r)
}

// leaveKey stops a key without a word: nothing is wrong with it.
func (l *lanes) leaveKey(ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.held = true
	l.left = true
}

func (l *lanes) tell(r refusal) {
	if r.fate != fateAccepted {
		l.owner.refused(r)
	}
}

// fateOf says what becomes of an alert after an answer of the publisher. An error that is not in the publisher's contract
// holds the key, aloud: a lane without a worker would be silent for good, and to drop the alert could be wrong.
func (l *lanes) fateOf(err error) fate {
	var rejected *alert.RejectedError
	var given *alert.GivenUpError
	switch {
	case err == nil:
		return fateAccepted
	case errors.Is(err, alert.ErrHeld):
		return fateLeft
	case errors.As(err, &rejected):
		switch {
		case l.deadLetters != nil:
			return fateLettered
		case l.skip, rejected.Reason == alert.ReasonUnknownTopic: // nothing that a person does brings it there, and it must not stop the key
			return fateSkipped
		}
		return fateHeld
	case errors.As(err, &given):
		if l.deadLetters != nil {
			return fateLettered
		}
		return fateExpired
	case l.ctx.Err() != nil:
		return fateEnded
	}
	return fateHeld
}

// outcome is what a fate makes of the record.
func (f fate) outcome() (alert.Outcome, alert.Reason) {
	switch f {
	case fateLettered:
		return alert.DeadLettered, ""
	case fateExpired:
		return alert.Expired, ""
	case fateSkipped:
		return alert.Invalid, alert.ReasonRejected
	case fateAccepted, fateHeld, fateLeft, fateEnded:
	}
	return alert.Alerted, ""
}
