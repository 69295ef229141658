package consumer

import (
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/position"
)

// takenPage sums up what the unresolved records of a page keep of its credit. Until the page is settled the credit
// is the page's; after that each record gives its own part back.
type takenPage struct {
	kept    int
	settled bool
}

// takeIn runs a page through the pipeline and queues its alerts. It stops early when the lease is lost or the process
// stops; what was not taken in is read again by the shard's next owner.
func (s *shard) takeIn(p *read.Page) {
	if s.takeInPage(p) {
		s.pageDone(p)
		s.replayed(p)
	}
}

// takeInPage takes in the records of a page and answers whether it came to the end of it.
func (s *shard) takeInPage(p *read.Page) bool {
	taken := &takenPage{}
	s.mu.Lock()
	s.inTaking = taken
	s.mu.Unlock()
	defer s.settle(p, taken) // also when a record panics
	began := time.Now()
	s.activity.StartEvaluating()
	defer s.activity.StopEvaluating()
	s.state.torn = true
	s.eval.Reaches(p.Asked)
	s.metrics.read.Untimed.Add(float64(read.CorrectArrivals(p.Records, s.reached(), s.clock, p.At)))
	for i := range p.Records {
		if err := s.takeInRecord(&p.Records[i], p); err != nil {
			return false
		}
	}
	s.state.torn = false
	if n := len(p.Records); n > 0 {
		s.state.at, s.state.dirty = position.Past(aws.ToString(p.Records[n-1].SequenceNumber)), true
	}
	s.tookIn(p)
	s.metrics.evalDuration.Observe(time.Since(began).Seconds())
	if p.Proven {
		s.closed, s.children = true, p.Children
	}
	return true
}

