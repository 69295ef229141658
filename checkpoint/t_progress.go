package checkpoint

import (
	"time"

	"kinesis-alerter/internal/position"
)

// progress is one offer to the table.
type progress struct {
	position position.Position
	resolved string
	caughtUp time.Time
	load     float64
}
