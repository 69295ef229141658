package plan

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
)

const (
	// NegligibleLoad is the mean load of a worker, in bytes per second, below which only counts are balanced: below it
	// the fixed cost of a shard outweighs its load.
	NegligibleLoad = 64 << 10
	// LoadTolerance is the part of the mean by which loads may differ.
	LoadTolerance = 0.1
	// loadGoal is the part of the mean by which loads differ at most once they are evened out. It is less than the
	// tolerance, because peers plan at other moments than we do, and a wrong move stays for a minute.
	loadGoal = LoadTolerance / 2
)

// Shard is one unfinished shard as the planner sees it.
type Shard struct {
	ID string
	// Owner is empty for a shard without an owner, or with one that is fenced or gone. An owner that is not among the
	// workers is leaving: its shards are not free yet, but they will be.
	Owner string
	Open  bool // all parents are finished
	Load  float64
	// Movable says that its owner, this worker, may hand it over now: it runs, no handoff is under way, and its last
	// change of owner is at least a minute old. It means nothing for a peer's shard.
	Movable bool
	// Target is the worker to which a handoff is already under way.
	Target string
}

// Worker is one live worker.
type Worker struct {
	ID string
	// Most is how many shards it may hold; 0 is any number.
	Most int
}

// Handoff is one shard that this worker should give away.
type Handoff struct{ Shard, Target string }

// Decide decides what one worker does next, from the same rows from which its peers decide theirs. It is a pure
// function: equal inputs give equal plans.
//
// Free shards come first, up to the fair share by count. Only when none is left does a worker that has too much hand
// over, so that a worker which just started is not given what it is about to take.
//
// No worker takes or is given more than it may hold. What one may not take is in the share of the others. Shards for
// which no worker has room stay free.
func Decide(me string, workers []Worker, shards []Shard) (acquire []string, give []Handoff) {
	f := newFleet(workers)
	if f.index[me] == nil {
		return nil, nil
	}
	var free []Shard
	soon := 0
	for _, s := range shards {
		switch owner := cmp.Or(s.Target, s.Owner); {
		case f.index[owner] != nil:
			f.index[owner].add(s)
		case owner != "":
			soon++
		case s.Open:
			free = append(free, s)
		}
	}
	if len(free) > 0 {
		return f.take(me, free, soon), nil
	}
	return nil, f.balance(me)
}

// fleet is the assignment that the planner works on.
type fleet struct {
	members []*member // sorted by worker id
	index   map[string]*member
}

type member struct {
	id     string
	most   int // math.MaxInt without a limit
	shards []Shard
	load   float64
}

func newFleet(workers []Worker) *fleet {
	f := &fleet{index: make(map[string]*member, len(workers))}
	for _, w := range workers {
		if f.index[w.ID] != nil {
			continue
		}
		m := &member{id: w.ID, most: w.Most}
		if w.Most <= 0 {
			m.most = math.MaxInt
		}
		f.members = append(f.members, m)
		f.index[w.ID] = m
	}
	slices.SortFunc(f.members, func(a, b *member) int { return cmp.Compare(a.id, b.id) })
	return f
}

// share is how many of so many shards each worker should have: as many as the others, or all that it may hold.
func (f *fleet) share(total int) int {
	limits := make([]int, 0, len(f.members))
	for _, m := range f.members {
		limits = append(limits, m.most)
	}
	slices.Sort(limits)
	for i, limit := range limits {
		rest := len(limits) - i
		if share := (total + rest - 1) / rest; share <= limit {
			return share
		}
		total -= limit
	}
	return math.MaxInt // more than all may hold
}

func (m *member) add(s Shard) {
	m.shards = append(m.shards, s)
	m.load += s.Load
}

func (m *member) remove(i int) Shard {
	s := m.shards[i]
	m.shards = slices.Delete(m.shards, i, i+1)
	m.load -= s.Load
	return s
}

// take returns which free shards to try, those first of which this worker is the rendezvous winner: workers that start
// together then reach for different shards, without talking to each other.
func (f *fleet) take(me string, free []Shard, soon int) []string {
	total := len(free) + soon
	for _, m := range f.members {
		total += len(m.shards)
	}
	mine := f.index[me]
	room := min(f.share(total), mine.most) - len(mine.shards)
	if room <= 0 {
		return nil
	}
	type ranked struct {
		id    string
		above int // how many workers have a better claim
		score uint64
	}
	order := make([]ranked, 0, len(free))
	for _, s := range free {
		r := ranked{id: s.ID, score: rendezvous(me, s.ID)}
		for _, m := range f.members {
			if m.id != me && rendezvous(m.id, s.ID) > r.score {
				r.above++
			}
		}
		order = append(order, r)
	}
	slices.SortFunc(order, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.above, b.above), cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id))
	})
	out := make([]string, 0, min(room, len(order)))
	for _, r := range order[:min(room, len(order))] {
		out = append(out, r.id)
	}
	return out
}

