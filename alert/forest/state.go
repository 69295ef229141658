package forest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// The state of a forest is a header, and the trees:
//
//	magic, version | dimensions, trees, sample size, decay, shingle, seed | records, points, window |
//	  { number of leaves, shape, leaves and cuts from left to right } ...
//
// The shape of a tree is a bit for each node, parents before children: 1 is a cut. A leaf has the differences of its
// coordinates to those of the leaf before it, and the age of each of its samples. A cut has its dimension, if there are
// several, and its difference to the leaf before it. Numbers are varints. Boxes and weights are made again from these.
// Equal forests have equal states.
const (
	stateMagic   = "KAF"
	stateVersion = 1
)

// ErrState says that a state cannot be read: it is damaged, of a later version, or of another configuration.
var ErrState = errors.New("state of a forest cannot be read")

// AppendBinary appends the state, from which Decode makes a forest with the same scores, bit for bit. There is no
// error.
func (f *Forest) AppendBinary(to []byte) ([]byte, error) {
	c := f.config
	w := writer{buf: slices.Grow(to, 64+8*len(f.window)+c.Trees*f.held()*(8+8*len(f.window)))}
	w.buf = append(w.buf, stateMagic...)
	w.buf = append(w.buf, stateVersion)
	for _, n := range []int{c.Dimensions, c.Trees, c.SampleSize, c.Decay, c.Shingle} {
		w.uint(uint64(n)) //nolint:gosec // positive
	}
	w.fixed(c.Seed)
	w.uint(f.records)
	w.uint(f.number)
	for _, x := range f.window[:len(f.window)-c.Dimensions] {
		w.fixed(math.Float64bits(x))
	}
	w.last = make([]int64, len(f.window))
	w.starts = make([]int, c.SampleSize+1)
	w.numbers = make([]uint64, c.SampleSize)
	for i := range f.trees {
		w.tree(&f.trees[i], f.number)
	}
	return w.buf, nil
}

// writer appends a state.
type writer struct {
	buf     []byte
	bits    byte // of the shape, of which there are so many
	filled  int
	last    []int64  // the coordinates of the leaf before
	starts  []int    // by leaf: where its samples are among the numbers
	numbers []uint64 // of the samples' points
}

func (w *writer) uint(n uint64)  { w.buf = binary.AppendUvarint(w.buf, n) }
func (w *writer) fixed(n uint64) { w.buf = binary.BigEndian.AppendUint64(w.buf, n) }

func (w *writer) bit(one bool) {
	w.bits <<= 1
	if one {
		w.bits |= 1
	}
	if w.filled++; w.filled == 8 {
		w.buf = append(w.buf, w.bits)
		w.bits, w.filled = 0, 0
	}
}

func (w *writer) tree(t *tree, number uint64) {
	leaves := len(t.masses) - len(t.unused.leaves)
	w.uint(uint64(leaves)) //nolint:gosec // positive
	if leaves == 0 {
		return
	}
	clear(w.starts)
	for i := range t.held {
		w.starts[t.held[i].leaf.slot()+1]++
	}
	for i := range t.masses {
		w.starts[i+1] += w.starts[i]
	}
	for i := range t.held { // every start moves to the next one's
		s := &w.starts[t.held[i].leaf.slot()]
		w.numbers[*s] = t.held[i].number
		*s++
	}
	w.shape(t, t.root)
	for w.filled > 0 {
		w.bit(false)
	}
	clear(w.last)
	w.nodes(t, t.root, number)
}

func (w *writer) shape(t *tree, at reference) {
	w.bit(at.inner())
	if at.inner() {
		w.shape(t, t.cuts[at].children[0])
		w.shape(t, t.cuts[at].children[1])
	}
}

