package consumer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/position"
)

// tally is an evaluator with a memory. It numbers the records of each key, with an alert for each, and says so when a
// key has been silent for a while: with a tick, or with the next record, as timers are functions of event time.
type tally struct {
	world *stateWorld
	// what a snapshot holds
	Counts map[string]int
	Due    map[string]time.Time // when a key's silence is reported
	Event  time.Time
}

func newTally(w *stateWorld) *tally {
	return &tally{world: w, Counts: map[string]int{}, Due: map[string]time.Time{}}
}

func (t *tally) Evaluate(rec *alert.Record) alert.Decision {
	t.world.note(func(u *use) { u.evaluated++ })
	if rec.Arrival.After(t.Event) {
		t.Event = rec.Arrival
	}
	alerts := t.due(t.Event)
	key := rec.PartitionKey
	t.Counts[key]++
	if t.world.silence > 0 {
		t.Due[key] = t.Event.Add(t.world.silence)
	}
	if t.world.quiet {
		return alert.Decision{Outcome: alert.Unmatched, Alerts: alerts}
	}
	id := fmt.Sprintf("%s#%d", key, t.Counts[key])
	return alert.Decision{Outcome: alert.Alerted, Alerts: append(alerts, &alert.Alert{ID: id, Record: *rec})}
}

func (*tally) Forget() {}

// due are the silences up to a time, the longest first.
func (t *tally) due(now time.Time) []*alert.Alert {
	var alerts []*alert.Alert
	keys := slices.SortedFunc(maps.Keys(t.Due), func(a, b string) int {
		return cmp.Or(t.Due[a].Compare(t.Due[b]), strings.Compare(a, b))
	})
	for _, key := range keys {
		if at := t.Due[key]; !at.After(now) {
			delete(t.Due, key)
			id := fmt.Sprintf("%s silent at #%d", key, t.Counts[key])
			alerts = append(alerts, &alert.Alert{ID: id, Record: alert.Record{PartitionKey: key, Arrival: at}})
		}
	}
	return alerts
}

func (t *tally) Tick(tick alert.Tick) []*alert.Alert {
	t.world.note(func(u *use) { u.ticks = append(u.ticks, time.Now()); u.fleet = tick.Fleet })
	return t.due(tick.CaughtUp)
}

func (t *tally) EventTime() time.Time                 { return t.Event }
func (*tally) Told() (firing, leaving map[string]int) { return nil, nil }
func (t *tally) Stateful() bool                       { return !t.world.forgets.Load() }

func (*tally) Agree(alert.HashKey, int) {}
func (*tally) Reaches(time.Time)        {}

func (t *tally) State() []byte {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	return b
}

func (*tally) Rewound([]byte) (int, error) { return 0, nil }

func (t *tally) Restore(b []byte) error {
	s := newTally(t.world)
	if err := json.Unmarshal(b, s); err != nil {
		return err
	}
	*t = *s
	return nil
}

func (t *tally) BringBack(now time.Time) time.Duration {
	ahead := t.Event.Sub(now)
	if ahead <= 5*time.Minute {
		return 0
	}
	t.Event = now
	return ahead
}

func (*tally) Awaits() []alert.Awaited { return nil }
func (*tally) Meet(*alert.Relative)    {}
func (*tally) ParkedTo() int64         { return 0 }

func (t *tally) Inherit(parents [][]byte, heir alert.Heir) error {
	for _, b := range parents {
		if err := t.inherit(b, heir.Owns); err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) inherit(b []byte, owns func(string) bool) error {
	s := newTally(t.world)
	if err := json.Unmarshal(b, s); err != nil {
		return err
	}
	for key, n := range s.Counts {
		if owns(key) {
			t.Counts[key] = n
		}
	}
	for key, at := range s.Due {
		if owns(key) {
			t.Due[key] = at
		}
	}
	if s.Event.After(t.Event) {
		t.Event = s.Event
	}
	return nil
}

// stateWorld is a world whose workers evaluate with a tally.
type stateWorld struct {
	*world
	silence time.Duration // after which it is reported; 0 for never
	quiet   bool          // no alerts but of silence
	forgets atomic.Bool   // not stateful
	// refuses lets no snapshot succeed after the first one of a shard.
	refuses atomic.Bool
	never   atomic.Bool // lets not even that one
	// load may lose, spoil may change what is loaded. They are set while no worker runs.
	load  func(shard string) error
	spoil func(own []byte, sequence string) ([]byte, string)

	mu     sync.Mutex
	saves  []stored
	events []string // of shards: saved, handed over, finished
	use    use

	putCounts map[string]int
	putAt     map[string]time.Time
	want      map[string]string // the alert of a record, by the record's number
	silences  map[string]bool   // that must be told
}

// use is what tallies were asked.
type use struct {
	evaluated int
	ticks     []time.Time
	fleet     alert.Fleet
}

type stored struct {
	shard string
	at    position.Position
	when  time.Time
}

func (w *world) remembering() *stateWorld {
	s := &stateWorld{
		world: w, putCounts: map[string]int{}, want: map[string]string{},
		putAt: map[string]time.Time{}, silences: map[string]bool{},
		load: func(string) error { return nil },
	}
	w.evaluator = func(string) evaluator { return newTally(s) }
	w.leases = func(_ *node, l Leases) Leases { return stateLeases{l, s} }
	return s
}

func (w *stateWorld) note(f func(*use)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.use)
}

