package fakeaws

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
)

func TestKinesisIteratorTypes(t *testing.T) {
	kinesisDoors(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		var sequences []string
		var arrivals []time.Time
		for i := range 4 {
			_, s := a.Kinesis.Put(testStream, "k", fmt.Append(nil, i))
			sequences = append(sequences, s)
			time.Sleep(2 * time.Millisecond)
		}
		for _, r := range a.Kinesis.Records(testStream) {
			arrivals = append(arrivals, r.Arrival)
		}
		starting := listShards(t, c, nil)[0].SequenceNumberRange.StartingSequenceNumber
		for _, tt := range []struct {
			name string
			in   kinesis.GetShardIteratorInput
			want []string
		}{
			{
				"horizon",
				kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
				[]string{"0", "1", "2", "3"},
			},
			{"latest", kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest}, []string{}},
			{"at", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &sequences[2],
			}, []string{"2", "3"}},
			{"after", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &sequences[2],
			}, []string{"3"}},
			{"after the last", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &sequences[3],
			}, []string{}},
			{"at the start of the shard", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: starting,
			}, []string{"0", "1", "2", "3"}},
			{"at a time", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &arrivals[1],
			}, []string{"1", "2", "3"}},
			{"between times", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAtTimestamp,
				Timestamp:         aws.Time(arrivals[1].Add(time.Millisecond)),
			}, []string{"2", "3"}},
			{"before all times", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(arrivals[0].Add(-time.Hour)),
			}, []string{"0", "1", "2", "3"}},
			{"after all times", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAtTimestamp,
				Timestamp:         aws.Time(arrivals[3].Add(time.Millisecond)),
			}, []string{}},
		} {
			tt.in.ShardId = aws.String(shardID(0))
			page := read(t, c, shardIterator(t, c, tt.in))
			require.Equal(t, tt.want, payloads(page.Records), tt.name)
			require.Zero(t, *page.MillisBehindLatest, tt.name)
		}
	})
}

// An iterator that found nothing still gets what comes next, each record once.
func TestKinesisLatestGoesOn(t *testing.T) {
	kinesisDoors(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		a.Kinesis.Put(testStream, "k", []byte("before"))
		it := shardIterator(t, c, kinesis.GetShardIteratorInput{
			ShardId: aws.String(shardID(0)), ShardIteratorType: types.ShardIteratorTypeLatest,
		})
		for i := range 3 {
			page := read(t, c, it)
			require.Empty(t, page.Records)
			a.Kinesis.Put(testStream, "k", fmt.Append(nil, i))
			page = read(t, c, page.NextShardIterator)
			require.Equal(t, []string{fmt.Sprint(i)}, payloads(page.Records))
			it = page.NextShardIterator
		}
	})
}

func TestKinesisIteratorErrors(t *testing.T) {
	kinesisDoors(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 2)
		_, mine := a.Kinesis.Put(testStream, "a", []byte("d"))
		_, other := a.Kinesis.Put(testStream, "b", []byte("d"))
		a.Kinesis.Create("elsewhere", 1)
		_, foreign := a.Kinesis.Put("elsewhere", "a", []byte("d"))
		a.Kinesis.Delete(testStream)
		a.Kinesis.Create(testStream, 2)
		former := mine
		_, mine = a.Kinesis.Put(testStream, "a", []byte("d"))
		last := mine[len(mine)-1]
		unknown := mine[:len(mine)-1] + string('0'+(last-'0'+1)%10)

		const at, after = types.ShardIteratorTypeAtSequenceNumber, types.ShardIteratorTypeAfterSequenceNumber
		for _, tt := range []struct {
			name string
			in   kinesis.GetShardIteratorInput
			code string
		}{
			{
				"of another shard",
				kinesis.GetShardIteratorInput{ShardIteratorType: after, StartingSequenceNumber: &other},
				"InvalidArgumentException",
			},
			{
				"of another stream",
				kinesis.GetShardIteratorInput{ShardIteratorType: at, StartingSequenceNumber: &foreign},
				"InvalidArgumentException",
			},
			{
				"of the stream that had this name",
				kinesis.GetShardIteratorInput{ShardIteratorType: after, StartingSequenceNumber: &former},
				"InvalidArgumentException",
			},
			{
				"made up",
				kinesis.GetShardIteratorInput{ShardIteratorType: at, StartingSequenceNumber: &unknown},
				"InvalidArgumentException",
			},
			{
				"not a number",
				kinesis.GetShardIteratorInput{ShardIteratorType: at, StartingSequenceNumber: aws.String("SHARD_END")},
				"InvalidArgumentException",
			},
			{"missing", kinesis.GetShardIteratorInput{ShardIteratorType: at}, "InvalidArgumentException"},
			{"with LATEST", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeLatest, StartingSequenceNumber: &mine,
			}, "InvalidArgumentException"},
			{
				"no time",
				kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp},
				"InvalidArgumentException",
			},
			{"the future", kinesis.GetShardIteratorInput{
				ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(time.Now().Add(time.Minute)),
			}, "InvalidArgumentException"},
			{"unknown type", kinesis.GetShardIteratorInput{ShardIteratorType: "OLDEST"}, "ValidationException"},
			{"unknown shard", kinesis.GetShardIteratorInput{
				ShardId: aws.String(shardID(2)), ShardIteratorType: types.ShardIteratorTypeLatest,
			}, "ResourceNotFoundException"},
			{"no shard id", kinesis.GetShardIteratorInput{
				ShardId: aws.String("0"), ShardIteratorType: types.ShardIteratorTypeLatest,
			}, "ResourceNotFoundException"},
			{"unknown stream", kinesis.GetShardIteratorInput{
				StreamName: aws.String("nowhere"), ShardIteratorType: types.ShardIteratorTypeLatest,
			}, "ResourceNotFoundException"},
		} {
			if tt.in.StreamName == nil {
				tt.in.StreamName = aws.String(testStream)
			}
			if tt.in.ShardId == nil {
				tt.in.ShardId = aws.String(shardID(0))
			}
			_, err := c.GetShardIterator(t.Context(), &tt.in)
			require.Error(t, err, tt.name)
			requireKinesisError(t, tt.code, err)
		}
	})
}

