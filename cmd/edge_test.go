package cmd

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// A stop does not wait for a topic that is known to refuse: the checkpoint stays where it is, so nothing is lost, and the
// stop is clean. What other topics take is drained as ever.
func TestStopWhileATopicRefusesIsClean(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]*fakeaws.Error{
		"missing": {Code: "NotFound", Message: "Topic does not exist", Status: 404},
		"denied":  {Code: "AuthorizationError", Message: "not authorized", Status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testStream, 2)
				createTopic(t, fake)
				repair := fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.Before, Err: fault})
				for _, key := range []string{"a", "b", "c", "d"} {
					fake.Kinesis.Put(testStream, key, []byte(`{"heartRate":180}`))
				}
				d := startDaemon(t, fake, nil)
				time.Sleep(20 * time.Second)
				began := time.Now()
				require.NoError(t, d.end())
				require.LessOrEqual(t, time.Since(began), 3*time.Second)
				require.NotEmpty(t, d.log.entries(t, "records are left to the next worker, because their topic refuses alerts"))
				repair()
				d = startDaemon(t, fake, nil)
				time.Sleep(5 * time.Second)
				require.Len(t, messages(fake), 4, "each once")
				require.NoError(t, d.end())
			})
		})
	}
}
