package output_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/internal/fakeaws"
)

// small has room for about ten small items.
func small(c *output.Config) { c.MaxBytes = 10 * 600 }

func down() fakeaws.Fault {
	return fakeaws.Fault{Err: &fakeaws.Error{Code: "ServiceUnavailable", Status: 503}}
}

// fill submits until there is no room, and returns how many there was room for.
func (s *shard) fill(prefix string) (n int) {
	s.w.t.Helper()
	for ; ; n++ {
		it := newItem(prefix+strconv.Itoa(n), prefix+strconv.Itoa(n))
		if err := s.feed.Reserve(s.w.t.Context(), it, time.Millisecond, func() {}); err != nil {
			require.ErrorIs(s.w.t, err, output.ErrNoRoom)
			return n
		}
		s.feed.Submit(it)
	}
}

func TestBudget(t *testing.T) {
	t.Run("without dead letters the shards wait", func(t *testing.T) {
		bubble(t, func(w *world) {
			remove := w.fault(down())
			s := w.shard()
			n := s.fill("a")
			require.InDelta(w.t, 11, n, 2)
			it := newItem("late", "late")
			require.ErrorIs(w.t, s.feed.Reserve(w.t.Context(), it, 10*time.Minute, func() {}), output.ErrNoRoom)
			require.Zero(w.t, s.ended())
			remove()
			s.put(it)
			s.quiet()
			require.Equal(w.t, n+1, s.ended())
			require.Len(w.t, w.Kinesis.Records("scores"), n+1)
			s.feed.Stop(errEnough)
		}, config(small))
	})
	t.Run("with dead letters the oldest make room once they have failed for a while", func(t *testing.T) {
		bubble(t, func(w *world) {
			remove := w.fault(down())
			s := w.shard()
			n := s.fill("a")
			require.Empty(w.t, w.letters.sent(), "a short outage costs nothing")
			began := time.Now()
			for i := range 5 {
				s.put(newItem("b"+strconv.Itoa(i), "b"+strconv.Itoa(i)))
			}
			require.InDelta(w.t, 5, time.Since(began).Seconds(), 1.1)
			letters := w.letters.sent()
			require.InDelta(w.t, 5, len(letters), 1, "no more than it takes")
			for _, l := range letters {
				at, _ := strconv.Atoi(strings.TrimPrefix(l.OutputKey, "a"))
				require.Less(w.t, at, 6, "the oldest go")
				require.Equal(w.t, output.ReasonFailing, l.Reason)
				require.Equal(w.t, alert.ConditionRetries, l.Condition)
				require.Contains(w.t, l.Detail, "ServiceUnavailable")
			}
			remove()
			s.quiet()
			require.Equal(w.t, n+5, s.ended())
			require.Len(w.t, w.Kinesis.Records("scores"), n+5-len(letters))
			s.feed.Stop(errEnough)
		}, config(small), deadLetters)
	})
	t.Run("a stream that is only slow makes the shards wait", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.fault(fakeaws.Fault{Kind: fakeaws.Delay, Delay: 8 * time.Second})
			s := w.shard()
			s.putMany(3, 20)
			s.quiet()
			w.inOrder(3, 20, false)
			require.Empty(w.t, w.letters.sent())
			s.feed.Stop(errEnough)
		}, config(small), deadLetters)
	})
	t.Run("a slow shard of the output makes room by its own keys", func(t *testing.T) {
		bubble(t, func(w *world) {
			slow := w.Kinesis.OpenShards("scores")[0]
			w.Kinesis.RefuseEntries(func(shardID, _ string) *fakeaws.Error {
				if shardID == slow {
					return throttled(shardID)
				}
				return nil
			})
			s := w.shard()
			s.putMany(100, 3)
			ended := s.ended()
			require.Equal(w.t, 300, ended+len(s.waiting()))
			for _, l := range w.letters.sent() {
				require.Contains(w.t, l.Detail, slow)
			}
			require.NotEmpty(w.t, w.letters.sent())
			w.Kinesis.RefuseEntries(nil)
			s.quiet()
			require.Len(w.t, w.Kinesis.Records("scores"), 300-len(w.letters.sent()))
			s.feed.Stop(errEnough)
		}, config(small), deadLetters)
	})
	t.Run("one item always fits", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			s.put(newItem("large", strings.Repeat("x", 100_000)), newItem("small", "x"))
			s.quiet()
			require.Equal(w.t, 2, s.ended())
			s.feed.Stop(errEnough)
		}, config(small))
	})
	t.Run("who waits longest gets room first, also for a large item", func(t *testing.T) {
		bubble(t, func(w *world) {
			remove := w.fault(down())
			s := w.shard()
			s.fill("a")
			var order []string
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range 5 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Second)
					it := newItem("b"+strconv.Itoa(i), strings.Repeat("b", 5000*(1-i%2)+1))
					if err := s.feed.Reserve(w.t.Context(), it, longEnough, func() {}); err != nil {
						t.Error(err)
					}
					mu.Lock()
					order = append(order, it.Key)
					mu.Unlock()
					s.feed.Release(it)
				})
			}
			time.Sleep(time.Minute)
			_, _, crowded := s.feed.Waiting()
			require.True(w.t, crowded)
			require.True(w.t, w.status().Crowded)
			remove()
			wg.Wait()
			require.Equal(w.t, []string{"b0", "b1", "b2", "b3", "b4"}, order)
			s.quiet()
			require.Zero(w.t, w.status().Bytes)
			s.feed.Stop(errEnough)
		}, config(small))
	})
}

