package daemon

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// A pipe without a reader: loggers do not wait, what does not fit is counted, and a line says so when the pipe drains.
func TestLogQueueNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, reg := testkit.NewPipeOutput(), prometheus.NewPedanticRegistry()
		logs, err := NewLoggers(config.LogConfig{Level: "info", Format: "json"}, out, reg)
		require.NoError(t, err)
		defer logs.Close(t.Context())
		out.Set(false, nil)
		line := strings.Repeat("x", 100_000)
		for range 2 * logQueueBytes / len(line) {
			logs.Audit.Info("alert published", zap.String("message", line))
			logs.Operational.Warn("cannot publish", zap.String("why", line))
		}
		synctest.Wait()
		state := logs.queue.state()
		require.Positive(t, state.Waiting)
		require.Positive(t, state.Dropped)
		require.Positive(t, state.AuditDropped)
		require.LessOrEqual(t, logs.queue.bytes, logQueueBytes)
		require.InDelta(t, state.Dropped, counted(t, reg, "kinesis_alerter_log_lines_unwritten_total"), 0)
		require.InDelta(t, state.AuditDropped, counted(t, reg, "kinesis_alerter_audit_lines_unwritten_total"), 0)

		time.Sleep(time.Minute)
		out.Set(true, nil)
		synctest.Wait()
		require.Equal(t, state.Waiting, strings.Count(out.String(), line), "what waited is written")
		require.Equal(t, 1, strings.Count(out.String(), "log output takes lines again, some were dropped"))
		require.Zero(t, logs.queue.state())
		logs.Operational.Warn("well again")
		synctest.Wait()
		require.Contains(t, out.String(), "well again")
		require.Zero(t, logs.queue.bytes, "what was written is not counted any more")
	})
}

func counted(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// A reader that is gone: every line is an error, which is counted and ends nothing.
func TestLogQueueSurvivesABrokenPipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, reg := testkit.NewPipeOutput(), prometheus.NewPedanticRegistry()
		logs, err := NewLoggers(config.LogConfig{Level: "info", Format: "json"}, out, reg)
		require.NoError(t, err)
		defer logs.Close(t.Context())
		out.Set(true, errors.New("broken pipe"))
		for range 10 {
			logs.Audit.Info("alert published")
		}
		synctest.Wait()
		require.InDelta(t, 10, counted(t, reg, "kinesis_alerter_audit_lines_unwritten_total"), 0)
		problems, err := testutil.GatherAndLint(reg)
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}
