package cmd

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// StopOnSignal returns a context that the first SIGINT or SIGTERM ends, and calls exit with 1 at the second. It handles
// the second one itself instead of giving the default action back, because the kernel ignores default actions for
// process 1, which a daemon in a container is. release gives the signals back.
func StopOnSignal(ctx context.Context, exit func(code int)) (stop context.Context, release func()) {
	stop, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	released := make(chan struct{})
	go func() {
		for range 2 {
			select {
			case s := <-signals:
				if stop.Err() != nil {
					exit(exitFailed)
				}
				cancel(fmt.Errorf("signal: %s", s))
			case <-released:
				return
			}
		}
	}()
	return stop, func() {
		signal.Stop(signals)
		close(released)
		cancel(nil)
	}
}

// reloadSignals returns a channel that gets every SIGHUP, until release is called.
func reloadSignals() (signals chan os.Signal, release func()) {
	signals = make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}
