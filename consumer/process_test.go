package consumer

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// counter reads one series of a worker.
func counter(t *testing.T, n *node, name, label, value string) float64 {
	t.Helper()
	families, err := n.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || labelOf(m, label) == value {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no series %s{%s=%q}", name, label, value)
	return 0
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// TestTwoConsumersInOneProcess is defect 41: nothing is registered globally, and shard series vanish with the lease.
func TestTwoConsumersInOneProcess(t *testing.T) {
	for range 2 {
		reg := prometheus.NewPedanticRegistry()
		_, err := New(Config{StreamName: "stream"}, Deps{Log: zap.NewNop(), Registerer: reg})
		require.NoError(t, err)
	}
	inWorld(t, 3, func(w *world) {
		one, two := w.join("one"), w.join("two")
		w.eventually(lease*3, "shared", func() bool { return one.reading()+two.reading() == 3 && two.reading() > 0 })
		require.Len(t, lagSeries(t, one), one.reading())
		require.Len(t, lagSeries(t, two), two.reading())
	})
}

func lagSeries(t *testing.T, n *node) []string {
	t.Helper()
	families, err := n.registry.Gather()
	require.NoError(t, err)
	var out []string
	for _, f := range families {
		if f.GetName() == "kinesis_alerter_shard_lag_seconds" {
			for _, m := range f.GetMetric() {
				out = append(out, labelOf(m, "shard"))
			}
		}
	}
	return out
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	err := Config{PollInterval: 1, Parallelism: -1, Memory: 5}.WithDefaults().Validate()
	require.EqualError(t, err, `stream.name: "": name the stream, or give its arn
processing.parallelism: -1: must be 1 to 1000 partition keys of a shard at once
processing.memory: 5: must be at least 1MiB
processing.poll_interval: 1ns: must be 200ms to 1m: Kinesis allows five reads a second and shard, to all readers together`)
	require.NoError(t, Config{StreamName: "s"}.WithDefaults().Validate())
}
