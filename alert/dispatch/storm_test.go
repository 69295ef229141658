package dispatch_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/fakeaws"
)

// burst publishes alerts 0 to n-1 at the same moment.
func (w *world) burst(ctx context.Context, n int) []<-chan error {
	var ends []<-chan error
	for i := range n {
		ends = append(ends, w.send(ctx, i))
	}
	return ends
}

// gather hands alert i over and returns where its end will be.
func (w *world) gather(t fataler, i int) <-chan error {
	t.Helper()
	end := make(chan error, 2) // a second end would be a fault
	require.True(t, w.Gather(newAlert(i), func(err error) { end <- err }))
	return end
}

// digests are the messages that stand for several alerts.
func (w *world) digests() []fakeaws.Published {
	var out []fakeaws.Published
	for _, m := range w.SNS.Messages(w.arn) {
		if m.Attributes["kind"].StringValue == "digest" {
			out = append(out, m)
		}
	}
	return out
}

// audited are the ids in the audit log, in its order.
func (w *world) audited() []string {
	var out []string
	for _, line := range w.audit.All() {
		if id, ok := line.ContextMap()["alert_id"]; ok {
			out = append(out, id.(string))
		}
		if ids, ok := line.ContextMap()["alert_ids"]; ok {
			for _, id := range ids.([]any) {
				out = append(out, id.(string))
			}
		}
	}
	return out
}

// stormy puts the topic into digest mode: 8 alerts have gone, 17 are gathered.
func (w *world) stormy(t fataler) []<-chan error {
	t.Helper()
	ends := w.burst(context.Background(), 25)
	synctest.Wait()
	require.True(t, w.Gathers("oncall"))
	return ends
}

func ended(t fataler, ends ...<-chan error) {
	t.Helper()
	for _, end := range ends {
		require.NoError(t, <-end)
	}
}

func TestFirstAlertsOfAStormGoAtOnceAndTheRestAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		start := time.Now()
		ends := w.stormy(t)
		for range 1000 {
			ends = append(ends, w.gather(t, len(ends)))
		}
		time.Sleep(time.Second)
		require.Len(t, w.SNS.Messages(w.arn), 8, "the first ones went at once")
		require.Empty(t, w.digests())
		require.InDelta(t, 1, w.metric("topic_digest_mode"), 0)
		ended(t, ends...)
		require.InDelta(t, dispatch.DefaultDigest, time.Since(start), float64(10*time.Millisecond))
		require.Len(t, w.SNS.Messages(w.arn), 9)
		d := w.digests()[0]
		require.Equal(t, "1017 alerts: hot", d.Subject)
		require.Equal(t, "1017", d.Attributes["count"].StringValue)
		require.Equal(t, "Number", d.Attributes["count"].DataType)
		require.Equal(t, "hot", d.Attributes["rule"].StringValue)
		require.Contains(t, d.Body, "+1017 of hot, 1017 keys, records ")
		for _, id := range w.audited()[8:] {
			require.Contains(t, d.Body, id)
		}
		require.Len(t, w.audited(), 1025)
		require.InDelta(t, 1025, w.published(), 0)
		require.InDelta(t, 1017, w.metric("digest_members_total"), 0)
		require.InDelta(t, 1, w.metric("digests_total"), 0)
		require.InDelta(
			t, 1025, w.metric("slo_events_total", "result", "good")+w.metric("slo_events_total", "result", "bad"), 0,
		)

		time.Sleep(dispatch.DefaultDigest)
		synctest.Wait()
		require.Zero(t, w.metric("topic_digest_mode"))
		require.False(t, w.Gather(newAlert(5000), nil), "alerts go one by one again")
		start = time.Now()
		ended(t, w.send(t.Context(), 5000))
		require.Equal(t, dispatch.DefaultLinger, time.Since(start))
	})
}

func TestFewAlertsGoOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		start := time.Now()
		ended(t, w.burst(t.Context(), 16)...)
		require.Len(t, w.SNS.Messages(w.arn), 16)
		require.Equal(t, 2, w.calls(), "alerts share calls as the rate allows")
		require.Equal(t, time.Second, time.Since(start).Round(10*time.Millisecond))
		require.Empty(t, w.digests())
		time.Sleep(6 * time.Second)
		for i := range 100 { // not as fast as the rate
			ended(t, w.send(t.Context(), 100+i))
			time.Sleep(time.Second / 5)
		}
		require.Empty(t, w.digests())
	})
}

