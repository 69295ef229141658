package dispatch_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/alert/dispatch"
	alertsns "kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/fakeaws"
)

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
		require.InDelta(t, 3, w.failures(delivery.ReasonServiceError), 0)
		require.InDelta(t, 3, w.retries(delivery.ReasonServiceError), 0)
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
			require.LessOrEqual(t, time.Since(start), dispatch.DefaultLinger)
			time.Sleep(time.Second)
		}
		pending(t, bad)
		cause := errors.New("lease lost")
		cancel(cause)
		require.ErrorIs(t, <-bad, cause)
		require.InDelta(t, 20, w.published(), 0)
	})
}

// What SNS blames on the topic, the key or the role in one entry of a call, while it takes the others, is that entry's
// fault.
func TestFaultOfOneEntryIsItsOwn(t *testing.T) {
	tests := map[string]struct {
		failure fakeaws.EntryFailure
		remedy  string
	}{
		"not authorized": {fakeaws.EntryFailure{Code: "AuthorizationError", SenderFault: true}, "sns:Publish"},
		"not found":      {fakeaws.EntryFailure{Code: "NotFound", SenderFault: true}, "create the topic"},
		"topic's name": {
			fakeaws.EntryFailure{Code: "InvalidParameter", Message: "Invalid parameter: TopicArn", SenderFault: true},
			"ARN",
		},
		"key denied":      {fakeaws.EntryFailure{Code: "KMSAccessDenied", SenderFault: true}, "kms:GenerateDataKey"},
		"key throttled":   {fakeaws.EntryFailure{Code: "KMSThrottlingException"}, "higher request rate"},
		"endpoint is off": {fakeaws.EntryFailure{Code: "EndpointDisabled", SenderFault: true}, "ARN"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var mended atomic.Bool
				w.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
					if e.Body != "body 7" || mended.Load() {
						return nil
					}
					return &test.failure
				})
				ends := make([]<-chan error, 30)
				for i := range ends {
					ends[i] = w.send(t.Context(), i)
				}
				start := time.Now()
				for i, end := range ends {
					if i != 7 {
						require.NoError(t, <-end)
					}
				}
				require.Less(t, time.Since(start), time.Second)
				for i := range 600 { // it is sent alone, too, and in calls with others
					if i%2 == 0 {
						start := time.Now()
						require.NoError(t, <-w.send(t.Context(), 100+i))
						require.Less(t, time.Since(start), time.Second)
					}
					time.Sleep(time.Second)
				}
				pending(t, ends[7])
				require.Zero(t, w.logs.FilterMessage(refuses).Len())
				status := w.Status()[0]
				require.Empty(t, status.Fault)
				require.Zero(t, status.Failures)
				require.WithinDuration(t, time.Now().Add(-10*time.Minute), status.AlertFailing, 2*time.Second)
				require.Contains(t, status.Remedy, test.remedy)
				mended.Store(true)
				require.NoError(t, <-ends[7])
			})
		})
	}
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
		require.Equal(t, alert.Reason("invalid_parameter"), refusal.Reason)
		require.ErrorContains(t, refused[0], "Message too odd")
		require.Equal(t, 1, w.calls())
	})
}

func TestEntryThatIsTooLongIsRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.SNS.FailEntries(fakeaws.FailIndex(0, fakeaws.EntryFailure{Code: "BatchRequestTooLong", SenderFault: true}))
		refusal, ok := errors.AsType[*alert.RejectedError](<-w.send(t.Context(), 1))
		require.True(t, ok)
		require.Equal(t, dispatch.ReasonTooLarge, refusal.Reason)
	})
}

// A whole call may be refused for one of its entries, and SNS does not say which.
func TestRefusedCallCostsOnlyTheCulprit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(s *setup) {
			s.through = func(c alertsns.Client) alertsns.Client {
				return &refusingClient{Client: c, culprit: newAlert(7).ID}
			}
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
			require.Equal(t, alert.Reason("invalid_parameter"), refusal.Reason)
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
		require.Equal(t, dispatch.ReasonTooLarge, refusal.Reason)
		require.Len(t, w.SNS.Messages(w.arn), 10)
		require.Positive(t, w.retries(dispatch.ReasonBatchTooLong))
	})
}

