package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/internal/config"
)

func newTestLoggers(t *testing.T, c config.LogConfig) (Loggers, *bytes.Buffer, *prometheus.Registry) {
	t.Helper()
	out, reg := &bytes.Buffer{}, prometheus.NewPedanticRegistry()
	logs, err := NewLoggers(c, out, reg)
	require.NoError(t, err)
	t.Cleanup(func() { logs.Close(context.WithoutCancel(t.Context())) })
	return logs, out, reg
}

func lines(t *testing.T, out *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for s := bufio.NewScanner(out); s.Scan(); {
		var line map[string]any
		require.NoError(t, json.Unmarshal(s.Bytes(), &line), s.Text())
		all = append(all, line)
	}
	return all
}

// A storm of alerts must leave one audit line each, while the chatter around it is sampled and the loss is counted.
func TestAuditIsNeverSampled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logs, out, reg := newTestLoggers(t, config.LogConfig{Level: "error", Format: "json"})
		logs.Level.SetLevel(zap.ErrorLevel)
		for range 1000 {
			logs.Audit.Info("alert published")
		}
		synctest.Wait()
		require.Len(t, lines(t, out), 1000, "audit lines ignore the level, too")

		out.Reset()
		logs.Level.SetLevel(zap.InfoLevel)
		for range 1000 {
			logs.Operational.Info("lease acquired")
			logs.Operational.Warn("renewal failed")
		}
		synctest.Wait()
		require.Equal(t, 1000, strings.Count(out.String(), "renewal failed"), "warnings are never sampled")
		require.Equal(t, 109, strings.Count(out.String(), "lease acquired"))
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP kinesis_alerter_log_lines_dropped_total Log lines below warn that sampling left out. Audit lines are never left out.
# TYPE kinesis_alerter_log_lines_dropped_total counter
kinesis_alerter_log_lines_dropped_total 891
`), "kinesis_alerter_log_lines_dropped_total"))
	})
}

func TestLogLineFormat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logs, out, _ := newTestLoggers(t, config.LogConfig{Level: "info", Format: "json"})
		time.Sleep(1500 * time.Millisecond)
		logs.Operational.Named("lease").Info("lease acquired", zap.String("shard", "shardId-000000000000"))
		logs.Audit.Info("alert published", zap.Duration("latency", 250*time.Millisecond))
		synctest.Wait()
		require.Equal(t, []map[string]any{
			{
				"ts": "2000-01-01T00:00:01.500Z", "level": "info", "logger": "lease", "msg": "lease acquired",
				"shard": "shardId-000000000000",
			},
			{
				"ts": "2000-01-01T00:00:01.500Z", "level": "info", "logger": "audit", "msg": "alert published",
				"latency": "250ms",
			},
		}, lines(t, out))
	})
}

func TestLogLevelChangesAtRunTime(t *testing.T) {
	t.Parallel()
	logs, out, _ := newTestLoggers(t, config.LogConfig{Level: "info", Format: "console"})
	logs.Operational.Debug("hidden")
	put := httptest.NewRequest(http.MethodPut, "/-/log-level", strings.NewReader(`{"level":"debug"}`))
	put.Header.Set("Content-Type", "application/json")
	logs.Level.ServeHTTP(httptest.NewRecorder(), put)
	logs.Operational.Debug("shown")
	logs.Close(t.Context())
	require.NotContains(t, out.String(), "hidden")
	require.Contains(t, out.String(), "DEBUG\tshown")
}
