// Package split finds the records that were joined in one payload. It is pure, and copies nothing.
package split
