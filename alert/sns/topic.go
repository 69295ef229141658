package sns

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/arns"
)

// Client is what topics ask of SNS; *sns.Client has it. Its retryer should be aws.NopRetryer, see the package
// documentation.
type Client interface {
	PublishBatch(context.Context, *sns.PublishBatchInput, ...func(*sns.Options)) (*sns.PublishBatchOutput, error)
	GetTopicAttributes(
		context.Context, *sns.GetTopicAttributesInput, ...func(*sns.Options),
	) (*sns.GetTopicAttributesOutput, error)
}

// Clients gives the client for the next call about a topic. It must not wait.
type Clients func(topic, arn string) Client

// Service is SNS as a dispatch.Service.
type Service struct {
	clients Clients
	metrics *metrics
}

// New makes a Service with one client. It makes no call. There are no metrics when reg is nil.
func New(client Client, reg prometheus.Registerer) (*Service, error) {
	if client == nil {
		return nil, errors.New("sns needs a client")
	}
	return NewOf(func(string, string) Client { return client }, reg), nil
}

// NewOf makes a Service whose topics may have different clients.
func NewOf(clients Clients, reg prometheus.Registerer) *Service {
	return &Service{clients: clients, metrics: newMetrics(reg)}
}

// Validate checks a configuration, and that every address is the ARN of a topic. It returns all errors joined, each a
// *dispatch.ConfigError.
func (*Service) Validate(cfg dispatch.Config) error { return Validate(cfg) }

// Validate is Service.Validate without a client.
func Validate(cfg dispatch.Config) error { return cfg.Validate(checkARN) }

// Open makes the destination of a topic.
func (s *Service) Open(name, address string, log *zap.Logger) dispatch.Destination {
	t := newTopic(address)
	t.client, t.log = func() Client { return s.clients(name, address) }, log
	t.subscribed = func(n Subscriptions) { s.metrics.subscribed(name, n) }
	t.subscribed(Subscriptions{})
	return t
}

// Forget deletes the metrics of a topic that has ended.
func (s *Service) Forget(topic string) { s.metrics.forget(topic) }

// topic is one SNS topic as a dispatch.Destination.
type topic struct {
	arn        string
	client     func() Client // for one call
	log        *zap.Logger
	subscribed func(Subscriptions) // shows them in the metrics

	limits        atomic.Pointer[limits]
	subscriptions atomic.Pointer[Subscriptions]
	// plain says that the endpoint refuses the MessageStructure "string".
	plain atomic.Bool

	// Of Ask only: that it was asked, and that it answered.
	asked, known bool
}

// newTopic makes a topic of which nothing is known but its ARN.
func newTopic(arn string) *topic {
	t := &topic{arn: arn}
	t.limits.Store(new(assumedLimits(arn)))
	t.subscriptions.Store(&Subscriptions{})
	return t
}

// Limits are what the topic takes.
func (t *topic) Limits() dispatch.Limits {
	return dispatch.Limits{Bytes: t.limits.Load().maxBytes, Subject: maxSubject, Batch: maxEntries}
}

// Prepare checks a message and shortens its bodies to what the topic accepts.
func (t *topic) Prepare(a *alert.Alert, m alert.Message) (dispatch.Message, error) {
	msg, err := prepare(a, m, *t.limits.Load())
	if err != nil {
		return nil, err // not a nil *message
	}
	return msg, nil
}

// Check says why SNS will never accept a message of an alert, as far as that is known without asking: the topic at arn
// is taken to have the limits of a new one. The error is a *alert.RejectedError.
func Check(arn string, a *alert.Alert, m alert.Message) error {
	_, err := prepare(a, m, assumedLimits(arn))
	return err
}

// Simulate is dispatch.Simulate with topics that have the limits of new ones. The error is that of the configuration,
// or of ctx.
func Simulate(ctx context.Context, cfg dispatch.Config, alerts []*alert.Alert) ([]dispatch.SentDigest, error) {
	if err := Validate(cfg); err != nil {
		return nil, err
	}
	open := func(address string) dispatch.Destination { return newTopic(address) }
	return dispatch.Simulate(ctx, cfg, open, alerts)
}

// InRegionOf makes a call of SNS in the region of an ARN, whichever region the client is for.
func InRegionOf(topicARN string) func(*sns.Options) {
	return func(o *sns.Options) {
		o.Region = cmp.Or(arns.Region(topicARN), o.Region)
	}
}

// checkARN returns the rule that a topic's ARN breaks, or an empty string.
func checkARN(s string) string {
	a, err := arn.Parse(s)
	switch {
	case err != nil || a.Service != "sns" || a.Region == "" || a.AccountID == "":
		return "must be the ARN of an SNS topic, arn:aws:sns:<region>:<account>:<name>"
	case arns.Check(a) != "":
		return arns.Check(a)
	case strings.Contains(a.Resource, ":"):
		return "must be the ARN of a topic, not of a subscription"
	case !topicName(a.Resource):
		return "a topic's name has 1 to 256 of A-Z a-z 0-9 _ -, and may end in .fifo"
	}
	return ""
}

func topicName(s string) bool {
	if len(s) > 256 {
		return false
	}
	s = strings.TrimSuffix(s, ".fifo")
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !wordRune(r) })
}

// wordRune says whether r is one of A-Z a-z 0-9 _ -.
func wordRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}
