package alert

import "fmt"

// RejectedError says that the sink will never accept an alert as it is. The alert's key is held, not dropped.
type RejectedError struct {
	Reason Reason
	Err    error
}

func (e *RejectedError) Error() string { return fmt.Sprintf("rejected (%s): %v", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *RejectedError) Unwrap() error { return e.Err }
