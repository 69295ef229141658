package system

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// The streams that tests write to.
const (
	outputStream  = "scored"
	highOutStream = "scored-high"
)

// outputPosition is where an output record says that it came from.
type outputPosition struct {
	Stream         string `json:"stream"`
	ShardID        string `json:"shardId"`
	SequenceNumber string `json:"sequenceNumber"`
	SubSequence    uint64 `json:"subSequenceNumber"`
}

// outputSeen is a record of an output stream.
type outputSeen struct {
	Record fakeaws.StoredRecord `json:"-"`

	N        int            `json:"n"`
	Position outputPosition `json:"sourcePosition"`
}

func outputRecords(t *testing.T, fake *fakeaws.AWS, stream string) []outputSeen {
	t.Helper()
	var all []outputSeen
	for _, r := range fake.Kinesis.Records(stream) {
		seen := outputSeen{Record: r}
		require.NoError(t, json.Unmarshal(r.Data, &seen), "%s", r.Data)
		all = append(all, seen)
	}
	return all
}

// outputLedger are records that were put, and what an output stream must hold of them.
type outputLedger struct {
	fake *fakeaws.AWS
	put  []outputSeen // N, key and position
}

// Put puts records of a few keys, numbered on.
func (l *outputLedger) Put(count, keys int, rate func(n int) int) {
	for range count {
		n := len(l.put)
		key := fmt.Sprintf("patient-%d", n%keys)
		data := fmt.Appendf(nil, `{"n":%d,"heartRate":%d}`, n, rate(n))
		shard, sequence := l.fake.Kinesis.Put(testkit.TestStream, key, data)
		l.put = append(l.put, outputSeen{
			N: n, Record: fakeaws.StoredRecord{PartitionKey: key},
			Position: outputPosition{ShardID: shard, SequenceNumber: sequence},
		})
	}
}

// Check wants each record for which owed says so in the stream: as often as that, under its key, with its position,
// and in the order of its key.
func (l *outputLedger) Check(t *testing.T, stream string, most int, owed func(n int) bool) {
	t.Helper()
	times, last := map[int]int{}, map[string]int{}
	for _, r := range outputRecords(t, l.fake, stream) {
		put := l.put[r.N]
		require.True(t, owed(r.N), "record %d is not to be written", r.N)
		require.Equal(t, put.Record.PartitionKey, r.Record.PartitionKey)
		require.Equal(t, put.Position.ShardID, r.Position.ShardID)
		require.Equal(t, put.Position.SequenceNumber, r.Position.SequenceNumber)
		require.Contains(t, r.Position.Stream, testkit.TestStream)
		if times[r.N]++; times[r.N] == 1 {
			key := r.Record.PartitionKey
			before, any := last[key]
			require.True(t, !any || before < r.N, "record %d of %s is behind record %d", r.N, key, before)
			last[key] = r.N
		}
	}
	for _, put := range l.put {
		if owed(put.N) {
			require.Contains(t, times, put.N, "record %d is missing", put.N)
			require.LessOrEqual(t, times[put.N], most, "record %d", put.N)
		}
	}
}

// withOutputs adds an output of every record, and one of those with a high rate.
func withOutputs(c *config.Config) {
	c.Outputs = map[string]alert.OutputConfig{
		"scored": {Stream: outputStream},
		"high":   {Stream: highOutStream, When: "heartRate > 149"},
	}
}

func every(int) bool { return true }

// Each record is in the output stream once, in the order of its key, with the place that it came from; a daemon that
// starts again writes nothing twice.
func TestDaemonWritesOutputs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 3)
		fake.Kinesis.Create(outputStream, 2)
		fake.Kinesis.Create(highOutStream, 1)
		testkit.CreateTopic(t, fake)
		ledger := &outputLedger{fake: fake}
		rate := func(n int) int { return 60 + 10*(n%13) }
		high := func(n int) bool { return rate(n) > 149 }
		change := func(c *config.Config, _ *daemon.Options) { withOutputs(c) }
		d := testdaemon.StartDaemon(t, fake, change)
		time.Sleep(2 * time.Second)
		ledger.Put(600, 20, rate)
		time.Sleep(5 * time.Second)
		ledger.Check(t, outputStream, 1, every)
		ledger.Check(t, highOutStream, 1, high)
		require.Len(t, testkit.Messages(fake), len(outputRecords(t, fake, highOutStream)))
		require.NoError(t, d.End())

		ledger.Put(100, 20, rate)
		d = testdaemon.StartDaemon(t, fake, change)
		time.Sleep(5 * time.Second)
		require.NoError(t, d.End())
		ledger.Check(t, outputStream, 1, every)
		ledger.Check(t, highOutStream, 1, high)
	})
}
