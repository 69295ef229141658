package output_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/guard"
)

// A feed that is stopped hears nothing more, whatever becomes of the call under way. The next feed's records of the
// same keys wait for that call.
func TestStopDuringACall(t *testing.T) {
	for name, fault := range map[string]fakeaws.Fault{
		"accepted": {Kind: fakeaws.Delay, Delay: 3 * time.Second, Times: 1},
		"lost":     {Kind: fakeaws.Lost, Times: 1},
		"refused":  {Kind: fakeaws.Before, Times: 1, Err: &fakeaws.Error{Code: "ServiceUnavailable", Status: 503}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.fault(fault)
				s := w.shard()
				s.putMany(50, 3)
				synctest.Wait()
				s.feed.Stop(errEnough)
				ended := s.ended()
				s.putMany(1, 1) // is ignored
				next := w.shard()
				next.putMany(50, 3)
				next.quiet()
				require.Equal(w.t, ended, s.ended())
				require.Equal(w.t, 150, next.ended())
				w.inOrder(50, 3, true)
				require.Zero(w.t, w.status().Bytes)
				require.Zero(w.t, w.status().Waiting)
			})
		})
	}
}

// The end of the context that a feed was begun with ends it, too.
func TestFeedEndsWithItsContext(t *testing.T) {
	bubble(t, func(w *world) {
		remove := w.fault(down())
		s := &shard{w: w, over: map[string]*output.Item{}}
		ctx, cancel := context.WithCancel(w.t.Context())
		s.feed = w.Feed(ctx, s)
		s.putMany(5, 1)
		cancel()
		synctest.Wait()
		remove()
		time.Sleep(time.Minute)
		require.Zero(w.t, s.ended())
		require.Zero(w.t, w.status().Waiting)
		s.feed.Stop(errEnough)
	})
}

// A dead letter whose feed has ended is cut off, and what waits for one is forgotten.
func TestStopDuringDeadLetters(t *testing.T) {
	bubble(t, func(w *world) {
		w.letters.wait = make(chan struct{})
		s := w.shard()
		for i := range 30 {
			it := newItem("", strconv.Itoa(i))
			it.Reason = output.ReasonKey
			s.put(it)
		}
		time.Sleep(time.Minute)
		s.feed.Stop(errEnough)
		synctest.Wait()
		require.Zero(w.t, w.status().Bytes)
		require.Zero(w.t, w.status().Waiting)
		require.Zero(w.t, s.ended())
	}, deadLetters)
}

// What a feed leaves behind among the dead letters holds no key, although the destination takes none.
func TestStoppedDeadLettersHoldNoKey(t *testing.T) {
	bubble(t, func(w *world) {
		w.letters.wait = make(chan struct{})
		many, one, next := w.shard(), w.shard(), w.shard()
		for i := range 20 { // more than are sent at a time
			it := newItem("", strconv.Itoa(i))
			it.Reason = output.ReasonKey
			many.put(it)
		}
		one.put(newItem("key", strings.Repeat("x", 2<<20)))
		time.Sleep(time.Minute)
		one.feed.Stop(errEnough)
		next.put(newItem("key", "small"))
		time.Sleep(time.Second)
		require.Equal(w.t, 1, next.ended())
		many.feed.Stop(errEnough)
		next.feed.Stop(errEnough)
	}, deadLetters)
}

// Quiet waits for what may still be written, throttled or not, and not for what is held.
func TestQuiet(t *testing.T) {
	bubble(t, func(w *world) {
		remove := w.fault(fakeaws.Throttle(fakeaws.ServiceKinesis, "PutRecords"))
		s := w.shard()
		s.quiet()
		s.putMany(3, 2)
		ctx, cancel := context.WithTimeoutCause(w.t.Context(), time.Minute, errEnough)
		defer cancel()
		require.ErrorIs(w.t, s.feed.Quiet(ctx), errEnough)
		require.False(w.t, s.feed.Leaves())
		quiet := make(chan error, 1)
		go func() { quiet <- s.feed.Quiet(w.t.Context()) }()
		synctest.Wait()
		remove()
		require.NoError(w.t, <-quiet)
		require.Equal(w.t, 6, s.ended(), "its owner knows before")

		w.Kinesis.RefuseEntries(func(shardID, _ string) *fakeaws.Error { return throttled(shardID) })
		s.put(newItem("key", "throttled"))
		ctx, cancel = context.WithTimeoutCause(w.t.Context(), time.Minute, errEnough)
		defer cancel()
		require.ErrorIs(w.t, s.feed.Quiet(ctx), errEnough)
		w.Kinesis.RefuseEntries(nil)
		s.quiet()

		w.fault(fakeaws.Fault{Err: &fakeaws.Error{Code: "AccessDeniedException"}})
		s.putMany(3, 1)
		time.Sleep(time.Second)
		s.quiet()
		require.True(w.t, s.feed.Leaves())
		other := w.shard()
		other.quiet()
		require.False(w.t, other.feed.Leaves(), "it has nothing to leave")
		s.feed.Stop(errEnough)
		other.feed.Stop(errEnough)
	})
}

