package dispatch_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/alert/dispatch"
	alertsns "kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/fakeaws"
)

// sayingClient says something else than SNS did.
type sayingClient struct {
	alertsns.Client
	says func(out *sns.PublishBatchOutput)

	mu    sync.Mutex
	quiet bool
}

// hush has the client say what SNS says from now on.
func (c *sayingClient) hush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet = true
}

func (c *sayingClient) PublishBatch(
	ctx context.Context, in *sns.PublishBatchInput, o ...func(*sns.Options),
) (*sns.PublishBatchOutput, error) {
	out, err := c.Client.PublishBatch(ctx, in, o...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && !c.quiet {
		c.says(out)
	}
	return out, err
}

func saying(c *sayingClient) option {
	return func(s *setup) {
		s.through = func(next alertsns.Client) alertsns.Client { c.Client = next; return c }
	}
}

// Only an id of the message says that SNS has it, and only a code that it has not. Whatever else an answer is, its
// alerts are sent again, slowly: SNS may have accepted them.
func TestAnswerWithoutAnOutcomeIsNoAcceptance(t *testing.T) {
	for name, says := range map[string]func(*sns.PublishBatchOutput){
		"nothing at all": func(out *sns.PublishBatchOutput) { *out = sns.PublishBatchOutput{} },
		"no message id": func(out *sns.PublishBatchOutput) {
			for i := range out.Successful {
				out.Successful[i].MessageId = nil
			}
		},
		"an empty message id": func(out *sns.PublishBatchOutput) {
			for i := range out.Successful {
				out.Successful[i].MessageId = new("")
			}
		},
		"no id": func(out *sns.PublishBatchOutput) {
			for i := range out.Successful {
				out.Successful[i].Id = nil
			}
		},
		"the id of another call": func(out *sns.PublishBatchOutput) {
			for i := range out.Successful {
				out.Successful[i].Id = new("9" + *out.Successful[i].Id)
			}
		},
		"a failure without a code": func(out *sns.PublishBatchOutput) {
			for _, e := range out.Successful {
				out.Failed = append(
					out.Failed, types.BatchResultErrorEntry{Id: e.Id, Message: new("no"), SenderFault: true},
				)
			}
			out.Successful = nil
		},
		"accepted and refused": func(out *sns.PublishBatchOutput) {
			for _, e := range out.Successful {
				out.Failed = append(
					out.Failed,
					types.BatchResultErrorEntry{Id: e.Id, Code: new("InvalidParameter"), SenderFault: true},
				)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &sayingClient{says: says}
				w := newWorld(t, saying(client), func(s *setup) { s.cfg.MaxAttempts = 1 })
				var ends []<-chan error
				for i := range 20 {
					ends = append(ends, w.send(t.Context(), i))
				}
				time.Sleep(20 * time.Second)
				for _, end := range ends {
					pending(t, end) // neither accepted, nor rejected, nor given up
				}
				require.LessOrEqual(t, len(w.SNS.Messages(w.arn)), 20+12, "each repeat may be one that a person reads")
				status := w.Status()[0]
				require.Greater(t, status.Failures, 3)
				require.Equal(t, delivery.ReasonBadAnswer, status.Failing)
				require.Positive(t, w.failures(delivery.ReasonBadAnswer))
				client.hush()
				mended := time.Now()
				for _, end := range ends {
					require.NoError(t, <-end)
				}
				require.LessOrEqual(t, time.Since(mended), 10*time.Second)
				require.InDelta(t, 20, w.published(), 0)
				synctest.Wait()
				require.Empty(t, w.Status()[0].Failing)
			})
		})
	}
}

// What an answer says of one entry holds, whatever it leaves out of the others.
func TestSilenceAboutOneEntryIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &sayingClient{says: func(out *sns.PublishBatchOutput) {
			out.Successful[0].MessageId = nil
		}}
		w := newWorld(t, saying(client), func(s *setup) { s.cfg.MaxAttempts = 1 })
		var ends []<-chan error
		for i := range 5 {
			ends = append(ends, w.send(t.Context(), i))
		}
		synctest.Wait()
		time.Sleep(dispatch.DefaultLinger)
		synctest.Wait()
		accepted := 0
		for _, end := range ends {
			select {
			case err := <-end:
				require.NoError(t, err)
				accepted++
			default:
			}
		}
		require.Equal(t, 4, accepted)
		time.Sleep(time.Minute)
		require.LessOrEqual(t, w.calls(), 1+40, "it backs off")
		client.hush()
	})
}

