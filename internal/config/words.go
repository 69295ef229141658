package config

import (
	"fmt"
)

// Plural is a number with its noun: 1 record, 2 records.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
