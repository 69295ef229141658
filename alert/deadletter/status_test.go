package deadletter

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/delivery"
)

// Status says what waits and why, without a word about where to: an address may hold more than a name.
func TestStatus(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		t.Helper()
		require.Contains(t, []string{"sqs", "sns", "s3"}, w.Status().Kind)
		require.NoError(t, <-w.post(t.Context(), newLetter(1)))
		require.Equal(t, Status{Kind: w.Status().Kind, Sent: 1}, w.Status())
		began := time.Now()
		denied := w.fail(apiFault("AccessDenied", http.StatusForbidden))
		end := w.post(t.Context(), newLetter(2))
		time.Sleep(10 * time.Minute)
		got := w.Status()
		require.Equal(t, uint64(1), got.Waiting)
		require.Equal(t, delivery.ReasonNotAuthorized, got.Fault)
		require.Contains(t, got.Remedy, "policy")
		require.Positive(t, got.Failures)
		require.WithinDuration(t, began, got.FailingSince, time.Second)
		denied()
		require.NoError(t, <-end)
		require.Equal(t, Status{Kind: got.Kind, Sent: 2}, w.Status())
	})
}
