package checkpoint

import (
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/testkit"
)

// model is the protocol without services: a table of single-item conditional writes, a stream that is a tree of
// shards, and workers whose every step is an event in one queue. What a worker decides, it decides with the Store's
// own functions (decide, merge, observe, grant, claim, plan, gateOpen, trustWindow, …); what it writes is modelled by
// hand, so that code and model have to agree on the conditions. One goroutine runs a schedule, which its seed repeats
// exactly.
type model struct {
	*rand.Rand
	queue   events
	steps   int
	rows    map[string][]version[*table.Row]    // shard: every value that its row had
	workers map[string][]version[*table.Worker] // worker: the same
	origin  table.Origin
	start   table.Start
	shards  map[string]*modelShard
	fleet   []*modelWorker
	joined  int
	trouble float64 // the share of requests that go wrong
	fault   string  // the first violation
	log     []string
	verbose bool
}

// modelShard is a shard of the stream. Its records are numbers; the first is above 95, so that the digits grow.
type modelShard struct {
	parents, children []string
	closed            bool
	last              int // the last record of a closed shard
	offered           int // what a consumer settled, also above one that waits
}

const modelFirst = 95

type version[T any] struct {
	at    time.Time
	value T
}

// at returns the value that a read sees which is that much behind.
func at[T any](history []version[T], behind time.Duration) (value T) {
	limit := time.Now().Add(-behind)
	for _, v := range slices.Backward(history) {
		if !v.at.After(limit) {
			return v.value
		}
	}
	return value
}

type event struct {
	at    time.Time
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || (e[i].at.Equal(e[j].at) && e[i].order < e[j].order)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(v any) {
	*e = append(*e,
		v.(event))
} //nolint:forcetypeassert // heap gives back what it was given

func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (m *model) later(d time.Duration, do func()) {
	m.steps++
	heap.Push(&m.queue, event{at: time.Now().Add(d), order: m.steps, do: do})
}

// run carries events out until the limit or the first violation.
func (m *model) run(d time.Duration, until func() bool) bool {
	end := time.Now().Add(d)
	for m.fault == "" && !until() {
		if len(m.queue) == 0 || m.queue[0].at.After(end) {
			time.Sleep(time.Until(end))
			return until()
		}
		e := heap.Pop(&m.queue).(event) //nolint:forcetypeassert // the queue holds nothing else
		time.Sleep(time.Until(e.at))
		e.do()
	}
	return m.fault == ""
}

func never() bool { return false }

func (m *model) Note(format string, args ...any) {
	if m.verbose {
		m.log = append(m.log, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
	}
}

func (m *model) violated(format string, args ...any) {
	m.Note("VIOLATION "+format, args...)
	if m.fault == "" {
		m.fault = fmt.Sprintf(format, args...)
	}
}

func (m *model) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(m.Int64N(int64(hi-lo)+1))
}

// row is a shard's row as it is now, or nil.
func (m *model) row(id string) *table.Row { return at(m.rows[id], 0) }

// reach is the highest record that a row has as settled: at its checkpoint, or above one that waits.
func reach(p table.Progress) int {
	at, _ := strconv.Atoi(p.Position.Sequence)
	top, _ := strconv.Atoi(p.Resolved)
	return max(at, top)
}

func progressOf(r table.Row) table.Progress {
	return table.Progress{Position: r.Position, Resolved: r.Resolved}
}

// believes checks that what a trusted holder takes for stored is stored.
func (m *model) believes(w *modelWorker, l *Lease) {
	r := m.row(l.shard)
	if l.ledger.dirty || l.ledger.suspect || w.busy[l] || !w.trusted(l) || r == nil || r.Owner != l.worker.id ||
		r.Epoch != l.epoch {
		return
	}
	if r.Position != l.ledger.stored.Position || r.Resolved != l.ledger.stored.Resolved {
		m.violated("%s takes %s above %s of %s for stored, the row has %s above %s", w.name, l.ledger.stored.Resolved,
			l.ledger.stored.Position.Sequence, l.shard, r.Resolved, r.Position.Sequence)
	}
}

// Write makes one conditional write and returns whether it took effect, and the row. It checks what must hold of every
// write: neither checkpoints nor what is settled above them move back, nothing is stored that was not settled, and a
// new owner has a new epoch.
func (m *model) Write(id string, cond func(*table.Row) bool, change func(*table.Row)) (bool, *table.Row) {
	old := m.row(id)
	if !cond(old) {
		return false, old
	}
	r := table.Row{ID: id}
	if old != nil {
		r = *old
	}
	change(&r)
	m.Note("%s: %s", id, describe(&r))
	m.rows[id] = append(m.rows[id], version[*table.Row]{time.Now(), &r})
	if old != nil {
		switch {
		case old.Ended() && !r.Ended():
			m.violated("%s is no longer at its end", id)
		case !r.Ended() && r.Position.Compare(old.Position) < 0:
			m.violated("the checkpoint of %s goes back from %s to %s", id, old.Position.Sequence, r.Position.Sequence)
		case !r.Ended() && reach(progressOf(r)) < reach(progressOf(*old)):
			m.violated("what is resolved above the checkpoint of %s goes back from %s to %s", id, old.Resolved,
				r.Resolved)
		case r.Offers < old.Offers:
			m.violated("the number of %s goes back from %d to %d", id, old.Offers, r.Offers)
		case r.Epoch < old.Epoch || (r.Owner != "" && r.Owner != old.Owner && r.Epoch == old.Epoch):
			m.violated("%s goes from %q in epoch %d to %q in epoch %d", id, old.Owner, old.Epoch, r.Owner, r.Epoch)
		}
	}
	switch s := m.shards[id]; {
	case r.Ended():
		if s.offered < s.last {
			m.violated("%s ends with %d of %d resolved", id, s.offered, s.last)
		}
	case reach(progressOf(r)) > s.offered:
		m.violated("%s is stored at %s, above it %s, but only %d was resolved", id, r.Position.Sequence, r.Resolved,
			s.offered)
	}
	return true, &r
}

func describe(r *table.Row) string {
	return fmt.Sprintf("owner %q epoch %d offer %d checkpoint %s above it %s", r.Owner, r.Epoch, r.Offers,
		r.Position.Sequence, r.Resolved)
}

// writeWorker is write for the row of a worker; a nil result of change deletes it.
func (m *model) writeWorker(id string, cond func(*table.Worker) bool, change func(table.Worker) *table.Worker) (bool,
	*table.Worker,
) {
	old := at(m.workers[id], 0)
	if !cond(old) {
		return false, old
	}
	w := table.Worker{ID: id}
	if old != nil {
		w = *old
	}
	now := change(w)
	m.Note("worker %s: %+v", id, now)
	m.workers[id] = append(m.workers[id], version[*table.Worker]{time.Now(), now})
	return true, now
}

// listing is what ListShards answers.
func (m *model) listing() []types.Shard {
	out := make([]types.Shard, 0, len(m.shards))
	for _, id := range slices.Sorted(maps.Keys(m.shards)) {
		s := m.shards[id]
		sh := types.Shard{
			ShardId:             aws.String(id),
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1")},
		}
		if s.closed {
			sh.SequenceNumberRange.EndingSequenceNumber = aws.String(strconv.Itoa(s.last))
		}
		if len(s.parents) > 0 {
			sh.ParentShardId = &s.parents[0]
		}
		if len(s.parents) > 1 {
			sh.AdjacentParentShardId = &s.parents[1]
		}
		out = append(out, sh)
	}
	return out
}

func (m *model) open() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(m.shards)), func(id string) bool { return m.shards[id].closed })
}

