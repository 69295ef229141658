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
	"kinesis-alerter/internal/sleep"
)

const (
	// listEvery is how often the stream is listed. Children of a shard that ends come from its last GetRecords answer,
	// so a listing only finds what was changed while nobody read.
	listEvery = time.Minute
	// listSpace is the least time between two listings that somebody asked for. A shard that ends waits for one.
	listSpace = time.Second
	// incompleteEvery is how often the stream is listed while its listings are incomplete.
	incompleteEvery = 3 * time.Second
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
	began := time.Now()
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
	if s.met.IsZero() {
		s.met = answer.Time(out.ResultMetadata, began)
	}
	s.mu.Unlock()
	return aws.ToString(d.StreamARN), aws.ToTime(d.StreamCreationTimestamp).Unix(), nil
}

// listShards lists the whole stream and merges the answer into the lineage. at is the service's own time of the first
// page, and ours where it does not tell.
func (s *Store) listShards(ctx context.Context) (shards []types.Shard, at time.Time, err error) {
	s.mu.Lock()
	known := s.lineage.known()
	s.mu.Unlock()
	began := time.Now()
	in := &kinesis.ListShardsInput{}
	in.StreamName, in.StreamARN = s.streamID()
	expect := &answer.Expect{Listed: map[string]bool{}}
	for ; ; expect.Page++ {
		begin := time.Now()
		out, err := s.listPage(answer.With(ctx, expect), in)
		if err != nil {
			return nil, time.Time{}, fault("kinesis:ListShards", "stream "+s.cfg.stream(), err)
		}
		if expect.Page == 0 {
			at = answer.Time(out.ResultMetadata, begin)
		}
		shards = append(shards, out.Shards...)
		for i := range out.Shards {
			expect.Listed[aws.ToString(out.Shards[i].ShardId)] = true
		}
		if out.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
	open := 0
	for i := range shards {
		if isOpen(&shards[i]) {
			open++
		}
	}
	s.m.openShards.Set(float64(open))
	sound := plausible(shards)
	complete := covered(shards) && len(sound) == len(shards)
	s.mu.Lock()
	s.lineage.listed(sound, known, began, complete)
	news := s.listing.note(began, complete)
	s.notify()
	s.mu.Unlock()
	s.replan()
	if news {
		s.tellListing(complete, len(shards), open)
	}
	return shards, at, nil
}

func (s *Store) listPage(ctx context.Context, in *kinesis.ListShardsInput) (*kinesis.ListShardsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*callTimeout)
	defer cancel()
	return s.stream.ListShards(ctx, in)
}

// keepListing lists the stream every minute, at once when somebody asks, and every few seconds while it is incomplete.
func (s *Store) keepListing(ctx context.Context) error {
	s.mu.Lock()
	listed := len(s.lineage.shards) > 0 // the first worker has just listed it for its #application row
	s.mu.Unlock()
	var described time.Time
	said, unsure := "", false
	for {
		if !listed {
			describe := time.Since(described) >= listEvery/2
			if err := s.relook(ctx, describe); err != nil {
				if isFatal(err) {
					return err
				}
				if text := faultText(err); ctx.Err() == nil && text != said {
					said = text
					s.log.Warn("cannot list the stream, going on with the shards that are known", zap.Error(err))
				}
				if !sleep.For(ctx, backoff(4)) {
					return nil
				}
				continue
			}
			if describe {
				described = time.Now()
			}
			said = ""
			unsure = s.judge(ctx)
			s.collect(ctx)
			if !sleep.For(ctx, listSpace) {
				return nil
			}
		}
		if listed {
			unsure = s.judge(ctx)
		}
		listed = false
		t := time.NewTimer(s.nextListing(unsure))
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

// nextListing is how long to wait for the next listing when nobody asks for one.
func (s *Store) nextListing(unsure bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if unsure || !s.listing.complete {
		return sleep.Jitter(incompleteEvery)
	}
	return sleep.Jitter(listEvery)
}

// relook lists the stream, after a look whether it still is the one that the table is about if describe says so.
func (s *Store) relook(ctx context.Context, describe bool) error {
	if describe {
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
	}
	_, _, err := s.listShards(ctx)
	return err
}

// collect deletes the rows of shards that are past the retention: gone, read to the end or owned by nobody, and with
// every child under way, so that no gate and no start position depends on the row. A row that was not at its end is kept
// for the retention, so that a shard which comes back is read from its position. Its state
// goes with it. A child that has progress but no state of its own by then, which is the whole retention later, could not be
// read again from its beginning anyhow. The chunks go first, because only the row tells of them.
func (s *Store) collect(ctx context.Context) {
	s.mu.Lock()
	var old []*row
	for id, r := range s.rows {
		info := s.lineage.shards[id]
		if info == nil || !info.gone || s.leases[id] != nil || (!r.ended() && (r.owner != "" || r.progressed() && info.absent.to.Sub(info.absent.from) < s.retention)) {
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
