package read

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// datedAhead makes Kinesis answer with arrival times that are years ahead.
func datedAhead(cloud *fakeaws.AWS) (end func()) {
	return cloud.Faults.Add(fakeaws.Fault{
		Operation: "GetRecords", Kind: fakeaws.Changed,
		Rewrite: func(a *fakeaws.Answer) {
			a.JSON(func(doc map[string]any) {
				records, _ := doc["Records"].([]any)
				for _, r := range records {
					r.(map[string]any)["ApproximateArrivalTimestamp"] = 4_102_444_800 //nolint:forcetypeassert // the emulator's answer
				}
			})
		},
	})
}

// A page with arrival times that cannot be is read again. For a minute that holds the shard; then its records are read
// as if they had no time, and so are those behind it. The first page with good times ends that.
func TestReaderGivesUpStrangeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		w.cloud.Kinesis.Put("stream", "k", []byte("a"))
		end := datedAhead(w.cloud)
		began := time.Now()
		p, err := w.Read(t.Context())
		for err == nil && len(p.Records) == 0 {
			p, err = w.Read(t.Context())
		}
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(began), strangeFor)
		require.Less(t, time.Since(began), strangeFor+2*maxTrouble)
		require.Nil(t, p.Records[0].ApproximateArrivalTimestamp)
		require.InDelta(t, 1, testutil.ToFloat64(w.source.metrics.Untimed), 0)
		w.cloud.Kinesis.Put("stream", "k", []byte("b"))
		began = time.Now()
		p = w.nextRecords(t)
		require.Less(t, time.Since(began), 5*time.Second, "the next ones do not wait another minute")
		require.Nil(t, p.Records[0].ApproximateArrivalTimestamp)
		end()
		w.cloud.Kinesis.Put("stream", "k", []byte("c"))
		require.NotNil(t, w.nextRecords(t).Records[0].ApproximateArrivalTimestamp)
		require.InDelta(t, 2, testutil.ToFloat64(w.source.metrics.Untimed), 0)
		defer datedAhead(w.cloud)()
		w.cloud.Kinesis.Put("stream", "k", []byte("d"))
		began = time.Now()
		require.Len(t, w.nextRecords(t).Records, 1)
		require.GreaterOrEqual(t, time.Since(began), strangeFor, "it begins anew")
	})
}

func (w *readerWorld) nextRecords(t *testing.T) Page {
	t.Helper()
	for {
		p, err := w.Read(t.Context())
		require.NoError(t, err)
		if len(p.Records) > 0 {
			return p
		}
	}
}

// One bad answer with strange times that the next one contradicts costs a moment.
func TestStrangeTimesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		w.cloud.Kinesis.Put("stream", "k", []byte("a"))
		end := datedAhead(w.cloud)
		time.AfterFunc(time.Second, end)
		began := time.Now()
		p := w.nextRecords(t)
		require.Less(t, time.Since(began), 10*time.Second)
		require.NotNil(t, p.Records[0].ApproximateArrivalTimestamp)
		require.Zero(t, testutil.ToFloat64(w.source.metrics.Untimed))
	})
}

// TestOneNullAnswerIsNoClaim: children make a claim of an answer, or the same answer again with no record in between.
func TestOneNullAnswerIsNoClaim(t *testing.T) {
	t.Parallel()
	continues := &kinesis.GetRecordsOutput{NextShardIterator: aws.String("next")}
	null := &kinesis.GetRecordsOutput{}
	withRecords := &kinesis.GetRecordsOutput{Records: []types.Record{{}}}
	named := &kinesis.GetRecordsOutput{ChildShards: []types.ChildShard{{}}}
	var n nullAnswers
	require.True(t, n.claim(named))
	n = nullAnswers{}
	require.False(t, n.claim(null))
	require.False(t, n.claim(continues))
	require.False(t, n.claim(null))
	require.False(t, n.claim(withRecords), "it said something new")
	require.True(t, n.claim(null), "the same again")
}
