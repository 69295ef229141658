package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
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
					exit(1)
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

// HoldHangups keeps SIGHUP from ending a daemon before it listens to it, which is some milliseconds of start. Call it
// first of all, with the arguments of the program: a hang-up ends every other command.
func HoldHangups(args []string) {
	if slices.Contains(args, "run") { // flags may stand before it
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
}

// ReloadSignals returns a channel that gets every SIGHUP, until release is called. It also has a pipe without a reader
// be an error of the write instead of the end of the process.
func ReloadSignals() (signals chan os.Signal, release func()) {
	signals = make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	return signals, func() {
		signal.Stop(signals)
		signal.Reset(syscall.SIGPIPE)
	}
}
