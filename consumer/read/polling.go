package read

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/sleep"
)

// Kinesis is what the polling reader calls. *kinesis.Client has it; retries are the reader's, so give it a
// client that makes one attempt.
type Kinesis interface {
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput,
		...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

const (
	// maxPageRecords and maxPageBytes are Kinesis' bounds of one GetRecords answer.
	maxPageRecords = 10_000
	maxPageBytes   = 10 << 20
	// RecordOverhead is what a record costs in memory besides its payload and key.
	RecordOverhead = 200
	// largePage is the size from which an answer is decoded under the limit of decodeAtOnce.
	largePage = 1 << 20
	// iteratorTimeout and pageTimeout bound one call. 10 MiB travel as 14 MB of JSON.
	iteratorTimeout = 5 * time.Second
	pageTimeout     = 15 * time.Second
)

// crowdedEvery is how often throttling is logged at most.
const crowdedEvery = time.Minute

// decodeAtOnce is how many large answers are read and decoded at the same time: each takes about three times its size.
const decodeAtOnce = 2

// Source is what all readers of a process share.
type Source struct {
	stream   streamName
	client   Kinesis
	interval time.Duration // between two calls for one shard
	credits  *Credits
	decoding chan struct{} // as many as may decode a large answer
	metrics  *Metrics
	clock    *clock.Clock
}

// streamName names the stream as the API takes it: by ARN or by name.
type streamName struct{ name, arn *string }

// NewSource makes the source of a stream: by ARN, or by name where that is empty.
func NewSource(name, arn string, client Kinesis, interval time.Duration, b *Credits, m *Metrics,
	c *clock.Clock,
) *Source {
	s := &Source{
		client: client, interval: interval, credits: b, decoding: make(chan struct{}, decodeAtOnce), metrics: m,
		clock: c,
	}
	if s.stream.name = &name; arn != "" {
		s.stream = streamName{arn: &arn}
	}
	return s
}

// Shard is what a reader knows of its shard.
type Shard struct {
	ID       string
	Log      *zap.Logger
	Activity *Activity
	CaughtUp time.Time // up to when the shard was read before; zero where that is not known
	// Wanted is closed when the shard has something else to do, which ends a pause between two reads.
	Wanted func() <-chan struct{}
	// Retention is how long the stream keeps its records, 0 while it is not known.
	Retention func() time.Duration
	// OnGap is called when the position has left the stream, and returns where to continue; shown says that the oldest
	// record is behind it. OnUnusable is called when it never was a position in the shard, which is then read from its
	// beginning.
	OnGap      func(shown bool) types.StartingPosition
	OnUnusable func()
}

// Polling polls Kinesis at its pace and within its credits. Used by one goroutine.
type Polling struct {
	source *Source
	shard  Shard

	pace     pacer
	from     types.StartingPosition
	iterator string
	size     pageSizer
	doubt    doubt
	nulls    nullAnswers
	times    strangeTimes
	expect   answer.Expect
	expired  bool // the iterator before this one had expired too
	// tip is when the call for the last page began, if that reached the tip: later records have arrived since.
	tip     time.Time
	trouble string    // the error code that was logged last; empty while reading works
	crowded time.Time // when throttling was logged last: it comes and goes many times a minute
}

// Poll makes a reader that begins at a position.
func (s *Source) Poll(shard Shard, from types.StartingPosition) *Polling {
	return &Polling{
		source: s, shard: shard, from: from, pace: newPacer(s.interval), size: newPageSizer(),
		doubt: doubt{caughtUp: shard.CaughtUp},
	}
}

func (r *Polling) Read(ctx context.Context) (Page, error) {
	for {
		if err := r.rest(ctx); err != nil {
			return Page{}, err
		}
		if r.overtaken(time.Now()) {
			r.raiseDoubt()
		}
		if r.iterator == "" {
			if err := r.renewIterator(ctx); err != nil {
				if ctx.Err() != nil {
					return Page{}, context.Cause(ctx)
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
			r.source.credits.Settle(p.Credit, 0)
			continue
		}
		if ctx.Err() != nil {
			return Page{}, context.Cause(ctx)
		}
		r.failed(err)
	}
}

// fetch takes credits, makes one GetRecords call and notes where to continue.
func (r *Polling) fetch(ctx context.Context) (Page, error) {
	granted, wait := r.source.credits.tryTake(r.size.want, r.size.least)
	if wait != nil {
		r.shard.Activity.enter(atMemory)
		var err error
		if granted, err = r.source.credits.take(ctx, r.size.want, r.size.least); err != nil {
			return Page{}, err
		}
	}
	gate := &answerGate{credits: r.source.credits, decoding: r.source.decoding, credit: Credit{bytes: granted}}
	defer func() { r.source.credits.Settle(gate.credit, 0) }() // also when the call panics
	out, start, err := r.call(ctx, gate)
	if err != nil {
		return Page{}, err
	}
	admitted := gate.credit
	now := time.Now() // before the wait for credits: a time no later than the call
	payload, size := pageSize(out.Records)
	r.source.metrics.fetched(now.Sub(start), payload)
	gate.credit = Credit{} // admit's from here on
	c, wait := r.source.credits.tryAdmit(admitted, size)
	if wait != nil {
		size = cut(out, admitted.bytes, size, now)
		r.shard.Activity.enter(atMemory)
		if c, err = r.source.credits.admit(ctx, admitted, size); err != nil {
			return Page{}, err // the records are read again by the shard's next reader
		}
	}
	r.shard.Activity.enter(atNothing)
	r.pace.answered(start, payload)
	r.expired = false
	date := answer.Time(out.ResultMetadata, now)
	r.source.metrics.Untimed.Add(float64(r.times.read(out.Records, date)))
	tip := out.MillisBehindLatest != nil && *out.MillisBehindLatest == 0
	r.bears(out.Records, start, now, tip)
	r.advance(out, size, granted)
	return Page{
		Records: out.Records, Credit: c, Asked: r.source.clock.Surely(start), At: now, Date: date,
		Behind: time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond, // nil is 0: defect 29
		Tip:    tip,
		Null:   out.NextShardIterator == nil, End: r.nulls.claim(out), Children: out.ChildShards,
	}, nil
}

// call makes one GetRecords call and returns when it began.
func (r *Polling) call(ctx context.Context, gate *answerGate) (out *kinesis.GetRecordsOutput, start time.Time,
	err error,
) {
	defer gate.leave()
	limit := r.size.limit(gate.credit.bytes)
	start = time.Now()
	r.shard.Activity.enter(atKinesis)
	defer r.shard.Activity.enter(atNothing)
	ctx, cancel := context.WithTimeout(answer.With(ctx, r.expects()), pageTimeout)
	defer cancel()
	out, err = r.source.client.GetRecords(ctx, &kinesis.GetRecordsInput{
		ShardIterator: &r.iterator, StreamARN: r.source.stream.arn, Limit: &limit,
	}, gate.install)
	if large, ok := errors.AsType[*pageTooLargeError](err); ok {
		r.size.tooLarge(large.size, limit)
		r.pace.answered(start, large.size) // read or not, Kinesis has counted it
	}
	return out, start, err
}

// advance moves the position behind the page and sizes the next one by it.
func (r *Polling) advance(out *kinesis.GetRecordsOutput, size, granted int) {
	r.iterator = aws.ToString(out.NextShardIterator)
	n := len(out.Records)
	if n == 0 {
		return
	}
	// A copy, as that of the record is in one piece of memory with others of the page.
	last := strings.Clone(aws.ToString(out.Records[n-1].SequenceNumber))
	r.from = types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: &last}
	r.size.fit(n, size, granted, aws.ToInt64(out.MillisBehindLatest) > 0)
}

func (r *Polling) renewIterator(ctx context.Context) error {
	r.shard.Activity.enter(atKinesis)
	defer r.shard.Activity.enter(atNothing)
	callCtx, cancel := context.WithTimeout(answer.With(ctx, r.expects()), iteratorTimeout)
	defer cancel()
	out, err := r.source.client.GetShardIterator(callCtx, &kinesis.GetShardIteratorInput{
		ShardId: &r.shard.ID, StreamName: r.source.stream.name, StreamARN: r.source.stream.arn,
		ShardIteratorType: r.from.Type, StartingSequenceNumber: r.from.SequenceNumber, Timestamp: r.from.Timestamp,
	})
	var invalid *types.InvalidArgumentException
	if errors.As(err, &invalid) && r.from.SequenceNumber != nil {
		// The position may have left the stream. Trying it forever would block the shard for good (defect 36);
		// believing a refusal that passes would publish all that the stream holds once more.
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

// failed classifies an error: what to do with the iterator, how long to wait, and what to log.
func (r *Polling) failed(err error) {
	now := time.Now()
	if _, large := errors.AsType[*pageTooLargeError](err); large {
		r.source.metrics.readFailures.WithLabelValues("too_large").Inc()
		r.shard.Activity.enter(atMemory) // the pause before the next call is for credits, too
		return
	}
	r.shard.Activity.failed(now, err)
	if r.times.refused(err, now) {
		r.shard.Log.Warn("arrival times of records cannot be, and stay so; the records are read as if they had none",
			zap.Error(err))
	}
	var expired *types.ExpiredIteratorException
	var throughput *types.ProvisionedThroughputExceededException
	var limit *types.LimitExceededException
	var kms *types.KMSThrottlingException
	var invalid *types.InvalidArgumentException
	switch {
	case errors.As(err, &expired):
		r.source.metrics.readFailures.WithLabelValues("expired_iterator").Inc()
		r.iterator = ""
		if !r.expired {
			r.expired = true
			return // renewed at once, from the last record delivered
		}
		// One that expires as soon as it is made (a clock far off) would be renewed without a pause forever.
	case errors.As(err, &throughput), errors.As(err, &limit), errors.As(err, &kms):
		r.pace.throttled(now)
		r.shard.Activity.throttled.Store(now.UnixNano())
		r.source.metrics.readFailures.WithLabelValues("throttled").Inc()
		if now.Sub(r.crowded) >= crowdedEvery {
			r.crowded = now
			r.shard.Log.Warn("reads are throttled, the shard is read less often",
				zap.Duration("every", r.pace.spacing()), zap.String("code", readCode(err)),
				zap.String("remedy", Remedy(readCode(err), credentials.RoleOf(err))))
		}
		return
	case errors.As(err, &invalid):
		r.iterator = ""
	case answer.Is(err): // a fresh iterator shows whether the shard can have the position
		r.iterator = ""
	}
	r.pace.failed(now)
	if expired == nil {
		r.source.metrics.readFailures.WithLabelValues("error").Inc()
	}
	if code := readCode(err); code != r.trouble {
		r.trouble = code
		r.shard.Log.Warn("reading fails, position held, trying again", zap.String("code", code),
			zap.String("remedy", Remedy(code, credentials.RoleOf(err))), zap.Error(err))
	}
}

// recovered ends the trouble with a page that is ingested. A look at the oldest record does not: it makes no progress.
func (r *Polling) recovered() {
	r.shard.Activity.succeeded()
	if r.trouble != "" {
		r.shard.Log.Info("reading again", zap.String("after", r.trouble))
		r.trouble = ""
	}
}

// errWanted ends a pause because the shard is wanted for something else.
var errWanted = errors.New("the shard is wanted")

// rest waits until the shard may be polled again.
func (r *Polling) rest(ctx context.Context) error {
	d := time.Until(r.pace.next)
	if d <= 0 || r.shard.Wanted == nil {
		return sleep.Until(ctx, r.pace.next)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.shard.Wanted():
		return errWanted
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
