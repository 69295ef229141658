package dispatch_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/alert/dispatch"
	alertsns "kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/fakeaws"
)

const (
	refuses = "topic refuses alerts, they wait and the topic is probed"
	accepts = "topic accepts alerts again"
)

func TestConfigurationFaultHoldsAndEndsByItself(t *testing.T) {
	tests := map[string]struct {
		status int
		reason alert.Reason
		remedy string
	}{
		"NotFound":              {404, dispatch.ReasonMissing, "create the topic"},
		"AuthorizationError":    {403, delivery.ReasonNotAuthorized, "sns:Publish"},
		"KMSAccessDenied":       {400, delivery.ReasonKMSAccess, "kms:GenerateDataKey"},
		"KMSDisabled":           {400, delivery.ReasonKMSKey, "KMS key"},
		"KMSNotFound":           {400, delivery.ReasonKMSKey, "KMS key"},
		"KMSInvalidState":       {400, delivery.ReasonKMSKey, "KMS key"},
		"KMSOptInRequired":      {403, delivery.ReasonKMSKey, "KMS key"},
		"InvalidSecurity":       {403, delivery.ReasonSignature, "credentials"},
		"SignatureDoesNotMatch": {403, delivery.ReasonSignature, "clock"},
		"NeverHeardOf":          {400, delivery.ReasonUnknown, "SNS API reference"},
	}
	for code, test := range tests {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				synctest.Wait()
				fault := apiFault(code, test.status)
				fault.Operation = "PublishBatch"
				remove := w.Faults.Add(fault)
				var ends []<-chan error
				for i := range 60 {
					ends = append(ends, w.send(t.Context(), i))
				}
				time.Sleep(time.Hour)
				for _, end := range ends {
					pending(t, end)
				}
				calls := w.wire.times()
				require.LessOrEqual(t, len(calls), 250, "probes are rare")
				require.LessOrEqual(t, calls[len(calls)-1].Sub(calls[len(calls)-2]), delivery.LongestProbe, "but go on")
				require.InDelta(t, 1, w.fault(test.reason), 0)
				require.Zero(t, w.retries(test.reason), "a fault uses no retries")

				line := w.logs.FilterMessage(refuses)
				require.Equal(t, 1, line.Len(), "one line for one change of state")
				require.Contains(t, line.All()[0].ContextMap()["remedy"], test.remedy)
				require.Equal(t, w.arn, line.All()[0].ContextMap()["topic_arn"])

				remove()
				mended := time.Now()
				for _, end := range ends {
					require.NoError(t, <-end)
				}
				require.LessOrEqual(t, time.Since(mended), delivery.LongestProbe+time.Second)
				synctest.Wait()
				require.Len(t, w.SNS.Messages(w.arn), 60, "nothing was burnt, nothing repeated")
				require.Zero(t, w.fault(test.reason))
				require.Equal(t, 1, w.logs.FilterMessage(accepts).Len())
			})
		})
	}
}

func TestHeldTopicHoldsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *setup) {
			s.cfg.Topics = map[string]dispatch.TopicConfig{"gone": {ARN: dispatch.TestARN + "-that-do-not-exist"}}
		})
		held, a := make(chan error, 1), newAlert(0)
		a.Topic = "gone"
		go func() { held <- w.PublishMessage(t.Context(), a, newMessage(a, "body")) }()
		for i := range 100 {
			start := time.Now()
			require.NoError(t, <-w.send(t.Context(), 1+i))
			require.LessOrEqual(t, time.Since(start), dispatch.DefaultLinger)
			time.Sleep(time.Second)
		}
		pending(t, held)
	})
}

func TestAlertsThatNobodyWaitsForAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, absent)
		ctx, cancel := context.WithCancel(t.Context())
		var ends []<-chan error
		for i := range 100 {
			ends = append(ends, w.send(ctx, i))
		}
		time.Sleep(time.Hour)
		cancel()
		for _, end := range ends {
			require.ErrorIs(t, <-end, context.Canceled)
		}
		w.stop()
		require.Zero(t, w.Ready("oncall"), "not only with the next probe")
	})
}

func TestProbeCarriesOneAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		sizes := []int{}
		w.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
			if e.Index == 0 {
				sizes = append(sizes, 0)
			}
			sizes[len(sizes)-1]++
			return &fakeaws.EntryFailure{Code: "KMSAccessDenied", SenderFault: true}
		})
		for i := range 5 {
			w.send(t.Context(), i)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 5, sizes[0], "what was under way when the fault began")
		require.Greater(t, len(sizes), 3)
		for _, n := range sizes[1:] {
			require.Equal(t, 1, n)
		}
		require.InDelta(t, 1, w.fault(delivery.ReasonKMSAccess), 0)
		w.stop()
	})
}

func TestFaultThatChangesIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		missing := w.Faults.Add(apiFault("NotFound", 404))
		end := w.send(t.Context(), 1)
		time.Sleep(time.Minute)
		missing()
		denied := w.Faults.Add(apiFault("AuthorizationError", 403))
		time.Sleep(time.Minute)
		require.Zero(t, w.fault(dispatch.ReasonMissing))
		require.InDelta(t, 1, w.fault(delivery.ReasonNotAuthorized), 0)
		require.Equal(t, 2, w.logs.FilterMessage(refuses).Len())
		denied()
		require.NoError(t, <-end)
	})
}

func TestTopicThatIsMissingAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, absent)
		time.Sleep(time.Minute)
		require.InDelta(t, 1, w.fault(dispatch.ReasonMissing), 0, "known before the first alert")
		require.Equal(t, 1, w.logs.FilterMessage(refuses).Len())
		end := w.send(t.Context(), 1)
		time.Sleep(time.Minute)
		pending(t, end)
		w.create(t.Context(), t, "alerts", map[string]string{"MaximumMessageSize": "2048"})
		require.NoError(t, <-end)
		time.Sleep(delivery.LongestProbe)
		require.Zero(t, w.fault(dispatch.ReasonMissing))
		require.Equal(t, 2048, w.limits().Bytes)
	})
}

func TestTopicThatIsMissingAtStartIsWellWithoutAnAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, absent)
		time.Sleep(time.Minute)
		w.create(t.Context(), t, "alerts", nil)
		time.Sleep(delivery.LongestProbe)
		synctest.Wait()
		require.Zero(t, w.fault(dispatch.ReasonMissing))
		require.Equal(t, 1, w.logs.FilterMessage(accepts).Len())
	})
}

func TestAttributesThatMayNotBeReadAreAssumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fifo, before(func(w *world) {
			f := apiFault("AuthorizationError", 403)
			f.Operation = "GetTopicAttributes"
			w.Faults.Add(f)
		}))
		require.NoError(t, <-w.send(t.Context(), 1))
		require.Equal(t, 262_144, w.limits().Bytes)
		require.True(t, alertsns.Topics(w.Status())[0].FIFO)
		time.Sleep(time.Hour)
		require.Equal(t, 1, w.logs.Len(), "said once")
		require.Contains(t, w.logs.All()[0].Message, "sns:GetTopicAttributes")
		require.Zero(t, w.fault(delivery.ReasonNotAuthorized), "who may publish need not read attributes")
	})
}

func TestAttributesAreReadWhenSNSComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sized(2048), before(func(w *world) {
			w.Faults.Add(fakeaws.Fault{Operation: "GetTopicAttributes", Kind: fakeaws.BlackHole, Times: 3})
		}))
		start := time.Now()
		require.NoError(t, <-w.send(t.Context(), 1))
		require.LessOrEqual(
			t, time.Since(start), dispatch.DefaultAttemptTimeout+time.Second, "alerts wait for the first answer only",
		)
		time.Sleep(time.Minute)
		require.Equal(t, 2048, w.limits().Bytes)
	})
}

func TestTooLargeBodyIsShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sized(1024))
		for i, body := range []string{strings.Repeat("x", 5000), strings.Repeat("ü", 5000), strings.Repeat("🔥", 5000)} {
			require.NoError(t, <-w.sendAs(t.Context(), i, body))
			got := w.SNS.Messages(w.arn)[i].Body
			require.Greater(t, len(got), 900, strconv.Itoa(i))
			require.True(t, strings.HasPrefix(got, body[:600]))
		}
	})
}

// Other credentials end a hold for old ones at once, and not with the next probe.
func TestHurryProbesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		fault := apiFault("InvalidClientTokenId", 403)
		fault.Operation = "PublishBatch"
		remove := w.Faults.Add(fault)
		end := w.send(t.Context(), 1)
		time.Sleep(time.Hour)
		pending(t, end)
		remove()
		for { // not in the moment of a probe
			if calls := w.wire.times(); time.Since(calls[len(calls)-1]) > time.Second {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		pending(t, end)
		w.Hurry()
		start := time.Now()
		require.NoError(t, <-end)
		require.LessOrEqual(t, time.Since(start), 10*time.Millisecond)
	})
}
