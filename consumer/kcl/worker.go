package kcl

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/config"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/metrics"
	par "github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/worker"
	"go.uber.org/zap"
)

// Table is what the library's calls need of the lease table.
type Table interface {
	// NextGrant waits for a shard whose lease waits for its consumer; it returns false when ctx is done.
	NextGrant(ctx context.Context) (shard string, ok bool)
	// Lease is the lease of a shard from its grant until End; nil without one. It is the same value each time.
	Lease(shard string) Lease
}

// Lease is the ownership of one shard.
type Lease interface {
	// Take starts the consumer of a granted shard. It is true once.
	Take() bool
	// Trusted is nil while the lease is held, and else why it is not. It does no I/O.
	Trusted() error
}

// Shards are the shards that this process reads, by id. All calls for one shard come from one goroutine.
type Shards interface {
	// Begin starts to read a shard whose lease was taken.
	Begin(shard string) error
	// Next waits for the next page and returns when it arrived; no page follows the last one. An error ends the
	// consumer.
	Next(shard string) (at time.Time, last bool, err error)
	// Ingest processes the page of the last Next.
	Ingest(shard string)
	// Finish ends a shard after its last page.
	Finish(shard string)
	// End winds a shard down, begun or not, and releases its lease.
	End(shard string) error
	// Panicked reports a panic of one of the calls above and makes an error of it, which the next Next returns too.
	Panicked(shard string, value any) error
}

// Worker is the library's worker in its disguise. Make one with New.
type Worker struct {
	table  Table
	shards Shards
	log    *zap.Logger
	ctx    context.Context //nolint:containedctx // the library's calls have no context
	worker *worker.Worker

	mu    sync.Mutex
	asked map[string]asked // by shard, until its End
}

// asked is a status for which the event loop asked about a lease.
type asked struct {
	status *par.ShardStatus
	lease  Lease
}

// New makes a worker. It takes no lease once ctx is done.
func New(ctx context.Context, table Table, shards Shards, log *zap.Logger) *Worker {
	w := &Worker{table: table, shards: shards, log: log, ctx: ctx, asked: map[string]asked{}}
	w.worker = worker.NewWorker(w, w.config()).WithKinesis(w.client()).WithCheckpointer(w)
	return w
}

// config is the only translation to the library's configuration. Its setters panic on bad values; these are constants.
func (w *Worker) config() *config.KinesisClientLibConfiguration {
	k := config.NewKinesisClientLibConfig("kinesis-alerter", "stream", "none", "worker")
	k.Logger = newLibraryLog(w.log)
	k.MonitoringService = metrics.NoopMonitoringService{} // the library's own series are unusable (defect 41)
	k.ShardSyncIntervalMillis = 1                         // no pause: ListShards waits while there is nothing to do
	k.IdleTimeBetweenReadsInMillis = 1                    // Next waits as long as it has to
	k.LeaseRefreshWaitTime = int(time.Hour / time.Millisecond)
	k.EnableLeaseStealing = false // balance is the lease table's (defects 13, 16 to 20)
	return k
}

// Start starts the library's event loop.
func (w *Worker) Start() error {
	if err := w.worker.Start(); err != nil {
		return fmt.Errorf("start the KCL worker: %w", err)
	}
	return nil
}

// Shutdown ends the event loop and waits for every consumer. Call it once: the library closes its channel without a
// check (defect 39).
func (w *Worker) Shutdown() { w.worker.Shutdown() }

// guarded calls Shards. The library would end the process with a panic (defect 46).
func (w *Worker) guarded(shard string, call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = w.shards.Panicked(shard, v)
		}
	}()
	return call()
}
