package deadletter

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/fakeaws"
)

func TestLetterArrives(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		l := newLetter(1)
		l.AlertID, l.Rule, l.Topic, l.Record.SubSequence = "0f", "hot", "oncall", 2
		require.NoError(t, w.Send(t.Context(), l))
		documents := w.documents(w)
		require.Len(t, documents, 1)
		p := parse(t, documents[0])
		require.Equal(t, []byte("{1"), p.event(t).Records[0].Kinesis.Data)
		require.Equal(t, "not_json", p.KinesisAlerter.Reason)
		require.Equal(t, time.Now().UTC().Format(timeFormat), p.Timestamp)

		require.InDelta(t, 1, w.sentOf(alert.ReasonNotJSON), 0)
		require.Equal(t, 1, w.audit.Len())
		line := w.audit.All()[0].ContextMap()
		require.NotEmpty(t, line["message_id"])
		require.Equal(t, p.RequestContext.RequestID, line["request_id"])
		require.Equal(t, []any{"0f", "hot", "not_json", testShard, "1001", uint32(2)},
			[]any{line["alert_id"], line["rule"], line["reason"], line["shard"], line["sequence_number"], line["sub"]})
		require.Zero(t, w.logs.Len())
	})
}

func TestObjectLiesWhereLambdaPutsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := toBucket()
		k.cfg.S3 = "s3://letters/of/this team"
		w := newWorld(t, k)
		w.create(t, w)
		require.NoError(t, w.Send(t.Context(), newLetter(1)))
		keys := w.S3.Keys(testBucket)
		require.Len(t, keys, 1)
		id := parse(t, w.documents(w)[0]).RequestContext.RequestID
		now := time.Now().UTC()
		require.Equal(t, "of/this team/aws/lambda/"+w.application.mapping+"/"+testShard+now.Format(
			"/2006/01/02/2006-01-02T15.04.05-",
		)+id, keys[0])
		require.Equal(t, keys[0], w.audit.All()[0].ContextMap()["message_id"])
		require.Equal(t, "s3://letters/of/this team/", w.audit.All()[0].ContextMap()["where"])
	})
}

func TestWhatMayPassIsTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		fault  fakeaws.Fault
		reason alert.Reason
	}{
		"server error": {fakeaws.Fault{Kind: fakeaws.Before}, delivery.ReasonServiceError},
		"unavailable": {
			apiFault("ServiceUnavailable", http.StatusServiceUnavailable), delivery.ReasonServiceError,
		},
		"throttled":          {apiFault("SlowDown", http.StatusServiceUnavailable), delivery.ReasonThrottled},
		"throttled as a 400": {apiFault("ThrottlingException", http.StatusBadRequest), delivery.ReasonThrottled},
		"throttled key":      {apiFault("KMS.ThrottlingException", http.StatusBadRequest), delivery.ReasonThrottled},
		"old token":          {apiFault("ExpiredToken", http.StatusBadRequest), delivery.ReasonCredentials},
		"no connection":      {fakeaws.Fault{Kind: fakeaws.Partition}, delivery.ReasonConnection},
		"no answer":          {fakeaws.Fault{Kind: fakeaws.BlackHole}, delivery.ReasonTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				t.Helper()
				fault := test.fault
				fault.Times = 5
				w.fail(fault)
				start := time.Now()
				require.NoError(t, w.Send(t.Context(), newLetter(1)))
				require.LessOrEqual(t, time.Since(start), 5*objectTimeout+3*time.Second, "back-off is 100 ms doubling")
				require.InDelta(t, 5, w.failuresOf(test.reason), 0)
				require.Len(t, w.documents(w), 1)
				require.Equal(t, 1, w.logs.FilterMessage(fails).Len())
				require.Equal(t, 1, w.logs.FilterMessage(accepts).Len())
				require.Zero(t, w.logs.FilterMessage(refuses).Len())
			})
		})
	}
}

func TestSmallTroubleIsNotLogged(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		w.fail(fakeaws.Fault{Kind: fakeaws.Before, Times: delivery.WarnAfter - 1})
		require.NoError(t, w.Send(t.Context(), newLetter(1)))
		require.Zero(t, w.logs.Len())
	})
}

// The destination has the letter and we do not know: the repeat is the same to the byte, and in S3 it is no second
// object.
func TestLostAnswerRepeatsTheSameLetter(t *testing.T) {
	for name, kind := range map[string]fakeaws.Kind{"error": fakeaws.After, "silence": fakeaws.Lost} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				t.Helper()
				w.fail(fakeaws.Fault{Kind: kind, Times: 3})
				start := time.Now()
				require.NoError(t, w.Send(t.Context(), newLetter(1)))
				documents := w.documents(w)
				require.Equal(t, 4, w.calls())
				if w.service == fakeaws.ServiceS3 {
					require.Len(t, documents, 1)
				} else {
					require.Len(t, documents, 4)
				}
				require.Len(t, slices.Compact(documents), 1)
				require.Equal(
					t, start.UTC().Format(timeFormat), parse(t, documents[0]).Timestamp, "when Send was called",
				)
				require.InDelta(t, 1, w.sentOf(alert.ReasonNotJSON), 0, "it is one letter")
			})
		})
	}
}

