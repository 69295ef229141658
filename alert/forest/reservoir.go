package forest

import "math"

// sample is a point that a tree holds.
type sample struct {
	weight float64
	number uint64 // of the point
	leaf   reference
}

// before says whether this sample is to go before another one: its weight is greater. No two samples are equal.
func (s *sample) before(o *sample) bool {
	if s.weight != o.weight {
		return s.weight > o.weight
	}
	return s.number < o.number
}

// reservoir holds the samples of least weight, as a heap with the greatest on top (Efraimidis and Spirakis, 2006). The
// weight is the logarithm of an exponential variate divided by e^(number/decay), so that a later point weighs less.
type reservoir []sample

// weigh makes the weight of a point by the tree's draw.
func (l *logarithm) weigh(draw, number uint64, decay int) float64 {
	return l.of(-l.of(1-unit(draw))) - float64(number)/float64(decay)
}

// limit is a bound for draws: up to the point of that number, one whose unit is not below it will not be held. -ln(1-u)
// is at least u, so that most points take neither logarithm.
func (r reservoir) limit(until uint64, decay int) float64 {
	return math.Exp(r[0].weight+float64(until)/float64(decay)) * (1 + 1e-6)
}

// push adds a sample; there must be room.
func (r *reservoir) push(s sample) {
	h := append(*r, s)
	*r = h
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(&h[up]) {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

// exchange puts a sample in the place of the top one.
func (r reservoir) exchange(s sample) { r.sink(0, s) }

// order makes a heap of samples in any order.
func (r reservoir) order() {
	for i := len(r)/2 - 1; i >= 0; i-- {
		r.sink(i, r[i])
	}
}

// sink puts a sample at a place of the heap, or below.
func (r reservoir) sink(i int, s sample) {
	for {
		down := 2*i + 1
		if down >= len(r) {
			break
		}
		if down+1 < len(r) && r[down+1].before(&r[down]) {
			down++
		}
		if !r[down].before(&s) {
			break
		}
		r[i] = r[down]
		i = down
	}
	r[i] = s
}
