package rehearse

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"crypto/md5" //nolint:gosec // Kinesis places records by the MD5 of their partition key; nothing is protected by it
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/awsfault"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/sleep"
)

const (
	// ShardReadRate is what Kinesis gives from one shard to all readers together, in bytes a second.
	ShardReadRate = 2_000_000
	// mostPerGet is Kinesis' limit of records in a GetRecords call, and firstGet what is asked for while the size of
	// the records is not known.
	mostPerGet = 10_000
	firstGet   = 500
	// mostPages bounds what all shards together have in memory: a page at work and one that was read ahead, each.
	mostPages = 256 << 20
	// backtestCall bounds a call.
	backtestCall = 30 * time.Second
	// BacktestPatience is how long a shard is tried in vain. What Kinesis throttles is tried without end.
	BacktestPatience = 5 * time.Minute
	// pastEnd is how far behind the end an arrival must be that proves that nothing before it comes any more: arrivals
	// of a shard do not always increase.
	pastEnd = time.Minute
)

// StreamSource reads what a stream retains: every shard, children after their parents, in the order of arrival.
type StreamSource struct {
	Client   *kinesis.Client
	Stream   consumer.Config
	From, To time.Time
	// Interval is the time between two calls for a shard, and bytesPerSecond what is read of it at most.
	Interval       time.Duration
	BytesPerSecond int
	// First is how many records are asked for while their size is not known. Defaults to 500.
	First int32
	// Only selects the shards that are read, by id and range of hash keys; nil is all.
	Only func(shard string, keys *kinesistypes.HashKeyRange) bool
	// Trouble, if set, gets the error that has calls repeated, and nil when they are answered again. It is called by
	// the goroutine that runs the source.
	Trouble func(error)
	// CallLimit bounds a call. Defaults to 30s.
	CallLimit time.Duration

	troubled bool // Trouble has an error
	shards   map[string]*shardFeed
	gone     []string
	listed   int // how many shards the stream has
}

func (s *StreamSource) until() time.Time { return s.To }

// shardFeed is a shard on its way through the source.
type shardFeed struct {
	id       string
	parents  []string
	children []string
	keys     *kinesistypes.HashKeyRange
	begun    bool
	ended    bool
	// pages is written by the goroutine that reads the shard, which closes it behind the last one.
	pages chan shardPage
	page  []alert.Record
	// at is the latest arrival, by which the shards take turns.
	at time.Time
}

// shardPage is a part of a shard's records, or what keeps it from being read.
type shardPage struct {
	records []alert.Record
	err     error
	// gone says that the shard no longer exists: its retention has passed.
	gone bool
	// trouble is the error of a call that is made again.
	trouble error
}

// feeds are the shards that have a record at hand, the earliest first.
type feeds []*shardFeed

func (f feeds) Len() int { return len(f) }
func (f feeds) Less(i, j int) bool {
	return cmp.Or(f[i].at.Compare(f[j].at), cmp.Compare(f[i].id, f[j].id)) < 0
}
func (f feeds) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *feeds) Push(x any)   { *f = append(*f, x.(*shardFeed)) } //nolint:forcetypeassert // heap.Interface
func (f *feeds) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// Run reads the stream from From to To and evaluates its records, shard by shard with parents first.
func (s *StreamSource) Run(ctx context.Context, b *Backtest, bar *progressBar) error {
	if err := s.list(ctx); err != nil {
		return err
	}
	var readers sync.WaitGroup
	defer readers.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer func() {
		if len(s.gone) > 0 {
			b.Report.note("retention has passed for %s while the stream was read, the first of them %s: what they "+
				"had is missing",
				config.Plural(len(s.gone), "shard"), s.gone[0])
		}
	}()
	ready := &feeds{}
	if err := s.begin(ctx, b, &readers, ready); err != nil {
		return err
	}
	span := float64(s.To.Sub(s.From))
	for ready.Len() > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		f := (*ready)[0]
		b.take(ctx, &f.page[0])
		bar.step(b.Report.Records, float64(f.at.Sub(s.From))/span)
		f.page[0] = alert.Record{} // its payload is needed no longer
		f.page = f.page[1:]
		more, err := s.advance(ctx, f)
		switch {
		case err != nil:
			return err
		case more:
			heap.Fix(ready, 0)
			continue
		}
		heap.Pop(ready)
		s.leave(b, f)
		if err := s.begin(ctx, b, &readers, ready); err != nil {
			return err
		}
	}
	return nil
}

