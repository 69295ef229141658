package sns

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"
)

func TestCallersShareCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		start := time.Now()
		var ends []<-chan error
		for i := range 100 {
			ends = append(ends, w.send(t.Context(), i))
		}
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.Equal(t, 10, w.calls(), "100 alerts need 10 calls")
		require.LessOrEqual(t, time.Since(start), DefaultLinger)
		require.Len(t, w.SNS.Messages(w.arn), 100)
		require.InDelta(t, 100, w.published(), 0)
		require.Equal(t, 100, w.audit.Len())
	})
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Delay, Delay: time.Second})
		var ends []<-chan error
		for i := range 100 {
			ends = append(ends, w.send(t.Context(), i))
		}
		time.Sleep(time.Second / 2)
		require.Equal(t, DefaultInFlight, w.calls())
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.Equal(t, 10, w.calls())
	})
}

func TestCallKeepsWithinTheTopicsSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sized(4096))
		var ends []<-chan error
		for i := range 10 {
			ends = append(ends, w.sendAs(t.Context(), i, strings.Repeat("x", 900)))
		}
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.Equal(t, 3, w.calls(), "four messages of about 1 KB fit into a call of 4 KB")
		require.Zero(t, w.failures(reasonBatchTooLong))
	})
}

func TestAuditLineSaysWhatWasPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := newAlert(1)
		a.Record.Arrival = time.Now().Add(-3 * time.Second)
		require.NoError(t, w.publish(t.Context(), a, newMessage(a, "body")))
		line := w.audit.All()[0]
		require.Equal(t, "alert published", line.Message)
		fields := line.ContextMap()
		require.Equal(t, w.SNS.Messages(w.arn)[0].MessageID, fields["message_id"])
		require.Equal(t, 3*time.Second+DefaultLinger, fields["latency"])
		delete(fields, "message_id")
		delete(fields, "latency")
		require.Equal(t, map[string]any{
			"alert_id": a.ID, "rule": "hot", "topic": "oncall", "shard": "shardId-000000000000", "sequence": "1001",
			"sub": uint32(2), "partition_key_sha256": "227ba5f2c6c9109f",
		}, fields)
		require.NoError(t, testutil.GatherAndCompare(w.reg, strings.NewReader(`
# HELP kinesis_alerter_slo_events_total Published alerts by result: good when the time from the record's arrival to SNS' answer met the target.
# TYPE kinesis_alerter_slo_events_total counter
kinesis_alerter_slo_events_total{result="bad"} 1
kinesis_alerter_slo_events_total{result="good"} 0
`), "kinesis_alerter_slo_events_total"))
	})
}

func TestLatencyOfASkewedClockIsZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := newAlert(1)
		a.Record.Arrival = time.Now().Add(time.Minute)
		require.NoError(t, w.publish(t.Context(), a, newMessage(a, "body")))
		require.Equal(t, time.Duration(0), w.audit.All()[0].ContextMap()["latency"])
	})
}

func TestEverySeriesExistsFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for name, want := range map[string]int{
			"kinesis_alerter_alerts_published_total":   1,
			"kinesis_alerter_publish_failures_total":   24,
			"kinesis_alerter_publish_retries_total":    10,
			"kinesis_alerter_topic_fault":              8,
			"kinesis_alerter_publish_duration_seconds": 1,
			"kinesis_alerter_alert_latency_seconds":    1,
			"kinesis_alerter_slo_events_total":         2,
		} {
			n, err := testutil.GatherAndCount(w.reg, name)
			require.NoError(t, err)
			require.Equal(t, want, n, name)
		}
		problems, err := testutil.GatherAndLint(w.reg)
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}

func TestOnlyFailedEntriesGoAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.SNS.FailEntries(fakeaws.FailTimes(3, func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
			if e.Index%3 != 0 {
				return nil
			}
			return &fakeaws.EntryFailure{Code: "InternalError", Message: "try again"}
		}))
		var ends []<-chan error
		for i := range 9 {
			ends = append(ends, w.send(t.Context(), i))
		}
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.Len(t, w.SNS.Messages(w.arn), 9, "what was accepted is not sent again")
		require.Equal(t, 2, w.calls(), "the failed entries share their second call")
		require.InDelta(t, 3, w.failures(reasonServiceError), 0)
		require.InDelta(t, 3, w.retries(reasonServiceError), 0)
	})
}

func TestEntryThatAlwaysFailsStandsInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
			if e.Body != "body 0" {
				return nil
			}
			return &fakeaws.EntryFailure{Code: "InternalError"}
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		bad := w.send(ctx, 0)
		for i := range 20 {
			start := time.Now()
			require.NoError(t, <-w.send(t.Context(), 1+i))
			require.LessOrEqual(t, time.Since(start), DefaultLinger)
			time.Sleep(time.Second)
		}
		pending(t, bad)
		cause := errors.New("lease lost")
		cancel(cause)
		require.ErrorIs(t, <-bad, cause)
		require.InDelta(t, 20, w.published(), 0)
	})
}

func TestRefusedEntryIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.SNS.FailEntries(fakeaws.FailIndex(1, fakeaws.EntryFailure{
			Code: "InvalidParameter", Message: "Invalid parameter: Message too odd", SenderFault: true,
		}))
		var ends []<-chan error
		for i := range 3 {
			ends = append(ends, w.send(t.Context(), i))
		}
		synctest.Wait()
		var refused []error
		for _, end := range ends {
			if err := <-end; err != nil {
				refused = append(refused, err)
			}
		}
		require.Len(t, refused, 1)
		refusal, ok := errors.AsType[*alert.RejectedError](refused[0])
		require.True(t, ok)
		require.Equal(t, reasonInvalidParameter, refusal.Reason)
		require.ErrorContains(t, refused[0], "Message too odd")
		require.Equal(t, 1, w.calls())
	})
}

// A whole call may be refused for one of its entries, and SNS does not say which.
func TestRefusedCallCostsOnlyTheCulprit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *setup) {
			s.through = func(c Client) Client { return &refusingClient{Client: c, culprit: newAlert(7).ID} }
		})
		var ends []<-chan error
		for i := range 10 {
			ends = append(ends, w.send(t.Context(), i))
		}
		for i, end := range ends {
			err := <-end
			if i != 7 {
				require.NoError(t, err)
				continue
			}
			refusal, ok := errors.AsType[*alert.RejectedError](err)
			require.True(t, ok)
			require.Equal(t, reasonInvalidParameter, refusal.Reason)
		}
		require.Len(t, w.SNS.Messages(w.arn), 9)
	})
}

func TestCallTooLongIsSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		// The limit shrinks after it was read.
		synctest.Wait()
		_, err := w.client.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{
			TopicArn: &w.arn, AttributeName: new("MaximumMessageSize"), AttributeValue: new("2048"),
		})
		require.NoError(t, err)
		var ends []<-chan error
		for i := range 10 {
			ends = append(ends, w.sendAs(t.Context(), i, strings.Repeat("x", 800)))
		}
		huge := w.sendAs(t.Context(), 10, strings.Repeat("x", 3000))
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		refusal, ok := errors.AsType[*alert.RejectedError](<-huge)
		require.True(t, ok)
		require.Equal(t, reasonTooLarge, refusal.Reason)
		require.Len(t, w.SNS.Messages(w.arn), 10)
		require.Positive(t, w.retries(reasonBatchTooLong))
	})
}

