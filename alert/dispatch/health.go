package dispatch

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/credentials"
)

// health is whether the destination of a topic takes messages. It logs and counts the changes. It belongs to the
// topic's goroutine.
type health struct {
	delivery.Health
	// failing is why the last call failed, text what the service said then, and role who called; failing is empty while
	// it answers.
	failing    alert.Reason
	text, role string
	// careful says that the service answers without an outcome. What it accepted may be sent again, so one message at a
	// time goes.
	careful bool
	logged  bool // that the topic is backing off
	// stubborn is an alert that failed alone at least delivery.WarnAfter times; zero while there is none.
	stubborn struct {
		since  time.Time
		reason alert.Reason
		err    string
	}

	log    *zap.Logger
	faults delivery.Faults
	remedy func(r alert.Reason, role string) string
	ages   *delivery.Ages
}

// settle draws the conclusions from what became of a call.
func (h *health) settle(now time.Time, c *call) {
	h.noteStubborn(c)
	switch {
	case c.fault != "":
		h.failing = c.fault
		h.failed(now, c.epoch, c.fault, c.faultErr)
	case c.err != nil && c.verdict.Class == delivery.Hold:
		h.failing = c.verdict.Reason
		h.failed(now, c.epoch, c.verdict.Reason, c.err)
	case c.err != nil && c.verdict.Class == delivery.Retry:
		h.failing = c.verdict.Reason
		h.failed(now, c.epoch, "", c.err)
		if c.verdict.Reason == delivery.ReasonBadAnswer {
			h.careful = true
			h.Postpone(now.Add(delivery.Pause(h.Failures()-1, delivery.Lot())))
		}
	default:
		h.answered(now, c.epoch)
	}
}

// noteStubborn remembers an alert that fails again and again while others are accepted, until it has met its end.
func (h *health) noteStubborn(c *call) {
	for _, r := range c.requests {
		if r.failures < delivery.WarnAfter {
			continue
		}
		switch {
		case !slices.Contains(c.left, r):
			h.stubborn.since = time.Time{}
		case h.stubborn.since.IsZero() || r.queued.Before(h.stubborn.since):
			h.stubborn.since, h.stubborn.reason, h.stubborn.err = r.queued, r.again, alert.ErrorText(r.err)
		}
	}
}

// hear draws the conclusions from an answer to Ask. Only whether the destination exists counts: a role that may publish
// need not be allowed to ask.
func (h *health) hear(now time.Time, a asked) {
	switch {
	case a.verdict.Reason == ReasonMissing && h.Fault() == "":
		h.failed(now, h.Epoch(), ReasonMissing, a.err)
	case a.err == nil && h.Fault() == ReasonMissing:
		h.answered(now, h.Epoch())
	}
}

func (h *health) failed(now time.Time, epoch int, fault alert.Reason, err error) {
	before := h.Fault()
	h.text, h.role = alert.ErrorText(err), credentials.RoleOf(err)
	if !h.Failed(now, epoch, fault, delivery.Lot()) {
		return
	}
	held := h.Fault()
	if held != before {
		h.faults.Move(before, held)
		if before == "" {
			h.ages.Holds(now)
		}
		h.log.Error("topic refuses alerts, they wait and the topic is probed",
			zap.String("reason", string(held)), zap.String("remedy", h.remedy(held, h.role)), zap.Error(err))
		return
	}
	if held == "" && h.Failures() >= delivery.WarnAfter && !h.logged {
		h.logged = true
		h.log.Warn("publishing fails, alerts wait and are tried again", zap.Error(err))
	}
}

func (h *health) answered(now time.Time, epoch int) {
	before := h.Health
	if !h.Answered(epoch) {
		return
	}
	h.careful, h.failing = false, ""
	if before.Fault() != "" {
		h.faults.Move(before.Fault(), "")
		h.ages.Released(now)
	}
	if before.Fault() != "" || h.logged {
		h.logged = false
		h.log.Info("topic accepts alerts again", zap.Duration("after", now.Sub(before.Since())),
			zap.String("reason", string(before.Fault())))
	}
}

// shown is what the status says of failures, while some alerts wait: of calls, or of one alert that fails alone.
func (h *health) shown(waiting int) (failing alert.Reason, text string, alertFailing time.Time) {
	switch {
	case h.Failures() > 0:
		return h.failing, h.text, time.Time{}
	case waiting > 0 && !h.stubborn.since.IsZero():
		return h.stubborn.reason, h.stubborn.err, h.stubborn.since
	}
	return "", "", time.Time{} // what failed is of a call that began before the service answered again
}
