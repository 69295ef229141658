package filter

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// ParseCriteria reads the patterns of a FilterCriteria as Lambda has it: {"Filters": [{"Pattern": "<JSON text>"}]}, or
// an object that holds one as FilterCriteria, as "aws lambda get-event-source-mapping" prints it. A Pattern that is an
// object instead of a string is taken as it is. No filters give no patterns. The patterns themselves are left to
// Compile.
func ParseCriteria(data []byte) ([]Pattern, error) {
	root, err := parseSyntax(data)
	if err != nil {
		return nil, fmt.Errorf("filter criteria: %w", err)
	}
	if root.kind != jsontext.KindBeginObject {
		return nil,
			errors.New(`filter criteria: must be an object such as {"Filters": [{"Pattern": "{\"data\": ...}"}]}`)
	}
	path := ""
	if inner := root.member("FilterCriteria"); inner != nil {
		root, path = *inner, "FilterCriteria."
		if root.kind == jsontext.KindNull {
			return nil, nil
		}
		if root.kind != jsontext.KindBeginObject {
			return nil, errors.New("filter criteria: FilterCriteria: must be an object with Filters")
		}
	}
	var faults []error
	for _, m := range root.members {
		if m.name != "Filters" {
			faults = append(faults,
				fmt.Errorf("filter criteria: %s%s: unknown name; possible is Filters", path, m.name))
		}
	}
	filters := root.member("Filters")
	if filters == nil || filters.kind == jsontext.KindNull {
		return nil, errors.Join(faults...)
	}
	if filters.kind != jsontext.KindBeginArray {
		faults = append(faults, fmt.Errorf("filter criteria: %sFilters: must be a list of objects with Pattern", path))
	}
	patterns := make([]Pattern, 0, len(filters.items))
	for i, item := range filters.items {
		pattern := item.member("Pattern")
		switch {
		case pattern == nil || len(item.members) != 1:
			faults = append(faults,
				fmt.Errorf("filter criteria: %sFilters[%d]: must be an object with Pattern alone", path, i))
		case pattern.kind == jsontext.KindString || pattern.kind == jsontext.KindBeginObject:
			patterns = append(patterns, Pattern{source: bytes.Clone(pattern.raw)})
		default:
			faults = append(faults,
				fmt.Errorf("filter criteria: %sFilters[%d].Pattern: must be the pattern's JSON text as a string", path,
					i))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return patterns, nil
}
