package status_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/status/statustest"
)

// Every code has all its series from the start, and those of the problems that are there are 1.
func TestProblemMetric(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	st := statustest.ExampleStatus()
	status.RegisterProblems(reg, func() status.Status { return st })
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Len(t, families[0].GetMetric(), 3*len(status.ProblemSubjects()))
	shown, want := map[string]bool{}, map[string]bool{}
	for _, m := range families[0].GetMetric() {
		if m.GetGauge().GetValue() == 1 {
			shown[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = true
		}
	}
	for _, p := range st.Problems {
		want[p.Code+" "+string(p.Level)] = true
	}
	require.Greater(t, len(want), 5)
	require.Equal(t, want, shown)
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}
