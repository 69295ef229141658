package kcl

import "github.com/vmware/vmware-go-kcl-v2/clientlibrary/interfaces"

// processor is what the library calls for one shard, one method at a time.
type processor struct {
	worker *Worker
	shard  string
}

var _ interfaces.IRecordProcessor = (*processor)(nil)

// CreateProcessor implements the library's factory.
func (w *Worker) CreateProcessor() interfaces.IRecordProcessor { return &processor{worker: w} }

// Initialize follows GetShardIterator, which has begun the shard.
func (p *processor) Initialize(in *interfaces.InitializationInput) { p.shard = in.ShardId }

// ProcessRecords ingests the page behind the placeholder.
func (p *processor) ProcessRecords(*interfaces.ProcessRecordsInput) { p.call(p.worker.shards.Ingest) }

// Shutdown is called at the end of a shard. The library also calls it in some cases of a stop, and never when a lease
// is lost (defect 9). For both, RemoveLeaseOwner is the hook.
func (p *processor) Shutdown(in *interfaces.ShutdownInput) {
	if in.ShutdownReason == interfaces.TERMINATE {
		p.call(p.worker.shards.Finish)
	}
}

// call ignores the error of a panic: Panicked has the next GetRecords return it.
func (p *processor) call(method func(shard string)) {
	_ = p.worker.guarded(p.shard, func() error { method(p.shard); return nil })
}
