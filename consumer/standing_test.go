package consumer

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// TestReaderSaysWhatItWaitsFor: whoever looks at a shard that is not read on learns whether that is Kinesis' fault, and which.
func TestReaderSaysWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		w.budget = newBudget(mib)
		code := func() string {
			code, _ := w.activity.code()
			return code
		}
		said := func() [2]string { return [2]string{w.activity.waitsFor(false), code()} }
		pages := make(chan page)
		go func() {
			for {
				p, err := w.read(t.Context())
				if err != nil {
					return
				}
				pages <- p
			}
		}()
		next := func() {
			p := <-pages
			w.budget.settle(p.credit, 0)
		}
		require.Equal(t, [2]string{WaitsForState, ""}, said(), "before anything was read")
		next()
		synctest.Wait()
		require.Equal(t, [2]string{"", ""}, said(), "the pause between two reads")
		require.Equal(t, WaitsForAlerts, w.activity.waitsFor(true))

		hang := w.cloud.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceKinesis, Kind: fakeaws.BlackHole})
		time.Sleep(time.Second)
		require.Equal(t, [2]string{WaitsForKinesis, ""}, said())
		time.Sleep(pageTimeout)
		require.Equal(t, "timeout", code())
		hang()
		denied := w.cloud.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
		})
		_, first := w.activity.code()
		time.Sleep(30 * time.Second)
		require.Equal(t, [2]string{"", "AccessDeniedException"}, said())
		_, since := w.activity.code()
		require.Equal(t, first, since, "of the first failure in a row, whatever its kind")
		denied()
		w.cloud.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.Partition, Times: 1})
		time.Sleep(5 * time.Second)
		next()
		synctest.Wait()
		require.Empty(t, code())

		taken, _ := w.budget.tryTake(mib, mib)
		time.Sleep(time.Second)
		all, wait := w.budget.tryAdmit(credit{bytes: taken}, w.budget.total-w.budget.inUse()+taken)
		require.Nil(t, wait)
		next()
		all, wait = w.budget.tryAdmit(all, w.budget.total)
		require.Nil(t, wait)
		time.Sleep(time.Second)
		require.Equal(t, [2]string{WaitsForMemory, ""}, said(), "without a credit")
		w.cloud.Kinesis.Put("stream", "key", bytes.Repeat([]byte("x"), 900<<10))
		w.budget.overdrawn = true // by the page of another shard
		w.budget.give(300 << 10)
		time.Sleep(time.Second)
		require.Equal(t, [2]string{WaitsForMemory, ""}, said(), "with too few for the page that there is")
		w.budget.give(all.bytes - 300<<10)
		next()
	})
}
