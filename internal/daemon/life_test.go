package daemon

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestPartThatPanicsBeginsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, began := newLife(zap.NewNop()), time.Now()
		var times atomic.Int32
		p := l.keep(t.Context(), "part", func(ctx context.Context) error {
			if times.Add(1) <= 4 {
				panic("ouch")
			}
			<-ctx.Done()
			return ctx.Err()
		})
		time.Sleep(time.Minute)
		require.EqualValues(t, 5, times.Load())
		require.Empty(t, l.failed)
		l.stopping.Store(true)
		require.NoError(t, p.stop(t.Context()))
		require.Equal(t, time.Minute, time.Since(began))
	})
}
