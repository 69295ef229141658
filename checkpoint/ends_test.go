package checkpoint

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// rewrite changes the answers of an operation until the returned function is called.
func (w *world) rewrite(operation string, edit func(map[string]any)) (stop func()) {
	return w.aws.Faults.Add(fakeaws.Fault{
		Service: fakeaws.ServiceKinesis, Operation: operation, Kind: fakeaws.Changed,
		Rewrite: func(a *fakeaws.Answer) { a.JSON(edit) },
	})
}

// shardsOf edits the shards of a listing.
func shardsOf(edit func(shard map[string]any) (keep bool)) func(map[string]any) {
	return func(doc map[string]any) {
		var kept []any
		for _, s := range doc["Shards"].([]any) {
			if edit(s.(map[string]any)) {
				kept = append(kept, s)
			}
		}
		if kept == nil {
			kept = []any{}
		}
		doc["Shards"] = kept
	}
}

func without(id string) func(map[string]any) {
	return shardsOf(func(s map[string]any) bool { return s["ShardId"] != id })
}

func showingClosed(id string) func(map[string]any) {
	return shardsOf(func(s map[string]any) bool {
		if id == "" || s["ShardId"] == id {
			s["SequenceNumberRange"].(map[string]any)["EndingSequenceNumber"] = strings.Repeat("4", 56)
		}
		return true
	})
}

func showingOpen(id string) func(map[string]any) {
	return shardsOf(func(s map[string]any) bool {
		if s["ShardId"] == id {
			delete(s["SequenceNumberRange"].(map[string]any), "EndingSequenceNumber")
		}
		return true
	})
}

func (p *process) incidents(kind IncidentKind) int {
	return int(testutil.ToFloat64(p.store.m.incidents.WithLabelValues(string(kind))))
}

func ranged(first, last, ending string) types.Shard {
	s := types.Shard{ShardId: aws.String("s" + first), HashKeyRange: &types.HashKeyRange{
		StartingHashKey: &first,
		EndingHashKey:   &last,
	}}
	s.SequenceNumberRange = &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1")}
	if ending != "" {
		s.SequenceNumberRange.EndingSequenceNumber = &ending
	}
	return s
}

func TestListingIsCompleteWhenItCoversEveryKey(t *testing.T) {
	const top = "340282366920938463463374607431768211455"
	require.True(t, lineage.Covered([]types.Shard{ranged("0", top, "")}))
	require.True(t, lineage.Covered([]types.Shard{ranged("100", top, ""), ranged("0", "99", "")}))
	require.True(t, lineage.Covered([]types.Shard{ranged("0", "120", ""), ranged("100", top, "")}),
		"an overlap hides nothing")
	require.True(t, lineage.Covered([]types.Shard{ranged("0", top, ""), ranged("0", "99", "5")}))
	require.False(t, lineage.Covered(nil))
	require.False(t, lineage.Covered([]types.Shard{ranged("0", "99", "")}))
	require.False(t, lineage.Covered([]types.Shard{ranged("100", top, "")}))
	require.False(t, lineage.Covered([]types.Shard{ranged("0", "99", ""), ranged("101", top, "")}),
		"one key is missing")
	require.False(t, lineage.Covered([]types.Shard{ranged("0", "99", "7"), ranged("100", top, "")}), "closed")
	require.False(t, lineage.Covered([]types.Shard{{ShardId: aws.String("s")}}), "no range")
}

// The end of a shard is believed when a listing that began after the answer agrees.
func TestProofOfAnEnd(t *testing.T) {
	const top = "340282366920938463463374607431768211455"
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	l := lineage.New()
	open, closed := ranged("0", top, ""), ranged("0", top, "9")
	other := ranged("0", top, "")
	other.ShardId = aws.String("other")
	require.Equal(t, lineage.ProofAwaited, l.ProveEnd("s0", at(0)))
	l.Listed([]types.Shard{closed, other}, l.Known(), at(0), true)
	require.Equal(t, lineage.ProofAwaited, l.ProveEnd("s0", at(1)), "it began before the answer")
	l.Listed([]types.Shard{closed}, l.Known(), at(2), false)
	require.Equal(t, lineage.ProofAwaited, l.ProveEnd("s0", at(1)), "an incomplete listing proves no end")
	l.Listed([]types.Shard{open}, l.Known(), at(3), false)
	require.Equal(t, lineage.ProofOpen, l.ProveEnd("s0", at(1)))
	l.Listed([]types.Shard{closed, other}, l.Known(), at(5), true)
	require.Equal(t, lineage.ProofEnded, l.ProveEnd("s0", at(4)))
	l.Listed([]types.Shard{other}, l.Known(), at(6), true)
	require.Equal(t, lineage.ProofEnded, l.ProveEnd("s0", at(6)), "no longer listed")
}

