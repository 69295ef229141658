package read

import (
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/internal/answer"
)

// A page with impossible arrival times is a bad answer, and is read again. If they stay, its records count as having
// none: times that are years ahead would silence every rule with memory, and waiting for better ones would hold the
// shard.
const (
	strangeReads = 3
	strangeFor   = time.Minute
)

// strangeTimes tracks the impossible arrival times of a shard.
type strangeTimes struct {
	since time.Time // of the first refusal in a row
	reads int
	taken bool // the records are taken without these times
}

// refused notes an error of reading. It returns true when this one makes the reader give up the times.
func (s *strangeTimes) refused(err error, now time.Time) bool {
	bad, ok := errors.AsType[*answer.BadError](err)
	if !ok || !bad.Time || s.taken {
		return false
	}
	if s.reads++; s.reads == 1 {
		s.since = now
	}
	s.taken = s.reads >= strangeReads && now.Sub(s.since) >= strangeFor
	return s.taken
}

// read removes impossible times from a page, once they are given up, and returns how many there were. A page without
// any ends that.
func (s *strangeTimes) read(records []types.Record, now time.Time) int {
	n := 0
	if s.taken {
		n = answer.Untime(records, now)
	}
	if !s.taken || n == 0 && len(records) > 0 {
		*s = strangeTimes{}
	}
	return n
}

// expects is what the reader knows about the next answer.
func (r *Polling) expects() *answer.Expect {
	e := &r.expect
	*e = answer.Expect{Subject: r.shard.ID, Shard: r.shard.ID, AnyTime: r.times.taken}
	switch r.from.Type {
	case types.ShardIteratorTypeAfterSequenceNumber:
		e.After = aws.ToString(r.from.SequenceNumber)
	case types.ShardIteratorTypeAtSequenceNumber:
		e.AtLeast = aws.ToString(r.from.SequenceNumber)
	case types.ShardIteratorTypeTrimHorizon, types.ShardIteratorTypeLatest, types.ShardIteratorTypeAtTimestamp:
	}
	return e
}

// bears sets the clock by the arrival times of a page.
func (r *Polling) bears(records []types.Record, asked, answered time.Time, tip bool) {
	after := r.tip
	if r.tip = (time.Time{}); tip {
		r.tip = asked
	}
	var first, last time.Time
	for i := range records {
		at := records[i].ApproximateArrivalTimestamp
		if at == nil {
			continue
		}
		if first.IsZero() || at.Before(first) {
			first = *at
		}
		if at.After(last) {
			last = *at
		}
	}
	if !after.IsZero() && !first.IsZero() {
		r.source.clock.Arrived(first, last, after, answered)
	}
}

// nullAnswers judges GetRecords answers without a next iterator. One alone proves nothing: any answer that lost the
// member looks the same.
type nullAnswers struct{ before bool }

// claim reports whether an answer says that the shard has ended: it names the children, or it says the same again from
// a fresh iterator behind the last record.
func (n *nullAnswers) claim(out *kinesis.GetRecordsOutput) bool {
	if out.NextShardIterator != nil {
		n.before = false
		return false
	}
	again := n.before && len(out.Records) == 0
	n.before = true
	return len(out.ChildShards) > 0 || again
}