// TestAlertsOfOneKeyAreGatheredToo: they wait for each other at their caller, so that never more than one waits here.
// After the first ones, which go at once, eight messages a second for hours would help no reader.
func TestAlertsOfOneKeyAreGatheredToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		start, single := time.Now(), 0
		var ends []<-chan error
		for i := 0; time.Since(start) < 30*time.Second; i++ {
			end := make(chan error, 1)
			if !w.Gather(newAlert(i), func(err error) { end <- err }) {
				if err := w.Publish(
					t.Context(), alert.NewAlert(*newAlert(i), newMessage(newAlert(i), "body")),
				); !errors.Is(err, alert.ErrGathering) {
					require.NoError(t, err)
					single++
				} else {
					i--
				}
				continue
			}
			ends = append(ends, end)
			time.Sleep(10 * time.Millisecond)
		}
		require.Less(t, single, 3*8, "a few seconds' worth")
		require.Greater(t, len(ends), 2000)
		require.Len(t, w.digests(), 2)
		ended(t, ends...)
	})
}

func TestDigestModeEndsWhenAStormIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		ends := w.stormy(t)
		for i := range 39 { // a second short of the fourth digest
			for k := range 25 {
				ends = append(ends, w.gather(t, 1000+i*25+k))
			}
			time.Sleep(time.Second)
		}
		require.Len(t, w.digests(), 3)
		time.Sleep(10 * time.Second)
		ends = append(ends, w.gather(t, 9001))
		time.Sleep(2 * time.Second)
		ended(t, ends...)
		require.Len(t, w.digests(), 5, "the last one is small")
		synctest.Wait()
		require.False(t, w.Gather(newAlert(9002), nil), "and no other is gathered")
	})
}

// A storm of three workers: in no second do they hand over more than the rate, every alert is accounted for exactly,
// and every owner hears of it. The full million needs SCALE=1 in the environment.
func TestStorm(t *testing.T) {
	alerts := 60_000
	if full() {
		alerts = 1_000_000
	}
	synctest.Test(t, func(t *testing.T) {
		s := newStormTest(t, 3)
		s.run(t, alerts)
		s.check(t, alerts)
	})
}

// A fleet of more workers than the rate has messages takes turns.
func TestStormOfManyWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStormTest(t, 12)
		s.run(t, 12_000)
		s.check(t, 12_000)
	})
}

// What a lane does: the alerts of a key one after the other, gathered while the topic allows it, else published. Order
// within a key holds over every switch of modes, whatever goes wrong.
func TestSimStormKeepsTheOrderOfKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		faults := rapid.SliceOfN(drawFault(), 0, 4).Draw(t, "faults")
		failing := rapid.IntRange(0, 10).Draw(t, "failing entries")
		keys := rapid.IntRange(1, 30).Draw(t, "keys")
		bursts := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 6).Draw(t, "alerts of a key in a burst")
		pauses := rapid.SliceOfN(rapid.IntRange(0, 15_000), len(bursts), len(bursts)).Draw(t, "pauses")
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld(t, limited, func(s *setup) { s.digest = 5 * time.Second })
			defer w.stop()
			w.SNS.FailEntries(fakeaws.FailTimes(failing, func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
				if e.Index%2 == 0 {
					return nil
				}
				return &fakeaws.EntryFailure{Code: "InternalError"}
			}))
			for _, f := range faults {
				w.Faults.Add(f)
			}
			resolved := make(chan error, 1)
			keyOf := map[string]int{}   // alert id: key
			placeOf := map[string]int{} // alert id: place among the key's alerts
			lanes := make([]chan *alert.Alert, keys)
			var wg sync.WaitGroup
			for key := range lanes {
				lanes[key] = make(chan *alert.Alert, 100)
				wg.Go(func() {
					for a := range lanes[key] {
						if !w.Gather(a, func(err error) { resolved <- err }) {
							err := w.PublishMessage(t.Context(), a, newMessage(a, "body"))
							go func() { resolved <- err }()
						}
					}
				})
			}
			want := 0
			for b, n := range bursts {
				for range n {
					for key, lane := range lanes {
						a := newAlert(want)
						a.Record.PartitionKey = strconv.Itoa(key)
						keyOf[a.ID], placeOf[a.ID] = key, want
						lane <- a
						want++
					}
				}
				time.Sleep(time.Duration(pauses[b]) * time.Millisecond)
			}
			for _, lane := range lanes {
				close(lane)
			}
			for range want {
				select {
				case err := <-resolved:
					require.NoError(t, err)
				case <-time.After(time.Hour):
					require.Fail(t, "an alert never ended")
				}
			}
			wg.Wait()
			time.Sleep(time.Minute)
			require.InDelta(t, want, w.published(), 0)
			require.Len(t, w.audited(), want)
			seen := map[string]bool{}
			last := map[int]int{} // key: the last alert that SNS got for the first time
			for _, m := range w.SNS.Messages(w.arn) {
				ids := []string{m.Attributes["alert_id"].StringValue}
				if m.Attributes["kind"].StringValue == "digest" {
					_, list, ok := strings.Cut(m.Body, "Alert ids:\n")
					require.True(t, ok)
					ids = strings.Split(list, "\n")
				}
				for _, id := range ids {
					if seen[id] {
						continue // an answer was lost
					}
					seen[id] = true
					require.Contains(t, keyOf, id)
					require.GreaterOrEqual(t, placeOf[id], last[keyOf[id]], "order within a key")
					last[keyOf[id]] = placeOf[id]
				}
			}
			require.Len(t, seen, want)
		})
	})
}

func TestOutageInTheMiddleOfADigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		ends := w.stormy(t)
		for range 100 {
			ends = append(ends, w.gather(t, len(ends)))
		}
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.After, Times: 5})
		time.Sleep(dispatch.DefaultDigest + 5*time.Millisecond)
		require.NotEmpty(t, w.digests())
		for range 100 {
			ends = append(ends, w.gather(t, len(ends)))
		}
		time.Sleep(4 * dispatch.DefaultDigest)
		ended(t, ends...)
		digests := w.digests()
		require.Len(t, digests, 7, "six of the first, since its answer failed five times, and one of the next")
		for _, d := range digests[:6] {
			require.Equal(t, digests[0].Attributes, d.Attributes)
			require.Equal(t, digests[0].Body, d.Body)
		}
		require.NotEqual(t, digests[0].Attributes["alert_id"], digests[6].Attributes["alert_id"])
		require.Len(t, w.audited(), 225)
		require.InDelta(t, 225, w.published(), 0)
		for _, end := range ends {
			require.Empty(t, end, "no owner hears twice")
		}
	})
}

func TestLostAnswerToADigestRepeatsNothingOnFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, fifo)
		ends := w.stormy(t)
		time.Sleep(time.Second)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Lost, Times: 1})
		ended(t, ends...)
		require.Len(t, w.digests(), 1)
		require.Equal(t, 1, w.SNS.Duplicates(w.arn))
		require.Equal(t, w.digests()[0].Attributes["alert_id"].StringValue, w.digests()[0].DedupID)
		require.Equal(t, "digest", w.digests()[0].Group)
	})
}

func TestStopWhileGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		ends := w.stormy(t)
		ends = append(ends, w.gather(t, 100), w.gather(t, 101))
		time.Sleep(time.Second)
		w.stop()
		unpublished := 0
		for _, end := range ends {
			if err := <-end; err != nil {
				require.ErrorIs(t, err, dispatch.ErrStopped)
				unpublished++
			}
		}
		require.Equal(t, 19, unpublished)
		require.InDelta(t, 8, w.published(), 0)
		require.Len(t, w.audited(), 8)
		require.False(t, w.Gather(newAlert(102), nil))
	})
}

func TestStopWhileADigestIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		w.stormy(t)
		first := w.gather(t, 100)
		time.Sleep(time.Second)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.BlackHole})
		time.Sleep(dispatch.DefaultDigest)
		second := w.gather(t, 101)
		w.stop()
		require.ErrorIs(t, <-first, dispatch.ErrStopped)
		require.ErrorIs(t, <-second, dispatch.ErrStopped)
		require.InDelta(t, 8, w.published(), 0)
		require.Empty(t, first)
	})
}

func TestDrainDoesNotWaitForTheTimeOfDigests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, func(s *setup) { s.digest = 10 * time.Minute })
		ends := w.stormy(t)
		start := time.Now()
		w.Drain()
		time.Sleep(time.Second / 2)
		ends = append(ends, w.gather(t, 100))
		ended(t, ends...)
		require.LessOrEqual(t, time.Since(start), 3*time.Second)
	})
}

