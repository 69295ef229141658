package consumer

import (
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
)

// takenPage sums up what the unresolved records of a page keep of its credit. Until the page is settled the credit
// is the page's; after that each record gives its own part back.
type takenPage struct {
	kept    int
	settled bool
}

// takeIn runs a page through the pipeline and queues its alerts. It stops early when the lease is lost or the process
// stops; what was not taken in is read again by the shard's next owner.
func (s *shard) takeIn(p *page) {
	taken := &takenPage{}
	s.mu.Lock()
	s.inTaking = taken
	s.mu.Unlock()
	defer s.settle(p, taken) // also when a record panics
	for i := range p.records {
		if err := s.takeInRecord(&p.records[i]); err != nil {
			return
		}
	}
	s.tookIn(p)
	if p.end {
		s.closed, s.children = true, p.children
	}
}

// tookIn notes that everything of a page is in the watermark.
func (s *shard) tookIn(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caughtUp = p.at.Add(-p.behind)
}

// settle gives back what a page's unresolved records do not keep, and offers the progress that the page made.
func (s *shard) settle(p *page, taken *takenPage) {
	s.mu.Lock()
	taken.settled = true
	s.inTaking = nil
	kept := taken.kept
	s.mu.Unlock()
	s.budget.settle(p.credit, kept)
	s.offer(false)
}

// takeInRecord takes in one Kinesis record, with all that is inside it.
func (s *shard) takeInRecord(r *types.Record) error {
	rec := alert.Record{
		Shard: s.id, PartitionKey: *r.PartitionKey, SequenceNumber: *r.SequenceNumber, Data: r.Data,
	}
	if r.ApproximateArrivalTimestamp != nil {
		rec.Arrival = *r.ApproximateArrivalTimestamp
	}
	whole := position{rec.SequenceNumber, WholeRecord}
	if !isAggregate(r.Data) {
		return s.takeInUserRecord(&rec, whole)
	}
	users, err := deaggregate(r.Data)
	if err != nil {
		s.log.Warn("aggregated record cannot be read, one record is invalid, going on",
			zap.String("sequence_number", rec.SequenceNumber), zap.Error(err))
		return s.settleNow(whole, alert.Poison(alert.ReasonBadAggregate))
	}
	s.metrics.aggregates.Inc()
	for i, u := range users {
		at := position{rec.SequenceNumber, uint32(i)}
		if i == len(users)-1 {
			at = whole
		}
		if u.err != nil {
			if err := s.settleNow(at, alert.Poison(alert.ReasonBadAggregate)); err != nil {
				return err
			}
			continue
		}
		sub := rec
		sub.PartitionKey, sub.SubSequence, sub.Data = u.partitionKey, uint32(i), u.data
		if err := s.takeInUserRecord(&sub, at); err != nil {
			return err
		}
	}
	if len(users) == 0 {
		s.pass(whole)
	}
	return nil
}

func (s *shard) takeInUserRecord(rec *alert.Record, at position) error {
	if s.resolvedBefore(at) {
		s.pass(at)
		s.metrics.recordsSkip.Inc()
		return nil
	}
	d := s.eval.Evaluate(rec)
	if len(d.Alerts) == 0 {
		return s.settleNow(at, d)
	}
	d.Alerts = slices.Clone(d.Alerts) // the evaluator reuses its slice
	bytes := len(rec.Data) + len(rec.PartitionKey) + recordOverhead
	if err := s.room(bytes); err != nil {
		return err // it is not in the watermark: what a stop leaves behind there counts as not drained
	}
	s.mu.Lock()
	t := &task{entry: s.mark.wait(at, rec.Arrival, bytes), decision: d}
	t.page = s.inTaking
	t.page.kept += bytes
	s.mu.Unlock()
	s.metrics.recordsRead.Inc()
	s.lanes.submit(rec.PartitionKey, t)
	return nil
}

// room waits until one more record may wait for SNS. A handoff that is asked for meanwhile is called off, or the planner
// would count on it for as long as SNS stands still.
func (s *shard) room(bytes int) error {
	for {
		err := s.lanes.reserve(s.readCtx, bytes, handoffLimit)
		if !errors.Is(err, errNoRoom) {
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

// settleNow takes in a record that needs nothing more.
func (s *shard) settleNow(at position, d alert.Decision) error {
	if s.resolvedBefore(at) {
		s.pass(at)
		s.metrics.recordsSkip.Inc()
		return nil
	}
	s.pass(at)
	s.metrics.recordsRead.Inc()
	s.pipeline.Resolved(d)
	return nil
}

func (s *shard) pass(at position) {
	s.mu.Lock()
	s.mark.pass(at)
	s.mu.Unlock()
}

// resolvedBefore says whether an earlier owner has dealt with a position.
func (s *shard) resolvedBefore(at position) bool {
	if s.startAt.sequence != "" {
		if at.compare(s.startAt) <= 0 {
			return true
		}
		s.startAt = position{}
	}
	for s.passed < len(s.inherited) && s.inherited[s.passed].upTo.compare(at) < 0 {
		s.passed++ // it stays named in offers until the watermark has passed it, too
	}
	return covers(s.inherited[s.passed:], at)
}
