package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// inputOf compiles an input.
func inputOf(t *testing.T, steps ...decode.Step) *decode.Plan {
	t.Helper()
	plan, faults := decode.Input{Steps: steps}.Compile(decode.DefaultLimits())
	require.Empty(t, faults)
	return plan
}

// ofLines is an input that splits lines; with, what the lines are afterwards.
func ofLines(t *testing.T, with ...decode.Step) *decode.Plan {
	t.Helper()
	return inputOf(t, append([]decode.Step{{Split: "lines"}}, with...)...)
}

// lines are the numbers of a packed record.
func lines(from, to int) []byte {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintln(&b, i)
	}
	return []byte(b.String())
}

// stuckAt keeps the alerts of a worker about some texts from being accepted.
func stuckAt(on string, texts ...string) func(context.Context, *node, *alert.Alert) error {
	return func(ctx context.Context, n *node, a *alert.Alert) error {
		for _, text := range texts {
			if n.name == on && string(a.Record.Data) == text {
				<-ctx.Done()
				return context.Cause(ctx)
			}
		}
		return nil
	}
}

// TestResumeInsideAPackedRecord: a crash in the middle of one neither loses nor repeats the rest, and neither does a
// lease that is lost there, or a reshard.
func TestResumeInsideAPackedRecord(t *testing.T) {
	for _, how := range []string{"crash", "stop", "lost", "reshard"} {
		t.Run(how, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.cfg.Plan = ofLines(t)
				w.cloud.Kinesis.Put(testStream, "key", lines(0, 8))
				w.publish = stuckAt("one", "3")
				one := w.join("one")
				w.eventually(5*time.Second, "three of eight", func() bool { return w.distinct() == 3 })
				time.Sleep(2 * time.Second) // committed
				shard, want := w.cloud.Kinesis.OpenShards(testStream)[0], 8
				switch how {
				case "reshard":
					w.cloud.Kinesis.Split(testStream, shard)
					w.cloud.Kinesis.Put(testStream, "key", lines(8, 16))
					want = 16
					time.Sleep(5 * time.Second)
					fallthrough
				case "crash":
					one.crash(w)
				case "stop":
					require.ErrorIs(t, one.Stop(w, 5*time.Second), ErrNotDrained)
				case "lost":
					w.cloud.Faults.Add(fakeaws.Fault{
						Client: "one", Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.Partition,
					})
				}
				two := w.join("two")
				w.eventually(40*time.Second, "all", func() bool { return w.distinct() == want })
				w.checkOrder()
				require.Zero(t, w.repeats())
				time.Sleep(2 * time.Second)
				_, at, sub, _ := two.store.Checkpoint(shard)
				require.True(t, sub == position.WholeRecord || at == position.ShardEnd)
			})
		})
	}
}

// TestAnotherInputReadsTheRecordAnew: a record that was half read under one input is read from its first piece under
// another, whose pieces have ids of their own. Whole records before and behind it are not repeated, and the row says
// whose places it has from then on.
func TestAnotherInputReadsTheRecordAnew(t *testing.T) {
	for name, inputs := range map[string][2]*decode.Plan{
		"of two":               {ofLines(t), ofLines(t, decode.Step{Nested: []string{"x"}})},
		"where there was none": {nil, ofLines(t)},
		"where there is none":  {ofLines(t), nil},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.cfg.Plan = inputs[0]
				w.put(100, 103, 1)
				var inside []fakeaws.UserRecord
				for i := range 8 {
					inside = append(inside, fakeaws.UserRecord{Data: fmt.Append(nil, i)})
				}
				w.cloud.Kinesis.Put(testStream, "outer", fakeaws.Aggregate([]string{"key"}, inside))
				w.publish = stuckAt("one", "3")
				one := w.join("one")
				w.eventually(5*time.Second, "three, and three of eight", func() bool { return w.distinct() == 6 })
				time.Sleep(2 * time.Second)
				one.crash(w)

				w.cfg.Plan = inputs[1]
				w.publish = stuckAt("two", "5")
				two := w.join("two")
				w.eventually(30*time.Second, "five of eight anew", func() bool { return w.distinct() == 11 })
				time.Sleep(2 * time.Second)
				require.Zero(t, counter(t, two, "kinesis_alerter_checkpoints_total", "result", "ignored"))
				two.crash(w)
				w.join("three")
				w.eventually(30*time.Second, "all anew", func() bool { return w.distinct() == 14 })
				time.Sleep(time.Second)
				require.Zero(t, w.repeats())
			})
		})
	}
}

