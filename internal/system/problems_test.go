package system

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// The daemon's own problems reach the log and the metric.
func TestProblemsOfTheDaemon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, nil)
		problem := func() float64 {
			families, err := d.Reg.Gather()
			require.NoError(t, err)
			for _, f := range families {
				for _, m := range f.GetMetric() {
					if f.GetName() == "kinesis_alerter_problem" && strings.Contains(m.String(), `"topic_held"`) &&
						strings.Contains(m.String(), `"critical"`) {
						return m.GetGauge().GetValue()
					}
				}
			}
			t.Fatal("no series")
			return 0
		}
		time.Sleep(10 * time.Second)
		require.Zero(t, problem())
		denied := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Err: &fakeaws.Error{
				Code: "AuthorizationError", Status: 403,
			},
		})
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(10 * time.Second)
		require.InDelta(t, 1, problem(), 0)
		denied()
		time.Sleep(2 * time.Minute)
		require.Zero(t, problem())
		require.NoError(t, d.End())
		require.Equal(t, 1,
			strings.Count(d.Log.String(), `"code":"topic_held","object":"oncall","problem_level":"critical"`))
		require.Contains(t, d.Log.String(), `"msg":"problem is over","code":"topic_held"`)
	})
}
