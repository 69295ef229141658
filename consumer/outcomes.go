package consumer

import (
	"errors"
	"sync"

	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/lanes"
)

// outcomes accounts for the alerts of a shard that SNS did not accept. The lanes' workers and the publishers'
// goroutines write it; offers and the status read it.
type outcomes struct {
	metrics *metrics
	log     *zap.Logger

	mu      sync.Mutex
	holding bool   // a key is held, so the watermark stays while the other keys continue
	heldBy  string // what SNS said of the last alert that it will never accept
	givenUp string // the reason for which alerts are given up at the moment
}

// holds reports whether a key is held.
func (o *outcomes) holds() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.holding
}

// held returns what SNS said of the last alert that it will never accept.
func (o *outcomes) held() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.heldBy
}

// settled records what became of a task.
func (o *outcomes) settled(outcome alert.Outcome) {
	if outcome != alert.Alerted {
		return
	}
	o.mu.Lock()
	was := o.givenUp
	o.givenUp = ""
	o.mu.Unlock()
	if was != "" {
		o.log.Info("alerts are accepted again", zap.String("after", was))
	}
}

// refused accounts for an alert that was not accepted.
func (o *outcomes) refused(r lanes.Refusal) {
	fields := []zap.Field{
		zap.String("alert_id", r.ID), zap.String("rule", r.Rule), zap.String("topic", r.Topic),
		zap.String("sequence_number", r.Sequence),
	}
	if r.Err != nil {
		fields = append(fields, zap.Error(r.Err))
	}
	if rejected, ok := errors.AsType[*alert.RejectedError](r.Err); ok {
		fields = append(fields, zap.String("reason", string(rejected.Reason)))
	}
	given, isGivenUp := errors.AsType[*alert.GivenUpError](r.Err)
	switch {
	case r.Disposition == lanes.Held:
		o.mu.Lock()
		o.holding, o.heldBy = true, alert.ErrorText(r.Err)
		o.mu.Unlock()
		o.metrics.heldAlerts.Inc()
		o.log.Error("alert can never be published, its partition key is held: "+
			"fix the rule or the record's path, then restart", fields...)
	case r.Disposition == lanes.Skipped:
		o.metrics.skipped[alert.ReasonRejected].Inc()
		o.log.Error("alert can never be published, skipped as configured", fields...)
	case isGivenUp:
		if r.Disposition == lanes.Expired {
			o.metrics.skipped[lanes.GivenUpReason(given)].Inc()
		}
		o.mu.Lock()
		changed := o.givenUp != given.Condition
		o.givenUp = given.Condition
		o.mu.Unlock()
		if changed { // once, not for each alert of an outage
			o.log.Warn("alerts are given up, within the limits of the configuration", append(fields,
				zap.String("condition", given.Condition), zap.Bool("dead_lettered",
					r.Disposition == lanes.DeadLettered))...)
		}
	case r.Err != nil:
		o.log.Warn("alert can never be published, sent to the dead letters", fields...)
	}
}
