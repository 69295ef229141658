package read

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-alerter/internal/fakeaws"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestRefusedPositionIsKept: what Kinesis refuses for a while, while older records are there, is read on from later.
func TestRefusedPositionIsKept(t *testing.T) {
	for name, times := range map[string]int{"three times": 3, "nine times": 9, "for twelve seconds": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newReaderWorld(t)
				w.put(0, 10)
				_, _ = w.readUntil(t, 10)
				w.iterator = ""
				stop := refusing(w.cloud, times)
				time.AfterFunc(12*time.Second, stop)
				want := w.put(10, 20)
				got, _ := w.readUntil(t, 10)
				require.Equal(t, want, got, "none twice")
				require.Zero(t, w.gaps+w.unusable)
			})
		})
	}
}

// TestRefusalsAreOneTrouble: while a position is refused the shard stalls. That its oldest record can be read,
// which is looked at meanwhile, is no success: neither page nor log may say that all is well in between.
func TestRefusalsAreOneTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReaderWorld(t)
		core, logs := observer.New(zap.InfoLevel)
		w.shard.Log = zap.New(core)
		w.put(0, 10)
		_, _ = w.readUntil(t, 10)
		w.iterator = ""
		stop := refusing(w.cloud, 0)
		time.AfterFunc(20*time.Second, stop)
		done, calm := make(chan struct{}), 0
		go func() {
			time.Sleep(time.Second)
			for range 180 {
				if code, _ := w.shard.Activity.failing(); code == "" {
					calm++
				}
				time.Sleep(100 * time.Millisecond)
			}
			close(done)
		}()
		w.put(10, 20)
		_, _ = w.readUntil(t, 10)
		<-done
		require.Zero(t, calm)
		require.Equal(t, 1, logs.FilterMessage("reading again").Len())
		code, _ := w.shard.Activity.failing()
		require.Empty(t, code)
	})
}

// refusing makes Kinesis refuse iterators by sequence number.
func refusing(cloud *fakeaws.AWS, times int) (stop func()) {
	return cloud.Faults.Add(fakeaws.Fault{
		Operation: "GetShardIterator", Err: &fakeaws.Error{Code: "InvalidArgumentException"}, Times: times,
		Match: func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte("StartingSequenceNumber")) },
	})
}
