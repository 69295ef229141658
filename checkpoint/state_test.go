package checkpoint

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/checkpoint/saved"
	tablepkg "kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

const testStateTable = testTable + saved.StateSuffix

// smallChunk is the size of chunks where little data is to have many.
const smallChunk = 16

// startSmall starts a process with small chunks.
func (w *world) startSmall(name string) *process {
	w.Helper()
	w.chunk = smallChunk
	return w.start(name)
}

// stateOf is data that tells from which save it is, in every chunk.
func stateOf(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%08d", n), 6) }

// save offers progress and stores a state that includes it.
func (w *world) save(p *process, id, sequence string, data []byte) error {
	w.Helper()
	l := p.store.Lease(id)
	require.NotNil(w, l)
	l.Commit(position.Progress{Settled: true, At: position.Past(sequence), CaughtUp: time.Now()})
	return l.SaveState(w.Context(), sequence, position.WholeRecord, data)
}

// loads checks what a lease begins with.
func (w *world) loads(p *process, id string, own []byte, sequence string) {
	w.Helper()
	got, at, _, parents, err := p.store.Lease(id).LoadState(w.Context())
	require.NoError(w, err)
	require.Equal(w, sequence, at)
	require.True(w, bytes.Equal(own, got), "%d bytes, not %d", len(got), len(own))
	require.Empty(w, parents)
}

// stateWatch checks at every write of the lease table that the state which a row points to includes no more than its
// checkpoint, and counts the requests on the state table.
type stateWatch struct {
	mu       sync.Mutex
	ahead    []string
	requests int
}

func (w *world) watchState() *stateWatch {
	v := &stateWatch{}
	w.aws.DynamoDB.Watch(func(table string, _, after map[string]any) {
		at, _ := after[tablepkg.AttrStateAt].(string)
		checkpoint, _ := after[tablepkg.AttrPosition].(string)
		if table != testTable || at == "" || checkpoint == position.ShardEnd {
			return
		}
		sub, _ := after[tablepkg.AttrStateSub].(int64)
		stored, _ := after[tablepkg.AttrSub].(int64)
		state := position.Position{Sequence: at, Sub: uint32(sub)}               //nolint:gosec // as it was written
		progress := position.Position{Sequence: checkpoint, Sub: uint32(stored)} //nolint:gosec // as it was written
		if state.Compare(progress) > 0 {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.ahead = append(v.ahead, fmt.Sprintf("%v: state at %s, checkpoint %q", after[tablepkg.AttrKey], at,
				checkpoint))
		}
	})
	w.aws.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Match: func(r *fakeaws.Request) bool {
		if bytes.Contains(r.Body, []byte(`"`+testStateTable+`"`)) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.requests++
		}
		return false
	}})
	return v
}

func (v *stateWatch) seen() (requests int, ahead []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.requests, v.ahead
}

func TestStateRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, saved.ChunkBytes, saved.ChunkBytes + 1, 1 << 20, 3 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				v := w.watchState()
				a := w.start("a")
				w.awaitHeld(5*time.Second, 1, a)
				w.loads(a, only, nil, "")
				data := make([]byte, size)
				for i := range data {
					data[i] = byte(i * 7 >> 3)
				}
				require.NoError(w, w.save(a, only, "100", data))
				w.loads(a, only, data, "100") // a consumer that starts over in the same lease
				a.Commit(only, "130")
				a.stop()
				require.Equal(w, "130", w.row(only)[tablepkg.AttrPosition])
				b := w.start("b")
				w.awaitHeld(5*time.Second, 1, b)
				w.loads(b, only, data, "100")
				_, ahead := v.seen()
				require.Empty(w, ahead)
				b.stop()
			})
		})
	}
}

// Commit offers progress on a shard that the process holds.
func (p *process) Commit(id, sequence string) {
	p.store.Lease(id).Commit(position.Progress{Settled: true, At: position.Past(sequence), CaughtUp: time.Now()})
}

