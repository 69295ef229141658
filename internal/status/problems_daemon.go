package status

import (
	"cmp"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/internal/clock"
)

func daemonKinds() []kind {
	return []kind{
		{
			code: "lease_loop_stuck", remedy: "restart this process",
			find: func(m *model, _ thresholds) findings {
				return found(when(m.hung, LevelCritical), "the lease loop has been stuck for ten seconds")
			},
		},
		{
			code: "clock_off",
			remedy: "let NTP set this machine's clock (chronyc tracking, timedatectl); until then alerts use " +
				"Kinesis' clock, and log lines do not",
			// Dates of answers leave less open. AWS refuses calls that are signed five minutes too late or too early.
			after: thresholds{info: 3 * time.Second, warning: time.Minute},
			find: func(m *model, after thresholds) findings {
				off, direction := m.Ahead(), "ahead of"
				if off < 0 {
					off, direction = -off, "behind"
				}
				return found(after.level(off), "this machine's clock is %s %s Kinesis'", words(off), direction)
			},
		},
		{
			code: "stopping",
			find: func(m *model, _ thresholds) findings {
				return found(when(m.State == "stopping", LevelInfo),
					"the daemon is stopping: it drains its shards and hands them over")
			},
		},
		{
			code: "start_waits", remedy: "the log says what AWS answers",
			after: thresholds{warning: 10 * time.Second, critical: 5 * time.Minute},
			find: func(m *model, after thresholds) findings {
				if m.State != "starting" || m.WaitingSince == nil {
					return nil
				}
				waited := m.ago(m.WaitingSince)
				level := cmp.Or(after.level(waited), LevelInfo)
				if len(m.owners.late) > 0 { // no worker reads them, and this is why this one does not
					level = LevelCritical
				}
				return found(
					level, "starting; waits for %s, for %s so far", m.WaitingFor, words(waited),
				).blaming(m.WaitingFor)
			},
		},
		{
			code: "log_blocked", remedy: unblockLog,
			after: thresholds{warning: 5 * time.Second},
			find: func(m *model, after thresholds) findings {
				l, blocked := &m.Log, m.ago(m.Log.Since)
				level := after.level(blocked)
				if l.Since != nil && l.Dropped > 0 {
					level = LevelWarning
				}
				return found(level, "the log output has taken no line for %s; %s, %s dropped",
					words(blocked), wait(uint64(max(0, l.Waiting)), "line"), are(l.Dropped, "line"))
			},
		},
	}
}

const unblockLog = "read the pipe of the process, or make room on its disk: look at the log driver of the container"

// RegisterClock registers the metric of how far the machine's clock is off.
func RegisterClock(reg prometheus.Registerer, now *clock.Clock) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kinesis_alerter_clock_offset_seconds",
		Help: "How far the machine's clock is ahead of Kinesis', negative if behind; NaN before the first answer.",
	}, func() float64 {
		by, known := now.Ahead()
		if !known {
			return math.NaN()
		}
		return by.Seconds()
	})
}
