package checkpoint

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// lost are the ways in which an answer does not arrive although the write did.
func lost() map[string]fakeaws.Fault {
	return map[string]fakeaws.Fault{
		"error after the effect":     {Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.After, Times: 1},
		"two errors after effects":   {Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.After, Times: 2},
		"no answer after the effect": {Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.Lost, Times: 1},
	}
}

func TestCommitIsCoalescedMonotonicAndKept(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		id := table.ShardName(0)
		l := a.store.Lease(id)
		before := w.aws.History.Count(fakeaws.ServiceDynamoDB, "UpdateItem")
		for i := range 1000 {
			l.Commit(position.Progress{
				Settled: true,
				At:      position.Position{Sequence: strconv.Itoa(1000 + i), Sub: 3}, Above: "r",
				CaughtUp: time.Now(), Load: 5,
			})
			time.Sleep(10 * time.Millisecond)
		}
		writes := w.aws.History.Count(fakeaws.ServiceDynamoDB, "UpdateItem") - before
		require.LessOrEqual(w, writes, 10+5, "ten commits and some heartbeats in ten seconds")
		time.Sleep(2 * time.Second)
		require.Equal(w, "1999", w.row(id)[table.AttrPosition])
		require.Equal(w, "r", w.row(id)[table.AttrResolved])
		l.Commit(position.Progress{Settled: true, At: position.Past("1998"), CaughtUp: time.Now()})
		l.Commit(
			position.Progress{Settled: true, At: position.Position{Sequence: "1999", Sub: 2}, CaughtUp: time.Now()},
		)
		l.Commit(position.Progress{Settled: true, At: position.Past("999"), CaughtUp: time.Now()})
		l.Commit(position.Progress{Settled: true, At: position.Past("garbage"), CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		require.Equal(w, "1999", w.row(id)[table.AttrPosition])
		require.InDelta(w, 3, testutil.ToFloat64(a.store.m.commits.WithLabelValues(string(resultIgnored))), 0)
		require.InDelta(w, 1, testutil.ToFloat64(a.store.m.commits.WithLabelValues(string(resultUnstorable))), 0)
		// longer, hence larger
		l.Commit(position.Progress{Settled: true, At: position.Past("10000"), CaughtUp: time.Now()})
		a.stop()
		require.Equal(w, "10000", w.row(id)[table.AttrPosition], "the last offer goes with the release")
		require.NotContains(w, w.row(id), table.AttrResolved)
		b := w.start("b")
		w.awaitHeld(5*time.Second, 1, b)
		from, sub, resolved := b.store.Lease(id).Start()
		require.Equal(w, types.ShardIteratorTypeAfterSequenceNumber, from.Type)
		require.Equal(w, "10000", *from.SequenceNumber)
		require.Equal(w, position.WholeRecord, sub)
		require.Empty(w, resolved)
		b.store.Lease(id).Commit(position.Progress{
			Settled: true,
			At:      position.Position{Sequence: "10001", Sub: 4}, Above: "x",
			CaughtUp: time.Now(),
		})
		b.stop()
		c := w.start("c")
		w.awaitHeld(5*time.Second, 1, c)
		from, sub, resolved = c.store.Lease(id).Start()
		require.Equal(w, types.ShardIteratorTypeAtSequenceNumber, from.Type)
		require.Equal(w, uint32(4), sub)
		require.Equal(w, "x", resolved)
		c.stop()
	})
}

// The table refuses a lower checkpoint of the right owner and epoch too: a write that was under way for long.
func TestLateCommitOfTheSameEpochIsRefused(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		l := a.store.Lease(table.ShardName(0))
		l.Commit(position.Progress{Settled: true, At: position.Position{Sequence: "100", Sub: 7}, CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		for _, late := range []position.Position{position.Past("99"), {Sequence: "100", Sub: 6}, {Sequence: "9"}} {
			c, err := l.claim()
			require.NoError(w, err)
			e := &table.Write{}
			e.Fence(c.worker, c.epoch)
			c.offer = table.Progress{Position: late}
			e.Progress(c.offer, c.number, c.replaces)
			_, err = a.store.table.Update(w.Context(), l.shard, e)
			_, wasRefused := table.Refused(err)
			require.True(w, wasRefused, "%v: %v", late, err)
		}
		require.Equal(w, "100", w.row(table.ShardName(0))[table.AttrPosition])
		a.stop()
	})
}

