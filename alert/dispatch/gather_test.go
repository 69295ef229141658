package dispatch

import (
	"testing"
	"time"
)

// BenchmarkGather measures what it costs a lane to hand an alert over.
func BenchmarkGather(b *testing.B) {
	g := newGatherer()
	g.swap(newDigest(time.Now()))
	a, done := SomeAlert(1), func(error) {}
	b.ReportAllocs()
	for b.Loop() {
		if !g.gather(a, nil, done) {
			g.swap(newDigest(time.Now()))
		}
	}
}
