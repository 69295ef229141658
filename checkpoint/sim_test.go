package checkpoint

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// simulation is a fleet under random faults, with the invariants of lease-protocol.md checked at every write and by
// every consumer.
type simulation struct {
	*world

	mu       sync.Mutex
	offered  map[string]int                // shard: the highest number that a consumer settled
	acting   map[string]acting             // shard: who acts on it
	children map[string][]types.ChildShard // of shards that are closed
	parents  map[string][]string
	faults   []string
	began    map[*Lease]bool // its state was loaded
}

type acting struct {
	p *process
	l *Lease
}

func (s *simulation) fail(format string, args ...any) {
	s.Errorf("after %v: %s", s.faults, fmt.Sprintf(format, args...))
}

// written checks each write of the table.
func (s *simulation) written(_ string, before, after map[string]any) {
	key, _ := after[table.AttrKey].(string)
	if !table.IsShardKey(key) || before == nil {
		return
	}
	was, is := fmt.Sprint(before[table.AttrPosition]), fmt.Sprint(after[table.AttrPosition])
	switch {
	case before[table.AttrPosition] == nil:
	case was == position.ShardEnd && is != position.ShardEnd:
		s.fail("%s is no longer at its end", key)
	case after[table.AttrPosition] == nil:
		s.fail("the checkpoint of %s vanished", key)
	case is != position.ShardEnd && (position.Position{Sequence: is}).Compare(position.Position{Sequence: was}) < 0:
		s.fail("the checkpoint of %s went back from %s to %s", key, was, is)
	}
	if e1, e2 := before[table.AttrEpoch].(int64), after[table.AttrEpoch].(int64); e2 < e1 ||
		(before[table.AttrOwner] != after[table.AttrOwner] && after[table.AttrOwner] != nil && e1 == e2) {
		s.fail("%s went from owner %v epoch %d to owner %v epoch %d", key, before[table.AttrOwner], e1,
			after[table.AttrOwner], e2)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := after[table.AttrStateAt].(string); ok && is != position.ShardEnd &&
		(position.Position{Sequence: at}).Compare(position.Position{Sequence: is}) > 0 {
		s.fail("the state of %s is at %s, the checkpoint at %s", key, at, is)
	}
	if n, err := strconv.Atoi(is); err == nil && n > s.offered[key] {
		s.fail("%s is stored at %d, but only %d was resolved", key, n, s.offered[key])
	}
}

// step is a consumer's turn: it resolves one more record.
func (s *simulation) step(p *process, l *Lease) {
	if _, ok := p.store.Trust(); !ok || l.Context().Err() != nil {
		return
	}
	id := l.shard
	if !s.begin(p, l) {
		return
	}
	stored := s.row(id) // before the lock: written is called with the table's lock held
	s.mu.Lock()
	parents := s.parents[id]
	s.mu.Unlock()
	for _, parent := range parents {
		if at := s.row(parent)[table.AttrPosition]; at != position.ShardEnd {
			s.fail("%s runs while its parent %s is at %v", id, parent, at)
		}
	}
	s.mu.Lock()
	if other, ok := s.acting[id]; ok && other.l != l {
		if _, trusted := other.p.store.Trust(); trusted && other.l.Context().Err() == nil {
			s.fail("%s acts on %s while %s does", p.name, id, other.p.name)
		}
	}
	s.acting[id] = acting{p, l}
	at := 100 // so that the number of digits grows on the way
	if from, _, _ := l.Start(); from.SequenceNumber != nil {
		at, _ = strconv.Atoi(*from.SequenceNumber)
	} else if s.offered[id] == 0 && stored[table.AttrPosition] != nil &&
		stored[table.AttrPosition] != position.ShardEnd {
		s.fail("%s starts at its beginning, but %v is stored", id, stored)
	}
	s.offered[id] = max(s.offered[id], at) + 37
	next, kids := s.offered[id], s.children[id]
	s.mu.Unlock()
	l.Commit(position.Progress{
		Settled: true, At: position.Past(strconv.Itoa(next)), CaughtUp: time.Now(), Load: float64(next),
	})
	if next%3 == 0 { // several chunks, each of which says of which save it is
		ctx, cancel := context.WithTimeout(l.Context(), 2*time.Second)
		_ = l.SaveState(ctx, strconv.Itoa(next), position.WholeRecord, stateOf(next)) // again some turns later
		cancel()
	}
	if kids != nil && next > 1000 {
		_ = l.Finish(s.Context(), kids) // again at the next turn
	}
}

// begin loads the state that a lease begins with, once: it must be one that was saved, whole, and no newer than the
// checkpoint. A state is never lost, because nothing deletes rows here.
func (s *simulation) begin(p *process, l *Lease) bool {
	s.mu.Lock()
	again := s.began[l]
	s.mu.Unlock()
	if again {
		return true
	}
	own, at, _, parents, err := l.LoadState(s.Context())
	if err != nil {
		if l.Context().Err() == nil && s.Context().Err() == nil {
			s.fail("%s cannot load the state of %s: %v", p.name, l.shard, err)
		}
		return false
	}
	for _, state := range append([][]byte{own}, parents...) {
		n, err := strconv.Atoi(string(state[:min(len(state), 8)]))
		if len(state) > 0 && (err != nil || !bytes.Equal(state, stateOf(n))) {
			s.fail("%s begins %s with a mix: %s", p.name, l.shard, state)
		}
	}
	if n, _ := strconv.Atoi(at); len(own) > 0 && !bytes.Equal(own, stateOf(n)) {
		s.fail("the state of %s at %s is %s", l.shard, at, own)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began[l] = true
	return true
}

// rest is a consumer's pause: it waits for the answer of a handoff, and the target may act before the answer is there.
func (s *simulation) rest(l *Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acting[l.shard].l == l {
		delete(s.acting, l.shard)
	}
}

// split closes a shard.
func (s *simulation) split(id string) {
	low, high := s.aws.Kinesis.Split(testStream, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range []string{low, high} {
		s.parents[c] = []string{id}
		s.children[id] = append(s.children[id], child(c, id))
	}
}

func TestSimFleetUnderFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { rapid.SyncTest(t, simulate) })
}

func simulate(t *rapid.T) {
	s := &simulation{
		world:   &world{tester: t, aws: fakeaws.New(fakeaws.Options{}), log: zap.NewNop(), chunk: smallChunk},
		offered: map[string]int{}, acting: map[string]acting{}, children: map[string][]types.ChildShard{},
		parents: map[string][]string{},
		began:   map[*Lease]bool{},
	}
	s.work, s.world.rest = s.step, s.rest
	s.aws.History.CountOnly()
	s.aws.DynamoDB.Watch(s.written)
	s.aws.Kinesis.Create(testStream, rapid.IntRange(1, 4).Draw(t, "shards"))
	time.Sleep(100 * time.Millisecond)
	short := func(c *Config) {
		c.LeaseDuration, c.CheckpointInterval, c.Start.Kind = table.MinLeaseDuration, 500*time.Millisecond,
			table.StartTrimHorizon
	}
	fleet := map[string]*process{}
	for range rapid.IntRange(1, 12).Draw(t, "events") {
		name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "process")
		p := fleet[name]
		event := rapid.SampledFrom([]string{
			"start", "start", "stop", "kill", "split", "fault", "fault", "fault",
			"wait",
		}).Draw(t, "event")
		s.mu.Lock()
		s.faults = append(s.faults, event+" "+name)
		s.mu.Unlock()
		switch {
		case event == "start" && p == nil:
			fleet[name] = s.start(name, short)
		case event == "stop" && p != nil:
			s.aws.Faults.Clear()
			p.stop()
			delete(fleet, name)
		case event == "kill" && p != nil:
			p.kill()
			s.aws.Faults.Clear()
			delete(fleet, name)
		case event == "split":
			if open := s.aws.Kinesis.OpenShards(testStream); len(open) < 8 {
				s.split(open[rapid.IntRange(0, len(open)-1).Draw(t, "shard")])
			}
		case event == "fault":
			f := fakeaws.Fault{
				Client: rapid.SampledFrom([]string{name, ""}).Draw(t, "client"), Service: fakeaws.ServiceDynamoDB,
				Operation: rapid.SampledFrom([]string{"", "UpdateItem", "PutItem", "GetItem", "Scan"}).Draw(t,
					"operation"),
				Kind: rapid.SampledFrom([]fakeaws.Kind{
					fakeaws.Before, fakeaws.After, fakeaws.Delay, fakeaws.BlackHole, fakeaws.Lost, fakeaws.Partition,
				}).Draw(t, "kind"),
				Delay: time.Duration(rapid.IntRange(1, 3000).Draw(t, "delay")) * time.Millisecond,
				Times: rapid.IntRange(0, 6).Draw(t, "times"),
			}
			s.mu.Lock()
			s.faults = append(s.faults, fmt.Sprintf("%+v", f))
			s.mu.Unlock()
			remove := s.aws.Faults.Add(f)
			time.Sleep(time.Duration(rapid.IntRange(0, 8000).Draw(t, "for ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "goes on") {
				break
			}
			remove()
		}
		time.Sleep(time.Duration(rapid.IntRange(0, 6000).Draw(t, "pause ms")) * time.Millisecond)
	}
	s.aws.Faults.Clear()
	if len(fleet) == 0 {
		fleet["z"] = s.start("z", short)
	}
	// With the faults gone everything that can be read is read again, and by one each.
	open := s.aws.Kinesis.OpenShards(testStream)
	s.await("every open shard held", 2*time.Minute, func() bool {
		n := 0
		for _, id := range open {
			for _, p := range fleet {
				if isHeld(id, p) {
					n++
				}
			}
		}
		return n == len(open)
	})
	for name, p := range fleet {
		require.NotNil(s, p, name)
		p.stop()
	}
}