// tookIn notes that everything of a page is in the watermark. How far time has come is noted with the latest arrival up
// to then: who is told of both may conclude that nothing arrived in between.
func (s *shard) tookIn(p *read.Page) {
	stateful, eventTime := s.eval.Stateful(), time.Time{}
	if stateful {
		eventTime = s.eval.EventTime()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !p.Null || p.Proven { // else the shard may go on where this answer did not look
		s.caughtUp = p.CaughtUp()
	}
	s.evaluates, s.eventTime = stateful, eventTime
}

// settle gives back what a page's unresolved records do not keep, and offers the progress that the page made.
func (s *shard) settle(p *read.Page, taken *takenPage) {
	s.record = alert.Record{} // an idle shard must not pin its last page
	s.mu.Lock()
	taken.settled = true
	s.inTaking = nil
	kept := taken.kept
	s.kept += kept
	s.mu.Unlock()
	s.budget.Settle(p.Credit, kept)
	s.offer(false)
}

// takeInRecord takes in one Kinesis record, with all that is inside it.
func (s *shard) takeInRecord(r *types.Record, p *read.Page) error {
	rec := &s.record // one for all of the shard's: the evaluator does not keep it
	*rec = alert.Record{
		Shard: s.id, PartitionKey: aws.ToString(r.PartitionKey), SequenceNumber: aws.ToString(r.SequenceNumber), Data: r.Data,
		Arrival: s.arrival(r, p),
	}
	if !decode.IsAggregate(r.Data) { // most are none, and decode.Each would do no more for them
		return s.takeInUserRecord(rec, position.Past(rec.SequenceNumber))
	}
	outer := *rec
	return decode.Each(&outer, func(u *decode.UserRecord) error {
		switch {
		case u.Whole && u.Err != nil:
			s.log.Warn("aggregated record cannot be read, one record is invalid, going on",
				zap.String("sequence_number", u.SequenceNumber), zap.Error(u.Err))
		case u.Last:
			s.metrics.aggregates.Inc()
		}
		at := position.Position{Sequence: u.SequenceNumber, Sub: u.SubSequence}
		if u.Last {
			at.Sub = position.WholeRecord
		}
		*rec = u.Record
		switch {
		case !u.Undecidable():
			return s.takeInUserRecord(rec, at)
		case s.resolvedBefore(at):
			s.skip(at)
			return nil
		}
		return s.decided(rec, at, u.Decide(s.pipeline.Poison))
	})
}

func (s *shard) takeInUserRecord(rec *alert.Record, at position.Position) error {
	if rec.PartitionKey == "" {
		s.noteKeyless()
	}
	if !s.resolvedBefore(at) {
		return s.decided(rec, at, s.eval.Evaluate(rec))
	}
	// What it means for later records is needed all the same, unless a snapshot has it already.
	if s.eval.Stateful() && at.Compare(s.state.at) > 0 {
		rec.Replayed = true
		s.eval.Evaluate(rec)
	}
	s.skip(at)
	return nil
}

// noteKeyless notes that records come without partition key, as from a stream that distributes them by itself: rules that remember by
// partition key then remember by shard.
func (s *shard) noteKeyless() {
	stateful := s.eval.Stateful()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyless = s.keyless || stateful
}

// decided takes in a record with what the pipeline says about it: one entry of the watermark, with a task for each
// partition key that its alerts are about.
func (s *shard) decided(rec *alert.Record, at position.Position, d alert.Decision) error {
	tasks, dealt := s.tasksFor(rec, at, &d)
	if len(tasks) == 0 {
		s.pass(at)
		s.metrics.recordsRead.Inc()
		s.pipeline.Resolved(d)
		return nil
	}
	if err := s.room(tasks[0].Bytes); err != nil {
		s.remain(at, dealt)
		return err // it is not in the watermark: what a stop leaves behind there counts as not drained
	}
	arrival := rec.Arrival
	if s.unknown.After(arrival) { // its age is not known: it makes no lag
		arrival = s.unknown
	}
	s.mu.Lock()
	e := s.mark.wait(at, arrival, len(tasks))
	if e.decided = d.Outcome == alert.Alerted; !e.decided {
		e.decision = alert.Decision{Outcome: d.Outcome, Reason: d.Reason}
	}
	e.dealt = dealt
	s.mu.Unlock()
	s.metrics.recordsRead.Inc()
	return s.Submit(e, tasks)
}

// tasksFor are the tasks of a decision, without what this process has dealt with before. A record that the configuration
// wants to see among the dead letters is one, if there is a place for these.
func (s *shard) tasksFor(rec *alert.Record, at position.Position, d *alert.Decision) (tasks []*part, dealt []string) {
	letter := d.DeadLetter && s.lanes.TakesDeadLetters()
	if len(d.Alerts) == 0 && !letter {
		return nil, nil
	}
	alerts, dealt := s.dealtBefore(d.Alerts)
	id := ""
	if letter {
		if id = letterID(at); s.wasDealt(id) {
			letter, dealt = false, append(dealt, id)
		}
	}
	if len(alerts) == 0 && !letter {
		return nil, nil
	}
	tasks = partsOf(alerts)
	if letter {
		tasks = append([]*part{letterPart(rec, id, d.Reason)}, tasks...)
	}
	return tasks, dealt
}

// submit queues the tasks of an entry; there is room for the first.
func (s *shard) Submit(e *entry, tasks []*part) error {
	many := len(tasks) > 1 || len(tasks[0].Alerts) > 1 || len(e.dealt) > 0
	for i, t := range tasks {
		if i > 0 {
			if err := s.room(t.Bytes); err != nil {
				return err
			}
		}
		t.entry, t.decides = e, e.decided || t.Letter != nil
		s.mu.Lock()
		if many || len(s.mark.timed) > 0 { // an offer cannot say that a part of them is dealt with
			t.Dealt = &e.dealt
		}
		if s.inTaking != nil && t.keepsPayload() {
			t.page = s.inTaking
			t.page.kept += t.Bytes
		}
		s.mu.Unlock()
		s.lanes.Submit(&t.Task)
	}
	return nil
}

// room waits until one more task may wait for SNS. A handoff that is asked for meanwhile is called off, or the planner
// would count on it for as long as SNS activity still.
func (s *shard) room(bytes int) error {
	s.activity.StopEvaluating()
	defer s.activity.StartEvaluating()
	for {
		err := s.lanes.Reserve(s.readCtx, bytes, handoffLimit)
		if !errors.Is(err, lanes.ErrNoRoom) {
			return err
		}
		s.offer(false)
		s.refuseHandoff(err)
	}
}

// refuseHandoff calls a handoff off, if there is one asked for, that cannot be drained for.
func (s *shard) refuseHandoff(why error) {
	select {
	case <-s.lease.HandoffRequested():
		s.callOff(why)
	default:
	}
}

func (s *shard) callOff(why error) {
	s.lease.KeepLease()
	s.metrics.handoffs.WithLabelValues("called_off").Inc()
	s.log.Warn("handoff called off, shard kept", zap.Error(why))
}

func (s *shard) pass(at position.Position) {
	s.mu.Lock()
	s.mark.pass(at)
	s.mu.Unlock()
}

// skip takes in a record that an earlier owner has resolved.
func (s *shard) skip(at position.Position) {
	if s.startAt.IsZero() { // else it is at or below the mark already
		s.pass(at)
	}
	s.metrics.recordsSkip.Inc()
}

// resolvedBefore says whether an earlier owner has dealt with a position.
func (s *shard) resolvedBefore(at position.Position) bool {
	if !s.startAt.IsZero() {
		if at.Compare(s.startAt) <= 0 {
			return true
		}
		s.startAt = position.Position{}
	}
	for s.passed < len(s.inherited) && s.inherited[s.passed].UpTo.Compare(at) < 0 {
		s.passed++ // it stays named in offers until the watermark has passed it, too
	}
	return position.Covers(s.inherited[s.passed:], at)
}

// arrival is the event time of a record. One without arrival time takes that of the shard, or, where there is none yet, the
// time of the answer.
func (s *shard) arrival(r *types.Record, p *read.Page) time.Time {
	if r.ApproximateArrivalTimestamp != nil {
		s.arrived, s.unknown = *r.ApproximateArrivalTimestamp, time.Time{}
		return s.arrived
	}
	s.unknown = p.Date.Add(-p.Behind)
	at := s.eval.EventTime()
	if s.arrived.After(at) {
		at = s.arrived
	}
	if at.IsZero() {
		at = p.Date
	}
	return at
}

// reached is the latest arrival of the records so far; zero before the first.
func (s *shard) reached() time.Time {
	at := s.arrived
	if s.eval.Stateful() && s.eval.EventTime().After(at) {
		at = s.eval.EventTime()
	}
	return at
}
