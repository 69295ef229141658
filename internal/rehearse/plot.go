package rehearse

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-analyze/charts"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
)

const (
	plotWidth       = 1200
	plotPanelHeight = 320
	// plotColumns is the resolution over time, about a pixel, plotLabels how many columns have a label (each 125th),
	// and plotLevels the one of the range from the least to the greatest score of a column.
	plotColumns = 1001
	plotLabels  = 9
	plotLevels  = 100
	// mostPanels bounds the plot; it shows the first rules with alerts.
	mostPanels = 12
	// mostMarks bounds the alerts of one rule that are marked, and mostSpans what is kept of the scores.
	mostMarks = 4000
	mostSpans = 4096
	// ScoreField is what AWS' SQL function calls a score, and what one is called that has no other name.
	ScoreField = "ANOMALY_SCORE"
)

// backtestPlot keeps a bounded number of points, from which it draws the scores of the records, or where they have none
// the values that rules looked at, with the alerts marked.
type backtestPlot struct {
	// field is the member of the records that is their score: that of the first score of the configuration.
	field  string
	rules  []*plotMarks
	byRule map[string]*plotMarks
	scores plotSpans
}

// plotMarks are the alerts of a rule.
type plotMarks struct {
	rule  string
	count int
	// Each stride-th alert is kept.
	stride int
	points []plotPoint
}

type plotPoint struct {
	at    time.Time
	value float64
}

// plotSpans keeps the least and the greatest value of each span of time. Spans become twice as long when they are too
// many.
type plotSpans struct {
	length time.Duration
	spans  map[int64]*plotSpan
}

type plotSpan struct{ least, greatest float64 }

// NewBacktestPlot returns a plot of the alerts and, if there are any, of the scores.
func NewBacktestPlot(config *config.LoadedConfig) *backtestPlot {
	p := &backtestPlot{
		field: ScoreField, byRule: map[string]*plotMarks{}, scores: plotSpans{
			length: 100 * time.Millisecond, spans: map[int64]*plotSpan{},
		},
	}
	if len(config.Score) > 0 {
		p.field = cmp.Or(config.Score[0].As, ScoreField)
	}
	for _, name := range ruleNames(config) {
		p.marks(name)
	}
	return p
}

func (p *backtestPlot) marks(rule string) *plotMarks {
	m := p.byRule[rule]
	if m == nil {
		m = &plotMarks{rule: rule, stride: 1}
		p.byRule[rule] = m
		p.rules = append(p.rules, m)
	}
	return m
}

func noScore() float64 { return math.NaN() }

// record takes up the score in a payload and returns it; NaN if it has none.
func (p *backtestPlot) record(data []byte, at time.Time) float64 {
	if !bytes.Contains(data, []byte(p.field)) {
		return noScore()
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return noScore()
	}
	score, err := strconv.ParseFloat(string(fields[p.field]), 64)
	if err != nil || math.IsInf(score, 0) || math.IsNaN(score) {
		return noScore()
	}
	p.scores.Add(at, score)
	return score
}

// alert takes up an alert on a record with a score; NaN if it has none.
func (p *backtestPlot) alert(a *alert.Alert, score float64) {
	value := score
	if math.IsNaN(score) {
		if value = a.Value; a.Worse == 0 || math.IsNaN(value) || math.IsInf(value, 0) {
			value = 0
		}
	}
	p.marks(a.Rule).Add(plotPoint{a.Occurred(), value})
}

func (m *plotMarks) Add(x plotPoint) {
	if m.count%m.stride == 0 {
		if len(m.points) == mostMarks {
			for i := range mostMarks / 2 {
				m.points[i] = m.points[2*i]
			}
			m.points = m.points[:mostMarks/2]
			m.stride *= 2
		}
		if m.count%m.stride == 0 {
			m.points = append(m.points, x)
		}
	}
	m.count++
}

func (s *plotSpans) Add(at time.Time, value float64) {
	s.put(at.UnixNano()/int64(s.length), plotSpan{value, value})
	for len(s.spans) > mostSpans {
		old := s.spans
		s.length *= 2
		s.spans = make(map[int64]*plotSpan, mostSpans)
		for n, x := range old {
			s.put(n/2, *x)
		}
	}
}

func (s *plotSpans) put(n int64, x plotSpan) {
	if known := s.spans[n]; known != nil {
		known.least, known.greatest = min(known.least, x.least), max(known.greatest, x.greatest)
		return
	}
	s.spans[n] = &x
}

// points are the least and the greatest value of each span.
func (s *plotSpans) points() []plotPoint {
	out := make([]plotPoint, 0, 2*len(s.spans))
	for n, x := range s.spans {
		at := time.Unix(0, n*int64(s.length)).UTC()
		if out = append(out, plotPoint{at, x.least}); x.greatest > x.least {
			out = append(out, plotPoint{at, x.greatest})
		}
	}
	return out
}

// plotPanel is one chart: points and, above them, alerts by rule.
type plotPanel struct {
	title  string
	points []plotPoint
	rules  []*plotMarks
}