// A lane must not publish for a lease that has ended: another worker does.
func TestGatheredAlertsEndWithTheirLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		losing, lose := context.WithCancelCause(t.Context())
		leases := map[string]context.Context{"lost": losing, "kept": t.Context(), "shardId-000000000000": t.Context()}
		w := newWorld(t, limited, func(s *setup) {
			s.deps = func(d *dispatch.Deps) { d.Lease = func(shard string) context.Context { return leases[shard] } }
		})
		ends := w.stormy(t)
		of := func(shard string, i int) <-chan error {
			a, end := newAlert(i), make(chan error, 2)
			a.Record.Shard = shard
			require.True(t, w.Gather(a, func(err error) { end <- err }))
			return end
		}
		lost, kept := of("lost", 100), of("kept", 101)
		cause := errors.New("lease lost")
		lose(cause)
		leases["lost"] = context.WithoutCancel(t.Context()) // taken again
		regained := of("lost", 102)
		a := newAlert(103)
		a.Record.Shard = "another's"
		require.False(t, w.Gather(a, nil))
		require.ErrorIs(t, <-lost, cause)
		ended(t, append(ends, kept, regained)...)
		require.NotContains(t, w.digests()[0].Body, newAlert(100).ID)
		require.Equal(t, "19", w.digests()[0].Attributes["count"].StringValue)
		require.NotContains(t, w.audited(), newAlert(100).ID)
	})
}

func TestCancelledWhileGatheredIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		ctx, cancel := context.WithCancel(t.Context())
		ends := w.stormy(t)
		lost := w.send(ctx, 100)
		time.Sleep(time.Second)
		cancel()
		require.ErrorIs(t, <-lost, context.Canceled)
		ended(t, ends...)
		require.NotContains(t, w.digests()[0].Body, newAlert(100).ID)
		require.InDelta(t, 25, w.published(), 0)
	})
}

func TestFullDigestGoesAtOnceAndTakesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, func(s *setup) { s.digest = 10 * time.Minute })
		ends := w.stormy(t)
		a, done := newAlert(1), make(chan error, 1000)
		for i := range dispatch.MostMembers - 17 {
			require.True(t, w.Gather(a, func(err error) {
				if i == 0 {
					done <- err
				}
			}))
		}
		require.False(t, w.Gather(a, nil))
		start := time.Now()
		require.NoError(t, <-done)
		require.LessOrEqual(t, time.Since(start), 2*time.Second, "as soon as the rate allows")
		ended(t, ends...)
		require.Equal(t, "50000", w.digests()[0].Attributes["count"].StringValue)
		require.Len(t, w.audited(), dispatch.MostMembers+8)
	})
}

func TestRefusedDigestIsTriedSmaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		w.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
			if len(e.Body) < 20_000 {
				return nil
			}
			return &fakeaws.EntryFailure{Code: "InvalidParameter", Message: "Message too long", SenderFault: true}
		})
		ends := w.stormy(t)
		for range 2000 {
			ends = append(ends, w.gather(t, len(ends)))
		}
		ended(t, ends...)
		d := w.digests()
		require.Len(t, d, 1)
		require.Contains(
			t, d[0].Body, "more alert ids in the audit log, digest_id "+d[0].Attributes["alert_id"].StringValue,
		)
		require.Len(t, w.audited(), 2025)
	})
}

func TestDigestThatSNSNeverTakesIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		w.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
			if e.Attributes["kind"].StringValue != "digest" {
				return nil
			}
			return &fakeaws.EntryFailure{Code: "InvalidParameter", Message: "no", SenderFault: true}
		})
		ends := w.stormy(t)
		gathered := w.gather(t, 100)
		refusal, ok := errors.AsType[*alert.RejectedError](<-gathered)
		require.True(t, ok)
		require.Equal(t, alert.Reason("invalid_parameter"), refusal.Reason)
		refused := 0
		for _, end := range ends {
			if <-end != nil {
				refused++
			}
		}
		require.Equal(t, 17, refused)
		require.InDelta(t, 8, w.published(), 0)
		time.Sleep(time.Minute)
		ended(t, w.send(t.Context(), 101))
	})
}

func TestTrialsOfAnAlertStayAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.After, Times: 1})
		ended(t, w.burst(t.Context(), 25)...)
		single := map[string]int{}
		for _, m := range w.SNS.Messages(w.arn) {
			if m.Attributes["kind"].StringValue != "digest" {
				single[m.Attributes["alert_id"].StringValue]++
			}
		}
		require.Len(t, single, 8)
		for id, n := range single {
			require.Equal(t, 2, n, "the repeat has the same id")
			require.NotContains(t, w.digests()[0].Body, id)
		}
	})
}

func TestFaultOfATopicHoldsItsDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		synctest.Wait()
		fault := apiFault("KMSDisabled", 400)
		fault.Operation = "PublishBatch"
		remove := w.Faults.Add(fault)
		ends := w.burst(t.Context(), 60)
		time.Sleep(time.Hour)
		for _, end := range ends {
			pending(t, end)
		}
		require.LessOrEqual(t, w.calls(), 250)
		remove()
		ended(t, ends...)
		require.LessOrEqual(t, len(w.SNS.Messages(w.arn)), 8+2, "what has waited is not sent one by one")
	})
}

