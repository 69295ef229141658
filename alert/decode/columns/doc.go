// Package columns reads text with columns, or with names and values, into rows. It is pure. A [Reader] keeps its memory
// and belongs to one goroutine.
package columns
