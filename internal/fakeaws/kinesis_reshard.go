package fakeaws

import (
	"slices"
	"time"
)

// split closes a shard and opens two in its place; the upper one begins at key.
func (st *stream) split(parent *shard, key hashKey, at time.Time) [2]*shard {
	parent.closed = at
	low := st.addShard(keyRange{parent.keys.first, key.prev()}, at, parent.id)
	high := st.addShard(keyRange{key, parent.keys.last}, at, parent.id)
	st.replace([]*shard{parent}, low, high)
	return [2]*shard{low, high}
}

// merge closes two adjacent shards and opens one in their place.
func (st *stream) merge(a, b *shard, at time.Time) *shard {
	a.closed, b.closed = at, at
	child := st.addShard(a.keys.union(b.keys), at, a.id, b.id)
	if b.keys.first.compare(a.keys.first) < 0 {
		a, b = b, a
	}
	st.replace([]*shard{a, b}, child)
	return child
}

// reshardable returns a stream whose shards may be changed by a request now.
func (a *account) reshardable(ref streamRef, now time.Time) (*stream, error) {
	st, err := a.find(ref, now)
	if err != nil {
		return nil, err
	}
	if st.status(now) != "ACTIVE" {
		return nil, st.notActive(now)
	}
	if st.mode != modeProvisioned {
		return nil, errorf(
			"ValidationException", "Stream %s is on-demand: its shards are changed by the service alone", st.name,
		)
	}
	return st, nil
}

// eligible returns an open shard of that id.
func (st *stream) eligible(id string, now time.Time) (*shard, error) {
	sh := st.shard(id, now)
	if sh == nil {
		return nil, st.noShard(id)
	}
	if !sh.isOpen() {
		return nil, errorf("InvalidArgumentException",
			"Shard %s in stream %s under account %s has already been merged or split, and "+
				"thus is not eligible for merging or splitting.", id, st.name, st.account.options.Account)
	}
	return sh, nil
}

// plan makes the rounds of a reshard due one after the other within the time in which the stream is UPDATING.
func (st *stream) plan(now time.Time, rounds []func(at time.Time)) {
	st.updatedAt = now.Add(st.account.options.StreamActivation)
	for i, apply := range rounds {
		wait := st.account.options.StreamActivation * time.Duration(i+1) / time.Duration(len(rounds))
		st.pending = append(st.pending, change{due: now.Add(wait), apply: apply})
	}
}

type splitShardInput struct {
	streamRef

	ShardToSplit       string
	NewStartingHashKey string
}

func (k *Kinesis) splitShard(in *splitShardInput) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.reshardable(in.streamRef, now)
	if err != nil {
		return nil, err
	}
	sh, err := st.eligible(in.ShardToSplit, now)
	if err != nil {
		return nil, err
	}
	key, ok := parseHashKey(in.NewStartingHashKey)
	if !ok || key.compare(sh.keys.first.plus(1)) <= 0 || key.compare(sh.keys.last) >= 0 || !sh.keys.inside(key) {
		return nil, errorf("InvalidArgumentException",
			"NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account "+
				"%s is not both greater than one plus the shard's StartingHashKey %s and less than the shard's "+
				"EndingHashKey %s.",
			in.NewStartingHashKey, sh.id, st.name, k.account.options.Account, sh.firstKey, sh.lastKey)
	}
	st.plan(now, []func(time.Time){func(at time.Time) { st.splitOpen(sh, key, at) }})
	return nil, nil
}

// splitOpen is split for a planned round. Split or Merge of a test may have closed the shard since it was planned.
func (st *stream) splitOpen(sh *shard, key hashKey, at time.Time) {
	if sh.isOpen() {
		st.split(sh, key, at)
	}
}

func (st *stream) mergeOpen(a, b *shard, at time.Time) {
	if a.isOpen() && b.isOpen() {
		st.merge(a, b, at)
	}
}

type mergeShardsInput struct {
	streamRef

	ShardToMerge         string
	AdjacentShardToMerge string
}

func (k *Kinesis) mergeShards(in *mergeShardsInput) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.reshardable(in.streamRef, now)
	if err != nil {
		return nil, err
	}
	a, err := st.eligible(in.ShardToMerge, now)
	if err != nil {
		return nil, err
	}
	b, err := st.eligible(in.AdjacentShardToMerge, now)
	if err != nil {
		return nil, err
	}
	if !a.keys.adjacent(b.keys) {
		return nil, errorf("InvalidArgumentException",
			"Shards %s and %s in stream %s under account %s are not an adjacent pair of shards "+
				"eligible for merging", a.id, b.id, st.name, k.account.options.Account)
	}
	st.plan(now, []func(time.Time){func(at time.Time) { st.mergeOpen(a, b, at) }})
	return nil, nil
}

type updateShardCountInput struct {
	streamRef

	ScalingType      string
	TargetShardCount int
}

// updatesPerDay is how often a stream may be scaled within 24 hours.
const updatesPerDay = 10

