package consumer

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/consumer/watermark"
	"kinesis-alerter/internal/position"
)

// progress is how far a shard is settled, and what it offers of that to its lease.
//
// "Here" is the KCL's goroutine of the shard. Lanes' workers and the publishers' goroutines settle parts of entries.
type progress struct {
	*tools
	outcomes *outcomes

	// Written and read here only.

	from   types.StartingPosition // where the lease begins
	start  types.StartingPosition // where reading begins: behind startAt
	stored position.Position      // the checkpoint of the lease
	// records up to here were settled by an earlier owner, or here before; zero once passed
	startAt position.Position
	passed  int // how many of inherited reading has passed
	// before is startAt while it is no record of the shard, and is never stored: the last owner stopped inside the
	// record behind it, and counted its places by another input.
	before position.Position

	mu sync.Mutex

	inherited []position.Range    // settled by an earlier owner, above startAt; written here, read by offers
	mark      watermark.Watermark // written here and by those who settle; read by offers and the status
	offered   position.Position   // the last offer's position; written and read by offers
	// done in an earlier life of the shard on this worker, and not made again yet; here only
	recalled  map[string]dealtAlert
	dealt     []dealtAlert // dealt with in this life, in entries that no offer names; written by those who settle
	load      read.Load    // written here; read by offers and the status
	settled   bool         // something was since the last offer; written by those who settle, and by offers
	bytes     int          // of records since the last offer; written here and by offers
	caughtUp  time.Time    // up to when the shard is read; written here, read by offers and the heartbeat
	evaluates bool         // statefully, so that eventTime is known; written here, read by the heartbeat
	eventTime time.Time    // of the evaluator; written here with caughtUp, read with it
}

// newProgress begins where the lease says.
func newProgress(t *tools, o *outcomes) *progress {
	from, sub, settled := t.lease.Start()
	if from.SequenceNumber != nil && !position.IsNumber(*from.SequenceNumber) {
		t.lease.Unusable()
		from, sub, settled = types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}, 0, ""
	}
	p := &progress{tools: t, outcomes: o, from: from, start: from, inherited: position.DecodeRanges(settled)}
	recounts := t.lease.Input() != t.plan.Hash()
	if recounts { // a place in a record that is settled as a whole needs no count
		p.inherited = slices.DeleteFunc(p.inherited, func(r position.Range) bool {
			return r.After.Inside() || r.UpTo.Inside()
		})
	}
	switch from.Type { //nolint:exhaustive // the others name no record
	case types.ShardIteratorTypeAfterSequenceNumber:
		p.startAt = position.Past(*from.SequenceNumber)
	case types.ShardIteratorTypeAtSequenceNumber:
		p.startAt = position.Position{Sequence: *from.SequenceNumber, Sub: sub}
		if recounts {
			t.lease.Recounts()
			p.before = position.Before(*from.SequenceNumber)
			p.startAt = p.before
		}
	}
	return p
}

// behind is where reading resumes behind a position.
func (p *progress) behind(at position.Position) types.StartingPosition {
	if at == p.before {
		return p.from
	}
	return startBehind(at)
}

func startBehind(at position.Position) types.StartingPosition {
	start := types.StartingPosition{
		Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: aws.String(at.Sequence),
	}
	if at.Sub == position.WholeRecord {
		start.Type = types.ShardIteratorTypeAfterSequenceNumber
	}
	return start
}

// pass adds a record that waits for nothing.
func (p *progress) Pass(at position.Position) {
	p.mu.Lock()
	p.mark.Pass(at)
	p.mu.Unlock()
}

// skip adds a record that an earlier owner has settled.
func (p *progress) skip(at position.Position) {
	if p.startAt.IsZero() { // else it is at or below the mark already
		p.Pass(at)
	}
	p.metrics.recordsSkip.Inc()
}

// settledBefore reports whether an earlier owner has dealt with a position. Ask for positions in their order.
func (p *progress) settledBefore(at position.Position) bool {
	if !p.startAt.IsZero() {
		if at.Compare(p.startAt) <= 0 {
			return true
		}
		p.startAt = position.Position{}
	}
	for p.passed < len(p.inherited) && p.inherited[p.passed].UpTo.Compare(at) < 0 {
		p.passed++ // it stays named in offers until the watermark has passed it, too
	}
	return position.Covers(p.inherited[p.passed:], at)
}

// Wait adds a record that waits for so many parts and outputs. behindTime says that an entry caused by a timer waits
// before it.
func (p *progress) Wait(
	at position.Position, arrival time.Time, d *alert.Decision, dealt []string, parts, outputs int,
) (e *watermark.Entry, behindTime bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e = p.mark.Wait(at, arrival, parts, outputs)
	if e.Decided = d.Outcome == alert.Alerted && parts > 0; !e.Decided {
		e.Decision = alert.Decision{Outcome: d.Outcome, Reason: d.Reason}
	}
	e.Dealt = dealt
	return e, len(p.mark.Timed) > 0
}

