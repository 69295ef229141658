package sns

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/alert/dispatch"
)

// Limits of SNS, from the API reference of Publish, PublishBatch and SetTopicAttributes.
const (
	defaultMaxBytes = 256 << 10
	minMaxBytes     = 1 << 10
	maxMaxBytes     = 1 << 20
	maxEntries      = 10
	maxSubject      = 99  // characters: "less than 100"
	maxName         = 256 // bytes of an attribute's name
	maxAttributes   = 10  // SQS subscriptions with raw delivery discard a message with more
	maxToken        = 128 // of MessageGroupId and MessageDeduplicationId
)

// limits is what a topic accepts.
type limits struct {
	// maxBytes bounds body and attributes of one message, and of all messages of a call together.
	maxBytes int
	fifo     bool
	// contentDedup is only reported: we always give our own MessageDeduplicationId, which wins over the content's.
	contentDedup bool
	// scope is FifoThroughputScope, kmsKey KmsMasterKeyId; both are only reported.
	scope, kmsKey string
}

// assumedLimits is what holds for a topic that we cannot ask about.
func assumedLimits(arn string) limits {
	return limits{maxBytes: defaultMaxBytes, fifo: strings.HasSuffix(arn, ".fifo")}
}

func parseLimits(arn string, attributes map[string]string) limits {
	l := assumedLimits(arn)
	if n, err := strconv.Atoi(attributes["MaximumMessageSize"]); err == nil && n >= minMaxBytes && n <= maxMaxBytes {
		l.maxBytes = n
	}
	l.fifo = l.fifo || attributes["FifoTopic"] == "true"
	l.contentDedup = attributes["ContentBasedDeduplication"] == "true"
	l.scope, l.kmsKey = attributes["FifoThroughputScope"], attributes["KmsMasterKeyId"]
	return l
}

// Ask reads the topic's attributes: what it takes and who hears it. Subscriptions come and go, so it is asked again and
// again.
func (t *topic) Ask(ctx context.Context) (delivery.Verdict, error) {
	again := t.asked
	out, err := t.client().GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &t.arn}, InRegionOf(t.arn))
	t.asked = true
	if err == nil {
		t.learn(out.Attributes)
		return delivery.Verdict{}, nil
	}
	v := classify(err)
	if !again {
		t.log.Warn("topic attributes cannot be read, assuming defaults; allow sns:GetTopicAttributes to have them read",
			zap.Int("max_message_bytes", defaultMaxBytes), zap.String("reason", string(v.Reason)), zap.Error(err))
	}
	if v.Class != delivery.Retry { // else what is known of the subscriptions stays so until there is an answer
		t.shows(Subscriptions{At: time.Now(), Unknown: alert.ErrorText(err)})
	}
	return v, err
}

// learn takes in what a topic says of itself.
func (t *topic) learn(attributes map[string]string) {
	l := parseLimits(t.arn, attributes)
	if before := t.limits.Swap(&l); !t.known || *before != l {
		t.log.Info("topic is known", zap.Int("max_message_bytes", l.maxBytes), zap.Bool("fifo", l.fifo),
			zap.Bool("content_based_deduplication", l.contentDedup), zap.String("fifo_throughput_scope", l.scope),
			zap.String("kms_key", l.kmsKey))
	}
	t.known = true
	s := parseSubscriptions(attributes)
	s.At = time.Now()
	t.shows(s)
}

func (t *topic) shows(s Subscriptions) {
	t.subscriptions.Store(&s)
	t.subscribed(s)
}

// TopicStatus is what is known of one topic.
type TopicStatus struct {
	dispatch.TopicStatus
	Subscriptions Subscriptions
	FIFO          bool
}

// Topics adds what SNS says of topics to what their publisher knows.
func Topics(published []dispatch.TopicStatus) []TopicStatus {
	var out []TopicStatus
	for _, s := range published {
		of := TopicStatus{TopicStatus: s}
		if t, ok := s.Destination.(*topic); ok {
			of.Subscriptions, of.FIFO = *t.subscriptions.Load(), t.limits.Load().fifo
		}
		out = append(out, of)
	}
	return out
}

// Subscriptions are how many a topic has, as it said at At; the zero value is a topic that was not asked yet.
type Subscriptions struct {
	// Confirmed ones get the messages, Pending ones do not yet, and Deleted ones are gone.
	Confirmed, Pending, Deleted int
	At                          time.Time
	// Unknown is why the numbers are not known; empty when they are.
	Unknown string
}

// Known says whether the numbers are.
func (s Subscriptions) Known() bool { return !s.At.IsZero() && s.Unknown == "" }

func parseSubscriptions(attributes map[string]string) (s Subscriptions) {
	for name, into := range map[string]*int{
		"SubscriptionsConfirmed": &s.Confirmed, "SubscriptionsPending": &s.Pending, "SubscriptionsDeleted": &s.Deleted,
	} {
		n, err := strconv.Atoi(attributes[name])
		if err != nil || n < 0 {
			if name == "SubscriptionsConfirmed" {
				s.Unknown = "the topic's attributes do not say how many subscriptions it has"
			}
			continue
		}
		*into = n
	}
	return s
}
