package forest

import (
	"math"
	"math/bits"
	"slices"
)

// reference is an inner node of a tree, from 0, or the complement of a leaf.
type reference int16

// none is what an empty tree has for its root.
const none = reference(math.MinInt16)

func leaf(slot int) reference         { return ^reference(slot) } //nolint:gosec // slots are below MaxSampleSize
func (r reference) inner() bool       { return r >= 0 }
func (r reference) slot() int         { return int(^r) }
func node(slot int) reference         { return reference(slot) } //nolint:gosec // slots are below MaxSampleSize
func (r reference) box(width int) int { return int(r) * 2 * width }

// cut is an inner node: points whose coordinate is at most at are to the left.
type cut struct {
	at        float64
	dimension int16
	children  [2]reference // left, right
}

// tree is a random cut tree over the distinct points of its samples. Every inner node has the smallest box around the
// points below it. Slots of nodes and leaves that are free are reused; no score depends on which slot something has.
type tree struct {
	width  int // coordinates of a point
	most   int // points
	root   reference
	cuts   []cut
	boxes  []float64 // of inner nodes: for each dimension its least and its greatest coordinate
	points []float64 // of leaves
	masses []int16   // of leaves: the samples that are this point
	unused struct{ cuts, leaves []reference }
	held   reservoir
}

func newTree(width, most int) tree { return tree{width: width, most: most, root: none} }

// grow makes room for more at the end of a slice, doubling until there is room for most.
func grow[T any](s []T, more, most int) []T {
	n := len(s)
	if n+more > cap(s) {
		larger := make([]T, n, max(min(max(2*cap(s), 16*more), most), n+more))
		copy(larger, s)
		s = larger
	}
	return s[:n+more]
}

func (t *tree) newLeaf(x []float64) reference {
	var r reference
	if n := len(t.unused.leaves); n > 0 {
		r, t.unused.leaves = t.unused.leaves[n-1], t.unused.leaves[:n-1]
	} else {
		r = leaf(len(t.masses))
		t.masses = grow(t.masses, 1, t.most)
		t.points = grow(t.points, t.width, t.most*t.width)
	}
	t.masses[r.slot()] = 1
	copy(t.point(r), x)
	return r
}

func (t *tree) newCut() reference {
	if n := len(t.unused.cuts); n > 0 {
		r := t.unused.cuts[n-1]
		t.unused.cuts = t.unused.cuts[:n-1]
		return r
	}
	r := node(len(t.cuts))
	t.cuts = grow(t.cuts, 1, t.most-1)
	t.boxes = grow(t.boxes, 2*t.width, (t.most-1)*2*t.width)
	return r
}

// point is the point of a leaf.
func (t *tree) point(r reference) []float64 {
	i := r.slot() * t.width
	return t.points[i : i+t.width : i+t.width]
}

// box is the box of an inner node.
func (t *tree) box(r reference) []float64 {
	i := r.box(t.width)
	return t.boxes[i : i+2*t.width : i+2*t.width]
}

// bounds are the least and the greatest coordinate below a node or leaf.
func (t *tree) bounds(r reference, dimension int) (lo, hi float64) {
	if r.inner() {
		i := r.box(t.width) + 2*dimension
		return t.boxes[i], t.boxes[i+1]
	}
	x := t.points[r.slot()*t.width+dimension]
	return x, x
}

// enclose sets the box of an inner node by those of its children, and says whether it changed.
func (t *tree) enclose(r reference) bool {
	box, changed := t.box(r), false
	for d := range t.width {
		lo, hi := t.bounds(t.cuts[r].children[0], d)
		lo2, hi2 := t.bounds(t.cuts[r].children[1], d)
		lo, hi = min(lo, lo2), max(hi, hi2)
		changed = changed || lo != box[2*d] || hi != box[2*d+1]
		box[2*d], box[2*d+1] = lo, hi
	}
	return changed
}

// side is the place of the child that a coordinate belongs to.
func (c *cut) side(x float64) int {
	if x <= c.at {
		return 0
	}
	return 1
}

// child is the child that a coordinate belongs to.
func (c *cut) child(x float64) reference {
	next := c.children[1]
	if x <= c.at {
		next = c.children[0]
	}
	return next
}