// The offer goes with the state in one write, a position that was not offered is refused before anything is written,
// and so is what is too large.
func TestStateIsNeverAheadOfTheCheckpoint(t *testing.T) {
	bubble(t, 1, func(w *world) {
		v := w.watchState()
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		l := a.store.Lease(only)
		require.ErrorIs(w, l.SaveState(w.Context(), "5", 0, []byte("x")), ErrStateAhead)
		l.Commit(position.Progress{
			Settled: true, At: position.Position{Sequence: "5", Sub: 3}, Above: "r", CaughtUp: time.Now(),
		})
		require.ErrorIs(w, l.SaveState(w.Context(), "5", 4, []byte("x")), ErrStateAhead)
		require.ErrorIs(w, l.SaveState(w.Context(), "5", 3, make([]byte, saved.MaxState+1)), ErrStateTooLarge)
		require.Error(w, l.SaveState(w.Context(), "five", 3, []byte("x")))
		requests, _ := v.seen()
		require.Zero(w, requests)
		// commits, but no flips
		w.aws.Faults.Add(fakeaws.Fault{
			Operation: "UpdateItem", Kind: fakeaws.Before,
			Match: func(r *fakeaws.Request) bool {
				return bytes.Contains(r.Body, []byte(tablepkg.AttrPosition)) &&
					!bytes.Contains(r.Body, []byte(tablepkg.AttrState+`"`))
			},
		})
		require.NoError(w, l.SaveState(w.Context(), "", 0, []byte("before the first")))
		w.loads(a, only, []byte("before the first"), "")
		require.NoError(w, l.SaveState(w.Context(), "5", 2, []byte("x")))
		require.Equal(w, "5", w.row(only)[tablepkg.AttrPosition])
		require.Equal(w, "r", w.row(only)[tablepkg.AttrResolved])
		w.loads(a, only, []byte("x"), "5")
		_, ahead := v.seen()
		require.Empty(w, ahead)
		w.aws.Faults.Clear()
		a.stop()
	})
}

// A deployment without stateful rules makes no request about the second table; the first save creates it, also when
// several race for it.
func TestStateTableIsMadeWhenItIsNeeded(t *testing.T) {
	bubble(t, 4, func(w *world) {
		v := w.watchState()
		a, b := w.start("a"), w.start("b")
		w.await("balance", 10*time.Second, func() bool { return len(a.held()) == 2 && len(b.held()) == 2 })
		for _, p := range []*process{a, b} {
			for _, id := range p.held() {
				w.loads(p, id, nil, "")
				p.Commit(id, "7")
			}
		}
		low, high := w.aws.Kinesis.Split(testStream, tablepkg.ShardName(0))
		w.finish(tablepkg.ShardName(0), []types.ChildShard{
			child(low, tablepkg.ShardName(0)),
			child(high, tablepkg.ShardName(0)),
		}, a, b)
		w.awaitHeld(5*time.Second, 5, a, b)
		time.Sleep(2 * time.Minute)
		requests, _ := v.seen()
		require.Zero(w, requests)
		tables := w.aws.History.Count(fakeaws.ServiceDynamoDB, "CreateTable")
		var wg sync.WaitGroup
		for _, p := range []*process{a, b} {
			for _, id := range p.held() {
				wg.Go(func() {
					if err := w.save(p, id, "8", []byte(id)); err != nil {
						w.Errorf("save of %s: %v", id, err)
					}
				})
			}
		}
		wg.Wait()
		require.LessOrEqual(w, w.aws.History.Count(fakeaws.ServiceDynamoDB, "CreateTable")-tables, 2,
			"one for each process")
		require.Len(w, w.aws.DynamoDB.Items(testStateTable), 5)
		a.stop()
		b.stop()
	})
}

// A process dies at any one of the writes of a save, before or after its effect: the next owner finds the snapshot
// before or the new one, whole, and never one that includes more than the checkpoint.
func TestCrashInTheMiddleOfASave(t *testing.T) {
	const writes = 3 + 1 + 3 + 3 // chunks, flip, and the deletion of two slots that were there before
	for _, first := range []bool{true, false} {
		for _, kind := range []fakeaws.Kind{fakeaws.BlackHole, fakeaws.Lost} {
			for at := 1; at <= writes; at++ {
				t.Run(fmt.Sprintf("first save of a lease %v, fault %v at write %d", first, kind, at),
					func(t *testing.T) {
						bubble(t, 1, func(w *world) { w.crashAt(at, first, kind) })
					})
			}
		}
	}
}

