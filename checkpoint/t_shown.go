package checkpoint

import (
	"fmt"
)

// quoted shows what may be anything, cut to a length that a line can hold.
func quoted(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%.*q…", most, s)
	}
	return fmt.Sprintf("%q", s)
}
