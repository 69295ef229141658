package checkpoint

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// reported is a consumer that says of the shards of one process what a test wants it to say.
type reported struct {
	mu                sync.Mutex
	arrival, caughtUp time.Time
	behind            time.Duration // with a zero caughtUp: how far behind the present it is
}

func (r *reported) say(arrival, caughtUp time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrival, r.caughtUp = arrival, caughtUp
}

func (r *reported) report() (lastArrival, caughtUp time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.caughtUp.IsZero() {
		return r.arrival, time.Now().Add(-r.behind)
	}
	return r.arrival, r.caughtUp
}

// reporting starts a process whose consumers offer progress all the time.
func (w *world) reporting(name string) (*process, *reported) {
	w.Helper()
	r := &reported{}
	if w.work == nil { // the processes before this one use it already
		w.work = func(_ *process, l *Lease) {
			l.Commit(position.Progress{
				Settled:  true,
				At:       position.Past("1"),
				CaughtUp: time.Now(),
			})
		}
	}
	w.report = r.report
	p := w.start(name)
	w.report = nil
	return p, r
}

func TestFleetOfThreeWorkers(t *testing.T) {
	bubble(t, 6, func(w *world) {
		a, ra := w.reporting("a")
		b, rb := w.reporting("b")
		c, rc := w.reporting("c")
		fleet := []*process{a, b, c}
		w.await("balance", 10*time.Second, func() bool {
			return len(a.held()) == 2 && len(b.held()) == 2 &&
				len(c.held()) == 2
		})
		at := func(minutes int) time.Time {
			// not ahead of the clock
			return time.UnixMilli(946684800000).Add(time.Duration(minutes)*time.Minute - time.Hour)
		}
		ra.say(at(1), at(9))
		rb.say(at(3), at(7))
		rc.say(at(2), at(8))
		same := func(arrival, caughtUp time.Time) func() bool {
			return func() bool {
				return !slices.ContainsFunc(fleet, func(p *process) bool {
					decider, last, upTo := p.store.Fleet()
					require.Equal(w, table.ShardName(0), decider)
					return !last.Equal(arrival) || !upTo.Equal(caughtUp)
				})
			}
		}
		took := w.await("everybody knows", scanEvery+DefaultLeaseDuration/3+time.Second, same(at(3), at(7)))
		w.Logf("known to all after %v", took)
		rb.say(at(3), at(20)) // a shard's silence is reported by its worker, the latest arrival stays
		w.await("the next is the earliest", scanEvery, same(at(3), at(8)))
		rc.say(at(12), at(19))
		ra.say(at(1), at(21))
		w.await("an arrival", scanEvery, same(at(12), at(19)))

		// One dies: what it held is unread, until others have it and have reported on it.
		a.kill()
		fleet = []*process{b, c}
		w.await("nobody reads them", DefaultLeaseDuration+scanEvery, func() bool {
			_, _, upTo := b.store.Fleet()
			return upTo.IsZero()
		})
		w.await("taken over", 5*time.Second, func() bool { return len(b.held())+len(c.held()) == 6 })
		rb.say(at(3), at(15)) // the shards of the dead one are behind
		w.await("both know", scanEvery+DefaultLeaseDuration/3+time.Second, same(at(12), at(15)))

		// A paused shard does not count.
		w.pause(w.admin())
		w.await("let go", 10*time.Second, func() bool { return len(b.held())+len(c.held()) == 0 })
		w.await("no shard, no decider", scanEvery, func() bool {
			decider, last, upTo := b.store.Fleet()
			return decider == "" && last.Equal(at(12)) && upTo.IsZero()
		})
		b.stop()
		c.stop()
	})
}

