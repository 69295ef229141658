package produce

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/internal/sleep"
)

// samplePartitionKey is the one key that AWS' sample producer uses for every record.
const samplePartitionKey = "partitionkey"

// Producer puts the records of a sample into a stream. Its fields must not change while Run runs.
type Producer struct {
	Client *kinesis.Client
	Stream string
	Sample Sample
	// Rate is in records per second; 0 means as fast as the stream takes them.
	Rate float64
	// Count ends Run after so many records; 0 means no end.
	Count int
	// Keys spreads the records over so many partition keys, in turn; 0 means the one key of AWS' sample, which sends
	// every record to the same shard.
	Keys int
	// OnPut, if set, receives after each call how many records the stream accepted.
	OnPut func(accepted int)
}

const (
	// putInterval is how often records are sent when there is a rate: rare enough for batches, often enough for a
	// stream that looks steady.
	putInterval = 50 * time.Millisecond
	// putTimeout bounds a call, its retries included.
	putTimeout = 10 * time.Second
	// mostPerPut is Kinesis' limit of records in a PutRecords call.
	mostPerPut = 500
)

// Run produces until ctx is done or Count is reached, and returns how many records the stream has accepted. Entries
// that the stream throttles are put again until it takes them. The end of ctx is no error.
func (p *Producer) Run(ctx context.Context) (put int, err error) {
	began := time.Now()
	made := 0
	for ctx.Err() == nil && (p.Count == 0 || made < p.Count) {
		n := p.due(time.Since(began), made)
		if n == 0 {
			sleep.For(ctx, putInterval)
			continue
		}
		batch := make([]types.PutRecordsRequestEntry, n)
		for i := range batch {
			batch[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String(p.key(made + i)), Data: p.Sample.Next()}
		}
		made += n
		accepted, err := p.put(ctx, batch)
		put += accepted
		if err != nil {
			return put, err
		}
	}
	return put, nil
}

// due returns how many records to send now. A producer that fell behind catches up in full batches.
func (p *Producer) due(elapsed time.Duration, made int) int {
	n := mostPerPut
	if p.Rate > 0 {
		n = min(n, int(elapsed.Seconds()*p.Rate)+1-made)
	}
	if p.Count > 0 {
		n = min(n, p.Count-made)
	}
	return max(n, 0)
}

func (p *Producer) key(i int) string {
	if p.Keys == 0 {
		return samplePartitionKey
	}
	return samplePartitionKey + "-" + strconv.Itoa(i%p.Keys)
}

// put sends a batch, and what the stream refused of it again, in its order.
func (p *Producer) put(ctx context.Context, batch []types.PutRecordsRequestEntry) (accepted int, err error) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		out, err := p.call(ctx, batch)
		if err != nil {
			if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
				return accepted, fmt.Errorf("stream %s does not exist; create it, or check the region: %w", p.Stream,
					err)
			}
			return accepted, fmt.Errorf("put into stream %s: %w", p.Stream, err)
		}
		var refused []types.PutRecordsRequestEntry
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				refused = append(refused, batch[i])
			}
		}
		accepted += len(batch) - len(refused)
		if p.OnPut != nil {
			p.OnPut(len(batch) - len(refused))
		}
		if len(refused) == 0 {
			return accepted, nil
		}
		batch = refused
		if !sleep.For(ctx, wait) {
			return accepted, nil
		}
	}
}

// call puts a batch once. The end of ctx does not cut it short: whether the stream took the batch would be unknown, and
// the count wrong.
func (p *Producer) call(ctx context.Context, batch []types.PutRecordsRequestEntry) (*kinesis.PutRecordsOutput, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout)
	defer cancel()
	return p.Client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(p.Stream), Records: batch})
}
