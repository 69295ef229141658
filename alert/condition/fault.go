package condition

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/file"
)

// Fault is what is wrong with an expression, and where in its text, from 1.
type Fault struct {
	Text      string
	Line, Col int
}

func faultOf(source string, err *file.Error) *Fault {
	if err == nil {
		return nil
	}
	return &Fault{Text: err.Message + meant(source, err.From), Line: err.Line, Col: err.Column + 1}
}

// meant says how an operator of other languages is written here, of the text at which parsing failed.
func meant(source string, at int) string {
	for _, known := range []struct{ written, here string }{
		{"=>", ">="},
		{"=<", "<="},
		{"=~", "matches"},
		{"=", "=="},
		{"<>", "!="},
		{"&", "and"},
		{"~", "matches"},
		{"AND ", "and"},
		{"OR ", "or"},
		{"NOT ", "not"},
		{"IN ", "in"},
		{"IS NOT NULL", "!= nil"},
		{"IS NULL", "== nil"},
		{"LIKE ", "matches"},
	} {
		for _, back := range []int{0, 1, len("NOT ")} { // the parser may have taken the beginning for something
			if from := at - back; from >= 0 && from <= len(source) && back < len(known.written) &&
				(back == 0 || known.written == "<>" || known.written == "NOT ") &&
				strings.HasPrefix(source[from:], known.written) && !strings.HasPrefix(source[from:], "==") &&
				!strings.HasPrefix(source[max(from-1, 0):], "&&") {
				return fmt.Sprintf("; did you mean %s?", known.here)
			}
		}
	}
	return ""
}
