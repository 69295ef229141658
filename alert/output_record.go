package alert

// Output is one record for an output stream.
type Output struct {
	// Name names the configured output.
	Name string
	// Key is the partition key that the record gets.
	Key string
	// Data is a JSON object. The receiver may keep it.
	Data []byte
	// Reason says why the record can never be written; empty for one that can. It is one of a closed set.
	Reason Reason
	// Detail explains Reason.
	Detail string
}
