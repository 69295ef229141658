package forest

import "math"

// values are what a leaf is worth, by depth and mass.
type values struct {
	scoring Scoring
	unseen  []float64 // by depth
	log2    []float64 // by mass; of Standard, by mass + 1
}

func newValues(c Config) values {
	v := values{c.Scoring, make([]float64, c.SampleSize+1), make([]float64, c.SampleSize+2)}
	for i := range v.unseen {
		v.unseen[i] = 1 / float64(i+1)
	}
	for m := 1; m < len(v.log2); m++ {
		v.log2[m] = math.Log2(float64(m))
	}
	return v
}

// seen is what a leaf at a depth is worth for its own point. A tree that is this leaf alone has nothing to compare with.
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

// score is what the tree makes of a point: the expected 1/(depth + 1) at which a random cut would separate it, if it were
// inserted. From the root down, rest is the probability that there was no such cut above. Products are converted so that
// no machine fuses them with the sum: a score is the same on all.
func (t *tree) score(x []float64, v *values, all int) float64 {
	if t.width == 1 {
		return t.scoreLine(x[0], v, all)
	}
	sum, rest, depth := 0.0, 1.0, 0
	at := t.root
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
		if outside > 0 {
			p := outside / (span + outside)
			sum += float64(rest * p * v.unseen[depth])
			rest *= 1 - p
		}
		c := &t.cuts[at]
		at = c.children[c.side(x[c.dimension])]
	}
	for d, c := range t.point(at) {
		if x[d] != c {
			return sum + float64(rest*v.unseen[depth])
		}
	}
	return sum + float64(rest*v.seen(depth, int(t.masses[at.slot()]), all))
}

// scoreLine is score in one dimension.
func (t *tree) scoreLine(x float64, v *values, all int) float64 {
	sum, rest, depth := 0.0, 1.0, 0
	at := t.root
	for ; at.inner(); depth++ {
		lo, hi := t.boxes[2*int(at)], t.boxes[2*int(at)+1]
		if outside := max(lo-x, x-hi); outside > 0 {
			p := outside / (hi - lo + outside)
			sum += float64(rest * p * v.unseen[depth])
			rest *= 1 - p
		}
		c := &t.cuts[at]
		at = c.children[c.side(x)]
	}
	if t.points[at.slot()] != x {
		return sum + float64(rest*v.unseen[depth])
	}
	return sum + float64(rest*v.seen(depth, int(t.masses[at.slot()]), all))
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
		at = c.children[c.side(x[c.dimension])]
	}
}
