package filter

import (
	"fmt"
	"strings"
)

// PatternError is one fault of a pattern.
type PatternError struct {
	// Index is the place of the pattern in the list, from 0.
	Index int
	// Path is the place in the pattern, such as "data.price[0].numeric" or "data.$or[1].name"; empty for the whole of
	// it.
	Path string
	// Rule says what is wrong and what is allowed.
	Rule string
}

func (e *PatternError) Error() string {
	path := e.Path
	if path != "" && !strings.HasPrefix(path, "[") {
		path = "." + path
	}
	return fmt.Sprintf("filter[%d]%s: %s", e.Index, path, e.Rule)
}