func TestLostAnswerOfACommit(t *testing.T) {
	for name, fault := range lost() {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 1, a)
				time.Sleep(500 * time.Millisecond)
				fault.Operation = "UpdateItem"
				w.aws.Faults.Add(fault)
				l := a.store.Lease(table.ShardName(0))
				l.Commit(position.Progress{Settled: true, At: position.Past("5"), CaughtUp: time.Now()})
				time.Sleep(5 * time.Second)
				require.NoError(w, l.Context().Err())
				require.Equal(w, "5", w.row(table.ShardName(0))[table.AttrPosition])
				l.Commit(position.Progress{Settled: true, At: position.Past("6"), CaughtUp: time.Now()})
				time.Sleep(3 * time.Second)
				require.Equal(w, "6", w.row(table.ShardName(0))[table.AttrPosition])
				a.stop()
			})
		})
	}
}

func TestLostAnswerOfAnAcquisition(t *testing.T) {
	for name, fault := range lost() {
		for _, operation := range []string{"PutItem", "UpdateItem"} {
			t.Run(name+" of "+operation, func(t *testing.T) {
				bubble(t, 1, func(w *world) {
					a := w.start("a")
					w.awaitHeld(5*time.Second, 1, a)
					if operation == "UpdateItem" {
						a.stop()
					} else {
						a.stop()
						w.aws.DynamoDB.Delete(testTable, table.ShardName(0))
					}
					b := w.start("b")
					w.await("joined", time.Second, func() bool { return b.store.Status().Worker != "" })
					fault.Operation = operation
					w.aws.Faults.Add(fault)
					w.awaitHeld(6*time.Second, 1, b)
					require.Equal(w, b.store.Status().Worker, w.row(table.ShardName(0))[table.AttrOwner])
					b.store.Lease(table.ShardName(0)).Commit(position.Progress{
						Settled:  true,
						At:       position.Past("5"),
						CaughtUp: time.Now(),
					})
					time.Sleep(3 * time.Second)
					require.Equal(w, "5", w.row(table.ShardName(0))[table.AttrPosition],
						"the epoch in memory is that in the table")
					b.stop()
				})
			})
		}
	}
}

func TestLostAnswerOfAHandoffAndARelease(t *testing.T) {
	for name, fault := range lost() {
		t.Run(name, func(t *testing.T) {
			bubble(t, 2, func(w *world) {
				a := w.startStubborn("a")
				w.awaitHeld(5*time.Second, 2, a)
				for _, id := range a.held() {
					a.store.Lease(id).Commit(
						position.Progress{Settled: true, At: position.Past("5"), CaughtUp: time.Now()},
					)
				}
				time.Sleep(2 * time.Second)
				b := w.start("b")
				var l *Lease
				w.await("request", 5*time.Second, func() bool {
					for _, id := range a.held() {
						select {
						case <-a.store.Lease(id).HandoffRequested():
							l = a.store.Lease(id)
						default:
						}
					}
					return l != nil
				})
				l.Commit(position.Progress{Settled: true, At: position.Past("6"), CaughtUp: time.Now()})
				fault.Operation = "UpdateItem"
				w.aws.Faults.Add(fault)
				for l.HandOff(w.Context()) != nil {
					require.NoError(w, l.Context().Err())
				}
				require.ErrorIs(w, context.Cause(l.Context()), ErrLeaseHandedOff)
				w.await("the other side", 3*time.Second, func() bool { return len(b.held()) == 1 })
				from, _, _ := b.store.Lease(l.shard).Start()
				require.Equal(w, "6", *from.SequenceNumber)

				other := a.held()[0]
				fault.Times = max(fault.Times, 1)
				w.aws.Faults.Add(fault)
				a.stop()
				w.awaitHeld(DefaultLeaseDuration, 2, b)
				require.Equal(w, b.store.Status().Worker, w.row(other)[table.AttrOwner])
				b.stop()
			})
		})
	}
}