func (w *writer) nodes(t *tree, at reference, number uint64) {
	if !at.inner() {
		w.leaf(t, at, number)
		return
	}
	c := &t.cuts[at]
	w.nodes(t, c.children[0], number)
	if t.width > 1 {
		w.uint(uint64(c.dimension)) //nolint:gosec // positive
	}
	i := ordinal(c.at)
	zeros := min(bits.TrailingZeros64(uint64(i)), 63)     //nolint:gosec // all bits are kept
	w.buf = append(w.buf, byte(zeros))                    //nolint:gosec // at most 63
	w.uint(uint64(i>>zeros - w.last[c.dimension]>>zeros)) //nolint:gosec // not negative: the leaf before is on the left
	w.nodes(t, c.children[1], number)
}

func (w *writer) leaf(t *tree, at reference, number uint64) {
	for d, x := range t.point(at) {
		i := ordinal(x)
		w.buf = binary.AppendVarint(w.buf, i-w.last[d])
		w.last[d] = i
	}
	end := w.starts[at.slot()]
	of := w.numbers[end-int(t.masses[at.slot()]) : end]
	slices.Sort(of)
	for i, n := range slices.Backward(of) {
		age := (number - 1 - n) << 1
		if i > 0 {
			age |= 1 // another one follows
		}
		number = n
		w.uint(age)
	}
}

// Decode makes a forest from its state. The configuration must be that of the forest but for Scoring. It never panics,
// and takes no more memory than a forest of this configuration does. The error wraps ErrState or is that of
// Config.Validate.
func Decode(config Config, state []byte) (*Forest, error) {
	f, err := New(config)
	if err != nil {
		return nil, err
	}
	if len(state) < 4 || string(state[:3]) != stateMagic {
		return nil, fmt.Errorf("%w: it is none", ErrState)
	}
	if v := state[3]; v != stateVersion {
		return nil, fmt.Errorf("%w: it has version %d, this program reads %d", ErrState, v, stateVersion)
	}
	r, c := reader{buf: state[4:]}, f.config
	for _, x := range []struct {
		name string
		is   uint64
	}{
		{"dimensions", uint64(c.Dimensions)},  //nolint:gosec // positive
		{"trees", uint64(c.Trees)},            //nolint:gosec // positive
		{"sample size", uint64(c.SampleSize)}, //nolint:gosec // positive
		{"decay", uint64(c.Decay)},            //nolint:gosec // positive
		{"shingle", uint64(c.Shingle)},        //nolint:gosec // positive
	} {
		if was := r.uint(); was != x.is && !r.failed {
			return nil, fmt.Errorf("%w: its %s is %d, not %d", ErrState, x.name, was, x.is)
		}
	}
	if seed := r.fixed(); seed != c.Seed && !r.failed {
		return nil, fmt.Errorf("%w: its seed is %d, not %d", ErrState, seed, c.Seed)
	}
	f.records, f.number = r.uint(), r.uint()
	whole := uint64(c.Shingle - 1) //nolint:gosec // positive
	r.fail(f.records > whole || f.number > 0 && f.records < whole || f.number > math.MaxInt64)
	for i := range f.window[:len(f.window)-c.Dimensions] {
		f.window[i] = math.Float64frombits(r.fixed())
		r.fail(!sound(f.window[i]))
	}
	r.last = make([]int64, len(f.window))
	for i := range f.trees {
		if r.failed {
			break
		}
		r.tree(f, i)
	}
	if r.failed || r.rest() > 0 {
		return nil, fmt.Errorf("%w: its parts do not fit together", ErrState)
	}
	return f, nil
}

// sound says whether a coordinate is one that Valid lets in.
func sound(x float64) bool {
	return math.Abs(x) <= maxMagnitude && math.Float64bits(x) != 1<<63
}

// reader takes a state apart. After a failure it returns zeros.
type reader struct {
	buf    []byte
	pos    int
	failed bool
	shape  []byte
	at     int     // bits of the shape that were read
	leaves int     // of the tree, that are still to come
	last   []int64 // the coordinates of the leaf before
}

func (r *reader) fail(on bool) { r.failed = r.failed || on }

