package read

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/fakeaws"
)

// readerWorld is a stream with one shard and a reader of it.
type readerWorld struct {
	cloud *fakeaws.AWS
	*Polling
	gaps     int
	unusable int
}

func newReaderWorld(t *testing.T) *readerWorld {
	t.Helper()
	cloud := fakeaws.New(fakeaws.Options{})
	cloud.Kinesis.Create("stream", 1)
	w := &readerWorld{cloud: cloud}
	source := NewSource("stream", "", readerClient(cloud, "reader"), pollInterval, NewCredits(64*Mib),
		NewMetrics(prometheus.NewPedanticRegistry()), clock.New(nil))
	w.Polling = source.Poll(Shard{
		ID: cloud.Kinesis.OpenShards("stream")[0], Log: zaptest.NewLogger(t), Activity: &Activity{},
		Retention: func() time.Duration { return 24 * time.Hour }, OnUnusable: func() { w.unusable++ },
		OnGap: func(bool) types.StartingPosition {
			w.gaps++
			return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
		},
	}, types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon})
	return w
}

// readUntil reads until n records have come, or the shard ends.
func (w *readerWorld) readUntil(t *testing.T, n int) (data []string, last Page) {
	t.Helper()
	for len(data) < n {
		p, err := w.Read(t.Context())
		require.NoError(t, err)
		for _, r := range p.Records {
			data = append(data, string(r.Data))
		}
		w.source.credits.Settle(p.Credit, 0)
		if last = p; p.End {
			break
		}
	}
	require.Zero(t, w.source.credits.InUse(), "credits are settled")
	return data, last
}

func (w *readerWorld) put(from, to int) (want []string) {
	for i := from; i < to; i++ {
		data := fmt.Sprint(i)
		w.cloud.Kinesis.Put("stream", "key", []byte(data))
		want = append(want, data)
	}
	return want
}

// TestReaderSurvives is defect 21: the library ends its consumer on the first of these errors.
func TestReaderSurvives(t *testing.T) {
	answers := map[string]*fakeaws.Error{
		"expired iterator":  {Code: "ExpiredIteratorException"},
		"internal failure":  {Code: "InternalFailureException", Status: 500},
		"unavailable":       {Code: "ServiceUnavailable", Status: 503},
		"limit exceeded":    {Code: "LimitExceededException"},
		"throttled":         {Code: "ProvisionedThroughputExceededException"},
		"KMS throttled":     {Code: "KMSThrottlingException"},
		"access denied":     {Code: "AccessDeniedException"},
		"invalid iterator":  {Code: "InvalidArgumentException"},
		"stream not active": {Code: "ResourceNotFoundException"},
		"credentials gone":  {Code: "ExpiredTokenException"},
	}
	for name, answer := range answers {
		for _, operation := range []string{"GetRecords", "GetShardIterator"} {
			t.Run(name+" of "+operation, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newReaderWorld(t)
					want := w.put(0, 10)
					got, _ := w.readUntil(t, 10)
					w.iterator = "" // so that both operations are needed
					w.cloud.Faults.Add(fakeaws.Fault{
						Operation: operation, Kind: fakeaws.Before, Err: answer, Times: refusals - 1,
					})
					want = append(want, w.put(10, 20)...)
					more, _ := w.readUntil(t, 10)
					require.Equal(t, want, append(got, more...))
				})
			})
		}
	}
}

// TestReaderRenewsExpiredIterators: an iterator that was not used for five minutes is of no use any more.
func TestReaderRenewsExpiredIterators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		want := w.put(0, 10)
		got, _ := w.readUntil(t, 10)
		time.Sleep(6 * time.Minute) // no credits for so long
		want = append(want, w.put(10, 20)...)
		start := time.Now()
		more, _ := w.readUntil(t, 10)
		require.Equal(t, want, append(got, more...))
		require.Less(t, time.Since(start), time.Second)
	})
}

// TestReaderBlackHole is defect 22: a call that is never answered has a deadline.
func TestReaderBlackHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		w.cloud.Faults.Add(fakeaws.Fault{Operation: "GetRecords", Kind: fakeaws.BlackHole, Times: 1})
		want := w.put(0, 3)
		start := time.Now()
		got, _ := w.readUntil(t, 3)
		require.Equal(t, want, got)
		require.Less(t, time.Since(start), pageTimeout+maxTrouble)
	})
}

