package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"
)

func TestStopRunsLastStartedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		l := &stopList{log: zaptest.NewLogger(t)}
		for _, name := range []string{"admin server", "publisher", "lease table", "shards"} {
			l.Add(name, 25, func(context.Context) error {
				order = append(order, name)
				return nil
			})
		}
		require.NoError(t, l.Run(t.Context(), 20*time.Second))
		require.Equal(t, []string{"shards", "lease table", "publisher", "admin server"}, order)
	})
}

// A step that hangs forever, as the KCL's shutdown can, must cost its own share and nothing else.
func TestStopAbandonsAStepThatOverruns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.ErrorLevel)
		l := &stopList{log: zap.New(core)}
		hung, released := make(chan struct{}), false
		l.Add("lease table", 10, func(ctx context.Context) error {
			released = true
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, 2*time.Second, time.Until(deadline),
				"the share of this step is untouched by the one that hung")
			return nil
		})
		l.Add("shards", 80, func(context.Context) error {
			<-hung
			return nil
		})
		began := time.Now()
		err := l.Run(t.Context(), 20*time.Second)
		require.ErrorIs(t, err, errAbandoned)
		require.EqualError(t, err, "stop shards: abandoned after its budget of 16s")
		require.True(t, released, "the leases are given back although the drain hung")
		require.Less(t, time.Since(began), 17*time.Second)
		require.Equal(t, 1, logs.FilterMessage("stop step abandoned").FilterField(zap.String("step", "shards")).Len())
		close(hung)
		synctest.Wait()
	})
}

func TestStopReportsEveryFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &stopList{log: zaptest.NewLogger(t)}
		broken := errors.New("3 records are unresolved")
		l.Add("admin server", 5, func(ctx context.Context) error {
			<-ctx.Done() // heeds its deadline, and says so in its own words
			return ctx.Err()
		})
		l.Add("shards", 80, func(context.Context) error { return broken })
		err := l.Run(t.Context(), 10*time.Second)
		require.ErrorIs(t, err, broken)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, errAbandoned)
	})
}