// waiting are the items that have not ended, as far as the feed counts them.
func (s *shard) waiting() []struct{} {
	n, _, _ := s.feed.Waiting()
	return make([]struct{}, n)
}

// Who gives up waiting for room leaves none of it taken.
func TestReserveGivesUp(t *testing.T) {
	bubble(t, func(w *world) {
		remove := w.fault(down())
		s := w.shard()
		s.fill("a")
		ctx, cancel := context.WithTimeoutCause(w.t.Context(), time.Second, errEnough)
		defer cancel()
		require.ErrorIs(w.t, s.feed.Reserve(ctx, newItem("b", "b"), longEnough, func() {}), errEnough)
		ended := make(chan error, 1)
		go func() { ended <- s.feed.Reserve(w.t.Context(), newItem("c", "c"), longEnough, func() {}) }()
		synctest.Wait()
		s.feed.Stop(errEnough)
		require.ErrorIs(w.t, <-ended, errEnough)
		remove()
		time.Sleep(time.Minute)
		require.Zero(w.t, w.status().Bytes)
		require.Zero(w.t, w.status().Waiting)
	}, config(small))
}

func TestRelieve(t *testing.T) {
	bubble(t, func(w *world) {
		remove := w.fault(down())
		a, b := w.shard(), w.shard()
		a.putMany(20, 1)
		b.put(newItem("other", "other"))
		a.feed.Relieve()
		time.Sleep(4 * time.Second)
		require.Empty(w.t, w.letters.sent())
		time.Sleep(3 * time.Second)
		require.NotEmpty(w.t, w.letters.sent())
		time.Sleep(time.Minute)
		require.Equal(w.t, 20, a.ended(), "asked once")
		require.Zero(w.t, b.ended(), "another shard asked for nothing")
		remove()
		b.quiet()
		a.feed.Stop(errEnough)
		b.feed.Stop(errEnough)
	}, deadLetters)
}

func TestLimitOfAge(t *testing.T) {
	old := func(c *output.Config) { c.MaxRecordAge = time.Minute }
	t.Run("an outage counts", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.fault(down())
			s := w.shard()
			s.putMany(5, 2)
			time.Sleep(50 * time.Second)
			require.Zero(w.t, s.ended())
			time.Sleep(20 * time.Second)
			require.Equal(w.t, 10, s.ended())
			require.Equal(w.t, alert.DeadLettered, s.result("key1/1").Outcome)
			require.Equal(w.t, output.ReasonRecordAge, w.letters.sent()[0].Reason)
			require.Equal(w.t, alert.ConditionAge, w.letters.sent()[0].Condition)
			s.feed.Stop(errEnough)
		}, config(old), deadLetters)
	})
	t.Run("without dead letters it expires", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			it := newItem("key", "old")
			it.Record.Arrival = time.Now().Add(-time.Hour)
			s.put(it, newItem("key", "young"))
			s.quiet()
			require.Equal(w.t, alert.Expired, s.result("old").Outcome)
			require.Equal(w.t, alert.Unmatched, s.result("young").Outcome)
			require.InDelta(w.t, 1, w.metric("records_total", "result", "given_up"), 0)
			s.feed.Stop(errEnough)
		}, config(old))
	})
	t.Run("a fault of the configuration does not", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			s.putMany(5, 2)
			time.Sleep(time.Hour)
			require.Zero(w.t, s.ended())
			w.Kinesis.Create("scores", 1)
			time.Sleep(50 * time.Second)
			s.quiet()
			w.inOrder(5, 2, false)
			s.feed.Stop(errEnough)
		}, config(old), shards(0))
	})
}