func (w *stateWorld) used() use {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.use
}

func (w *stateWorld) saving(on bool) { w.refuses.Store(!on) }

func (w *stateWorld) happened(event string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.events, event)
}

func (w *stateWorld) saved() []stored {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.saves)
}

// put puts a record and notes what its alert must be. It returns the shard.
func (w *stateWorld) put(number int, key string) string {
	now := time.Now().Truncate(time.Millisecond) // as Kinesis notes it
	if at, ok := w.putAt[key]; ok && w.silence > 0 && now.Sub(at) >= w.silence {
		w.silences[fmt.Sprintf("%s silent at #%d", key, w.putCounts[key])] = true
	}
	w.putAt[key] = now
	w.putCounts[key]++
	w.want[fmt.Sprint(number)] = fmt.Sprintf("%s#%d", key, w.putCounts[key])
	shard, _ := w.cloud.Kinesis.Put(testStream, key, fmt.Append(nil, number))
	return shard
}

// checkMemory fails when an alert is not one of a run without restarts, or such a one is missing.
func (w *stateWorld) checkMemory() {
	w.t.Helper()
	told := map[string]bool{}
	for _, d := range w.deliveries() {
		if len(d.rec.Data) > 0 {
			require.Equal(w.t, w.want[string(d.rec.Data)], d.id)
		} else {
			told[d.id] = true
		}
	}
	if w.silence > 0 {
		for key, n := range w.putCounts { // the last silence of each key, where it is over by now
			if time.Since(w.putAt[key]) >= w.silence {
				w.silences[fmt.Sprintf("%s silent at #%d", key, n)] = true
			}
		}
		require.Equal(w.t, w.silences, told)
	}
}

// times counts how often an alert was published.
func (w *stateWorld) times(id string) int {
	n := 0
	for _, d := range w.deliveries() {
		if d.id == id {
			n++
		}
	}
	return n
}

// stateLeases lets the test have a hand in loading and saving.
type stateLeases struct {
	Leases
	world *stateWorld
}

func (l stateLeases) Lease(id string) Lease {
	if held := l.Leases.Lease(id); held != nil {
		return &stateLease{Lease: held, shard: id, world: l.world}
	}
	return nil
}

type stateLease struct {
	Lease
	shard string
	world *stateWorld
}

func (l *stateLease) LoadState(ctx context.Context) (own []byte, sequence string, sub uint32, parents [][]byte,
	err error,
) {
	if err := l.world.load(l.shard); err != nil {
		return nil, "", 0, nil, err
	}
	own, sequence, sub, parents, err = l.Lease.LoadState(ctx)
	if spoil := l.world.spoil; spoil != nil {
		own, sequence = spoil(own, sequence)
	}
	return own, sequence, sub, parents, err
}

func (l *stateLease) SaveState(ctx context.Context, sequence string, sub uint32, data []byte) error {
	if w := l.world; w.never.Load() || w.refuses.Load() && w.happened("saved "+l.shard) {
		return errState
	}
	err := l.Lease.SaveState(ctx, sequence, sub, data)
	if err == nil {
		w := l.world
		w.mu.Lock()
		defer w.mu.Unlock()
		w.saves = append(w.saves, stored{l.shard, position.Position{Sequence: sequence, Sub: sub}, time.Now()})
		w.events = append(w.events, "saved "+l.shard)
	}
	return err
}

func (l *stateLease) HandOff(ctx context.Context) error {
	err := l.Lease.HandOff(ctx)
	l.event(err, "handed over")
	return err
}

func (l *stateLease) Finish(ctx context.Context, children []types.ChildShard) error {
	err := l.Lease.Finish(ctx, children)
	l.event(err, "finished")
	return err
}

func (l *stateLease) event(err error, what string) {
	if err != nil {
		return
	}
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	l.world.events = append(l.world.events, what+" "+l.shard)
}

var errState = errors.New("state table")

// checkOrder fails when the first deliveries of a key are not in the order in which a run without restarts makes them.
func (w *stateWorld) checkOrder() {
	w.t.Helper()
	last, seen := map[string]int{}, map[string]bool{}
	for _, d := range w.deliveries() {
		if seen[d.id] {
			continue
		}
		seen[d.id] = true
		key, number, _ := strings.Cut(d.id, "#")
		n, err := strconv.Atoi(number)
		require.NoError(w.t, err)
		rank := 2 * n
		if _, silent := strings.CutSuffix(key, " silent at "); silent {
			rank++
		}
		require.Greater(w.t, rank, last[d.rec.PartitionKey], d.id)
		last[d.rec.PartitionKey] = rank
	}
}
