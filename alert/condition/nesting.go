package condition

import "strings"

// mostNesting bounds what an expression can nest. The parser descends into each with a stack of its own, some 3 KiB,
// before it counts nodes: a megabyte of brackets would take half a gigabyte.
const mostNesting = 5000

// nesting is an upper bound of how deep the parser descends into source.
func nesting(source string) int {
	n := strings.Count(source, "not")
	before := byte('(') // the last byte that is no space
	for i := range len(source) {
		switch c := source[i]; c {
		case ' ', '\t', '\r', '\n':
			continue
		case '(', '[', '{', '!', '?', ';':
			n++
		case '-', '+', '*': // between two values they are no nesting, and texts such as dates are full of them
			if strings.IndexByte("([{!?;:,-+*/%^<>=&|", before) >= 0 {
				n++
			}
		}
		before = source[i]
	}
	return n
}