func TestKinesisTrimmedSequence(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		_, trimmed := a.Kinesis.Put(testStream, "k", []byte("old"))
		time.Sleep(time.Second)
		a.Kinesis.Trim(testStream, time.Now())
		a.Kinesis.Put(testStream, "k", []byte("new"))
		in := kinesis.GetShardIteratorInput{
			ShardId: aws.String(shardID(0)), ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber,
			StartingSequenceNumber: &trimmed,
		}
		require.Equal(t, []string{"new"}, payloads(read(t, c, shardIterator(t, c, in)).Records))
		a.Kinesis.AnswerTrimmed(TrimmedRefused)
		_, err := c.GetShardIterator(t.Context(), &in)
		requireKinesisError(t, "InvalidArgumentException", err)
	})
}

// An iterator lives for five minutes after it was handed out, whatever is done with it.
func TestKinesisIteratorExpires(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		it := fromHorizon(t, c, shardID(0))
		time.Sleep(5*time.Minute - time.Millisecond)
		next := read(t, c, it).NextShardIterator
		time.Sleep(time.Millisecond)
		_, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
		requireKinesisError(t, "ExpiredIteratorException", err)
		read(t, c, next)

		a.Kinesis.ExpireIterators()
		_, err = c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
		requireKinesisError(t, "ExpiredIteratorException", err)
		read(t, c, fromHorizon(t, c, shardID(0)))
	})
}

func TestKinesisGetRecordsErrors(t *testing.T) {
	kinesisDoors(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		it := fromHorizon(t, c, shardID(0))
		get := func(iterator string, limit *int32) error {
			_, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &iterator, Limit: limit})
			return err
		}
		require.NoError(t, get(*it, aws.Int32(10_000)))
		requireKinesisError(t, "InvalidArgumentException", get(*it, aws.Int32(10_001)))
		requireKinesisError(t, "ValidationException", get(*it, aws.Int32(0)))
		requireKinesisError(t, "InvalidArgumentException", get("garbage", nil))
		requireKinesisError(t, "InvalidArgumentException", get("B"+(*it)[1:], nil))
		a.Kinesis.Delete(testStream)
		a.Kinesis.Create(testStream, 1)
		requireKinesisError(t, "ResourceNotFoundException", get(*it, nil))
	})
}

func TestKinesisReadCallRate(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 2)
		it, other := fromHorizon(t, c, shardID(0)), fromHorizon(t, c, shardID(1))
		for range 5 {
			it = read(t, c, it).NextShardIterator
		}
		_, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
		requireKinesisError(t, "ProvisionedThroughputExceededException", err)
		read(t, c, other)
		for range 50 {
			time.Sleep(200 * time.Millisecond)
			it = read(t, c, it).NextShardIterator
		}
		for range 5 {
			fromHorizon(t, c, shardID(0))
		}
		_, err = c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String(testStream), ShardId: aws.String(shardID(0)),
			ShardIteratorType: types.ShardIteratorTypeLatest,
		})
		requireKinesisError(t, "ProvisionedThroughputExceededException", err)
	})
}

// A page of 10 MiB stops the shard for five seconds; what a smaller one took above 2 MiB/s has to be waited for.
func TestKinesisReadByteRate(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		for range 15 {
			a.Kinesis.Put(testStream, "k", make([]byte, 1<<20-1))
		}
		exceeded := func(it *string) {
			t.Helper()
			_, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
			requireKinesisError(t, "ProvisionedThroughputExceededException", err)
		}
		page := read(t, c, fromHorizon(t, c, shardID(0)))
		require.Len(t, page.Records, 10)
		time.Sleep(5*time.Second - time.Millisecond)
		exceeded(page.NextShardIterator)
		time.Sleep(time.Millisecond)
		page = read(t, c, page.NextShardIterator)
		require.Len(t, page.Records, 5)
		time.Sleep(1500 * time.Millisecond)
		exceeded(page.NextShardIterator)
		time.Sleep(time.Millisecond)
		read(t, c, page.NextShardIterator)
	})
}

