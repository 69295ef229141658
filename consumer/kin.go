package consumer

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/alert"
)

const (
	// kinEvery is how often it is looked whether there is a new snapshot of a shard for which something waits, which is a call only
	// if there is one, and kinIdle the same for a shard for which nothing waits.
	kinEvery = time.Second
	kinIdle  = 10 * time.Minute
	// kinPatience is how long what is due waits for the memory of another shard.
	kinPatience = 5 * time.Minute
	// kinReported is how long it is reported that something was decided without it.
	kinReported = 15 * time.Minute
	// stateKinEvery is the least time between two snapshots of which the second is for the other shards, and stateKinIdle how often
	// a state is saved in which only time passes, while other shards may ask.
	stateKinEvery = 10 * time.Second
	stateKinIdle  = 2 * time.Minute
)

// kin are the shards that have inherited the same keys (alert.Evaluator.Awaits), as the keeper of a shard sees them.
type kin struct {
	reading chan kinAnswer // of the read in the background; nil when there is none
	asked   map[string]time.Time
	// missed is since when something that is due waits for a shard's memory.
	missed map[string]time.Time
	failed map[string]string // the last error of reading it that was logged
	told   []string          // for which nothing waits any longer
	any    bool
	// captured is when the last snapshot was captured, parkedTo up to when it covers what came due.
	captured time.Time
	parkedTo int64
}

type kinAnswer struct {
	shard    string
	relative *alert.Relative // nil when there is nothing new
	err      error
}

// lookAtKin takes in what other shards remember, and asks for more. It answers the shards for whose memory nothing waits any longer.
func (s *shard) lookAtKin(now time.Time) (without []string) {
	k := &s.state.kin
	select {
	case a := <-k.reading:
		k.reading = nil
		s.metKin(a)
	default:
	}
	awaited := s.eval.Awaits()
	if k.any = len(awaited) > 0; !k.any && len(k.missed) == 0 {
		return nil
	}
	missed := map[string]time.Time{}
	for _, a := range awaited {
		if !a.Blocks {
			continue
		}
		since, ok := k.missed[a.Shard]
		if !ok {
			since = now
		}
		if missed[a.Shard] = since; now.Sub(since) >= kinPatience {
			without = append(without, a.Shard)
		}
	}
	k.missed = missed
	s.tellKin(without, now)
	for _, a := range awaited {
		every := kinIdle
		if a.Blocks {
			every = kinEvery
		}
		if k.reading == nil && now.Sub(k.asked[a.Shard]) >= every {
			s.askKin(a, now)
		}
	}
	return without
}

// tellKin reports for which shards nothing waits any longer, when that changes.
func (s *shard) tellKin(without []string, now time.Time) {
	k := &s.state.kin
	if len(without) > 0 {
		s.mu.Lock()
		s.unheard, s.unheardAt = without, now
		s.mu.Unlock()
	}
	if slices.Equal(without, k.told) {
		return
	}
	if len(without) > 0 {
		s.log.Error("the memory of other shards has not been readable for five minutes, inherited keys are decided without it",
			zap.Strings("without", without))
	} else {
		s.log.Info("no inherited key is decided any longer without what other shards remember")
	}
	k.told = without
}

// unsure are the shards without whose memory something was decided lately, with mu held.
func (s *shard) unsure(now time.Time) []string {
	if now.Sub(s.unheardAt) >= kinReported {
		return nil
	}
	return s.unheard
}

// askKin reads what another shard remembers, in the background.
func (s *shard) askKin(a alert.Awaited, now time.Time) {
	k := &s.state.kin
	if k.asked == nil {
		k.asked = map[string]time.Time{}
	}
	k.asked[a.Shard] = now
	answer := make(chan kinAnswer, 1)
	k.reading = answer
	s.state.writers.Go(func() {
		ctx, cancel := context.WithTimeout(s.workCtx, saveLimit)
		defer cancel()
		relative, err := s.readKin(ctx, a)
		answer <- kinAnswer{a.Shard, relative, err}
	})
}

func (s *shard) readKin(ctx context.Context, a alert.Awaited) (*alert.Relative, error) {
	version, stored, children, err := s.lease.Relative(ctx, a.Shard, a.Version)
	if err != nil || version == a.Version {
		return nil, err
	}
	var state []byte
	if len(stored) > 0 {
		snap, err := decodeSnapshot(stored)
		if err != nil {
			return nil, err
		}
		state = snap.state
	}
	return alert.ReadRelative(a.Shard, version, state, children)
}

func (s *shard) metKin(a kinAnswer) {
	k := &s.state.kin
	if k.failed == nil {
		k.failed = map[string]string{}
	}
	if a.err != nil {
		if text := a.err.Error(); s.workCtx.Err() == nil && k.failed[a.shard] != text {
			k.failed[a.shard] = text
			s.log.Warn("cannot read what another shard remembers of inherited keys, trying again", zap.String("of", a.shard), zap.Error(a.err))
		}
		return
	}
	delete(k.failed, a.shard)
	if a.relative != nil {
		s.eval.Meet(a.relative)
		s.state.ticked = true
	}
}

// saveForKin has the state saved soon when something came due of which the others will want to know whether it was heard of here.
func (s *shard) saveForKin(now time.Time) {
	k := &s.state
	if s.eval.ParkedTo() <= k.kin.parkedTo {
		return
	}
	k.dirty = true
	soon := now.Add(stateAfterTick)
	if least := k.kin.captured.Add(stateKinEvery); soon.Before(least) {
		soon = least
	}
	if soon.Before(k.next) {
		k.next = soon
	}
}