func TestTroubleThatPassesIsWaitedOut(t *testing.T) {
	tests := map[string]struct {
		fault  fakeaws.Fault
		reason alert.Reason
	}{
		"Throttling":         {apiFault("Throttling", 400), reasonThrottled},
		"Throttled":          {apiFault("Throttled", 429), reasonThrottled},
		"KMSThrottling":      {apiFault("KMSThrottling", 400), reasonThrottled},
		"500":                {apiFault("InternalError", 500), reasonServiceError},
		"503":                {apiFault("ServiceUnavailable", 503), reasonServiceError},
		"credentials":        {apiFault("ExpiredToken", 403), reasonCredentials},
		"partition":          {fakeaws.Fault{Kind: fakeaws.Partition}, reasonConnection},
		"accepted, then 500": {fakeaws.Fault{Kind: fakeaws.After}, reasonServiceError},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				synctest.Wait()
				test.fault.Operation = "PublishBatch"
				remove := w.Faults.Add(test.fault)
				end := w.send(t.Context(), 1)
				time.Sleep(10 * time.Minute)
				pending(t, end)
				require.LessOrEqual(t, w.calls(), 80, "intervals grow to half of 30 s on average")
				require.GreaterOrEqual(t, w.calls(), 20)
				require.Equal(t, 1, w.logs.FilterMessage("publishing fails, alerts wait and are tried again").Len())
				remove()
				start := time.Now()
				require.NoError(t, <-end)
				require.LessOrEqual(t, time.Since(start), longest)
				synctest.Wait()
				require.Equal(t, 1, w.logs.FilterMessage("topic accepts alerts again").Len())
				require.InDelta(t, 1, w.published(), 0)
				require.InDelta(t, w.calls()-1, w.failures(test.reason), 0)
				require.InDelta(t, w.calls()-1, w.retries(test.reason), 0)
			})
		})
	}
}

func apiFault(code string, status int) fakeaws.Fault {
	return fakeaws.Fault{Kind: fakeaws.Before, Err: &fakeaws.Error{Code: code, Message: "injected", Status: status}}
}

func TestOutageEndsForAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Partition})
		var ends []<-chan error
		for i := range 500 {
			ends = append(ends, w.send(t.Context(), i))
		}
		time.Sleep(time.Hour)
		outage := w.calls()
		require.LessOrEqual(t, outage, 500, "one call at a time, whatever waits")
		w.Faults.Clear()
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.LessOrEqual(t, w.calls()-outage, 51)
	})
}

func TestThrottledTopicLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.SNS.LimitRate(20)
		start := time.Now()
		var ends []<-chan error
		for i := range 400 {
			ends = append(ends, w.send(t.Context(), i))
		}
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.Len(t, w.SNS.Messages(w.arn), 400)
		require.Positive(t, w.retries(reasonThrottled))
		require.Less(t, time.Since(start), 5*time.Minute)
	})
}

func TestLostAnswerRepeatsWithTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Lost, Times: 1})
		start := time.Now()
		require.NoError(t, <-w.send(t.Context(), 1))
		require.GreaterOrEqual(t, time.Since(start), DefaultAttemptTimeout)
		require.LessOrEqual(t, time.Since(start), DefaultAttemptTimeout+time.Second)
		messages := w.SNS.Messages(w.arn)
		require.Len(t, messages, 2)
		require.Equal(t, newAlert(1).ID, messages[0].Attributes["alert_id"].StringValue)
		require.Equal(t, messages[0].Attributes, messages[1].Attributes)
		require.InDelta(t, 1, w.published(), 0, "the answer that was lost is not counted")
		require.InDelta(t, 1, w.retries(reasonTimeout), 0)
	})
}

func TestLostAnswerRepeatsNothingOnFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fifo)
		synctest.Wait()
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Lost, Times: 1})
		require.NoError(t, <-w.send(t.Context(), 1))
		messages := w.SNS.Messages(w.arn)
		require.Len(t, messages, 1)
		require.Equal(t, 1, w.SNS.Duplicates(w.arn))
		require.Equal(t, newAlert(1).ID, messages[0].DedupID)
		require.Equal(t, token("key 1"), messages[0].Group)
	})
}

func TestFIFOKeepsTheOrderOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fifo)
		w.SNS.FailEntries(fakeaws.FailTimes(20, func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
			if e.Index%2 == 0 {
				return nil
			}
			return &fakeaws.EntryFailure{Code: "InternalError"}
		}))
		const keys, each = 8, 20
		ends := make(chan error, keys)
		for key := range keys {
			go func() { // a lane: the next alert of a key goes out when the last was accepted
				for n := range each {
					a := newAlert(key*each + n)
					a.Record.PartitionKey = fmt.Sprintf("key-%d", key)
					if err := w.publish(t.Context(), a, newMessage(a, strconv.Itoa(n))); err != nil {
						ends <- err
						return
					}
				}
				ends <- nil
			}()
		}
		for range keys {
			require.NoError(t, <-ends)
		}
		next := map[string]int{}
		for _, m := range w.SNS.Messages(w.arn) {
			require.Equal(t, strconv.Itoa(next[m.Group]), m.Body, m.Group)
			next[m.Group]++
		}
		require.Len(t, next, keys)
	})
}

func TestBlackHoleEndsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.BlackHole, Times: 2})
		start := time.Now()
		require.NoError(t, <-w.send(t.Context(), 1))
		require.GreaterOrEqual(t, time.Since(start), 2*DefaultAttemptTimeout)
		require.LessOrEqual(t, time.Since(start), 2*DefaultAttemptTimeout+time.Second)
		require.InDelta(t, 2, w.failures(reasonTimeout), 0)
	})
}

func TestAttemptsStayInsideTheTrustWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		start := time.Now()
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.BlackHole, Times: 1})
		w.trust.Store(&window{start.Add(2 * time.Second), true})
		end := w.send(t.Context(), 1)
		time.Sleep(2*time.Second + time.Millisecond)
		synctest.Wait()
		require.InDelta(t, 1, w.failures(reasonTrustWindow), 0, "the attempt ends with the window, not after 5 s")

		w.trust.Store(&window{start.Add(time.Hour), false})
		time.Sleep(time.Minute)
		require.Equal(t, 1, w.calls(), "nothing starts outside the window")

		w.trust.Store(&window{time.Now().Add(DefaultTrustMargin / 2), true})
		time.Sleep(DefaultTrustMargin / 4)
		require.Equal(t, 1, w.calls(), "nor with less than the margin left")

		opened := time.Now()
		w.trust.Store(&window{opened.Add(time.Hour), true})
		require.NoError(t, <-end)
		require.LessOrEqual(t, time.Since(opened), trustPoll)
	})
}

func TestCancelledBeforeItWasSentIsNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.trust.Store(&window{})
		cause := errors.New("lease lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		lost := w.send(ctx, 1)
		kept := w.send(t.Context(), 2)
		time.Sleep(time.Second)
		cancel(cause)
		w.trust.Store(&window{time.Now().Add(time.Hour), true}) // in the same moment
		require.ErrorIs(t, <-lost, cause)
		require.NoError(t, <-kept)
		require.Len(t, w.SNS.Messages(w.arn), 1)
		w.stop()
		require.Empty(t, w.topics["oncall"].queue.ready)
	})
}

func TestCancelledWhileSentReturnsAtOnceAndCountsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Delay, Delay: time.Second})
		cause := errors.New("drain took too long")
		ctx, cancel := context.WithCancelCause(t.Context())
		end := w.send(ctx, 1)
		time.Sleep(time.Second / 2)
		cancel(cause)
		start := time.Now()
		require.ErrorIs(t, <-end, cause)
		require.Zero(t, time.Since(start))
		time.Sleep(time.Second)
		require.InDelta(t, 1, w.published(), 0)
		require.Equal(t, 1, w.audit.Len())
	})
}

func TestPublisherThatStopsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.BlackHole})
		under := w.send(t.Context(), 1)
		time.Sleep(time.Second)
		waiting := w.send(t.Context(), 2)
		start := time.Now()
		w.stop()
		require.Zero(t, time.Since(start), "a call under way is cut off")
		require.ErrorIs(t, <-under, ErrStopped)
		require.ErrorIs(t, <-waiting, ErrStopped)
		require.ErrorIs(t, <-w.send(t.Context(), 3), ErrStopped)
		require.Error(t, w.Run(t.Context()))
	})
}

func TestPublishBeforeRunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Config{Topics: map[string]TopicConfig{"oncall": {ARN: testARN}}}, Deps{Client: newClient(nil)})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		a := newAlert(1)
		require.EqualError(t, p.publish(ctx, a, newMessage(a, "body")), "enough")
	})
}