func TestReaderEndsWithItsContext(t *testing.T) {
	for _, kind := range []fakeaws.Kind{fakeaws.BlackHole, fakeaws.Partition} {
		synctest.Test(t, func(t *testing.T) {
			w := newReaderWorld(t)
			w.cloud.Faults.Add(fakeaws.Fault{Operation: "GetRecords", Kind: kind})
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(3*time.Second, func() { cancel(errStopping) })
			start := time.Now()
			_, err := w.Read(ctx)
			require.ErrorIs(t, err, errStopping)
			require.Equal(t, 3*time.Second, time.Since(start))
			require.Zero(t, w.source.credits.InUse())
		})
	}
}

// TestReaderLostPosition is defect 36: a position that the stream no longer holds is refused forever.
func TestReaderLostPosition(t *testing.T) {
	for _, how := range fakeaws.TrimmedAnswers() {
		t.Run(how.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newReaderWorld(t)
				w.cloud.Kinesis.AnswerTrimmed(how)
				w.put(0, 10)
				_, last := w.readUntil(t, 10)
				time.Sleep(25 * time.Hour)
				want := w.put(10, 20)
				w.iterator = ""
				w.from = types.StartingPosition{
					Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: last.Records[0].SequenceNumber,
				}
				got, _ := w.readUntil(t, 10)
				require.Equal(t, want, got)
				require.Equal(t, 1, w.gaps, "told once")
				time.Sleep(time.Hour)
				want = w.put(20, 30)
				got, _ = w.readUntil(t, 10)
				require.Equal(t, want, got)
				require.Equal(t, 1, w.gaps, "told once")
			})
		})
	}
}

// TestReaderPaces is defect 31: the library calls in bursts, and records wait for up to a second.
func TestReaderPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		var worst time.Duration
		start := time.Now()
		for time.Since(start) < 30*time.Second {
			p, err := w.Read(t.Context())
			require.NoError(t, err)
			for _, r := range p.Records {
				worst = max(worst, time.Since(*r.ApproximateArrivalTimestamp))
			}
			w.source.credits.Settle(p.Credit, 0)
			w.put(0, 20)
			time.Sleep(3 * time.Millisecond)
		}
		require.LessOrEqual(t, worst, pollInterval+paceSlack+kclSlack)
		require.Zero(t, testutil.ToFloat64(w.source.metrics.readFailures.WithLabelValues("throttled")),
			"never six calls in a second")
	})
}

func TestReaderLastPageAndChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		want := w.put(0, 5)
		low, high := w.cloud.Kinesis.Split("stream", w.shard.ID)
		got, last := w.readUntil(t, 100)
		require.Equal(t, want, got, "records of the last page are delivered before the end")
		require.True(t, last.End)
		var children []string
		for _, c := range last.Children {
			children = append(children, *c.ShardId)
		}
		require.ElementsMatch(t, []string{low, high}, children)
	})
}

func TestReaderEmptyPagesWithDataAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		w.cloud.Kinesis.EmptyPages(2)
		want := w.put(0, 500)
		got, _ := w.readUntil(t, 500)
		require.Equal(t, want, got)
	})
}

// TestReaderKeepsToItsCredits fills a shard with large records and reads them under a small budget.
func TestReaderKeepsToItsCredits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		w.source.credits = NewCredits(2 * Mib)
		large := bytes.Repeat([]byte("x"), 200<<10)
		for range 100 {
			w.cloud.Kinesis.Put("stream", "key", large)
		}
		n, most := 0, 0
		for n < 100 {
			p, err := w.Read(t.Context())
			require.NoError(t, err)
			n += len(p.Records)
			most = max(most, p.Credit.bytes)
			w.source.credits.Settle(p.Credit, 0)
		}
		require.LessOrEqual(t, most, 2*Mib)
	})
}

func TestReaderCatchesUpWithGrowingPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		for range 100_000 {
			w.cloud.Kinesis.Put("stream", "key", make([]byte, 20))
		}
		start := time.Now()
		n := 0
		for n < 100_000 {
			p, err := w.Read(t.Context())
			require.NoError(t, err)
			n += len(p.Records)
			w.source.credits.Settle(p.Credit, 0)
		}
		require.Less(t, time.Since(start), 10*time.Second)
	})
}

