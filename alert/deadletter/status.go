package deadletter

import (
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/counts"
)

// Status is what a Sender knows of its destination.
type Status struct {
	// Kind is sqs, sns or s3.
	Kind string
	// Waiting are the dead letters that are not accepted yet, Sent those that were, since the process started.
	Waiting, Sent uint64
	// Fault is why the destination holds its dead letters, and Remedy how to fix it; empty while it does not.
	Fault  alert.Reason
	Remedy string
	// Failures are the calls that failed in a row, and FailingSince when the first of them did; zero while it answers.
	Failures     int
	FailingSince time.Time
	// Error is what it said at the last of these failures.
	Error string
}

// Status answers from memory. Safe for concurrent use.
func (s *Sender) Status() Status {
	health := s.line.health()
	out := Status{
		Kind:    s.destination.kind(),
		Waiting: uint64(max(0, s.waiting.Load())), Fault: health.Fault(),
		Failures: health.Failures(), FailingSince: health.Since(),
	}
	if said := s.failure.Load(); said != nil && out.Failures > 0 {
		out.Error, out.Remedy = said.text, remedy(out.Fault, said.role)
	}
	for _, n := range s.Letters() {
		out.Sent += n
	}
	return out
}

// Letters are those that the destination accepted since the process started, by reason. Safe for concurrent use.
func (s *Sender) Letters() map[alert.Reason]uint64 {
	all := make(map[alert.Reason]uint64, len(s.metrics.letters))
	for reason, c := range s.metrics.letters {
		all[reason] = counts.Of(c)
	}
	return all
}
