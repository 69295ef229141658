package status

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/internal/clock"
)

const (
	// clockWorthAWord is how far the machine's clock must be off to be on the page: more than the Dates of answers leave open.
	clockWorthAWord = 3 * time.Second
	// clockFarOff is from where it is a warning: AWS refuses calls that are signed five minutes too late or too early.
	clockFarOff = time.Minute
)

// clockProblems looks at the distance of the machine's clock. Alerts do not go by it.
func clockProblems(st *Status, add addProblem) {
	if st.ClockAhead == nil {
		return
	}
	off, direction := time.Duration(*st.ClockAhead*float64(time.Second)), "ahead of"
	if off < 0 {
		off, direction = -off, "behind"
	}
	if off < clockWorthAWord {
		return
	}
	level := LevelInfo
	if off >= clockFarOff {
		level = LevelWarning
	}
	add(level, "clock_off", "let NTP set this machine's clock (chronyc tracking, timedatectl); alerts go by Kinesis' clock meanwhile, log lines do not",
		"this machine's clock is %s %s Kinesis'", words(off), direction)
}

// RegisterClock registers the metric of the same distance.
func RegisterClock(reg prometheus.Registerer, now *clock.Clock) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kinesis_alerter_clock_offset_seconds",
		Help: "How far the machine's clock is ahead of Kinesis', negative if behind; NaN while no answer has told.",
	}, func() float64 {
		by, known := now.Ahead()
		if !known {
			return math.NaN()
		}
		return by.Seconds()
	})
}