// TestReaderByARN is defect 30: the library knows streams by name only, which cannot name another account's.
func TestReaderByARN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		w.source.stream = streamName{arn: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/stream")}
		want := w.put(0, 10)
		got, _ := w.readUntil(t, 10)
		require.Equal(t, want, got)
	})
}

// bareKinesis answers as sparingly as the API's model allows.
type bareKinesis struct{}

func (bareKinesis) GetShardIterator(context.Context, *kinesis.GetShardIteratorInput,
	...func(*kinesis.Options),
) (*kinesis.GetShardIteratorOutput, error) {
	return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String("i")}, nil
}

func (bareKinesis) GetRecords(context.Context, *kinesis.GetRecordsInput,
	...func(*kinesis.Options),
) (*kinesis.GetRecordsOutput, error) {
	return &kinesis.GetRecordsOutput{
		Records: []types.Record{
			{Data: []byte("x"), PartitionKey: aws.String("k"), SequenceNumber: aws.String("1")},
		},
		NextShardIterator: aws.String("i"),
	}, nil
}

// TestReaderBareAnswer is defect 29: an answer without MillisBehindLatest is a nil dereference in the library.
func TestReaderBareAnswer(t *testing.T) {
	w := newReaderWorld(t)
	w.source.client = bareKinesis{}
	p, err := w.Read(t.Context())
	require.NoError(t, err)
	require.Len(t, p.Records, 1)
	require.Zero(t, p.Behind)
}

// TestReaderIteratorsThatExpireAtOnce: a clock far ahead makes every iterator an expired one.
func TestReaderIteratorsThatExpireAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		calls := &expiredKinesis{stop: cancel}
		w.source.client = calls
		_, err := w.Read(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, calls.n, 100)
		require.Zero(t, w.source.credits.InUse())
	})
}

// expiredKinesis answers that every iterator has expired.
type expiredKinesis struct {
	bareKinesis
	n    int
	stop func()
}

func (k *expiredKinesis) GetRecords(context.Context, *kinesis.GetRecordsInput,
	...func(*kinesis.Options),
) (*kinesis.GetRecordsOutput, error) {
	if k.n++; k.n > 1000 {
		k.stop()
	}
	return nil, &types.ExpiredIteratorException{}
}

// TestReaderCutsAPageThatDoesNotFit: neither the rest of a page that is cut nor the end behind it is lost.
func TestReaderCutsAPageThatDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		w.source.credits = NewCredits(Mib)
		elsewhere, _ := w.source.credits.tryTake(Mib, Mib)
		// overdraws for as long as the test takes
		stuck, wait := w.source.credits.tryAdmit(Credit{bytes: elsewhere}, 2*Mib)
		require.Nil(t, wait)
		require.True(t, stuck.overdraft)
		large := bytes.Repeat([]byte("x"), 20<<10)
		for i := range 100 {
			large = fmt.Appendf(large[:20<<10], "%d", i)
			w.cloud.Kinesis.Put("stream", "key", bytes.Clone(large))
		}
		w.cloud.Kinesis.Split("stream", w.shard.ID)
		n := 0
		for end := false; !end; {
			p, err := w.Read(t.Context())
			require.NoError(t, err)
			for _, r := range p.Records {
				require.Equal(t, fmt.Sprint(n), string(r.Data[20<<10:]))
				n++
			}
			w.source.credits.Settle(Credit{bytes: p.Credit.bytes}, 0)
			end = p.End
		}
		require.Equal(t, 100, n)
		require.Equal(t, stuck.bytes, w.source.credits.InUse())
	})
}

// TestManyReadersMeetLargePages: Limit bounds records and not bytes, so all shards of a process may meet 10 MB pages
// with credits for small ones. What is decoded stays within the pool and one page, and all of it is read in the end.
func TestManyReadersMeetLargePages(t *testing.T) {
	for name, announced := range map[string]bool{"with Content-Length": true, "in chunks": false} {
		t.Run(name, func(t *testing.T) { manyReaders(t, announced) })
	}
}

// slowClient has answers come slowly, counts what of them is in memory, and can hide their length as HTTP's chunked
// encoding does.
type slowClient struct {
	next      aws.HTTPClient
	announced bool
	inMemory  *peak
}

// peak is a sum and the highest that it was.
type peak struct {
	mu        sync.Mutex
	sum, most int
}

func (p *peak) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum += n
	p.most = max(p.most, p.sum)
}

