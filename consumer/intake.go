package consumer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/payload"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/consumer/watermark"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

const (
	// warnEvery is how often a shard logs a record that cannot be taken apart.
	warnEvery = time.Minute
	// decodeAgain is the least time between two times that a large record is decoded for pieces that are left.
	decodeAgain = time.Second
)

// intake brings pages and ticks through the pipeline into the watermark and the lanes. "Here" is the KCL's goroutine of
// the shard.
type intake struct {
	*tools
	progress *progress
	outputs  *outputs
	memory   *memory
	fleet    func() alert.Fleet

	// Written and read here only.

	decoder  *decode.Decoder
	record   alert.Record // the one that is being ingested
	unread   bool         // something in it could not be read
	yielded  time.Time    // when a visit gave back the budget of the record, which is decoded again for what is left
	warned   time.Time    // when a record that cannot be read was last logged
	arrived  time.Time    // of the last record that had an arrival time
	unknown  time.Time    // by when the record being ingested arrived, if it has no arrival time
	closed   bool         // the last page was ingested to its end
	children []types.ChildShard
	// noTicksBefore is the end of what an earlier owner settled. Before it, a timer must not cause what a record may
	// have caused. A replay would drop that alert with its record, if a record made it; if none did, the alert would be
	// made twice.
	noTicksBefore position.Position
	nextTick      time.Time

	mu sync.Mutex

	current *read.Page // read, not yet ingested; written and read here, and at the end of the shard
	taking  *takenPage // the page that is being ingested; written here
	// bytes of settled pages that records still hold which are not settled; written here and by the lanes
	kept int
	// apart is the page of what records hold apart from their page: pieces of unpacked records. They count as they are
	// held.
	apart   takenPage
	keyless bool           // a record without partition key has come; written here, read by the status
	firing  map[string]int // keys that were reported as firing, by rule; written here, read by the status
	leaving map[string]int // of those, the keys of rules that were removed or edited; as firing
}

// takenPage sums up the bytes of a page that its unsettled records hold. Until the page is settled the bytes are the
// page's; after that each record gives its own part back.
type takenPage struct {
	kept    int
	settled bool
}

// ingest runs a page through the pipeline and queues its alerts. It stops early, and returns false, when the lease is
// lost or the process stops; what was not ingested is read again by the shard's next owner.
func (in *intake) ingest(p *read.Page) bool {
	taken := &takenPage{}
	in.mu.Lock()
	in.taking = taken
	in.mu.Unlock()
	defer in.settle(p, taken) // also when a record panics
	began := time.Now()
	in.activity.StartEvaluating()
	defer in.activity.StopEvaluating()
	in.memory.midPage = true
	in.eval.Reaches(p.Asked)
	in.metrics.read.Untimed.Add(float64(read.CorrectArrivals(p.Records, in.reached(), in.clock, p.At)))
	for n := range p.Records {
		err := in.ingestRecord(&p.Records[n], p)
		if in.unread {
			in.unread = false
			in.pipeline.Unread(in.id, aws.ToString(p.Records[n].SequenceNumber), p.Records[n].Data,
				func(data []byte) *payload.Hint { return in.decoder.Hint(in.readCtx, data) })
		}
		if err != nil {
			return false
		}
	}
	in.memory.midPage = false
	if n := len(p.Records); n > 0 {
		in.memory.at, in.memory.dirty = position.Past(aws.ToString(p.Records[n-1].SequenceNumber)), true
	}
	in.progress.recordIngested(p)
	in.metrics.evalDuration.Observe(time.Since(began).Seconds())
	if p.Proven {
		in.closed, in.children = true, p.Children
	}
	return true
}

// settle gives back the bytes that a page's unsettled records do not hold, and offers the progress that the page made.
func (in *intake) settle(p *read.Page, taken *takenPage) {
	in.record = alert.Record{} // an idle shard must not pin its last page
	in.mu.Lock()
	taken.settled = true
	in.taking = nil
	kept := taken.kept
	in.kept += kept
	in.mu.Unlock()
	in.credits.Settle(p.Credit, kept)
	in.progress.offer(false)
}

