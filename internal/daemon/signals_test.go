package daemon

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The first signal asks for an orderly stop, the second one ends the process whatever it is doing.
func TestSignals(t *testing.T) {
	exits := make(chan int, 1)
	ctx, release := StopOnSignal(t.Context(), func(code int) { exits <- code })
	defer release()
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	require.NoError(t, self.Signal(syscall.SIGTERM))
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
		require.Fail(t, "SIGTERM was not heard")
	}
	require.Empty(t, exits)
	require.NoError(t, self.Signal(os.Interrupt))
	select {
	case code := <-exits:
		require.Equal(t, 1, code)
	case <-time.After(5 * time.Second):
		require.Fail(t, "the second signal was not heard")
	}
}
