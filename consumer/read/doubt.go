package read

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/internal/position"
)

// AWS does not document what happens to a position whose records have left the stream. Three answers are known. The
// iterator is refused; or reading silently continues at the oldest record; or the pages stay empty, as far behind as
// the retention. None of them alone proves it: a refusal may pass, and old records may still be there. So a position
// that may be gone is suspect: the oldest record of the shard shows whether it is.
const (
	// refusals is how often in a row Kinesis must refuse a position before it is suspect.
	refusals = 3
	// unusableAfter is how long Kinesis must refuse a position, while older records are there, before it counts as
	// unusable.
	unusableAfter = 30 * time.Second
	// doubtEvery is how soon the same position may be checked again after it was found to be good.
	doubtEvery = 30 * time.Second
	// retentionSlack is how much less than the retention an empty page may be behind.
	retentionSlack = time.Minute
)

// doubt is what speaks against the reader's position.
type doubt struct {
	position types.StartingPosition // the suspect one; without a type there is none
	refused  int                    // how often in a row Kinesis refused it
	since    time.Time              // of the first of these refusals
	cleared  time.Time              // when a position was last found to be good
	caughtUp time.Time              // up to when the shard is read
}

func (d *doubt) active() bool { return d.position.Type != "" }

// overtaken reports whether what follows the position may have left the stream, judged by the time up to which the
// shard was read.
func (r *Polling) overtaken(now time.Time) bool {
	d := &r.doubt
	return !d.active() && r.from.SequenceNumber != nil && !d.caughtUp.IsZero() && r.shard.Retention() > 0 &&
		r.source.clock.At(now).Sub(d.caughtUp) > r.shard.Retention() && now.Sub(d.cleared) >= doubtEvery
}

// adrift reports whether a page says that the position is before all that the stream holds: it is empty, and as far
// behind as the retention.
func (r *Polling) adrift(p *Page) bool {
	d := &r.doubt
	return !d.active() && len(p.Records) == 0 && !p.Null && r.from.Type != types.ShardIteratorTypeTrimHorizon &&
		r.shard.Retention() > 0 &&
		p.Behind >= r.shard.Retention()-retentionSlack && p.At.Sub(d.cleared) >= doubtEvery
}

// accepts reports whether a page is to be ingested, or read again from another position.
func (r *Polling) accepts(p *Page) bool {
	switch {
	case r.doubt.active():
		if !r.judge(p) {
			return false
		}
	case r.adrift(p):
		r.raiseDoubt()
		return false
	}
	if at := p.CaughtUp(); !p.Null && at.After(r.doubt.caughtUp) {
		r.doubt.caughtUp = at
	}
	return true
}

// refuse records a refusal of the position.
func (r *Polling) refuse(now time.Time) {
	d := &r.doubt
	if d.refused == 0 {
		d.since = now
	}
	if d.refused++; d.refused%refusals == 0 {
		r.raiseDoubt()
	}
}

// raiseDoubt looks at the oldest record.
func (r *Polling) raiseDoubt() {
	r.doubt.position = r.from
	r.restart(types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon})
}

func (r *Polling) restart(from types.StartingPosition) {
	r.from, r.iterator, r.tip = from, "", time.Time{}
}

// judge decides about a suspect position by a page from the beginning of the shard. It returns whether the page is to
// be taken in; if not, its records are read again.
func (r *Polling) judge(p *Page) (take bool) {
	d := &r.doubt
	was := d.position
	if len(p.Records) == 0 {
		if p.Behind > 0 && !p.Null {
			return false // the oldest record is still to come
		}
	} else if was.SequenceNumber != nil && position.CompareSequences(aws.ToString(p.Records[0].SequenceNumber),
		*was.SequenceNumber) <= 0 {
		d.position = types.StartingPosition{}
		if d.refused == 0 || p.At.Sub(d.since) < unusableAfter {
			d.cleared = p.At
			r.restart(was) // what it names is still there
			return false
		}
		r.shard.Log.Error("Kinesis refuses the position to read from, although older records are there: the shard "+
			"is read again from its oldest record",
			zap.Stringp("sequence_number", was.SequenceNumber))
		r.shard.OnUnusable()
		*d = doubt{}
		return true
	}
	*d = doubt{caughtUp: d.caughtUp}
	if from := r.shard.OnGap(len(p.Records) > 0 &&
		was.SequenceNumber != nil); from.Type != types.ShardIteratorTypeTrimHorizon {
		r.restart(from) // from the checkpoint instead of the snapshot; it may be gone as well
		return false
	}
	*d = doubt{}
	return true
}
