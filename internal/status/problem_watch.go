package status

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"kinesis-alerter/internal/guard"
)

// problemLevels are the levels that a problem can have, the most severe first.
func problemLevels() []Level { return []Level{LevelCritical, LevelWarning, LevelInfo} }

// problemMetric shows the problems of the status page to Prometheus. Every code has a series for each level, so a rule
// can ask for a level and needs no change for a new code.
type problemMetric struct {
	desc   *prometheus.Desc
	status func() Status
}

// RegisterProblems registers the metric. It takes a snapshot for each scrape, which reads memory only.
func RegisterProblems(reg prometheus.Registerer, status func() Status) {
	reg.MustRegister(&problemMetric{status: status, desc: prometheus.NewDesc("kinesis_alerter_problem",
		"Whether the status page shows a problem of this code at this level now.", []string{"code", "level"}, nil)})
}

// Describe implements prometheus.Collector.
func (m *problemMetric) Describe(ch chan<- *prometheus.Desc) { ch <- m.desc }

// Collect implements prometheus.Collector.
func (m *problemMetric) Collect(ch chan<- prometheus.Metric) {
	shown := map[[2]string]float64{}
	// Collectors run in goroutines of the registry, where a panic would end the process.
	err := guard.Do("problems", func() error {
		for _, p := range m.status().Problems {
			shown[[2]string{p.Code, string(p.Level)}] = 1
		}
		return nil
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(m.desc, err)
		return
	}
	for code := range ProblemSubjects() {
		for _, level := range problemLevels() {
			ch <- prometheus.MustNewConstMetric(
				m.desc, prometheus.GaugeValue, shown[[2]string{code, string(level)}], code, string(level),
			)
		}
	}
}

// ProblemLog writes a line when a problem appears, changes its level, or is over. Not safe for concurrent use.
type ProblemLog struct {
	log   *zap.Logger
	known map[problemKey]*knownProblem
}

const (
	// problemLines are the lines that one problem may write at once; then it gets one more every problemRefill. A
	// problem that comes and goes every few seconds does not fill the log.
	problemLines  = 4
	problemRefill = time.Minute
)

type problemKey struct{ code, object string }

// knownProblem is one that is there, or was lately.
type knownProblem struct {
	said, seen Level // at the last line, and at the last look
	unsaid     int   // changes since the last line
	lines      float64
	looked     time.Time
}

// NewProblemLog returns a log that knows no problem yet.
func NewProblemLog(log *zap.Logger) *ProblemLog {
	return &ProblemLog{log: log, known: map[problemKey]*knownProblem{}}
}

// Look compares what the log says with the problems of now, the most severe first.
func (l *ProblemLog) Look(now time.Time, list []Problem) {
	current := map[problemKey]Problem{}
	for _, p := range slices.Backward(list) { // of one code the most severe counts
		key := problemKey{p.Code, p.Object}
		if current[key] = p; l.known[key] == nil {
			l.known[key] = &knownProblem{said: LevelOK, seen: LevelOK, lines: problemLines, looked: now}
		}
	}
	for key, k := range l.known {
		p, here := current[key]
		if !here {
			p.Level = LevelOK
		}
		k.lines = min(problemLines, k.lines+float64(now.Sub(k.looked))/float64(problemRefill))
		k.looked = now
		if p.Level != k.seen {
			k.seen, k.unsaid = p.Level, k.unsaid+1
		}
		switch {
		case p.Level != k.said && k.lines >= 1:
			l.say(key, p, k)
			k.said, k.unsaid = p.Level, 0
			k.lines--
		case p.Level == LevelOK && k.said == LevelOK && k.lines >= problemLines:
			delete(l.known, key)
		}
	}
}

// say writes the line. The text may hold names and error codes, and nothing of a record.
func (l *ProblemLog) say(key problemKey, p Problem, k *knownProblem) {
	fields := []zap.Field{zap.String("code", key.code)}
	if key.object != "" {
		fields = append(fields, zap.String("object", key.object))
	}
	if k.unsaid > 1 {
		fields = append(fields, zap.Int("changes", k.unsaid))
	}
	if p.Level == LevelOK {
		l.log.Info("problem is over", fields...)
		return
	}
	fields = append(
		fields, zap.String("problem_level", string(p.Level)), zap.String("problem", p.Text),
		zap.String("remedy", p.Remedy),
	)
	at := zapcore.InfoLevel
	switch p.Level {
	case LevelCritical:
		at = zapcore.ErrorLevel
	case LevelWarning:
		at = zapcore.WarnLevel
	case LevelInfo, LevelOK:
	}
	message := "problem appeared"
	if k.said != LevelOK {
		message = "problem changed its level"
	}
	l.log.Log(at, message, fields...)
}