// A worker takes a shard that is far behind. No peer ever thinks that the shard was read as far as that worker's
// others.
func TestFleetIsNeverAheadOfAShardThatMoves(t *testing.T) {
	bubble(t, 12, func(w *world) {
		a, ra := w.reporting("a")
		w.awaitHeld(5*time.Second, 12, a)
		ra.mu.Lock()
		ra.behind = time.Hour // one of its shards
		ra.mu.Unlock()
		lagging := a.held()[7]
		behind := func(p *process, r *reported) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.behind = 0
			if l := p.store.Lease(lagging); l != nil && l.Context().Err() == nil {
				r.behind = time.Hour
			}
		}
		fleet, all := []*process{a}, []*reported{ra}
		check := func(d time.Duration) {
			w.Helper()
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				for i, p := range fleet {
					behind(p, all[i])
				}
				for _, p := range fleet {
					_, _, upTo := p.store.Fleet()
					require.False(w, upTo.After(time.Now().Add(-time.Hour)),
						"%s thinks that all is read up to %s ago", p.name, time.Since(upTo))
				}
			}
		}
		for _, name := range []string{"b", "c", "d", "e", "f"} {
			p, r := w.reporting(name)
			fleet, all = append(fleet, p), append(all, r)
			check(20 * time.Second)
		}
		dead := slices.IndexFunc(fleet, func(p *process) bool { return isHeld(lagging, p) })
		require.GreaterOrEqual(w, dead, 0)
		fleet[dead].kill()
		fleet, all = slices.Delete(fleet, dead, dead+1), slices.Delete(all, dead, dead+1)
		check(40 * time.Second)
		for len(fleet) > 1 {
			fleet[0].stop()
			fleet, all = fleet[1:], all[1:]
			check(5 * time.Second)
		}
		fleet[0].stop()
	})
}

// A child that waits for its parent does not count as unread; one that may be read does, until a worker reads it. An
// ended shard decides nothing.
func TestFleetAcrossAReshard(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a, _ := w.reporting("a")
		w.awaitHeld(5*time.Second, 1, a)
		current := func() bool {
			_, _, upTo := a.store.Fleet()
			return time.Since(upTo) < time.Second
		}
		w.await("read", 2*time.Second, current)
		low, high := w.aws.Kinesis.Split(testStream, only)
		time.Sleep(2 * time.Minute)
		require.True(w, current())
		decider, _, _ := a.store.Fleet()
		require.Equal(w, only, decider)
		stop := w.aws.Faults.Add(fakeaws.Fault{Operation: "UpdateItem", Kind: fakeaws.Before, Match: takes(high)})
		w.finish(only, nil, a)
		w.await("one child", 5*time.Second, func() bool { return isHeld(low, a) })
		time.Sleep(time.Second)
		decider, _, upTo := a.store.Fleet()
		require.Equal(w, low, decider)
		require.Zero(w, upTo, "nobody reads the other child")
		stop()
		w.await("the other", 10*time.Second, func() bool { return isHeld(high, a) })
		w.await("read", 2*time.Second, current)
		a.stop()
		time.Sleep(fleetEvery)
		decider, _, upTo = a.store.Fleet()
		require.NotEmpty(w, decider)
		require.Zero(w, upTo)
	})
}

// What a consumer says is not taken for shards that it does not know yet, nor for one that goes while it is asked.
func TestReportSpeaksOfTheShardsThatAreHeld(t *testing.T) {
	bubble(t, 2, func(w *world) {
		var meanwhile atomic.Pointer[func()]
		w.report = func() (lastArrival, caughtUp time.Time) {
			if do := meanwhile.Load(); do != nil {
				(*do)()
			}
			return time.Time{}, time.Now()
		}
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		upTo := func() time.Time {
			time.Sleep(5 * time.Second)
			_, _, upTo := a.store.Fleet()
			require.Equal(w, upTo.IsZero(), w.row(table.KeyWorker + a.store.Status().Worker)[table.AttrCaughtUp] == nil)
			return upTo
		}
		require.Zero(w, upTo())
		a.Commit(table.ShardName(0), "1")
		require.Zero(w, upTo(), "one shard has not begun")
		a.Commit(table.ShardName(1), "1")
		require.NotZero(w, upTo())
		require.NotZero(w, a.store.reports.own().CaughtUp)
		l := a.store.Lease(table.ShardName(1))
		meanwhile.Store(new(func() { l.end(ErrLeaseLost, eventLost) }))
		require.Zero(w, a.store.reports.own().CaughtUp)
		a.stop()
	})
}

// takes picks the writes that name an owner for a shard.
func takes(shard string) func(*fakeaws.Request) bool {
	return func(r *fakeaws.Request) bool {
		return bytes.Contains(r.Body, []byte(shard)) && bytes.Contains(r.Body, []byte(table.AttrOwner))
	}
}

