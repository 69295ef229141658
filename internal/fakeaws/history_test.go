package fakeaws

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The log shows who asked what and how it ended; without the log the counters continue.
func TestHistory(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		require.Error(t, putOne(t.Context(), c))
		a.Kinesis.Create(testStream, 1)
		require.NoError(t, putOne(t.Context(), c))
		require.Equal(t,
			"00:00:00.000 kinesis.PutRecord by bubble: ResourceNotFoundException: Stream readings under account "+
				"000000000000 not found.\n00:00:00.000 kinesis.PutRecord by bubble\n", a.History.String())
		a.History.CountOnly()
		require.NoError(t, putOne(t.Context(), c))
		require.Empty(t, a.History.Events())
		require.Equal(t, 3, a.History.Count(ServiceKinesis, "PutRecord"))
	})
}
