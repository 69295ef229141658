package forest

import (
	"math"
	"math/bits"
	"slices"
)

// maxMagnitude bounds values, so that no length overflows.
const maxMagnitude = 1e300

// Forest scores the points of one stream of records, and remembers a sample of them in every tree. It belongs to one
// goroutine.
type Forest struct {
	config  Config
	records uint64 // of valid values, as far as Shingle is concerned: at most Shingle - 1
	number  uint64 // of the next point, and how many there were
	window  []float64
	trees   []tree
	limits  []float64 // by tree: reservoir.limit, up to refresh
	refresh uint64
	logs    *logarithm
	values  values
	scratch struct {
		path              []reference
		low, high, median []float64
	}
}

// New makes an empty forest. The error is that of Config.Validate.
func New(config Config) (*Forest, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.WithDefaults()
	f := &Forest{
		config: config,
		window: make([]float64, config.point()),
		trees:  make([]tree, config.Trees),
		limits: make([]float64, config.Trees),
		logs:   newLogarithm(),
	}
	f.values = newValues(config, f.logs)
	for i := range f.trees {
		f.trees[i] = newTree(config.point(), config.SampleSize)
	}
	f.scratch.path = make([]reference, 0, config.SampleSize)
	return f, nil
}

// Points is how many points the forest was updated with. The first Shingle - 1 records make none.
func (f *Forest) Points() uint64 { return f.number }

// WarmUp is how many more records are to come before there is a score.
func (f *Forest) WarmUp() int {
	points := f.config.warmUp() - min(f.number, f.config.warmUp())
	return int(points) + f.config.Shingle - 1 - int(f.records) //nolint:gosec // at most 1000 and 30
}

// Valid says whether the values are what the forest takes: one for each dimension, none of them NaN or beyond ±1e300.
// Others have no score and leave no trace.
func (f *Forest) Valid(values []float64) bool {
	for _, v := range values {
		if !(math.Abs(v) <= maxMagnitude) {
			return false
		}
	}
	return len(values) == f.config.Dimensions
}

// Score is how unlike the record is to those that the forest was updated with: about 0.4 to 1.2 for one of many alike,
// up to log2(SampleSize) for one far off everything. It is 0, which is no opinion, during warm-up, and of values that
// are not valid. It takes no memory and changes nothing.
func (f *Forest) Score(values []float64) float64 {
	x := f.enter(values)
	if x == nil || f.WarmUp() > 0 {
		return 0
	}
	sum, all := 0.0, f.held()
	if len(x) == 1 {
		sum = scoreLines(f.trees, x[0], &f.values, all)
	} else {
		for i := range f.trees {
			sum += f.trees[i].score(x, &f.values, all)
		}
	}
	return sum / float64(len(f.trees)) * f.values.most(all)
}

// held is how many samples every tree has.
func (f *Forest) held() int {
	return int(min(f.number, uint64(f.config.SampleSize))) //nolint:gosec // at most 1000
}

// enter makes the point whose last record has these values; nil if they are not valid. The point is the window, whose
// last record is the next one's place.
func (f *Forest) enter(values []float64) []float64 {
	if !f.Valid(values) {
		return nil
	}
	last := f.window[len(f.window)-f.config.Dimensions:]
	for d, v := range values {
		last[d] = v + 0 // there is no -0
	}
	return f.window
}

// Update adds the record. It takes no memory once every tree has SampleSize points.
func (f *Forest) Update(values []float64) {
	x := f.enter(values)
	if x == nil {
		return
	}
	if int(f.records) == f.config.Shingle-1 { //nolint:gosec // at most 30
		f.add(x)
	} else {
		f.records++
	}
	copy(f.window, f.window[f.config.Dimensions:])
}

// add offers a point to every tree.
func (f *Forest) add(x []float64) {
	if f.number >= f.refresh {
		f.refreshLimits()
	}
	chance := pointRandom(f.config.Seed, f.number)
	full := f.held() == f.config.SampleSize
	for i, limit := range f.limits {
		draw := chance.draw(i)
		if full && unit(draw) >= limit {
			continue
		}
		t := &f.trees[i]
		s := sample{weight: f.logs.weigh(draw, f.number, f.config.Decay), number: f.number}
		if !full {
			s.leaf = t.insert(x, random(draw))
			t.held = grow(t.held, 1, t.most)[:len(t.held)]
			t.held.push(s)
			continue
		}
		if s.before(&t.held[0]) {
			continue
		}
		t.remove(t.held[0].leaf, f.scratch.path)
		s.leaf = t.insert(x, random(draw))
		t.held.exchange(s)
		f.limits[i] = t.held.limit(f.refresh, f.config.Decay)
	}
	f.number++
}

// refreshLimits makes the limits hold for the next hundredth of the decay.
func (f *Forest) refreshLimits() {
	if f.held() < f.config.SampleSize {
		return
	}
	f.refresh = f.number + uint64(f.config.Decay/128) + 1 //nolint:gosec // positive
	for i := range f.trees {
		f.limits[i] = f.trees[i].held.limit(f.refresh, f.config.Decay)
	}
}

// Size is about how many bytes of memory the forest takes. It depends on the points that the trees hold and not on how
// their memory grew, so that it is the same after [Decode]: what a bound on memory makes forget must not depend on
// restarts.
func (f *Forest) Size() int {
	const header = 1024 + 2*8*cells
	size := header + 8*(len(f.window)+len(f.limits)+len(f.values.unseen)+len(f.values.log2)+6*len(f.window)) +
		2*f.config.SampleSize
	for i := range f.trees {
		t := &f.trees[i]
		room := func(n int) int { return min(max(16, 1<<bits.Len(uint(max(n-1, 0)))), t.most) }
		leaves := room(len(t.masses) - len(t.unused.leaves))
		size += 200 + leaves*(16+8*3*t.width+3*2) + 24*room(len(t.held))
	}
	return size
}

// medianOf is how many samples a median is made of, if the trees have so many.
const medianOf = 1000

// Expected appends the value that is expected in each dimension of a record, or nothing before the first point: the
// median of what some of the trees hold, which are the last Decay records, roughly. It takes some tens of microseconds.
func (f *Forest) Expected(to []float64) []float64 {
	if f.number == 0 {
		return to
	}
	for d := range f.config.Dimensions {
		_, median, _ := f.spread(d)
		to = append(to, median)
	}
	return to
}

// spread is the least, the median and the greatest value of a dimension among what some of the trees hold. There must
// be a point.
func (f *Forest) spread(dimension int) (least, median, greatest float64) {
	trees := f.trees[:min(len(f.trees), (medianOf+f.held()-1)/f.held())]
	all := f.scratch.median[:0]
	for i := range trees {
		t := &trees[i]
		for _, s := range t.held {
			all = append(all, t.point(s.leaf)[t.width-f.config.Dimensions+dimension])
		}
	}
	slices.Sort(all)
	f.scratch.median = all
	return all[0], all[len(all)/2], all[len(all)-1]
}