// A shard that two listings lack is not gone while Kinesis still has an iterator for it.
func TestUnlistedShardIsKeptWhileItCanBeRead(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a", startTrim)
		w.awaitHeld(5*time.Second, 2, a)
		id := table.ShardName(1)
		low, _ := w.aws.Kinesis.Split(testStream, id) // closed, so that a listing without it is complete
		stop := w.rewrite("ListShards", without(id))
		time.Sleep(5 * time.Minute)
		require.True(w, isHeld(id, a))
		require.False(w, isHeld(low, a), "its child waits")
		require.Zero(w, a.incidents(IncidentGone))
		stop()
		time.Sleep(2 * time.Minute)
		require.True(w, isHeld(id, a))
		a.stop()
	})
}

// A shard that is gone is counted, and is read from its position if it is listed again.
func TestShardThatComesBackIsReadFromItsPosition(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a", startTrim)
		w.awaitHeld(5*time.Second, 2, a)
		id := table.ShardName(1)
		a.store.Lease(id).Commit(position.Progress{Settled: true, At: position.Past("77"), CaughtUp: time.Now()})
		low, high := w.aws.Kinesis.Split(testStream, id)
		stop := w.rewrite("ListShards", without(id))
		found := w.aws.Faults.Add(fakeaws.Fault{
			Operation: "GetShardIterator", Err: &fakeaws.Error{Code: "ResourceNotFoundException"},
			Match: func(r *fakeaws.Request) bool { return strings.Contains(string(r.Body), id) },
		})
		w.await("gone", 5*time.Minute, func() bool { return !isHeld(id, a) })
		require.Equal(w, 1, a.incidents(IncidentGone))
		require.InDelta(w, 1, testutil.ToFloat64(a.store.m.gaps.WithLabelValues("true")), 0)
		w.await("its children are read", 10*time.Second, func() bool { return isHeld(low, a) && isHeld(high, a) })
		for _, child := range []string{low, high} {
			a.store.Lease(child).Commit(position.Progress{Settled: true, At: position.Past("99"), CaughtUp: time.Now()})
		}
		time.Sleep(10 * time.Minute)
		require.Equal(w, "77", w.row(id)[table.AttrPosition], "the row is kept")
		require.Equal(w, 1, a.incidents(IncidentGone), "once")
		stop()
		found()
		w.await("back", 2*time.Minute, func() bool { return isHeld(id, a) })
		from, _, _ := a.store.Lease(id).Start()
		require.Equal(w, "77", *from.SequenceNumber)
		a.stop()
	})
}

// A child does not start because a listing lacks its parent.
func TestChildWaitsForAnUnlistedParent(t *testing.T) {
	bubble(t, 1, func(w *world) {
		parent := table.ShardName(0)
		low, high := w.aws.Kinesis.Split(testStream, parent)
		time.Sleep(time.Second)
		stop := w.rewrite("ListShards", without(parent))
		a := w.start("a", startTrim)
		w.await("the parent is read", 10*time.Second, func() bool { return isHeld(parent, a) })
		require.False(w, isHeld(low, a) || isHeld(high, a))
		stop()
		w.finish(parent, nil, a)
		w.awaitHeld(5*time.Second, 2, a)
		a.stop()
	})
}

// A row at SHARD_END of a shard that is open is taken back, from the position that was stored with the end.
func TestEndOfAnOpenShardIsTakenBack(t *testing.T) {
	for name, older := range map[string]bool{"with its position": false, "of an older version": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 2, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 2, a)
				id := table.ShardName(1)
				a.store.Lease(id).Commit(
					position.Progress{Settled: true, At: position.Past("77"), CaughtUp: time.Now()},
				)
				w.finish(id, []types.ChildShard{child(table.ShardName(0), id)}, a)
				row := w.row(id)
				require.Equal(w, position.ShardEnd, row[table.AttrPosition])
				require.Equal(w, "77", row[table.AttrLast])
				if older {
					e := &table.Write{}
					e.Remove(table.AttrLast)
					e.Remove(table.AttrLastSub)
					db, _ := w.clients("other")
					_, err := (&table.Client{DB: db, Name: testTable}).Update(w.Context(), id, e)
					require.NoError(w, err)
					a.stop()
					a = w.start("c")
				}
				closed := w.rewrite("GetRecords", func(doc map[string]any) { delete(doc, "NextShardIterator") })
				time.Sleep(3 * time.Minute)
				require.Equal(w, position.ShardEnd, w.row(id)[table.AttrPosition],
					"not before GetRecords from LATEST has a next iterator")
				require.False(w, statusOf(a, id).EndDoubted.IsZero())
				closed()
				took := w.await("read again", 3*time.Minute, func() bool { return isHeld(id, a) })
				w.Logf("read again after %v", took)
				from, _, _ := a.store.Lease(id).Start()
				if older {
					require.Equal(w, types.ShardIteratorTypeTrimHorizon, from.Type)
				} else {
					require.Equal(w, "77", *from.SequenceNumber)
				}
				require.Equal(w, 1, a.incidents(IncidentEndUndone))
				if !older { // only the process that ended it takes the other shard for its child
					require.Equal(w, 1, a.incidents(IncidentOrderBreached), "its child ran")
				}
				require.True(w, isHeld(table.ShardName(0), a), "it goes on")
				require.NotContains(w, w.row(id), table.AttrLast)
				a.stop()
			})
		})
	}
}

