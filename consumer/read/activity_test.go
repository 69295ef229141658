package read

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// TestReaderSaysWhatItWaitsFor: an operator who looks at a shard that does not progress learns whether that is Kinesis'
// fault, and which.
func TestReaderSaysWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		w.source.credits = NewCredits(Mib)
		code := func() string {
			code, _ := w.shard.Activity.failing()
			return code
		}
		said := func() [2]string { return [2]string{w.shard.Activity.Status("").WaitsFor, code()} }
		pages := make(chan Page)
		go func() {
			for {
				p, err := w.Read(t.Context())
				if err != nil {
					return
				}
				pages <- p
			}
		}()
		next := func() {
			p := <-pages
			w.source.credits.Settle(p.Credit, 0)
		}
		require.Equal(t, [2]string{WaitsForState, ""}, said(), "before anything was read")
		next()
		synctest.Wait()
		require.Equal(t, [2]string{"", ""}, said(), "the pause between two reads")
		require.Equal(t, WaitsForAlerts, w.shard.Activity.Status(WaitsForAlerts).WaitsFor)

		hang := w.cloud.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceKinesis, Kind: fakeaws.BlackHole})
		time.Sleep(time.Second)
		require.Equal(t, [2]string{WaitsForKinesis, ""}, said())
		time.Sleep(pageTimeout)
		require.Equal(t, "timeout", code())
		hang()
		denied := w.cloud.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
		})
		_, first := w.shard.Activity.failing()
		time.Sleep(30 * time.Second)
		require.Equal(t, [2]string{"", "AccessDeniedException"}, said())
		_, since := w.shard.Activity.failing()
		require.Equal(t, first, since, "of the first failure in a row, whatever its kind")
		denied()
		w.cloud.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.Partition, Times: 1,
		})
		time.Sleep(5 * time.Second)
		next()
		synctest.Wait()
		require.Empty(t, code())

		taken, _ := w.source.credits.tryTake(Mib, Mib)
		time.Sleep(time.Second)
		all, wait := w.source.credits.tryAdmit(Credit{bytes: taken},
			w.source.credits.total-w.source.credits.InUse()+taken)
		require.Nil(t, wait)
		next()
		all, wait = w.source.credits.tryAdmit(all, w.source.credits.total)
		require.Nil(t, wait)
		time.Sleep(time.Second)
		require.Equal(t, [2]string{WaitsForMemory, ""}, said(), "without a credit")
		w.cloud.Kinesis.Put("stream", "key", bytes.Repeat([]byte("x"), 900<<10))
		w.source.credits.overdrawn = true // by the page of another shard
		w.source.credits.Give(300 << 10)
		time.Sleep(time.Second)
		require.Equal(t, [2]string{WaitsForMemory, ""}, said(), "with too few for the page that there is")
		w.source.credits.Give(all.bytes - 300<<10)
		next()
	})
}
