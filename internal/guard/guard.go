// Package guard makes panics of goroutines errors.
//
// A panic that is not recovered ends the process at once, wherever it happens. Every goroutine that the daemon starts
// goes through this package instead: Do, if the panic concerns only that goroutine; Run, if shared state may be half
// changed. Run reports to the Watched context before anything else happens.
package guard

import (
	"context"
	"fmt"
	"runtime/debug"
)

// PanicError is a panic that was recovered.
type PanicError struct {
	// Part names what panicked.
	Part  string
	Value any
	Stack []byte
}

func (p *PanicError) Error() string { return fmt.Sprintf("%s: panic: %v", p.Part, p.Value) }

// Do runs f and returns its error, or a *PanicError.
func Do(part string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Part: part, Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

type watcher struct{}

// Watched returns a context whose parts report their panics: Run calls report before it returns. It must not wait.
func Watched(ctx context.Context, report func(*PanicError)) context.Context {
	return context.WithValue(ctx, watcher{}, report)
}

// Run is Do that reports the panic to the Watched context. A goroutine that waits for a lock of the one that panicked
// waits forever, so the report must not depend on another goroutine's end.
func Run(ctx context.Context, part string, f func() error) error {
	err := Do(part, f)
	if p, panicked := err.(*PanicError); panicked { //nolint:errorlint // made by Do, never wrapped
		if report, watched := ctx.Value(watcher{}).(func(*PanicError)); watched {
			report(p)
		}
	}
	return err
}