// A handoff whose answer did not arrive in time either took effect or is shut out: the holder never continues beside
// the target.
func TestHandoffWithoutAnAnswerIsDecided(t *testing.T) {
	for name, kind := range map[string]fakeaws.Kind{"took effect": fakeaws.Lost, "did not": fakeaws.BlackHole} {
		for _, outage := range []time.Duration{2 * time.Second, 20 * time.Second} {
			t.Run(fmt.Sprint(name, " ", outage), func(t *testing.T) {
				bubble(t, 2, func(w *world) {
					a := w.startStubborn("a")
					w.awaitHeld(5*time.Second, 2, a)
					b := w.start("b")
					var l *Lease
					w.await("request", 5*time.Second, func() bool {
						for _, id := range a.held() {
							select {
							case <-a.store.Lease(id).HandoffRequested():
								l = a.store.Lease(id)
							default:
							}
						}
						return l != nil
					})
					old, err := l.claim()
					require.NoError(w, err)
					w.aws.Faults.Add(fakeaws.Fault{Client: "a", Operation: "UpdateItem", Kind: kind, Times: 1})
					remove := w.aws.Faults.Add(fakeaws.Fault{
						Client: "a", Service: fakeaws.ServiceDynamoDB,
						Kind: fakeaws.BlackHole,
					})
					time.AfterFunc(outage, remove)
					ctx, cancel := context.WithTimeout(w.Context(), 500*time.Millisecond)
					defer cancel()
					err = l.HandOff(ctx)
					_, trusted := a.store.Trust()
					switch {
					case err == nil:
						require.Equal(w, fakeaws.Lost, kind)
						require.ErrorIs(w, context.Cause(l.Context()), ErrLeaseHandedOff)
					case l.Context().Err() == nil:
						require.True(w, trusted)
						require.Equal(w, old.epoch+1, l.epochNow())
						e := &table.Write{}
						e.Fence(old.worker, old.epoch)
						_, late := a.store.table.Update(w.Context(), l.shard, e)
						_, wasRefused := table.Refused(late)
						require.True(w, wasRefused, "the handoff can no longer take effect")
						require.False(w, isHeld(l.shard, b))
						l.KeepLease()
					default:
						require.ErrorIs(w, context.Cause(l.Context()), ErrLeaseLost)
						require.Greater(w, outage, DefaultLeaseDuration)
					}
					w.await("one owner each", 40*time.Second, func() bool { return len(a.held())+len(b.held()) == 2 })
					a.stop()
					b.stop()
				})
			})
		}
	}
}

func TestLostAnswerOfAnEnd(t *testing.T) {
	for name, fault := range lost() {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 1, a)
				low, high := w.aws.Kinesis.Split(testStream, table.ShardName(0))
				w.aws.Faults.Add(fault)
				l := a.store.Lease(table.ShardName(0))
				kids := []types.ChildShard{child(low, table.ShardName(0)), child(high, table.ShardName(0))}
				for l.Finish(w.Context(), kids) != nil {
					require.NoError(w, l.Context().Err())
				}
				w.await("children", 3*time.Second, func() bool { return isHeld(low, a) && isHeld(high, a) })
				a.stop()
			})
		})
	}
}

func TestKeepLeaseCallsAHandoffOff(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.startStubborn("a")
		w.awaitHeld(5*time.Second, 2, a)
		b := w.start("b")
		asked := func() (out []*Lease) {
			for _, id := range a.held() {
				select {
				case <-a.store.Lease(id).HandoffRequested():
					out = append(out, a.store.Lease(id))
				default:
				}
			}
			return out
		}
		w.await("request", 5*time.Second, func() bool { return len(asked()) == 1 })
		first := asked()[0]
		first.KeepLease()
		require.ErrorIs(w, first.HandOff(w.Context()), ErrNoHandoff)
		require.NoError(w, first.Context().Err())
		w.await("the other shard is asked for", 5*time.Second,
			func() bool { return len(asked()) == 1 && asked()[0] != first })
		require.NoError(w, asked()[0].HandOff(w.Context()))
		w.await("handed over", 3*time.Second, func() bool { return len(b.held()) == 1 })
		a.stop()
		b.stop()
	})
}

// The target of a handoff dies at once: the shard is free when its heartbeat is silent, with what was committed.
func TestHandoffToADeadTarget(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.startStubborn("a")
		w.awaitHeld(5*time.Second, 2, a)
		b := w.start("b")
		var l *Lease
		w.await("request", 5*time.Second, func() bool {
			for _, id := range a.held() {
				select {
				case <-a.store.Lease(id).HandoffRequested():
					l = a.store.Lease(id)
				default:
				}
			}
			return l != nil
		})
		l.Commit(position.Progress{Settled: true, At: position.Past("42"), CaughtUp: time.Now()})
		b.kill()
		require.NoError(w, l.HandOff(w.Context()))
		id := l.shard
		w.await("wound down", time.Second, func() bool { return len(a.held()) == 1 })
		w.await("back", DefaultLeaseDuration+3*time.Second, func() bool { return len(a.held()) == 2 })
		from, _, _ := a.store.Lease(id).Start()
		require.Equal(w, "42", *from.SequenceNumber)
		a.stop()
	})
}

