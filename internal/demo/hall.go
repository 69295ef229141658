package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/sleep"
)

const (
	servers = 300
	// each server reports once in a round, in one of its slots.
	round = time.Second
	slots = 10
	// perRack is how many servers share a rack.
	perRack = 12
)

// server is one of the hall.
type server struct {
	name, rack string
	hot        bool
	celsius    int // in the shade
}

// hall is the servers, who report their temperatures to the stream. Its methods are safe for concurrent use.
type hall struct {
	client *kinesis.Client
	ledger *ledger
	// oracle judges what the stream took, apart from all workers: what it alerts on is due. By shard.
	pipeline *alert.Pipeline
	oracle   map[string]*alert.Evaluator
	random   *rand.Rand

	mu      sync.Mutex
	servers []server
}

func newHall(client *kinesis.Client, l *ledger, p *alert.Pipeline) *hall {
	h := &hall{
		client: client, ledger: l, pipeline: p, oracle: map[string]*alert.Evaluator{},
		random: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // temperatures, not secrets
	}
	for i := range servers {
		rack := i / perRack
		h.servers = append(h.servers, server{
			name: fmt.Sprintf("web-%03d", i), rack: fmt.Sprintf("%c%d", 'A'+rack/5, 1+rack%5),
			celsius: 45 + h.random.IntN(20),
		})
	}
	return h
}

// heat makes servers too hot, or cools them down, from their next report on.
func (h *hall) heat(hot bool, from, to int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := from; i < to; i++ {
		h.servers[i].hot = hot
	}
}

// run reports until ctx is done. The end of ctx is no error.
func (h *hall) run(ctx context.Context) error {
	ticker := time.NewTicker(round / slots)
	defer ticker.Stop()
	for slot := 0; ; slot = (slot + 1) % slots {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if err := h.report(ctx, h.reports(slot)); err != nil {
			return err
		}
	}
}

// reports are what the servers of a slot say now.
func (h *hall) reports(slot int) []types.PutRecordsRequestEntry {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []types.PutRecordsRequestEntry
	for i := slot; i < len(h.servers); i += slots {
		s := h.servers[i]
		celsius := s.celsius + h.random.IntN(5)
		if s.hot {
			celsius = 88 + h.random.IntN(6)
		}
		out = append(out, types.PutRecordsRequestEntry{
			PartitionKey: aws.String(s.name),
			Data:         fmt.Appendf(nil, `{"server":%q,"rack":%q,"celsius":%d}`, s.name, s.rack, celsius),
		})
	}
	return out
}

// report puts a batch, and what the stream refused of it again. The end of ctx does not cut a call short: whether the
// stream took the batch would be unknown, and the ledger wrong.
func (h *hall) report(ctx context.Context, batch []types.PutRecordsRequestEntry) error {
	for {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		put := time.Now()
		out, err := h.client.PutRecords(call, &kinesis.PutRecordsInput{
			StreamName: aws.String(streamName), Records: batch,
		})
		cancel()
		if err != nil {
			return fmt.Errorf("put into stream %s: %w", streamName, err)
		}
		var refused []types.PutRecordsRequestEntry
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				refused = append(refused, batch[i])
				continue
			}
			at := place{ShardID: aws.ToString(r.ShardId), SequenceNumber: aws.ToString(r.SequenceNumber)}
			h.ledger.took(put, at, h.judge(&alert.Record{
				Shard: at.ShardID, SequenceNumber: at.SequenceNumber,
				PartitionKey: aws.ToString(batch[i].PartitionKey), Arrival: put, Data: batch[i].Data,
			}))
		}
		if batch = refused; len(batch) == 0 || !sleep.For(ctx, round/slots) {
			return nil
		}
	}
}

// judge returns the ids and kinds of the alerts that a record calls for.
func (h *hall) judge(r *alert.Record) map[string]string {
	e := h.oracle[r.Shard]
	if e == nil {
		e = h.pipeline.Shard(r.Shard)
		h.oracle[r.Shard] = e
	}
	decision := e.Evaluate(r)
	if len(decision.Alerts) == 0 {
		return nil
	}
	due := map[string]string{}
	for _, a := range decision.Alerts {
		due[a.ID] = string(a.Kind)
	}
	return due
}
