package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/sleep"
)

const (
	// stateSuffix makes the name of the state table of that of the lease table.
	stateSuffix = "-state"
	// chunkTimeout bounds one call on a chunk of up to 400 KB, with all attempts that the client makes of it.
	chunkTimeout = 5 * time.Second
	// chunkAttempts is how often the write of a chunk is tried before the save is given up for this time.
	chunkAttempts = 4
	// chunkReads is how many chunks of a snapshot are read at once.
	chunkReads = 4
	// stateTableWait is how long a save waits for a table that is being created. It usually takes seconds.
	stateTableWait = 2 * time.Minute
	// burstSeconds is how much of the write budget is saved up: a new on-demand table takes 4,000 write units a second at
	// once, which is four times the default budget.
	burstSeconds = 4
)

// stateTable holds the chunks of snapshots. It is a table of its own because every worker scans the lease table every ten
// seconds, and a scan pays for all that is in the rows. It has a hash key only, like the lease table: DynamoDB writes no
// more than a thousand units a second to one hash key, and so the chunks of a shard are spread.
type stateTable struct {
	db   DynamoDB
	name string
	size int // of a chunk, in bytes
	cost prometheus.Counter

	mu      sync.Mutex
	budget  pace
	created time.Time // the last CreateTable
}

// newStateTable is the state table beside a lease table. It spends so many write units a second on average, which cost
// counts.
func newStateTable(db DynamoDB, leases string, units int, cost prometheus.Counter) *stateTable {
	return &stateTable{db: db, name: leases + stateSuffix, size: chunkBytes, cost: cost, budget: pace{rate: float64(units)}}
}

// pace spaces writes so that they stay within a rate on average. Callers wait as long as it says before they write.
type pace struct {
	rate float64 // units a second
	next time.Time
}

func (p *pace) take(now time.Time, units int) (wait time.Duration) {
	if earliest := now.Add(-burstSeconds * time.Second); p.next.Before(earliest) {
		p.next = earliest
	}
	wait = max(0, p.next.Sub(now))
	p.next = p.next.Add(time.Duration(float64(units) / p.rate * float64(time.Second)))
	return wait
}

// chunks is how many rows so many bytes need.
func (t *stateTable) chunks(bytes int) int { return (bytes + t.size - 1) / t.size }

// spend waits until so many write units are within the budget.
func (t *stateTable) spend(ctx context.Context, units int) error {
	t.mu.Lock()
	wait := t.budget.take(time.Now(), units)
	t.mu.Unlock()
	t.cost.Add(float64(units))
	if wait > 0 && !sleep.For(ctx, wait) {
		return context.Cause(ctx)
	}
	return nil
}

// units is what writing or deleting a chunk of so many bytes costs; its other attributes have less than a quarter KB.
func units(bytes int) int { return 1 + (bytes+256)/1024 }

// inTheWayError says that a chunk is there that was written later, by a lease that began with the same epoch: that can
// only be after the row of the shard was deleted.
type inTheWayError struct{ number int64 }

func (e *inTheWayError) Error() string {
	return fmt.Sprintf("a chunk of a later save (number %d) is in the way", e.number)
}

var errNoChunk = errors.New("it is not there")

// write stores the chunks of a snapshot, in order. A chunk of a later save of the same slot stays as it is, so that a
// write that was under way for long does no harm.
func (t *stateTable) write(ctx context.Context, shard string, v stateVersion, p snapshot, data []byte, top int) error {
	n := 0
	for part := range slices.Chunk(data, t.size) {
		if err := t.spend(ctx, units(len(part))); err != nil {
			return err
		}
		if err := t.put(ctx, encodeChunk(shard, v, p, part, n, top), v.number); err != nil {
			return fmt.Errorf("chunk %d of %d: %w", n+1, p.chunks, err)
		}
		n++
	}
	return nil
}

func (t *stateTable) put(ctx context.Context, it item, number int64) error {
	begin := time.Now()
	for attempt := 0; ; attempt++ {
		err := t.tryPut(ctx, it, number)
		old, wasRefused := refused(err)
		switch {
		case err == nil:
			return nil
		case wasRefused:
			n, _ := integer(old[attrNumber])
			return &inTheWayError{number: n}
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isNotFound(err):
			if time.Since(begin) > stateTableWait {
				return t.fault("PutItem", err)
			}
			if err := t.create(ctx); err != nil {
				return err
			}
			attempt = -1 // and wait until it is there
		case NamesFault(err), attempt+1 >= chunkAttempts:
			return t.fault("PutItem", err)
		}
		if !sleep.For(ctx, sleep.Backoff(max(attempt, 0))) {
			return context.Cause(ctx)
		}
	}
}

func (t *stateTable) tryPut(ctx context.Context, it item, number int64) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	e := &expr{}
	e.ifAtMost(attrNumber, number)
	_, err := t.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.name, Item: it, ConditionExpression: e.condition(), ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return err
}

