package consumer

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/fakeaws"
)

// liar changes answers of GetRecords on their way to the workers.
type liar struct {
	read.Kinesis

	mu   sync.Mutex
	lie  func(*kinesis.GetRecordsOutput)
	left int // how many answers it changes; -1 for all
}

func (l *liar) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput,
	o ...func(*kinesis.Options),
) (*kinesis.GetRecordsOutput, error) {
	out, err := l.Kinesis.GetRecords(ctx, in, o...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.left != 0 {
		l.lie(out)
		l.left--
	}
	return out, err
}

func (l *liar) tell(answers int, lie func(*kinesis.GetRecordsOutput)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.lie = answers, lie
}

func endLies() map[string]func(*kinesis.GetRecordsOutput) {
	return map[string]func(*kinesis.GetRecordsOutput){
		"an empty answer": func(out *kinesis.GetRecordsOutput) { *out = kinesis.GetRecordsOutput{} },
		"no iterator":     func(out *kinesis.GetRecordsOutput) { out.NextShardIterator = nil },
		"children": func(out *kinesis.GetRecordsOutput) {
			out.NextShardIterator = nil
			out.ChildShards = []types.ChildShard{
				{ShardId: aws.String("shardId-000000000007"), ParentShards: []string{"shardId-000000000000"}},
			}
		},
	}
}

// TestFalseEndIsNotBelieved: an open shard is read on whatever a GetRecords answer says about its end, once or for a
// while.
func TestFalseEndIsNotBelieved(t *testing.T) {
	for name, lie := range endLies() {
		for _, answers := range []int{1, 3, -1} {
			inWorld(t, 1, func(w *world) {
				l := &liar{}
				w.reads = func(k read.Kinesis) read.Kinesis { l.Kinesis = k; return l }
				shard := w.cloud.Kinesis.OpenShards(testStream)[0]
				n := w.join("one")
				w.put(0, 5, 5)
				w.eventually(5*time.Second, "reading", func() bool { return w.distinct() == 5 })
				l.tell(answers, lie)
				for i := range 12 {
					w.put(5+i, 6+i, 5)
					time.Sleep(time.Second)
				}
				l.tell(0, nil)
				w.put(17, 20, 5)
				w.eventually(10*time.Second, "all after "+name, func() bool { return w.distinct() == 20 })
				require.Zero(t, w.repeats())
				require.NotEqual(t, "SHARD_END", w.cloud.DynamoDB.Item("application", shard)["checkpoint"])
				require.Len(t, n.consumer.Status(), 1)
			})
		}
	}
}

// TestEndWaitsForItsProof: while the stream cannot be listed a closed shard is held, its children wait, and both are
// named; as soon as a listing comes, they are read.
func TestEndWaitsForItsProof(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		n := w.join("one")
		w.put(0, 5, 5)
		w.eventually(5*time.Second, "reading", func() bool { return w.distinct() == 5 })
		w.cloud.Faults.Add(fakeaws.Fault{Operation: "ListShards", Kind: fakeaws.Before})
		parent := w.cloud.Kinesis.OpenShards(testStream)[0]
		low, high := w.cloud.Kinesis.Split(testStream, parent)
		split := time.Now()
		w.put(5, 10, 5)
		time.Sleep(2 * time.Minute)
		require.Equal(t, 5, w.distinct(), "no listing, no end")
		status := n.consumer.Status()
		require.Len(t, status, 1)
		require.ElementsMatch(t, []string{low, high}, status[0].EndChildren)
		require.WithinDuration(t, split, status[0].EndUnproven, 2*time.Second)
		w.cloud.Faults.Clear()
		w.eventually(10*time.Second, "the children", func() bool { return w.distinct() == 10 })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestReshardIsQuick: the proof of an end costs a listing, not a minute.
func TestReshardIsQuick(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		n := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return n.reading() == 4 })
		time.Sleep(10 * time.Second)
		for i, shard := range w.cloud.Kinesis.OpenShards(testStream) {
			w.cloud.Kinesis.Split(testStream, shard)
			w.put(10*i, 10*i+10, 10)
			w.eventually(3*time.Second, "the children of "+shard, func() bool { return w.distinct() == 10*i+10 })
		}
		w.checkOrder()
	})
}

// TestRetractedEnd: an end that waits for its proof is given up when the shard has a next iterator after all.
func TestRetractedEnd(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		l := &liar{}
		w.reads = func(k read.Kinesis) read.Kinesis { l.Kinesis = k; return l }
		w.join("one")
		w.put(0, 5, 5)
		w.eventually(5*time.Second, "reading", func() bool { return w.distinct() == 5 })
		w.cloud.Faults.Add(fakeaws.Fault{Operation: "ListShards", Kind: fakeaws.Before})
		l.tell(1, endLies()["children"])
		time.Sleep(2 * time.Second)
		w.put(5, 10, 5)
		w.eventually(10*time.Second, "read on without a listing", func() bool { return w.distinct() == 10 })
	})
}
