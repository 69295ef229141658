package lanes

import (
	"errors"

	"kinesis-alerter/alert"
)

// Disposition is what becomes of an alert.
type Disposition uint8

// What becomes of an alert.
const (
	accepted     Disposition = iota
	DeadLettered             // it goes to the dead letters
	Expired                  // given up, and there are no dead letters
	Skipped                  // rejected, and passed over
	Held                     // its key is held
	leftToNext               // the process stops, and its topic refuses alerts: it is left to the next owner
	ended                    // publishing ended first
)

// outcome is what a Disposition makes of the record.
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

// dispositionOf says what becomes of an alert after an answer of the publisher. An error that is not in the publisher's
// contract holds the key, aloud: a lane without a worker would be silent for good, and to drop the alert could be
// wrong.
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
			// nothing that a person does brings it there, and it must not stop the key
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

// Reasons of letters, beside those of rejections and invalid records.
const (
	// ReasonRecordAge is an alert that was given up because its record was too old.
	ReasonRecordAge alert.Reason = "record_age"
	// ReasonRetryAttempts is an alert that was given up because SNS failed too often.
	ReasonRetryAttempts alert.Reason = "retry_attempts"
)

// LetterReasons are the reasons of letters that this package finds itself, beside those of rejections and of invalid
// records, for the metrics of whoever takes the letters.
func LetterReasons() []alert.Reason {
	return []alert.Reason{ReasonRecordAge, ReasonRetryAttempts, alert.ReasonRejected, "unknown"}
}

// GivenUpReason is why an alert was given up.
func GivenUpReason(err *alert.GivenUpError) alert.Reason {
	if err.Condition == alert.ConditionAge {
		return ReasonRecordAge
	}
	return ReasonRetryAttempts
}
