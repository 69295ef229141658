package produce

import (
	"context"
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
		require.InDelta(t, 1000, put, 10)
		records := fake.Kinesis.Records(testkit.TestStream)
		require.Len(t, records, put)
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
		require.Equal(t, 1234, put)
		require.Equal(t, put, told)
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
		require.Equal(t, 5000, put)
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
		require.Len(t, fake.Kinesis.Records(testkit.TestStream), put)
	})
}

func TestProducerNamesAMissingStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := newProducer(t, fakeaws.New(fakeaws.Options{})).Run(t.Context())
		require.ErrorContains(t, err, "stream ExampleOutputStream does not exist; create it, or check the region")
	})
}
