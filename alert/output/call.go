package output

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/arns"
)

// call is one PutRecords. A goroutine of its own makes it, without the lock.
type call struct {
	items    []*Item
	epoch    int
	deadline time.Time

	entries []types.PutRecordsResultEntry // one for each item while err is nil
	err     error
	// cut says that the end of the process cut the call off, which says nothing about the stream.
	cut bool
}

// make makes the call.
func (c *call) make(ctx context.Context, client API, stream string) {
	bounded, cancel := context.WithDeadline(ctx, c.deadline)
	defer cancel()
	entries := make([]types.PutRecordsRequestEntry, len(c.items))
	for i, it := range c.items {
		entries[i].PartitionKey, entries[i].Data = &it.Key, it.Data
	}
	in := &kinesis.PutRecordsInput{Records: entries}
	region := arns.Region(stream)
	if region != "" {
		in.StreamARN = &stream
	} else {
		in.StreamName = &stream
	}
	out, err := client.PutRecords(bounded, in, func(o *kinesis.Options) {
		o.Retryer = aws.NopRetryer{}
		o.Protocol = protocol{o.Protocol}
		if region != "" {
			o.Region = region
		}
	})
	switch {
	case err != nil && ctx.Err() != nil:
		c.cut = true
	case err != nil:
		c.err = err
	case out == nil || len(out.Records) != len(c.items):
		c.err = errShape
	default:
		c.entries = out.Records
	}
}

// settle draws the conclusions from a call.
func (s *stream) settle(c *call) {
	now := time.Now()
	s.mu.Lock()
	s.landed(len(c.items))
	var ended []*Item
	switch {
	case c.cut:
		s.health.Cut(c.epoch)
		for _, it := range c.items {
			s.retry(it, now)
		}
	case c.err != nil:
		ended = s.settleCall(c, now)
	default:
		ended = s.settleEntries(c, now)
	}
	s.shed(now)
	s.mu.Unlock()
	s.report(ended)
	s.stir()
}

// retry lets an item go again, unless its feed has ended.
func (s *stream) retry(it *Item, now time.Time) {
	if it.dropped {
		s.free(s.done(it.lane, now).cost)
		return
	}
	s.again(it.lane, now)
}

// settleCall deals with an error of the whole call.
func (s *stream) settleCall(c *call, now time.Time) (ended []*Item) {
	v := delivery.Retry.Because(delivery.ReasonBadAnswer)
	if c.err != errShape { //nolint:errorlint // made here, never wrapped
		v = classify(c.err)
	}
	smaller := v.Class == delivery.Shrink || v.Class == delivery.Reject
	if smaller && len(c.items) == 1 {
		ended = s.refuse(ended, c.items[0], v, c.err, now)
		s.answered(now, c.epoch)
		return ended
	}
	for _, it := range c.items {
		ln := it.lane
		ln.reason, ln.err = v.Reason, c.err
		if smaller {
			// Kinesis does not say which record it refuses. Halves find it and hold up none of the others.
			ln.batch = len(c.items) / 2
		}
		s.retry(it, now)
	}
	if smaller {
		s.answered(now, c.epoch)
		return ended
	}
	if v.Reason == delivery.ReasonTimeout {
		s.shrink()
	}
	if v.Reason == delivery.ReasonBadAnswer {
		s.careful = true
	}
	s.health.failed(now, c.epoch, v, c.err)
	return ended
}

func (s *stream) answered(now time.Time, epoch int) {
	s.health.answered(now, epoch)
	s.careful = false
	s.grow()
}

// refuse ends an item that the stream will never take, unless its feed has ended.
func (s *stream) refuse(ended []*Item, it *Item, v delivery.Verdict, err error, now time.Time) []*Item {
	if it.dropped {
		s.retry(it, now)
		return ended
	}
	reason := v.Reason
	if v.Class == delivery.Shrink {
		reason = ReasonTooLarge
	}
	return s.reject(ended, it.lane, reason, err.Error(), now)
}

// settleEntries deals with what Kinesis said of each record. Where it said nothing that can be believed, the record is
// sent again, which no limit of attempts counts, since the service is at fault.
func (s *stream) settleEntries(c *call, now time.Time) (ended []*Item) {
	share := delivery.Lot() // one for all, so that what failed together goes again together
	silent, took := true, 0
	var fault delivery.Verdict
	var faultErr error
	var faulty []*Item
	for i, it := range c.items {
		e, ln := &c.entries[i], it.lane
		code := aws.ToString(e.ErrorCode)
		if accepted := aws.ToString(e.SequenceNumber) != ""; accepted == (code != "") { // neither, or both
			ln.reason, ln.err = delivery.ReasonBadAnswer, errNoOutcome
			s.later(it, now, share)
			continue
		} else if silent = false; accepted {
			took++
			ended = s.end(ended, ln, now, resultWritten, alert.Unmatched, "")
			continue
		}
		err := &entryError{code, aws.ToString(e.ErrorMessage)}
		v := classifyEntry(err)
		ln.reason, ln.err = v.Reason, err
		switch {
		case v.Class == delivery.Shrink, v.Class == delivery.Reject:
			ended = s.refuse(ended, it, v, err, now)
		case v.Class == delivery.Hold && !ln.own:
			fault, faultErr, faulty = v, err, append(faulty, it)
		case v.Reason == delivery.ReasonServiceError:
			ended = s.counted(ended, it, now, share)
		default:
			s.later(it, now, share)
		}
	}
	if took > 0 {
		s.written.Add(now, took)
		s.last = now
	}
	for _, it := range faulty {
		if took > 0 { // the stream takes records, so the fault is of this one
			it.lane.own = true
			s.later(it, now, share)
		} else {
			s.retry(it, now)
		}
	}
	switch {
	case silent:
		s.careful = true
		s.health.failed(now, c.epoch, delivery.Retry.Because(delivery.ReasonBadAnswer), errNoOutcome)
	case len(faulty) > 0 && took == 0:
		s.health.failed(now, c.epoch, fault, faultErr)
	default:
		s.answered(now, c.epoch)
	}
	return ended
}

// counted lets an item that failed alone wait, unless that was once too often.
func (s *stream) counted(ended []*Item, it *Item, now time.Time, share float64) []*Item {
	it.lane.counted++
	if most := s.settings.Load().MaxAttempts; most > 0 && it.lane.counted > most && !it.dropped {
		return s.giveUp(ended, it.lane, alert.ConditionRetries, now)
	}
	s.later(it, now, share)
	return ended
}

// later lets an item that failed alone wait, unless its feed has ended.
func (s *stream) later(it *Item, now time.Time, share float64) {
	if it.dropped {
		s.retry(it, now)
		return
	}
	s.delay(it.lane, now, delivery.Backoff(it.lane.failures, share))
}
