//go:build e2e

package system_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestE2ENothingIsLostRepeatedOrReordered runs two processes of the built daemon on other people's emulators. While
// 20,000 records are put, the stream goes from 4 shards to 8 and back to 4, one worker is killed and one is stopped,
// and both are replaced. Every record has to be found again in a queue that is subscribed to the topic.
func TestE2ENothingIsLostRepeatedOrReordered(t *testing.T) {
	w := newE2EWorld(t, startEmulators(t), "readings", 4, 200)
	binary := buildDaemon(t)
	start := func(name string) *daemon {
		d := startDaemon(t, binary, name, w.Config(), w.env...)
		d.ready()
		return d
	}
	crashing, leaving := start("worker-1"), start("worker-2")

	w.put(25)
	w.scale(8)
	w.put(10)
	killed := crashing.kill()
	w.Failed("SIGKILL", killed, killed)
	t.Logf("SIGKILL after %d records, on 8 shards", w.putCount())
	replacement := start("worker-3")
	w.put(25)
	w.scale(4)
	w.put(10)
	code, took := leaving.terminate()
	t.Logf("SIGTERM after %d records, on 4 shards: exit %d after %s", w.putCount(), code, took.Round(time.Millisecond))
	require.Zero(t, code, "a drained worker exits with 0")
	last := start("worker-4")
	w.put(30)

	w.await(2 * time.Minute)
	t.Logf("leases: %g at %s, %g at %s", replacement.metric("kinesis_alerter_leases_held"), replacement.name,
		last.metric("kinesis_alerter_leases_held"), last.name)
	for _, d := range []*daemon{replacement, last} {
		code, _ := d.terminate()
		require.Zero(t, code, "%s, with nothing left to do, exits with 0", d.name)
	}
	w.Settle(3 * time.Second)
	v := w.audit()
	t.Logf("%d records put, %d found: none lost, none out of order, %d repeated after the SIGKILL, none otherwise",
		w.putCount(), v.found, v.repeated)
}
