package forest

// values are what a leaf is worth, by depth and mass.
type values struct {
	scoring Scoring
	unseen  []float64 // by depth
	log2    []float64 // by mass
}

func newValues(c Config, logs *logarithm) values {
	v := values{c.Scoring, make([]float64, c.SampleSize+1), make([]float64, c.SampleSize+2)}
	for i := range v.unseen {
		v.unseen[i] = 1 / float64(i+1)
	}
	for m := 1; m < len(v.log2); m++ {
		v.log2[m] = logs.log2(m)
	}
	return v
}

// seen is what a leaf at a depth is worth for its own point. A tree that is this leaf alone has nothing to compare
// with.
func (v *values) seen(depth, mass, all int) float64 {
	if v.scoring == Standard {
		damped := 1 - float64(mass)/float64(2*all)
		return damped / (float64(depth) + v.log2[mass+1])
	}
	if depth == 0 {
		return 1 / float64(1+mass)
	}
	return 1 / (float64(depth) + v.log2[mass])
}

// most is the greatest score, which the mean of the trees is multiplied by.
func (v *values) most(all int) float64 {
	if v.scoring == Standard {
		return v.log2[all+1]
	}
	return v.log2[all]
}

// mixture is a score on the way down a tree: what the levels so far add to it, and the probability that no random cut
// above separates the point. Products are converted so that no machine fuses them with the sum: a score is the same on
// all.
type mixture struct{ sum, rest float64 }

// level takes a box into account in which the point, if it were inserted, would be separated with probability
// outside/(span+outside), and then be worth value.
func (m mixture) level(span, outside, value float64) mixture {
	if outside > 0 {
		p := outside / (span + outside)
		m.sum += float64(m.rest * p * value)
		m.rest *= 1 - p
	}
	return m
}

func (m mixture) leaf(value float64) float64 { return m.sum + float64(m.rest*value) }

// score is what the tree makes of a point: the expected 1/(depth + 1) at which a random cut would separate it, if it
// were inserted.
func (t *tree) score(x []float64, v *values, all int) float64 {
	m, at, depth := mixture{rest: 1}, t.root, 0
	for ; at.inner(); depth++ {
		box := t.box(at)
		span, outside := 0.0, 0.0
		for d, c := range x {
			lo, hi := box[2*d], box[2*d+1]
			span += hi - lo
			if c < lo {
				outside += lo - c
			} else if c > hi {
				outside += c - hi
			}
		}
		m = m.level(span, outside, v.unseen[depth])
		c := &t.cuts[at]
		at = c.child(x[c.dimension])
	}
	for d, c := range t.point(at) {
		if x[d] != c {
			return m.leaf(v.unseen[depth])
		}
	}
	return m.leaf(v.seen(depth, int(t.masses[at.slot()]), all))
}

// scoreLines is the sum of the scores of all trees, in one dimension. It walks two trees at a time: a step waits for
// memory most of the time, and the other tree's does not wait for it.
func scoreLines(trees []tree, x float64, v *values, all int) (sum float64) {
	for ; len(trees) > 1; trees = trees[2:] {
		s, t := &trees[0], &trees[1]
		a, b, depth := s.root, t.root, 0
		m, n := mixture{rest: 1}, mixture{rest: 1}
		for ; a.inner() && b.inner(); depth++ {
			value := v.unseen[depth]
			lo, hi := s.boxes[2*int(a)], s.boxes[2*int(a)+1]
			m, a = m.level(hi-lo, max(lo-x, x-hi), value), s.cuts[a].child(x)
			lo, hi = t.boxes[2*int(b)], t.boxes[2*int(b)+1]
			n, b = n.level(hi-lo, max(lo-x, x-hi), value), t.cuts[b].child(x)
		}
		sum += s.scoreLine(m, a, depth, x, v, all) + t.scoreLine(n, b, depth, x, v, all)
	}
	if len(trees) > 0 {
		sum += trees[0].scoreLine(mixture{rest: 1}, trees[0].root, 0, x, v, all)
	}
	return sum
}

// scoreLine is score in one dimension, from a node on.
func (t *tree) scoreLine(m mixture, at reference, depth int, x float64, v *values, all int) float64 {
	for ; at.inner(); depth++ {
		lo, hi := t.boxes[2*int(at)], t.boxes[2*int(at)+1]
		m, at = m.level(hi-lo, max(lo-x, x-hi), v.unseen[depth]), t.cuts[at].child(x)
	}
	if t.points[at.slot()] != x {
		return m.leaf(v.unseen[depth])
	}
	return m.leaf(v.seen(depth, int(t.masses[at.slot()]), all))
}

// attribute adds the tree's score of a point to the coordinates that make it: where the point lies below a box to low,
// above to high. That of a known point is nobody's, and shared by all.
func (t *tree) attribute(x []float64, v *values, all int, low, high []float64) {
	rest, depth := 1.0, 0
	for at := t.root; ; depth++ {
		span, outside := 0.0, 0.0
		for d, c := range x {
			lo, hi := t.bounds(at, d)
			span += hi - lo
			outside += max(lo-c, c-hi, 0)
		}
		if outside > 0 {
			p := outside / (span + outside)
			share := rest * p * v.unseen[depth] / outside
			for d, c := range x {
				lo, hi := t.bounds(at, d)
				low[d] += float64(share * max(lo-c, 0))
				high[d] += float64(share * max(c-hi, 0))
			}
			rest *= 1 - p
		}
		if !at.inner() {
			if outside == 0 {
				share := rest * v.seen(depth, int(t.masses[at.slot()]), all) / float64(2*t.width)
				for d := range x {
					low[d] += share
					high[d] += share
				}
			}
			return
		}
		c := &t.cuts[at]
		at = c.child(x[c.dimension])
	}
}
