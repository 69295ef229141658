package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/sleep"
	"kinesis-alerter/internal/testkit"
)

// stuck keeps the alerts with some ids from being accepted, on one worker.
func stuck(on string, ids ...string) func(context.Context, *node, *alert.Alert) error {
	return func(ctx context.Context, n *node, a *alert.Alert) error {
		if n.name == on && slices.Contains(ids, a.ID) {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	}
}

// TestRestartRemembers: whatever ends a worker, the next one continues with the same numbers, and evaluates again what
// the snapshot does not have without publishing it.
func TestRestartRemembers(t *testing.T) {
	for _, crash := range []bool{true, false} {
		inWorld(t, 1, func(w *world) {
			s := w.remembering()
			one := w.join("one")
			n := 0
			put := func() {
				s.put(n, fmt.Sprint("key-", n%7))
				n++
			}
			// 90 s, so at least one snapshot in the middle; and more until the last one is neither just taken, or there
			// would be nothing behind it, nor about to be replaced.
			snapshot := func() float64 { return counter(t, one, "kinesis_alerter_state_age_seconds", "", "") }
			for n < 300 || snapshot() < 3 || snapshot() > 50 {
				put()
				time.Sleep(300 * time.Millisecond)
			}
			first := n
			w.eventually(5*time.Second, "the first", func() bool { return w.distinct() == first })
			time.Sleep(2 * time.Second) // committed
			require.Equal(t, first, s.used().evaluated)
			if crash {
				one.crash(w)
			} else {
				require.NoError(t, one.Stop(w, 10*time.Second))
			}
			for range 50 {
				put()
			}
			two := w.join("two")
			w.eventually(30*time.Second, "all", func() bool { return w.distinct() == n })
			s.checkMemory()
			w.checkOrder()
			require.Zero(t, w.repeats())
			again := int(counter(t, two, "kinesis_alerter_records_skipped_total", "", ""))
			require.Equal(t, n+again, s.used().evaluated)
			if crash {
				require.Positive(t, again)
				require.Less(t, again, 300)
			} else {
				require.Zero(t, again, "the snapshot of the stop has it all")
			}
			require.InDelta(t, n, counter(t, one, "kinesis_alerter_records_read_total", "", "")+
				counter(t, two, "kinesis_alerter_records_read_total", "", ""), 0)
		})
	}
}

// TestRestartRightAfterTheStart: the state of the first seconds is found by a replay from where reading began.
func TestRestartRightAfterTheStart(t *testing.T) {
	for _, latest := range []bool{false, true} {
		inWorld(t, 1, func(w *world) {
			s := w.remembering()
			if latest {
				w.start = checkpoint.Start{}
				for range 20 {
					w.cloud.Kinesis.Put(testStream, "key-0", []byte("old"))
				}
				time.Sleep(5 * time.Second)
			}
			one := w.join("one")
			w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 1 })
			for i := range 20 {
				s.put(i, fmt.Sprint("key-", i%3))
			}
			w.eventually(5*time.Second, "20", func() bool { return w.distinct() == 20 })
			time.Sleep(1500 * time.Millisecond) // committed, and no snapshot since the start
			one.crash(w)
			w.join("two")
			for i := range 20 {
				s.put(20+i, fmt.Sprint("key-", i%3))
			}
			w.eventually(30*time.Second, "40", func() bool { return w.distinct() == 40 })
			s.checkMemory()
			require.Zero(t, w.repeats())
		})
	}
}

// TestReplayIsNoLag: records that a new owner reads again for its memory are old, and settled. The shard lags by what
// nobody has read, or a takeover would page about a lag of minutes that no alert has.
func TestReplayIsNoLag(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		one := w.join("one")
		n := 0
		age := func() float64 { return counter(t, one, "kinesis_alerter_state_age_seconds", "", "") }
		for n < 6000 || age() < 30 || age() > 50 {
			for range 20 {
				s.put(n, fmt.Sprint("key-", n%7))
				n++
			}
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(2 * time.Second) // committed
		one.crash(w)
		crashed := time.Now()
		w.cloud.Faults.Add(fakeaws.Fault{Operation: "GetRecords", Kind: fakeaws.Delay, Delay: time.Second})
		two := w.join("two")
		var pages int
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			for _, shard := range two.consumer.Status() {
				if shard.Behind > 0 {
					pages++
				}
				require.LessOrEqual(t, shard.Lag, time.Since(crashed)+10*time.Second)
			}
		}
		require.Greater(t, pages, 5, "it takes a while")
		require.Zero(t, two.consumer.Status()[0].Lag)
		s.checkMemory()
	})
}

