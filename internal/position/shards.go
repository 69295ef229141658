package position

import (
	"fmt"
	"slices"
	"strings"
)

// AmbiguousError says that a name of a shard may be any of several.
type AmbiguousError struct {
	Name   string
	Shards []string
}

func (e *AmbiguousError) Error() string {
	const most = 10
	shards, more := e.Shards, ""
	if len(shards) > most {
		more = fmt.Sprintf(" and %d more", len(shards)-most)
		shards = shards[:most]
	}
	return fmt.Sprintf("shard %q is one of %s%s; write more of its id", e.Name, strings.Join(shards, ", "), more)
}

// FindShard returns which of the shards a person means who wrote its id or a suffix that only one of them has, as the
// status page shows it, with or without the dots: …0002. What none of them has is returned as it is.
func FindShard(name string, shards []string) (string, error) {
	suffix := strings.TrimPrefix(strings.TrimPrefix(name, "…"), "...")
	if suffix == "" || slices.Contains(shards, name) {
		return name, nil
	}
	var found []string
	for _, id := range shards {
		if strings.HasSuffix(id, suffix) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return name, nil
	case 1:
		return found[0], nil
	}
	slices.Sort(found)
	return "", &AmbiguousError{Name: name, Shards: found}
}

// WholeShard reports whether a name is a whole id by its form, so that the shards need not be asked for.
func WholeShard(name string) bool { return strings.HasPrefix(name, "shardId-") }