// TestAnotherInputDoesNotUseItsPlaces: what was settled above the checkpoint inside records counts for nothing under
// another input, and under the same one it is not repeated.
func TestAnotherInputDoesNotUseItsPlaces(t *testing.T) {
	for _, same := range []bool{true, false} {
		inWorld(t, 1, func(w *world) {
			w.cfg.Plan = ofLines(t)
			w.cloud.Kinesis.Put(testStream, "a", lines(0, 4))
			w.cloud.Kinesis.Put(testStream, "b", lines(4, 8))
			w.publish = stuckAt("one", "2", "6")
			one := w.join("one")
			w.eventually(5*time.Second, "two of each", func() bool { return w.distinct() == 4 })
			require.ErrorIs(t, one.Stop(w, 5*time.Second), ErrNotDrained)
			want := 8
			if !same {
				w.cfg.Plan, want = ofLines(t, decode.Step{Nested: []string{"x"}}), 12
			}
			w.join("two")
			w.eventually(30*time.Second, "all", func() bool { return w.distinct() == want })
			require.Zero(t, w.repeats())
		})
	}
}

// TestNoPlaceBeforeARecordIsStored: while nothing of a record that is read anew is settled, its checkpoint stays,
// though keys behind it continue. A position that no record has would be refused by Kinesis.
func TestNoPlaceBeforeARecordIsStored(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.cfg.Plan = ofLines(t)
		_, sequence := w.cloud.Kinesis.Put(testStream, "a", lines(0, 4))
		w.publish = stuckAt("one", "2")
		one := w.join("one")
		w.eventually(5*time.Second, "two", func() bool { return w.distinct() == 2 })
		time.Sleep(2 * time.Second)
		one.crash(w)
		w.cfg.Plan = ofLines(t, decode.Step{Nested: []string{"x"}})
		w.cloud.Kinesis.Put(testStream, "b", lines(4, 8))
		w.publish = stuckAt("two", "0")
		two := w.join("two")
		w.eventually(30*time.Second, "all of the other key", func() bool { return w.distinct() == 6 })
		require.ErrorIs(t, two.Stop(w, 5*time.Second), ErrNotDrained)
		_, at, sub, _ := two.store.Checkpoint(w.cloud.Kinesis.OpenShards(testStream)[0])
		require.Equal(t, position.Position{Sequence: sequence, Sub: 1}, position.Position{Sequence: at, Sub: sub})
		w.join("three")
		w.eventually(30*time.Second, "all", func() bool { return w.distinct() == 10 })
	})
}

// TestDroppedPiecesArePassed: blank pieces keep their place and are not seen, also where they are the last, and a
// record of nothing else has one outcome.
func TestDroppedPiecesArePassed(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.cfg.Plan = ofLines(t)
		w.cloud.Kinesis.Put(testStream, "key", []byte("0\n\n1\n \n\n"))
		_, last := w.cloud.Kinesis.Put(testStream, "key", []byte("\n\n"))
		one := w.join("one")
		w.eventually(5*time.Second, "two", func() bool { return w.distinct() == 2 })
		require.Equal(t, uint32(2), w.deliveries()[1].rec.SubSequence)
		require.InDelta(t, 1, counter(t, one, "kinesis_alerter_records_total", "outcome", "filtered"), 0)
		require.InDelta(t, 3, counter(t, one, "kinesis_alerter_records_read_total", "", ""), 0)
		require.NoError(t, one.Stop(w, 10*time.Second))
		_, sequence, sub, _ := one.store.Checkpoint(w.cloud.Kinesis.OpenShards(testStream)[0])
		at := position.Position{Sequence: sequence, Sub: sub}
		require.Equal(t, position.Past(last), at)
	})
}