// Whatever goes wrong, an alert that was reported as published was published, one that was not cancelled has an end, and
// the counters agree with the answers.
func TestSimNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var options []option
		if rapid.Bool().Draw(t, "fifo") {
			options = append(options, fifo)
		}
		faults := rapid.SliceOfN(drawFault(), 0, 6).Draw(t, "faults")
		failing := rapid.IntRange(0, 30).Draw(t, "failing entries")
		rate := rapid.SampledFrom([]float64{0, 30}).Draw(t, "rate")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 400), 1, 60).Draw(t, "gaps")
		cancelled := rapid.SliceOfN(rapid.IntRange(0, len(gaps)-1), 0, 5).Draw(t, "cancelled")
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld(t, options...)
			defer w.stop()
			w.SNS.LimitRate(rate)
			w.SNS.FailEntries(fakeaws.FailTimes(failing, func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
				if e.Index%2 == 0 {
					return nil
				}
				return &fakeaws.EntryFailure{Code: "ServiceUnavailable"}
			}))
			for _, f := range faults {
				w.Faults.Add(f)
			}
			ends := make([]<-chan error, len(gaps))
			cancels := make([]context.CancelFunc, len(gaps))
			for i, gap := range gaps {
				var ctx context.Context
				ctx, cancels[i] = context.WithCancel(t.Context())
				defer cancels[i]()
				ends[i] = w.send(ctx, i)
				time.Sleep(time.Duration(gap) * time.Millisecond)
			}
			for _, i := range cancelled {
				cancels[i]()
			}
			accepted := 0
			for i, end := range ends {
				select {
				case err := <-end:
					if err == nil {
						accepted++
					} else {
						require.ErrorIs(t, err, context.Canceled)
						require.Contains(t, cancelled, i)
					}
				case <-time.After(time.Hour):
					require.Fail(t, "an alert never ended", "%d", i)
				}
			}
			time.Sleep(time.Minute)
			there := map[string]bool{}
			for _, m := range w.SNS.Messages(w.arn) {
				there[m.Attributes["alert_id"].StringValue] = true
			}
			for i := range ends {
				if !there[newAlert(i).ID] {
					require.Contains(t, cancelled, i)
				}
			}
			require.GreaterOrEqual(t, w.published(), float64(accepted))
			require.LessOrEqual(t, w.published(), float64(len(gaps)), "an alert is counted once")
			require.InDelta(t, w.published(), w.audit.Len(), 0)
		})
	})
}

func drawFault() *rapid.Generator[fakeaws.Fault] {
	return rapid.Custom(func(t *rapid.T) fakeaws.Fault {
		f := fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Times: rapid.IntRange(1, 6).Draw(t, "times"),
			Kind: rapid.SampledFrom([]fakeaws.Kind{
				fakeaws.Before, fakeaws.After, fakeaws.Delay, fakeaws.BlackHole, fakeaws.Lost, fakeaws.Partition,
			}).Draw(t, "kind"),
			Delay: time.Duration(rapid.IntRange(1, 8000).Draw(t, "delay")) * time.Millisecond,
		}
		code := rapid.SampledFrom([]string{"", "Throttling", "NotFound", "AuthorizationError", "KMSDisabled"}).Draw(t, "code")
		if code != "" {
			f.Err = &fakeaws.Error{Code: code, Message: "injected", Status: 400}
		}
		return f
	})
}

// refusingClient refuses every call that carries the culprit, as SNS does for some mistakes.
type refusingClient struct {
	Client
	culprit string
}

func (c *refusingClient) PublishBatch(
	ctx context.Context, in *sns.PublishBatchInput, o ...func(*sns.Options),
) (*sns.PublishBatchOutput, error) {
	for _, e := range in.PublishBatchRequestEntries {
		if *e.MessageAttributes["alert_id"].StringValue == c.culprit {
			return nil, &smithyError{code: "InvalidParameter"}
		}
	}
	return c.Client.PublishBatch(ctx, in, o...)
}