// TestReplayRunsThroughWhatWasResolvedAbove: also what later keys had while one was stuck.
func TestReplayRunsThroughWhatWasResolvedAbove(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		w.publish = stuck("one", "key-0#3")
		one := w.join("one")
		for i := range 100 {
			s.put(i, fmt.Sprint("key-", i%10))
		}
		w.eventually(5*time.Second, "nine keys and two", func() bool { return w.distinct() == 92 })
		require.ErrorIs(t, one.Stop(w, 5*time.Second), ErrNotDrained)
		w.join("two")
		for i := range 100 {
			s.put(100+i, fmt.Sprint("key-", i%10))
		}
		w.eventually(10*time.Second, "all", func() bool { return w.distinct() == 200 })
		s.checkMemory()
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestReplayInsideAnAggregate: the snapshot, the checkpoint and the crash are all in the middle of one.
func TestReplayInsideAnAggregate(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		var inside []fakeaws.UserRecord
		for i := range 8 {
			inside = append(inside, fakeaws.UserRecord{Data: fmt.Append(nil, i)})
			s.want[fmt.Sprint(i)] = fmt.Sprintf("key#%d", i+1)
		}
		w.publish = stuck("one", "key#4")
		w.cloud.Kinesis.Put(testStream, "outer", fakeaws.Aggregate([]string{"key"}, inside))
		one := w.join("one")
		w.eventually(5*time.Second, "three of eight", func() bool { return w.distinct() == 3 })
		time.Sleep(2 * time.Second)
		one.crash(w)
		w.publish = stuck("two", "key#6")
		two := w.join("two")
		w.eventually(30*time.Second, "five of eight", func() bool { return w.distinct() == 5 })
		time.Sleep(2 * time.Second)
		two.crash(w)
		w.join("three")
		w.eventually(30*time.Second, "all", func() bool { return w.distinct() == 8 })
		s.checkMemory()
		require.Zero(t, w.repeats())
	})
}

// TestMemoryThatBeginsInsideAnAggregate: rules with a memory are new, and the checkpoint is in the middle of one. What
// is before it is neither evaluated nor in the snapshot, which is in the middle too.
func TestMemoryThatBeginsInsideAnAggregate(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		var inside []fakeaws.UserRecord
		for i := range 8 {
			inside = append(inside, fakeaws.UserRecord{Data: fmt.Append(nil, i)})
			s.want[fmt.Sprint(i)] = fmt.Sprintf("key#%d", i-2)
		}
		w.cloud.Kinesis.Put(testStream, "outer", fakeaws.Aggregate([]string{"key"}, inside))
		w.evaluator = func(string) evaluator { return &rider{} }
		w.publish = stuck("one", "key/3")
		one := w.join("one")
		w.eventually(5*time.Second, "three of eight", func() bool { return w.distinct() == 3 })
		time.Sleep(2 * time.Second)
		one.crash(w)
		w.published = nil
		w.evaluator = func(string) evaluator { return newTally(s) }
		w.publish = stuck("two", "key#1")
		two := w.join("two")
		w.eventually(30*time.Second, "reading", func() bool { return two.reading() == 1 })
		time.Sleep(2 * time.Second)
		two.crash(w)
		w.join("three")
		w.eventually(30*time.Second, "five", func() bool { return w.distinct() == 5 })
		s.checkMemory()
		require.Len(t, s.saved(), 1)
		require.Equal(t, uint32(2), s.saved()[0].at.Sub)
		require.Equal(t, 10, s.used().evaluated, "five by each")
	})
}