// What a crash can repeat: another object or message, whose id says that it is the same letter.
func TestLetterThatIsSentAgainHasItsID(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		require.NoError(t, w.Send(t.Context(), newLetter(1)))
		time.Sleep(time.Hour)
		again := newLetter(1)
		again.Attempts = 1
		require.NoError(t, w.Send(t.Context(), again))
		documents := w.documents(w)
		require.Len(t, documents, 2)
		first, second := parse(t, documents[0]), parse(t, documents[1])
		require.Equal(t, first.RequestContext.RequestID, second.RequestContext.RequestID)
		require.NotEqual(t, first.Timestamp, second.Timestamp)
		for _, key := range w.S3.Keys(testBucket) {
			require.True(t, strings.HasSuffix(key, "-"+first.RequestContext.RequestID))
		}
	})
}

func TestDestinationThatIsMissingIsWaitedFor(t *testing.T) {
	for _, k := range []kind{toQueue(), toTopic(), toBucket()} {
		t.Run(k.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, k)
				var ends []<-chan error
				for i := range 60 {
					ends = append(ends, w.post(t.Context(), newLetter(i)))
				}
				time.Sleep(time.Hour)
				for _, end := range ends {
					pending(t, end)
				}
				require.LessOrEqual(t, w.calls(), 250+60, "probes are rare, however many letters wait")
				require.InDelta(t, 1, w.fault(reasonMissing), 0)
				require.Equal(t, 1, w.logs.Len(), "one line for one change of state")
				line := w.logs.FilterMessage(refuses).All()[0].ContextMap()
				require.Equal(t, "destination_missing", line["reason"])
				require.Contains(t, line["remedy"], "create the queue")
				require.Equal(t, w.destination.where(), line["destination"])

				w.create(t, w)
				created := time.Now()
				for _, end := range ends {
					require.NoError(t, <-end)
				}
				require.LessOrEqual(t, time.Since(created), 2*delivery.LongestProbe+time.Second)
				require.Len(t, w.documents(w), 60, "nothing was given up, nothing repeated")
				require.Zero(t, w.fault(reasonMissing))
				require.Equal(t, 1, w.logs.FilterMessage(accepts).Len())
			})
		})
	}
}

func TestConfigurationFaultHolds(t *testing.T) {
	for code, test := range map[string]struct {
		reason alert.Reason
		remedy string
	}{
		"AccessDenied":              {delivery.ReasonNotAuthorized, "sqs:SendMessage, sns:Publish or s3:PutObject"},
		"AuthorizationError":        {delivery.ReasonNotAuthorized, "policy"},
		"KmsAccessDenied":           {delivery.ReasonKMSAccess, "kms:GenerateDataKey"},
		"KMS.DisabledException":     {delivery.ReasonKMSKey, "KMS key"},
		"KMSNotFound":               {delivery.ReasonKMSKey, "KMS key"},
		"InvalidAddress":            {reasonRefused, "standard queue"},
		"PermanentRedirect":         {reasonRefused, "AWS_REGION"},
		"SignatureDoesNotMatch":     {delivery.ReasonSignature, "clock"},
		"NeverHeardOf":              {delivery.ReasonUnknown, "API reference"},
		"InvalidParameterException": {reasonRefused, "MaximumMessageSize"},
	} {
		t.Run(code, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				t.Helper()
				remove := w.fail(apiFault(code, http.StatusBadRequest))
				end := w.post(t.Context(), newLetter(1))
				time.Sleep(10 * time.Minute)
				pending(t, end)
				require.InDelta(t, 1, w.fault(test.reason), 0)
				require.Equal(t, 1, w.logs.Len())
				require.Contains(t, w.logs.All()[0].ContextMap()["remedy"], test.remedy)
				remove()
				require.NoError(t, <-end)
				require.NotEmpty(t, parse(t, w.documents(w)[0]).Payload, "a fault costs no payload")
				require.Zero(t, w.fault(test.reason))
			})
		})
	}
}

func TestFaultThatChangesIsToldAgain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		denied := w.fail(apiFault("AccessDenied", http.StatusForbidden))
		end := w.post(t.Context(), newLetter(1))
		time.Sleep(time.Minute)
		denied()
		disabled := w.fail(apiFault("KMS.DisabledException", http.StatusBadRequest))
		time.Sleep(time.Minute)
		require.Zero(t, w.fault(delivery.ReasonNotAuthorized))
		require.InDelta(t, 1, w.fault(delivery.ReasonKMSKey), 0)
		require.Equal(t, 2, w.logs.FilterMessage(refuses).Len())
		disabled()
		require.NoError(t, <-end)
	})
}

