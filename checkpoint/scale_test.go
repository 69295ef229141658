package checkpoint

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/plan"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/testkit"
)

// callDelay is what every call of the scale test takes, in virtual time: a usual answer of DynamoDB in the same region.
const callDelay = 5 * time.Millisecond

// scale is a fleet whose consumers resolve records at the rates of their shards, with the figures that issue 3 bounds.
type scale struct {
	*world
	shards  int
	workers int // of the large fleet; the small one has a third of it
	fleet   []*process
	joined  int

	mu       sync.Mutex
	idle     bool               // nothing comes in
	load     map[string]float64 // shard: bytes a second
	resolved map[string]int     // shard: the number that its consumer resolved last
	began    map[*Lease]bool
	moved    int
	repeated int
	lost     int
	writes   map[string]int // kind of row: how often written
}

// TestScaleOfTheFleet runs 100 shards, and 1,000 with SCALE=1 in the environment: one worker, ten, three, ten again. It
// prints its figures beside their bars, and holds it to them: all times are virtual.
func TestScaleOfTheFleet(t *testing.T) {
	testkit.Long(t)
	shards, workers := 100, 5
	if os.Getenv("SCALE") != "" {
		shards, workers = 1000, 10
	}
	for name, load := range map[string]func(i int) float64{
		"equal": func(int) float64 { return 0 },
		// One shard in ten carries two thirds of everything.
		"skewed": func(i int) float64 {
			if i%10 == 3 {
				return 400 << 10
			}
			return 20 << 10
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scale{
					world:  &world{tester: t, aws: fakeaws.New(fakeaws.Options{}), log: zap.NewNop()},
					shards: shards, workers: workers, load: map[string]float64{}, resolved: map[string]int{},
					began: map[*Lease]bool{}, writes: map[string]int{},
				}
				for i := range shards {
					s.load[table.ShardName(uint64(i))] = load(i)
				}
				s.run()
			})
		})
	}
}

func (s *scale) run() {
	s.work = s.step
	s.aws.History.CountOnly()
	s.aws.DynamoDB.Watch(s.written)
	s.aws.Kinesis.Create(testStream, s.shards)
	s.aws.Faults.Add(fakeaws.Fault{Kind: fakeaws.Delay, Delay: callDelay})
	time.Sleep(100 * time.Millisecond)

	begin := time.Now()
	s.join()
	s.awaitHeld(time.Minute, s.shards, s.fleet...)
	took := time.Since(begin)
	s.report("1 worker from its start to all shards running", took, "10s", took <= 10*time.Second)
	time.Sleep(5 * time.Second)

	took = s.change("1 to many", 15*time.Second, func() {
		for len(s.fleet) < s.workers {
			s.join()
		}
	})
	s.report("balanced", took, "15s", took <= 15*time.Second)
	s.report("leases moved", s.moves(), s.shards*95/100, s.moves() <= s.shards*95/100)

	s.atRest()

	few := max(1, s.workers/3)
	took = s.change("many to few", 30*time.Second, func() {
		var stopping sync.WaitGroup
		for _, p := range s.fleet[few:] {
			stopping.Go(p.stop)
		}
		stopping.Wait()
		s.fleet = s.fleet[:few]
	})
	s.report("balanced", took, "30s", took <= 30*time.Second)
	time.Sleep(shardRest + 5*time.Second) // what was received in the change before rests

	took = s.change("few to many", 15*time.Second, func() {
		for len(s.fleet) < s.workers {
			s.join()
		}
	})
	s.report("balanced", took, "15s", took <= 15*time.Second)
	s.report("leases moved", s.moves(), s.shards*95/100, s.moves() <= s.shards*95/100)
	s.report("records repeated, in all", s.repeated, 0, s.repeated == 0)
	s.report("records skipped, in all", s.lost, 0, s.lost == 0)
	for _, p := range s.fleet {
		p.stop()
	}
}

func (s *scale) report(figure string, value, bar any, ok bool) {
	s.Helper()
	s.Logf("%-60s %-12v bar %v", figure, value, bar)
	if !ok {
		s.Errorf("%s: %v, bar %v", figure, value, bar)
	}
}

func (s *scale) join() {
	s.joined++
	s.fleet = append(s.fleet, s.start("w"+strconv.Itoa(s.joined), startTrim))
}

func (s *scale) moves() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved
}

