package lanes

import (
	"errors"

	"kinesis-alerter/alert"
)

// Disposition is what happens to an alert.
type Disposition uint8

// What can happen to an alert.
const (
	accepted     Disposition = iota
	DeadLettered             // it goes to the dead letters
	Expired                  // given up, and there are no dead letters
	Skipped                  // rejected, and dropped
	Held                     // its key is held
	leftToNext               // the process stops, and its topic refuses alerts: it is left to the next owner
	ended                    // publishing ended first
)

// outcome is the outcome of a record whose alert ends so.
func (f Disposition) outcome() (alert.Outcome, alert.Reason) {
	switch f {
	case DeadLettered:
		return alert.DeadLettered, ""
	case Expired:
		return alert.Expired, ""
	case Skipped:
		return alert.Invalid, alert.ReasonRejected
	case accepted, Held, leftToNext, ended:
	}
	return alert.Alerted, ""
}

// dispositionOf decides about an alert after an answer of the publisher. An error outside the publisher's contract
// holds the key and is logged: a lane without a worker would be silent for good, and dropping the alert could be wrong.
func (l *Lanes) dispositionOf(err error) Disposition {
	var rejected *alert.RejectedError
	var given *alert.GivenUpError
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, alert.ErrHeld):
		return leftToNext
	case errors.As(err, &rejected):
		switch {
		case l.cfg.DeadLetters != nil:
			return DeadLettered
		case l.cfg.Skip, rejected.Reason == alert.ReasonUnknownTopic:
			// nothing that an operator does gets it published, and it must not hold the key
			return Skipped
		}
		return Held
	case errors.As(err, &given):
		if l.cfg.DeadLetters != nil {
			return DeadLettered
		}
		return Expired
	case l.ctx.Err() != nil:
		return ended
	}
	return Held
}

// Reasons of dead letters, besides those of rejections and invalid records.
const (
	// ReasonRecordAge is an alert that was given up because its record was too old.
	ReasonRecordAge alert.Reason = "record_age"
	// ReasonRetryAttempts is an alert that was given up because SNS failed too often.
	ReasonRetryAttempts alert.Reason = "retry_attempts"
)

// LetterReasons are the reasons of dead letters that this package finds itself, for the metrics of their destination.
// Rejections and invalid records have others.
func LetterReasons() []alert.Reason {
	return []alert.Reason{ReasonRecordAge, ReasonRetryAttempts, alert.ReasonRejected, "unknown"}
}

// GivenUpReason returns why an alert was given up.
func GivenUpReason(err *alert.GivenUpError) alert.Reason {
	if err.Condition == alert.ConditionAge {
		return ReasonRecordAge
	}
	return ReasonRetryAttempts
}
