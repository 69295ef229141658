package consumer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/awsfault"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/sleep"
)

// reader brings the pages of one shard, in order, from a start position on. The polling reader is the only one today;
// one that is pushed to (enhanced fan-out) has the same shape.
type reader interface {
	// read waits for the next page: records, or the end of the shard, or news that there is nothing. It deals with
	// every transient error itself. It returns an error only when ctx is done.
	read(ctx context.Context) (page, error)
}

// page is one answer of a shard. Whoever holds it settles its credit.
type page struct {
	records []types.Record
	credit  credit
	// behind is how far this page is from the tip of the shard; tip says that Kinesis said 0.
	behind time.Duration
	tip    bool
	// at is when the answer came, by the machine's clock. By the service's clock, asked is what had surely passed when the call for it
	// began, and date when it was answered.
	at, asked, date time.Time
	// null says that the answer named no next iterator. end says that the shard has ended, as Kinesis claims; children are
	// what it was split or merged into. proven says that a listing confirms it: no page follows.
	null, end, proven bool
	children          []types.ChildShard
}

// caughtUp is the time up to which the shard is read with this page: Kinesis looked no earlier than it was asked. Where
// there is more to read, that is no later than the last record, whatever the distance to the tip is measured from.
func (p *page) caughtUp() time.Time {
	at := p.asked.Add(-p.behind)
	if n := len(p.records); n > 0 && p.behind > 0 {
		if last := p.records[n-1].ApproximateArrivalTimestamp; last != nil && last.Before(at) {
			return *last
		}
	}
	return at
}

