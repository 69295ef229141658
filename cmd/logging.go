package cmd

import (
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// LogConfig is the section "log".
type LogConfig struct {
	// Level is debug, info, warn or error. Defaults to info. It can be changed at run time through /-/log-level.
	Level string `yaml:"level"`
	// Format is json or console. Defaults to json.
	Format string `yaml:"format"`
}

// Loggers are the two logs of the daemon, which share one output.
type Loggers struct {
	// Operational tells the state changes of the daemon. Lines below warn are sampled: the first 100 of one message in
	// a second, then every 100th; what that drops is counted.
	Operational *zap.Logger
	// Audit gets one line per published alert. It is never sampled and ignores the level, because "what did we send,
	// and when" must have an answer however many alerts there were.
	Audit *zap.Logger
	// Level is the level of Operational.
	Level zap.AtomicLevel
}

// NewLoggers makes the logs of a daemon that writes to out. The configuration must be valid.
func NewLoggers(c LogConfig, out io.Writer, reg prometheus.Registerer) (Loggers, error) {
	level, err := zap.ParseAtomicLevel(c.Level)
	if err != nil {
		return Loggers{}, err
	}
	dropped := promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_log_lines_dropped_total",
		Help: "Log lines below warn that sampling left out. Audit lines are never left out.",
	})
	sink := zapcore.Lock(zapcore.AddSync(out))
	encoder := newEncoder(c.Format)
	quiet := zapcore.NewSamplerWithOptions(
		zapcore.NewCore(encoder.Clone(), sink, zap.LevelEnablerFunc(func(l zapcore.Level) bool { return l < zapcore.WarnLevel && level.Enabled(l) })),
		time.Second, 100, 100,
		zapcore.SamplerHook(func(_ zapcore.Entry, d zapcore.SamplingDecision) {
			if d&zapcore.LogDropped != 0 {
				dropped.Inc()
			}
		}))
	loud := zapcore.NewCore(encoder.Clone(), sink,
		zap.LevelEnablerFunc(func(l zapcore.Level) bool { return l >= zapcore.WarnLevel && level.Enabled(l) }))
	audit := zapcore.NewCore(encoder.Clone(), sink, zapcore.InfoLevel)
	return Loggers{
		Operational: zap.New(zapcore.NewTee(quiet, loud)),
		Audit:       zap.New(audit).Named("audit"),
		Level:       level,
	}, nil
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