// TestStopUnderLoadRemembers: a stop comes while a record is evaluated and has no room; the state must not be saved
// with it.
func TestStopUnderLoadRemembers(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		w.publish = func(context.Context, *node, *alert.Alert) error { time.Sleep(20 * time.Millisecond); return nil }
		for i := range 4000 {
			s.put(i, fmt.Sprint("key-", i%10))
		}
		one := w.join("one")
		w.eventually(5*time.Second, "as much as may wait", func() bool {
			status := one.consumer.Status()
			return len(status) == 1 && status[0].Unresolved >= lanes.MaxUnresolved
		})
		require.NoError(t, one.Stop(w, 20*time.Second))
		w.join("two")
		w.eventually(30*time.Second, "all", func() bool { return w.distinct() == 4000 })
		s.checkMemory()
		require.Zero(t, w.repeats())
	})
}

// TestSlowAnswersAreNotSilence: what arrives while Kinesis' answer is on its way is not in it.
func TestSlowAnswersAreNotSilence(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		s.silence = time.Second
		w.reads = func(k read.Kinesis) read.Kinesis { return lateKinesis{k} }
		w.join("one")
		for i := range 100 {
			s.put(i, "a")
			time.Sleep(900 * time.Millisecond)
		}
		w.eventually(5*time.Second, "100", func() bool { return w.distinct() >= 100 })
		time.Sleep(5 * time.Second)
		s.checkMemory()
		require.Equal(t, 101, w.distinct(), "silence but after the last")
	})
}

// fewKinesis answers with few records at a time.
type fewKinesis struct{ read.Kinesis }

func (k fewKinesis) GetRecords(
	ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options),
) (*kinesis.GetRecordsOutput, error) {
	in.Limit = aws.Int32(4)
	return k.Kinesis.GetRecords(ctx, in, opts...)
}

// lateKinesis takes its time to answer.
type lateKinesis struct{ read.Kinesis }

func (k lateKinesis) GetRecords(
	ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options),
) (*kinesis.GetRecordsOutput, error) {
	out, err := k.Kinesis.GetRecords(ctx, in, opts...)
	time.Sleep(700 * time.Millisecond)
	return out, err
}

// TestSilenceOfAKey is reported by time alone, once, in the order of its key, and not again after a restart.
func TestSilenceOfAKey(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		s.silence = 10 * time.Second
		one := w.join("one")
		s.put(0, "a")
		s.put(1, "b")
		w.eventually(5*time.Second, "two", func() bool { return w.distinct() == 2 })
		took := w.eventually(20*time.Second, "silence", func() bool { return w.distinct() == 4 })
		require.Less(t, took, 11*time.Second)
		require.Equal(t, 1, s.times("a silent at #1"))
		require.InDelta(t, 2, counter(t, one, "kinesis_alerter_records_total", "outcome", "alerted"), 0,
			"time is no record")
		require.InDelta(t, 0, counter(t, one, "kinesis_alerter_records_total", "outcome", "unmatched"), 0,
			"of any kind")
		saves := len(s.saved())
		time.Sleep(stateAfterTick + time.Second)
		require.Len(t, s.saved(), saves+1, "soon after a tick made alerts")
		one.crash(w)
		two := w.join("two")
		w.eventually(30*time.Second, "reading", func() bool { return two.reading() == 1 })
		time.Sleep(30 * time.Second)
		require.Zero(t, w.repeats())
		s.put(2, "a")
		w.eventually(30*time.Second, "the next silence", func() bool { return s.times("a silent at #2") == 1 })
		s.checkMemory()
	})
}

// TestSilenceThatWasNotTold: the alert of a tick is on its way while later records are settled, and the worker dies.
// The next one makes it again with one of these records, which must not count as settled.
func TestSilenceThatWasNotTold(t *testing.T) {
	for _, crash := range []bool{true, false} {
		inWorld(t, 1, func(w *world) {
			s := w.remembering()
			s.silence = 10 * time.Second
			w.publish = stuck("one", "a silent at #1", "poison#1")
			one := w.join("one")
			s.put(0, "a")
			time.Sleep(12 * time.Second)
			s.put(1, "poison") // its key is held: what is settled above is named with each page
			for i := range 20 {
				s.put(2+i, "b")
				time.Sleep(100 * time.Millisecond)
			}
			w.eventually(5*time.Second, "the records of b", func() bool { return w.distinct() == 21 })
			time.Sleep(2 * time.Second)
			if crash {
				one.crash(w)
			} else {
				require.ErrorIs(t, one.Stop(w, 5*time.Second), ErrNotDrained)
			}
			two := w.join("two")
			w.eventually(30*time.Second, "told", func() bool { return s.times("a silent at #1") == 1 })
			w.eventually(5*time.Second, "resolved", func() bool { return two.consumer.Status()[0].Unresolved == 0 })
			s.checkMemory()
			require.Equal(t, 1, s.times("poison#1"))
		})
	}
}