// ingestRecord ingests one Kinesis record, with all user records inside it.
func (in *intake) ingestRecord(r *types.Record, p *read.Page) error {
	rec := &in.record // one for all of the shard: the evaluator does not keep it
	*rec = alert.Record{
		Shard: in.id, PartitionKey: aws.ToString(r.PartitionKey), SequenceNumber: aws.ToString(r.SequenceNumber),
		Data:    r.Data,
		Arrival: in.arrival(r, p),
	}
	if in.decoder.Simple(r.Data) {
		return in.ingestUserRecord(rec, position.Past(rec.SequenceNumber))
	}
	outer := *rec
	err := in.decoder.Each(in.readCtx, &outer, func(u *decode.UserRecord) error {
		if u.Last && u.Inner {
			in.metrics.aggregates.Inc()
		}
		if err := in.visit(rec, u); err != nil {
			return err
		}
		return in.rest()
	})
	if in.decoder.Large() {
		in.record = alert.Record{}
		in.eval.Forget()
	}
	return err
}

// visit ingests what was found in a Kinesis record.
func (in *intake) visit(rec *alert.Record, u *decode.UserRecord) error {
	at := position.Position{Sequence: u.SequenceNumber, Sub: u.SubSequence}
	if u.Last {
		at.Sub = position.WholeRecord
	}
	*rec = u.Record
	switch {
	case !u.Undecidable():
		return in.ingestUserRecord(rec, at)
	case in.progress.settledBefore(at):
		in.progress.skip(at)
		return nil
	}
	if now := time.Now(); u.Err != nil && now.Sub(in.warned) >= warnEvery {
		in.warned = now
		in.log.Warn("a record cannot be taken apart, it is invalid; logged at most once a minute",
			zap.String("sequence_number", u.SequenceNumber), zap.Uint32("sub_sequence", u.SubSequence),
			zap.Error(u.Err))
	}
	return in.decided(rec, at, u.Decide(in.pipeline.Poison))
}

// yield gives back what the record at hand took of the budget, before a wait. Nothing may keep what is unpacked: the
// wait may be long.
func (in *intake) yield() {
	if in.decoder.Yield() {
		in.yielded = time.Now()
		in.record.Data, in.record.Row = nil, nil
		in.eval.Forget()
	}
}

// rest bounds how often a record is decoded again, while each of its pieces waits for room.
func (in *intake) rest() error {
	if in.yielded.IsZero() {
		return nil
	}
	until := in.yielded.Add(decodeAgain)
	in.yielded = time.Time{}
	in.activity.StopEvaluating()
	err := sleep.Until(in.readCtx, until)
	in.activity.StartEvaluating()
	return err
}

func (in *intake) ingestUserRecord(rec *alert.Record, at position.Position) error {
	if rec.PartitionKey == "" {
		in.recordKeyless()
	}
	if !in.progress.settledBefore(at) {
		return in.decided(rec, at, in.eval.Evaluate(rec))
	}
	// Later records still depend on it, unless a snapshot includes it already.
	if in.eval.Stateful() && at.Compare(in.memory.at) > 0 {
		rec.Replayed = true
		in.eval.Evaluate(rec)
	}
	in.progress.skip(at)
	return nil
}

// recordKeyless notes that records come without a partition key, as from a stream that distributes them by itself.
// Rules that remember by partition key then remember by shard.
func (in *intake) recordKeyless() {
	stateful := in.eval.Stateful()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.keyless = in.keyless || stateful
}

// decided ingests a record with what the pipeline says about it: one entry of the watermark, with a task for each
// partition key that its alerts are about.
func (in *intake) decided(rec *alert.Record, at position.Position, d alert.Decision) error {
	in.unread = in.unread || d.Outcome == alert.Invalid || d.Reason == alert.ReasonNotJSON
	parts, dealt := in.partsFor(rec, at, &d)
	items := in.outputs.items(rec, d.Outputs)
	if len(parts) == 0 && len(items) == 0 {
		in.progress.Pass(at)
		in.metrics.recordsRead.Inc()
		in.pipeline.Resolved(d)
		return nil
	}
	wait := func() error { return in.outputs.reserve(items, in.yield) }
	if len(parts) > 0 {
		wait = func() error { return in.room(parts[0]) }
	}
	if err := wait(); err != nil {
		in.progress.undoDealt(at, dealt)
		return err // it is not in the watermark, where what a stop leaves behind counts as not drained
	}
	arrival := rec.Arrival
	if in.unknown.After(arrival) { // its age is not known: it adds no lag
		arrival = in.unknown
	}
	e, behindTime := in.progress.Wait(at, arrival, &d, dealt, len(parts), len(items))
	in.metrics.recordsRead.Inc()
	if err := in.submit(e, parts, behindTime || len(items) > 0); err != nil {
		return err
	}
	if len(parts) > 0 && len(items) > 0 {
		if err := in.outputs.reserve(items, in.yield); err != nil {
			return err
		}
	}
	in.outputs.submit(e, items)
	return nil
}

