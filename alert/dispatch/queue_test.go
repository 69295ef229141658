package dispatch

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert/delivery"
)

// Every request is in one place at a time, calls keep their bounds, and a queue that is left alone empties.
func TestQueueKeepsEveryRequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const maxBytes, maxEntries = 1000, 10
		q := &queue{
			linger: 2 * time.Millisecond, inFlight: rapid.IntRange(1, 4).Draw(t, "in flight"), health: &health{},
		}
		now := time.Unix(0, 0)
		waiting := map[*request]bool{} // neither answered nor dropped
		cancels := map[*request]context.CancelFunc{}
		type flight struct {
			epoch int
			batch []*request
		}
		var flying []flight
		send := func() (time.Duration, bool) {
			n, wait := q.next(now, math.MaxInt, Limits{Bytes: maxBytes, Batch: maxEntries})
			if n == 0 {
				return wait, false
			}
			epoch, fault := q.health.Epoch(), q.health.Fault()
			batch := q.take(n)
			size := 0
			for i, r := range batch {
				size += r.msg.Size()
				require.NoError(t, r.ctx.Err())
				require.True(t, r.batch == 0 || n <= max(r.batch, i))
			}
			require.LessOrEqual(t, n, maxEntries)
			require.True(t, size <= maxBytes || n == 1)
			if fault != "" {
				require.Equal(t, 1, n)
			}
			flying = append(flying, flight{epoch, batch})
			require.LessOrEqual(t, len(flying), q.inFlight)
			return 0, true
		}
		land := func(f flight, outcome string) {
			q.calls--
			for i, r := range f.batch {
				switch {
				case outcome == "some" && i%2 == 0:
					r.failures++
					r.due = now.Add(delivery.Backoff(r.failures-1, delivery.Lot()))
					q.delay(r)
				case outcome == "all" || outcome == "some":
					delete(waiting, r)
				case outcome == "split" && len(f.batch) > 1:
					r.batch = len(f.batch) / 2
					q.push(r)
				case outcome == "split":
					delete(waiting, r)
				default:
					q.push(r)
				}
			}
			switch outcome {
			case "hold":
				q.health.Failed(now, f.epoch, ReasonMissing, delivery.Lot())
			case "retry":
				q.health.Failed(now, f.epoch, "", delivery.Lot())
			default:
				q.health.Answered(f.epoch)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				ctx, cancel := context.WithCancel(t.Context())
				r := &request{ctx: ctx, queued: now, msg: &note{size: rapid.IntRange(1, maxBytes).Draw(t, "size")}}
				waiting[r], cancels[r] = true, cancel
				q.push(r)
			},
			"cancel": func(t *rapid.T) {
				if len(q.ready) == 0 {
					t.Skip()
				}
				r := q.ready[rapid.IntRange(0, len(q.ready)-1).Draw(t, "which")]
				cancels[r]()
				if rapid.Bool().Draw(t, "told") {
					q.drop(r)
				}
				delete(waiting, r)
			},
			"send": func(*rapid.T) { send() },
			"land": func(t *rapid.T) {
				if len(flying) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(flying)-1).Draw(t, "which")
				f := flying[i]
				flying = append(flying[:i], flying[i+1:]...)
				land(f, rapid.SampledFrom([]string{"all", "some", "retry", "hold", "split"}).Draw(t, "outcome"))
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) {
				places := map[*request]int{}
				for _, r := range q.ready {
					places[r]++
				}
				for _, r := range q.delayed {
					places[r]++
				}
				for _, f := range flying {
					for _, r := range f.batch {
						places[r]++
					}
				}
				for r := range waiting {
					require.Equal(t, 1, places[r])
				}
			},
		})
		for range 10_000 {
			for _, f := range flying {
				land(f, "all")
			}
			flying = nil
			wait, sent := send()
			if sent {
				continue
			}
			if wait == untilWoken {
				break
			}
			now = now.Add(wait)
		}
		require.Empty(t, waiting)
	})
}
