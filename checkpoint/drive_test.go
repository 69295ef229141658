package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/stretchr/testify/require"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/config"
	kcl "github.com/vmware/vmware-go-kcl-v2/clientlibrary/interfaces"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/worker"
	kcllogger "github.com/vmware/vmware-go-kcl-v2/logger"
)

// driven is the unmodified KCL worker on a Store, with a middleware that answers from Grants and empty pages.
type driven struct {
	store     *Store
	ctx       context.Context //nolint:containedctx // the middleware's blocking ListShards has no other
	cancel    context.CancelFunc
	worker    *worker.Worker
	result    chan error
	processed atomic.Int64
}

var errHandedOver = errors.New("handed over")

func (w *world) drive(name string) *driven {
	w.Helper()
	s, _ := w.newStore(name)
	d := &driven{store: s, result: make(chan error, 1)}
	d.ctx, d.cancel = context.WithCancel(w.Context())
	go func() { d.result <- s.Run(w.Context()) }()
	c := config.NewKinesisClientLibConfig("app", testStream, "us-east-1", kclID)
	c.ShardSyncIntervalMillis, c.IdleTimeBetweenReadsInMillis, c.LeaseRefreshWaitTime = 2, 1, 500
	c.Logger = silence{}
	d.worker = worker.NewWorker(d, c).WithKinesis(d.client()).WithCheckpointer(s)
	require.NoError(w, d.worker.Start())
	return d
}

func (d *driven) client() *kinesis.Client {
	answer := middleware.InitializeMiddlewareFunc("drive", func(_ context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
		switch p := in.Parameters.(type) {
		case *kinesis.ListShardsInput:
			res := &kinesis.ListShardsOutput{}
			for _, id := range d.store.Grants(d.ctx) { //nolint:contextcheck // the library passes context.TODO
				res.Shards = append(res.Shards, types.Shard{ShardId: aws.String(id), SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("0")}})
			}
			out.Result = res
		case *kinesis.GetShardIteratorInput:
			out.Result = &kinesis.GetShardIteratorOutput{ShardIterator: p.ShardId}
		case *kinesis.GetRecordsInput:
			out.Result, err = d.page(*p.ShardIterator) //nolint:contextcheck // the library passes context.TODO
		default:
			err = fmt.Errorf("unexpected %T", p)
		}
		return out, md, err
	})
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("kcl", "x", ""),
		APIOptions: []func(*middleware.Stack) error{func(s *middleware.Stack) error { return s.Initialize.Add(answer, middleware.Before) }},
	})
}

// page is an empty page after a poll interval, or the end of a consumer whose lease is over or handed over.
func (d *driven) page(id string) (*kinesis.GetRecordsOutput, error) {
	l := d.store.Lease(id)
	if l == nil {
		return nil, errHandedOver
	}
	t := time.NewTimer(200 * time.Millisecond)
	defer t.Stop()
	select {
	case <-l.HandoffRequested():
		if err := l.HandOff(d.ctx); err == nil {
			return nil, errHandedOver
		}
	case <-l.Context().Done():
		return nil, context.Cause(l.Context())
	case <-t.C:
	case <-d.ctx.Done():
	}
	d.processed.Add(1)
	return &kinesis.GetRecordsOutput{NextShardIterator: &id, MillisBehindLatest: aws.Int64(0)}, nil
}

func (*driven) CreateProcessor() kcl.IRecordProcessor { return noRecords{} }

type silence struct{}

func (silence) Debugf(string, ...any)                        {}
func (silence) Infof(string, ...any)                         {}
func (silence) Warnf(string, ...any)                         {}
func (silence) Errorf(string, ...any)                        {}
func (silence) Fatalf(string, ...any)                        {}
func (silence) Panicf(string, ...any)                        {}
func (silence) WithFields(kcllogger.Fields) kcllogger.Logger { return silence{} }

type noRecords struct{}

func (noRecords) Initialize(*kcl.InitializationInput)     {}
func (noRecords) ProcessRecords(*kcl.ProcessRecordsInput) {}
func (noRecords) Shutdown(*kcl.ShutdownInput)             {}

func (d *driven) held() int {
	n := 0
	for _, s := range d.store.Status().Shards {
		if l := d.store.Lease(s.ID); l != nil && l.Context().Err() == nil && s.State == ShardHeld {
			n++
		}
	}
	return n
}

func (d *driven) stop(w *world) {
	w.Helper()
	d.store.Leave()
	d.cancel()
	d.worker.Shutdown()
	require.NoError(w, d.store.Stop(w.Context()))
	require.NoError(w, <-d.result)
}

// The unmodified worker of the library runs on the Store: it starts what is granted, hands over, and ends when leases do.
func TestTheKCLWorkerRunsOnTheStore(t *testing.T) {
	bubble(t, 20, func(w *world) {
		a := w.drive("a")
		w.await("all held", 10*time.Second, func() bool { return a.held() == 20 })
		b := w.drive("b")
		took := w.await("balance", 10*time.Second, func() bool { return a.held() == 10 && b.held() == 10 })
		w.Logf("handed half over in %v", took)
		time.Sleep(time.Minute)
		require.Equal(w, 10, a.held())
		require.Equal(w, 10, b.held())
		require.NotZero(w, a.processed.Load())
		took = w.await("stop", 10*time.Second, func() bool {
			if a.ctx.Err() == nil {
				a.stop(w)
			}
			return b.held() == 20
		})
		w.Logf("taken over after the stop in %v", took)
		for _, st := range b.store.Status().Shards {
			require.Equal(w, ShardHeld, st.State, st.ID)
		}
		b.stop(w)
	})
}