func (w *world) crashAt(at int, first bool, kind fakeaws.Kind) {
	v := w.watchState()
	z := w.startSmall("z")
	w.awaitHeld(5*time.Second, 1, z)
	require.NoError(w, w.save(z, only, "100", stateOf(1)))
	require.NoError(w, w.save(z, only, "200", stateOf(2)))
	z.stop()
	a := w.startSmall("a")
	w.awaitHeld(5*time.Second, 1, a)
	before, sequence := stateOf(2), "200"
	if !first {
		require.NoError(w, w.save(a, only, "300", stateOf(3)))
		before, sequence = stateOf(3), "300"
	}
	var mu sync.Mutex
	n, dead := 0, false
	isDead := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return dead
	}
	w.aws.Faults.Add(fakeaws.Fault{
		Client: "a", Service: fakeaws.ServiceDynamoDB, Kind: kind,
		Match: func(r *fakeaws.Request) bool {
			write := bytes.Contains(r.Body, []byte(testStateTable)) &&
				!bytes.Contains(r.Body, []byte("ProjectionExpression"))
			if !write && !bytes.Contains(r.Body, []byte(tablepkg.AttrStateChunks)) {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			if n++; n == at {
				dead = true
				return true
			}
			return false
		},
	})
	w.aws.Faults.Add(fakeaws.Fault{Client: "a", Kind: fakeaws.BlackHole, When: isDead})
	ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
	a.Commit(only, "400")
	err := a.store.Lease(only).SaveState(ctx, "400", position.WholeRecord, stateOf(4))
	cancel()
	a.kill()
	b := w.startSmall("b")
	w.awaitHeld(20*time.Second, 1, b)
	own, got, _, _, loadErr := b.store.Lease(only).LoadState(w.Context())
	require.NoError(w, loadErr)
	switch {
	case bytes.Equal(own, stateOf(4)):
		require.Equal(w, "400", got)
		require.GreaterOrEqual(w, at, 4)
	default:
		require.Equal(w, before, own)
		require.Equal(w, sequence, got)
		require.LessOrEqual(w, at, 4)
		require.Error(w, err)
	}
	// The next owner leaves nothing of all this behind.
	require.NoError(w, w.save(b, only, "500", stateOf(5)))
	w.loads(b, only, stateOf(5), "500")
	require.Len(w, w.aws.DynamoDB.Items(testStateTable), 3)
	_, ahead := v.seen()
	require.Empty(w, ahead)
	b.stop()
}

// The answer to the flip is lost, and the row cannot be read for a while: whatever became of it, the save is repeated
// without harm to the snapshot that may be current.
func TestFlipWithoutAnAnswer(t *testing.T) {
	for name, kind := range map[string]fakeaws.Kind{"took effect": fakeaws.Lost, "did not": fakeaws.BlackHole} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.startSmall("a")
				w.awaitHeld(5*time.Second, 1, a)
				require.NoError(w, w.save(a, only, "100", stateOf(1)))
				row := w.row(only)
				late := a.flipOf(w, only) // as the one that gets no answer is, for later
				w.aws.Faults.Add(fakeaws.Fault{
					Operation: "UpdateItem", Kind: kind, Times: 1,
					Match: func(r *fakeaws.Request) bool {
						return bytes.Contains(r.Body, []byte(tablepkg.AttrStateChunks))
					},
				})
				remove := w.aws.Faults.Add(fakeaws.Fault{
					Operation: "GetItem", Kind: fakeaws.BlackHole,
					Match: func(r *fakeaws.Request) bool {
						return bytes.Contains(r.Body, []byte(only))
					},
				})
				require.Error(w, w.save(a, only, "200", stateOf(2)))
				require.Equal(w, kind == fakeaws.Lost, row[tablepkg.AttrState] != w.row(only)[tablepkg.AttrState])
				remove()
				for i := 3; i < 6; i++ {
					require.NoError(w, w.save(a, only, fmt.Sprint(i*100), stateOf(i)))
					w.loads(a, only, stateOf(i), fmt.Sprint(i*100))
					_, err := a.store.table.Update(w.Context(), only, late)
					_, wasRefused := tablepkg.Refused(err)
					require.True(w, wasRefused, "a flip that comes late changes nothing: %v", err)
				}
				a.stop()
				b := w.startSmall("b")
				w.awaitHeld(5*time.Second, 1, b)
				w.loads(b, only, stateOf(5), "500")
				b.stop()
			})
		})
	}
}

// The save after a flip without an answer must not touch the slot that may be current, however that save ends.
func TestCrashAfterAFlipWithoutAnAnswer(t *testing.T) {
	for at := 1; at <= 4; at++ {
		t.Run(fmt.Sprint("at write ", at), func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.startSmall("a")
				w.awaitHeld(5*time.Second, 1, a)
				require.NoError(w, w.save(a, only, "100", stateOf(1)))
				isFlip := func(r *fakeaws.Request) bool {
					return bytes.Contains(r.Body,
						[]byte(tablepkg.AttrStateChunks))
				}
				w.aws.Faults.Add(fakeaws.Fault{Kind: fakeaws.Lost, Times: 1, Match: isFlip})
				remove := w.aws.Faults.Add(fakeaws.Fault{
					Operation: "GetItem", Kind: fakeaws.BlackHole,
					Match: func(r *fakeaws.Request) bool {
						return bytes.Contains(r.Body, []byte(only))
					},
				})
				require.Error(w, w.save(a, only, "200", stateOf(2)))
				remove()
				n := 0
				w.aws.Faults.Add(fakeaws.Fault{
					Client: "a", Operation: "PutItem", Kind: fakeaws.BlackHole,
					Match: func(r *fakeaws.Request) bool {
						if bytes.Contains(r.Body, []byte(testStateTable)) {
							n++
						}
						return n >= at
					},
				})
				ctx, cancel := context.WithTimeout(w.Context(), 3*time.Second)
				defer cancel()
				a.Commit(only, "300")
				err := a.store.Lease(only).SaveState(ctx, "300", position.WholeRecord, stateOf(3))
				require.Equal(w, at == 4, err == nil, "%v", err)
				a.kill()
				b := w.startSmall("b")
				w.awaitHeld(20*time.Second, 1, b)
				if at < 4 {
					w.loads(b, only, stateOf(2), "200")
				} else {
					w.loads(b, only, stateOf(3), "300")
				}
				b.kill()
			})
		})
	}
}