// Some stand-ins for SNS take no MessageStructure but json. What they refuse goes again without, and so does all that
// follows.
func TestStructureThatIsRefusedIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &structureClient{}
		w := newWorld(t, func(s *setup) {
			s.through = func(next alertsns.Client) alertsns.Client { client.Client = next; return client }
		})
		for i := range 3 {
			require.NoError(t, w.PublishMessage(t.Context(), newAlert(i), sampleMessage(i)))
		}
		require.Equal(t, 1, client.refused, "once is enough to know")
		messages := w.SNS.Messages(w.arn)
		require.Len(t, messages, 3)
		for _, m := range messages {
			require.Empty(t, m.Structure)
		}
		require.Zero(t, w.Status()[0].Failures)
	})
}

// A message that SNS refuses for something else is refused, and says nothing about the structure.
func TestStructureStaysWhereItIsNotTheFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
			if e.Body != "body 0" {
				return nil
			}
			return &fakeaws.EntryFailure{Code: "InvalidParameter", Message: "odd", SenderFault: true}
		})
		require.ErrorAs(t, w.PublishMessage(t.Context(), newAlert(0), sampleMessage(0)), new(*alert.RejectedError))
		require.NoError(t, w.PublishMessage(t.Context(), newAlert(1), sampleMessage(1)))
		require.Equal(t, alert.StructureString, w.SNS.Messages(w.arn)[0].Structure)
	})
}

// sampleMessage is a message of the mode without rules.
func sampleMessage(i int) alert.Message {
	m := newMessage(newAlert(i), "body "+strconv.Itoa(i))
	m.Structure = alert.StructureString
	return m
}

// structureClient answers as moto does.
type structureClient struct {
	alertsns.Client
	refused int
}

func (c *structureClient) PublishBatch(
	ctx context.Context, in *sns.PublishBatchInput, o ...func(*sns.Options),
) (*sns.PublishBatchOutput, error) {
	for _, e := range in.PublishBatchRequestEntries {
		if e.MessageStructure != nil && *e.MessageStructure != "json" {
			c.refused++
			return &sns.PublishBatchOutput{Failed: []types.BatchResultErrorEntry{{
				Id: e.Id, Code: new("InvalidParameter"), Message: new("Invalid parameter: MessageStructure"),
				SenderFault: true,
			}}}, nil
		}
	}
	return c.Client.PublishBatch(ctx, in, o...)
}

// A topic is asked in the region of its ARN, whatever the client's is.
func TestTopicIsAskedInItsRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		regions := map[string]string{}
		w := newWorld(t, func(s *setup) {
			s.cfg.Topics = map[string]dispatch.TopicConfig{"far": {ARN: "arn:aws:sns:eu-west-1:000000000000:far"}}
			s.through = func(next alertsns.Client) alertsns.Client { return &regionClient{next, &mu, regions} }
		})
		a := newAlert(1)
		a.Topic = "far"
		far := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { far <- w.PublishMessage(ctx, a, newMessage(a, "body")) }()
		require.NoError(t, <-w.send(t.Context(), 2))
		require.ErrorIs(t, <-far, context.DeadlineExceeded, "there is no such topic in this emulator")
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, map[string]string{
			"PublishBatch " + w.arn: "us-east-1", "GetTopicAttributes " + w.arn: "us-east-1",
			"PublishBatch arn:aws:sns:eu-west-1:000000000000:far":       "eu-west-1",
			"GetTopicAttributes arn:aws:sns:eu-west-1:000000000000:far": "eu-west-1",
		}, regions)
	})
}

// regionClient notes the regions that calls are made in.
type regionClient struct {
	alertsns.Client

	mu      *sync.Mutex
	regions map[string]string
}