func (p *backtestPlot) panels() []plotPanel {
	var with []*plotMarks
	for _, m := range p.rules {
		if m.count > 0 {
			with = append(with, m)
		}
	}
	if points := p.scores.points(); len(points) > 0 {
		return []plotPanel{{p.field, points, with}}
	}
	var out []plotPanel
	for i, m := range with {
		if i == mostPanels {
			break
		}
		out = append(out, plotPanel{"value of " + ruleLabel(m.rule), nil, []*plotMarks{m}})
	}
	if len(out) == 0 {
		out = []plotPanel{{title: "no alerts"}}
	}
	if more := len(with) - len(out); more > 0 {
		out[len(out)-1].title += fmt.Sprintf(" (and %s more with alerts)", config.Plural(more, "rule"))
	}
	return out
}

// Write draws the plot as SVG.
func (p *backtestPlot) Write(w io.Writer) error {
	panels := p.panels()
	var first, last time.Time
	see := func(points []plotPoint) {
		for _, x := range points {
			if first.IsZero() || x.at.Before(first) {
				first = x.at
			}
			if x.at.After(last) {
				last = x.at
			}
		}
	}
	for _, panel := range panels {
		see(panel.points)
		for _, m := range panel.rules {
			see(m.points)
		}
	}
	axis := plotAxis{first, max(last.Sub(first), time.Second)}
	painter := charts.NewPainter(charts.PainterOptions{
		OutputFormat: charts.ChartOutputSVG, Width: plotWidth, Height: plotPanelHeight * len(panels),
	})
	for i, panel := range panels {
		box := charts.NewBox(0, i*plotPanelHeight, plotWidth, (i+1)*plotPanelHeight)
		if err := painter.Child(charts.PainterBoxOption(box)).ScatterChart(panel.option(axis)); err != nil {
			return fmt.Errorf("plot: %w", err)
		}
	}
	svg, err := painter.Bytes()
	if err != nil {
		return fmt.Errorf("plot: %w", err)
	}
	_, err = w.Write(svg)
	return err
}

// plotAxis is the time of the plot.
type plotAxis struct {
	from time.Time
	span time.Duration
}

// columns are points by the column that they fall into.
func (a plotAxis) columns(points []plotPoint) [][]float64 {
	out := make([][]float64, plotColumns)
	for _, x := range points {
		n := int(float64(x.at.Sub(a.from)) / float64(a.span) * (plotColumns - 1))
		out[n] = append(out[n], x.value)
	}
	return out
}

// ranges fill each column from its least to its greatest value.
func (a plotAxis) ranges(points []plotPoint) [][]float64 {
	out := a.columns(points)
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, x := range points {
		lowest, highest = min(lowest, x.value), max(highest, x.value)
	}
	step := (highest - lowest) / plotLevels
	for i, values := range out {
		if len(values) < 2 || step <= 0 {
			continue
		}
		least, greatest := slices.Min(values), slices.Max(values)
		out[i] = values[:0]
		for n := range int((greatest-least)/step) + 1 {
			out[i] = append(out[i], least+float64(n)*step)
		}
		out[i] = append(out[i], greatest)
	}
	return out
}

func (a plotAxis) labels() []string {
	layout := "01-02 15:04"
	if a.span < 10*time.Minute {
		layout = "15:04:05"
	}
	out := make([]string, plotColumns)
	for i := range plotColumns - 1 { // the last one would stand on the one before
		out[i] = a.from.Add(a.span / (plotColumns - 1) * time.Duration(i)).UTC().Format(layout)
	}
	return out
}

// option describes the panel to the library. Alerts are circles, each an element of its own; the points are one path.
func (p *plotPanel) option(axis plotAxis) charts.ScatterChartOption {
	var series charts.ScatterSeriesList
	var names []string
	var colors []charts.Color
	if len(p.points) > 0 || len(p.rules) == 0 {
		series = append(series, charts.ScatterSeries{
			Values: axis.ranges(p.points), Symbol: charts.Symbol{Shape: charts.SymbolSquare, Size: 1},
		})
		names, colors = append(names, "records"), append(colors, pointColor())
	}
	for i, m := range p.rules {
		name := fmt.Sprintf("%s: %s", ruleLabel(m.rule), config.Plural(m.count, "alert"))
		if m.stride > 1 {
			name += fmt.Sprintf(", one in %d is shown", m.stride)
		}
		series = append(series, charts.ScatterSeries{
			Values: axis.columns(m.points), Symbol: charts.Symbol{Shape: charts.SymbolDot, Size: markSize(i)},
		})
		names, colors = append(names, name), append(colors, markColor(i))
	}
	option := charts.NewScatterChartOptionWithSeries(series)
	option.Theme = charts.GetTheme(charts.ThemeLight).WithSeriesColors(colors)
	option.Padding = charts.NewBox(20, 20, 40, 10)
	option.Title = charts.TitleOption{Text: p.title}
	option.Legend = charts.LegendOption{SeriesNames: names, Symbol: charts.SymbolSquare, Offset: charts.OffsetRight}
	option.XAxis.Labels = axis.labels()
	option.XAxis.LabelCount = plotLabels
	option.XAxis.BoundaryGap = new(false)
	return option
}

func pointColor() charts.Color { return charts.ColorFromHex("#8fa3bf") }

// markSize is the radius of a rule's alerts: smaller for later ones, so that none covers what it is drawn upon.
func markSize(i int) float64 { return max(2, 5-1.25*float64(i)) }

// markColor is the colour of a rule's alerts; rules have different ones for a while.
func markColor(i int) charts.Color {
	colors := []string{"#c0392b", "#1f6f8b", "#8e44ad", "#b9770e", "#1e8449", "#2c3e50"}
	return charts.ColorFromHex(colors[i%len(colors)])
}
