package alert_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// The text is in the log and in letters: without a failure it speaks of none.
func TestGivenUpErrorWithoutAFailure(t *testing.T) {
	t.Parallel()
	require.EqualError(t, &alert.GivenUpError{Condition: alert.ConditionAge}, "given up (RecordAgeExceeded) after 0 attempts")
	require.EqualError(t, &alert.GivenUpError{Condition: alert.ConditionAge, Attempts: 2, Err: errors.New("throttled")},
		"given up (RecordAgeExceeded) after 2 attempts: throttled")
}