// Without a consumer that reported, workers write what they wrote before.
func TestNoReportNoAttributes(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		time.Sleep(20 * time.Second)
		row := w.row(table.KeyWorker + a.store.Status().Worker)
		for _, attr := range []string{table.AttrArrival, table.AttrCaughtUp, table.AttrCovers} {
			require.NotContains(w, row, attr)
		}
		_, last, upTo := a.store.Fleet()
		require.Zero(w, last)
		require.Zero(w, upTo)
		a.stop()
	})
}

// The fleet's rate is divided by what Share says: the sum of the shares is never more than the whole, while workers
// come, stop, die, and come back, and all of it is given out when they are at rest.
func TestSharesAreNeverMoreThanTheWhole(t *testing.T) {
	bubble(t, 4, func(w *world) {
		var fleet []*process
		sum := func() (whole float64, places map[int]int) {
			places = map[int]int{}
			for _, p := range fleet {
				if i, n := p.store.Share(); n > 0 {
					whole += 1 / float64(n)
					places[i]++
				}
			}
			return whole, places
		}
		check := func(d time.Duration) {
			w.Helper()
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				whole, _ := sum()
				require.LessOrEqual(w, whole, 1.0001)
			}
		}
		rested := func(n int) {
			w.Helper()
			whole, places := sum()
			require.InDelta(w, 1, whole, 0.001)
			for i := range n {
				require.Equal(w, 1, places[i], "place %d of %d", i, n)
			}
		}
		for i, name := range []string{"a", "b", "c"} {
			p := w.start(name)
			index, workers := p.store.Share()
			require.Zero(w, index)
			require.Zero(w, workers, "not joined")
			fleet = append(fleet, p)
			check(5 * time.Second)
			rested(i + 1)
		}
		b := fleet[1]
		b.kill()
		fleet = []*process{fleet[0], fleet[2]}
		check(DefaultLeaseDuration - 2*time.Second)
		_, workers := fleet[0].store.Share()
		require.Equal(w, 3, workers, "it may still be at work")
		check(5 * time.Second)
		rested(2)
		// One is cut off for long enough to be fenced, and comes back under another name.
		w.aws.Faults.Clear()
		remove := w.aws.Faults.Add(fakeaws.Fault{
			Client: "c", Service: fakeaws.ServiceDynamoDB,
			Kind: fakeaws.BlackHole,
		})
		check(DefaultLeaseDuration + 5*time.Second)
		_, workers = fleet[1].store.Share()
		require.Zero(w, workers)
		remove()
		check(20 * time.Second)
		rested(2)
		fleet[0].store.Leave()
		check(5 * time.Second)
		_, workers = fleet[1].store.Share()
		require.Equal(w, 2, workers, "it still drains")
		fleet[0].stop()
		_, workers = fleet[0].store.Share()
		require.Zero(w, workers)
		fleet = fleet[1:]
		check(2 * time.Second)
		rested(1)
		fleet[0].stop()
	})
}

// Peers learn of a new worker by the change of #fleet, well before it has a share.
func TestPeersLearnOfANewWorkerAtOnce(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		time.Sleep(3 * time.Second)
		b := w.start("b")
		w.await("joined", time.Second, func() bool { return b.store.Status().Worker != "" })
		took := w.await("known", time.Second, func() bool {
			_, n := a.store.Share()
			return n == 2
		})
		w.Logf("known after %v", took)
		require.Less(w, took, shareDelay/2)
		_, n := b.store.Share()
		require.Zero(w, n)
		a.stop()
		b.stop()
	})
}

// A worker that died before this process started was heard when it wrote its last heartbeat, not when this process
// first saw its row; one whose version does not write the time was not heard yet.
func TestAPeerWasHeardWhenItWrote(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		time.Sleep(8 * time.Second)
		id := a.store.Status().Worker
		a.kill()
		died := time.Now()
		time.Sleep(time.Minute)
		b := w.start("b")
		heard := func() (time.Time, bool) {
			for _, p := range b.store.Status().Workers {
				if p.ID == id {
					return p.Heard, true
				}
			}
			return time.Time{}, false
		}
		w.await("b sees a", 5*time.Second, func() bool { _, seen := heard(); return seen })
		at, _ := heard()
		require.WithinDuration(w, died, at, DefaultLeaseDuration/3+time.Second)
		b.stop()
	})
	bubble(t, 1, func(w *world) {
		old := &peer{Worker: table.Worker{ID: "old"}, since: time.Now()}
		require.Zero(w, old.heard())
		old.moved = true
		require.Equal(w, old.since, old.heard())
		ahead := &peer{Worker: table.Worker{Beat: time.Now().Add(time.Hour)}, since: time.Now()}
		require.Equal(w, ahead.since, ahead.heard(), "its clock is ahead")
	})
}