// reshard closes one or two shards and opens their children.
func (m *model) reshard(merge bool, ids ...string) {
	var children []string
	for range 2 {
		children = append(children, table.ShardName(uint64(len(m.shards)+len(children))))
		if merge {
			break
		}
	}
	for _, id := range ids {
		s := m.shards[id]
		s.closed, s.children = true, children
		s.last = max(s.offered, modelFirst) + m.IntN(10)
	}
	for _, id := range children {
		m.shards[id] = &modelShard{parents: ids}
	}
	m.Note("%v becomes %v", ids, children)
}

// acts checks a consumer's turn: no other acts on the shard inside its trust window, and all parents are at their end.
func (m *model) acts(w *modelWorker, l *Lease) {
	for _, other := range m.fleet {
		if other == w || other.dead || other.stopping {
			continue
		}
		if o := other.s.view.leases[l.shard]; o != nil && o.state == leaseRunning && !other.resting[o] &&
			other.trusted(o) {
			m.violated("%s acts on %s while %s may", w.name, l.shard, other.name)
		}
	}
	for _, p := range m.shards[l.shard].parents {
		skipped := m.start.Kind == table.StartLatest && m.origin.Closed[p]
		if r := m.row(p); (r == nil || !r.Ended()) && !skipped {
			m.violated("%s runs on %s before its parent %s is at its end", l.shard, w.name, p)
		}
	}
}

