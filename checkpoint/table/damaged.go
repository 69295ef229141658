package table

import (
	"time"
)

// DamagedRow is a row of the lease table that no worker can read: somebody else wrote to it.
type DamagedRow struct {
	Key, Cause string
	// Mended says that it was written anew, so that it is read again.
	Mended bool
	At     time.Time // when it was last seen so
}
