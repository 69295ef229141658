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

func TestKinesisStreamLife(t *testing.T) {
	const wait = time.Minute
	kinesisBubble(t, Options{StreamActivation: wait}, func(w kinesisWorld) {
		t, c := w.t, w.client
		ctx, name := t.Context(), aws.String(testStream)
		status := func() types.StreamStatus {
			d, err := c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name})
			require.NoError(t, err)
			return d.StreamDescriptionSummary.StreamStatus
		}
		put := func() error {
			_, err := c.PutRecord(
				ctx, &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("k"), Data: []byte("d")},
			)
			return err
		}
		create := &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(3)}
		created := time.Now()
		_, err := c.CreateStream(ctx, create)
		require.NoError(t, err)
		_, err = c.CreateStream(ctx, create)
		requireKinesisError(t, "ResourceInUseException", err)

		require.Equal(t, types.StreamStatusCreating, status())
		requireKinesisError(t, "ResourceNotFoundException", put())
		_, err = c.ListShards(ctx, &kinesis.ListShardsInput{StreamName: name})
		requireKinesisError(t, "ResourceInUseException", err)

		time.Sleep(wait)
		require.NoError(t, put())
		d, err := c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name})
		require.NoError(t, err)
		s := d.StreamDescriptionSummary
		require.Equal(t, types.StreamStatusActive, s.StreamStatus)
		require.Equal(t, "arn:aws:kinesis:us-east-1:000000000000:stream/readings", *s.StreamARN)
		require.Equal(t, created.UTC(), *s.StreamCreationTimestamp)
		require.EqualValues(t, 3, *s.OpenShardCount)
		require.EqualValues(t, 24, *s.RetentionPeriodHours)
		require.EqualValues(t, 1024, *s.MaxRecordSizeInKiB)

		_, err = c.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: name})
		require.NoError(t, err)
		require.Equal(t, types.StreamStatusDeleting, status())
		requireKinesisError(t, "ResourceNotFoundException", put())
		time.Sleep(wait)
		_, err = c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name})
		requireKinesisError(t, "ResourceNotFoundException", err)
		_, err = c.CreateStream(ctx, create)
		require.NoError(t, err)
	})
}

func TestKinesisCreateStream(t *testing.T) {
	kinesisDoors(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		onDemand := &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}
		for i, tt := range []struct {
			in     kinesis.CreateStreamInput
			shards int
			code   string
		}{
			{in: kinesis.CreateStreamInput{}, shards: 1},
			{in: kinesis.CreateStreamInput{StreamModeDetails: onDemand}, shards: 4},
			{
				in:   kinesis.CreateStreamInput{StreamModeDetails: onDemand, ShardCount: aws.Int32(2)},
				code: "InvalidArgumentException",
			},
			{in: kinesis.CreateStreamInput{ShardCount: aws.Int32(0)}, code: "ValidationException"},
			{in: kinesis.CreateStreamInput{ShardCount: aws.Int32(10_001)}, code: "LimitExceededException"},
			{in: kinesis.CreateStreamInput{StreamName: aws.String("a b")}, code: "ValidationException"},
			{in: kinesis.CreateStreamInput{MaxRecordSizeInKiB: aws.Int32(10_241)}, code: "ValidationException"},
		} {
			if tt.in.StreamName == nil {
				tt.in.StreamName = aws.String(fmt.Sprintf("s%d", i))
			}
			_, err := c.CreateStream(t.Context(), &tt.in)
			if tt.code != "" {
				requireKinesisError(t, tt.code, err)
				continue
			}
			require.NoError(t, err)
			require.Len(t, a.Kinesis.OpenShards(*tt.in.StreamName), tt.shards)
		}
	})
}

func TestKinesisListStreams(t *testing.T) {
	kinesisDoors(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		for _, name := range []string{"c", "a", "b"} {
			a.Kinesis.Create(name, 1)
		}
		var names []string
		p := kinesis.NewListStreamsPaginator(c, &kinesis.ListStreamsInput{Limit: aws.Int32(2)})
		for p.HasMorePages() {
			out, err := p.NextPage(t.Context())
			require.NoError(t, err)
			require.LessOrEqual(t, len(out.StreamNames), 2)
			require.Len(t, out.StreamSummaries, len(out.StreamNames))
			names = append(names, out.StreamNames...)
		}
		require.Equal(t, []string{"a", "b", "c"}, names)
	})
}

func TestKinesisDescribeStreamPages(t *testing.T) {
	kinesisDoors(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 5)
		in := &kinesis.DescribeStreamInput{StreamName: aws.String(testStream), Limit: aws.Int32(3)}
		first, err := c.DescribeStream(t.Context(), in)
		require.NoError(t, err)
		require.True(t, *first.StreamDescription.HasMoreShards)
		in.ExclusiveStartShardId = first.StreamDescription.Shards[2].ShardId
		second, err := c.DescribeStream(t.Context(), in)
		require.NoError(t, err)
		require.False(t, *second.StreamDescription.HasMoreShards)
		all := append(first.StreamDescription.Shards, second.StreamDescription.Shards...)
		require.Equal(t, listShards(t, c, nil), all)
	})
}