// A holder whose shard was taken by force finds that out when it flips its state, if not before.
func TestFlipIsFenced(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 1, a)
		require.NoError(w, w.save(a, only, "100", stateOf(1)))
		l := a.store.Lease(only)
		e := &tablepkg.Write{}
		e.Set(tablepkg.AttrOwner, tablepkg.Str("another"))
		e.Set(tablepkg.AttrEpoch, tablepkg.Num(l.epochNow()+1))
		_, err := a.store.table.Update(w.Context(), only, e)
		require.NoError(w, err)
		row := w.row(only)
		require.ErrorIs(w, l.SaveState(w.Context(), "100", position.WholeRecord, stateOf(2)), ErrLeaseLost)
		require.ErrorIs(w, context.Cause(l.Context()), ErrLeaseLost)
		require.Equal(w, row, w.row(only))
		a.stop()
	})
}

// flipOf is the flip that a holder would make next.
func (p *process) flipOf(w *world, id string) *tablepkg.Write {
	w.Helper()
	l := p.store.Lease(id)
	c, err := l.claim()
	require.NoError(w, err)
	now := l.saved()
	e := &tablepkg.Write{}
	e.Fence(c.worker, c.epoch)
	e.Point(saved.NewSaved(saved.Version{Epoch: l.first.Epoch, Slot: 1, Number: 99}, c.offer.Position, 0, nil, 0),
		now.Version)
	return e
}

// A worker that was fenced in the middle of a save can neither make it current nor damage what the next owner stores.
func TestZombieCannotTouchTheState(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 1, a)
		require.NoError(w, w.save(a, only, "100", stateOf(1)))
		l := a.store.Lease(only)
		flip := a.flipOf(w, only)
		w.aws.Faults.Add(fakeaws.Fault{Client: "a", Kind: fakeaws.BlackHole})
		a.Commit(only, "200")
		err := l.SaveState(w.Context(), "200", position.WholeRecord, stateOf(2))
		require.ErrorIs(w, err, ErrLeaseLost, "it ends with the lease")
		b := w.startSmall("b")
		w.awaitHeld(20*time.Second, 1, b)
		w.loads(b, only, stateOf(1), "100")
		w.aws.Faults.Clear()
		zombie := func() {
			w.Helper()
			_, err := a.store.table.Update(w.Context(), only, flip)
			_, wasRefused := tablepkg.Refused(err)
			require.True(w, wasRefused)
			for slot := range 2 { // as late as can be, and with the numbers of later saves
				if slot == 0 && w.row(only)[tablepkg.AttrState] == "1.a.1" {
					continue // a holder never writes into the current slot
				}
				v := saved.Version{Epoch: l.first.Epoch, Slot: slot, Number: 50}
				require.NoError(w, a.store.states.Write(w.Context(), only, v,
					saved.NewSaved(v, position.Position{}, 0, stateOf(9), 3), stateOf(9), 3))
			}
		}
		zombie()
		w.loads(b, only, stateOf(1), "100")
		for i := 3; i < 6; i++ {
			require.NoError(w, w.save(b, only, fmt.Sprint(i*100), stateOf(i)))
			zombie()
			w.loads(b, only, stateOf(i), fmt.Sprint(i*100))
		}
		b.stop()
		a.cancel()
		require.NoError(w, <-a.result)
		a.wg.Wait()
	})
}

// A write of an earlier save that was under way for long does not damage a later one in the same slot.
func TestLateChunkOfAnEarlierSave(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 1, a)
		for i := 1; i < 4; i++ {
			require.NoError(w, w.save(a, only, fmt.Sprint(i*100), stateOf(i)))
		}
		v := saved.Version{Epoch: 1, Number: 1}
		err := a.store.states.Write(w.Context(), only, v, saved.NewSaved(v, position.Position{}, 0, stateOf(1), 3),
			stateOf(1), 3)
		require.ErrorAs(w, err, new(*saved.InTheWayError))
		w.loads(a, only, stateOf(3), "300")
		a.stop()
	})
}