// rest is how many bytes there are still.
func (r *reader) rest() int { return len(r.buf) - r.pos }

func (r *reader) take(n int) []byte {
	if r.failed || n > r.rest() {
		r.failed = true
		return nil
	}
	r.pos += n
	return r.buf[r.pos-n : r.pos]
}

func (r *reader) uint() uint64 {
	if r.failed {
		return 0
	}
	x, n := binary.Uvarint(r.buf[r.pos:])
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.pos += n
	return x
}

func (r *reader) int() int64 {
	x := r.uint()
	return int64(x>>1) ^ -int64(x&1)
}

func (r *reader) fixed() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) bit() bool {
	if r.at >= 8*len(r.shape) {
		r.failed = true
		return false
	}
	one := r.shape[r.at/8]>>(7-r.at%8)&1 == 1
	r.at++
	return one
}

func (r *reader) tree(f *Forest, place int) {
	t, held := &f.trees[place], f.held()
	leaves := r.uint()
	r.fail(leaves > uint64(held) || leaves == 0 && held > 0) //nolint:gosec // positive
	if r.failed || leaves == 0 {
		return
	}
	n := int(leaves) //nolint:gosec // at most 1000
	r.shape, r.at, r.leaves = r.take((2*n-1+7)/8), 0, n
	r.fail(r.rest() < n*(t.width+1)+2*(n-1)) // before memory is taken
	if r.failed {
		return
	}
	clear(r.last)
	t.masses, t.points = make([]int16, 0, n), make([]float64, 0, n*t.width)
	t.cuts, t.boxes = make([]cut, 0, n-1), make([]float64, 0, (n-1)*2*t.width)
	t.held = make(reservoir, 0, held)
	t.root = r.node(f, place)
	r.fail(r.leaves != 0 || len(t.held) != held)
	t.held.order()
}

func (r *reader) node(f *Forest, place int) reference {
	if r.failed {
		return none
	}
	if !r.bit() {
		return r.leaf(f, place)
	}
	t := &f.trees[place]
	if len(t.cuts) == cap(t.cuts) {
		r.failed = true
		return none
	}
	made := t.newCut()
	left := r.node(f, place)
	c := cut{}
	if t.width > 1 {
		d := r.uint()
		r.fail(d >= uint64(t.width))
		c.dimension = int16(d % uint64(t.width)) //nolint:gosec // below 900
	}
	zeros := byte(0)
	if b := r.take(1); b != nil {
		zeros = b[0]
	}
	r.fail(zeros > 63)
	i := r.last[c.dimension]>>(zeros&63) + int64(r.uint()) //nolint:gosec // what overflows does not separate
	c.at = fromOrdinal(i << (zeros & 63))
	right := r.node(f, place)
	if r.failed {
		return none
	}
	c.children = [2]reference{left, right}
	t.cuts[made] = c
	t.enclose(made)
	_, hi := t.bounds(left, int(c.dimension))
	lo, _ := t.bounds(right, int(c.dimension))
	r.fail(!(hi <= c.at && c.at < lo))
	return made
}

func (r *reader) leaf(f *Forest, place int) reference {
	t := &f.trees[place]
	if r.leaves--; r.leaves < 0 {
		r.failed = true
		return none
	}
	made := leaf(len(t.masses))
	for d := range t.width {
		r.last[d] += r.int()
		x := fromOrdinal(r.last[d])
		r.fail(!sound(x))
		t.points = append(t.points, x)
	}
	mass, number := int16(0), f.number
	for more := true; more; {
		age := r.uint()
		more = age&1 == 1
		if age >>= 1; r.failed || age >= number || len(t.held) == cap(t.held) {
			r.failed = true
			return none
		}
		number -= 1 + age
		draw := pointRandom(f.config.Seed, number).draw(place)
		t.held = append(t.held, sample{f.logs.weigh(draw, number, f.config.Decay), number, made})
		mass++
	}
	t.masses = append(t.masses, mass)
	return made
}
