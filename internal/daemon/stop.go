package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/internal/guard"
)

// errAbandoned marks a step of the stop that did not end within its share of the budget.
var errAbandoned = errors.New("abandoned")

// stopStep is one thing to be stopped. share is its part of the stop budget, in percent.
type stopStep struct {
	name  string
	share int
	stop  func(context.Context) error
}

// stopList is what has to be stopped, in the order in which it was started. A thing is added right after it exists,
// so that a failure half-way through the start stops exactly what runs.
type stopList struct {
	steps []stopStep
	log   *zap.Logger
}

// Add puts a step on the list. The shares of all steps should add up to at most 100.
func (l *stopList) Add(name string, share int, stop func(context.Context) error) {
	l.steps = append(l.steps, stopStep{name: name, share: share, stop: stop})
}

// Run stops everything, last started first. Each step has its share of the budget: what an early step saves is not
// given to a later one, so that the longest possible stop is known beforehand and stays below the grace period of the
// container. A step that overruns is abandoned and named in the error, and the next one runs all the same; waiting for
// it would take the time from the steps that can still do good, such as the release of the leases. The error joins what
// went wrong; nil means that every step ended in time and without an error.
func (l *stopList) Run(ctx context.Context, budget time.Duration) error {
	var errs []error
	for _, s := range slices.Backward(l.steps) {
		began, share := time.Now(), budget*time.Duration(s.share)/100
		err := bounded(ctx, share, s.stop)
		switch {
		case errors.Is(err, errAbandoned):
			l.log.Error("stop step abandoned", zap.String("step", s.name), zap.Duration("budget", share))
		case err != nil:
			l.log.Error("stop step ended badly", zap.String("step", s.name), zap.Duration("took", time.Since(began)),
				zap.Error(err))
		default:
			l.log.Debug("stop step done", zap.String("step", s.name), zap.Duration("took", time.Since(began)))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
		}
	}
	l.steps = nil
	return errors.Join(errs...)
}

// bounded runs f for at most budget. An f that does not heed its context keeps running in its goroutine after bounded
// has returned; the process is about to end, and no worker believes what f may still write (leases are fenced).
func bounded(ctx context.Context, budget time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- guard.Do("stop", func() error { return f(ctx) }) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// f may have ended in the same instant, or because of the deadline: its own error says more than "abandoned".
	grace := time.NewTimer(budget/50 + time.Millisecond)
	defer grace.Stop()
	select {
	case err := <-done:
		return err
	case <-grace.C:
		return fmt.Errorf("%w after its budget of %s", errAbandoned, budget)
	}
}