// Chunks of another life of the same epoch are written over.
func TestChunksInTheWay(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 1, a)
		for i := 1; i < 8; i++ {
			require.NoError(w, w.save(a, only, fmt.Sprint(i*100), stateOf(i)))
		}
		a.stop()
		require.True(w, w.aws.DynamoDB.Delete(testTable, only))
		b := w.startSmall("b")
		w.awaitHeld(5*time.Second, 1, b)
		require.EqualValues(w, 1, b.store.Lease(only).epochNow())
		w.loads(b, only, nil, "")
		for i := 1; i < 4; i++ {
			require.NoError(w, w.save(b, only, fmt.Sprint(i*100), stateOf(i)))
			w.loads(b, only, stateOf(i), fmt.Sprint(i*100))
		}
		b.stop()
	})
}

func TestStateMovesWithTheShard(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 2, a)
		for i := range 2 {
			require.NoError(w, w.save(a, tablepkg.ShardName(uint64(i)), "100", stateOf(i)))
		}
		b := w.startSmall("b")
		w.await("handed over", 10*time.Second, func() bool { return len(a.held()) == 1 && len(b.held()) == 1 })
		w.loads(b, b.held()[0], stateOf(number(w, b.held()[0])), "100")
		b.kill()
		w.await("taken over", 20*time.Second, func() bool { return len(a.held()) == 2 })
		for i := range 2 {
			w.loads(a, tablepkg.ShardName(uint64(i)), stateOf(i), "100")
		}
		// The row vanishes under its holder, and is written again with what it pointed to.
		row := w.row(tablepkg.ShardName(0))
		require.True(w, w.aws.DynamoDB.Delete(testTable, tablepkg.ShardName(0)))
		w.await("row back", scanEvery+2*time.Second, func() bool { return w.row(tablepkg.ShardName(0)) != nil })
		for _, attr := range tablepkg.StateAttributes() {
			require.Equal(w, row[attr], w.row(tablepkg.ShardName(0))[attr], attr)
		}
		require.True(w, w.aws.DynamoDB.Delete(testTable, tablepkg.ShardName(0)))
		require.NoError(w, w.save(a, tablepkg.ShardName(0), "200", stateOf(7)), "the flip mends the row too")
		w.loads(a, tablepkg.ShardName(0), stateOf(7), "200")
		a.stop()
	})
}

func number(w *world, id string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(id, tablepkg.ShardPrefix))
	require.NoError(w, err)
	return n
}

// Children begin with the state with which their parent ended, a merged one with those of both, until they have their
// own; the rows of a parent that went are no obstacle.
func TestChildrenInheritTheState(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 2, a)
		inherits := func(id string, want ...[]byte) {
			w.Helper()
			own, at, _, parents, err := a.store.Lease(id).LoadState(w.Context())
			require.NoError(w, err)
			require.Empty(w, own)
			require.Empty(w, at)
			require.Equal(w, want, parents)
		}
		parent, other := tablepkg.ShardName(0), tablepkg.ShardName(1)
		require.NoError(w, w.save(a, parent, "100", stateOf(1)))
		low, high := w.aws.Kinesis.Split(testStream, parent)
		w.finish(parent, []types.ChildShard{child(low, parent), child(high, parent)}, a)
		require.NotNil(w, w.row(parent)[tablepkg.AttrState])
		w.awaitHeld(5*time.Second, 3, a)
		for _, id := range []string{low, high} {
			inherits(id, stateOf(1))
			l := a.store.Lease(id)
			a.store.mu.Lock()
			require.True(w, a.store.view.lineage.Shards[id].Keys.Known, "the range by which the state is divided")
			a.store.mu.Unlock()
			require.NoError(w, l.SaveState(w.Context(), "", 0, stateOf(2)),
				"what it inherited, before its first record")
			w.loads(a, id, stateOf(2), "")
		}
		require.NoError(w, w.save(a, low, "150", stateOf(3)))
		require.NoError(w, w.save(a, other, "100", stateOf(4)))
		a.Commit(high, "170") // and has no state at its end but that before its first record
		merged := w.aws.Kinesis.Merge(testStream, high, other)
		kids := []types.ChildShard{child(merged, high, other)}
		w.finish(high, kids, a)
		w.finish(other, kids, a)
		w.await("child", 5*time.Second, func() bool { return isHeld(merged, a) })
		first, second := stateOf(4), stateOf(2)
		if high < other {
			first, second = second, first
		}
		inherits(merged, first, second)
		w.aws.DynamoDB.Delete(testStateTable, saved.ChunkKey(high, a.store.view.rows[high].Epoch, 0, 1))
		_, _, _, parents, err := a.store.Lease(merged).LoadState(w.Context())
		require.ErrorAs(w, err, new(*saved.StateError))
		require.Equal(w, [][]byte{stateOf(4)}, parents, "the other one is whole")
		a.Commit(merged, "500")
		a.stop()
		b := w.startSmall("b")
		w.await("child", 5*time.Second, func() bool { return isHeld(merged, b) })
		_, _, _, parents, err = b.store.Lease(merged).LoadState(w.Context())
		require.ErrorAs(w, err, new(*saved.StateError))
		require.Equal(w, [][]byte{stateOf(4)}, parents, "it has progress, but no state of its own")
		require.NoError(w, w.save(b, merged, "600", stateOf(6)))
		w.loads(b, merged, stateOf(6), "600")
		b.stop()
	})
	bubble(t, 1, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 1, a)
		require.NoError(w, w.save(a, only, "100", stateOf(1)))
		low, high := w.aws.Kinesis.Split(testStream, only)
		w.finish(only, []types.ChildShard{child(low, only), child(high, only)}, a)
		w.awaitHeld(5*time.Second, 2, a)
		require.True(w, w.aws.DynamoDB.Delete(testTable, only))
		w.loads(a, low, nil, "") // its parent's row is gone
		a.stop()
	})
}