// An outage that begins while the destination is held does not look like the end of the fault.
func TestOutageDoesNotHideAFault(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		denied := w.fail(apiFault("AccessDenied", http.StatusForbidden))
		end := w.post(t.Context(), newLetter(1))
		time.Sleep(time.Minute)
		denied()
		out := w.fail(fakeaws.Fault{Kind: fakeaws.Partition})
		time.Sleep(time.Minute)
		require.InDelta(t, 1, w.fault(delivery.ReasonNotAuthorized), 0)
		require.Equal(t, 1, w.logs.Len())
		out()
		require.NoError(t, <-end)
		require.Zero(t, w.fault(delivery.ReasonNotAuthorized))
	})
}

func TestLargeLetterLeavesItsPayloadOut(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		l := newLetter(1)
		l.Record.Data = []byte(strings.Repeat("x", 200<<10))
		require.NoError(t, w.Send(t.Context(), l))
		require.Equal(t, 1, w.calls(), "what cannot fit is not tried")
		p := parse(t, w.documents(w)[0])
		if w.service == fakeaws.ServiceS3 {
			require.Equal(t, l.Record.Data, p.event(t).Records[0].Kinesis.Data)
			require.Empty(t, p.KinesisAlerter.PayloadOmitted)
			return
		}
		require.Empty(t, p.Payload)
		require.Regexp(t, `^2735\d\d bytes, larger than the destination takes$`, p.KinesisAlerter.PayloadOmitted)
		require.Equal(t, "1001", p.KinesisBatchInfo.StartSequenceNumber, "it can be read from the stream")
	})
}

func TestQueueWithASmallerLimit(t *testing.T) {
	limit := func(t *testing.T, w *world, bytes int) {
		t.Helper()
		_, err := clients(w.AWS).SQS.(*sqs.Client).SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
			QueueUrl: new(testQueue), Attributes: map[string]string{"MaximumMessageSize": strconv.Itoa(bytes)},
		})
		require.NoError(t, err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, toQueue())
		w.create(t, w)
		limit(t, w, 2048)
		l := newLetter(1)
		l.Record.Data = make([]byte, 2000)
		require.NoError(t, w.Send(t.Context(), l))
		p := parse(t, w.documents(w)[0])
		require.Empty(t, p.Payload)
		require.NotEmpty(t, p.KinesisAlerter.PayloadOmitted)
		require.InDelta(t, 1, w.failuresOf(reasonTooLarge), 0)

		l = newLetter(2)
		l.Detail = strings.Repeat("x", maxDetail)
		limit(t, w, 1024)
		end := w.post(t.Context(), l)
		time.Sleep(time.Hour)
		pending(t, end)
		require.InDelta(t, 1, w.fault(reasonRefused), 0)
		limit(t, w, 256<<10)
		require.NoError(t, <-end)
		require.NotEmpty(t, parse(t, w.documents(w)[1]).Payload)
	})
}

// A dead letter that fails by itself holds up no other.
func TestBadLetterHoldsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, toQueue())
		w.create(t, w)
		fault := apiFault("NeverHeardOf", http.StatusBadRequest)
		fault.Match = func(r *fakeaws.Request) bool { return strings.Contains(string(r.Body), "key 1000000") }
		remove := w.fail(fault)
		bad := w.post(t.Context(), newLetter(1_000_000))
		var waited time.Duration
		for i := range 300 {
			start := time.Now()
			require.NoError(t, w.Send(t.Context(), newLetter(i)))
			wait := time.Since(start)
			require.LessOrEqual(t, wait, 4*delivery.FirstProbe)
			waited += wait
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, waited, 25*delivery.FirstProbe, "it comes back ever more rarely")
		pending(t, bad)
		remove()
		require.NoError(t, <-bad)
	})
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		w.fail(fakeaws.Fault{Kind: fakeaws.Delay, Delay: time.Second})
		start := time.Now()
		var ends []<-chan error
		for i := range 5 * maxCalls {
			ends = append(ends, w.post(t.Context(), newLetter(i)))
		}
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.Equal(t, 5*time.Second, time.Since(start))
		require.Len(t, w.documents(w), 5*maxCalls)
	})
}

