package table

// ShardState is what a shard's row says about its reading.
type ShardState string

// The states of a shard in a Status.
const (
	ShardUnread  ShardState = "unread"  // no worker reads it: free, not yet begun, or its owner is gone
	ShardHeld    ShardState = "held"    // by this process
	ShardForeign ShardState = "foreign" // held by a live peer
	ShardBlocked ShardState = "blocked" // a parent is not finished
	ShardEnded   ShardState = "ended"
	ShardPaused  ShardState = "paused"  // by an operator, and no worker reads it
	ShardSkipped ShardState = "skipped" // closed before the application began at latest
)

// ShardStates are all of them.
func ShardStates() []ShardState {
	return []ShardState{ShardUnread, ShardHeld, ShardForeign, ShardBlocked, ShardEnded, ShardPaused, ShardSkipped}
}
