package cmd

import (
	"io"
	"math"

	"kinesis-alerter/alert"
)

type backtestPlot struct{}

func newBacktestPlot(*LoadedConfig) *backtestPlot    { return &backtestPlot{} }
func noScore() float64                               { return math.NaN() }
func (*backtestPlot) record(*alert.Record) float64 { return math.NaN() }
func (*backtestPlot) alert(*alert.Alert, float64)  {}
func (*backtestPlot) write(io.Writer) error        { return nil }