// begin starts to read every shard whose parents have ended.
func (s *StreamSource) begin(ctx context.Context, b *Backtest, readers *sync.WaitGroup, ready *feeds) error {
	for {
		var fresh []*shardFeed
		for _, f := range s.shards {
			if !f.begun && !slices.ContainsFunc(f.parents, func(p string) bool { return !s.shards[p].ended }) {
				fresh = append(fresh, f)
			}
		}
		slices.SortFunc(fresh, func(x, y *shardFeed) int { return cmp.Compare(x.id, y.id) })
		for _, f := range fresh {
			f.begun = true
			f.pages = make(chan shardPage)
			b.begin(f.id, s.heir(f))
			readers.Go(func() { s.Read(ctx, f.id, f.pages) })
		}
		ended := false
		for _, f := range fresh {
			more, err := s.advance(ctx, f)
			switch {
			case err != nil:
				return err
			case more:
				heap.Push(ready, f)
			default:
				s.leave(b, f)
				ended = true
			}
		}
		if !ended {
			return nil
		}
	}
}

// leave ends a shard that has children. One without stays until the end of the backtest, as time does.
func (*StreamSource) leave(b *Backtest, f *shardFeed) {
	if len(f.children) > 0 {
		b.leave(f.id, f.children)
	}
}

// advance goes to the shard's next record, and reports whether there is one.
func (s *StreamSource) advance(ctx context.Context, f *shardFeed) (more bool, err error) {
	for len(f.page) == 0 {
		p, ok := <-f.pages
		switch {
		case p.err != nil:
			return false, p.err
		case p.trouble != nil:
			s.tell(p.trouble)
			continue
		case !ok && ctx.Err() != nil:
			return false, context.Cause(ctx)
		case !ok:
			f.ended = true
			return false, nil
		case p.gone:
			s.gone = append(s.gone, f.id)
		}
		s.tell(nil)
		f.page = p.records
	}
	if at := f.page[0].Arrival; at.After(f.at) {
		f.at = at
	}
	return true, nil
}

// tell says that calls are repeated, or that they are answered again, once.
func (s *StreamSource) tell(err error) {
	if told := s.troubled; told == (err != nil) {
		return
	}
	if s.troubled = err != nil; s.Trouble != nil {
		s.Trouble(err)
	}
}

// Shards are the ids of the stream's shards.
func (s *StreamSource) Shards(ctx context.Context) ([]string, error) {
	err := s.list(ctx)
	return slices.Sorted(maps.Keys(s.shards)), err
}

