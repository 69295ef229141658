package checkpoint

import (
	"errors"
	"fmt"
)

// Causes of the end of a lease, as context.Cause of Lease.Context tells them.
var (
	// ErrLeaseLost: this process may no longer act on the shard. Stop at once; nothing that was not yet committed
	// will be.
	ErrLeaseLost = errors.New("lease lost")
	// ErrLeaseHandedOff: the shard belongs to the worker that HandOff named in the table.
	ErrLeaseHandedOff = errors.New("lease handed off")
	// ErrLeaseReleased: Release or Stop gave the lease back.
	ErrLeaseReleased = errors.New("lease released")
	// ErrShardGone: the stream no longer lists the shard.
	ErrShardGone = errors.New("shard is no longer in the stream")
	// ErrShardEnded: Finish wrote SHARD_END.
	ErrShardEnded = errors.New("shard ended")
)

// ErrStateTooLarge is the reason of a SaveState with more than MaxState bytes.
var ErrStateTooLarge = errors.New("state is too large to be stored")

// ErrStateAhead is the reason of a SaveState of a position that was not offered yet. A stored state never includes more
// than the stored checkpoint: what it includes beyond that would never be published after a restart.
var ErrStateAhead = errors.New("state is ahead of the progress that was offered")

// ErrNoHandoff is returned by HandOff when no handoff is requested, or no longer.
var ErrNoHandoff = errors.New("no handoff is requested")

var (
	errStopped     = errors.New("store stopped")
	errRowVanished = errors.New("row vanished")
)

// ConfigError is one invalid value.
type ConfigError struct {
	Field string // path in the configuration file, such as "leases.duration"
	Value any
	Rule  string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Field, e.Value, e.Rule) }

// ConfigField is the path of the value in the configuration file.
func (e *ConfigError) ConfigField() string { return e.Field }

// isOver reports whether err says that a lease had ended already, so that there is nothing left to do for it.
func isOver(err error) bool {
	return errors.Is(err, ErrLeaseLost) || errors.Is(err, ErrLeaseHandedOff) || errors.Is(err, ErrLeaseReleased) ||
		errors.Is(err, ErrShardEnded)
}
