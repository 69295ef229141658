package daemon

import (
	"context"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"kinesis-alerter/internal/config"
)

// Loggers are the two logs of the daemon, which share one output.
type Loggers struct {
	// Operational has the state changes of the daemon. Lines below warn are sampled: the first 100 of one message in
	// a second, then every 100th; what that drops is counted.
	Operational *zap.Logger
	// Audit gets one line per published alert. It is never sampled and ignores the level, because "what did we send,
	// and when" must have an answer however many alerts there were.
	Audit *zap.Logger
	// Level is the level of Operational.
	Level zap.AtomicLevel

	queue *logQueue
}

// Close writes the lines that wait, for as long as ctx lives. Lines of later calls are dropped.
func (l Loggers) Close(ctx context.Context) { l.queue.close(ctx) }

// print writes a whole line among those of the loggers.
func (l Loggers) print(line []byte) { l.queue.Add(logLine{text: line}) }

// NewLoggers makes the logs of a daemon that writes to out. The configuration must be valid. Loggers never wait for
// out; Close ends their goroutine.
func NewLoggers(c config.LogConfig, out io.Writer, reg prometheus.Registerer) (Loggers, error) {
	level, err := zap.ParseAtomicLevel(c.Level)
	if err != nil {
		return Loggers{}, err
	}
	dropped := promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_log_lines_dropped_total",
		Help: "Log lines below warn that sampling left out. Audit lines are never left out.",
	})
	unwritten := promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_log_lines_unwritten_total",
		Help: "Log lines that were dropped because the output took none: the pipe has no reader, or the disk is full.",
	})
	unaudited := promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_audit_lines_unwritten_total",
		Help: "Audit lines that were dropped because the output took none. What was sent, and when, has no answer " +
			"for these alerts.",
	})
	queue := newLogQueue(out, func(audit bool) {
		if audit {
			unaudited.Inc()
		} else {
			unwritten.Inc()
		}
	})
	encoder := newEncoder(c.Format)
	quiet := zapcore.NewSamplerWithOptions(
		zapcore.NewCore(encoder.Clone(), queue.sink(false), zap.LevelEnablerFunc(func(l zapcore.Level) bool {
			return l < zapcore.WarnLevel && level.Enabled(l)
		})),
		time.Second, 100, 100,
		zapcore.SamplerHook(func(_ zapcore.Entry, d zapcore.SamplingDecision) {
			if d&zapcore.LogDropped != 0 {
				dropped.Inc()
			}
		}))
	loud := zapcore.NewCore(encoder.Clone(), queue.sink(false),
		zap.LevelEnablerFunc(func(l zapcore.Level) bool { return l >= zapcore.WarnLevel && level.Enabled(l) }))
	audit := zapcore.NewCore(encoder.Clone(), queue.sink(true), zapcore.InfoLevel)
	operational := zap.New(zapcore.NewTee(quiet, loud))
	queue.start(func(lines, audit int, since time.Time) {
		operational.Warn("log output takes lines again, some were dropped",
			zap.Int("lines", lines), zap.Int("audit_lines", audit), zap.Time("since", since))
	})
	return Loggers{Operational: operational, Audit: zap.New(audit).Named("audit"), Level: level, queue: queue}, nil
}

func newEncoder(format string) zapcore.Encoder {
	c := zapcore.EncoderConfig{
		TimeKey: "ts", LevelKey: "level", MessageKey: "msg", NameKey: "logger",
		LineEnding:     zapcore.DefaultLineEnding,
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
		EncodeName:     zapcore.FullNameEncoder,
		EncodeTime: func(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
			enc.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
		},
	}
	if format == "console" {
		c.EncodeLevel = zapcore.CapitalLevelEncoder
		return zapcore.NewConsoleEncoder(c)
	}
	return zapcore.NewJSONEncoder(c)
}