// Records live as long as the retention says, and what is gone does not come back.
func TestKinesisRetention(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		name := aws.String(testStream)
		a.Kinesis.Create(testStream, 1)
		readAll := func() []string { return payloads(read(t, c, fromHorizon(t, c, "shardId-000000000000")).Records) }
		increase := func(hours int32) error {
			_, err := c.IncreaseStreamRetentionPeriod(t.Context(),
				&kinesis.IncreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: &hours})
			return err
		}
		decrease := func(hours int32) error {
			_, err := c.DecreaseStreamRetentionPeriod(t.Context(),
				&kinesis.DecreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: &hours})
			return err
		}
		a.Kinesis.Put(testStream, "k", []byte("first"))
		time.Sleep(20 * time.Hour)
		a.Kinesis.Put(testStream, "k", []byte("second"))
		time.Sleep(4 * time.Hour)
		require.Equal(t, []string{"first", "second"}, readAll())
		time.Sleep(time.Millisecond)
		require.Equal(t, []string{"second"}, readAll())

		require.NoError(t, increase(48))
		require.Equal(t, []string{"second"}, readAll())
		time.Sleep(40 * time.Hour)
		require.Equal(t, []string{"second"}, readAll())
		require.NoError(t, decrease(24))
		require.Empty(t, readAll())
		require.NoError(t, increase(8760))
		require.Empty(t, readAll())

		requireKinesisError(t, "InvalidArgumentException", increase(8761))
		requireKinesisError(t, "InvalidArgumentException", increase(24))
		requireKinesisError(t, "InvalidArgumentException", decrease(23))
		require.NoError(t, decrease(30))
		requireKinesisError(t, "InvalidArgumentException", decrease(31))
	})
}

// A closed shard is listed, and can be read, until its last record has expired.
func TestKinesisClosedShardExpires(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		parent := a.Kinesis.OpenShards(testStream)[0]
		a.Kinesis.Put(testStream, "k", []byte("d"))
		low, high := a.Kinesis.Split(testStream, parent)
		time.Sleep(24 * time.Hour)
		require.Equal(t, []string{parent, low, high}, shardIDs(listShards(t, c, nil)))
		it := fromHorizon(t, c, parent)
		time.Sleep(time.Millisecond)
		shards := listShards(t, c, nil)
		require.Equal(t, []string{low, high}, shardIDs(shards))
		require.Equal(t, parent, *shards[0].ParentShardId)
		_, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
		requireKinesisError(t, "ResourceNotFoundException", err)
		_, err = c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String(testStream), ShardId: &parent, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		requireKinesisError(t, "ResourceNotFoundException", err)
	})
}

func TestKinesisTrim(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		shard := a.Kinesis.OpenShards(testStream)[0]
		a.Kinesis.Put(testStream, "k", []byte("old"))
		it := fromHorizon(t, c, shard)
		time.Sleep(time.Second)
		a.Kinesis.Put(testStream, "k", []byte("new"))
		a.Kinesis.Trim(testStream, time.Now())
		require.Equal(t, []string{"new"}, payloads(read(t, c, it).Records))
		a.Kinesis.Trim(testStream, time.Now().Add(time.Hour))
		a.Kinesis.Put(testStream, "k", []byte("newer"))
		require.Equal(t, []string{"newer"}, payloads(read(t, c, it).Records))

		low, high := a.Kinesis.Split(testStream, shard)
		a.Kinesis.Trim(testStream, time.Now().Add(time.Hour))
		require.Equal(t, []string{low, high}, shardIDs(listShards(t, c, nil)))
		horizon := &types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}
		require.Equal(t, []string{low, high}, shardIDs(listShards(t, c, horizon)))
	})
}

func TestKinesisMaxRecordSize(t *testing.T) {
	kinesisBubble(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		ctx, name, key := t.Context(), aws.String(testStream), aws.String("k")
		a.Kinesis.Create(testStream, 1)
		put := func(size int) error {
			_, err := c.PutRecord(
				ctx, &kinesis.PutRecordInput{StreamName: name, PartitionKey: key, Data: make([]byte, size)},
			)
			return err
		}
		raise := func(kib int32) error {
			_, err := c.UpdateMaxRecordSize(ctx, &kinesis.UpdateMaxRecordSizeInput{
				StreamARN:          aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/" + testStream),
				MaxRecordSizeInKiB: &kib,
			})
			return err
		}
		require.NoError(t, put(1<<20-1), "the key counts")
		requireKinesisError(t, "InvalidArgumentException", put(1<<20))
		requireKinesisError(t, "ValidationException", raise(1023))
		requireKinesisError(t, "ValidationException", raise(10241))
		require.NoError(t, raise(10240))
		require.NoError(t, put(10<<20-1))
		requireKinesisError(t, "InvalidArgumentException", put(10<<20))
		page := read(t, c, fromHorizon(t, c, "shardId-000000000000"))
		require.Len(t, page.Records, 1, "both do not fit a page of 10 MiB")
		page = read(t, c, page.NextShardIterator)
		require.Len(t, page.Records[0].Data, 10<<20-1)
	})
}