// Calls that fail together are one failure, not sixteen: the outage is over for everybody seconds after its end.
func TestOutageOfManyLetters(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		end := w.fail(fakeaws.Fault{Kind: fakeaws.Partition})
		var ends []<-chan error
		for i := range 100 {
			ends = append(ends, w.post(t.Context(), newLetter(i)))
		}
		time.Sleep(10 * time.Minute)
		require.LessOrEqual(t, int(w.failuresOf(delivery.ReasonConnection)), 10*60, "one at a time tries")
		end()
		over := time.Now()
		for _, end := range ends {
			require.NoError(t, <-end)
		}
		require.LessOrEqual(t, time.Since(over), 2*delivery.LongestBackoff+time.Second)
		require.Equal(t, 1, w.logs.FilterMessage(fails).Len())
		require.Len(t, w.documents(w), 100)
	})
}

func TestEndOfContextEndsSend(t *testing.T) {
	lost := errors.New("lease lost")
	for name, fault := range map[string]fakeaws.Fault{
		"in a call":       {Kind: fakeaws.BlackHole},
		"between calls":   {Kind: fakeaws.Partition},
		"between probes":  apiFault("AccessDenied", http.StatusForbidden),
		"in a lost call":  {Kind: fakeaws.Lost},
		"in a slow probe": {Kind: fakeaws.Delay, Delay: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				t.Helper()
				remove := w.fail(fault)
				ctx, cancel := context.WithCancelCause(t.Context())
				end := w.post(ctx, newLetter(1))
				time.Sleep(100*time.Second + time.Millisecond)
				pending(t, end)
				cancel(lost)
				synctest.Wait()
				require.ErrorIs(t, <-end, lost)
				require.Zero(t, w.sentOf(alert.ReasonNotJSON))
				require.Zero(t, w.audit.Len())
				require.Zero(t, w.failuresOf(delivery.ReasonClient), "who left is no failure of the destination")

				remove()
				start := time.Now()
				require.NoError(t, w.Send(t.Context(), newLetter(2)), "a caller that left blocks no other")
				require.LessOrEqual(t, time.Since(start), delivery.LongestProbe)
			})
		})
	}
	t.Run("before the first call", func(t *testing.T) {
		each(t, func(t *testing.T, w *world) {
			t.Helper()
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(lost)
			require.ErrorIs(t, w.Send(ctx, newLetter(1)), lost)
			require.Zero(t, w.calls())
		})
	})
}

// A probe whose caller leaves says nothing, and the next one probes.
func TestProbeIsHandedOn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		w.fail(fakeaws.Fault{Kind: fakeaws.Partition, Times: 1})
		hole := w.fail(fakeaws.Fault{Kind: fakeaws.BlackHole})
		ctx, cancel := context.WithCancel(t.Context())
		first := w.post(ctx, newLetter(1))
		time.Sleep(time.Second) // the first failure, and the probe hangs
		second := w.post(t.Context(), newLetter(2))
		pending(t, second)
		hole()
		cancel()
		require.ErrorIs(t, <-first, context.Canceled)
		synctest.Wait()
		require.NoError(t, <-second)
		require.Zero(t, w.failuresOf(delivery.ReasonTimeout))
	})
}

func TestReasonsAreAClosedSet(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		series, err := testutil.GatherAndCount(w.reg)
		require.NoError(t, err)
		l := newLetter(1)
		l.Reason = "what a payload says"
		require.NoError(t, w.Send(t.Context(), l))
		require.InDelta(t, 1, w.sentOf(alert.ReasonOther), 0)
		require.Equal(t, "what a payload says", parse(t, w.documents(w)[0]).KinesisAlerter.Reason)
		after, err := testutil.GatherAndCount(w.reg)
		require.NoError(t, err)
		require.Equal(t, series, after, "every series exists from the start")
		require.Equal(t, 2+len(retryReasons())+2*len(holdReasons()), series)
	})
}

func TestNewRefuses(t *testing.T) {
	all := clients(fakeaws.New(fakeaws.Options{}))
	all.Stream, all.Application = testStream, testApp
	for name, test := range map[string]struct {
		cfg    Config
		change func(*Deps)
	}{
		"nothing to send to":    {Config{}, func(*Deps) {}},
		"a wrong configuration": {Config{SQS: "letters"}, func(*Deps) {}},
		"no client for a queue": {Config{SQS: testQueue}, func(d *Deps) { d.SQS = nil }},
		"no client for a topic": {Config{SNS: testTopic}, func(d *Deps) { d.SNS = nil }},
		"no client of a bucket": {Config{S3: testBucket}, func(d *Deps) { d.S3 = nil }},
		"a stream without ARN":  {Config{S3: testBucket}, func(d *Deps) { d.Stream = "ExampleInputStream" }},
	} {
		deps := all
		test.change(&deps)
		deps.Registerer = prometheus.NewRegistry()
		_, err := New(test.cfg, deps)
		require.Error(t, err, name)
	}
	deps := all
	deps.SNS, deps.S3 = nil, nil
	_, err := New(Config{SQS: testQueue}, deps)
	require.NoError(t, err, "one client is enough, and neither logs nor metrics are needed")
}
