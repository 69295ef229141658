package consumer

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/saved"
)

const (
	// kinEvery is how often to look for a new snapshot of a shard that something waits for. That is a call only if
	// there is one. kinIdle is the same for a shard that nothing waits for.
	kinEvery = time.Second
	kinIdle  = 10 * time.Minute
	// kinLimit is how long what is due waits for the memory of another shard.
	kinLimit = 5 * time.Minute
	// kinReported is how long a decision without that memory is reported.
	kinReported = 15 * time.Minute
	// stateKinEvery is the least time between a snapshot and one that is for the other shards. stateKinIdle is how
	// often a state in which only time passes is saved, while other shards may ask for it.
	stateKinEvery = 10 * time.Second
	stateKinIdle  = 2 * time.Minute
)

// kin are the shards that have inherited the same keys (alert.Evaluator.Awaits), as one of them sees the others.
type kin struct {
	*tools
	writers *sync.WaitGroup // of the memory

	// Written and read by the KCL's goroutine of the shard only.

	reading chan kinAnswer // of the read in the background, which writes it; nil when there is none
	asked   map[string]time.Time
	// missed is since when something that is due has waited for a shard's memory.
	missed   map[string]time.Time
	failed   map[string]string // the last error of reading it that was logged
	reported []string          // shards that nothing waits for any longer, as last logged
	any      bool
	// captured is when the last snapshot was captured, parkedTo up to when it covers what came due.
	captured time.Time
	parkedTo int64
	news     bool // something was read since the memory looked

	mu sync.Mutex

	unheard   []string // shards without whose memory inherited keys were decided; for the status
	unheardAt time.Time
}

type kinAnswer struct {
	shard    string
	relative *alert.Relative // nil when there is nothing new
	err      error
}

// look merges what other shards remember, and asks for more. It returns the shards whose memory nothing waits for any
// longer.
func (k *kin) look(now time.Time) (without []string) {
	select {
	case a := <-k.reading:
		k.reading = nil
		k.met(a)
	default:
	}
	awaited := k.eval.Awaits()
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
		if missed[a.Shard] = since; now.Sub(since) >= kinLimit {
			without = append(without, a.Shard)
		}
	}
	k.missed = missed
	k.report(without, now)
	for _, a := range awaited {
		every := kinIdle
		if a.Blocks {
			every = kinEvery
		}
		if k.reading == nil && now.Sub(k.asked[a.Shard]) >= every {
			k.ask(a, now)
		}
	}
	return without
}

// report logs the shards that nothing waits for any longer, when that changes.
func (k *kin) report(without []string, now time.Time) {
	if len(without) > 0 {
		k.mu.Lock()
		k.unheard, k.unheardAt = without, now
		k.mu.Unlock()
	}
	if slices.Equal(without, k.reported) {
		return
	}
	if len(without) > 0 {
		k.log.Error("the memory of other shards has not been readable for five minutes, inherited keys are decided "+
			"without it",
			zap.Strings("without", without))
	} else {
		k.log.Info("no inherited key is decided any longer without what other shards remember")
	}
	k.reported = without
}

// decidedWithout returns the shards without whose memory something was decided lately.
func (k *kin) decidedWithout(now time.Time) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.unheardAt) >= kinReported {
		return nil
	}
	return k.unheard
}

// ask reads what another shard remembers, in the background.
func (k *kin) ask(a alert.Awaited, now time.Time) {
	if k.asked == nil {
		k.asked = map[string]time.Time{}
	}
	k.asked[a.Shard] = now
	answer := make(chan kinAnswer, 1)
	k.reading = answer
	k.writers.Go(func() {
		ctx, cancel := context.WithTimeout(k.workCtx, saveLimit)
		defer cancel()
		relative, err := k.readRelative(ctx, a)
		answer <- kinAnswer{a.Shard, relative, err}
	})
}

func (k *kin) readRelative(ctx context.Context, a alert.Awaited) (*alert.Relative, error) {
	version, stored, children, err := k.lease.Relative(ctx, a.Shard, a.Version)
	if err != nil || version == a.Version {
		return nil, err
	}
	var state []byte
	if len(stored) > 0 {
		snap, err := saved.Decode(stored)
		if err != nil {
			return nil, err
		}
		state = snap.State
	}
	return alert.ReadRelative(a.Shard, version, state, children)
}

func (k *kin) met(a kinAnswer) {
	if k.failed == nil {
		k.failed = map[string]string{}
	}
	if a.err != nil {
		if text := a.err.Error(); k.workCtx.Err() == nil && k.failed[a.shard] != text {
			k.failed[a.shard] = text
			k.log.Warn("cannot read what another shard remembers of inherited keys, trying again",
				zap.String("of", a.shard), zap.Error(a.err))
		}
		return
	}
	delete(k.failed, a.shard)
	if a.relative != nil {
		k.eval.Meet(a.relative)
		k.news = true
	}
}