// After a rewind the state does not count, but can be read until the next one is saved: its ends are owed. An import
// removes it.
func TestRewindForgetsTheState(t *testing.T) {
	bubble(t, 1, func(w *world) {
		p := w.startSmall("a")
		w.awaitHeld(5*time.Second, 1, p)
		require.NoError(w, w.save(p, only, "100", stateOf(1)))
		require.NoError(w, w.save(p, only, "200", stateOf(2)))
		p.stop()
		db, kin := w.clients("operator")
		store, err := New(Config{Application: testTable, StreamName: testStream},
			Deps{DynamoDB: db, Stream: kin, Log: w.log, Registerer: prometheus.NewRegistry()})
		require.NoError(w, err)
		store.states.Size = 16
		a, err := admin.New(w.Context(), &inspection{store: store})
		require.NoError(w, err)
		export, err := a.Export(w.Context(), time.Now())
		require.NoError(w, err)
		pointer := w.row(only)
		changes, err := a.Rewind(w.Context(), []string{only}, tablepkg.Start{Kind: tablepkg.StartTrimHorizon})
		require.NoError(w, w.apply(a, changes, err, false))
		owed := func(p *process) []byte {
			data, err := p.store.Lease(only).LoadRewound(w.Context())
			require.NoError(w, err)
			return data
		}
		for _, host := range []string{"b", "c"} { // the first one saves nothing
			p = w.startSmall(host)
			w.awaitHeld(5*time.Second, 1, p)
			w.loads(p, only, nil, "")
			require.Equal(w, stateOf(2), owed(p))
			if host == "b" {
				p.stop()
			}
		}
		require.NoError(w, w.save(p, only, "100", stateOf(3)))
		require.Empty(w, owed(p))
		w.loads(p, only, stateOf(3), "100")
		p.stop()
		plan, err := a.Import(w.Context(), export)
		changes = plan.Changes
		require.NoError(w, w.apply(a, changes, err, false))
		require.Equal(w, "200", w.row(only)[tablepkg.AttrPosition])
		require.NotContains(w, w.row(only), tablepkg.AttrState)
		// A pointer that came back by another way, from a copy of the row, belongs to the generation before.
		e := &tablepkg.Write{}
		for _, attr := range []string{tablepkg.AttrState, tablepkg.AttrStateAt} {
			e.Set(attr, tablepkg.Str(pointer[attr].(string))) //nolint:forcetypeassert // as it was written
		}
		_, err = store.table.Update(w.Context(), only, e)
		require.NoError(w, err)
		p = w.startSmall("c")
		w.awaitHeld(5*time.Second, 1, p)
		w.loads(p, only, nil, "")
		require.NoError(w, w.save(p, only, "300", stateOf(4)))
		w.loads(p, only, stateOf(4), "300")
		p.stop()
	})
}

