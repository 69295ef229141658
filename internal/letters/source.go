package letters

import (
	"context"
	"time"

	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/awsfault"
	"kinesis-alerter/internal/sleep"
)

// Source is where letters lie. Next and Close belong to one goroutine; letters are loaded and removed by many.
type Source interface {
	// Next returns some more letters, and io.EOF when there are none left. A letter comes once.
	Next(ctx context.Context) ([]Letter, error)
	// Close gives back what was not removed. It works for a short while after ctx is done.
	Close(ctx context.Context) error
}

// Letter is one letter at its source.
type Letter interface {
	// Where names it for people.
	Where() string
	// Load returns its document.
	Load(ctx context.Context) ([]byte, error)
	// Holds says whether a letter with this id can lie there. What is removed must be what was read.
	Holds(id string) bool
	// Remove takes it from its source.
	Remove(ctx context.Context) error
}

const (
	callTimeout = 30 * time.Second
	mostTries   = 6
)

// try makes a call until it succeeds, a person has to do something, or it has failed often. The error names the action
// and what it was about.
func try(ctx context.Context, action, resource string, call func(context.Context) error) error {
	for failures := 0; ; failures++ {
		attempt, cancel := context.WithTimeout(ctx, callTimeout)
		err := call(attempt)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case failures+1 == mostTries || delivery.Classify(err, byCode, byStatus).Class == delivery.Hold:
			return awsfault.Advise(err, action, resource)
		}
		if !sleep.For(ctx, delivery.Backoff(failures, delivery.Lot())) {
			return context.Cause(ctx)
		}
	}
}

func byCode(code, _ string) (delivery.Verdict, bool) { return delivery.ByCode(code) }

func byStatus(int) (delivery.Verdict, bool) { return delivery.Verdict{}, false }
