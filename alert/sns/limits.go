package sns

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"go.uber.org/zap"

	"kinesis-alerter/alert/delivery"
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

// learn asks SNS what the topic accepts, and goes on asking while it cannot be reached or does not exist. Alerts wait
// for the first answer only: a topic with a small MaximumMessageSize would reject what the assumed limits let through.
func (t *topic) learn(ctx context.Context) {
	t.limits.Store(new(assumedLimits(t.arn)))
	for failures := 0; ; failures++ {
		l, err := t.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		var v delivery.Verdict
		if err == nil {
			t.limits.Store(&l)
			t.log.Info("topic is known", zap.Int("max_message_bytes", l.maxBytes), zap.Bool("fifo", l.fifo),
				zap.Bool("content_based_deduplication", l.contentDedup), zap.String("fifo_throughput_scope", l.scope),
				zap.String("kms_key", l.kmsKey))
		} else if v = classify(err); failures == 0 {
			t.log.Warn("topic attributes cannot be read, assuming defaults; allow sns:GetTopicAttributes to have them read",
				zap.Int("max_message_bytes", defaultMaxBytes), zap.String("reason", string(v.Reason)), zap.Error(err))
		}
		if failures == 0 {
			close(t.known)
		}
		select {
		case t.asked <- asked{verdict: v, err: err}:
		case <-ctx.Done():
			return
		}
		if err == nil || v.Class != delivery.Retry && v.Reason != reasonTopicMissing {
			return
		}
		if !sleep(ctx, delivery.Probe(failures, delivery.Lot())) {
			return
		}
	}
}

// asked is the answer to a question about the topic's attributes.
type asked struct {
	verdict delivery.Verdict
	err     error
}

func (t *topic) ask(ctx context.Context) (limits, error) {
	ctx, cancel := context.WithTimeout(ctx, t.settings.Load().AttemptTimeout)
	defer cancel()
	out, err := t.client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &t.arn}, t.inRegion)
	if err != nil {
		return limits{}, err
	}
	return parseLimits(t.arn, out.Attributes), nil
}

// sleep waits for d and says whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
