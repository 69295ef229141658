// Package rewrite makes strict JSON from JSON that is nearly that: members whose text is JSON, NaN, names twice, JSON
// that was encoded twice. It is pure.
package rewrite