func (k *Kinesis) updateShardCount(in *updateShardCountInput) (any, error) {
	if in.ScalingType != "UNIFORM_SCALING" {
		return nil, errorf("ValidationException", "ScalingType %q is not UNIFORM_SCALING", in.ScalingType)
	}
	if in.TargetShardCount < 1 {
		return nil, errorf("ValidationException", "TargetShardCount is %d: want at least 1", in.TargetShardCount)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.reshardable(in.streamRef, now)
	if err != nil {
		return nil, err
	}
	current := len(st.open)
	if in.TargetShardCount > 2*current || 2*in.TargetShardCount < current || in.TargetShardCount > maxShards {
		return nil, errorf("LimitExceededException",
			"UpdateShardCount cannot scale stream %s from %d to %d shards: want at most double, at "+
				"least half, and at most %d", st.name, current, in.TargetShardCount, maxShards)
	}
	st.rescaled = slices.DeleteFunc(st.rescaled, func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
	if len(st.rescaled) >= updatesPerDay && !k.account.options.Unthrottled {
		return nil, errorf(
			"LimitExceededException", "Stream %s has been scaled %d times within 24 hours", st.name, updatesPerDay,
		)
	}
	st.rescaled = append(st.rescaled, now)
	ranges := make([]keyRange, current)
	for i, sh := range st.open {
		ranges[i] = sh.keys
	}
	var rounds []func(time.Time)
	for _, steps := range rescale(ranges, in.TargetShardCount) {
		rounds = append(rounds, func(at time.Time) {
			for _, s := range steps {
				s.apply(st, at)
			}
		})
	}
	st.plan(now, rounds)
	return struct {
		StreamName        string
		StreamARN         string
		CurrentShardCount int
		TargetShardCount  int
	}{st.name, k.account.arn(st.name), current, in.TargetShardCount}, nil
}

// step is one split or merge of uniform scaling. It names shards by where they begin, because those of later rounds
// do not exist when it is planned.
type step struct {
	merge bool
	first hashKey // where the shard, or the lower of the two, begins
	at    hashKey // where the shard is split, or where the upper of the two begins
}

func (s step) apply(st *stream, at time.Time) {
	sh := st.route(s.first)
	if s.merge {
		if upper := st.route(s.at); sh.keys.adjacent(upper.keys) {
			st.mergeOpen(sh, upper, at)
		}
		return
	}
	if sh.keys.inside(s.at) {
		st.splitOpen(sh, s.at, at)
	}
}

// rescale plans the way from ranges to n ranges of equal size, in rounds in which no shard changes twice: first shards
// are split where a new range begins, then neighbours within the same new range are merged. So doubling a uniform
// stream splits every shard once, and halving it merges every pair.
func rescale(ranges []keyRange, n int) [][]step {
	starts := snap(uniform(n), ranges)
	begins := func(h hashKey) bool {
		_, ok := slices.BinarySearchFunc(starts, h, hashKey.compare)
		return ok
	}
	var rounds [][]step
	for {
		var steps []step
		var after []keyRange
		for _, r := range ranges {
			if cut, ok := middleCut(starts, r); ok {
				steps = append(steps, step{first: r.first, at: cut})
				after = append(after, keyRange{r.first, cut.prev()}, keyRange{cut, r.last})
				continue
			}
			after = append(after, r)
		}
		if len(steps) == 0 {
			break
		}
		rounds, ranges = append(rounds, steps), after
	}
	for {
		var steps []step
		var after []keyRange
		for i := 0; i < len(ranges); i++ {
			if i+1 < len(ranges) && !begins(ranges[i+1].first) {
				steps = append(steps, step{merge: true, first: ranges[i].first, at: ranges[i+1].first})
				after = append(after, ranges[i].union(ranges[i+1]))
				i++
				continue
			}
			after = append(after, ranges[i])
		}
		if len(steps) == 0 {
			return rounds
		}
		rounds, ranges = append(rounds, steps), after
	}
}

// middleCut is the middle one of the places where r has to be split.
func middleCut(starts []hashKey, r keyRange) (hashKey, bool) {
	from, _ := slices.BinarySearchFunc(starts, r.first.plus(1), hashKey.compare)
	to := from
	for to < len(starts) && starts[to].compare(r.last) <= 0 {
		to++
	}
	if from == to {
		return hashKey{}, false
	}
	return starts[(from+to)/2], true
}

// snap moves starts to where a range begins already, if only rounding keeps them apart: 2^128 divided by 3 and by 6
// must not differ.
func snap(starts []hashKey, ranges []keyRange) []hashKey {
	const rounding = 1 << 20
	for i, s := range starts {
		above, _ := slices.BinarySearchFunc(ranges, s, func(r keyRange, s hashKey) int { return r.first.compare(s) })
		for _, r := range ranges[max(0, above-1):min(above+1, len(ranges))] {
			up, down := r.first.minus(s), s.minus(r.first)
			if up.hi == 0 && up.lo < rounding || down.hi == 0 && down.lo < rounding {
				starts[i] = r.first
			}
		}
	}
	return starts
}