// waitTimed adds what a timer caused behind the last record.
func (p *progress) WaitTimed(at time.Time, dealt []string, parts int) *watermark.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.mark.WaitTimed(at, parts)
	e.Dealt = dealt
	return e
}

// settle marks a part as done and reports whether its entry waits for nothing more.
func (p *progress) settle(of *part) (whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of.decides {
		lanes.MergeOutcome(&of.entry.Decision, of.Result.Outcome, of.Result.Reason)
	}
	p.settled = true
	if whole = p.mark.Resolve(of.entry); whole {
		p.keepDealt(of.entry)
	}
	return whole
}

// settleOutput marks an output of an entry as done and reports whether the entry waits for nothing more. An output that
// was written changes nothing about the outcome.
func (p *progress) settleOutput(e *watermark.Entry, result alert.Decision) (whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if result.Outcome != alert.Unmatched {
		lanes.MergeOutcome(&e.Decision, result.Outcome, result.Reason)
	}
	p.settled = true
	if whole = p.mark.ResolveOutput(e); whole {
		p.keepDealt(e)
	}
	return whole
}

// unsettled counts the entries that wait.
func (p *progress) unsettled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mark.Waiting()
}

// entries counts the entries so far, and settledThrough reports whether the first n are settled.
func (p *progress) entries() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mark.Count
}

func (p *progress) settledThrough(n uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mark.SettledThrough(n)
}

// abandon gives up the records that wait, and counts those that were not counted as left yet.
func (p *progress) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.metrics.recordsLeft.Add(float64(p.mark.Leave()))
}

// offer tells the lease how far everything is settled. With all, and while a key is held, it also names what is settled
// above that: a held key may hold the watermark for days, and a crash would repeat all that other keys have published
// since. Otherwise it names only what an earlier owner settled that is still to come, so that a crash does not repeat
// that.
func (p *progress) offer(all bool) {
	p.mu.Lock()
	defer p.mu.Unlock() // offers must reach the lease in the order of their watermarks
	mark := p.mark.Mark()
	settled := p.inheritedAbove(mark)
	if all || p.outcomes.holds() {
		settled = append(p.mark.SettledAbove(), p.inheritedAbove(p.mark.Last)...)
	}
	if mark == p.before && !mark.IsZero() {
		settled = nil // it would be above a place of another input
	}
	above := position.EncodeRanges(settled)
	offer := position.Progress{
		At: mark, Above: above, Input: p.plan.Hash(), Load: p.load.Rate(time.Now()), Settled: p.settled,
		Bytes: p.bytes,
	}
	p.bytes = 0
	// else the offer does not say what was settled, and the next one has to be early
	if mark != p.offered || above != "" {
		p.settled = false
	}
	if p.mark.Waiting() == 0 {
		offer.CaughtUp = p.caughtUp
	}
	if mark == p.offered && above == "" {
		offer.At = position.Position{} // nothing new
	}
	p.offered = mark
	p.lease.Commit(offer)
}

// inheritedAbove lists the inherited ranges that reach above a watermark. Call it with mu held.
func (p *progress) inheritedAbove(mark position.Position) []position.Range {
	n := 0
	for n < len(p.inherited) && p.inherited[n].UpTo.Compare(mark) <= 0 {
		n++
	}
	return p.inherited[n:]
}

// settledUpTo is the end of what an earlier owner settled.
func (p *progress) settledUpTo() position.Position {
	if n := len(p.inherited); n > 0 {
		return p.inherited[n-1].UpTo
	}
	return p.startAt
}

// forgetInherited drops what was settled before: its position no longer exists.
func (p *progress) forgetInherited() {
	p.startAt, p.passed = position.Position{}, 0
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inherited = nil
}

// restart begins again from nothing, when the checkpoint never was a position in the shard.
func (p *progress) restart() {
	p.resume(position.Position{}, p.start)
}

// resume begins again behind a position, as if the lease had begun there.
func (p *progress) resume(at position.Position, start types.StartingPosition) {
	p.start, p.startAt, p.passed, p.stored = start, at, 0, at
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inherited, p.offered, p.mark.Last = nil, at, at
}