func TestTroubleThatPassesIsWaitedOut(t *testing.T) {
	tests := map[string]struct {
		fault  fakeaws.Fault
		reason alert.Reason
	}{
		"Throttling":         {apiFault("Throttling", 400), delivery.ReasonThrottled},
		"Throttled":          {apiFault("Throttled", 429), delivery.ReasonThrottled},
		"KMSThrottling":      {apiFault("KMSThrottling", 400), "kms_throttled"},
		"500":                {apiFault("InternalError", 500), delivery.ReasonServiceError},
		"503":                {apiFault("ServiceUnavailable", 503), delivery.ReasonServiceError},
		"credentials":        {apiFault("ExpiredToken", 403), delivery.ReasonCredentials},
		"partition":          {fakeaws.Fault{Kind: fakeaws.Partition}, delivery.ReasonConnection},
		"accepted, then 500": {fakeaws.Fault{Kind: fakeaws.After}, delivery.ReasonServiceError},
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
				require.LessOrEqual(t, w.calls(), 330, "intervals grow to half of 5 s on average")
				require.GreaterOrEqual(t, w.calls(), 35)
				require.Equal(t, 1, w.logs.FilterMessage("publishing fails, alerts wait and are tried again").Len())
				remove()
				start := time.Now()
				require.NoError(t, <-end)
				require.LessOrEqual(t, time.Since(start), delivery.LongestBackoff)
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

func TestEveryOutageIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		for outage := range 3 {
			w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Partition, Times: 9})
			require.NoError(t, <-w.send(t.Context(), outage))
			synctest.Wait()
			require.Equal(t, 1+outage, w.logs.FilterMessage("publishing fails, alerts wait and are tried again").Len())
			require.Equal(t, 1+outage, w.logs.FilterMessage(accepts).Len())
		}
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Partition, Times: 2})
		lines := w.logs.Len()
		require.NoError(t, <-w.send(t.Context(), 4))
		synctest.Wait()
		require.Equal(t, lines, w.logs.Len(), "a blip is no news")
	})
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
		require.LessOrEqual(t, outage, 2000, "one call at a time, whatever waits: about 1,440 in an hour")
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
		require.Positive(t, w.retries(delivery.ReasonThrottled))
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
		require.GreaterOrEqual(t, time.Since(start), dispatch.DefaultAttemptTimeout)
		require.LessOrEqual(t, time.Since(start), dispatch.DefaultAttemptTimeout+time.Second)
		messages := w.SNS.Messages(w.arn)
		require.Len(t, messages, 2)
		require.Equal(t, newAlert(1).ID, messages[0].Attributes["alert_id"].StringValue)
		require.Equal(t, messages[0].Attributes, messages[1].Attributes)
		require.InDelta(t, 1, w.published(), 0, "the answer that was lost is not counted")
		require.InDelta(t, 1, w.retries(delivery.ReasonTimeout), 0)
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
		sum := sha256.Sum256([]byte("key 1")) // no token has a space
		require.Equal(t, hex.EncodeToString(sum[:]), messages[0].Group)
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
					if err := w.PublishMessage(t.Context(), a, newMessage(a, strconv.Itoa(n))); err != nil {
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
		require.GreaterOrEqual(t, time.Since(start), 2*dispatch.DefaultAttemptTimeout)
		require.LessOrEqual(t, time.Since(start), 2*dispatch.DefaultAttemptTimeout+time.Second)
		require.InDelta(t, 2, w.failures(delivery.ReasonTimeout), 0)
	})
}

// An answer that says nothing about an entry is no acceptance.
func TestEntryWithoutAnAnswerGoesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &mumblingClient{}
		w := newWorld(t, func(s *setup) {
			s.through = func(c alertsns.Client) alertsns.Client {
				client.Client = c
				return client
			}
		})
		require.NoError(t, <-w.send(t.Context(), 1))
		require.Equal(t, 4, client.calls)
		require.InDelta(t, 3, w.failures(delivery.ReasonBadAnswer), 0)
		require.InDelta(t, 1, w.published(), 0)
	})
}

// The answer to another call, as of a proxy that mixes answers up, is no acceptance, though it names as many entries.
func TestAnswerToAnotherCallIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &staleClient{}
		w := newWorld(t, func(s *setup) {
			s.through = func(c alertsns.Client) alertsns.Client {
				client.Client = c
				return client
			}
		})
		require.NoError(t, <-w.send(t.Context(), 1))
		require.NoError(t, <-w.send(t.Context(), 2))
		require.Equal(t, 3, client.calls)
		require.InDelta(t, 1, w.failures(delivery.ReasonBadAnswer), 0)
	})
}

// staleClient answers the second call with its answer to the first.
type staleClient struct {
	alertsns.Client
	calls int
	first *sns.PublishBatchOutput
}

func (c *staleClient) PublishBatch(
	ctx context.Context, in *sns.PublishBatchInput, o ...func(*sns.Options),
) (out *sns.PublishBatchOutput, err error) {
	if c.calls++; c.calls == 2 {
		return c.first, nil
	}
	out, err = c.Client.PublishBatch(ctx, in, o...)
	if c.calls == 1 {
		c.first = out
	}
	return out, err
}

// mumblingClient answers three times without saying what became of the entries.
type mumblingClient struct {
	alertsns.Client
	calls int
}

func (c *mumblingClient) PublishBatch(
	ctx context.Context, in *sns.PublishBatchInput, o ...func(*sns.Options),
) (*sns.PublishBatchOutput, error) {
	if c.calls++; c.calls > 3 {
		return c.Client.PublishBatch(ctx, in, o...)
	}
	return &sns.PublishBatchOutput{
		Successful: []types.PublishBatchResultEntry{{}, {Id: new("7")}, {Id: new("-1")}, {Id: new("zero")}},
		Failed:     []types.BatchResultErrorEntry{{}},
	}, nil
}

// refusingClient refuses every call that carries the culprit, as SNS does for some mistakes.
type refusingClient struct {
	alertsns.Client
	culprit string
}

func (c *refusingClient) PublishBatch(
	ctx context.Context, in *sns.PublishBatchInput, o ...func(*sns.Options),
) (*sns.PublishBatchOutput, error) {
	for _, e := range in.PublishBatchRequestEntries {
		if *e.MessageAttributes["alert_id"].StringValue == c.culprit {
			return nil, &smithy.GenericAPIError{Code: "InvalidParameter", Fault: smithy.FaultClient}
		}
	}
	return c.Client.PublishBatch(ctx, in, o...)
}
