package sns

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/alert/dispatch"
)

// batch is one PublishBatch.
type batch struct {
	messages []dispatch.Message
	// mark begins the ids of this call's entries, so that the answer to another one names none of them.
	mark string
}

// Send makes one PublishBatch.
func (t *topic) Send(ctx context.Context, messages []dispatch.Message) dispatch.Answer {
	b := batch{mark: rand.Text() + "-", messages: messages}
	out, err := t.client().PublishBatch(ctx, b.input(&t.arn, t.plain.Load()), InRegionOf(t.arn))
	switch {
	case err == nil:
		return dispatch.Answer{Outcomes: t.outcomes(&b, out)}
	case len(messages) == 1: // what is said of the call is said of its message
		if f := t.refusal(b.at(0), classify(err), err); f.Changed {
			return dispatch.Answer{Outcomes: []dispatch.Outcome{{Failure: f}}}
		}
	}
	return dispatch.Answer{Err: err, Verdict: classify(err)}
}

// at is the message in a place.
func (b *batch) at(i int) *message { return b.messages[i].(*message) } // Prepare made it

// input builds the request. The ids are the entries' places behind a mark that no other call has. plain leaves the
// structure "string" out.
func (b *batch) input(arn *string, plain bool) *sns.PublishBatchInput {
	entries := make([]types.PublishBatchRequestEntry, len(b.messages))
	ids := make([]string, len(b.messages))
	for i := range b.messages {
		m := b.at(i)
		ids[i] = b.mark + strconv.Itoa(i)
		entries[i] = types.PublishBatchRequestEntry{
			Id:                     &ids[i],
			Message:                &m.body,
			MessageAttributes:      m.attributes,
			Subject:                optional(&m.subject),
			MessageGroupId:         optional(&m.group),
			MessageDeduplicationId: optional(&m.dedup),
		}
		if m.structure != structureLeftOut && (m.structure != alert.StructureString || !plain) {
			entries[i].MessageStructure = optional(&m.structure)
		}
	}
	return &sns.PublishBatchInput{TopicArn: arn, PublishBatchRequestEntries: entries}
}

// outcomes reads an answer of SNS, entry by entry. An entry was accepted when the answer names it with a message id,
// and has failed when the answer names it with an error code. Whatever else the answer says, or does not say, of an
// entry is no outcome.
func (t *topic) outcomes(b *batch, out *sns.PublishBatchOutput) []dispatch.Outcome {
	outcomes := make([]dispatch.Outcome, len(b.messages))
	for i := range out.Successful {
		if e := &out.Successful[i]; text(e.MessageId) != "" {
			if at := b.place(e.Id); at >= 0 {
				outcomes[at].ID = *e.MessageId
			}
		}
	}
	failures := map[int]*types.BatchResultErrorEntry{}
	for i := range out.Failed {
		if e := &out.Failed[i]; text(e.Code) != "" {
			if at := b.place(e.Id); at >= 0 {
				failures[at] = e
			}
		}
	}
	for i := range outcomes {
		o, m, e := &outcomes[i], b.at(i), failures[i]
		switch {
		case o.ID != "" && e != nil: // both is neither
			o.ID = ""
		case e != nil:
			err := &EntryError{Code: text(e.Code), Message: text(e.Message)}
			o.Failure = t.refusal(m, classifyEntry(err.Code, err.Message, e.SenderFault), err)
		case o.ID != "" && m.structure == structureLeftOut && !t.plain.Swap(true):
			t.log.Info("the endpoint refuses the MessageStructure string, messages go without it")
		}
	}
	return outcomes
}

// refusal is the failure of a message. One that was refused goes once more without the MessageStructure
// "string": some stand-ins for SNS accept "json" only. It means nothing to SNS, and no subscriber sees it.
func (t *topic) refusal(m *message, v delivery.Verdict, err error) *dispatch.Failure {
	if v.Class != delivery.Reject || m.structure != alert.StructureString || t.plain.Load() {
		return &dispatch.Failure{Err: err, Verdict: v}
	}
	m.structure = structureLeftOut
	return &dispatch.Failure{Err: err, Verdict: delivery.Retry.Because(reasonInvalidParameter), Changed: true}
}

// place is where the entry of an id stands in the call; -1 for an id that was not sent.
func (b *batch) place(id *string) int {
	place, ours := strings.CutPrefix(text(id), b.mark)
	if i, err := strconv.Atoi(place); ours && err == nil && i >= 0 && i < len(b.messages) {
		return i
	}
	return -1
}

func optional(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// EntryError is what SNS said about one entry of a call.
type EntryError struct {
	Code, Message string
}

func (e *EntryError) Error() string { return e.Code + ": " + e.Message }

// ErrorCode and ErrorMessage are those of an error of AWS.
func (e *EntryError) ErrorCode() string { return e.Code }

// ErrorMessage is what SNS said.
func (e *EntryError) ErrorMessage() string { return e.Message }
