package rehearse

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/testkit"
)

// However long the history is, the plot keeps a bounded number of points, and of the scores no peak is lost.
func TestBacktestPlotIsBounded(t *testing.T) {
	t.Parallel()
	p := &backtestPlot{
		byRule: map[string]*plotMarks{}, scores: plotSpans{length: time.Millisecond, spans: map[int64]*plotSpan{}},
	}
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	const records = 300_000
	for i := range records {
		score := 1.0
		if i == records/3 {
			score = 7
		}
		at := start.Add(time.Duration(i) * time.Second)
		p.scores.Add(at, score)
		p.alert(&alert.Alert{Rule: "r", At: at}, noScore())
	}
	require.LessOrEqual(t, len(p.scores.spans), mostSpans)
	m := p.marks("r")
	require.Equal(t, records, m.count)
	require.LessOrEqual(t, len(m.points), mostMarks)
	require.Greater(t, len(m.points), mostMarks/4)
	for i, x := range m.points {
		require.Equal(t, start.Add(time.Duration(i*m.stride)*time.Second), x.at, "evenly")
	}
	var svg bytes.Buffer
	require.NoError(t, p.Write(&svg))
	require.Less(t, svg.Len(), 2<<20)
	marks, texts := testkit.Plotted(t, svg.Bytes())
	require.Equal(t, len(m.points), marks)
	require.Contains(t, strings.Join(texts, "\n"), fmt.Sprintf("r: 300000 alerts, one in %d is shown", m.stride))
	peaks := 0
	for _, x := range p.scores.points() {
		if x.value == 7 {
			peaks++
		}
	}
	require.Equal(t, 1, peaks)
}