// partsFor returns the tasks of a decision, without what this process has dealt with before. A record that the
// configuration sends to the dead letters is a task too, if there is a destination for these.
func (in *intake) partsFor(rec *alert.Record, at position.Position, d *alert.Decision) (parts []*part, dealt []string) {
	letter := d.DeadLetter && in.lanes.TakesDeadLetters()
	if len(d.Alerts) == 0 && !letter {
		return nil, nil
	}
	alerts, dealt := in.progress.dealtBefore(d.Alerts)
	id := ""
	if letter {
		if id = letterID(at); in.progress.wasDealt(id) {
			letter, dealt = false, append(dealt, id)
		}
	}
	if len(alerts) == 0 && !letter {
		return nil, nil
	}
	parts = partsOf(alerts)
	if letter {
		parts = append([]*part{letterPart(rec, id, d.Reason)}, parts...)
	}
	for _, p := range parts {
		p.apart = (rec.Borrowed || rec.Row != nil) && p.keepsPayload()
	}
	return parts, dealt
}

// submit queues the parts of an entry; there is room for the first. tracked says that no offer can say that these are
// dealt with: the entry also waits for an output, or an entry caused by a timer waits before it, or is this one.
func (in *intake) submit(e *watermark.Entry, parts []*part, tracked bool) error {
	tracked = tracked || len(parts) > 1 || len(e.Dealt) > 0 // nor that some of several are
	for n, p := range parts {
		tracked = tracked || len(p.Alerts) > 1
		if n > 0 {
			if err := in.room(p); err != nil {
				return err
			}
		}
		p.entry, p.decides = e, e.Decided || p.Letter != nil
		if tracked {
			p.Dealt = &e.Dealt
		}
		if p.keepsPayload() {
			in.keep(p)
		}
		in.lanes.Submit(&p.Task)
	}
	return nil
}

// keep has a part hold its bytes: of the page that is being ingested, if there is one, or those that room took for it.
func (in *intake) keep(p *part) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case p.apart:
		p.page = &in.apart
		in.kept += p.Bytes
	case in.taking != nil:
		p.page = in.taking
		p.page.kept += p.Bytes
	}
}

// room waits until one more task may wait for SNS. A handoff that is requested meanwhile is called off: the planner
// would count on it for as long as SNS does not answer.
func (in *intake) room(p *part) error {
	in.activity.StopEvaluating()
	defer in.activity.StartEvaluating()
	for {
		err := in.lanes.Reserve(in.readCtx, p.Bytes, handoffLimit, in.yield)
		if !errors.Is(err, lanes.ErrNoRoom) {
			if err == nil && p.apart {
				err = in.takeApart(p.Bytes)
			}
			return err
		}
		in.progress.offer(false)
		in.refuseHandoff(err)
	}
}

// takeApart takes bytes of the pool for what a page does not cover. One part of a shard always may, or pages could fill
// the pool and wait for each other.
func (in *intake) takeApart(bytes int) error {
	for {
		in.mu.Lock()
		only := in.kept == 0
		in.mu.Unlock()
		room := in.credits.Add(bytes, only)
		if room == nil {
			return nil
		}
		in.yield()
		if err := in.await(room); err != nil {
			return err
		}
	}
}

// await waits for a moment at which there may be room in the pool.
func (in *intake) await(room <-chan struct{}) error {
	limit := time.NewTimer(handoffLimit)
	defer limit.Stop()
	select {
	case <-room:
	case <-limit.C:
		in.progress.offer(false)
		in.refuseHandoff(lanes.ErrNoRoom)
	case <-in.readCtx.Done():
		return context.Cause(in.readCtx)
	}
	return nil
}

