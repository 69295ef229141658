package consumer

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/consumer/read"
)

// How long an end waits for a listing before the shard is asked again.
const (
	leastPatience = time.Second
	mostPatience  = 10 * time.Second
)

// endClaim is the end of a shard as Kinesis claimed it. No page follows until a listing confirms or refutes it.
type endClaim struct {
	since    time.Time // of the first answer that said so
	at       time.Time // of the last one that said something new
	reached  time.Time // when that was asked for, by Kinesis' clock
	children []types.ChildShard
	patience time.Duration
}

// recordEnd keeps what a page says about the end of the shard.
func (s *shard) recordEnd(p *read.Page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !p.End:
		s.claim = nil
		if !p.Null {
			s.refuted = false
		}
	case s.claim == nil:
		s.claim = &endClaim{since: p.At, at: p.At, reached: p.Asked, children: p.Children, patience: leastPatience}
	default: // asked again
		if len(p.Records) > 0 {
			s.claim.at, s.claim.reached = p.At, p.Asked
		}
		if len(p.Children) > 0 {
			s.claim.children = p.Children
		}
	}
}

// proveEnd looks for a listing that began after the claim. With a proof it returns the last page. Without one the shard
// is asked again: it may have a next iterator after all.
func (s *shard) proveEnd() (p read.Page, proven bool) {
	c := s.claim
	ctx, cancel := context.WithTimeout(s.readCtx, c.patience)
	defer cancel()
	ended, err := s.lease.Ended(ctx, c.at)
	switch {
	case err != nil:
		c.patience = min(2*c.patience, mostPatience)
		return read.Page{}, false
	case ended:
		return read.Page{End: true, Proven: true, Null: true, Children: c.children, Asked: c.reached, At: c.at}, true
	}
	s.metrics.endsRefuted.Inc()
	if !s.refuted {
		s.refuted = true
		s.log.Error("Kinesis says that the shard has ended, but lists it open: reading on",
			zap.Int("children", len(c.children)))
	}
	s.mu.Lock()
	s.claim = nil
	s.mu.Unlock()
	return read.Page{}, false
}

// unproven returns since when an end waits for its proof, and which children wait for it. Call it with mu held.
func (s *shard) unproven() (since time.Time, children []string) {
	if s.claim == nil {
		return time.Time{}, nil
	}
	for i := range s.claim.children {
		children = append(children, aws.ToString(s.claim.children[i].ShardId))
	}
	return s.claim.since, children
}