// list finds the shards of the stream.
func (s *StreamSource) list(ctx context.Context) error {
	s.shards = map[string]*shardFeed{}
	reader := s.reader("")
	in := &kinesis.ListShardsInput{}
	in.StreamName, in.StreamARN = reader.Name()
	wait := newRetry()
	for {
		out, err := s.listPage(ctx, in)
		if err != nil {
			if _, missing := errors.AsType[*kinesistypes.ResourceNotFoundException](err); missing {
				return fmt.Errorf("stream %s does not exist %s: %w",
					cmp.Or(s.Stream.StreamARN, s.Stream.StreamName), awsfault.Place(err), err)
			}
			if failed := reader.Failed(err); !errors.Is(failed, errPasses) {
				return awsfault.Advise(err, "kinesis:ListShards",
					"stream "+cmp.Or(s.Stream.StreamARN, s.Stream.StreamName))
			}
			if wait.long(err) && ctx.Err() == nil {
				s.tell(fmt.Errorf("ListShards: %w", err))
			}
			if !wait.pause(ctx, isThrottling(err)) {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return fmt.Errorf("no success for %s: %w", BacktestPatience, awsfault.Advise(err, "kinesis:ListShards",
					"stream "+cmp.Or(s.Stream.StreamARN, s.Stream.StreamName)))
			}
			continue
		}
		wait = newRetry()
		s.tell(nil)
		for _, sh := range out.Shards {
			f := &shardFeed{id: aws.ToString(sh.ShardId), keys: sh.HashKeyRange}
			if s.listed++; s.Only != nil && !s.Only(f.id, f.keys) {
				continue
			}
			for _, p := range []*string{sh.ParentShardId, sh.AdjacentParentShardId} {
				if p != nil {
					f.parents = append(f.parents, *p)
				}
			}
			s.shards[f.id] = f
		}
		if out.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
	for _, f := range s.shards {
		// retention has passed
		f.parents = slices.DeleteFunc(f.parents, func(p string) bool { return s.shards[p] == nil })
		for _, p := range f.parents {
			s.shards[p].children = append(s.shards[p].children, f.id)
		}
	}
	return nil
}

// Some reads a few records of the stream, shard after shard, as producers put them: about `most`, those in KPL
// aggregates counted, and none from a shard once there are enough.
func (s *StreamSource) Some(ctx context.Context, most int) ([]alert.Record, error) {
	shards, err := s.Shards(ctx)
	if err != nil {
		return nil, err
	}
	var out []alert.Record
	n := 0
	for _, shard := range shards {
		err := s.someOf(ctx, shard, func(r alert.Record) bool {
			out = append(out, r)
			n += len((*decode.Plan)(nil).All(ctx, &r))
			return n < most
		})
		if err != nil || n >= most {
			return out, err
		}
	}
	return out, nil
}

// someOf reads a shard until take has enough.
func (s *StreamSource) someOf(ctx context.Context, shard string, take func(alert.Record) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	pages := make(chan shardPage)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer cancel()
	reader.Go(func() { s.Read(ctx, shard, pages) })
	for p := range pages {
		if p.err != nil {
			return p.err
		}
		s.tell(p.trouble)
		for _, r := range p.records {
			if !take(r) {
				return nil
			}
		}
	}
	return nil
}

func (s *StreamSource) listPage(ctx context.Context, in *kinesis.ListShardsInput) (*kinesis.ListShardsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.CallLimit, backtestCall))
	defer cancel()
	return s.Client.ListShards(ctx, in)
}

func (s *StreamSource) reader(shard string) *RecordReader {
	return &RecordReader{Client: s.Client, Stream: s.Stream, Shard: shard}
}

// Read reads a shard, page by page, and closes pages behind its end, or when ctx ends.
func (s *StreamSource) Read(ctx context.Context, shard string, pages chan<- shardPage) {
	defer close(pages)
	send := func(p shardPage) bool {
		select {
		case pages <- p:
			return true
		case <-ctx.Done():
			return false
		}
	}
	reader := s.reader(shard)
	c := shardCursor{source: s, shard: shard, name: reader, limit: cmp.Or(s.First, firstGet)}
	wait := newRetry()
	for {
		p, done, err := c.next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			wait = newRetry()
			if len(p) > 0 && !send(shardPage{records: p}) || done {
				return
			}
			continue
		}
		if _, missing := errors.AsType[*kinesistypes.ResourceNotFoundException](err); missing {
			send(shardPage{gone: true}) // the stream was there when its shards were listed
			return
		}
		failed := reader.Failed(err)
		if errors.Is(failed, errPasses) && wait.long(err) {
			select {
			case pages <- shardPage{trouble: fmt.Errorf("shard %s: %w", shard, err)}:
			default: // who reads the pages waits for another shard
			}
		}
		if errors.Is(failed, errPasses) && wait.pause(ctx, isThrottling(err)) {
			continue
		}
		if ctx.Err() == nil {
			send(shardPage{err: failed})
		}
		return
	}
}