// A process that has just begun sends nothing yet; the first alerts of a storm are still messages of their own.
func TestStormAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, func(s *setup) {
			s.deps = func(d *dispatch.Deps) { d.Share = func() (int, int) { return 0, 2 } }
		})
		start := time.Now()
		ends := w.burst(t.Context(), 30)
		time.Sleep(3 * time.Second)
		require.Len(t, w.SNS.Messages(w.arn), 4)
		require.Empty(t, w.digests())
		ended(t, ends...)
		require.Equal(t, "26", w.digests()[0].Attributes["count"].StringValue)
		require.LessOrEqual(t, time.Since(start), dispatch.DefaultDigest+time.Second)
	})
}

func TestShareOfTheRateIsTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var workers atomic.Int64
		w := newWorld(t, limited, func(s *setup) {
			s.deps = func(d *dispatch.Deps) { d.Share = func() (int, int) { return 0, int(workers.Load()) } }
		})
		ends := w.burst(t.Context(), 1)
		time.Sleep(time.Minute)
		pending(t, ends[0])
		workers.Store(4)
		start := time.Now()
		ended(t, ends...)
		require.LessOrEqual(t, time.Since(start), 4*time.Second)
		require.GreaterOrEqual(t, time.Since(start), 2*time.Second)
		time.Sleep(2 * time.Second)
		require.InDelta(t, 2, w.metric("topic_rate_share"), 0)
		require.InDelta(t, 2, w.Status()[0].Share, 0)
	})
}

func TestStatusOfATopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, sized(2048))
		ended(t, w.send(t.Context(), 1))
		accepted := time.Now()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Equal(t, []dispatch.TopicStatus{{
			Name: "oncall", ARN: w.arn, Rate: 8, Share: 8, SentLastMinute: 1, LastAccepted: accepted,
			Destination: w.Status()[0].Destination,
		}}, w.Status())
		require.Equal(t, 2048, w.limits().Bytes)
		fault := apiFault("KMSDisabled", 400)
		fault.Operation = "PublishBatch"
		remove := w.Faults.Add(fault)
		ends := w.burst(t.Context(), 25)
		time.Sleep(35 * time.Second)
		got := w.Status()[0]
		require.True(t, got.Digesting)
		require.Equal(t, 25, got.Waiting+got.Gathered)
		require.Equal(t, 17, got.Gathered)
		require.Equal(t, delivery.ReasonKMSKey, got.Fault)
		require.Contains(t, got.Remedy, "KMS key")
		require.Zero(t, got.SentLastMinute)
		remove()
		ended(t, ends...)
	})
}

func TestPublishNowReturnsSNSsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := newAlert(1)
		id, err := w.PublishNow(t.Context(), alert.NewAlert(*a, newMessage(a, "drill")))
		require.NoError(t, err)
		require.Equal(t, w.SNS.Messages(w.arn)[0].MessageID, id)
		_, err = w.PublishNow(t.Context(), a)
		require.ErrorContains(t, err, "render")
	})
}

func TestDigestsOfATopicGoOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, func(s *setup) { s.digest, s.cfg.AttemptTimeout = time.Second, 30*time.Second })
		ends := w.stormy(t)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.BlackHole, Times: 1})
		time.Sleep(2 * time.Second)
		for range 100 {
			ends = append(ends, w.gather(t, len(ends)))
		}
		time.Sleep(10 * time.Second)
		require.Empty(t, w.digests(), "the second waits until SNS has answered the first")
		ended(t, ends...)
		require.Equal(t, "17", w.digests()[0].Attributes["count"].StringValue)
		require.Equal(t, "100", w.digests()[1].Attributes["count"].StringValue)
	})
}

// An alert that follows one in a digest must not overtake it on its own.
func TestDigestModeOutlastsTheLastDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		ends := w.stormy(t)
		time.Sleep(dispatch.DefaultDigest + time.Second)
		ends = append(ends, w.gather(t, 100))
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Delay, Delay: 3 * time.Second, Times: 1})
		time.Sleep(dispatch.DefaultDigest)
		require.Len(t, w.digests(), 1, "the one of the single alert is under way")
		follows, published := w.gather(t, 101), w.send(t.Context(), 102)
		ended(t, append(ends, follows, published)...)
		require.Contains(t, w.digests()[1].Body, newAlert(100).ID)
		require.Contains(t, w.digests()[2].Body, newAlert(101).ID)
		require.Contains(t, w.digests()[2].Body, newAlert(102).ID)
		require.Equal(t, "2 alerts: hot", w.digests()[2].Subject)
	})
}
