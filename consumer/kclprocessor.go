package consumer

import (
	"fmt"

	kcl "github.com/vmware/vmware-go-kcl-v2/clientlibrary/interfaces"
	"go.uber.org/zap"
)

// processor is what the KCL calls for one shard. The KCL calls one method at a time.
type processor struct {
	consumer *Consumer
	shard    *shard
}

var _ kcl.IRecordProcessor = (*processor)(nil)

// CreateProcessor implements the KCL's factory.
func (c *Consumer) CreateProcessor() kcl.IRecordProcessor { return &processor{consumer: c} }

// Initialize follows GetShardIterator, which has begun the shard.
func (p *processor) Initialize(in *kcl.InitializationInput) { p.shard = p.consumer.shard(in.ShardId) }

// ProcessRecords takes in the page that the carrier record stands for. A panic costs the shard a new start from its
// checkpoint, not the process (defect 46): the next GetRecords ends the KCL's consumer.
func (p *processor) ProcessRecords(*kcl.ProcessRecordsInput) {
	defer func() {
		if v := recover(); v != nil {
			p.shard.fail(p.consumer.panicked(v))
		}
	}()
	if page := p.shard.held(); page != nil {
		p.shard.takeIn(page)
	}
}

// Shutdown is called at the end of a shard. The library calls it in some cases of a stop too and never on lease loss
// (defect 9); for both, RemoveLeaseOwner is the hook.
func (p *processor) Shutdown(in *kcl.ShutdownInput) {
	defer func() {
		if v := recover(); v != nil {
			p.shard.fail(p.consumer.panicked(v))
		}
	}()
	if in.ShutdownReason == kcl.TERMINATE {
		p.shard.finish()
	}
}

// panicked tells of a panic of our own code on the KCL's goroutine and makes an error of it; the library would die of it.
func (c *Consumer) panicked(v any) error {
	c.metrics.panics.Inc()
	c.log.Error("panic, the shard starts again from its checkpoint", zap.Any("panic", v), zap.Stack("stack"))
	return fmt.Errorf("panic: %v", v)
}