// TestTicks: not too often, with the time up to which the shard was read, and who decides about the stream.
func TestTicks(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		n := w.join("one")
		for i := range 100 {
			s.put(i, "a")
			time.Sleep(100 * time.Millisecond)
		}
		ticks := s.used().ticks
		require.Greater(t, len(ticks), 20)
		for i, at := range ticks[1:] {
			require.GreaterOrEqual(t, at.Sub(ticks[i]), tickEvery)
		}
		require.True(t, s.used().fleet.Decides)
		arrival, caughtUp := n.consumer.Report()
		require.WithinDuration(t, time.Now(), arrival, time.Second)
		require.WithinDuration(t, time.Now(), caughtUp, time.Second)
		s.forgets.Store(true)
		time.Sleep(time.Second)
		was := s.used().ticks
		s.put(100, "a")
		time.Sleep(10 * time.Second)
		require.Len(t, s.used().ticks, len(was), "asked each time")
	})
}

// TestNoTimePassesInAReplay: what a timer caused before the restart is made by the records again, and dropped.
func TestNoTimePassesInAReplay(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		s.silence = 2 * time.Second
		w.reads = func(k read.Kinesis) read.Kinesis { return fewKinesis{k} } // so that a replay takes many pages
		one := w.join("one")
		s.saving(false)
		for i := range 60 {
			s.put(i, fmt.Sprint("key-", i%3))
			time.Sleep(1300 * time.Millisecond) // each key is silent for 3.9 s, and told to be between two records
		}
		w.eventually(20*time.Second, "all, and all silences", func() bool { return w.distinct() == 120 })
		time.Sleep(2 * time.Second)
		one.crash(w)
		w.cloud.Kinesis.EmptyPages(3) // with records ahead
		two := w.join("two")
		w.eventually(30*time.Second, "replayed", func() bool {
			return counter(t, two, "kinesis_alerter_records_skipped_total", "", "") == 60
		})
		require.Zero(t, counter(t, two, "kinesis_alerter_checkpoints_total", "result", "ignored"),
			"no offer below the checkpoint")
		time.Sleep(10 * time.Second)
		// Only what followed the last record is not known to have been told.
		require.LessOrEqual(t, w.repeats(), 3)
		require.Equal(t, 120, w.distinct())
	})
}

// TestSnapshotsWaitForWhatTheyInclude: none is saved over something unsettled, a minute passes between two, and none
// is made where nothing was evaluated.
func TestSnapshotsWaitForWhatTheyInclude(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		release := make(chan struct{})
		w.publish = func(ctx context.Context, _ *node, a *alert.Alert) error {
			if a.ID == "slow#1" {
				select {
				case <-release:
				case <-ctx.Done():
				}
			}
			return nil
		}
		n := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return n.reading() == 1 })
		require.Len(t, s.saved(), 1, "what it begins with")
		s.put(0, "slow")
		for i := range 300 {
			s.put(1+i, "fast")
			time.Sleep(time.Second)
		}
		require.Len(t, s.saved(), 1, "slow#1 is in all of them, or behind them")
		close(release)
		time.Sleep(time.Second)
		require.Len(t, s.saved(), 3, "the one that waited, and what came after it")
		require.Negative(t, s.saved()[1].at.Compare(s.saved()[2].at))
		time.Sleep(8 * time.Minute)
		require.Len(t, s.saved(), 3, "nothing was evaluated")
		time.Sleep(3 * time.Minute)
		require.Len(t, s.saved(), 4, "time may have changed it")
		time.Sleep(8 * time.Minute)
		require.InDelta(t, 4, counter(t, n, "kinesis_alerter_state_saves_total", "result", "done"), 0)
		require.Greater(t, counter(t, n, "kinesis_alerter_state_age_seconds", "", ""), 7*60.0)
		require.Positive(t, counter(t, n, "kinesis_alerter_state_bytes", "", ""))
		for i := range 200 {
			s.put(301+i, "fast")
			time.Sleep(time.Second)
		}
		saves := s.saved()[4:]
		require.GreaterOrEqual(t, len(saves), 3)
		for i, at := range saves[1:] {
			require.Greater(t, at.when.Sub(saves[i].when), stateEvery-time.Second)
		}
	})
}