// Whatever is wrong with the chunks is an error that says so, and never a state.
func TestDamagedState(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(w *world, s *Store)
		says   string
	}{
		"a chunk is gone": {func(w *world, _ *Store) {
			w.aws.DynamoDB.Delete(testStateTable,
				saved.ChunkKey(only, 1, 1, 2))
		}, "chunk 3 of 3: it is not there"},
		"the table is gone": {
			func(w *world, _ *Store) { w.aws.DynamoDB.DropTable(testStateTable) },
			"the table is gone",
		},
		"a chunk of another save": {func(w *world, s *Store) {
			v := saved.Version{Epoch: 1, Slot: 1, Number: 9}
			require.NoError(w, s.states.Put(w.Context(),
				saved.EncodeChunk(only, v, saved.NewSaved(v, position.Position{}, 0, stateOf(2), 3),
					stateOf(2)[16:32], 1, 0), 9))
		}, `chunk 2 of 3: it belongs to version "1.b.9"`},
		"another chunk of the same name": {func(w *world, s *Store) {
			v := saved.Version{Epoch: 1, Slot: 1, Number: 2}
			require.NoError(w, s.states.Put(w.Context(),
				saved.EncodeChunk(only, v, saved.NewSaved(v, position.Position{}, 0, stateOf(2), 3),
					stateOf(3)[16:32], 1, 0), 2))
		}, "checksum"},
		"another format": {func(w *world, s *Store) {
			it := saved.EncodeChunk(only, saved.Version{Epoch: 1, Slot: 1, Number: 2},
				tablepkg.Saved{Version: "1.b.2"}, []byte("x"), 0, 0)
			it[tablepkg.AttrFormat] = tablepkg.Num(7)
			require.NoError(w, s.states.Put(w.Context(), it, 2))
		}, "format 1 of chunks, not \"7\""},
		"the pointer": {func(w *world, s *Store) {
			e := &tablepkg.Write{}
			e.Set(tablepkg.AttrState, tablepkg.Str("1.c.2"))
			_, err := s.table.Update(w.Context(), only, e)
			require.NoError(w, err)
		}, "not epoch.slot.number"},
		"the position": {func(w *world, s *Store) {
			e := &tablepkg.Write{}
			e.Set(tablepkg.AttrStateAt, tablepkg.Str("201"))
			_, err := s.table.Update(w.Context(), only, e)
			require.NoError(w, err)
		}, "ahead of the checkpoint"},
		"the size": {func(w *world, s *Store) {
			e := &tablepkg.Write{}
			e.Set(tablepkg.AttrStateBytes, tablepkg.Num(saved.MaxState+1))
			_, err := s.table.Update(w.Context(), only, e)
			require.NoError(w, err)
		}, "bytes in 3 chunks"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.startSmall("a")
				w.awaitHeld(5*time.Second, 1, a)
				require.NoError(w, w.save(a, only, "100", stateOf(1)))
				require.NoError(w, w.save(a, only, "200", stateOf(2)))
				a.stop()
				c.damage(w, a.store)
				b := w.startSmall("b")
				w.awaitHeld(5*time.Second, 1, b)
				own, _, _, _, err := b.store.Lease(only).LoadState(w.Context())
				require.ErrorAs(w, err, new(*saved.StateError))
				require.ErrorContains(w, err, c.says)
				require.ErrorContains(w, err, only)
				require.Nil(w, own)
				require.NoError(w, w.save(b, only, "300", stateOf(3)), "the next one is as good as any")
				w.loads(b, only, stateOf(3), "300")
				b.stop()
			})
		})
	}
}

func TestStateFaultsNameTableAndPermission(t *testing.T) {
	denied := &fakeaws.Error{Code: "AccessDeniedException", Message: "User is not authorized"}
	onState := func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(testStateTable)) }
	for _, operation := range []string{"CreateTable", "PutItem", "GetItem"} {
		t.Run(operation, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				core, logs := observer.New(zapcore.WarnLevel)
				w.log = zap.New(core)
				a := w.startSmall("a")
				w.awaitHeld(5*time.Second, 1, a)
				if operation == "GetItem" {
					require.NoError(w, w.save(a, only, "100", stateOf(1)))
				}
				remove := w.aws.Faults.Add(fakeaws.Fault{
					Operation: operation, Kind: fakeaws.Before, Err: denied,
					Match: onState,
				})
				if operation != "GetItem" {
					err := w.save(a, only, "100", stateOf(1))
					require.ErrorContains(w, err,
						"permission dynamodb:"+operation+" on table "+testStateTable+" is missing")
					require.ErrorContains(w, err, "dynamodb:CreateTable, PutItem, GetItem and DeleteItem")
					remove()
					require.NoError(w, w.save(a, only, "100", stateOf(1)))
					a.stop()
					return
				}
				time.AfterFunc(time.Minute, remove)
				w.loads(a, only, stateOf(1), "100") // the state is not given up for a permission that can be granted
				said := logs.FilterMessage("cannot read the state that a shard begins with, trying again").All()
				require.Len(w, said, 1)
				require.Contains(w, said[0].ContextMap()["error"],
					"permission dynamodb:GetItem on table "+testStateTable+" is missing")
				a.stop()
			})
		})
	}
}

