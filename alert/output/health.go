package output

import (
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/credentials"
)

// health is whether an output takes records. It logs and shows the changes.
type health struct {
	delivery.Health
	failing alert.Reason // why the last call failed; empty while it answers
	text    string       // what the service said then
	role    string       // who called then; empty for the process itself
	logged  bool         // that it is backing off

	log    *zap.Logger
	faults delivery.Faults
	ages   *delivery.Ages
}

// failed notes a call that failed; fault is empty when it may pass.
func (h *health) failed(now time.Time, epoch int, v delivery.Verdict, err error) {
	before, fault := h.Fault(), alert.Reason("")
	if v.Class == delivery.Hold {
		fault = v.Reason
	}
	h.failing, h.text, h.role = v.Reason, alert.ErrorText(err), credentials.RoleOf(err)
	if !h.Failed(now, epoch, fault, delivery.Lot()) {
		return
	}
	if v.Reason == delivery.ReasonBadAnswer {
		h.Postpone(now.Add(delivery.Pause(h.Failures()-1, delivery.Lot())))
	}
	switch held := h.Fault(); {
	case held != before:
		h.faults.Move(before, held)
		if before == "" {
			h.ages.Holds(now)
		}
		h.log.Error("output stream refuses records, they wait and it is probed",
			zap.String("reason", string(held)), zap.String("remedy", remedy(held, h.role)), zap.Error(err))
	case held == "" && h.Failures() >= delivery.WarnAfter && !h.logged:
		h.logged = true
		h.log.Warn("writing to the output stream fails, records wait and are tried again", zap.Error(err))
	}
}

// answered notes a call that the service took or judged.
func (h *health) answered(now time.Time, epoch int) {
	before := h.Health
	if !h.Answered(epoch) {
		return
	}
	h.failing, h.text = "", ""
	if before.Fault() != "" {
		h.faults.Move(before.Fault(), "")
		h.ages.Released(now)
	}
	if before.Fault() != "" || h.logged {
		h.logged = false
		h.log.Info("output stream accepts records again", zap.Duration("after", now.Sub(before.Since())),
			zap.String("reason", string(before.Fault())))
	}
}
