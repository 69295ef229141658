package daemon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint"
)

// A worker that died before this process began has been silent since it died. For the first moments its row may just be
// old.
func TestSilenceOfAWorker(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	w := checkpoint.WorkerStatus{Silent: 6 * time.Second, Heard: now.Add(-time.Minute)}
	require.Equal(t, time.Minute, silentFor(&w, 10*time.Second, now))
	w.Silent = 2 * time.Second
	require.Equal(t, 2*time.Second, silentFor(&w, 10*time.Second, now))
	w = checkpoint.WorkerStatus{Silent: 6 * time.Second}
	require.Equal(t, 6*time.Second, silentFor(&w, 10*time.Second, now), "its version does not say")
}

// Workers whose version does not tell, or is another one, are not compared.
func TestDifferingWorkers(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	workers := []checkpoint.WorkerStatus{
		{ID: "a", Self: true, Version: "2", Config: "x"},
		{ID: "same", Version: "2", Config: "x"},
		{ID: "old", Version: "1"},
		{ID: "newer", Version: "3", Config: "y"},
		{ID: "leaves", Version: "2", Config: "y", Leaving: true},
		{ID: "dead", Version: "2", Config: "y", Fenced: true},
		{ID: "differs", Version: "2", Config: "y"},
	}
	since := differing(workers, nil, at)
	require.Equal(t, map[string]time.Time{"differs": at}, since)
	require.Equal(t, since, differing(workers, since, at.Add(time.Hour)))
	require.Empty(t, differing(workers[1:], since, at), "without a row of its own")
}