// TestDeadTopicDoesNotKeepTheBudget: a shard whose alerts wait holds no budget, so that large records of the others are
// read, and its own is decoded again when there is room.
func TestDeadTopicDoesNotKeepTheBudget(t *testing.T) {
	const n = 5000 // more pieces than a decoder has memory of its own for
	inWorld(t, 2, func(w *world) {
		w.cloud.History.CountOnly()
		w.cfg.Plan, w.cfg.Memory = ofLines(t), 1<<20
		free := make(chan struct{})
		dead := ""
		w.publish = func(ctx context.Context, _ *node, a *alert.Alert) error {
			if a.Record.PartitionKey != dead {
				return nil
			}
			select {
			case <-free:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		dead = "key-0"
		shard, _ := w.cloud.Kinesis.Put(testStream, dead, lines(0, n))
		one := w.join("one")
		time.Sleep(5 * time.Second)
		alive := ""
		for i := 1; alive == ""; i++ {
			key := fmt.Sprint("key-", i)
			if of, _ := w.cloud.Kinesis.Put(testStream, key, []byte("0")); of != shard {
				alive = key
			}
		}
		w.cloud.Kinesis.Put(testStream, alive, lines(0, n))
		seen := func(key string) (count int) {
			for _, d := range w.deliveries() {
				if d.rec.PartitionKey == key {
					count++
				}
			}
			return count
		}
		w.eventually(time.Minute, "the other shard's", func() bool { return seen(alive) == n+1 })
		require.Zero(t, seen(dead))
		require.LessOrEqual(t, one.consumer.credits.InUse(), 1<<20, "pieces that wait count against the pool")
		close(free)
		w.eventually(2*time.Minute, "its own", func() bool { return seen(dead) == n })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestLettersOfPieces: a dead letter holds its piece, which is the letter's own, with its place.
func TestLettersOfPieces(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		var mu sync.Mutex
		letters := map[uint32]string{}
		w.cfg.Plan = ofLines(t)
		w.deadLetters = letterFunc(func(_ context.Context, l *alert.Letter) error {
			mu.Lock()
			defer mu.Unlock()
			letters[l.Record.SubSequence] = string(l.Record.Data)
			if l.Record.Borrowed {
				return errors.New("borrowed")
			}
			return nil
		})
		w.evaluator = func(string) evaluator { return &letterRider{rider{unmatched: true}} }
		w.cloud.Kinesis.Put(testStream, "key", []byte("a\n\nb\nc"))
		w.join("one")
		w.eventually(5*time.Second, "letters", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(letters) == 3
		})
		require.Equal(t, map[uint32]string{0: "a", 2: "b", 3: "c"}, letters)
	})
}

// TestMemoryBeginsAtAWholeRecord: rules with a memory are new, and the checkpoint is inside a packed record. The first
// snapshot waits for the end of the page, since another input could not go on from a place inside it.
func TestMemoryBeginsAtAWholeRecord(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		for i := range 8 {
			s.want[fmt.Sprint(i)] = fmt.Sprintf("key#%d", i-2)
		}
		w.cfg.Plan = ofLines(t)
		w.cloud.Kinesis.Put(testStream, "key", lines(0, 8))
		w.evaluator = func(string) evaluator { return &rider{} }
		w.publish = stuckAt("one", "3")
		one := w.join("one")
		w.eventually(5*time.Second, "three of eight", func() bool { return w.distinct() == 3 })
		time.Sleep(2 * time.Second)
		one.crash(w)
		w.published = nil
		w.evaluator = func(string) evaluator { return newTally(s) }
		w.join("two")
		w.eventually(30*time.Second, "five", func() bool { return w.distinct() == 5 })
		time.Sleep(5 * time.Second)
		s.checkMemory()
		require.NotEmpty(t, s.saved())
		for _, saved := range s.saved() {
			require.Equal(t, position.WholeRecord, saved.at.Sub)
		}
	})
}
