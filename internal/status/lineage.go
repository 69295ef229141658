package status

// ByLineage sorts shards so that parents stand before their children and families stand together. It wants them by id.
func ByLineage(shards []Shard) []Shard {
	index := make(map[string]int, len(shards))
	for i := range shards {
		index[shards[i].ID] = i
	}
	children := make([][]int, len(shards))
	for i := range shards {
		for _, parent := range shards[i].Parents {
			if at, known := index[parent]; known {
				children[at] = append(children[at], i)
			}
		}
	}
	out, done := make([]Shard, 0, len(shards)), make([]bool, len(shards))
	var visit func(i int)
	visit = func(i int) {
		if done[i] {
			return
		}
		done[i] = true
		for _, parent := range shards[i].Parents { // the second parent of a merge
			if at, known := index[parent]; known {
				visit(at)
			}
		}
		out = append(out, shards[i])
		for _, child := range children[i] {
			visit(child)
		}
	}
	for i := range shards {
		visit(i)
	}
	return out
}