// shardCursor is a place in a shard.
type shardCursor struct {
	source *StreamSource
	shard  string
	name   *RecordReader
	// iterator is empty where a new one is needed, which begins behind last or, without it, at the source's begin.
	iterator, last string
	limit          int32
	due            time.Time
	latest         time.Time // arrival of the last record that had one
}

// next reads a page, not before it is due. done says that nothing of interest follows it.
func (c *shardCursor) next(ctx context.Context) (records []alert.Record, done bool, err error) {
	if d := time.Until(c.due); d > 0 && !sleep.For(ctx, d) {
		return nil, false, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(answer.With(ctx, &answer.Expect{Shard: c.shard, AnyTime: true}),
		cmp.Or(c.source.CallLimit, backtestCall))
	defer cancel()
	if c.iterator == "" {
		if err := c.place(ctx); err != nil {
			return nil, false, err
		}
	}
	began := time.Now()
	c.due = began.Add(c.source.Interval)
	in := &kinesis.GetRecordsInput{ShardIterator: &c.iterator, Limit: &c.limit}
	_, in.StreamARN = c.name.Name()
	out, err := c.source.Client.GetRecords(ctx, in)
	if err != nil {
		if _, expired := errors.AsType[*kinesistypes.ExpiredIteratorException](err); expired {
			c.iterator = ""
		}
		return nil, false, err
	}
	bytes := 0
	var latest time.Time
	date := answer.Time(out.ResultMetadata, began)
	answer.Untime(out.Records, date)
	for i := range out.Records {
		r := &out.Records[i]
		at := recordArrival(r, cmp.Or(c.latest, date))
		if r.ApproximateArrivalTimestamp != nil {
			c.latest = at
		}
		if at.After(latest) {
			latest = at
		}
		bytes += len(r.Data) + len(aws.ToString(r.PartitionKey))
		c.last = aws.ToString(r.SequenceNumber)
		if !at.Before(c.source.From) && at.Before(c.source.To) {
			records = append(records, alert.Record{
				Shard: c.shard, PartitionKey: aws.ToString(r.PartitionKey), SequenceNumber: c.last, Arrival: at,
				Data: r.Data,
			})
		}
	}
	c.pace(began, bytes, len(out.Records))
	c.iterator = aws.ToString(out.NextShardIterator)
	behind := time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond
	done = c.iterator == "" || behind == 0 || !began.Add(-behind).Before(c.source.To) ||
		latest.After(c.source.To.Add(pastEnd))
	return records, done, nil
}

// recordArrival is the arrival of a record, or instead where it has none.
func recordArrival(r *kinesistypes.Record, instead time.Time) time.Time {
	if r.ApproximateArrivalTimestamp == nil {
		return instead.UTC()
	}
	return r.ApproximateArrivalTimestamp.UTC()
}

// Place gets an iterator.
func (c *shardCursor) place(ctx context.Context) error {
	in := &kinesis.GetShardIteratorInput{
		ShardId: &c.shard, ShardIteratorType: kinesistypes.ShardIteratorTypeAtTimestamp, Timestamp: &c.source.From,
	}
	if c.last != "" {
		in.ShardIteratorType, in.Timestamp = kinesistypes.ShardIteratorTypeAfterSequenceNumber, nil
		in.StartingSequenceNumber = &c.last
	}
	in.StreamName, in.StreamARN = c.name.Name()
	out, err := c.source.Client.GetShardIterator(ctx, in)
	if err != nil {
		return err
	}
	c.iterator = aws.ToString(out.ShardIterator)
	return nil
}

// pace says when the next call is due, and how much it asks for: as much as may be read until the one after it, so that
// other readers are not shut out by a page of megabytes, and as fits into memory.
func (c *shardCursor) pace(began time.Time, bytes, records int) {
	s := c.source
	spent := time.Duration(float64(bytes) / float64(s.BytesPerSecond) * float64(time.Second))
	c.due = began.Add(max(s.Interval, spent))
	if records == 0 {
		return
	}
	target := min(float64(s.BytesPerSecond)*s.Interval.Seconds(), float64(mostPages/2/max(1, len(s.shards))))
	size := float64(bytes)/float64(records) + 1
	c.limit = int32(min(mostPerGet, max(1, target/size)))
}

// backtestRetry says how long to wait before something is tried again.
type backtestRetry struct {
	wait  time.Duration
	since time.Time
}

func newRetry() *backtestRetry { return &backtestRetry{wait: time.Second} }

// long reports whether an error is worth a word: a stream that others read, too, throttles now and then.
func (r *backtestRetry) long(err error) bool { return !isThrottling(err) || r.wait > 4*time.Second }

// pause waits. It is false when ctx has ended or patience has.
func (r *backtestRetry) pause(ctx context.Context, throttled bool) bool {
	now := time.Now()
	if r.since.IsZero() || throttled {
		r.since = now
	}
	if now.Sub(r.since) > BacktestPatience || !sleep.For(ctx, r.wait) {
		return false
	}
	r.wait = min(2*r.wait, 10*time.Second)
	return true
}

// isThrottling reports whether an error is Kinesis' wish to be asked more rarely.
func isThrottling(err error) bool {
	_, busy := errors.AsType[*kinesistypes.ProvisionedThroughputExceededException](err)
	_, limited := errors.AsType[*kinesistypes.LimitExceededException](err)
	_, kms := errors.AsType[*kinesistypes.KMSThrottlingException](err)
	if busy || limited || kms {
		return true
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if _, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]; throttled {
			return true
		}
	}
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && response.HTTPStatusCode() == http.StatusTooManyRequests
}

