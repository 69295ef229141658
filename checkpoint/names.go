package checkpoint

import (
	"kinesis-alerter/checkpoint/saved"
	"kinesis-alerter/checkpoint/stream"
	"kinesis-alerter/checkpoint/table"
)

// What a user of the lease table needs of the rooms below.
type (
	// Start is where an application without checkpoints begins.
	Start = table.Start
	// DynamoDB is what the lease table needs of the service.
	DynamoDB = table.DynamoDB
	// Stream is what the lease table needs of Kinesis.
	Stream = stream.API
	// DamagedRow is a row of the lease table that no worker can read.
	DamagedRow = table.DamagedRow
	// ShardState is what a shard's row says about its reading.
	ShardState = table.ShardState
	// Pulse is what a worker does now.
	Pulse = table.Pulse
	// StateError is a stored snapshot that cannot be restored.
	StateError = saved.StateError
)

// The kinds of start.
const (
	StartLatest      = table.StartLatest
	StartTrimHorizon = table.StartTrimHorizon
	StartTime        = table.StartTime
)

// The states of a shard in a Status.
const (
	ShardUnread  = table.ShardUnread
	ShardHeld    = table.ShardHeld
	ShardForeign = table.ShardForeign
	ShardBlocked = table.ShardBlocked
	ShardEnded   = table.ShardEnded
	ShardPaused  = table.ShardPaused
	ShardSkipped = table.ShardSkipped
)

// The bounds of Config.LeaseDuration, and the largest snapshot that SaveState takes, in bytes.
const (
	MinLeaseDuration = table.MinLeaseDuration
	MaxLeaseDuration = table.MaxLeaseDuration
	MaxState         = saved.MaxState
)

// Faults for which Run returns, besides ErrOtherStream.
var (
	// ErrForeignTable: the table holds rows that this program did not write.
	ErrForeignTable = table.ErrForeignTable
	// ErrFormat: the table was written by a version with another row format.
	ErrFormat = table.ErrFormat
)

// NamesFault reports whether an answer of AWS names a fault that an operator has to fix before a call can work.
func NamesFault(err error) bool { return table.NamesFault(err) }

// ShardStates are all states.
func ShardStates() []ShardState { return table.ShardStates() }
