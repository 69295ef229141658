package dispatch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
)

// What the publisher shows of what it sent is what SNS has, and nothing of the payload is in it.
func TestRecentTellsOfAlertsAndDigests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited)
		ended(t, w.send(t.Context(), 1))
		first := w.Recent()
		require.Len(t, first, 1)
		sent := w.SNS.Messages(w.arn)[0]
		a := newAlert(1)
		require.Equal(t, dispatch.Accepted{
			ID: a.ID, Rule: a.Rule, Severity: a.Severity, Topic: "oncall", Kind: a.Kind, Alerts: 1,
			Occurred: first[0].Occurred,
			At:       first[0].At, MessageID: sent.MessageID, Shard: a.Record.Shard, Sequence: a.Record.SequenceNumber,
			Sub: a.Record.SubSequence,
		}, first[0])
		require.Equal(t, map[string]uint64{"hot": 1}, w.Published())

		fault := apiFault("AuthorizationError", 403)
		fault.Operation = "PublishBatch"
		began := time.Now()
		remove := w.Faults.Add(fault)
		ends := w.burst(t.Context(), 25)
		time.Sleep(35 * time.Second)
		failing := w.Status()[0]
		require.Positive(t, failing.Failures)
		require.WithinDuration(t, began, failing.FailingSince, time.Second)
		remove()
		ended(t, ends...)
		synctest.Wait()
		well := w.Status()[0]
		require.Zero(t, well.Failures)
		require.True(t, well.FailingSince.IsZero())
		alerts, digests := 0, 0
		for _, m := range w.Recent() {
			alerts += m.Alerts
			if m.Kind == alert.KindDigest {
				digests++
				require.Empty(t, m.Rule+m.Key)
				require.NotEmpty(t, m.ID)
			}
		}
		require.Equal(t, 26, alerts)
		require.Positive(t, digests)
		require.Equal(t, map[string]uint64{"hot": 26}, w.Published(), "those in digests, too")
		tally := w.Tallies()["hot"]
		require.EqualValues(t, 26, tally.All(), "the kinds add up to what was published")
		require.Positive(t, tally.InDigests)
	})
}
