package config

// UsageError is a command line that makes no sense.
type UsageError string

func (e UsageError) Error() string { return string(e) }