func TestUpdate(t *testing.T) {
	to := func(w *world, stream string) {
		w.Kinesis.Create(stream, 1)
		w.cfg.Outputs = map[string]output.StreamConfig{"scored": {Stream: stream}}
		require.NoError(w.t, w.Update(w.cfg))
	}
	t.Run("another stream", func(t *testing.T) {
		bubble(t, func(w *world) {
			remove := w.fault(down())
			s := w.shard()
			s.putMany(10, 2)
			time.Sleep(time.Second)
			to(w, "second")
			s.put(newItem("key1", "new"))
			require.Len(w.t, w.Status(), 2)
			remove()
			s.quiet()
			w.inOrder(10, 2, false)
			require.Len(w.t, w.Kinesis.Records("second"), 1)
			time.Sleep(time.Second)
			require.Len(w.t, w.Status(), 1, "the old one has ended")
			require.InDelta(w.t, 21, w.metric("records_total", "result", "written"), 0)
			s.feed.Stop(errEnough)
		})
	})
	t.Run("another stream because the old one is not there", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			s.putMany(10, 2)
			time.Sleep(time.Second)
			to(w, "second")
			s.put(newItem("key1", "new"))
			s.quiet()
			require.Len(w.t, w.Kinesis.Records("second"), 21)
			at := map[string]int{}
			for _, r := range w.Kinesis.Records("second") {
				if string(r.Data) != "new" {
					require.Equal(w.t, r.PartitionKey+"/"+strconv.Itoa(at[r.PartitionKey]), string(r.Data))
				} else {
					require.Equal(w.t, 2, at[r.PartitionKey])
				}
				at[r.PartitionKey]++
			}
			require.Zero(w.t, w.metric("fault"))
			s.feed.Stop(errEnough)
		}, shards(0))
	})
	t.Run("and back, one stream has one writer", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.fault(fakeaws.Fault{Kind: fakeaws.Delay, Delay: time.Second})
			s := w.shard()
			s.putMany(5, 3)
			to(w, "second")
			s.put(newItem("elsewhere", "x"))
			to(w, "scores")
			s.putMany(5, 3)
			s.quiet()
			w.inOrder(5, 6, false)
			s.feed.Stop(errEnough)
		})
	})
	t.Run("it leaves the configuration", func(t *testing.T) {
		bubble(t, func(w *world) {
			remove := w.fault(down())
			s := w.shard()
			s.putMany(5, 1)
			time.Sleep(time.Second)
			w.cfg.Outputs = nil
			require.NoError(w.t, w.Update(w.cfg))
			remove()
			s.putMany(5, 1) // of a shard that does not know yet
			s.quiet()
			w.inOrder(5, 2, false)
			require.True(w.t, w.status().Ending)
			time.Sleep(4 * time.Minute)
			require.Empty(w.t, w.Status())
			require.Zero(w.t, w.metric("records_total"))
			s.put(newItem("key", "late"))
			s.quiet()
			require.Equal(w.t, alert.Invalid, s.result("late").Outcome)
			s.feed.Stop(errEnough)
		})
	})
	t.Run("it leaves while a fault holds it", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			s.putMany(5, 2)
			time.Sleep(time.Second)
			w.cfg.Outputs = nil
			require.NoError(w.t, w.Update(w.cfg))
			s.put(newItem("key1", "late"))
			s.quiet()
			require.Equal(w.t, 11, s.ended())
			require.Len(w.t, w.letters.sent(), 11)
			require.Equal(w.t, output.ReasonUnknownOutput, w.letters.sent()[0].Reason)
			s.feed.Stop(errEnough)
		}, shards(0), deadLetters)
	})
	t.Run("it leaves while it holds a key", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			s.put(newItem("large", strings.Repeat("x", 1<<20)), newItem("large", "after"))
			s.quiet()
			w.cfg.Outputs = nil
			require.NoError(w.t, w.Update(w.cfg))
			s.quiet()
			require.Equal(w.t, 2, s.ended(), "nothing holds the shard that nobody can correct")
			s.feed.Stop(errEnough)
		})
	})
	t.Run("a client that cannot be made changes nothing", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.noClient.Store(true)
			w.cfg.Outputs = map[string]output.StreamConfig{"other": {Stream: "other"}}
			require.ErrorContains(w.t, w.Update(w.cfg), "outputs.other: ")
			s := w.shard()
			s.putMany(2, 2)
			s.quiet()
			w.inOrder(2, 2, false)
			s.feed.Stop(errEnough)
		})
	})
}

