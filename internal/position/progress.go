package position

import "time"

// Progress is what the reader of a shard offers to its lease.
type Progress struct {
	// At is the checkpoint: everything up to and including it is settled. The zero value leaves the stored one.
	At Position
	// Above describes what is settled above At (EncodeRanges). With a zero At, an empty value leaves the stored one.
	Above string
	// Input is what counts the places inside records, in At and Above: the hash of the configuration's input. It is
	// empty where records are taken as they are.
	Input string
	// CaughtUp is the time up to which the shard was read; zero where that is not known.
	CaughtUp time.Time
	// Load is the recent rate of the shard in bytes per second.
	Load float64
	// Settled says that something outside was done since the last offer: an alert, a dead letter or an output record
	// was accepted. A crash repeats it until the offer is stored.
	Settled bool
	// Bytes is how many bytes of records came since the last offer. A crash reads them again until the offer is stored.
	Bytes int
}
