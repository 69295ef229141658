package consumer

import (
	"time"

	"kinesis-alerter/consumer/read"
)

// ShardStatus is what a shard looks like from outside. Each part of a shard fills in its own.
type ShardStatus struct {
	Shard string `json:"shard"`
	// Phase is reading, draining, ending or stopping.
	Phase string `json:"phase"`
	// Began is when reading began here.
	Began time.Time `json:"began"`
	// Lag is the age of the oldest record whose alerts are not settled.
	Lag time.Duration `json:"lag"`
	// Behind is how far reading was from the tip at LastFetch.
	Behind     time.Duration `json:"behind"`
	LastFetch  time.Time     `json:"last_fetch"`
	Unresolved int           `json:"unresolved"`
	// Load is the recent rate in bytes per second.
	Load     float64 `json:"load"`
	HeldKeys int     `json:"held_keys"`
	// HeldBy is what SNS said of the alert that holds a key.
	HeldBy string `json:"held_by,omitempty"`
	// Gathered is how many of the unsettled records wait in digests.
	Gathered int `json:"gathered"`
	// Writing is how many output records of it wait for their output stream.
	Writing int `json:"writing,omitempty"`
	// Keyless says that records came without a partition key while rules have memory.
	Keyless bool `json:"keyless,omitempty"`
	// Firing are, by rule, the keys that were reported as firing. Leaving are those whose rule was taken out or
	// changed: their end is reported once all workers have had the same rules for a minute.
	Firing  map[string]int `json:"firing_keys,omitempty"`
	Leaving map[string]int `json:"leaving_keys,omitempty"`
	// EndUnproven is since when Kinesis claims that the shard has ended while no listing confirms it, and EndChildren
	// are the children that wait for that; zero and empty while it makes no such claim.
	EndUnproven time.Time `json:"end_unproven,omitzero"`
	EndChildren []string  `json:"end_children,omitempty"`

	MemoryStatus
	read.Status
}

// MemoryStatus is what a shard's memory of the rules looks like.
type MemoryStatus struct {
	// StateBytes is the size of the last snapshot of the shard's evaluation, StateTaken when it was taken; zero without
	// one.
	StateBytes int       `json:"state_bytes,omitempty"`
	StateTaken time.Time `json:"state_taken,omitzero"`
	// StateFailing is since when saves have failed; zero while they work.
	StateFailing time.Time `json:"state_failing,omitzero"`
	// StateTooLarge is the rule or score that takes most of a state that is too large to save; empty if none is.
	StateTooLarge string `json:"state_too_large,omitempty"`
	// Unheard are shards that inherited the same keys and whose memory could not be read for five minutes: what was due
	// for such keys in the last 15 minutes was decided without it.
	Unheard []string `json:"unheard,omitempty"`
}

func (s *shard) status(now time.Time) ShardStatus {
	out := ShardStatus{Shard: s.id, Began: s.began, MemoryStatus: s.memory.status(now)}
	room := ""
	var crowded, full bool
	if out.HeldKeys, out.Gathered, crowded = s.lanes.Waiting(); out.HeldKeys > 0 {
		out.HeldBy = s.outcomes.held()
	}
	out.Writing, _, full = s.outputs.waiting()
	switch {
	case crowded:
		room = read.WaitsForAlerts
	case full:
		room = read.WaitsForOutputs
	}
	out.Status = s.activity.Status(room)
	s.intake.describe(&out)
	var oldest time.Time
	s.mu.Lock()
	// The children of a closed shard, and their alerts, wait for all of it.
	whole := s.phase == ending
	s.mu.Unlock()
	oldest, out.Unresolved, out.Load = s.progress.status(now, whole)

	s.mu.Lock()
	defer s.mu.Unlock()
	out.Phase, out.Behind, out.LastFetch = s.phase.String(), s.lastBehind, s.lastFetch
	out.EndUnproven, out.EndChildren = s.unproven()
	heard := s.lastFetch
	if heard.IsZero() {
		heard = read.Unheard(now, s.began, s.ago(s.lease.CaughtUp(), now))
	}
	out.Lag = read.LagAt(now, s.ago(oldest, now), out.Unresolved > 0, heard, s.lastBehind)
	// What is read again for the memory of the rules is old and settled: the shard lags by what comes behind that.
	if settled := s.lease.CaughtUp(); s.replaying && !settled.IsZero() {
		out.Lag = min(out.Lag, max(0, now.Sub(s.ago(settled, now))))
	}
	return out
}

// ago converts a time of the service to the machine's clock; zero stays zero.
func (s *shard) ago(at, now time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return now.Add(at.Sub(s.clock.At(now)))
}
