package sns

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// call is one PublishBatch. A goroutine of its own makes it and hands it back to the topic with what came of it.
type call struct {
	epoch    int
	deadline time.Time
	// fenced says that deadline is the end of the trust window.
	fenced  bool
	entries []*request

	// err is the error of the whole call; nil when SNS judged the entries one by one.
	err     error
	verdict delivery.Verdict // of err
	// fault is the reason of an entry that failed because the topic is misconfigured, and its error.
	fault    alert.Reason
	faultErr error
	// cut says that the end of Run cut the call off, which says nothing about SNS.
	cut bool
	// left are the requests without an answer.
	left []*request
}

// input builds the request. The ids are the entries' places: they need to be unique within a call, no more.
func (c *call) input(arn *string) *sns.PublishBatchInput {
	entries := make([]types.PublishBatchRequestEntry, len(c.entries))
	ids := make([]string, len(c.entries))
	for i, r := range c.entries {
		ids[i] = strconv.Itoa(i)
		m := r.msg
		entries[i] = types.PublishBatchRequestEntry{
			Id: &ids[i], Message: &m.body, MessageAttributes: m.attributes,
			Subject: optional(&m.subject), MessageStructure: optional(&m.structure),
			MessageGroupId: optional(&m.group), MessageDeduplicationId: optional(&m.dedup),
		}
	}
	return &sns.PublishBatchInput{TopicArn: arn, PublishBatchRequestEntries: entries}
}

func optional(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}

// attempt makes the call, answers the callers whose alert has met its end, and leaves the others in c.left.
func (t *topic) attempt(ctx context.Context, c *call) {
	bounded, cancel := context.WithDeadline(ctx, c.deadline)
	defer cancel()
	start := time.Now()
	out, err := t.client.PublishBatch(bounded, c.input(&t.arn))
	if err != nil {
		if ctx.Err() != nil {
			c.cut = true
			return
		}
		t.metrics.callSeconds.Observe(time.Since(start).Seconds())
		t.judgeCall(c, err)
		return
	}
	t.metrics.callSeconds.Observe(time.Since(start).Seconds())
	answered := make([]bool, len(c.entries))
	for i := range out.Successful {
		if r := c.entry(out.Successful[i].Id, answered); r != nil {
			t.accepted(r, text(out.Successful[i].MessageId))
		}
	}
	for i := range out.Failed {
		if r := c.entry(out.Failed[i].Id, answered); r != nil {
			t.judgeEntry(c, r, &out.Failed[i])
		}
	}
	for i, r := range c.entries {
		if !answered[i] {
			r.failures++
			t.againOwn(c, r, delivery.Retry.Because(delivery.ReasonBadAnswer), noAnswerError{})
		}
	}
}

// entry finds the request of an id in an answer, once. Ids that we did not send give nil.
func (c *call) entry(id *string, answered []bool) *request {
	if id == nil {
		return nil
	}
	i, err := strconv.Atoi(*id)
	if err != nil || i < 0 || i >= len(answered) || answered[i] {
		return nil
	}
	answered[i] = true
	return c.entries[i]
}

// judgeCall deals with an error of the whole call.
func (t *topic) judgeCall(c *call, err error) {
	v := classify(err)
	if v.Reason == delivery.ReasonTimeout && c.fenced {
		v.Reason = reasonTrustWindow
	}
	c.err, c.verdict = err, v
	if len(c.entries) == 1 {
		if v.Class == delivery.Shrink {
			v = delivery.Reject.Because(reasonTooLarge)
		}
		if v.Class == delivery.Reject {
			t.refused(c, c.entries[0], v.Reason, err)
			return
		}
	}
	for _, r := range c.entries {
		if v.Class == delivery.Shrink || v.Class == delivery.Reject {
			// SNS does not say which entry it refuses, so halves find it without costing the others their way.
			r.batch = len(c.entries) / 2
		}
		t.again(c, r, v, err)
	}
}

func (t *topic) judgeEntry(c *call, r *request, e *types.BatchResultErrorEntry) {
	v := classifyEntry(text(e.Code), text(e.Message), e.SenderFault)
	err := &EntryError{Code: text(e.Code), Message: text(e.Message)}
	switch v.Class {
	case delivery.Reject:
		t.refused(c, r, v.Reason, err)
		return
	case delivery.Shrink:
		t.refused(c, r, reasonTooLarge, err)
		return
	case delivery.Hold:
		c.fault, c.faultErr = v.Reason, err
	case delivery.Retry:
		r.failures++
		if v.Reason == delivery.ReasonServiceError {
			t.againOwn(c, r, v, err)
			return
		}
	}
	t.again(c, r, v, err)
}

// again notes that a request has to be sent once more.
func (t *topic) again(c *call, r *request, v delivery.Verdict, err error) {
	t.metrics.failure(v.Reason)
	r.again, r.err = v.Reason, err
	c.left = append(c.left, r)
}

// againOwn does so after a failure that the limit of attempts counts, unless that is used up.
func (t *topic) againOwn(c *call, r *request, v delivery.Verdict, err error) {
	r.counted++
	if most := t.settings.Load().MaxAttempts; most > 0 && r.counted > most {
		t.metrics.failure(v.Reason)
		t.giveUp(r, &alert.GivenUpError{Condition: alert.ConditionRetries, Attempts: r.sent, Err: err})
		return
	}
	t.again(c, r, v, err)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// noAnswerError says that SNS answered a call and said nothing about one of its entries.
type noAnswerError struct{}

func (noAnswerError) Error() string { return "SNS' answer says nothing about the message" }

// EntryError is what SNS said about one entry of a call.
type EntryError struct {
	Code, Message string
}

func (e *EntryError) Error() string { return e.Code + ": " + e.Message }