// A hot worker hands over by measured load although the counts are even.
func TestBalanceByLoad(t *testing.T) {
	bubble(t, 4, func(w *world) {
		a, b := w.start("a"), w.start("b")
		w.await("balance", 5*time.Second, func() bool { return len(a.held()) == 2 && len(b.held()) == 2 })
		time.Sleep(shardRest + time.Second)
		hot := a.held()
		offer := func() {
			for i, id := range hot {
				if l := a.store.Lease(id); l != nil {
					l.Commit(position.Progress{
						Settled: true,
						At:      position.Past(fmt.Sprint(time.Now().Unix())), CaughtUp: time.Now(),
						Load: float64(900_000 + i*10_000),
					})
				}
			}
		}
		w.await("a hot shard moves", 30*time.Second, func() bool {
			offer()
			return isHeld(hot[0], b) || isHeld(hot[1], b)
		})
		a.stop()
		b.stop()
	})
}

func TestLostPositionIsCounted(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		read := time.Now()
		a.store.Lease(table.ShardName(0)).Commit(
			position.Progress{Settled: true, At: position.Past("5"), CaughtUp: read},
		)
		a.stop()
		b := w.start("b")
		w.awaitHeld(5*time.Second, 1, b)
		l := b.store.Lease(table.ShardName(0))
		_, missed := l.Lost(read.Add(-time.Hour))
		require.False(w, missed, "read up to a time that the stream still holds")
		_, missed = l.Lost(read.Add(time.Hour))
		require.True(w, missed)
		require.InDelta(w, 1, testutil.ToFloat64(b.store.m.gaps.WithLabelValues("true")), 0)
		l.Commit(position.Progress{CaughtUp: read.Add(2 * time.Hour)})
		_, missed = l.Lost(read.Add(time.Hour))
		require.False(w, missed, "read on since the lease began")
		b.stop()
	})
}

// Defects 1 and 2 of the KCL, at the table itself: whatever a former owner sends, however late, is refused.
func TestLateWritesOfAFormerOwnerAreRefused(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		id := table.ShardName(0)
		l := a.store.Lease(id)
		old, err := l.claim()
		require.NoError(w, err)
		late := func(name string) {
			for kind, build := range map[string]func(e *table.Write){
				"commit": func(e *table.Write) {
					e.Progress(table.Progress{Position: position.Past("99999")}, 1<<40, "")
				},
				"idle":    func(e *table.Write) { e.Context(table.Progress{CaughtUp: time.Now()}) },
				"release": func(e *table.Write) { e.Remove(table.AttrOwner) },
				"handoff": func(e *table.Write) { e.Set(table.AttrOwner, table.Str("thief")) },
				"end":     func(e *table.Write) { e.Set(table.AttrPosition, table.Str(position.ShardEnd)) },
			} {
				before := w.row(id)
				e := &table.Write{}
				e.Fence(old.worker, old.epoch)
				build(e)
				_, err := a.store.table.Update(w.Context(), id, e)
				_, wasRefused := table.Refused(err)
				require.True(w, wasRefused, "%s %s: %v", kind, name, err)
				require.Equal(w, before, w.row(id))
			}
		}
		a.stop()
		late("after the release")
		b := w.start("b")
		w.awaitHeld(5*time.Second, 1, b)
		late("while another holds it")
		// The same worker holds it again: its own writes of the turn before are as late as those of anyone.
		e := &table.Write{}
		e.Set(table.AttrOwner, table.Str(old.worker))
		e.Set(table.AttrEpoch, table.Num(b.store.Lease(id).epochNow()+1))
		_, err = a.store.table.Update(w.Context(), id, e)
		require.NoError(w, err)
		late("in a later turn of the same worker")
		b.store.Lease(id).Commit(position.Progress{Settled: true, At: position.Past("7"), CaughtUp: time.Now()})
		lb := b.store.Lease(id)
		<-lb.Context().Done()
		require.ErrorIs(w, context.Cause(lb.Context()), ErrLeaseLost, "b finds out with its next commit")
		require.NotContains(w, w.row(id), table.AttrPosition)
		b.stop()
	})
}

// A row that another worker took is noticed by the next scan, without any commit.
func TestATakenRowIsNoticed(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		l := a.store.Lease(table.ShardName(0))
		e := &table.Write{}
		e.Remove(table.AttrOwner)
		e.Set(table.AttrEpoch, table.Num(l.epochNow()+1))
		_, err := a.store.table.Update(w.Context(), l.shard, e)
		require.NoError(w, err)
		w.await("lost", scanEvery+2*time.Second, func() bool { return l.Context().Err() != nil })
		w.await("taken again", 3*time.Second, func() bool {
			again := a.store.Lease(l.shard)
			return again != nil && again != l && again.epochNow() == l.epochNow()+2
		})
		a.stop()
	})
}