// insert adds a point and returns its leaf. From the root down, a random cut of the box that is widened by the point is
// drawn at each level; the first one that separates the point from the box is made. As long as there was none, what is
// known of the cut is that it goes through the box, as the one that is there does.
func (t *tree) insert(x []float64, chance random) reference {
	if t.root == none {
		t.root = t.newLeaf(x)
		return t.root
	}
	at, parent, side := t.root, none, 0
	for {
		span, outside := 0.0, 0.0
		for d, c := range x {
			lo, hi := t.bounds(at, d)
			span += hi - lo
			outside += max(lo-c, c-hi, 0)
		}
		if outside > 0 {
			if r := float64(unit(chance.next()) * (span + outside)); r < outside || !at.inner() {
				return t.split(at, parent, side, x, r)
			}
			box := t.box(at)
			for d, c := range x {
				box[2*d], box[2*d+1] = min(box[2*d], c), max(box[2*d+1], c)
			}
		} else if !at.inner() {
			t.masses[at.slot()]++
			return at
		}
		parent, side = at, t.cuts[at].side(x[t.cuts[at].dimension])
		at = t.cuts[at].children[side]
	}
}

// split puts a cut, and the point on its other side, between a node and its parent. Of all that the point is outside
// the node's box, r is the length at which to cut.
func (t *tree) split(at, parent reference, side int, x []float64, r float64) reference {
	c, own := cut{}, 0 // own is the side of the point
	for d, coordinate := range x {
		lo, hi := t.bounds(at, d)
		length := max(lo-coordinate, coordinate-hi)
		if length <= 0 {
			continue
		}
		from, to := coordinate, lo
		if own = 0; coordinate > hi {
			from, to, own = hi, coordinate, 1
		}
		c.at, c.dimension = coarse(from+min(max(r, 0), length), from, to), int16(d)
		if r -= length; r < 0 {
			break
		}
	}
	added := t.newLeaf(x)
	c.children[own], c.children[1-own] = added, at
	made := t.newCut()
	t.cuts[made] = c
	t.enclose(made)
	t.replace(parent, side, made)
	return added
}

// replace puts a node in the place of a parent's child, or of the root.
func (t *tree) replace(parent reference, side int, by reference) {
	if parent == none {
		t.root = by
	} else {
		t.cuts[parent].children[side] = by
	}
}

// remove takes one sample of a leaf's point away, and the leaf with the last. path is memory for the way to it.
func (t *tree) remove(r reference, path []reference) {
	if t.masses[r.slot()]--; t.masses[r.slot()] > 0 {
		return
	}
	path = path[:0]
	for x, at := t.point(r), t.root; at != r; {
		path = append(path, at)
		c := &t.cuts[at]
		at = c.child(x[c.dimension])
	}
	t.unused.leaves = append(t.unused.leaves, r)
	last := len(path) - 1
	if last < 0 {
		t.root = none
		return
	}
	gone := path[last]
	t.unused.cuts = append(t.unused.cuts, gone)
	other := t.cuts[gone].children[0]
	if other == r {
		other = t.cuts[gone].children[1]
	}
	if last == 0 {
		t.root = other
		return
	}
	parent := path[last-1]
	side := 0
	if t.cuts[parent].children[1] == gone {
		side = 1
	}
	t.replace(parent, side, other)
	for _, above := range slices.Backward(path[:last]) {
		if !t.enclose(above) {
			return
		}
	}
}

// coarse rounds a cut so that it takes two or three bytes to write down, by no more than a part in 2000 of its range or
// in 65,000 of itself. It stays in [from, to).
func coarse(at, from, to float64) float64 {
	a, b := ordinal(from), ordinal(to)
	c := min(max(ordinal(at), a), b-1)
	drop := min(max(bits.Len64(uint64(b)-uint64(a))-13, 0), 36) //nolint:gosec // the difference is positive
	low := int64(1)<<drop - 1
	if c &^= low; c < a {
		c += low + 1
	}
	return fromOrdinal(c)
}

// ordinal maps floats to integers of the same order; neighbours differ by 1, and both zeros are 0.
func ordinal(x float64) int64 {
	b := int64(math.Float64bits(x)) //nolint:gosec // all bits are kept
	if b < 0 {
		return math.MinInt64 - b
	}
	return b
}

func fromOrdinal(i int64) float64 {
	if i < 0 {
		i = math.MinInt64 - i
	}
	return math.Float64frombits(uint64(i)) //nolint:gosec // all bits are kept
}
