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
	"kinesis-alerter/internal/sleep"
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

// learn asks SNS what the topic accepts and who hears it, and goes on asking: soon while the topic cannot be reached or does not
// exist, else every few minutes, because subscriptions come and go. Alerts wait for the first answer only: a topic with a small
// MaximumMessageSize would reject what the assumed limits let through.
func (t *topic) learn(ctx context.Context) {
	t.limits.Store(new(assumedLimits(t.arn)))
	asked, known, missing := false, false, false
	for failures := 0; ; {
		attributes, err := t.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		var v delivery.Verdict
		if err == nil {
			t.learnt(attributes, known)
			known = true
		} else {
			v = classify(err)
			t.unlearnt(v, err, asked)
		}
		// That the topic is there says nothing against a call of PublishBatch that did not find it.
		told := !asked || missing || v.Reason == reasonTopicMissing
		missing = v.Reason == reasonTopicMissing
		if !asked {
			asked = true
			close(t.known)
		}
		if told && !t.tellAnswer(ctx, v, err) {
			return
		}
		wait := subscriptionsEvery - subscriptionsEvery/5 + time.Duration(delivery.Lot()*float64(2*subscriptionsEvery/5))
		if err == nil || v.Class != delivery.Retry && v.Reason != reasonTopicMissing {
			failures = 0
		} else {
			wait = min(wait, delivery.Probe(failures, delivery.Lot()))
			failures++
		}
		if !sleep.For(ctx, wait) {
			return
		}
	}
}

// subscriptionsEvery is how often a topic is asked who hears it, on average.
const subscriptionsEvery = 5 * time.Minute

// learnt takes in what a topic says of itself.
func (t *topic) learnt(attributes map[string]string, again bool) {
	l := parseLimits(t.arn, attributes)
	if before := t.limits.Swap(&l); !again || *before != l {
		t.log.Info("topic is known", zap.Int("max_message_bytes", l.maxBytes), zap.Bool("fifo", l.fifo),
			zap.Bool("content_based_deduplication", l.contentDedup), zap.String("fifo_throughput_scope", l.scope),
			zap.String("kms_key", l.kmsKey))
	}
	s := parseSubscriptions(attributes)
	s.At = time.Now()
	t.subscriptions.Store(&s)
	t.metrics.subscribed(s)
}

// unlearnt deals with a topic that did not say it.
func (t *topic) unlearnt(v delivery.Verdict, err error, again bool) {
	if !again {
		t.log.Warn("topic attributes cannot be read, assuming defaults; allow sns:GetTopicAttributes to have them read",
			zap.Int("max_message_bytes", defaultMaxBytes), zap.String("reason", string(v.Reason)), zap.Error(err))
	}
	if v.Class == delivery.Retry {
		return // what is known of the subscriptions stays so until there is an answer
	}
	s := Subscriptions{At: time.Now(), Unknown: alert.ErrorText(err)}
	t.subscriptions.Store(&s)
	t.metrics.subscribed(s)
}

// asked is the answer to a question about the topic's attributes.
type asked struct {
	verdict delivery.Verdict
	err     error
}

// tellAnswer tells the topic's goroutine, and answers false when ctx has ended.
func (t *topic) tellAnswer(ctx context.Context, v delivery.Verdict, err error) bool {
	select {
	case t.asked <- asked{verdict: v, err: err}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t *topic) ask(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, t.settings.Load().AttemptTimeout)
	defer cancel()
	out, err := t.client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &t.arn}, t.inRegion)
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
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