// create makes the table, once in a while: another save or another worker may have asked for it, and while it is being
// made its rows are not found either.
func (t *stateTable) create(ctx context.Context) error {
	t.mu.Lock()
	again := time.Since(t.created) > 10*time.Second
	if again {
		t.created = time.Now()
	}
	t.mu.Unlock()
	if !again {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*callTimeout)
	defer cancel()
	if err := createTable(ctx, t.db, t.name); err != nil {
		t.mu.Lock()
		t.created = time.Time{}
		t.mu.Unlock()
		return t.fault("CreateTable", err)
	}
	return nil
}

// read answers a whole snapshot. A missing or foreign chunk is a *StateError; any other error may pass.
func (t *stateTable) read(ctx context.Context, shard string, p snapshot) ([]byte, error) {
	bad := func(what string, args ...any) error {
		return &StateError{Shard: shard, Version: p.version, Table: t.name, What: fmt.Sprintf(what, args...)}
	}
	v, err := parseVersion(p.version)
	if err != nil {
		return nil, bad("%v", err)
	}
	if p.bytes < 0 || p.bytes > MaxState || p.chunks < 0 || p.chunks > maxChunks {
		return nil, bad("%d bytes in %d chunks", p.bytes, p.chunks)
	}
	parts := make([][]byte, p.chunks)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(chunkReads)
	for n := range parts {
		g.Go(func() error {
			return guard.Do("state table", func() error {
				it, err := t.get(ctx, chunkKey(shard, v.epoch, v.slot, n), nil)
				if err == nil {
					parts[n], err = decodeChunk(it, p)
					if err != nil {
						err = bad("chunk %d of %d: %v", n+1, p.chunks, err)
					}
				} else if isNotFound(err) {
					err = bad("the table is gone")
				}
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	data := slices.Concat(parts...)
	if len(data) != p.bytes || checksum(data) != p.sum {
		return nil, bad("%d bytes with checksum %08x, not %d with %08x", len(data), checksum(data), p.bytes, p.sum)
	}
	return data, nil
}

// get reads one chunk, strongly consistent; only is the attributes to answer, or nil for all.
func (t *stateTable) get(ctx context.Context, key string, only []string) (item, error) {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	in := &dynamodb.GetItemInput{TableName: &t.name, Key: keyOf(key), ConsistentRead: aws.Bool(true)}
	if only != nil {
		in.ProjectionExpression, in.ExpressionAttributeNames = projection(only...)
	}
	out, err := t.db.GetItem(ctx, in)
	if err != nil {
		return nil, t.fault("GetItem", err)
	}
	return out.Item, nil
}

// drop deletes what is in one slot: a look at its first row, and no more where there is none. The first row goes last, so
// that a deletion which did not come to its end is found again.
func (t *stateTable) drop(ctx context.Context, shard string, epoch int64, slot int) error {
	first, err := t.get(ctx, chunkKey(shard, epoch, slot, 0), []string{attrTop, attrChunks})
	switch {
	case isNotFound(err):
		return nil // no table, no chunks
	case err != nil:
		return err
	case len(first) == 0:
		return nil
	}
	top := 1
	for _, attr := range []string{attrTop, attrChunks} {
		if n, err := integer(first[attr]); err == nil {
			top = max(top, int(min(n, maxChunks)))
		}
	}
	for n := top - 1; n >= 0; n-- {
		if err := t.spend(ctx, units(t.size)); err != nil {
			return err
		}
		if err := t.remove(ctx, chunkKey(shard, epoch, slot, n)); err != nil {
			return err
		}
	}
	return nil
}

func (t *stateTable) remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	if _, err := t.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &t.name, Key: keyOf(key)}); err != nil && !isNotFound(err) {
		return t.fault("DeleteItem", err)
	}
	return nil
}

// stateReach is how many epochs back the rows of a shard are looked for that nobody points to.
const stateReach = 16

// sweep deletes the snapshots that leases of a shard wrote which began before an epoch: the one of p, which was in force
// before, and what crashed or fenced writers left in the epochs before this one.
func (t *stateTable) sweep(ctx context.Context, shard string, p snapshot, before int64) error {
	epochs := make([]int64, 0, stateReach+1)
	if v, err := parseVersion(p.version); err == nil && v.epoch < before-stateReach {
		epochs = append(epochs, v.epoch)
	}
	for epoch := max(0, before-stateReach); epoch < before; epoch++ {
		epochs = append(epochs, epoch)
	}
	for _, epoch := range epochs {
		for slot := range 2 {
			if err := t.drop(ctx, shard, epoch, slot); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *stateTable) fault(operation string, err error) error {
	err = fault("dynamodb:"+operation, "table "+t.name, err)
	if isDenied(err) {
		return fmt.Errorf("%w (state snapshots need dynamodb:CreateTable, PutItem, GetItem and DeleteItem on table %s)", err, t.name)
	}
	return err
}
