package checkpoint

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/internal/answer"
)

const (
	// listEvery is how often the stream is listed. Children of a shard that ends come from its last GetRecords answer,
	// so a listing only finds what was changed while nobody read.
	listEvery = time.Minute
	// listSpace is the least time between two listings that somebody asked for.
	listSpace = 5 * time.Second
	// absentListings is how many listings in a row must lack a shard before its row may go.
	absentListings = 2
)

func (s *Store) streamID() (name, arn *string) {
	if s.cfg.StreamARN != "" {
		return nil, &s.cfg.StreamARN
	}
	return &s.cfg.StreamName, nil
}

// describeStream answers ARN and creation time (Unix seconds) of the stream, and notes its retention. Call it without mu.
func (s *Store) describeStream(ctx context.Context) (arn string, created int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*callTimeout)
	defer cancel()
	in := &kinesis.DescribeStreamSummaryInput{}
	in.StreamName, in.StreamARN = s.streamID()
	out, err := s.stream.DescribeStreamSummary(ctx, in)
	if err != nil {
		return "", 0, fault("kinesis:DescribeStreamSummary", "stream "+s.cfg.stream(), err)
	}
	d := out.StreamDescriptionSummary
	if d == nil {
		return "", 0, fault("kinesis:DescribeStreamSummary", "stream "+s.cfg.stream(), errNoSummary)
	}
	s.mu.Lock()
	s.retention = time.Duration(aws.ToInt32(d.RetentionPeriodHours)) * time.Hour
	s.mu.Unlock()
	return aws.ToString(d.StreamARN), aws.ToTime(d.StreamCreationTimestamp).Unix(), nil
}

// listShards lists the whole stream and merges the answer into the lineage. at is the service's own time of the first
// page, and ours where it does not tell.
func (s *Store) listShards(ctx context.Context) (shards []types.Shard, at time.Time, err error) {
	s.mu.Lock()
	known := s.lineage.known()
	s.mu.Unlock()
	in := &kinesis.ListShardsInput{}
	in.StreamName, in.StreamARN = s.streamID()
	for page := 0; ; page++ {
		begin := time.Now()
		out, err := s.listPage(ctx, in)
		if err != nil {
			return nil, time.Time{}, fault("kinesis:ListShards", "stream "+s.cfg.stream(), err)
		}
		if page == 0 {
			at = answer.Time(out.ResultMetadata, begin)
		}
		shards = append(shards, out.Shards...)
		if out.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
	open := 0
	for i := range shards {
		if r := shards[i].SequenceNumberRange; r == nil || r.EndingSequenceNumber == nil {
			open++
		}
	}
	s.m.openShards.Set(float64(open))
	s.mu.Lock()
	spaced := time.Since(s.listed) >= listEvery*3/4
	if spaced {
		s.listed = time.Now()
	}
	s.lineage.listed(shards, known, spaced)
	s.mu.Unlock()
	s.replan()
	return shards, at, nil
}

func (s *Store) listPage(ctx context.Context, in *kinesis.ListShardsInput) (*kinesis.ListShardsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*callTimeout)
	defer cancel()
	return s.stream.ListShards(ctx, in)
}

// keepListing lists the stream every minute, and when a shard ended whose children nobody named.
func (s *Store) keepListing(ctx context.Context) error {
	s.mu.Lock()
	first := len(s.lineage.shards) == 0 // otherwise the first worker has just listed it for its #application row
	s.mu.Unlock()
	said := ""
	for {
		if first {
			if err := s.relook(ctx); err != nil {
				if isFatal(err) {
					return err
				}
				if text := faultText(err); ctx.Err() == nil && text != said {
					said = text
					s.log.Warn("cannot list the stream, going on with the shards that are known", zap.Error(err))
				}
				if !sleep(ctx, backoff(4)) {
					return nil
				}
				continue
			}
			said = ""
			s.endAbsent()
			s.collect(ctx)
			if !sleep(ctx, listSpace) {
				return nil
			}
		}
		first = true
		t := time.NewTimer(jitter(listEvery))
		select {
		case <-t.C:
		case <-s.listC:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
		t.Stop()
	}
}

// endAbsent ends the leases of shards that the stream has lost, after as many listings as it takes for a row to go: what
// was left unread or unresolved in them is past the retention, and their consumers would ask for it for ever.
func (s *Store) endAbsent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, l := range s.leases {
		info := s.lineage.shards[id]
		if info == nil || info.absent < absentListings || l.ctx.Err() != nil {
			continue
		}
		s.m.gaps.WithLabelValues("true").Inc()
		s.log.Error("the stream has lost a shard before it was read to its end, what was left in it is lost", zap.String("shard", id), zap.String("checkpoint", l.offer.position.Sequence))
		l.cancel(ErrShardGone) // its consumer ends and RemoveLeaseOwner releases the row, which is then collected
	}
}

// relook lists the stream, after a look whether it still is the one that the table is about.
func (s *Store) relook(ctx context.Context) error {
	arn, created, err := s.describeStream(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	app := s.app
	s.mu.Unlock()
	if app.streamARN != arn || app.streamCreated != created {
		return s.ensureApplication(ctx) // says so, unless the table was begun anew as well
	}
	_, _, err = s.listShards(ctx)
	return err
}

// collect deletes the rows of shards that are long past the retention: unlisted in two listings, read to the end or
// owned by nobody, and with every child under way, so that no gate and no start position depends on the row. Its state
// goes with it. A child that has progress but no state of its own by then, which is the whole retention later, could not be
// read again from its beginning anyhow. The chunks go first, because only the row tells of them.
func (s *Store) collect(ctx context.Context) {
	s.mu.Lock()
	var old []*row
	for id, r := range s.rows {
		info := s.lineage.shards[id]
		if info == nil || info.absent < absentListings || s.leases[id] != nil || (!r.ended() && r.owner != "") {
			continue
		}
		if slices.ContainsFunc(s.lineage.children(id), func(child string) bool {
			c := s.rows[child]
			return c == nil || !c.progressed()
		}) {
			continue
		}
		old = append(old, r)
	}
	s.mu.Unlock()
	for _, r := range old {
		if r.state.version != "" {
			if err := s.states.sweep(ctx, r.id, r.state, r.epoch+1); err != nil {
				if ctx.Err() == nil {
					s.log.Warn("cannot delete the state of a shard past the retention yet", zap.String("shard", r.id), zap.Error(err))
				}
				continue
			}
		}
		e := &expr{}
		e.ifEqual(attrEpoch, num(r.epoch))
		e.ifAbsent(attrOwner)
		if err := s.table.remove(ctx, r.id, e); err != nil {
			s.noteTable(err)
			continue
		}
		s.mu.Lock()
		delete(s.rows, r.id)
		delete(s.memory, r.id)
		delete(s.lineage.shards, r.id)
		s.mu.Unlock()
		s.log.Info("row of a shard past the retention deleted", zap.String("shard", r.id))
	}
}
