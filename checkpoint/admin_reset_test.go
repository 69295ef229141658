package checkpoint

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

func (w *world) reset(to table.Start) (*admin.Reset, error) {
	db, kin := w.clients("operator")
	return NewReset(w.Context(), Config{Application: testTable},
		Deps{DynamoDB: db, Stream: kin, Log: w.log, Registerer: prometheus.NewRegistry()}, to)
}

// TestResetBeginsARecreatedStream at its first record, whatever the configuration's start is, or with latest where a
// person says so. Nothing of the old stream is left.
func TestResetBeginsARecreatedStream(t *testing.T) {
	for _, to := range []table.Start{{Kind: table.StartTrimHorizon}, {}} {
		t.Run(to.String(), func(t *testing.T) {
			bubble(t, 2, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 2, a)
				a.store.Lease(only).Commit(position.Progress{
					Settled: true,
					At:      position.Past("100"), Above: "101>102",
					CaughtUp: time.Now(),
				})
				_, err := w.reset(to)
				require.ErrorIs(w, err, admin.ErrSameStream)
				w.aws.Kinesis.Delete(testStream)
				time.Sleep(2 * time.Second)
				w.aws.Kinesis.Create(testStream, 1)
				w.aws.Kinesis.Put(testStream, "k", []byte("first"))
				time.Sleep(2 * time.Second)

				r, err := w.reset(to)
				require.NoError(w, err)
				require.Len(w, r.Live, 1)
				require.ErrorIs(w, r.Apply(w.Context(), false), admin.ErrLeaseLive)
				select {
				case err = <-a.result:
				case <-time.After(2 * time.Minute):
				}
				require.ErrorIs(w, err, table.ErrOtherStream)
				a.cancel()
				a.wg.Wait()
				time.Sleep(time.Minute)

				r, err = w.reset(to)
				require.NoError(w, err)
				require.Empty(w, r.Live)
				require.Equal(w, []string{table.ShardName(1)}, r.Gone)
				require.NoError(w, r.Apply(w.Context(), false))
				require.Nil(w, w.row(table.ShardName(1)))
				require.NotContains(w, w.row(only), table.AttrPosition)
				require.NotContains(w, w.row(only), table.AttrResolved)
				b := w.start("b") // at latest, by its configuration
				w.awaitHeld(10*time.Second, 1, b)
				from, _, _ := b.store.Lease(only).Start()
				want := types.ShardIteratorTypeTrimHorizon
				if to.Kind == table.StartLatest {
					want = types.ShardIteratorTypeAtTimestamp
				}
				require.Equal(w, want, from.Type)
				_, err = w.reset(to)
				require.ErrorIs(w, err, admin.ErrSameStream)
				b.stop()
			})
		})
	}
}