// arrival is the event time of a record. One without arrival time takes that of the shard, or, where there is none yet,
// the time of the answer.
func (in *intake) arrival(r *types.Record, p *read.Page) time.Time {
	if r.ApproximateArrivalTimestamp != nil {
		in.arrived, in.unknown = *r.ApproximateArrivalTimestamp, time.Time{}
		return in.arrived
	}
	in.unknown = p.Date.Add(-p.Behind)
	at := in.eval.EventTime()
	if in.arrived.After(at) {
		at = in.arrived
	}
	if at.IsZero() {
		at = p.Date
	}
	return at
}

// reached is the latest arrival of the records so far; zero before the first.
func (in *intake) reached() time.Time {
	at := in.arrived
	if in.eval.Stateful() && in.eval.EventTime().After(at) {
		at = in.eval.EventTime()
	}
	return at
}

// mayTick reports whether timers may cause alerts now: not too often, and not within what an earlier owner settled.
func (in *intake) mayTick(p *read.Page, now time.Time) bool {
	if !in.noTicksBefore.IsZero() && (p.Behind == 0 || in.memory.at.Compare(in.noTicksBefore) >= 0) {
		in.noTicksBefore = position.Position{}
	}
	return in.noTicksBefore.IsZero() && !now.Before(in.nextTick)
}

// tick ingests the alerts that are due because time has passed: one time entry, with tasks by partition key.
func (in *intake) tick(p *read.Page, now time.Time) {
	in.nextTick, in.memory.ticked = now.Add(tickEvery), true
	at := p.CaughtUp()
	without := in.memory.lookAtKin(now)
	in.memory.midPage = true
	in.activity.StartEvaluating()
	defer in.activity.StopEvaluating()
	alerts, dealt := in.progress.dealtBefore(in.eval.Tick(alert.Tick{
		CaughtUp: at, Fleet: in.fleet(), Without: without, Settled: in.lease.Settled(),
	}))
	if len(alerts) == 0 && len(dealt) > 0 {
		in.progress.dealtByTime(dealt)
		in.memory.dirty = true
	}
	in.memory.saveForKin(now)
	firing, leaving := in.eval.Told()
	in.mu.Lock()
	in.firing, in.leaving = firing, leaving
	in.mu.Unlock()
	if len(alerts) > 0 {
		parts := partsOf(alerts)
		e := in.progress.WaitTimed(at, dealt, len(parts))
		if err := in.room(parts[0]); err != nil {
			return
		}
		if err := in.submit(e, parts, true); err != nil {
			return
		}
		in.memory.dirty = true
		if soon := now.Add(stateAfterTick); soon.Before(in.memory.next) {
			in.memory.next = soon
		}
	}
	in.memory.midPage = false
}

// setCurrent keeps a page until it is ingested.
func (in *intake) setCurrent(p *read.Page) { in.swap(p) }

// takeCurrent returns that page, once.
func (in *intake) takeCurrent() *read.Page { return in.swap(nil) }

func (in *intake) swap(p *read.Page) *read.Page {
	in.mu.Lock()
	defer in.mu.Unlock()
	old := in.current
	in.current = p
	return old
}

// giveBack returns the bytes of everything that will not be settled here.
func (in *intake) giveBack() {
	in.mu.Lock()
	left := in.kept
	in.kept = 0
	p := in.current
	in.current = nil
	in.mu.Unlock()
	if left > 0 {
		in.credits.Give(left)
	}
	if p != nil {
		in.credits.Settle(p.Credit, 0)
	}
}

// freed gives back a part's bytes of its page.
func (in *intake) freed(of *part) {
	in.mu.Lock()
	give := 0
	switch p := of.page; {
	case p == nil:
	case p.settled:
		give = of.Bytes
		in.kept -= give
	default:
		p.kept -= of.Bytes
	}
	of.page = nil
	in.mu.Unlock()
	if give > 0 {
		in.credits.Give(give)
	}
}

// describe fills in the intake's share of a status.
func (in *intake) describe(status *ShardStatus) {
	in.mu.Lock()
	defer in.mu.Unlock()
	status.Keyless, status.Firing, status.Leaving = in.keyless, in.firing, in.leaving
}
