package saved

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

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/sleep"
)

const (
	// StateSuffix makes the name of the state table of that of the lease table.
	StateSuffix = "-state"
	// chunkTimeout bounds one call on a chunk of up to 400 KB, with all attempts that the client makes of it.
	chunkTimeout = 5 * time.Second
	// chunkAttempts is how often the write of a chunk is tried before the save is given up for this time.
	chunkAttempts = 4
	// chunkReads is how many chunks of a snapshot are read at once.
	chunkReads = 4
	// stateTableWait is how long a save waits for a table that is being created. It usually takes seconds.
	stateTableWait = 2 * time.Minute
	// BurstSeconds is how much of the write budget is saved up: a new on-demand table takes 4,000 write units a
	// second at once, which is four times the default budget.
	BurstSeconds = 4
)

// Table holds the chunks of snapshots. It is a table of its own because every worker scans the lease table every ten
// seconds, and a scan pays for all that is in the rows. It has a hash key only, like the lease table: DynamoDB writes
// no more than a thousand units a second to one hash key, and so the chunks of a shard are spread.
type Table struct {
	db   table.DynamoDB
	make *table.Maker
	Name string
	Size int // of a chunk, in bytes
	cost prometheus.Counter

	mu      sync.Mutex
	budget  pace
	created time.Time // the last CreateTable
}

// New makes the state table of a lease table. It spends so many write units a second on average, which cost
// counts.
func New(db table.DynamoDB, maker *table.Maker, leases string, units int, cost prometheus.Counter) *Table {
	return &Table{
		db: db, make: maker, Name: leases + StateSuffix, Size: ChunkBytes, cost: cost,
		budget: pace{rate: float64(units)},
	}
}

// pace spaces writes so that they stay within a rate on average. Callers wait as long as it says before they write.
type pace struct {
	rate float64 // units a second
	next time.Time
}

func (p *pace) take(now time.Time, units int) (wait time.Duration) {
	if earliest := now.Add(-BurstSeconds * time.Second); p.next.Before(earliest) {
		p.next = earliest
	}
	wait = max(0, p.next.Sub(now))
	p.next = p.next.Add(time.Duration(float64(units) / p.rate * float64(time.Second)))
	return wait
}

// Chunks is how many rows so many bytes need.
func (t *Table) Chunks(bytes int) int { return (bytes + t.Size - 1) / t.Size }

// spend waits until so many write units are within the budget.
func (t *Table) spend(ctx context.Context, units int) error {
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

// InTheWayError says that a chunk is there that was written later, by a lease that began with the same epoch: that can
// only be after the row of the shard was deleted.
type InTheWayError struct{ Number int64 }

func (e *InTheWayError) Error() string {
	return fmt.Sprintf("a chunk of a later save (number %d) is in the way", e.Number)
}

var errNoChunk = errors.New("it is not there")

// Write stores the chunks of a snapshot, in order. A chunk of a later save of the same slot stays as it is, so that a
// write that was under way for long does no harm.
func (t *Table) Write(ctx context.Context, shard string, v Version, p table.Saved, data []byte, top int) error {
	n := 0
	for part := range slices.Chunk(data, t.Size) {
		if err := t.spend(ctx, units(len(part))); err != nil {
			return err
		}
		if err := t.Put(ctx, EncodeChunk(shard, v, p, part, n, top), v.Number); err != nil {
			return fmt.Errorf("chunk %d of %d: %w", n+1, p.Chunks, err)
		}
		n++
	}
	return nil
}

// Put writes one chunk, unless one of a later save is there.
func (t *Table) Put(ctx context.Context, it table.Item, number int64) error {
	begin := time.Now()
	for attempt := 0; ; attempt++ {
		err := t.tryPut(ctx, it, number)
		old, wasRefused := table.Refused(err)
		switch {
		case err == nil:
			return nil
		case wasRefused:
			n, _ := table.Integer(old[table.AttrNumber])
			return &InTheWayError{Number: n}
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case table.IsNotFound(err):
			if time.Since(begin) > stateTableWait {
				return t.fault("PutItem", err)
			}
			if err := t.create(ctx); err != nil {
				return err
			}
			attempt = -1 // and wait until it is there
		case table.NamesFault(err), attempt+1 >= chunkAttempts:
			return t.fault("PutItem", err)
		}
		if !sleep.For(ctx, sleep.Backoff(max(attempt, 0))) {
			return context.Cause(ctx)
		}
	}
}

func (t *Table) tryPut(ctx context.Context, it table.Item, number int64) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	e := &table.Write{}
	e.IfAtMost(table.AttrNumber, number)
	_, err := t.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.Name, Item: it, ConditionExpression: e.Condition(), ExpressionAttributeNames: e.Names,
		ExpressionAttributeValues:           e.Values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	return err
}

