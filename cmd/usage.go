package cmd

// usageError is a command line that makes no sense.
type usageError string

func (e usageError) Error() string { return string(e) }