func rendezvous(worker, shard string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(worker))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(shard))
	x := h.Sum64()
	// FNV's last bytes barely reach the high bits, and names differ in their last bytes; this is splitmix64's finish.
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// balance plays the moves of the whole fleet through and answers those of me. Each worker plays the same game, so two
// donors rarely pick the same receiver, and a move that did not happen is planned again from the next scan.
func (f *fleet) balance(me string) []Handoff {
	var out []Handoff
	moved := map[string]bool{}
	goal := LoadTolerance
	if f.spread() > f.mean()*LoadTolerance {
		goal = loadGoal
	}
	for {
		donor, receiver, i := f.move(me, moved, goal)
		if donor == nil {
			return out
		}
		s := donor.remove(i)
		moved[s.ID] = true
		receiver.add(s)
		if donor.id == me {
			out = append(out, Handoff{Shard: s.ID, Target: receiver.id})
		}
	}
}

// move returns the next move, or a nil donor. Load goes first; counts are evened out where that leaves the loads as
// even as load moves would. Load moves lower the sum of squared loads, count moves that of counts without leaving the
// spread that would start a load move, and no shard moves twice, so the game ends. goal is the part of the mean at
// which loads are even. Only workers that have room receive. One that holds more than it may, because a peer of an
// older version or two at once gave it shards, gives before all others.
func (f *fleet) move(me string, moved map[string]bool, goal float64) (donor, receiver *member, shard int) {
	receivers := f.withRoom()
	if len(receivers) == 0 {
		return nil, nil, 0
	}
	fewest := slices.MinFunc(receivers, byCount)
	for _, m := range f.members {
		if len(m.shards) > m.most {
			if i := f.smallest(me, m, moved, func(Shard) bool { return true }); i >= 0 {
				return m, fewest, i
			}
		}
	}
	mean := f.mean()
	tolerance := mean * LoadTolerance
	loaded := mean >= NegligibleLoad
	if loaded {
		hi, lo := slices.MaxFunc(f.members, byLoad), slices.MinFunc(receivers, byLoad)
		if diff := hi.load - lo.load; diff > mean*goal {
			best, bestGain, together := -1, 0.0, 0.0
			for i, s := range hi.shards {
				if !may(me, hi, s, moved) {
					continue
				}
				gain := min(s.Load, diff-s.Load) // how far the smaller of the two changes moves towards the middle
				together += max(gain, 0)
				if gain > bestGain {
					best, bestGain = i, gain
				}
			}
			// Less than a tenth of what is tolerated is noise, and every handoff costs a drain. But many small shards
			// may bring together what none of them does.
			if best >= 0 && together > tolerance*LoadTolerance {
				return hi, lo, best
			}
			return nil, nil, 0
		}
	}
	hi, lo := slices.MaxFunc(f.members, byCount), fewest
	if len(hi.shards)-len(lo.shards) < 2 {
		return nil, nil, 0
	}
	best := f.smallest(me, hi, moved, func(s Shard) bool {
		return !loaded || f.spreadAfter(hi, lo, s.Load) <= mean*loadGoal
	})
	if best < 0 {
		return nil, nil, 0
	}
	return hi, lo, best
}

func byCount(a, b *member) int { return cmp.Compare(len(a.shards), len(b.shards)) }

func byLoad(a, b *member) int { return cmp.Compare(a.load, b.load) }

// withRoom are the workers that may hold another shard.
func (f *fleet) withRoom() []*member {
	out := make([]*member, 0, len(f.members))
	for _, m := range f.members {
		if len(m.shards) < m.most {
			out = append(out, m)
		}
	}
	return out
}

// smallest is the shard with the least load that a worker may give away; -1 without one.
func (*fleet) smallest(me string, donor *member, moved map[string]bool, fits func(Shard) bool) int {
	best := -1
	for i, s := range donor.shards {
		if !may(me, donor, s, moved) || !fits(s) {
			continue
		}
		if best < 0 || cmp.Or(cmp.Compare(s.Load, donor.shards[best].Load),
			cmp.Compare(s.ID, donor.shards[best].ID)) < 0 {
			best = i
		}
	}
	return best
}

// mean is the load of a worker on the average.
func (f *fleet) mean() float64 {
	var total float64
	for _, m := range f.members {
		total += m.load
	}
	return total / float64(len(f.members))
}

// spread is the largest difference of loads.
func (f *fleet) spread() float64 { return f.spreadAfter(nil, nil, 0) }

// may reports whether a shard can move in the game: a peer's as far as we know, our own only when it is movable.
func may(me string, owner *member, s Shard, moved map[string]bool) bool {
	return !moved[s.ID] && s.Target == "" && (owner.id != me || s.Movable)
}

// spreadAfter is the largest difference of loads after a shard of that load went from one member to another.
func (f *fleet) spreadAfter(from, to *member, load float64) float64 {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, m := range f.members {
		l := m.load
		switch m {
		case from:
			l -= load
		case to:
			l += load
		}
		lo, hi = min(lo, l), max(hi, l)
	}
	return hi - lo
}
