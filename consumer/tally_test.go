package consumer

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // Kinesis' way from keys to shards
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// tally is an evaluator with a memory. It numbers the records of each key, with an alert for each, and says so when a key
// has been silent for a while: with a tick, or with the next record, as timers are functions of event time.
type tally struct {
	world *stateWorld
	// what a snapshot holds
	Counts map[string]int
	Due    map[string]time.Time // when a key's silence is told
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

func (t *tally) EventTime() time.Time { return t.Event }
func (t *tally) Stateful() bool       { return !t.world.forgets }

func (t *tally) Snapshot() []byte {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	return b
}

func (t *tally) Restore(b []byte) error {
	s := newTally(t.world)
	if err := json.Unmarshal(b, s); err != nil {
		return err
	}
	*t = *s
	return nil
}

func (t *tally) Inherit(b []byte, owns func(string) bool) error {
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

// stateWorld is a world whose workers evaluate with a tally, and keep its state in memory.
type stateWorld struct {
	*world
	silence time.Duration        // after which it is told; 0 for never
	quiet   bool                 // no alerts but of silence
	forgets bool                 // not stateful
	ranges  map[string]hashRange // of shards
	parents map[string][]string  // of a shard
	// save may refuse to save, load may lose.
	save func(shard string) error
	load func(shard string) error

	mu     sync.Mutex
	stored map[string][]stored
	saves  []stored
	events []string // of shards: saved, handed over, finished
	use    use
	fleet  string // the deciding shard

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
	at    position
	data  []byte
	when  time.Time
	// spoiled is loaded in any case.
	spoiled bool
}

func (w *world) remembering() *stateWorld {
	s := &stateWorld{
		world: w, stored: map[string][]stored{}, parents: map[string][]string{}, putCounts: map[string]int{}, want: map[string]string{},
		putAt: map[string]time.Time{}, silences: map[string]bool{},
		ranges: map[string]hashRange{},
		save:   func(string) error { return nil }, load: func(string) error { return nil },
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

// stateLeases keeps the state of shards in memory.
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

func (l stateLeases) Fleet() (decider string, lastArrival, caughtUp time.Time) {
	return l.world.fleet, time.Time{}, time.Time{}
}

type stateLease struct {
	Lease
	shard string
	world *stateWorld

	mu      sync.Mutex
	offered position
}

func (l *stateLease) Commit(sequence string, sub uint32, resolved string, caughtUp time.Time, load float64) {
	if sequence != "" {
		l.mu.Lock()
		l.offered = position{sequence, sub}
		l.mu.Unlock()
	}
	l.Lease.Commit(sequence, sub, resolved, caughtUp, load)
}

func (l *stateLease) LoadState(ctx context.Context) (own []byte, sequence string, sub uint32, parents [][]byte, err error) {
	w := l.world
	if err := sleepUntil(ctx, time.Now().Add(5*time.Millisecond)); err != nil {
		return nil, "", 0, nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.load(l.shard); err != nil {
		return nil, "", 0, nil, err
	}
	from, through, _ := l.Start()
	for _, s := range slices.Backward(w.stored[l.shard]) {
		// The real table puts a snapshot in force together with the checkpoint.
		ahead := from.SequenceNumber == nil && s.at.sequence != "" ||
			from.SequenceNumber != nil && s.at.compare(position{*from.SequenceNumber, through}) > 0
		if !ahead || s.spoiled {
			return s.data, s.at.sequence, s.at.sub, nil, nil
		}
	}
	for _, p := range w.parents[l.shard] {
		if all := w.stored[p]; len(all) > 0 {
			parents = append(parents, all[len(all)-1].data)
		}
	}
	return nil, "", 0, parents, nil
}

func (l *stateLease) SaveState(ctx context.Context, sequence string, sub uint32, data []byte) error {
	w := l.world
	start, _, _ := l.Start()
	if err := sleepUntil(ctx, time.Now().Add(5*time.Millisecond)); err != nil {
		return err
	}
	if err := l.Context().Err(); err != nil {
		return err
	}
	l.mu.Lock()
	offered := l.offered
	l.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.save(l.shard); err != nil {
		return err
	}
	at := position{sequence, sub}
	if offered == (position{}) && start.SequenceNumber != nil {
		offered = position{*start.SequenceNumber, WholeRecord}
	}
	if at.compare(offered) > 0 {
		w.t.Errorf("a snapshot of %s at %s, but %s was offered", l.shard, at, offered)
	}
	s := stored{l.shard, at, data, time.Now(), false}
	w.stored[l.shard] = append(w.stored[l.shard], s)
	w.saves = append(w.saves, s)
	w.events = append(w.events, "saved "+l.shard)
	return nil
}

// hashRange is what of the partition keys' MD5 sums falls to a shard.
type hashRange struct{ low, high *big.Int }

func (l *stateLease) Owns(key string) bool {
	sum := md5.Sum([]byte(key)) //nolint:gosec // Kinesis' way from keys to shards
	hash := new(big.Int).SetBytes(sum[:])
	r := l.world.rangeOf(l.shard)
	return hash.Cmp(r.low) >= 0 && hash.Cmp(r.high) <= 0
}

func (w *stateWorld) rangeOf(shard string) hashRange {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.ranges[shard]; ok {
		return r
	}
	out, err := kinesisClient(w.cloud, "test").ListShards(w.t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(testStream)})
	if err != nil {
		panic(err)
	}
	for _, s := range out.Shards {
		var r hashRange
		r.low, _ = new(big.Int).SetString(*s.HashKeyRange.StartingHashKey, 10)
		r.high, _ = new(big.Int).SetString(*s.HashKeyRange.EndingHashKey, 10)
		w.ranges[*s.ShardId] = r
	}
	return w.ranges[shard]
}

func (l *stateLease) HandOff(ctx context.Context) error {
	err := l.Lease.HandOff(ctx)
	l.event(err, "handed over")
	return err
}

func (l *stateLease) Finish(ctx context.Context, children []types.ChildShard) error {
	for _, c := range children {
		l.world.mu.Lock()
		l.world.parents[*c.ShardId] = c.ParentShards
		l.world.mu.Unlock()
	}
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
