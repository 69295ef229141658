package dispatch

import (
	"context"

	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// Service is a service that takes alerts, such as SNS: what its addresses look like, and what can go wrong with it.
type Service interface {
	// Validate checks a configuration and the addresses in it.
	Validate(cfg Config) error
	// Open makes the destination of a topic that begins. It makes no call.
	Open(topic, address string, log *zap.Logger) Destination
	// Forget deletes the metrics of a topic that has ended.
	Forget(topic string)
	// Reasons are the reasons of its verdicts, besides those of this package, so that each has its series from the
	// start.
	Reasons() Reasons
	// Remedy is what an operator does about a reason; empty where waiting is all. role is the ARN of the role that
	// called; empty for the process itself.
	Remedy(r alert.Reason, role string) string
}

// Reasons are the reasons for which a message goes again, a topic is held, and a message is rejected.
type Reasons struct {
	Retry, Hold, Reject []alert.Reason
}

// Destination is where the messages of one topic go: how a service is called, and nothing of when. It has no queue, no
// rate and no retries of its own. Prepare and Limits are called from many goroutines, Send from up to Config.InFlight,
// and Ask from one.
type Destination interface {
	// Limits are what it takes now.
	Limits() Limits
	// Prepare makes a message that it takes, shorter than m if need be. The error is an *alert.RejectedError.
	Prepare(a *alert.Alert, m alert.Message) (Message, error)
	// Send makes one call with messages from Prepare, and says what became of each. A repeat sends the same messages.
	Send(ctx context.Context, messages []Message) Answer
	// Ask makes one call to learn what Limits and the service's own status report. Its error is judged by the verdict.
	Ask(ctx context.Context) (delivery.Verdict, error)
}

// Message is a message in the destination's own form.
type Message interface {
	// Size counts against Limits.Bytes.
	Size() int
}

// Limits are what a destination takes.
type Limits struct {
	// Bytes bounds one message, and all messages of a call together.
	Bytes int
	// Subject is how many characters the subject of a message has at most.
	Subject int
	// Batch is how many messages go into one call.
	Batch int
}

// Answer is what became of a call.
type Answer struct {
	// Err is the error of the whole call, judged by Verdict. While it is nil, Outcomes has one for each message.
	Err      error
	Verdict  delivery.Verdict
	Outcomes []Outcome
}

// Outcome is what a service said about one message. The zero value is that it said nothing that can be believed.
type Outcome struct {
	// ID is what the service calls a message that it accepted.
	ID string
	// Failure is why it did not.
	Failure *Failure
}

// Failure is why a service did not accept one message.
type Failure struct {
	Err     error
	Verdict delivery.Verdict // of Err
	// Changed says that the destination has changed how the message is sent, and wants it to go again at once.
	Changed bool
}
