// Package unpack makes bytes from compressed or encoded bytes, within a bound.
//
// It is pure. An [Unpacker] keeps its readers and belongs to one goroutine; a new one costs tens of kilobytes.
package unpack