// The hash of a configuration is the same for the same configuration in one application, and another one in each
// application.
func TestConfigHash(t *testing.T) {
	t.Parallel()
	text := []byte("rules")
	s := &Store{cfg: Config{Table: "t"}}
	s.agreement = agreement{store: s, config: func() []byte { return text }}
	require.Empty(t, s.agreement.configHash(), "before the application is known")
	s.view.app = &table.Application{StreamARN: "arn", Generation: "g"}
	first := s.agreement.configHash()
	require.Len(t, first, 32)
	require.Equal(t, first, s.agreement.configHash())
	s.view.app.Generation = "other"
	require.NotEqual(t, first, s.agreement.configHash(), "the key is the application's own")
	s.view.app.Generation, text = "g", []byte("other rules")
	require.NotEqual(t, first, s.agreement.configHash())
	text = nil
	require.Empty(t, s.agreement.configHash())
}

// What a worker does reaches the others with its heartbeat. One of a version that does not say leaves it open, and what
// no worker can have written is not believed.
func TestPulse(t *testing.T) {
	bubble(t, 2, func(w *world) {
		old := w.start("old")
		w.pulse = func() Pulse { return Pulse{Records: 120.25, Alerts: 0.5, Lag: 1500 * time.Millisecond, Known: true} }
		b := w.start("b")
		seen := func(by *process, whom string) Pulse {
			for _, x := range by.store.Status().Workers {
				if strings.HasPrefix(x.ID, whom+"/") {
					return x.Pulse
				}
			}
			return Pulse{}
		}
		w.await("b says what it does", 15*time.Second, func() bool { return seen(old, "b").Known })
		require.Equal(w, Pulse{Records: 120.2, Alerts: 0.5, Lag: 1500 * time.Millisecond, Known: true}, seen(old, "b"))
		require.InDelta(w, 120.25, seen(b, "b").Records, 0, "here it is that of now")
		require.Equal(w, Pulse{}, seen(b, "old"))
		for attr, lie := range map[string]string{
			table.AttrRecordRate: "-1", table.AttrAlertRate: "1e300", table.AttrLag: "99999999999999",
		} {
			lied := table.Item{
				table.AttrRecordRate: table.Num(1), table.AttrAlertRate: table.Num(1), table.AttrLag: table.Num(1),
			}
			require.True(w, table.DecodeWorker(lied, time.Now()).Known)
			lied[attr] = &ddb.AttributeValueMemberN{Value: lie}
			require.Equal(w, Pulse{}, table.DecodeWorker(lied, time.Now()).Pulse, attr)
		}
		old.stop()
		b.stop()
	})
}

// What the workers keep with the application is there for the next ones, and changes nothing of the application.
func TestKeepsake(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		kept, err := a.store.Keepsake(w.Context())
		require.NoError(w, err)
		require.Empty(w, kept)
		require.NoError(w, a.store.SetKeepsake(w.Context(), "text"))
		a.stop()
		b := w.start("b")
		w.awaitHeld(5*time.Second, 1, b)
		kept, err = b.store.Keepsake(w.Context())
		require.NoError(w, err)
		require.Equal(w, "text", kept)
		b.stop()
	})
}

// An arrival that is still to come, as a peer reported it, arrived nowhere: it would hide the silence of the stream
// until then. And no peer has read further than the present, whatever its machine's clock says.
func TestFleetIsNotAheadOfThePresent(t *testing.T) {
	bubble(t, 4, func(w *world) {
		a, ra := w.reporting("a")
		b, rb := w.reporting("b")
		w.await("balance", 10*time.Second, func() bool { return len(a.held()) == 2 && len(b.held()) == 2 })
		arrived := time.Now().Truncate(time.Millisecond)
		ra.say(arrived, time.Now().Add(20*time.Minute))
		rb.say(arrived.Add(20*time.Minute), time.Now().Add(10*time.Minute))
		time.Sleep(scanEvery + DefaultLeaseDuration)
		_, last, upTo := a.store.Fleet()
		require.Equal(w, arrived, last)
		require.False(w, upTo.IsZero())
		require.False(w, upTo.After(time.Now()), upTo)
		a.stop()
		b.stop()
	})
}