// Nothing is sent outside the trust window, and no call outlasts it.
func TestTrustWindow(t *testing.T) {
	var until atomic.Pointer[time.Time]
	bubble(t, func(w *world) {
		until.Store(new(time.Now()))
		s := w.shard()
		s.putMany(3, 1)
		time.Sleep(time.Minute)
		require.Empty(w.t, w.wire.seen())
		until.Store(new(time.Now().Add(time.Hour)))
		s.quiet()
		w.inOrder(3, 1, false)
		w.fault(fakeaws.Fault{Kind: fakeaws.BlackHole})
		until.Store(new(time.Now().Add(time.Second)))
		s.putMany(3, 1)
		time.Sleep(1100 * time.Millisecond)
		require.Equal(w.t, 1, w.status().Failures, "the call ended with the window")
		s.feed.Stop(errEnough)
	}, func(_ *world, d *output.Deps) {
		d.Trust = func() (time.Time, bool) { return *until.Load(), true }
	})
}

// panicAPI panics once.
type panicAPI struct{ output.API }

func (panicAPI) PutRecords(
	context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options),
) (*kinesis.PutRecordsOutput, error) {
	panic("ouch")
}

func TestPanicIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := output.New(
			output.Config{Outputs: map[string]output.StreamConfig{"scored": {Stream: "scores"}}},
			output.Deps{Client: func(string, output.StreamConfig) (output.API, error) { return panicAPI{}, nil }},
		)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		reported := make(chan *guard.PanicError, 1)
		watched := guard.Watched(ctx, func(p *guard.PanicError) {
			select {
			case reported <- p:
				cancel()
			default:
			}
		})
		ended := make(chan error, 1)
		go func() { ended <- w.Run(watched) }()
		f := w.Feed(ctx, nobody{})
		it := newItem("key", "x")
		require.NoError(t, f.Reserve(ctx, it, time.Second, func() {}))
		f.Submit(it)
		require.Equal(t, "output", (<-reported).Part)
		require.NoError(t, <-ended)
		f.Stop(errEnough)
	})
}

type nobody struct{}

func (nobody) Written([]*output.Item) {}

// 20,000 records a second over 10,000 keys need no more than this at 20 ms a call.
func TestThroughput(t *testing.T) {
	bubble(t, func(w *world) {
		w.fault(fakeaws.Fault{Kind: fakeaws.Delay, Delay: 20 * time.Millisecond})
		s := w.shard()
		began := time.Now()
		s.putMany(10_000, 4)
		s.quiet()
		took := time.Since(began)
		require.LessOrEqual(w.t, took, 2*time.Second, "40,000 records")
		require.Equal(w.t, 40_000, s.ended())
		w.inOrder(10_000, 4, false)
		t.Logf("%.0f records/s at 20 ms a call, at most %d calls at a time", 40_000/took.Seconds(), w.wire.most)
		s.feed.Stop(errEnough)
	})
}

// A configuration without outputs has no goroutine that wakes and no series.
func TestNoOutputs(t *testing.T) {
	bubble(t, func(w *world) {
		require.Empty(w.t, w.Status())
		families, err := w.reg.Gather()
		require.NoError(w.t, err)
		require.Empty(w.t, families)
		f := w.Feed(w.t.Context(), nobody{})
		require.NoError(w.t, f.Quiet(w.t.Context()))
		f.Stop(nil)
	}, config(func(c *output.Config) { c.Outputs = nil }))
}

// What waits when the process ends is reported to nobody.
func TestRunEnds(t *testing.T) {
	bubble(t, func(w *world) {
		w.fault(fakeaws.Fault{Kind: fakeaws.BlackHole})
		s := w.shard()
		s.putMany(5, 5)
		time.Sleep(time.Second)
		w.t.Cleanup(func() { require.Empty(t, s.over) })
	})
}
