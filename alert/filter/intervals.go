package filter

import "slices"

// interval is the range of numbers for which a branch is a candidate.
type interval struct {
	low, high bound
	branch    int
}

// intervals answers which of many ranges hold a number: a segment tree over the numbers at which ranges begin and end
// and the gaps between them. A question costs the logarithm of the number of ranges, and the answer.
type intervals struct {
	// points are the bounds in ascending order. Leaf 2i+1 of the tree is point i, leaf 2i the gap before it.
	points []number
	// size is the number of leaves, a power of two. Node n has the nodes 2n and 2n+1 below it; leaf l is node size+l.
	size int
	// starts has, by node, where its branches begin in branches; those of node n end where those of n+1 begin.
	starts   []int
	branches []int
}

func newIntervals(list []interval) *intervals {
	t := &intervals{}
	for i := range list {
		for _, b := range []*bound{&list[i].low, &list[i].high} {
			if b.set {
				t.points = append(t.points, b.number)
			}
		}
	}
	slices.SortFunc(t.points, func(a, b number) int { return a.compare(&b) })
	t.points = slices.CompactFunc(t.points, func(a, b number) bool { return a.compare(&b) == 0 })
	leaves := 2*len(t.points) + 1
	for t.size = 1; t.size < leaves; {
		t.size *= 2
	}
	nodes := make([][]int, 2*t.size)
	for i := range list {
		// From leaf lo to leaf hi, without hi.
		lo, hi := 0, leaves
		if b := &list[i].low; b.set {
			lo = t.leaf(&b.number)
			if b.open {
				lo++
			}
		}
		if b := &list[i].high; b.set {
			hi = t.leaf(&b.number)
			if !b.open {
				hi++
			}
		}
		for lo, hi = lo+t.size, hi+t.size; lo < hi; lo, hi = lo/2, hi/2 {
			if lo%2 == 1 {
				nodes[lo] = appendOnce(nodes[lo], list[i].branch)
				lo++
			}
			if hi%2 == 1 {
				hi--
				nodes[hi] = appendOnce(nodes[hi], list[i].branch)
			}
		}
	}
	t.starts = make([]int, 1, len(nodes)+1)
	for _, branches := range nodes {
		t.branches = append(t.branches, branches...)
		t.starts = append(t.starts, len(t.branches))
	}
	return t
}

// leaf returns the leaf that n falls into.
func (t *intervals) leaf(n *number) int {
	i, found := slices.BinarySearchFunc(t.points, n, func(p number, n *number) int { return p.compare(n) })
	if found {
		return 2*i + 1
	}
	return 2 * i
}

// at returns the branches of one node.
func (t *intervals) at(node int) []int { return t.branches[t.starts[node]:t.starts[node+1]] }
