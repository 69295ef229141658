package system

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// Records are other people's data. Whatever becomes of one, at the most talkative level, nothing of its payload and no
// partition key in clear is in a log line or a metric: logs go to more people than alerts do.
func TestPayloadsStayOutOfLogsAndMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
			c.Log.Level = "debug"
			c.Rules = []alert.RuleConfig{
				{Name: "plain", When: `name == "hunter2"`, Topics: []string{"oncall"}},
				{
					Name: "window", When: `name == "hunter2"`, Window: alert.WindowConfig{
						Length: time.Minute, Of: "name", Aggregate: "max", Is: "> 1",
					}, Topics: []string{"oncall"},
				},
				{
					Name: "a-template", When: `name == "hunter2"`, Topics: []string{"oncall"},
					Message: `{{ index .Fields.name "hunter2" }}`,
				},
				{Name: "key", When: `name == "hunter2"`, Key: `name + "/" + other`, Topics: []string{"oncall"}},
			}
		})
		time.Sleep(2 * time.Second)
		for _, payload := range []string{
			`{"name":"hunter2"}`, `{"name":"hunter2","name":"hunter2"}`, `{"hunter2":`, `hunter2`, `{"hunter2":1e400}`,
			"{\"hunter2\":\"\xff\"}",
			`["hunter2"]`, `{"name":"hunter2"} hunter2`, "\xf3\x89\x9a\xc2hunter2hunter2hunter2hunter2",
		} {
			fake.Kinesis.Put(testkit.TestStream, "hunter2", []byte(payload))
		}
		time.Sleep(3 * time.Second)
		require.NotEmpty(t, fake.SNS.Messages(testkit.TestTopicARN), "alerts were made")
		require.Positive(t, testkit.Series(t, d.Reg, "kinesis_alerter_records_total", "invalid"))
		require.Positive(t, testkit.Series(t, d.Reg, "kinesis_alerter_template_failures_total", "message"))
		var page bytes.Buffer
		families, err := d.Reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			_, err := expfmt.MetricFamilyToText(&page, f)
			require.NoError(t, err)
		}
		require.NoError(t, d.End())
		require.NotContains(t, d.Log.String(), "hunter2")
		require.NotContains(t, page.String(), "hunter2")
	})
}