// heir is how a shard takes over from its parents, as in the daemon: a key that is outside of the parents' range falls
// to the first child.
func (s *StreamSource) heir(f *shardFeed) alert.Heir {
	h := alert.Heir{Parents: f.parents}
	for _, p := range f.parents {
		for _, id := range s.shards[p].children {
			if id != f.id && !slices.Contains(h.Siblings, id) {
				h.Siblings = append(h.Siblings, id)
			}
		}
	}
	children := append([]string{f.id}, h.Siblings...)
	owned := func(id, key string) bool { return ownedBy(s.shards[id].keys)(key) }
	first := slices.MinFunc(children, func(a, b string) int { return s.firstKey(a).Cmp(s.firstKey(b)) })
	h.Owns = func(key string) bool {
		return owned(f.id, key) || first == f.id && !slices.ContainsFunc(children, func(id string) bool {
			return owned(id, key)
		})
	}
	return h
}

// firstKey is where the range of a shard begins.
func (s *StreamSource) firstKey(id string) *big.Int {
	n := new(big.Int)
	if r := s.shards[id].keys; r != nil {
		n.SetString(aws.ToString(r.StartingHashKey), 10)
	}
	return n
}

// ownedBy returns which partition keys fall into a range of hash keys. An unknown range holds everything.
func ownedBy(r *kinesistypes.HashKeyRange) func(partitionKey string) bool {
	if r == nil {
		return func(string) bool { return true }
	}
	var first, last [md5.Size]byte
	for text, bound := range map[*string]*[md5.Size]byte{r.StartingHashKey: &first, r.EndingHashKey: &last} {
		n, ok := new(big.Int).SetString(aws.ToString(text), 10)
		if !ok || n.Sign() < 0 || n.BitLen() > 8*md5.Size {
			return func(string) bool { return true }
		}
		n.FillBytes(bound[:])
	}
	return func(partitionKey string) bool {
		sum := md5.Sum([]byte(partitionKey)) //nolint:gosec // see the import
		return bytes.Compare(first[:], sum[:]) <= 0 && bytes.Compare(sum[:], last[:]) <= 0
	}
}
