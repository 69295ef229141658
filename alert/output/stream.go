package output

// stream is one output with its stream.
type stream struct{}
