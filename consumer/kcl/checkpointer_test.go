package kcl

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	chk "github.com/vmware/vmware-go-kcl-v2/clientlibrary/checkpoint"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/interfaces"
	par "github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"
	"go.uber.org/zap"
)

const me = "kcl" // what the library calls itself

// grants is a lease table of one process.
type grants map[string]*grant

type grant struct{ taken, over bool }

func (grants) NextGrant(context.Context) (string, bool) { return "", false }

func (g grants) Lease(shard string) Lease {
	if l := g[shard]; l != nil {
		return l
	}
	return nil
}

func (l *grant) Take() bool {
	ok := !l.taken && !l.over
	l.taken = true
	return ok
}

func (l *grant) Trusted() error {
	if l.over {
		return context.Canceled
	}
	return nil
}

// released ends the lease of a shard, as End does.
type released struct{ grants }

func (released) Begin(string) error                   { return nil }
func (released) Next(string) (time.Time, bool, error) { panic("no page") }
func (released) Ingest(string)                        { panic("no page") }
func (released) Finish(string)                        {}
func (released) Panicked(_ string, value any) error   { return panicked{value} }
func (r released) End(shard string) error {
	r.grants[shard].over = true
	delete(r.grants, shard)
	return nil
}

type panicked struct{ value any }

func (panicked) Error() string { return "panic" }

func newWorker(t *testing.T, g grants) *Worker {
	t.Helper()
	return New(t.Context(), g, released{g}, zap.NewNop())
}

func status(shard string) *par.ShardStatus { return &par.ShardStatus{ID: shard, Mux: &sync.RWMutex{}} }

// take makes the two calls of the library's event loop.
func take(t *testing.T, w *Worker, st *par.ShardStatus) error {
	t.Helper()
	require.NoError(t, w.FetchCheckpoint(st))
	return w.GetLease(st, me)
}

// Defect 11 of the KCL: a renewal in flight while its consumer ends must not take the shard without a consumer.
func TestDefect11LateRenewalOwnsNothing(t *testing.T) {
	g := grants{"a": {}}
	w, st := newWorker(t, g), status("a")
	refused := func(why string) {
		t.Helper()
		require.ErrorAs(t, w.GetLease(st, me), new(chk.ErrLeaseNotAcquired), why)
	}
	refused("a renewal never asks for the checkpoint first")
	require.NoError(t, take(t, w, st))
	require.NoError(t, w.GetLease(st, me), "renewal")
	require.NoError(t, w.FetchCheckpoint(st), "the consumer asks for its start")

	st.SetLeaseOwner("") // the consumer ends: first the status, then RemoveLeaseOwner
	refused("late renewal before RemoveLeaseOwner")
	require.NoError(t, w.RemoveLeaseOwner("a"))
	refused("after it")
	require.NoError(t, w.FetchCheckpoint(st), "the event loop asks for what is not granted")
	g["a"] = &grant{}
	refused("and after the next grant")
	require.Empty(t, st.GetLeaseOwner())
	require.NoError(t, take(t, w, st), "the event loop gets it")

	// The narrowest race: the late renewal comes between the two calls of the event loop. The first call makes the
	// status owned, and the event loop's own call answers nil, so a consumer starts.
	st.SetLeaseOwner("")
	require.NoError(t, w.RemoveLeaseOwner("a"))
	g["a"] = &grant{}
	require.NoError(t, w.FetchCheckpoint(st))
	require.NoError(t, w.GetLease(st, me), "late renewal")
	require.NoError(t, w.GetLease(st, me), "event loop")
	g["a"].over = true
	require.Error(t, w.GetLease(st, me), "renewal of a lease that is over")
	delete(g, "a")
	require.Error(t, w.GetLease(st, me), "renewal of a lease that is forgotten")
}

// Defects 12 and 13 of the KCL: what the table says of the owner never reaches the status.
func TestDefects12And13StatusKnowsNoOwnerOfTheTable(t *testing.T) {
	w := newWorker(t, grants{"a": {}})
	for _, shard := range []string{"a", "unknown"} {
		st := status(shard)
		require.NoError(t, w.FetchCheckpoint(st), "an unknown parent is not without a checkpoint")
		require.Empty(t, st.GetLeaseOwner())
		require.Equal(t, Sentinel, st.GetCheckpoint())
		require.NotEqual(t, chk.ShardEnd, st.GetCheckpoint())
	}
}

func TestNoLeaseIsTakenWhileStopping(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := grants{"a": {}}
	w := New(ctx, g, released{g}, zap.NewNop())
	cancel()
	require.ErrorAs(t, take(t, w, status("a")), new(chk.ErrLeaseNotAcquired))
	require.False(t, g["a"].taken)
}

// Defects 2, 42 and 46 of the KCL: its checkpointer moves memory before the durable write, its prepared one panics, and
// it dies with a panic. Progress takes another way, so nil does for both.
func TestProcessorsPanicAlone(t *testing.T) {
	p := newWorker(t, grants{"a": {}}).CreateProcessor()
	p.Initialize(&interfaces.InitializationInput{ShardId: "a"})
	require.NotPanics(t, func() {
		p.ProcessRecords(&interfaces.ProcessRecordsInput{})
		p.Shutdown(&interfaces.ShutdownInput{ShutdownReason: interfaces.REQUESTED})
		p.Shutdown(&interfaces.ShutdownInput{ShutdownReason: interfaces.TERMINATE})
	})
	_, err := newWorker(t, grants{"a": {}}).placeholder("a")
	require.ErrorAs(t, err, new(panicked))
}