func TestLimitOfAttempts(t *testing.T) {
	bubble(t, func(w *world) {
		codes := []string{"ProvisionedThroughputExceededException", "InternalFailure"}
		w.Kinesis.RefuseEntries(func(_, key string) *fakeaws.Error {
			if n, err := strconv.Atoi(strings.TrimPrefix(key, "key")); err == nil && n < 2 {
				return &fakeaws.Error{Code: codes[n], Message: "no"}
			}
			return nil
		})
		s := w.shard()
		s.putMany(3, 2)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(w.t, 4, s.ended(), "throttling does not count")
		require.Equal(w.t, alert.DeadLettered, s.result("key1/0").Outcome)
		l := w.letters.sent()[0]
		require.Equal(w.t, output.ReasonRetryAttempts, l.Reason)
		require.Equal(w.t, 4, l.Attempts)
		require.Contains(w.t, l.Detail, "InternalFailure")
		w.Kinesis.RefuseEntries(nil)
		s.quiet()
		s.feed.Stop(errEnough)
	}, config(func(c *output.Config) { c.MaxAttempts = 3 }), deadLetters)
}

// A dead letter holds its key until it is accepted, and no other.
func TestDeadLettersHoldOnlyTheirKey(t *testing.T) {
	bubble(t, func(w *world) {
		answers := make(chan struct{})
		w.letters.wait = answers
		s := w.shard()
		it := newItem("bad", "bad")
		it.Reason, it.Detail = output.ReasonKey, "the key is not there"
		s.put(it, newItem("large", strings.Repeat("x", 1<<20)), newItem("large", "next"), newItem("fine", "fine"))
		time.Sleep(time.Minute)
		require.Equal(w.t, 1, s.ended())
		ctx, cancel := context.WithTimeoutCause(w.t.Context(), time.Minute, errEnough)
		defer cancel()
		require.ErrorIs(w.t, s.feed.Quiet(ctx), errEnough)
		close(answers)
		s.quiet()
		require.Equal(w.t, 4, s.ended())
		require.Equal(w.t, alert.DeadLettered, s.result("bad").Outcome)
		reasons := map[alert.Reason]string{}
		for _, l := range w.letters.sent() { // of two keys: in any order
			reasons[l.Reason] = l.Detail
		}
		require.Equal(w.t, "the key is not there", reasons[output.ReasonKey])
		s.feed.Stop(errEnough)
	}, deadLetters)
	t.Run("an error outside the contract holds the key", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.letters.err = errors.New("broken")
			s := w.shard()
			s.put(newItem("large", strings.Repeat("x", 1<<20)), newItem("fine", "fine"))
			s.quiet()
			require.Equal(w.t, 1, w.status().HeldKeys)
			require.Equal(w.t, 1, s.ended())
			s.feed.Stop(errEnough)
			require.Zero(w.t, w.status().Bytes)
		}, deadLetters)
	})
}

// A record whose key cannot be computed holds nothing but itself.
func TestRecordThatCanNeverBeWritten(t *testing.T) {
	bad := func(data string) *output.Item {
		it := newItem("", data)
		it.Reason = output.ReasonKey
		return it
	}
	t.Run("held", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			s.put(bad("1"), bad("2"), newItem("k", "k"))
			s.quiet()
			require.Equal(w.t, 1, s.ended())
			_, keys, _ := s.feed.Waiting()
			require.Equal(w.t, 2, keys)
			s.feed.Stop(errEnough)
			require.Zero(w.t, w.status().Waiting)
		})
	})
	t.Run("skipped", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			s.put(bad("1"), bad("2"), newItem("k", "k"))
			s.quiet()
			require.Equal(w.t, alert.Invalid, s.result("2").Outcome)
			s.feed.Stop(errEnough)
		}, config(func(c *output.Config) { c.Skip = true }))
	})
}
