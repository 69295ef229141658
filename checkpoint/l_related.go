package checkpoint

func (l *lineage) parentsOf(id string) []string {
	if s := l.shards[id]; s != nil {
		return s.parents
	}
	return nil
}

// related reports whether one of these shards is reached from id by one or more steps.
func (*lineage) related(id string, these map[string]bool, step func(string) []string) bool {
	seen := map[string]bool{}
	for todo := step(id); len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		if these[next] {
			return true
		}
		if !seen[next] {
			seen[next] = true
			todo = append(todo, step(next)...)
		}
	}
	return false
}