// TestStateGoesBeforeTheShard: a handoff and the end of a shard save the state first, all of it.
func TestStateGoesBeforeTheShard(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		s := w.remembering()
		one := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 2 })
		i := 0
		more := func(n int) {
			for range n {
				s.put(i, fmt.Sprint("key-", i%40))
				i++
				time.Sleep(20 * time.Millisecond)
			}
		}
		more(200)
		two := w.join("two")
		for two.reading() == 0 {
			more(10)
		}
		more(100)
		w.eventually(5*time.Second, "all", func() bool { return w.distinct() == i })
		s.checkMemory()
		skipped := func() float64 {
			return counter(t, one, "kinesis_alerter_records_skipped_total", "", "") +
				counter(t, two, "kinesis_alerter_records_skipped_total", "", "")
		}
		require.Zero(t, skipped())
		require.Zero(t, w.repeats())

		parent := w.cloud.Kinesis.OpenShards(testStream)[0]
		low, high := w.cloud.Kinesis.Split(testStream, parent)
		more(200)
		w.eventually(30*time.Second, "all", func() bool { return w.distinct() == i })
		s.checkMemory()
		w.checkOrder()
		require.Zero(t, w.repeats())
		require.Zero(t, skipped())
		s.mu.Lock()
		defer s.mu.Unlock()
		at := func(event string) int { return slices.Index(s.events, event) }
		require.GreaterOrEqual(t, at("finished "+parent), 1)
		require.Equal(t, "saved "+parent, s.events[at("finished "+parent)-1])
		require.Greater(t, at("saved "+low), at("finished "+parent))
		require.Greater(t, at("saved "+high), at("finished "+parent))
		handedOver := slices.IndexFunc(s.events, func(e string) bool { return strings.HasPrefix(e, "handed over") })
		require.Equal(t, "saved"+strings.TrimPrefix(s.events[handedOver], "handed over"), s.events[handedOver-1])
	})
}

// TestShardEndWaitsForItsState: the children would begin without, so it is tried until it is written.
func TestShardEndWaitsForItsState(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		s.saving(false)
		n := w.join("one")
		for i := range 20 {
			s.put(i, fmt.Sprint("key-", i%4))
		}
		w.eventually(5*time.Second, "20", func() bool { return w.distinct() == 20 })
		w.cloud.Kinesis.Split(testStream, w.cloud.Kinesis.OpenShards(testStream)[0])
		for i := range 20 {
			s.put(20+i, fmt.Sprint("key-", i%4))
		}
		time.Sleep(time.Minute)
		require.Equal(t, 20, w.distinct(), "no child before that")
		require.Greater(t, counter(t, n, "kinesis_alerter_state_saves_total", "result", "failed"), 10.0)
		s.saving(true)
		w.eventually(5*time.Second, "40", func() bool { return w.distinct() == 40 })
		s.checkMemory()
	})
}

// TestShardEndsWithoutStateInTheEnd: what is refused for so long will never be taken, and alerts cannot wait forever.
func TestShardEndsWithoutStateInTheEnd(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		s.saving(false)
		n := w.join("one")
		s.put(0, "key")
		w.eventually(5*time.Second, "one", func() bool { return w.distinct() == 1 })
		w.cloud.Kinesis.Split(testStream, w.cloud.Kinesis.OpenShards(testStream)[0])
		s.put(1, "key")
		took := w.eventually(20*time.Minute, "the child", func() bool { return len(w.deliveries()) == 2 })
		require.Greater(t, took, 9*time.Minute)
		require.InDelta(t, 1, counter(t, n, "kinesis_alerter_state_gaps_total", "reason", gapUnsaved), 0)
	})
}