func TestLoadStateWaitsOutATroubleAndEndsWithTheLease(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 1, a)
		require.NoError(w, w.save(a, only, "100", stateOf(1)))
		onState := func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(testStateTable)) }
		remove := w.aws.Faults.Add(fakeaws.Fault{Operation: "GetItem", Kind: fakeaws.Before, Match: onState})
		time.AfterFunc(20*time.Second, remove)
		w.loads(a, only, stateOf(1), "100")
		w.aws.Faults.Add(fakeaws.Fault{Operation: "GetItem", Kind: fakeaws.Before, Match: onState})
		ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
		defer cancel()
		_, _, _, _, err := a.store.Lease(only).LoadState(ctx)
		require.ErrorIs(w, err, context.DeadlineExceeded)
		l := a.store.Lease(only)
		stopped := make(chan struct{})
		time.AfterFunc(time.Second, func() {
			defer close(stopped)
			a.stop()
		})
		_, _, _, _, err = l.LoadState(w.Context())
		require.ErrorIs(w, err, ErrLeaseReleased)
		<-stopped
	})
}

// Snapshots cost the scans nothing, and one costs a write unit for each of its KB: what it replaces is written over,
// not deleted.
func TestWhatStateCosts(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		reads := func() float64 {
			before, _ := w.aws.DynamoDB.Consumed(testTable)
			time.Sleep(2 * time.Minute)
			after, _ := w.aws.DynamoDB.Consumed(testTable)
			return after - before
		}
		a.Commit(only, "100")
		without := reads()
		const size = 3 << 20
		require.NoError(w, w.save(a, only, "100", make([]byte, size)))
		require.InDelta(w, without, reads(), 2)
		for range 3 {
			_, before := w.aws.DynamoDB.Consumed(testStateTable)
			spent := testutil.ToFloat64(a.store.m.stateUnits)
			require.NoError(w, w.save(a, only, "100", make([]byte, size)))
			_, after := w.aws.DynamoDB.Consumed(testStateTable)
			require.InDelta(w, size/1024, after-before, 20)
			require.InDelta(w, after-before, testutil.ToFloat64(a.store.m.stateUnits)-spent, 20,
				"what the budget counts is what the table counts")
		}
		a.stop()
	})
}

// Saves of all shards of a process share one budget.
func TestStateWritesKeepTheirBudget(t *testing.T) {
	bubble(t, 10, func(w *world) {
		a := w.start("a", func(c *Config) { c.StateWriteUnits = 100 })
		w.awaitHeld(5*time.Second, 10, a)
		begin := time.Now()
		var wg sync.WaitGroup
		for _, id := range a.held() {
			wg.Go(func() {
				if err := w.save(a, id, "100", make([]byte, 200<<10)); err != nil {
					w.Errorf("save of %s: %v", id, err)
				}
			})
		}
		wg.Wait()
		_, spent := w.aws.DynamoDB.Consumed(testStateTable)
		took := time.Since(begin).Seconds()
		require.InDelta(w, 2010, spent, 20)
		require.InDelta(w, 2010, 100*(took+saved.BurstSeconds)+201, 5,
			"the last write waits until it is within the budget, and is not counted before")
		a.stop()
	})
}

// The state of a parent goes with its row, when the stream lists it no more and its children are under way.
func TestStateOfTrimmedShardsIsCollected(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 1, a)
		require.NoError(w, w.save(a, only, "100", stateOf(1)))
		require.NoError(w, w.save(a, only, "200", stateOf(2)))
		low, high := w.aws.Kinesis.Split(testStream, only)
		w.finish(only, []types.ChildShard{child(low, only), child(high, only)}, a)
		w.awaitHeld(5*time.Second, 2, a)
		require.NoError(w, w.save(a, low, "300", stateOf(3)))
		a.stop()
		time.Sleep(26 * time.Hour) // past the retention of a day
		a = w.startSmall("b")
		w.awaitHeld(5*time.Second, 2, a)
		time.Sleep(5 * time.Minute)
		require.Len(w, w.aws.DynamoDB.Items(testStateTable), 9)
		_, _, _, parents, err := a.store.Lease(high).LoadState(w.Context())
		require.NoError(w, err)
		require.Equal(w, [][]byte{stateOf(2)}, parents, "a child that has nothing yet still begins with it")
		a.Commit(high, "300")
		time.Sleep(5 * time.Minute)
		require.Nil(w, w.row(only))
		require.Len(w, w.aws.DynamoDB.Items(testStateTable), 3)
		w.loads(a, low, stateOf(3), "300")
		a.stop()
	})
}

func TestStateVersionText(t *testing.T) {
	for _, v := range []saved.Version{{Epoch: 1, Number: 1}, {Epoch: 1 << 40, Slot: 1, Number: 99}} {
		got, err := saved.ParseVersion(v.String())
		require.NoError(t, err)
		require.Equal(t, v, got)
	}
	for _, s := range []string{"", "1", "1.a", "1.c.1", "x.a.1", "1.a.x", "1.a.1.1"} {
		_, err := saved.ParseVersion(s)
		require.Error(t, err, s)
	}
}
