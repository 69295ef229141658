package sleep

import (
	"context"
	"math/rand/v2"
	"time"
)

// For waits for d, or until ctx is done. It reports whether it waited in full; with a context that is done already it
// does not.
func For(ctx context.Context, d time.Duration) bool { return Until(ctx, time.Now().Add(d)) == nil }

// Until waits for a moment of this machine's clock, or until ctx is done, and then returns the cause of that. It does
// not wait for a moment that has passed.
func Until(ctx context.Context, t time.Time) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d := time.Until(t)
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Jitter spreads d over three quarters to five quarters of itself, so that workers which started together drift apart.
// It is 0 for a d that is not positive.
func Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - d/4 + rand.N(d/2+1) //nolint:gosec // spreading load needs no secrecy
}

// Backoff is the wait after failed attempt number attempt, from 0 on: it doubles from 250 ms to 5 s, with Jitter.
func Backoff(attempt int) time.Duration {
	return Jitter(min(250*time.Millisecond<<min(attempt, 6), 5*time.Second))
}
