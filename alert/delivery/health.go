package delivery

import (
	"time"

	"kinesis-alerter/alert"
)

const (
	// UntilWoken is a wait that an event ends, not time. It is longer than any other.
	UntilWoken = time.Duration(-1)
	// WarnAfter is how many calls in a row fail before it is logged: a single throttled call is normal.
	WarnAfter = 3
)

// Health is the state of a destination. It reads no clock and draws no lots. The zero value is healthy.
type Health struct {
	failures      int
	fault         alert.Reason
	since, resume time.Time // resume is when the next call may go
	// epoch counts the failures ever. What comes back from a call of an earlier epoch is old news: calls that fail
	// together are one failure, and a success from before says nothing about now.
	epoch int
	// probing says that a call of this epoch is under way while the destination is not healthy.
	probing bool
}

// Failures counts the calls that failed one after the other; those of a held destination since it is held. 0 is
// healthy.
func (h *Health) Failures() int { return h.failures }

// Fault is the reason why the destination is held; empty while it is healthy or backing off.
func (h *Health) Fault() alert.Reason { return h.fault }

// Since is when the destination stopped being healthy; zero while it is.
func (h *Health) Since() time.Time { return h.since }

// Epoch is what to remember of a call that starts now, for what comes of it.
func (h *Health) Epoch() int { return h.epoch }

// Wait is how long the next call has to wait: 0 is not at all, and UntilWoken is for what comes of the probe that is
// under way.
func (h *Health) Wait(now time.Time) time.Duration {
	switch {
	case h.probing:
		return UntilWoken
	case h.failures > 0:
		return max(0, h.resume.Sub(now))
	}
	return 0
}

// Start notes a call.
func (h *Health) Start() { h.probing = h.failures > 0 }

// Failed notes a failed call; fault is empty when it may pass. lot is the jitter, from [0, 1). It answers whether that
// is news.
func (h *Health) Failed(now time.Time, epoch int, fault alert.Reason, lot float64) bool {
	if epoch != h.epoch {
		return false
	}
	if h.failures == 0 {
		h.since = now
	}
	if h.fault == "" && fault != "" {
		h.failures = 0 // the probes of a fault have their own intervals
	}
	if fault != "" {
		h.fault = fault
	}
	wait := Backoff(h.failures, lot)
	if h.fault != "" {
		wait = Probe(h.failures, lot)
	}
	h.failures++
	h.epoch++
	h.resume, h.probing = now.Add(wait), false
	return true
}

// Answered notes that the service took or judged what was sent. It answers whether that is news.
func (h *Health) Answered(epoch int) bool {
	if epoch != h.epoch || h.failures == 0 {
		return false
	}
	*h = Health{epoch: h.epoch}
	return true
}

// Hurry lets the next call go at once: what the last one failed for may be corrected by now.
func (h *Health) Hurry() { h.resume = time.Time{} }

// Postpone lets the next call wait until a time at least, if the destination is not healthy.
func (h *Health) Postpone(until time.Time) {
	if h.failures > 0 && until.After(h.resume) {
		h.resume = until
	}
}

// Cut notes a call that ended because its caller left, which says nothing about the destination. Another one probes.
func (h *Health) Cut(epoch int) {
	if epoch == h.epoch {
		h.probing = false
	}
}