// recordLoad adds an answer of Kinesis to the shard's load.
func (p *progress) recordLoad(page *read.Page) {
	bytes := 0
	for i := range page.Records {
		bytes += len(page.Records[i].Data)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load.Add(page.At, bytes)
	p.bytes += bytes
}

// recordIngested records that everything of a page is in the watermark. The time up to which the shard was read is
// recorded together with the latest arrival until then: a reader of both may conclude that nothing arrived in between.
func (p *progress) recordIngested(page *read.Page) {
	stateful, eventTime := p.eval.Stateful(), time.Time{}
	if stateful {
		eventTime = p.eval.EventTime()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !page.Null || page.Proven { // else more may follow that this answer did not cover
		p.caughtUp = page.CaughtUp()
	}
	p.evaluates, p.eventTime = stateful, eventTime
}

// report is the shard's share of Consumer.Report.
func (p *progress) report() (lastArrival, caughtUp time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.evaluates {
		return time.Time{}, time.Time{}
	}
	return p.eventTime, p.caughtUp
}

// status returns the arrival of the oldest entry that waits for alerts, and how many do. What waits only for outputs is
// no lag, since its alerts are out, unless whole says that it counts.
func (p *progress) status(now time.Time, whole bool) (oldest time.Time, waiting int, load float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if whole && p.mark.First != nil {
		return p.mark.First.Arrival(), p.mark.Waiting(), p.load.Rate(now)
	}
	oldest, _ = p.mark.Oldest()
	return oldest, p.mark.Alerting(), p.load.Rate(now)
}

// recall begins with what this process has already dealt with above the checkpoint. The watermark is the position below
// which all is done; the rest counts as if an earlier owner had named it.
func (p *progress) recall(a *account) {
	p.stored, p.offered = p.startAt, p.startAt
	defer func() { p.mark.Last = p.startAt }()
	if a == nil {
		return
	}
	p.recalled = make(map[string]dealtAlert, len(a.alerts))
	for _, d := range a.alerts {
		p.recalled[d.id] = d
	}
	p.inherited = position.Union([]position.Range{{UpTo: p.stored}}, p.inherited, a.ranges)
	if first := p.inherited; len(first) > 0 && first[0].After.IsZero() {
		p.startAt, p.inherited = first[0].UpTo, first[1:]
	}
	if p.startAt != p.stored {
		p.start = p.behind(p.startAt)
	}
}

// account sums up what this worker has dealt with. The lanes must have been stopped.
func (p *progress) account() *account {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &account{generation: p.lease.Generation(), stored: p.stored}
	if mark := p.mark.Mark(); !mark.IsZero() {
		a.ranges = append(a.ranges, position.Range{UpTo: mark})
	}
	// Any excess is dropped here already, the oldest first, so that one shard does not push out all others.
	above, dropped := p.mark.LastAbove(position.MaxRanges)
	a.ranges = position.Union(a.ranges, above, p.inheritedAbove(p.mark.Mark()))
	for e := p.mark.First; e != nil; e = e.Next {
		for _, id := range e.Dealt {
			a.alerts = append(a.alerts, dealtAlert{id: id, at: e.At, timed: e.Timed, after: e.Number})
		}
	}
	for _, d := range p.recalled {
		a.alerts = append(a.alerts, d)
	}
	a.alerts = append(a.alerts, p.dealt...)
	slices.SortStableFunc(a.alerts, func(x, y dealtAlert) int { return x.at.Compare(y.at) })
	if over := len(a.alerts) - position.MaxRanges; over > 0 {
		a.alerts, dropped = slices.Delete(a.alerts, 0, over), dropped+over
	}
	if dropped > 0 {
		p.metrics.forgotten.Add(float64(dropped))
	}
	return a
}

// dealtBefore removes the alerts that this process has dealt with before, and returns their ids.
func (p *progress) dealtBefore(alerts []*alert.Alert) (left []*alert.Alert, ids []string) {
	if len(p.recalled) == 0 {
		return alerts, nil
	}
	for _, a := range alerts {
		if p.wasDealt(a.ID) {
			ids = append(ids, a.ID)
		} else {
			left = append(left, a)
		}
	}
	return left, ids
}

// wasDealt reports whether this process has dealt with an alert, or a dead letter, before. It does so once: a second
// alert with that id would be another one.
func (p *progress) wasDealt(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.recalled[id]
	delete(p.recalled, id)
	return ok
}

// undoDealt undoes wasDealt for the alerts of a record that is not ingested after all.
func (p *progress) undoDealt(at position.Position, ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		p.recalled[id] = dealtAlert{id: id, at: at}
	}
}

// keepDealt keeps what was dealt with in an entry that is settled and that no offer can name: one that a timer caused,
// and those behind one that waits. The entry is no longer in the watermark. Call it with mu held.
func (p *progress) keepDealt(e *watermark.Entry) {
	if p.mark.Waiting() == 0 {
		p.dealt = slices.DeleteFunc(p.dealt, func(d dealtAlert) bool { return !d.timed })
	}
	if !e.Timed && !p.mark.TimedBefore(e.Number) {
		return
	}
	for _, id := range e.Dealt {
		p.dealt = append(p.dealt, dealtAlert{id: strings.Clone(id), at: e.At, timed: e.Timed, after: e.Number})
	}
	if over := len(p.dealt) - 2*position.MaxRanges; over > 0 { // oldest first
		p.dealt = slices.Delete(p.dealt, 0, over)
		p.metrics.forgotten.Add(float64(over))
	}
}

// dealtByTime keeps alerts that a timer caused once more, all of them dealt with in an earlier life.
func (p *progress) dealtByTime(ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mark.Count++
	for _, id := range ids {
		p.dealt = append(p.dealt, dealtAlert{id: id, at: p.mark.Last, timed: true, after: p.mark.Count})
	}
}

// includes drops the alerts caused by timers that a stored snapshot includes.
func (p *progress) includes(entries uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dealt = slices.DeleteFunc(p.dealt, func(d dealtAlert) bool { return d.timed && d.after <= entries })
}