// TestSavesThatFailEndNothing: a handoff and a stop continue, and the next owner reads from the last snapshot.
func TestSavesThatFailEndNothing(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		s := w.remembering()
		one := w.join("one")
		for i := range 100 {
			s.put(i, fmt.Sprint("key-", i%20))
			time.Sleep(time.Second)
		}
		s.saving(false)
		for i := range 20 {
			s.put(100+i, fmt.Sprint("key-", i%20))
		}
		time.Sleep(time.Second)
		two := w.join("two")
		w.eventually(time.Minute, "handed over", func() bool { return two.reading() == 1 })
		start := time.Now()
		require.NoError(t, one.Stop(w, 20*time.Second))
		require.Less(t, time.Since(start), 5*time.Second)
		for i := range 20 {
			s.put(120+i, fmt.Sprint("key-", i%20))
		}
		w.eventually(10*time.Second, "all", func() bool { return w.distinct() == 140 })
		s.checkMemory()
		require.Zero(t, w.repeats())
		require.Positive(t, counter(t, two, "kinesis_alerter_records_skipped_total", "", ""))
		require.InDelta(t, 0, counter(t, two, "kinesis_alerter_state_gaps_total", "reason", gapLost), 0)
	})
}

// TestStateThatIsLost is counted, and the shard continues at its checkpoint.
func TestStateThatIsLost(t *testing.T) {
	for reason, spoil := range map[string]func(*stateWorld){
		gapLost: func(s *stateWorld) { s.load = func(string) error { return errState } },
		gapDamaged: func(s *stateWorld) {
			s.spoil = func(own []byte, at string) ([]byte, string) { return own[:len(own)-3], at }
		},
		gapAhead: func(s *stateWorld) {
			s.spoil = func(own []byte, at string) ([]byte, string) { return own, "9" + at }
		},
		gapTrimmed:               func(s *stateWorld) { s.cloud.Kinesis.AnswerTrimmed(fakeaws.TrimmedRefused) },
		gapTrimmed + ", no word": func(s *stateWorld) { s.cloud.Kinesis.AnswerTrimmed(fakeaws.TrimmedEmpty) },
	} {
		reason, _, _ := strings.Cut(reason, ",")
		t.Run(reason, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				s := w.remembering()
				one := w.join("one")
				for i := range 10 {
					s.put(i, "key")
					time.Sleep(time.Second)
				}
				time.Sleep(2 * time.Minute)
				s.saving(reason != gapTrimmed)
				trim := time.Now()
				for i := range 10 {
					s.put(10+i, "key")
					time.Sleep(time.Second)
				}
				w.eventually(5*time.Second, "20", func() bool { return w.distinct() == 20 })
				time.Sleep(2 * time.Second)
				require.NoError(t, one.Stop(w, 10*time.Second))
				s.saving(true)
				spoil(s)
				if reason == gapTrimmed {
					w.cloud.Kinesis.Trim(testStream, trim.Add(5*time.Second))
				}
				two := w.join("two")
				w.eventually(30*time.Second, "reading", func() bool { return two.reading() == 1 })
				time.Sleep(10 * time.Second)
				for i := range 10 {
					s.put(20+i, "key")
				}
				w.eventually(10*time.Second, "what came since", func() bool { return len(w.deliveries()) == 30 })
				require.InDelta(t, 1, counter(t, two, "kinesis_alerter_state_gaps_total", "reason", reason), 0)
				require.Equal(t, 10, s.used().evaluated-20, "from the checkpoint on")
				last := w.deliveries()[29]
				require.Equal(t, "29", string(last.rec.Data))
				require.NotEqual(t, s.want["29"], last.id, "it does not know all")
				require.InDelta(t, 0, counter(t, two, "kinesis_alerter_checkpoint_gaps_total", "missed", "true"), 0)
			})
		})
	}
}

