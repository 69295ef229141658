package sns

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
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
	// mark begins the ids of this call's entries, so that the answer to another one names none of them.
	mark string

	// err is the error of the whole call; nil when SNS judged the entries one by one.
	err     error
	verdict delivery.Verdict // of err
	// fault is the reason of an entry that failed as if the topic were misconfigured, and its error. It is the topic's only
	// where the call had no entry accepted; held are the entries that it was said of.
	fault    alert.Reason
	faultErr error
	held     []*request
	// bad says that SNS answered the call without an outcome of any entry that can be believed.
	bad bool
	// cut says that the end of Run cut the call off, which says nothing about SNS.
	cut bool
	// left are the requests without an answer.
	left []*request
}

// input builds the request. The ids are the entries' places behind a mark that no other call has. plain leaves the structure
// "string" out.
func (c *call) input(arn *string, plain bool) *sns.PublishBatchInput {
	c.mark = rand.Text() + "-"
	entries := make([]types.PublishBatchRequestEntry, len(c.entries))
	ids := make([]string, len(c.entries))
	for i, r := range c.entries {
		ids[i] = c.mark + strconv.Itoa(i)
		m := r.msg
		entries[i] = types.PublishBatchRequestEntry{
			Id: &ids[i], Message: &m.body, MessageAttributes: m.attributes, Subject: optional(&m.subject),
			MessageGroupId: optional(&m.group), MessageDeduplicationId: optional(&m.dedup),
		}
		if m.structure != alert.StructureString || !plain && !r.plain {
			entries[i].MessageStructure = optional(&m.structure)
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
	out, err := t.client.PublishBatch(bounded, c.input(&t.arn, t.plain.Load()), t.inRegion)
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
	t.judgeAnswer(c, out)
}

// judgeAnswer deals with an answer of SNS, entry by entry. An entry was accepted when the answer names it with a message id,
// and has failed when the answer names it with an error code. Whatever else the answer says, or does not say, of an entry
// is no outcome: it is sent again, which no limit of attempts counts, since it is SNS that is at fault.
func (t *topic) judgeAnswer(c *call, out *sns.PublishBatchOutput) {
	ids, failures := make([]string, len(c.entries)), make([]*types.BatchResultErrorEntry, len(c.entries))
	for i := range out.Successful {
		if e := &out.Successful[i]; text(e.MessageId) != "" {
			if at := c.place(e.Id); at >= 0 {
				ids[at] = *e.MessageId
			}
		}
	}
	for i := range out.Failed {
		if e := &out.Failed[i]; text(e.Code) != "" {
			if at := c.place(e.Id); at >= 0 {
				failures[at] = e
			}
		}
	}
	c.bad = true
	took := false
	for i, r := range c.entries {
		switch {
		case ids[i] != "" && failures[i] == nil:
			c.bad, took = false, true
			t.accepted(r, ids[i])
		case ids[i] == "" && failures[i] != nil:
			c.bad = false
			t.judgeEntry(c, r, failures[i])
		default:
			r.failures++
			t.again(c, r, delivery.Retry.Because(delivery.ReasonBadAnswer), errNoOutcome)
		}
	}
	if took && c.fault != "" {
		// The topic takes alerts, so the fault is these entries': an endpoint's policy by message attribute, say, or a key of
		// KMS that was throttled. They go again with pauses of their own, alone or not, and never hold the topic.
		c.fault, c.faultErr = "", nil
		for _, r := range c.held {
			r.own = true
			r.failures++
		}
	}
	if c.bad {
		c.err, c.verdict = errNoOutcome, delivery.Retry.Because(delivery.ReasonBadAnswer)
	}
}

// place is where the entry of an id stands in the call; -1 for an id that was not sent.
func (c *call) place(id *string) int {
	place, ours := strings.CutPrefix(text(id), c.mark)
	if i, err := strconv.Atoi(place); ours && err == nil && i >= 0 && i < len(c.entries) {
		return i
	}
	return -1
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
		if v.Class == delivery.Reject && !t.triesPlain(c, c.entries[0], err) {
			t.refused(c, c.entries[0], v.Reason, err)
		}
		if v.Class == delivery.Reject {
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
		if !t.triesPlain(c, r, err) {
			t.refused(c, r, v.Reason, err)
		}
		return
	case delivery.Shrink:
		t.refused(c, r, reasonTooLarge, err)
		return
	case delivery.Hold:
		if r.own {
			r.failures++
			break
		}
		c.fault, c.faultErr = v.Reason, err
		c.held = append(c.held, r)
	case delivery.Retry:
		r.failures++
		if v.Reason == delivery.ReasonServiceError {
			t.againOwn(c, r, v, err)
			return
		}
	}
	t.again(c, r, v, err)
}

// triesPlain sends a message that was refused once more without the MessageStructure "string", and says whether it does: some
// stand-ins for SNS accept "json" only. It means nothing to SNS, and no subscriber sees it.
func (t *topic) triesPlain(c *call, r *request, err error) bool {
	if r.msg.structure != alert.StructureString || r.plain || t.plain.Load() {
		return false
	}
	r.plain = true
	t.again(c, r, delivery.Retry.Because(reasonInvalidParameter), err)
	return true
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

// errNoOutcome says that SNS answered a call without a message id or an error code for one of its entries.
var errNoOutcome = errors.New("the answer of SNS has neither a message id nor an error code for the message")

// EntryError is what SNS said about one entry of a call.
type EntryError struct {
	Code, Message string
}

func (e *EntryError) Error() string { return e.Code + ": " + e.Message }

// ErrorCode and ErrorMessage are those of an error of AWS.
func (e *EntryError) ErrorCode() string { return e.Code }

// ErrorMessage is what SNS said.
func (e *EntryError) ErrorMessage() string { return e.Message }
