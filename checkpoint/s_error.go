package checkpoint

import (
	"fmt"
)

// StateError is a stored snapshot that cannot be had back.
type StateError struct{ Shard, Version, Table, What string }

func (e *StateError) Error() string {
	return fmt.Sprintf("state of shard %s, version %s in table %s, is lost: %s", e.Shard, e.Version, e.Table, e.What)
}
