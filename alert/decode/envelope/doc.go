// Package envelope takes records out of the envelopes that services put around them. It is pure.
package envelope
