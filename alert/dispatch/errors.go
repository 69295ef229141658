package dispatch

import (
	"errors"
	"fmt"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// ErrStopped is returned by Publish when Run has ended and the alert was not accepted.
var ErrStopped = errors.New("publisher is stopped")

// errTopicEnded says that a topic has left the configuration; its name may belong to another one.
var errTopicEnded = errors.New("topic has left the configuration")

// The reasons that a publisher gives, and destinations too, as metric labels.
const (
	// ReasonMissing is a destination that does not exist. It holds the topic.
	ReasonMissing alert.Reason = "topic_missing"
	// ReasonBatchTooLong is a call with too much in it, which is tried with less.
	ReasonBatchTooLong alert.Reason = "batch_too_long"
	// ReasonTooLarge is a message that cannot be cut to what the destination takes.
	ReasonTooLarge alert.Reason = "too_large"
)

// The reasons that only a publisher gives.
const (
	reasonTrustWindow alert.Reason = "trust_window"
	reasonRender      alert.Reason = "render"
	reasonBody        alert.Reason = "body"
)

// RejectReasons are the reasons of a publisher's RejectedError, besides its service's, for the metrics of what becomes
// of such an alert.
func RejectReasons() []alert.Reason {
	return []alert.Reason{ReasonTooLarge, reasonRender, reasonBody, alert.ReasonUnknownTopic}
}

func rejected(r alert.Reason, err error) error { return &alert.RejectedError{Reason: r, Err: err} }

// unknownTopic is the end of an alert for a topic that is not, or no longer, configured.
func unknownTopic(name string) error {
	return rejected(alert.ReasonUnknownTopic, fmt.Errorf("topic %q is not configured", name))
}

// all adds the reasons of every publisher to those of a service.
func (r Reasons) all() Reasons {
	return Reasons{
		Retry: append(
			delivery.RetryReasons(), append([]alert.Reason{reasonTrustWindow, ReasonBatchTooLong}, r.Retry...)...,
		),
		Hold:   append(delivery.HoldReasons(), append([]alert.Reason{ReasonMissing}, r.Hold...)...),
		Reject: append([]alert.Reason{ReasonTooLarge, reasonRender, reasonBody}, r.Reject...),
	}
}
