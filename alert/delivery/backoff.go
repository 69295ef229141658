package delivery

import (
	"math/rand/v2"
	"time"
)

// Intervals of calls that may succeed later, and of probes of a held destination. An outage ends without a word, and
// what waits should be seconds late then, not a minute; a fault of the configuration waits for a person.
const (
	FirstBackoff   = 100 * time.Millisecond
	LongestBackoff = 5 * time.Second
	FirstProbe     = time.Second
	LongestProbe   = 30 * time.Second
)

// Backoff is how long to wait after what may pass, with so many failures before it, for a lot from [0, 1). It is the
// full jitter of an exponential: it spreads the workers of a fleet best, see "Exponential Backoff And Jitter" in the
// AWS Architecture Blog.
func Backoff(failures int, lot float64) time.Duration {
	return time.Duration(lot * float64(doubled(FirstBackoff, failures, LongestBackoff)))
}

// Probe is how long to wait after a fault of the configuration, with so many failures before it, for a lot from [0,
// 1). It is jittered by half only, so that the probes of a fault, which seldom ends by itself, stay rare.
func Probe(failures int, lot float64) time.Duration {
	d := doubled(FirstProbe, failures, LongestProbe)
	return d/2 + time.Duration(lot*float64(d/2))
}

// Pause is how long to wait after an answer that does not say what became of a message, with so many such answers
// before it, for a lot from [0, 1). A sender that tries again may repeat, so it begins like Probe; and the answers may
// be whole again at any moment, so it is never longer than LongestBackoff.
func Pause(failures int, lot float64) time.Duration { return min(Probe(failures, lot), LongestBackoff) }

// Lot draws from [0, 1). It is safe for concurrent use.
func Lot() float64 {
	return rand.Float64() //nolint:gosec // jitter is no secret
}

func doubled(d time.Duration, times int, longest time.Duration) time.Duration {
	return min(d<<min(times, 10), longest)
}
