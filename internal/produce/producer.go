package produce

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/internal/sleep"
)

// DefaultKey is the one key that AWS' sample producer uses for every record.
const DefaultKey = "partitionkey"

// Producer puts the records of a sample into a stream. Its fields must not change while Run runs.
type Producer struct {
	Client *kinesis.Client
	// Stream is a name or an ARN.
	Stream string
	Sample Sample
	// Rate is in records per second; 0 means as fast as the stream takes them.
	Rate float64
	// Count ends Run after so many records; 0 means no end.
	Count int
	// Keys spreads the records over so many partition keys, in turn; 0 means DefaultKey, which sends every record to
	// the same shard.
	Keys int
	// OnPut, if set, receives after each call how many records the stream accepted.
	OnPut func(accepted int)
	// Trouble, if set, gets the error that has calls repeated, and nil when they are answered again.
	Trouble func(error)
}

// putInterval is how often records are sent when there is a rate: rare enough for batches, often enough for a stream
// that looks steady.
const putInterval = 50 * time.Millisecond

// Sum is what was put.
type Sum struct {
	// Accepted is how many records the stream has taken.
	Accepted int
	// Repeated is how many were put again because a call had no answer. The stream may have these twice.
	Repeated int
}

// Run produces until ctx is done or Count is reached. What the stream refuses is put again until it takes it, and so is
// a call that fails for a while. The end of ctx is no error.
func (p *Producer) Run(ctx context.Context) (Sum, error) {
	began := time.Now()
	to := &sender{Client: p.Client, Stream: p.Stream, Trouble: p.Trouble}
	made, accepted := 0, 0
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
		put, err := p.put(ctx, to, batch)
		accepted += put
		if err != nil {
			return Sum{accepted, to.repeated}, err
		}
	}
	return Sum{accepted, to.repeated}, nil
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
		return DefaultKey
	}
	return DefaultKey + "-" + strconv.Itoa(i%p.Keys)
}

// put sends a batch, and what the stream refused of it again, in its order.
func (p *Producer) put(
	ctx context.Context, to *sender, batch []types.PutRecordsRequestEntry,
) (accepted int, err error) {
	for len(batch) > 0 {
		results, err := to.send(ctx, batch)
		if results == nil {
			return accepted, err
		}
		var refused []types.PutRecordsRequestEntry
		for i, r := range results {
			if r.Refused {
				refused = append(refused, batch[i])
			}
		}
		put := len(batch) - len(refused)
		accepted += put
		if p.OnPut != nil {
			p.OnPut(put)
		}
		batch = refused
	}
	return accepted, nil
}
