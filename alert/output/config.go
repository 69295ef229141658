package output

import (
	"cmp"
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
)

// Defaults of Config.
const (
	DefaultMaxBytes       = 32 << 20
	DefaultAttemptTimeout = 10 * time.Second
)

// trustMargin is how much of the trust window must be left for a call to start.
const trustMargin = 200 * time.Millisecond

// Config says what is written where. The zero value of a field means its default.
type Config struct {
	// Outputs are the outputs by the name that the rules' decisions use.
	Outputs map[string]StreamConfig
	// MaxBytes bounds what may wait for each output, in bytes of data, keys and bookkeeping. Defaults to 32 MiB.
	MaxBytes int
	// MaxRecordAge is how old a record may be for its item to be tried. Time in which a fault of the configuration held
	// the output does not count. 0 is no limit.
	MaxRecordAge time.Duration
	// MaxAttempts is how often an item is tried again after failures of its own. Throttling, failed calls and faults of
	// the configuration do not count. 0 and -1 are no limit.
	MaxAttempts int
	// AttemptTimeout bounds one call. Defaults to 10 s.
	AttemptTimeout time.Duration
	// Skip drops what was rejected, where there are no dead letters. Otherwise its key is held.
	Skip bool
}

// StreamConfig is one output.
type StreamConfig struct {
	// Stream is the name or the ARN of the stream. An output whose stream changes is a new one.
	Stream string
}

func (c Config) withDefaults() Config {
	c.MaxBytes = cmp.Or(c.MaxBytes, DefaultMaxBytes)
	c.AttemptTimeout = cmp.Or(c.AttemptTimeout, DefaultAttemptTimeout)
	return c
}

// API is the part of a Kinesis client that a Writer uses. *kinesis.Client implements it.
type API interface {
	PutRecords(
		context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options),
	) (*kinesis.PutRecordsOutput, error)
}

// DeadLetters is the destination of what cannot be written; see lanes.DeadLetters, which is the same.
type DeadLetters interface {
	// Send returns nil when the destination accepted the dead letter. It retries until ctx is done, and then returns
	// the context's cause. Safe for concurrent use.
	Send(ctx context.Context, l *alert.Letter) error
}

// Deps are what a Writer works with.
type Deps struct {
	// Client makes the client of an output. The Writer retries by itself: it turns the client's retries off.
	Client func(name string, c StreamConfig) (API, error)
	// DeadLetters takes what cannot be written; nil for none.
	DeadLetters DeadLetters
	// Trust returns the end of the trust window of this process' leases, and whether it is open. It must neither block
	// nor call the Writer. Without it there is no window.
	Trust func() (until time.Time, ok bool)
	// At is the time by which records arrive, at a moment of this process. Without it that is the machine's clock.
	At func(moment time.Time) time.Time
	// Log takes state changes. None when nil.
	Log *zap.Logger
	// Registerer takes the metrics. None when nil.
	Registerer prometheus.Registerer
}

func (d Deps) withDefaults() Deps {
	if d.Log == nil {
		d.Log = zap.NewNop()
	}
	if d.Trust == nil {
		d.Trust = func() (time.Time, bool) { return time.Now().Add(time.Hour), true }
	}
	if d.At == nil {
		d.At = func(moment time.Time) time.Time { return moment }
	}
	return d
}