// KinesisReader is what the polling reader calls. *kinesis.Client has it; retries are the reader's, so give it a
// client that makes one attempt.
type KinesisReader interface {
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

const (
	// maxPageRecords and maxPageBytes are Kinesis' bounds of one GetRecords answer.
	maxPageRecords = 10_000
	maxPageBytes   = 10 << 20
	// recordOverhead is what a record costs in memory beside its payload and key.
	recordOverhead = 200
	// largePage is the size from which an answer is decoded under the limit of decodeAtOnce.
	largePage = 1 << 20
	// iteratorTimeout and pageTimeout bound one call. 10 MiB travel as 14 MB of JSON.
	iteratorTimeout = 5 * time.Second
	pageTimeout     = 15 * time.Second
)

// pollingReader asks Kinesis again and again, at its pace and within its credits. Used by one goroutine.
type pollingReader struct {
	shardID  string
	stream   streamName
	client   KinesisReader
	budget   *budget
	decoding chan struct{}
	metrics  *metrics
	log      *zap.Logger
	clock    *clock.Clock
	stands   *standing
	// wanted says that the shard is wanted for something else, which ends a pause between two reads.
	wanted func() <-chan struct{}
	// onGap is told when the position has left the stream, and says where to go on; shown says that the oldest record is
	// behind it. onUnusable is told that it never was one in the shard, which is read from its beginning. retention is how
	// long the stream keeps its records, 0 while it is not known.
	onGap      func(shown bool) types.StartingPosition
	onUnusable func()
	retention  func() time.Duration

	pace     pacer
	from     types.StartingPosition
	iterator string
	want     int // bytes of the next page
	least    int // bytes without which there is no point in asking
	perItem  int // bytes of a record, as seen lately
	doubt    doubt
	expired  bool // the iterator before this one had expired too
	// tip is when the last page was asked for, if it reached the tip: what comes behind it has arrived since.
	tip     time.Time
	nulls   nullAnswers
	trouble string
	expect  answer.Expect
	times   strangeTimes
	// crowded is when it was said last that others read the shard, too: it comes and goes many times a minute.
	crowded time.Time
}

// crowdedEvery is how often throttling is told at most.
const crowdedEvery = time.Minute

// streamName names the stream as the API takes it: by ARN or by name.
type streamName struct{ name, arn *string }

func (r *pollingReader) read(ctx context.Context) (page, error) {
	for {
		if err := r.rest(ctx); err != nil {
			return page{}, err
		}
		if r.overtaken(time.Now()) {
			r.raiseDoubt()
		}
		if r.iterator == "" {
			if err := r.renewIterator(ctx); err != nil {
				if ctx.Err() != nil {
					return page{}, context.Cause(ctx)
				}
				r.failed(err)
				continue
			}
		}
		p, err := r.fetch(ctx)
		if err == nil {
			if r.accepts(&p) {
				r.recovered()
				return p, nil
			}
			r.budget.settle(p.credit, 0)
			continue
		}
		if ctx.Err() != nil {
			return page{}, context.Cause(ctx)
		}
		r.failed(err)
	}
}

// fetch takes credits, makes one GetRecords call and notes where to go on.
func (r *pollingReader) fetch(ctx context.Context) (page, error) {
	granted, wait := r.budget.tryTake(r.want, r.least)
	if wait != nil {
		r.stands.enter(standsAtMemory)
		var err error
		if granted, err = r.budget.take(ctx, r.want, r.least); err != nil {
			return page{}, err
		}
	}
	gate := &answerGate{budget: r.budget, decoding: r.decoding, credit: credit{bytes: granted}}
	defer func() { r.budget.settle(gate.credit, 0) }() // also when the call panics
	out, start, err := r.call(ctx, gate)
	if err != nil {
		return page{}, err
	}
	admitted := gate.credit
	now := time.Now() // before the wait for credits: the answer knows nothing of what comes in meanwhile
	payload, size := pageSize(out.Records)
	r.metrics.fetched(now.Sub(start), payload)
	gate.credit = credit{} // admit's from here on
	c, wait := r.budget.tryAdmit(admitted, size)
	if wait != nil {
		size = cut(out, admitted.bytes, size, now)
		r.stands.enter(standsAtMemory)
		if c, err = r.budget.admit(ctx, admitted, size); err != nil {
			return page{}, err // the records are read again by the shard's next reader
		}
	}
	r.stands.enter(standsAtNothing)
	r.pace.answered(start, payload)
	r.expired = false
	date := answer.Time(out.ResultMetadata, now)
	r.metrics.untimed.Add(float64(r.times.read(out.Records, date)))
	tip := out.MillisBehindLatest != nil && *out.MillisBehindLatest == 0
	r.bears(out.Records, start, now, tip)
	r.advance(out, size, granted)
	return page{
		records: out.Records, credit: c, asked: r.clock.Surely(start), at: now, date: date,
		behind: time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond, // nil is 0: defect 29
		tip:    tip,
		null:   out.NextShardIterator == nil, end: r.nulls.claim(out), children: out.ChildShards,
	}, nil
}

// cut shortens a page to the records that its credits cover, if that is one at least, and returns its size. The rest is
// read again. The page could wait for more credits, but the ones that are missing may be those of a shard whose alerts
// stand still for days.
func cut(out *kinesis.GetRecordsOutput, granted, size int, now time.Time) int {
	kept, n := 0, 0
	for ; n < len(out.Records); n++ {
		_, more := pageSize(out.Records[n : n+1])
		if kept+more > granted {
			break
		}
		kept += more
	}
	if n == 0 || n == len(out.Records) {
		return size
	}
	out.Records = slices.Clone(out.Records[:n]) // the rest must not stay in memory
	if at := out.Records[n-1].ApproximateArrivalTimestamp; at != nil {
		behind := max(aws.ToInt64(out.MillisBehindLatest), now.Sub(*at).Milliseconds())
		out.MillisBehindLatest = &behind
	}
	out.NextShardIterator, out.ChildShards = new(string), nil // no end yet; the iterator is made anew from the last record
	return kept
}

// call makes one GetRecords call and says when.
func (r *pollingReader) call(ctx context.Context, gate *answerGate) (out *kinesis.GetRecordsOutput, start time.Time, err error) {
	defer gate.leave()
	limit := min(maxPageRecords, max(1, gate.credit.bytes/r.perItem))
	start = time.Now()
	r.stands.enter(standsAtKinesis)
	defer r.stands.enter(standsAtNothing)
	ctx, cancel := context.WithTimeout(answer.With(ctx, r.expects()), pageTimeout)
	defer cancel()
	out, err = r.client.GetRecords(ctx, &kinesis.GetRecordsInput{
		ShardIterator: &r.iterator, StreamARN: r.stream.arn, Limit: aws.Int32(int32(limit)),
	}, gate.install)
	if large, ok := errors.AsType[*pageTooLargeError](err); ok {
		// Next time with fewer records, and not before there are credits for as much.
		r.perItem = max(4*r.perItem, large.size/limit)
		r.least = large.size
		r.want = max(r.want, large.size)
		r.pace.answered(start, large.size) // unread or not, Kinesis has counted it
	}
	return out, start, err
}

// advance moves the position behind the page and fits the size of the next one to what this one was like.
func (r *pollingReader) advance(out *kinesis.GetRecordsOutput, size, granted int) {
	r.iterator = aws.ToString(out.NextShardIterator)
	n := len(out.Records)
	if n == 0 {
		return
	}
	r.from = types.StartingPosition{
		Type:           types.ShardIteratorTypeAfterSequenceNumber,
		SequenceNumber: out.Records[n-1].SequenceNumber,
	}
	r.perItem, r.least = max(1, size/n), minCredit
	switch full := n >= maxPageRecords || size >= granted/2; {
	case full && aws.ToInt64(out.MillisBehindLatest) > 0:
		r.want = min(maxPageBytes+maxPageRecords*recordOverhead, 2*max(r.want, size))
	case !full:
		r.want = max(4*minCredit, r.want/2)
	}
}

// pageSize counts the payload, as Kinesis limits it, and the memory that a page takes.
func pageSize(records []types.Record) (payload, memory int) {
	for i := range records {
		payload += len(records[i].Data) + len(aws.ToString(records[i].PartitionKey))
	}
	return payload, payload + len(records)*recordOverhead
}

func (r *pollingReader) renewIterator(ctx context.Context) error {
	r.stands.enter(standsAtKinesis)
	defer r.stands.enter(standsAtNothing)
	callCtx, cancel := context.WithTimeout(answer.With(ctx, r.expects()), iteratorTimeout)
	defer cancel()
	out, err := r.client.GetShardIterator(callCtx, &kinesis.GetShardIteratorInput{
		ShardId: &r.shardID, StreamName: r.stream.name, StreamARN: r.stream.arn,
		ShardIteratorType: r.from.Type, StartingSequenceNumber: r.from.SequenceNumber, Timestamp: r.from.Timestamp,
	})
	var invalid *types.InvalidArgumentException
	if errors.As(err, &invalid) && r.from.SequenceNumber != nil {
		// The position may have left the stream. Trying it for ever would block the shard for good (defect 36); believing
		// a refusal would, if it is a passing one, publish all that the stream holds once more.
		r.refuse(time.Now())
	}
	if err != nil {
		return err
	}
	if !r.doubt.active() {
		r.doubt.refused = 0
	}
	r.iterator = aws.ToString(out.ShardIterator)
	return nil
}

// failed sorts an error: what to do with the iterator, how long to wait, and what to tell.
func (r *pollingReader) failed(err error) {
	now := time.Now()
	if _, large := errors.AsType[*pageTooLargeError](err); large {
		r.metrics.readFailures.WithLabelValues("too_large").Inc()
		r.stands.enter(standsAtMemory) // the pause before the next call is for credits, too
		return
	}
	r.stands.failed(now, err)
	if r.times.refused(err, now) {
		r.log.Warn("arrival times of records cannot be, and stay so; the records are read as if they had none", zap.Error(err))
	}
	var expired *types.ExpiredIteratorException
	var throughput *types.ProvisionedThroughputExceededException
	var limit *types.LimitExceededException
	var kms *types.KMSThrottlingException
	var invalid *types.InvalidArgumentException
	switch {
	case errors.As(err, &expired):
		r.metrics.readFailures.WithLabelValues("expired_iterator").Inc()
		r.iterator = ""
		if !r.expired {
			r.expired = true
			return // renewed at once, from the last record delivered
		}
		// One that expires as soon as it is made (a clock far off) would be renewed without a pause for ever.
	case errors.As(err, &throughput), errors.As(err, &limit), errors.As(err, &kms):
		r.pace.throttled(now)
		r.stands.throttled.Store(now.UnixNano())
		r.metrics.readFailures.WithLabelValues("throttled").Inc()
		if now.Sub(r.crowded) >= crowdedEvery {
			r.crowded = now
			r.log.Warn("reads are throttled, the shard is read less often", zap.Duration("every", r.pace.spacing()), zap.String("code", readCode(err)),
				zap.String("remedy", ReadRemedy(readCode(err))))
		}
		return
	case errors.As(err, &invalid):
		r.iterator = ""
	case answer.Is(err): // a fresh iterator tells whether the position is one that the shard can have
		r.iterator = ""
	}
	r.pace.failed(now)
	if expired == nil {
		r.metrics.readFailures.WithLabelValues("error").Inc()
	}
	if code := readCode(err); code != r.trouble {
		r.trouble = code
		r.log.Warn("reading fails, position held, trying again", zap.String("code", code),
			zap.String("remedy", ReadRemedy(code)), zap.Error(err))
	}
}

// recovered ends the trouble with a page that is taken in: a look at the oldest record reads nothing on.
func (r *pollingReader) recovered() {
	r.stands.succeeded()
	if r.trouble != "" {
		r.log.Info("reading again", zap.String("after", r.trouble))
		r.trouble = ""
	}
}

// ReadRemedy is what an operator does about an error code of Kinesis, or about reads without an answer.
func ReadRemedy(code string) string {
	switch code {
	case answer.Code:
		return "check AWS_ENDPOINT_URL, proxies and the network: what answers there is not AWS, or AWS is unwell"
	case "timeout", "unreachable", "":
		return "if it does not pass: check the network, DNS, proxies, AWS_REGION and AWS_ENDPOINT_URL"
	}
	remedy := awsfault.Of(code).Remedy(awsfault.Resource{
		Name: "the stream", Actions: "kinesis:GetRecords and kinesis:GetShardIterator", KeyActions: "kms:Decrypt",
		Crowded: "see who else reads the stream: Kinesis allows five reads a second and 2 MB/s a shard to all readers together; " +
			"set processing.poll_interval to 1s in each application, or take a reader away",
		Found: "the stream or the shard does not exist: was it deleted, or is AWS_REGION another one?",
	})
	return cmp.Or(remedy, "if it does not pass: see AWS' health page")
}

// errWanted ends a pause because the shard is wanted for something else.
var errWanted = errors.New("the shard is wanted")

// rest waits until the shard may be asked again.
func (r *pollingReader) rest(ctx context.Context) error {
	d := time.Until(r.pace.next)
	if d <= 0 || r.wanted == nil {
		return sleep.Until(ctx, r.pace.next)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.wanted():
		return errWanted
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