// event is one thing that happens to fleet or stream.
func (m *model) event() {
	var live []*modelWorker
	for _, w := range m.fleet {
		if !w.dead && !w.stopping {
			live = append(live, w)
		}
	}
	switch kind := m.IntN(10); {
	case kind <= 1 || len(live) == 0:
		if len(live) < 3 {
			m.join()
		}
	case kind == 2:
		live[m.IntN(len(live))].stop()
	case kind == 3:
		w := live[m.IntN(len(live))]
		m.Note("%s crashes", w.name)
		w.dead = true
	case kind <= 5:
		w := live[m.IntN(len(live))]
		w.paused = time.Now().Add(m.between(0, 2*modelLease))
		m.Note("%s stalls until %s", w.name, w.paused.Format("05.000"))
	case kind <= 7:
		if open := m.open(); len(m.shards) < 8 {
			a, b := m.IntN(len(open)), m.IntN(len(open))
			if a != b && m.IntN(2) == 0 {
				m.reshard(true, open[a], open[b])
			} else {
				m.reshard(false, open[a])
			}
		}
	default:
		m.trouble = []float64{0, 0.05, 0.3}[m.IntN(3)]
		m.Note("%.0f%% of the requests go wrong", m.trouble*100)
	}
}

// settled reports whether everything is as it should be in the end: closed shards are at their end, open ones are read.
func (m *model) settled() bool {
	for id, s := range m.shards {
		if s.closed {
			if m.start.Kind == table.StartLatest && m.origin.Closed[id] {
				continue
			}
			if r := m.row(id); r == nil || !r.Ended() {
				return false
			}
			continue
		}
		if !slices.ContainsFunc(m.fleet, func(w *modelWorker) bool {
			l := w.s.view.leases[id]
			return !w.dead && l != nil && l.state == leaseRunning && w.trusted(l)
		}) {
			return false
		}
	}
	return true
}

// schedule runs one schedule, and answers its first violation.
func (m *model) schedule() string {
	m.start.Kind = []table.StartKind{table.StartLatest, table.StartTrimHorizon}[m.IntN(2)]
	for i := range 1 + m.IntN(3) {
		m.shards[table.ShardName(uint64(i))] = &modelShard{}
	}
	if m.IntN(3) == 0 { // the stream was resharded before the application began
		m.reshard(false, table.ShardName(0))
	}
	m.origin = table.Origin{T0: time.Now(), Open: map[string]bool{}, Closed: map[string]bool{}}
	for id, s := range m.shards {
		if s.closed {
			m.origin.Closed[id] = true
		} else {
			m.origin.Open[id] = true
		}
	}
	m.join()
	for range 2 + m.IntN(9) {
		m.run(m.between(0, 2*modelLease), never)
		m.event()
	}
	m.Note("no more faults")
	m.trouble = 0
	for _, w := range m.fleet {
		w.paused = time.Time{}
	}
	m.join()
	if !m.run(20*modelLease, m.settled) {
		m.violated("%v after the last fault not everything is read", 20*modelLease)
	}
	for _, w := range m.fleet {
		if !w.dead && !w.stopping {
			w.stop()
		}
	}
	if !m.run(3*modelLease, func() bool {
		return !slices.ContainsFunc(m.fleet, func(w *modelWorker) bool { return !w.dead })
	}) {
		m.violated("a worker does not stop")
	}
	m.run(5*modelLease, never) // nothing may come of what is still under way
	return m.fault
}

func newModel(seed uint64, verbose bool) *model {
	return &model{
		Rand: rand.New(rand.NewPCG(seed, 7)), //nolint:gosec // a schedule that repeats needs a weak one
		rows: map[string][]version[*table.Row]{}, workers: map[string][]version[*table.Worker]{},
		shards: map[string]*modelShard{}, verbose: verbose,
	}
}

// TestSimProtocolModel runs 300 schedules, 60 with -short, or MODEL_SCHEDULES; MODEL_SEED runs that one alone. A
// violation prints the seed, and the history of the schedule.
func TestSimProtocolModel(t *testing.T) {
	first, count := uint64(0), uint64(testkit.Runs(300, 60)) //nolint:gosec // both are positive
	if n, err := strconv.ParseUint(os.Getenv("MODEL_SCHEDULES"), 10, 64); err == nil {
		count = n
	}
	if n, err := strconv.ParseUint(os.Getenv("MODEL_SEED"), 10, 64); err == nil {
		first, count = n, 1
	}
	steps := 0
	for seed := first; seed < first+count; seed++ {
		fault := ""
		synctest.Test(t, func(*testing.T) {
			m := newModel(seed, false)
			fault = m.schedule()
			steps += m.steps
		})
		if fault == "" {
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			m := newModel(seed, true)
			again := m.schedule()
			t.Fatalf("MODEL_SEED=%d: %s (again: %s)\n%s", seed, fault, again, strings.Join(m.log, "\n"))
		})
	}
	t.Logf("%d schedules, %d steps", count, steps)
}