// The end of a closed shard is not taken back, however often a listing shows it open.
func TestEndOfAClosedShardStays(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		parent := table.ShardName(0)
		w.aws.Kinesis.Split(testStream, parent)
		w.finish(parent, nil, a)
		w.rewrite("ListShards", showingOpen(parent))
		time.Sleep(5 * time.Minute)
		require.Equal(w, position.ShardEnd, w.row(parent)[table.AttrPosition])
		require.Zero(w, a.incidents(IncidentEndUndone))
		a.stop()
	})
}

func statusOf(p *process, id string) ShardStatus {
	for _, s := range p.store.Status().Shards {
		if s.ID == id {
			return s
		}
	}
	return ShardStatus{}
}

// What the first listing shows wrongly is undone: shards that it lacks are read within seconds of a good one, and
// shards that it shows closed are not skipped forever.
func TestFirstListingIsNotTheLastWord(t *testing.T) {
	lies := map[string]func(map[string]any){
		"empty":      shardsOf(func(map[string]any) bool { return false }),
		"one less":   without(table.ShardName(1)),
		"one closed": showingClosed(table.ShardName(1)),
		"all closed": showingClosed(""),
	}
	for name, lie := range lies {
		for _, start := range []table.StartKind{table.StartLatest, table.StartTrimHorizon} {
			for _, lasts := range []time.Duration{12 * time.Second, 3 * time.Minute} {
				t.Run(name+" "+table.Start{Kind: start}.String()+" "+lasts.String(), func(t *testing.T) {
					bubble(t, 2, func(w *world) {
						stop := w.rewrite("ListShards", lie)
						a := w.start("a", func(c *Config) { c.Start.Kind = start })
						b := w.start("b", func(c *Config) { c.Start.Kind = start })
						time.Sleep(lasts)
						stop()
						took := w.awaitHeld(10*time.Second, 2, a, b)
						w.Logf("read after %v", took)
						if start == table.StartLatest {
							for _, p := range []*process{a, b} {
								for _, id := range p.held() {
									from, _, _ := p.store.Lease(id).Start()
									if name != "empty" && name != "one less" {
										require.Equal(w, types.ShardIteratorTypeAtTimestamp, from.Type)
									}
								}
							}
						}
						w.await("complete", 10*time.Second, func() bool { return a.store.Status().Incomplete.IsZero() })
						a.stop()
						b.stop()
					})
				})
			}
		}
	}
}

// Under latest an application begins with the first answer about its stream, however long the listing lets it wait:
// what came meanwhile is read, also from a shard that was split while it waited.
func TestBeginsWithTheFirstAnswer(t *testing.T) {
	bubble(t, 2, func(w *world) {
		began := time.Now()
		stop := w.rewrite("ListShards", without(table.ShardName(1)))
		a := w.start("a")
		time.Sleep(6 * time.Second)
		w.aws.Kinesis.Split(testStream, table.ShardName(0))
		time.Sleep(6 * time.Second)
		stop()
		w.awaitHeld(10*time.Second, 2, a)
		require.WithinDuration(w, began, a.store.Status().T0, 2*time.Second)
		for _, id := range []string{table.ShardName(0), table.ShardName(1)} {
			from, _, _ := a.store.Lease(id).Start()
			require.Equal(w, types.ShardIteratorTypeAtTimestamp, from.Type, id)
			require.Equal(w, a.store.Status().T0, *from.Timestamp)
		}
		a.stop()
	})
}

// A worker whose listing is older than #application takes nothing back: a shard that was split in between was closed
// when the application began, and its children are read already.
func TestOlderListingUndoesNoSkip(t *testing.T) {
	bubble(t, 2, func(w *world) {
		remove := w.aws.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "PutItem",
			Kind: fakeaws.Delay, Delay: time.Second, Client: "a",
		})
		a := w.start("a")
		time.Sleep(500 * time.Millisecond) // it has listed the stream
		w.aws.Kinesis.Split(testStream, table.ShardName(0))
		b := w.start("b")
		w.awaitHeld(5*time.Second, 3, a, b)
		remove()
		time.Sleep(3 * time.Minute)
		for _, p := range []*process{a, b} {
			require.Zero(w, p.incidents(IncidentSkipUndone), p.name)
		}
		require.Nil(w, w.row(table.ShardName(0)))
		a.stop()
		b.stop()
	})
}

