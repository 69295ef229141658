package fakeaws

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

func putOne(ctx context.Context, c *kinesis.Client) error {
	_, err := c.PutRecord(
		ctx,
		&kinesis.PutRecordInput{StreamName: aws.String(testStream), PartitionKey: aws.String("k"), Data: []byte("d")},
	)
	return err
}

// Each kind of fault, through both doors: what the client sees, and whether the record is there afterwards.
func TestFaultKinds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  Fault
		code   string // "" for no API error
		stored int
		ended  bool // only by the client's own context
	}{
		{name: "before", fault: Fault{Kind: Before}, code: "InternalFailure"},
		{
			name: "before with an error", code: "LimitExceededException",
			fault: Fault{Kind: Before, Err: &Error{Code: "LimitExceededException", Message: "too many"}},
		},
		{
			name: "throttle", fault: Throttle(ServiceKinesis, "PutRecord"),
			code: "ProvisionedThroughputExceededException",
		},
		{name: "after", fault: Fault{Kind: After}, code: "InternalFailure", stored: 1},
		{name: "black hole", fault: Fault{Kind: BlackHole}, ended: true},
		{name: "lost", fault: Fault{Kind: Lost}, ended: true, stored: 1},
		{name: "partition", fault: Fault{Kind: Partition}},
		{name: "delay beyond the client's patience", fault: Fault{Kind: Delay, Delay: time.Hour}, ended: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kinesisDoors(t, Options{}, func(w kinesisWorld) {
				t, a, c := w.t, w.aws, w.client
				a.Kinesis.Create(testStream, 1)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				fault := tt.fault
				if tt.ended {
					// The client loses patience a while after its request has arrived, however slow the machine is.
					fault.Match = func(*Request) bool {
						time.AfterFunc(50*time.Millisecond, cancel)
						return true
					}
				}
				a.Faults.Add(fault)
				err := putOne(ctx, c)
				require.Error(t, err)
				var apiErr smithy.APIError
				if tt.code == "" {
					require.NotErrorAs(t, err, &apiErr)
				} else {
					requireKinesisError(t, tt.code, err)
				}
				require.Equal(t, tt.ended, errors.Is(err, context.Canceled), "%v", err)
				require.Len(t, a.Kinesis.Records(testStream), tt.stored)
				require.Equal(t, tt.stored, a.History.Count(ServiceKinesis, "PutRecord"))
			})
		})
	}
}

// A black hole costs a client in a bubble exactly its own patience.
func TestFaultBlackHoleTakesVirtualTime(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		a.Faults.Add(Fault{Kind: BlackHole})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		require.ErrorIs(t, putOne(ctx, c), context.DeadlineExceeded)
		require.Equal(t, 3*time.Hour, time.Since(start))
	})
}

// The timeout of an http.Client ends a request as a context does.
func TestFaultHTTPClientTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{})
		a.Kinesis.Create(testStream, 1)
		a.Faults.Add(Fault{Kind: BlackHole})
		client := a.HTTPClient()
		client.Timeout = time.Minute
		start := time.Now()
		require.Error(t, putOne(t.Context(), kinesisClient("http://fake.test", client, "me")))
		require.Equal(t, time.Minute, time.Since(start))
	})
}

func TestFaultDelay(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		a.Faults.Add(Fault{Kind: Delay, Delay: 7 * time.Second})
		start := time.Now()
		require.NoError(t, putOne(t.Context(), c))
		require.Equal(t, 7*time.Second, time.Since(start))
		require.Len(t, a.Kinesis.Records(testStream), 1)
	})
}

// A rule hits the service, operation, client and request that it names, as often as it says, and no other.
func TestFaultScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{Unthrottled: true})
		a.Kinesis.Create(testStream, 2)
		mine := kinesisClient("http://fake.test", a.HTTPClient(), "mine")
		other := kinesisClient("http://fake.test", a.HTTPClient(), "other")

		a.Faults.Add(Fault{Service: ServiceDynamoDB})
		a.Faults.Add(Fault{Operation: "GetRecords"})
		remove := a.Faults.Add(Fault{Client: "mine"})
		require.Error(t, putOne(t.Context(), mine))
		require.NoError(t, putOne(t.Context(), other))
		remove()
		remove()
		require.NoError(t, putOne(t.Context(), mine))

		a.Faults.Add(Fault{Operation: "PutRecord", Times: 2})
		require.Error(t, putOne(t.Context(), mine))
		require.Error(t, putOne(t.Context(), other))
		require.NoError(t, putOne(t.Context(), mine))

		broken := false
		a.Faults.Add(Fault{Operation: "PutRecord", When: func() bool { return broken }})
		require.NoError(t, putOne(t.Context(), mine))
		broken = true
		require.Error(t, putOne(t.Context(), mine))
		a.Faults.Clear()
		require.NoError(t, putOne(t.Context(), mine))

		good, bad := fromHorizon(t, mine, shardID(0)), fromHorizon(t, mine, shardID(1))
		a.Faults.Add(Fault{Match: func(r *Request) bool { return strings.Contains(string(r.Body), *bad) }})
		read(t, mine, good)
		_, err := mine.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: bad})
		requireKinesisError(t, "InternalFailure", err)
	})
}

// The rule that was added first wins.
func TestFaultOrder(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		a.Faults.Add(Fault{Err: &Error{Code: "First"}, Times: 1})
		a.Faults.Add(Fault{Err: &Error{Code: "Second"}})
		requireKinesisError(t, "First", putOne(t.Context(), c))
		requireKinesisError(t, "Second", putOne(t.Context(), c))
	})
}

// A request whose context has ended is not sent.
func TestCancelledRequestHasNoEffect(t *testing.T) {
	kinesisDoors(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, putOne(ctx, c), context.Canceled)
		require.Empty(t, a.Kinesis.Records(testStream))
	})
}
