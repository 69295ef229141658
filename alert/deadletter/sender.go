package deadletter

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/credentials"
)

// Deps are what a Sender works with. Of the clients only the one of the configured destination is needed.
type Deps struct {
	// Stream is the ARN of the stream, and Application the name of the consumer application.
	Stream, Application string
	SQS                 SQSClient
	SNS                 SNSClient
	S3                  S3Client
	// Reasons are the reasons that dead letters can have, so that their metrics exist before the first dead letter.
	// Others count as alert.ReasonOther.
	Reasons []alert.Reason
	// Log takes state changes. None when nil.
	Log *zap.Logger
	// Audit takes one line for each dead letter that the destination accepted; it must not sample. None when nil.
	Audit *zap.Logger
	// Registerer takes the metrics. None when nil.
	Registerer prometheus.Registerer
}

// failure is what the destination said to whom; role is empty for the process itself.
type failure struct{ text, role string }

// Sender sends dead letters. Its methods are safe for concurrent use.
type Sender struct {
	application *application
	destination destination
	line        *line
	metrics     *metrics
	log, audit  *zap.Logger
	failure     atomic.Pointer[failure] // the last one of the destination
	loggedPass  bool                    // that the destination is backing off; guarded by the line's lock
	waiting     atomic.Int64
}

// New checks the configuration, which must be Enabled, and makes a Sender. It makes no call.
func New(cfg Config, deps Deps) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	app, err := newApplication(deps.Stream, deps.Application)
	if err != nil {
		return nil, err
	}
	s := &Sender{application: app, log: deps.Log, audit: deps.Audit}
	switch {
	case cfg.SQS != "" && deps.SQS != nil:
		s.destination = &queue{client: deps.SQS, url: cfg.SQS}
	case cfg.SNS != "" && deps.SNS != nil:
		s.destination = &topic{client: deps.SNS, arn: cfg.SNS}
	case cfg.S3 != "" && deps.S3 != nil:
		name, prefix := splitBucket(cfg.S3)
		s.destination = &bucket{client: deps.S3, name: name, prefix: prefix}
	default:
		return nil, errors.New("dead letters need a destination and its client")
	}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	s.log = s.log.With(zap.String("destination", s.destination.where()))
	if s.audit == nil {
		s.audit = zap.NewNop()
	}
	s.metrics = newMetrics(deps.Registerer, deps.Reasons)
	s.line = newLine(s.changed)
	return s, nil
}

// Send returns nil when the destination has accepted the dead letter. It waits for as long as it takes, through
// throttling, outages and faults of the destination's configuration, until ctx is done; then it returns the context's
// cause, and the destination may or may not have the dead letter. The dead letter must not change meanwhile.
func (s *Sender) Send(ctx context.Context, l *alert.Letter) error {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	e := s.application.envelope(l, time.Now())
	var due time.Time
	for failures := 0; ; failures++ {
		epoch, err := s.line.enter(ctx, due)
		if err != nil {
			return err
		}
		id, v, err := s.attempt(ctx, e)
		if err == nil {
			s.line.leave(func(h *delivery.Health) { h.Answered(epoch) }, nil)
			s.sent(e, id)
			return nil
		}
		if ctx.Err() != nil { // which says nothing about the destination
			s.line.leave(func(h *delivery.Health) { h.Cut(epoch) }, nil)
			return context.Cause(ctx)
		}
		s.metrics.failed(v.Reason)
		now, lot := time.Now(), delivery.Lot()
		wait, fault := delivery.Backoff(failures, lot), alert.Reason("")
		if v.Class == delivery.Hold {
			wait, fault = delivery.Probe(failures, lot), v.Reason
		}
		due = now.Add(wait + headway)
		s.line.leave(func(h *delivery.Health) { h.Failed(now, epoch, fault, lot) }, err)
	}
}

// attempt sends the dead letter. Where the destination does not like its size, it goes again at once without its
// payload, and then without the alert's message.
func (s *Sender) attempt(ctx context.Context, e *envelope) (id string, v delivery.Verdict, err error) {
	for form := whole; ; form++ {
		var document []byte
		document, form = e.document(form, s.destination.limit())
		id, v, err = s.put(ctx, e.key(), document)
		switch {
		case v.Class != delivery.Shrink:
			return id, v, err
		case form == barest || ctx.Err() != nil:
			return id, delivery.Hold.Because(reasonRefused), err
		}
		s.metrics.failed(v.Reason)
	}
}

// put makes one call.
func (s *Sender) put(ctx context.Context, key string, document []byte) (string, delivery.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, s.destination.timeout())
	defer cancel()
	id, err := s.destination.put(ctx, key, document)
	if err != nil {
		return "", classify(err), err
	}
	return id, delivery.Verdict{}, nil
}

// sent counts and logs an accepted dead letter.
func (s *Sender) sent(e *envelope, id string) {
	l := e.letter
	s.metrics.sent(l.Reason)
	if line := s.audit.Check(zapcore.InfoLevel, "dead letter sent"); line != nil {
		line.Write(
			zap.String("alert_id", l.AlertID), zap.String("rule", l.Rule), zap.String("topic", l.Topic),
			zap.String("output", l.Output),
			zap.String("reason", string(l.Reason)), zap.String("condition", l.Condition),
			zap.String("shard", l.Record.Shard), zap.String("sequence_number", l.Record.SequenceNumber),
			zap.Uint32("sub", l.Record.SubSequence),
			zap.String("where", s.destination.where()), zap.String("message_id", id), zap.String("request_id", e.id))
	}
}

// changed logs and shows a change of the destination's state. The line calls it under its lock.
func (s *Sender) changed(before, after delivery.Health, err error) {
	fault, was := after.Fault(), before.Fault()
	failed := &failure{text: alert.ErrorText(err), role: credentials.RoleOf(err)}
	s.failure.Store(failed)
	switch {
	case fault != was && fault != "":
		s.metrics.faults.Move(was, fault)
		s.log.Error("on-failure destination refuses dead letters, they wait and it is probed",
			zap.String("reason", string(fault)), zap.String("remedy", remedy(fault, failed.role)), zap.Error(err))
	case after.Failures() >= delivery.WarnAfter && fault == "" && !s.loggedPass:
		s.loggedPass = true
		s.log.Warn("sending dead letters fails, they wait and are tried again", zap.Error(err))
	case after.Failures() == 0 && before.Failures() > 0:
		s.metrics.faults.Move(was, "")
		if was != "" || s.loggedPass {
			s.log.Info("on-failure destination accepts dead letters again", zap.Duration(
				"after", time.Since(before.Since()),
			),
				zap.String("reason", string(was)))
		}
		s.loggedPass = false
	}
}