func (c slowClient) Do(r *http.Request) (*http.Response, error) {
	res, err := c.next.Do(r)
	if err == nil {
		if !c.announced {
			res.ContentLength = -1
		}
		res.Body = &slowBody{ReadCloser: res.Body, inMemory: c.inMemory}
	}
	return res, err
}

type slowBody struct {
	io.ReadCloser
	inMemory *peak
	mine     int
}

func (b *slowBody) Read(p []byte) (int, error) {
	time.Sleep(5 * time.Millisecond)
	n, err := b.ReadCloser.Read(p[:min(len(p), 64<<10)])
	b.mine += n
	b.inMemory.add(n)
	return n, err
}

func (b *slowBody) Close() error {
	b.inMemory.add(-b.mine)
	b.mine = 0
	return b.ReadCloser.Close()
}

func manyReaders(t *testing.T, announced bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const shards, perShard = 12, 8 // twelve pages of 10 MB at once, for a pool of 16
		cloud := fakeaws.New(fakeaws.Options{})
		cloud.Kinesis.Create("stream", shards)
		large := bytes.Repeat([]byte("x"), 1<<20-100)
		for i := range 40 * shards {
			cloud.Kinesis.Put("stream", fmt.Sprint(i), large)
		}
		pool, decoding := NewCredits(16*Mib), make(chan struct{}, decodeAtOnce)
		m := NewMetrics(prometheus.NewPedanticRegistry())
		var most atomic.Int64
		var inMemory peak
		var wg sync.WaitGroup
		for _, id := range cloud.Kinesis.OpenShards("stream") {
			o := readerClient(cloud, id).Options()
			o.HTTPClient = slowClient{o.HTTPClient, announced, &inMemory}
			client := kinesis.New(o)
			source := NewSource("stream", "", client, pollInterval, pool, m, clock.New(nil))
			source.decoding = decoding
			r := source.Poll(Shard{
				ID: id, Log: zaptest.NewLogger(t), Activity: &Activity{}, Retention: func() time.Duration { return 0 },
			}, types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon})
			wg.Go(func() {
				for n := 0; n < perShard; {
					p, err := r.Read(t.Context())
					if err != nil {
						return
					}
					n += len(p.Records)
					most.Store(max(most.Load(), int64(pool.InUse())))
					time.Sleep(50 * time.Millisecond)
					pool.Settle(p.Credit, 0)
				}
			})
		}
		wg.Wait()
		require.LessOrEqual(t, most.Load(), int64(16*Mib))
		require.Zero(t, pool.InUse())
		require.Empty(t, decoding)
		require.LessOrEqual(t, inMemory.most, 2*16*Mib*4/3, "base64, with as much again for small pages under way")
	})
}

// A pause between two reads, which throttling makes seconds long, must not hold up a handoff: its receiver waits for
// it.
func TestReaderAnswersHandoffsInItsPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		wanted := make(chan struct{})
		w.shard.Wanted = func() <-chan struct{} { return wanted }
		w.put(0, 1)
		w.readUntil(t, 1)
		w.pace.next = time.Now().Add(10 * time.Second)
		go func() {
			time.Sleep(50 * time.Millisecond)
			close(wanted)
		}()
		start := time.Now()
		_, err := w.Read(t.Context())
		require.ErrorIs(t, err, errWanted)
		require.Equal(t, 50*time.Millisecond, time.Since(start))
	})
}

// Throttling comes and goes many times a minute, so it is logged once a minute.
func TestReaderTellsOfThrottlingNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		core, logs := observer.New(zap.WarnLevel)
		w.shard.Log = zap.New(core)
		w.cloud.Faults.Add(fakeaws.Throttle(fakeaws.ServiceKinesis, "GetRecords"))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		_, err := w.Read(ctx)
		require.Error(t, err)
		require.Equal(t, 5, logs.FilterMessage("reads are throttled, the shard is read less often").Len())
	})
}

const pollInterval = 200 * time.Millisecond

var errStopping = errors.New("stopping")

// readerClient is a real SDK client on the emulator, with one attempt a call as in production.
func readerClient(cloud *fakeaws.AWS, name string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(name, "secret", ""),
		HTTPClient: cloud.HTTPClient(), Retryer: aws.NopRetryer{},
		APIOptions: []func(*middleware.Stack) error{answer.New(nil, nil).Install},
	})
}