// TestNothingIsKeptForRulesWithoutMemory: a shard asks once, as it begins, whether earlier rules owe the end of an
// alert.
func TestNothingIsKeptForRulesWithoutMemory(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		loads := 0
		s.load = func(string) error { loads++; return nil }
		w.evaluator = func(string) evaluator { return &rider{} }
		n := w.join("one")
		w.put(0, 100, 10)
		w.eventually(5*time.Second, "100", func() bool { return w.distinct() == 100 })
		time.Sleep(2 * time.Minute)
		arrival, caughtUp := n.consumer.Report()
		require.Zero(t, arrival)
		require.Zero(t, caughtUp)
		require.NoError(t, n.Stop(w, 5*time.Second))
		require.Empty(t, s.saved())
		require.Equal(t, 1, loads)
	})
}

// TestReportOfManyShards is the latest arrival of any and the time up to which all were read.
func TestReportOfManyShards(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		s := w.remembering()
		n := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return n.reading() == 3 })
		s.put(0, "a")
		put := time.Now()
		time.Sleep(10 * time.Second)
		arrival, caughtUp := n.consumer.Report()
		require.WithinDuration(t, put, arrival, time.Second)
		require.WithinDuration(t, time.Now(), caughtUp, time.Second)
		w.cloud.Faults.Add(fakeaws.Throttle(fakeaws.ServiceKinesis, "GetRecords"))
		time.Sleep(10 * time.Second)
		_, later := n.consumer.Report()
		require.WithinDuration(t, caughtUp, later, time.Second, "nothing was read since")
	})
}

// TestChaosRemembers is TestChaos with an evaluator that has a memory: every alert is the one of a run without
// restarts.
func TestChaosRemembers(t *testing.T) {
	for seed := range testkit.Runs(4, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			draw := rand.New(rand.NewPCG(uint64(seed), 2)) //nolint:gosec // a test that repeats needs a weak one
			inWorld(t, 2, func(w *world) {
				s := w.remembering()
				s.silence = 4 * time.Second
				d := &testkit.Digester{Every: time.Second}
				w.gatherInto(d)
				w.publish = func(ctx context.Context, _ *node, _ *alert.Alert) error {
					return sleep.Until(ctx, time.Now().Add(20*time.Millisecond))
				}
				live := []*node{w.join("n0")}
				n, reshards := 0, 0
				for range 300 {
					for range draw.IntN(20) {
						s.put(n, fmt.Sprint("key-", draw.IntN(30)))
						n++
					}
					time.Sleep(time.Duration(draw.IntN(800)) * time.Millisecond)
					switch draw.IntN(25) {
					case 0:
						if len(live) < 3 {
							live = append(live, w.join(fmt.Sprint("n", len(w.nodes))))
						}
					case 1, 2:
						i := draw.IntN(len(live))
						if draw.IntN(2) == 0 {
							live[i].crash(w)
						} else {
							_ = live[i].Stop(w, 20*time.Second)
						}
						live[i] = w.join(fmt.Sprint("n", len(w.nodes)))
					case 3:
						s.saving(draw.IntN(2) == 0)
					case 4, 5:
						d.Gathering(draw.IntN(2) == 0)
					case 6:
						open := w.cloud.Kinesis.OpenShards(testStream)
						i := draw.IntN(len(open))
						if len(open) < 4 {
							w.cloud.Kinesis.Split(testStream, open[i])
							reshards++
						} else if i > 0 {
							w.cloud.Kinesis.Merge(testStream, open[i-1], open[i])
							reshards++
						}
					}
				}
				d.Gathering(false)
				s.saving(true)
				w.eventually(2*time.Minute, "all", func() bool {
					w.mu.Lock()
					defer w.mu.Unlock()
					told := map[string]bool{}
					for _, d := range w.published {
						told[d.id] = true
					}
					for _, id := range s.want {
						if !told[id] {
							return false
						}
					}
					return true
				})
				time.Sleep(time.Minute)
				s.checkMemory()
				s.checkOrder()
				t.Logf("%d records, %d reshards, %d workers, %d snapshots, %d repeats", n, reshards, len(w.nodes),
					len(s.saved()), w.repeats())
			})
		})
	}
}
