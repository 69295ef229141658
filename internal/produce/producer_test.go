package produce

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

// newProducer makes a producer of heart rates into an emulated stream.
func newProducer(t *testing.T, fake *fakeaws.AWS) *Producer {
	t.Helper()
	sample, err := NewSample("heart-rate", testkit.Seeded())
	require.NoError(t, err)
	return &Producer{Client: kinesis.NewFromConfig(testkit.Emulated(fake)), Stream: testkit.TestStream, Sample: sample}
}

func TestProducerKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		p := newProducer(t, fake)
		p.Rate = 100
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		put, err := p.Run(ctx)
		require.NoError(t, err, "the end of its time is no error")
		require.InDelta(t, 1000, put.Accepted, 10)
		records := fake.Kinesis.Records(testkit.TestStream)
		require.Len(t, records, put.Accepted)
		for _, r := range records {
			require.Equal(t, "partitionkey", r.PartitionKey, "the key of AWS' script")
		}
		require.LessOrEqual(t, fake.History.Count(fakeaws.ServiceKinesis, "PutRecords"), 210,
			"records are sent in batches")
	})
}

func TestProducerSpreadsOverKeysAndCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 4)
		p := newProducer(t, fake)
		p.Count, p.Keys = 1234, 10
		told := 0
		p.OnPut = func(n int) { told += n }
		put, err := p.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, Sum{Accepted: 1234}, put)
		require.Equal(t, 1234, told)
		keys := map[string]int{}
		for _, r := range fake.Kinesis.Records(testkit.TestStream) {
			keys[r.PartitionKey]++
		}
		require.Len(t, keys, 10)
	})
}

// A shard takes a thousand records a second. What it refuses is put again, so the count is what the stream holds.
func TestProducerPutsRefusedRecordsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		p := newProducer(t, fake)
		p.Count = 5000
		began := time.Now()
		put, err := p.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, Sum{Accepted: 5000}, put)
		require.Len(t, fake.Kinesis.Records(testkit.TestStream), 5000)
		require.Greater(t, time.Since(began), 3*time.Second, "the emulator did throttle")
	})
}

// A stop in the middle of a call waits for the answer, so that what was put is what was counted.
func TestProducerCountsItsLastCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "PutRecords", Kind: fakeaws.Delay, Delay: time.Second,
		})
		p := newProducer(t, fake)
		p.Rate = 100
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		put, err := p.Run(ctx)
		require.NoError(t, err)
		require.Len(t, fake.Kinesis.Records(testkit.TestStream), put.Accepted)
	})
}

func TestProducerNamesAMissingStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := newProducer(t, fakeaws.New(fakeaws.Options{})).Run(t.Context())
		require.ErrorContains(
			t, err,
			"stream ExampleOutputStream does not exist in this region and account (PutRecords): create it or "+
				"correct its name",
		)
	})
}

// fault makes PutRecords go wrong.
func fault(fake *fakeaws.AWS, f fakeaws.Fault) {
	f.Service, f.Operation = fakeaws.ServiceKinesis, "PutRecords"
	fake.Faults.Add(f)
}

// A producer that somebody started for an hour outlives what passes within two minutes.
func TestProducerRidesOverWhatPasses(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fakeaws.Fault{
		"throttled":   {Kind: fakeaws.Before, Err: &fakeaws.Error{Code: "ThrottlingException"}, Times: 20},
		"unavailable": {Kind: fakeaws.Before, Err: &fakeaws.Error{Code: "InternalFailure", Status: 500}, Times: 20},
		"restart":     {Kind: fakeaws.Partition, Times: 20},
		"slow":        {Kind: fakeaws.Delay, Delay: 20 * time.Second, Times: 2},
		"too slow":    {Kind: fakeaws.Delay, Delay: time.Minute, Times: 2},
		"no answer":   {Kind: fakeaws.Lost, Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testkit.TestStream, 1)
				fault(fake, f)
				p := newProducer(t, fake)
				p.Count = 300
				var troubles []error
				p.Trouble = func(err error) { troubles = append(troubles, err) }
				sum, err := p.Run(t.Context())
				require.NoError(t, err)
				require.Equal(t, 300, sum.Accepted)
				there := len(fake.Kinesis.Records(testkit.TestStream))
				require.GreaterOrEqual(t, there, 300)
				require.LessOrEqual(t, there, 300+sum.Repeated, "what may be there twice is counted")
				if name == "slow" {
					require.Empty(t, troubles, "an answer that comes is no trouble")
					return
				}
				require.Len(t, troubles, 2, "said once, and that it is over")
				require.Error(t, troubles[0])
				require.NoError(t, troubles[1])
			})
		})
	}
}

// A connection that was refused brought nothing into the stream.
func TestRefusedConnectionsRepeatNothing(t *testing.T) {
	t.Parallel()
	refused := &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	require.False(t, sent(fmt.Errorf("operation error: %w", refused)))
	require.True(t, passes(refused))
	cut := &url.Error{Op: "Post", Err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}
	require.True(t, sent(fmt.Errorf("operation error: %w", cut)))
}

// What does not pass ends it: at once where AWS says so, else after two minutes. The count is right.
func TestProducerGivesUp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault fakeaws.Fault
		text  string
		after time.Duration
	}{
		"denied": {
			fakeaws.Fault{Kind: fakeaws.Before, Err: &fakeaws.Error{Code: "AccessDeniedException"}},
			"permission PutRecords on stream ExampleOutputStream is missing", 0,
		},
		"gone": {fakeaws.Fault{Kind: fakeaws.Partition}, "no success for 2m0s: stream ExampleOutputStream: ", patience},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testkit.TestStream, 1)
				p := newProducer(t, fake)
				p.Count, p.Rate = 100, 10
				p.OnPut = func(int) {
					if len(fake.Kinesis.Records(testkit.TestStream)) == 50 {
						fault(fake, tt.fault)
					}
				}
				began := time.Now()
				sum, err := p.Run(t.Context())
				require.ErrorContains(t, err, tt.text)
				require.Equal(t, 50, sum.Accepted)
				took := time.Since(began)
				require.GreaterOrEqual(t, took, tt.after, "no sooner")
				require.LessOrEqual(t, took, 5*time.Second+tt.after+longestWait+callTimeout+time.Second)
			})
		})
	}
}
