package cmd

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"
)

// pipeOutput is an output that blocks, fails or takes lines.
type pipeOutput struct {
	syncBuffer

	gate sync.Mutex
	open chan struct{} // closed while it takes lines
	err  error
}

func newPipeOutput() *pipeOutput {
	p := &pipeOutput{open: make(chan struct{})}
	close(p.open)
	return p
}

func (p *pipeOutput) set(open bool, err error) {
	p.gate.Lock()
	defer p.gate.Unlock()
	select {
	case <-p.open:
		if !open {
			p.open = make(chan struct{})
		}
	default:
		if open {
			close(p.open)
		}
	}
	p.err = err
}

func (p *pipeOutput) Write(line []byte) (int, error) {
	p.gate.Lock()
	open := p.open
	p.gate.Unlock()
	<-open
	p.gate.Lock()
	err := p.err
	p.gate.Unlock()
	if err != nil {
		return 0, err
	}
	return p.syncBuffer.Write(line)
}

// A pipe that nobody reads: loggers do not wait, what does not fit is counted, and a line says so when the pipe drains.
func TestLogQueueNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, reg := newPipeOutput(), prometheus.NewPedanticRegistry()
		logs, err := NewLoggers(LogConfig{Level: "info", Format: "json"}, out, reg)
		require.NoError(t, err)
		defer logs.Close(t.Context())
		out.set(false, nil)
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
		out.set(true, nil)
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
		out, reg := newPipeOutput(), prometheus.NewPedanticRegistry()
		logs, err := NewLoggers(LogConfig{Level: "info", Format: "json"}, out, reg)
		require.NoError(t, err)
		defer logs.Close(t.Context())
		out.set(true, errors.New("broken pipe"))
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

// The whole daemon with an output that blocks from the first line on: every record becomes an alert, and the stop is in its budget.
func TestDaemonAlertsWithABlockedOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, out, page := fakeaws.New(fakeaws.Options{}), newPipeOutput(), newPipes()
		fake.Kinesis.Create(testStream, 2)
		createTopic(t, fake)
		out.set(false, nil)
		d := startDaemon(t, fake, func(c *Config, o *Options) {
			o.Output, o.Listener = out, page
			c.Rules = []alert.RuleConfig{{Name: "every", When: "heartRate > 0", Topics: []string{"oncall"}}}
		})
		for i := range 300 {
			fake.Kinesis.Put(testStream, strings.Repeat("k", i%7+1), []byte(`{"heartRate":150}`))
		}
		time.Sleep(20 * time.Second)
		require.Len(t, messages(fake), 300)
		s := page.status(t)
		require.Equal(t, LevelWarning, s.Level)
		require.Equal(t, "log_blocked", s.Problems[0].Code)
		require.Contains(t, s.Summary, "The log output has taken no line for 20 s;")
		began := time.Now()
		require.NoError(t, d.end())
		require.Less(t, time.Since(began), 5*time.Second)
		out.set(true, nil)
		synctest.Wait()
	})
}
