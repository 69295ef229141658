package forest

// golden is the odd number next to 2^64 divided by the golden ratio, the step of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// random is SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). Every point has its own generator, whose outputs are the
// trees' draws, and every draw that is accepted seeds another one for the cuts: there is no state to keep.
type random uint64

// mix is the output function of SplitMix64, a bijection.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// pointRandom is the generator of the point of that number.
func pointRandom(seed, number uint64) random { return random(mix(mix(seed+golden) + number*golden)) }

func (r *random) next() uint64 {
	*r += golden
	return mix(uint64(*r))
}

// draw is the draw of a tree for the point: the tree'th output.
func (r random) draw(tree int) uint64 {
	return mix(uint64(r) + uint64(tree+1)*golden) //nolint:gosec // positive
}

// unit makes a number that is uniform above 0 and below 1 of 64 random bits.
func unit(bits uint64) float64 { return (float64(bits>>12) + 0.5) * 0x1p-52 }