func (c *regionClient) note(call string, options []func(*sns.Options)) {
	var o sns.Options
	for _, f := range options {
		f(&o)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.regions[call] = o.Region
}

func (c *regionClient) PublishBatch(
	ctx context.Context, in *sns.PublishBatchInput, o ...func(*sns.Options),
) (*sns.PublishBatchOutput, error) {
	c.note("PublishBatch "+*in.TopicArn, o)
	return c.Client.PublishBatch(ctx, in, o...)
}

func (c *regionClient) GetTopicAttributes(
	ctx context.Context, in *sns.GetTopicAttributesInput, o ...func(*sns.Options),
) (*sns.GetTopicAttributesOutput, error) {
	c.note("GetTopicAttributes "+*in.TopicArn, o)
	return c.Client.GetTopicAttributes(ctx, in, o...)
}

// Up to the calls in flight, a call that does not come back holds only the alerts in it.
func TestSlowCallHoldsOnlyItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		// Three of the four calls that may be under way are held; the fourth place keeps publishing.
		w.Faults.Add(fakeaws.Fault{
			Operation: "PublishBatch", Kind: fakeaws.Delay, Delay: 4 * time.Second,
			Times: dispatch.DefaultInFlight - 1,
		})
		var slow []<-chan error
		for i := range dispatch.DefaultInFlight - 1 {
			slow = append(slow, w.send(t.Context(), i))
			time.Sleep(2 * dispatch.DefaultLinger)
		}
		for i := range 100 {
			start := time.Now()
			require.NoError(t, <-w.send(t.Context(), 100+i))
			require.LessOrEqual(t, time.Since(start), dispatch.DefaultLinger)
		}
		for _, end := range slow {
			pending(t, end)
		}
		for _, end := range slow {
			require.NoError(t, <-end)
		}
	})
}

// Nor does an entry that fails over and over hold another key, also while others fail beside it.
func TestFailingEntriesHoldNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
			if len(e.Body) == len("body 1") { // bodies 0 to 9
				return &fakeaws.EntryFailure{Code: "InternalError"}
			}
			return nil
		})
		for i := range 10 {
			w.send(t.Context(), i)
		}
		for i := range 50 {
			start := time.Now()
			require.NoError(t, <-w.send(t.Context(), 10+i), strconv.Itoa(i))
			require.LessOrEqual(t, time.Since(start), dispatch.DefaultLinger)
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// A process that stops waits for no topic that refuses: what waits is let go at once, single alerts and digests alike.
func TestDrainLetsGoOfATopicThatRefuses(t *testing.T) {
	for name, options := range map[string][]option{"one by one": {absent}, "digests": {absent, limited}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, options...)
				var ends []<-chan error
				for i := range 60 {
					ends = append(ends, w.send(t.Context(), i))
				}
				time.Sleep(time.Minute)
				for _, end := range ends {
					pending(t, end)
				}
				w.Drain()
				start := time.Now()
				for _, end := range ends {
					require.ErrorIs(t, <-end, alert.ErrHeld)
				}
				require.ErrorIs(t, <-w.send(t.Context(), 100), alert.ErrHeld, "what comes later neither")
				require.LessOrEqual(t, time.Since(start), time.Second)
			})
		})
	}
}

// A caller that hands over to a digest that goes nowhere gets an answer, too.
func TestDrainLetsGoOfWhatIsGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, absent, limited)
		for i := range 60 {
			w.send(t.Context(), i)
		}
		time.Sleep(time.Minute)
		ends := make(chan error, 10)
		for i := range cap(ends) {
			require.True(t, w.Gather(newAlert(100+i), func(err error) { ends <- err }))
		}
		w.Drain()
		for range cap(ends) {
			require.ErrorIs(t, <-ends, alert.ErrHeld)
		}
		synctest.Wait()
		require.False(t, w.Status()[0].Digesting)
	})
}

// A topic that answers is drained as ever, and so is one that only fails: it may come back within the budget.
func TestDrainWaitsForATopicThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		synctest.Wait()
		w.Faults.Add(fakeaws.Fault{Operation: "PublishBatch", Kind: fakeaws.Partition, Times: 5})
		end := w.send(t.Context(), 1)
		time.Sleep(100 * time.Millisecond)
		w.Drain()
		require.NoError(t, <-end)
	})
}