func TestKinesisPageOfTenThousand(t *testing.T) {
	kinesisDoors(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		for i := range 10_001 {
			a.Kinesis.Put(testStream, "k", fmt.Append(nil, i))
		}
		page := read(t, c, fromHorizon(t, c, shardID(0)))
		require.Len(t, page.Records, 10_000)
		require.Positive(t, *page.MillisBehindLatest)
		page = read(t, c, page.NextShardIterator)
		require.Equal(t, []string{"10000"}, payloads(page.Records))
		require.Zero(t, *page.MillisBehindLatest)
	})
}

func TestKinesisMillisBehindLatest(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		it := fromHorizon(t, c, shardID(0))
		for range 3 {
			a.Kinesis.Put(testStream, "k", []byte("d"))
			time.Sleep(10 * time.Second)
		}
		for _, want := range []int64{20_000, 10_000, 0, 0} {
			page, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(1)})
			require.NoError(t, err)
			require.Equal(t, want, *page.MillisBehindLatest)
			it = page.NextShardIterator
		}
	})
}

// The last records of a closed shard come with the end; so does the answer of an iterator that is there already.
func TestKinesisShardEnd(t *testing.T) {
	kinesisDoors(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		a.Kinesis.Put(testStream, "a", []byte("1"))
		_, last := a.Kinesis.Put(testStream, "a", []byte("2"))
		atEnd := kinesis.GetShardIteratorInput{
			ShardId: aws.String(shardID(0)), ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber,
			StartingSequenceNumber: &last,
		}
		waiting := shardIterator(t, c, atEnd)
		low, high := a.Kinesis.Split(testStream, shardID(0))
		a.Kinesis.Put(testStream, "a", []byte("3"))
		shards := listShards(t, c, nil)
		want := []types.ChildShard{
			{ShardId: &low, ParentShards: []string{shardID(0)}, HashKeyRange: shards[1].HashKeyRange},
			{ShardId: &high, ParentShards: []string{shardID(0)}, HashKeyRange: shards[2].HashKeyRange},
		}

		first, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{
			ShardIterator: fromHorizon(t, c, shardID(0)), Limit: aws.Int32(1),
		})
		require.NoError(t, err)
		require.Empty(t, first.ChildShards)
		page := read(t, c, first.NextShardIterator)
		require.Equal(t, []string{"2"}, payloads(page.Records))
		require.Nil(t, page.NextShardIterator)
		require.Equal(t, want, page.ChildShards)
		require.Zero(t, *page.MillisBehindLatest)

		ending := atEnd
		ending.StartingSequenceNumber = shards[0].SequenceNumberRange.EndingSequenceNumber
		latest := kinesis.GetShardIteratorInput{
			ShardId: atEnd.ShardId, ShardIteratorType: types.ShardIteratorTypeLatest,
		}
		for _, it := range []*string{
			waiting, shardIterator(t, c, atEnd), shardIterator(t, c, ending), shardIterator(t, c, latest),
		} {
			page = read(t, c, it)
			require.Empty(t, page.Records)
			require.Nil(t, page.NextShardIterator)
			require.Equal(t, want, page.ChildShards)
		}
		require.Equal(t, []string{"3"}, payloads(read(t, c, fromHorizon(t, c, low)).Records))

		child := a.Kinesis.Merge(testStream, low, high)
		page = read(t, c, fromHorizon(t, c, high))
		require.Nil(t, page.NextShardIterator)
		require.Len(t, page.ChildShards, 1)
		require.Equal(t, child, *page.ChildShards[0].ShardId)
		require.Equal(t, []string{low, high}, page.ChildShards[0].ParentShards)
	})
}

// A consumer that takes an empty page for the end of the data misses records; one that reads on does not.
func TestKinesisEmptyPages(t *testing.T) {
	kinesisDoors(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		for i := range 5 {
			a.Kinesis.Put(testStream, "k", fmt.Append(nil, i))
		}
		a.Kinesis.EmptyPages(2)
		a.Kinesis.Split(testStream, shardID(0))
		var got []string
		var sizes []int
		for it := fromHorizon(t, c, shardID(0)); it != nil; {
			page, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(2)})
			require.NoError(t, err)
			got = append(got, payloads(page.Records)...)
			sizes = append(sizes, len(page.Records))
			if len(page.Records) == 0 {
				require.Positive(t, *page.MillisBehindLatest)
			}
			it = page.NextShardIterator
		}
		require.Equal(t, []string{"0", "1", "2", "3", "4"}, got)
		require.Equal(t, []int{2, 0, 2, 0, 1}, sizes)
	})
}