// change makes a change of the fleet and returns how long it took until all is balanced again.
func (s *scale) change(name string, limit time.Duration, act func()) time.Duration {
	s.Helper()
	s.mu.Lock()
	s.moved = 0
	s.mu.Unlock()
	requests, read, write := s.cost()
	begin := time.Now()
	act()
	s.await(name+" "+s.spread(), 6*limit, s.balanced)
	took := time.Since(begin)
	time.Sleep(10 * time.Second)
	require.True(s, s.balanced(), "it stays so: %s", s.spread())
	r, rd, wr := s.cost()
	s.Logf("%s: %s; %d DynamoDB requests, %.0f read units, %.0f write units in %v", name, s.spread(), r-requests,
		rd-read, wr-write, time.Since(begin))
	return took
}

// atRest measures the writes of a fleet whose shards are idle: one heartbeat per worker, whatever the number of shards.
func (s *scale) atRest() {
	s.setIdle(true)
	time.Sleep(shardRest + 10*time.Second)
	s.mu.Lock()
	clear(s.writes)
	s.mu.Unlock()
	_, read, _ := s.cost()
	const span = 2 * time.Minute
	time.Sleep(span)
	_, readAfter, _ := s.cost()
	s.mu.Lock()
	writes := maps.Clone(s.writes)
	s.mu.Unlock()
	beats := float64(span/(DefaultLeaseDuration/3)) * float64(len(s.fleet))
	perBeat := float64(writes["worker"]+writes["fleet"]) / beats
	// a beat at either edge
	s.report("lease writes at rest, per worker and heartbeat", fmt.Sprintf("%.2f", perBeat), 1, perBeat <= 1.03)
	s.report("leases that changed owner at rest", writes["owner"], 0, writes["owner"] == 0)
	s.Logf("at rest: %.1f read units a second and worker", (readAfter-read)/span.Seconds()/float64(len(s.fleet)))
	s.setIdle(false)
}

// setIdle reports whether anything comes in.
func (s *scale) setIdle(idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = idle
}

func (s *scale) cost() (requests int, read, write float64) {
	for _, op := range []string{"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Scan"} {
		requests += s.aws.History.Count(fakeaws.ServiceDynamoDB, op)
	}
	read, write = s.aws.DynamoDB.Consumed(testTable)
	return requests, read, write
}

// written counts the writes of the table and the moves of leases.
func (s *scale) written(_ string, before, after map[string]any) {
	key, _ := after[table.AttrKey].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case key == table.KeyFleet:
		s.writes["fleet"]++
	case !table.IsShardKey(key):
		s.writes["worker"]++
	case before[table.AttrOwner] != after[table.AttrOwner]:
		s.writes["owner"]++
		if after[table.AttrOwner] != nil && before[table.AttrOwner] != nil {
			s.moved++
		}
	default:
		s.writes["progress"]++
	}
}

// step resolves what has come since the last turn.
func (s *scale) step(_ *process, l *Lease) {
	id := l.shard
	s.mu.Lock()
	if !s.began[l] {
		s.began[l] = true
		from := 0
		if start, _, _ := l.Start(); start.SequenceNumber != nil {
			from, _ = strconv.Atoi(*start.SequenceNumber)
		}
		s.repeated += max(0, s.resolved[id]-from)
		s.lost += max(0, from-s.resolved[id])
	}
	load := s.load[id]
	if !s.idle {
		s.resolved[id]++
	}
	next := s.resolved[id]
	s.mu.Unlock()
	if next > 0 {
		l.Commit(
			position.Progress{Settled: true, At: position.Past(strconv.Itoa(next)), CaughtUp: time.Now(), Load: load},
		)
	}
}

// sums are the counts and loads of the workers.
func (s *scale) sums() (counts []int, loads []float64) {
	for _, p := range s.fleet {
		held := p.held()
		load := 0.0
		for _, id := range held {
			load += s.load[id]
		}
		counts, loads = append(counts, len(held)), append(loads, load)
	}
	return counts, loads
}

// balanced reports whether every shard is held, and counts differ by one at most, or loads by what is tolerated.
func (s *scale) balanced() bool {
	counts, loads := s.sums()
	total, all := 0, 0.0
	for i := range counts {
		total += counts[i]
		all += loads[i]
	}
	if total != s.shards {
		return false
	}
	mean := all / float64(len(loads))
	if mean < plan.NegligibleLoad {
		return slices.Max(counts)-slices.Min(counts) <= 1
	}
	return slices.Max(loads)-slices.Min(loads) <= mean*plan.LoadTolerance
}

func (s *scale) spread() string {
	counts, loads := s.sums()
	return fmt.Sprintf("shards %d to %d, MB/s %.2f to %.2f", slices.Min(counts), slices.Max(counts),
		slices.Min(loads)/(1<<20), slices.Max(loads)/(1<<20))
}