// create makes the table, once in a while: another save or another worker may have asked for it, and while it is being
// made its rows are not found either.
func (t *Table) create(ctx context.Context) error {
	t.mu.Lock()
	again := time.Since(t.created) > 10*time.Second
	if again {
		t.created = time.Now()
	}
	t.mu.Unlock()
	if !again {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*table.CallTimeout)
	defer cancel()
	if err := t.make.Create(ctx, t.Name); err != nil {
		t.mu.Lock()
		t.created = time.Time{}
		t.mu.Unlock()
		return t.explain(t.make.Actions(), err)
	}
	return nil
}

// Read returns a whole snapshot. A missing or foreign chunk is a *StateError; any other error may pass.
func (t *Table) Read(ctx context.Context, shard string, p table.Saved) ([]byte, error) {
	bad := func(what string, args ...any) error {
		return &StateError{Shard: shard, Version: p.Version, Table: t.Name, What: fmt.Sprintf(what, args...)}
	}
	v, err := ParseVersion(p.Version)
	if err != nil {
		return nil, bad("%v", err)
	}
	if p.Bytes < 0 || p.Bytes > MaxState || p.Chunks < 0 || p.Chunks > maxChunks {
		return nil, bad("%d bytes in %d chunks", p.Bytes, p.Chunks)
	}
	parts := make([][]byte, p.Chunks)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(chunkReads)
	for n := range parts {
		g.Go(func() error {
			return guard.Do("state table", func() error {
				it, err := t.Get(ctx, ChunkKey(shard, v.Epoch, v.Slot, n), nil)
				if err == nil {
					parts[n], err = DecodeChunk(it, p)
					if err != nil {
						err = bad("chunk %d of %d: %v", n+1, p.Chunks, err)
					}
				} else if table.IsNotFound(err) {
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
	if len(data) != p.Bytes || checksum(data) != p.Sum {
		return nil, bad("%d bytes with checksum %08x, not %d with %08x", len(data), checksum(data), p.Bytes, p.Sum)
	}
	return data, nil
}

// Get reads one chunk, strongly consistent; only lists the attributes to return, or is nil for all.
func (t *Table) Get(ctx context.Context, key string, only []string) (table.Item, error) {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	in := &dynamodb.GetItemInput{TableName: &t.Name, Key: table.KeyOf(key), ConsistentRead: aws.Bool(true)}
	if only != nil {
		in.ProjectionExpression, in.ExpressionAttributeNames = table.Projection(only...)
	}
	out, err := t.db.GetItem(ctx, in)
	if err != nil {
		return nil, t.fault("GetItem", err)
	}
	return out.Item, nil
}

// drop deletes what is in one slot. It reads the first row; without one there is nothing to delete. The first row is
// deleted last, so that an interrupted deletion is found again.
func (t *Table) drop(ctx context.Context, shard string, epoch int64, slot int) error {
	first, err := t.Get(ctx, ChunkKey(shard, epoch, slot, 0), []string{table.AttrTop, table.AttrChunks})
	switch {
	case table.IsNotFound(err):
		return nil // no table, no chunks
	case err != nil:
		return err
	case len(first) == 0:
		return nil
	}
	top := 1
	for _, attr := range []string{table.AttrTop, table.AttrChunks} {
		if n, err := table.Integer(first[attr]); err == nil {
			top = max(top, int(min(n, maxChunks)))
		}
	}
	for n := top - 1; n >= 0; n-- {
		if err := t.spend(ctx, units(t.Size)); err != nil {
			return err
		}
		if err := t.remove(ctx, ChunkKey(shard, epoch, slot, n)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	if _, err := t.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &t.Name,
		Key:       table.KeyOf(key),
	}); err != nil && !table.IsNotFound(err) {
		return t.fault("DeleteItem", err)
	}
	return nil
}

// stateReach is how many epochs back rows are searched that no shard's row points to.
const stateReach = 16

// Sweep deletes the snapshots that leases of a shard wrote which began before an epoch: the one of p, which was current
// before, and what crashed or fenced writers left in the epochs before this one.
func (t *Table) Sweep(ctx context.Context, shard string, p table.Saved, before int64) error {
	epochs := make([]int64, 0, stateReach+1)
	if v, err := ParseVersion(p.Version); err == nil && v.Epoch < before-stateReach {
		epochs = append(epochs, v.Epoch)
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

func (t *Table) fault(operation string, err error) error {
	return t.explain("dynamodb:"+operation, err)
}

func (t *Table) explain(actions string, err error) error {
	err = table.Fault(actions, "table "+t.Name, err)
	if table.IsDenied(err) {
		return fmt.Errorf(
			"%w (state snapshots need dynamodb:CreateTable, PutItem, GetItem and DeleteItem on table %s)", err, t.Name)
	}
	return err
}
