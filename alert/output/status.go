package output

import (
	"cmp"
	"time"

	"kinesis-alerter/alert"
)

// Status is what the Writer knows of one output.
type Status struct {
	Name, Stream string
	// Waiting are the items that wait, those under way included, Bytes what they cost of MaxBytes.
	Waiting, Bytes, MaxBytes int
	// Oldest is since when the oldest of them has waited; zero while none does.
	Oldest time.Time
	// HeldKeys are the keys that wait because an item of theirs was rejected, there are no dead letters, and nothing is
	// skipped.
	HeldKeys int
	// Crowded says that a shard waits for room.
	Crowded bool
	// Fault is why the output is held; empty while it is not. Remedy is what to do about it or about Failing.
	Fault  alert.Reason
	Remedy string
	// Failures are the calls that failed in a row, and FailingSince when the first of them did; zero while it answers.
	Failures     int
	FailingSince time.Time
	// FailingKeys are the keys whose items fail alone while others are written, as those of an output shard that gets
	// more than it takes, and KeysFailingSince is when the first of them began.
	FailingKeys      int
	KeysFailingSince time.Time
	// Failing is why the last call failed, or an item of FailingKeys; empty while neither is so. Error is what the
	// service said then.
	Failing alert.Reason
	Error   string
	// WrittenLastMinute are the records that were accepted in the last minute, LastWritten is when the last was.
	WrittenLastMinute int
	LastWritten       time.Time
	// Written, DeadLettered and Skipped are those since the process started; Skipped also has what was given up.
	Written, DeadLettered, Skipped uint64
	// Ending says that the output has left the configuration and is kept until nothing waits.
	Ending bool
}

func (s *stream) status() Status {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Status{
		Name: s.name, Stream: s.config.Stream,
		Waiting: s.items, Bytes: s.bytes, MaxBytes: s.settings.Load().MaxBytes,
		HeldKeys: s.held, Crowded: len(s.waiters) > 0,
		Fault: s.health.Fault(), Failures: s.health.Failures(), FailingSince: s.health.Since(),
		FailingKeys: s.failing, KeysFailingSince: s.failingSince,
		WrittenLastMinute: s.written.Count(now), LastWritten: s.last,
		Written: s.ended[resultWritten], DeadLettered: s.ended[resultDeadLettered],
		Skipped: s.ended[resultRejected] + s.ended[resultGivenUp],
		Ending:  s.ending,
	}
	if s.oldest != nil {
		out.Oldest = s.oldest.at
	}
	switch {
	case out.Failures > 0:
		out.Failing, out.Error = s.health.failing, s.health.text
	case len(s.delayed) > 0:
		out.Failing, out.Error = s.delayed[0].reason, alert.ErrorText(s.delayed[0].err)
	}
	out.Remedy = remedy(cmp.Or(out.Fault, out.Failing), s.health.role)
	return out
}