// A shard that one listing wrongly showed closed at the first start is read although its row was never written.
func TestSkipIsUndone(t *testing.T) {
	bubble(t, 2, func(w *world) {
		id := table.ShardName(1)
		// A lie that leaves no hole in the key space: another shard is shown with the whole of it.
		stop := w.rewrite("ListShards", func(doc map[string]any) {
			showingClosed(id)(doc)
			shardsOf(func(s map[string]any) bool {
				s["HashKeyRange"] = map[string]any{
					"StartingHashKey": "0",
					"EndingHashKey":   "340282366920938463463374607431768211455",
				}
				return true
			})(doc)
		})
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		time.Sleep(2 * time.Minute)
		require.Equal(w, []string{table.ShardName(0)}, a.held())
		stop()
		w.awaitHeld(90*time.Second, 2, a)
		from, _, _ := a.store.Lease(id).Start()
		require.Equal(w, types.ShardIteratorTypeAtTimestamp, from.Type)
		require.Equal(w, a.store.Status().T0, *from.Timestamp)
		require.Equal(w, 1, a.incidents(IncidentSkipUndone))
		require.NotContains(w, w.row(table.KeyApplication), table.AttrClosed)
		a.stop()
	})
}

// A summary that names another stream for a while ends no worker, at the start or later.
func TestSummaryThatLies(t *testing.T) {
	lies := map[string]func(map[string]any){
		"created": func(doc map[string]any) {
			doc["StreamDescriptionSummary"].(map[string]any)["StreamCreationTimestamp"] = 1234567890
		},
		"arn": func(doc map[string]any) {
			doc["StreamDescriptionSummary"].(map[string]any)["StreamARN"] = "arn:aws:kinesis:us-east-1:000000000000:stream/other"
		},
	}
	for name, lie := range lies {
		t.Run(name+" later", func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 1, a)
				stop := w.rewrite("DescribeStreamSummary", lie)
				time.Sleep(40 * time.Second)
				b := w.start("b") // it knows nothing but the table
				time.Sleep(45 * time.Second)
				stop()
				time.Sleep(2 * time.Minute)
				w.awaitHeld(time.Second, 1, a, b)
				a.stop()
				b.stop()
			})
		})
		t.Run(name+" at the first start", func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				stop := w.rewrite("DescribeStreamSummary", lie)
				a := w.start("a")
				w.awaitHeld(10*time.Second, 1, a)
				stop()
				time.Sleep(5 * time.Minute)
				w.awaitHeld(time.Second, 1, a)
				require.NotEqual(w, int64(1234567890), w.row(table.KeyApplication)[table.AttrCreated], "corrected")
				require.NotContains(w, w.row(table.KeyApplication)[table.AttrStream], "other", "corrected")
				a.stop()
				s, _ := w.newStore("b")
				ctx, cancel := context.WithCancel(w.Context())
				go func() { time.Sleep(30 * time.Second); cancel() }()
				require.NoError(w, s.Run(ctx))
			})
		})
	}
}

// A listing that names a parent which is none holds a shard only as long as it says so, and that is reported: such a
// shard would wait forever for an open one.
func TestParentThatCannotBe(t *testing.T) {
	for name, from := range map[string]time.Duration{"at the first start": 0, "later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 3, func(w *world) {
				lie := func() (stop func()) {
					return w.rewrite("ListShards", shardsOf(func(s map[string]any) bool {
						if s["ShardId"] == table.ShardName(2) {
							s["ParentShardId"], s["AdjacentParentShardId"] = table.ShardName(0), table.ShardName(1)
						}
						return true
					}))
				}
				var stop func()
				time.AfterFunc(from, func() { stop = lie() })
				time.Sleep(time.Millisecond)
				a := w.start("a", startTrim)
				time.Sleep(4 * time.Minute)
				require.NotZero(w, a.store.Status().Incomplete, "it is told")
				stop()
				w.await("all are read", 10*time.Second, func() bool { return len(a.held()) == 3 })
				w.await("it is over", 10*time.Second, func() bool { return a.store.Status().Incomplete.IsZero() })
				a.stop()
			})
		})
	}
}

// The last answer of a shard may name a parent of its children that is none; the next listing is right.
func TestListingCorrectsTheParentsOfAChild(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		low, high := w.aws.Kinesis.Split(testStream, table.ShardName(0))
		time.Sleep(time.Second)
		w.finish(table.ShardName(0), []types.ChildShard{
			child(low, table.ShardName(0), table.ShardName(1)),
			child(high, table.ShardName(0)),
		}, a)
		w.await("both children", 90*time.Second, func() bool { return isHeld(low, a) && isHeld(high, a) })
		a.stop()
	})
}
