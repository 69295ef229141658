package counts_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/counts"
)

func TestValues(t *testing.T) {
	t.Parallel()
	v := promauto.With(prometheus.NewRegistry()).NewCounterVec(
		prometheus.CounterOpts{Name: "a_total", Help: "a"}, []string{"rule", "topic"},
	)
	v.WithLabelValues("high", "ward").Add(2)
	v.WithLabelValues("high", "oncall").Inc()
	v.WithLabelValues("low", "ward")
	require.Equal(t, uint64(2), counts.Of(v.WithLabelValues("high", "ward")))
	require.Equal(t, map[string]uint64{"high": 3, "low": 0}, counts.By(v, "rule"))
}
