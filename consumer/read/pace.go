package read

import (
	"math/rand/v2"
	"time"
)

const (
	// shardBytesPerSecond is what Kinesis delivers from one shard (2 MB/s). After an answer of n bytes it throttles
	// calls until n bytes' worth of time has passed, so an earlier call only wastes one of the five a second.
	shardBytesPerSecond = 2_000_000
	// The first kclCalls polls of a shard are kclSlack further apart. The KCL counts the calls of GetRecords that it
	// makes, five in more than a second, then it sleeps. Its first call is answered at once, so its second follows at
	// once, and its sixth would come after only four intervals.
	kclCalls = 4
	kclSlack = 49 * time.Millisecond
	// paceSlack keeps a 200 ms interval from ever putting six calls into one second, as Kinesis and the KCL count it.
	paceSlack = 2 * time.Millisecond
	// maxWidening bounds the factor by which throttling stretches the interval, and maxSpacing the result. A reader
	// that polls once a second because others read the stream must not become ten times slower than they, or they get
	// everything.
	maxWidening = 10
	maxSpacing  = 2 * time.Second
	// minTrouble and maxTrouble bound the wait after an error; the wait is drawn (full jitter).
	minTrouble = 200 * time.Millisecond
	maxTrouble = 5 * time.Second
)

// pacer decides when a shard may be polled again. It is pure.
type pacer struct {
	interval time.Duration // configured
	widening float64       // 1 to maxWidening
	failures int
	answers  int // up to kclCalls
	next     time.Time
}

func newPacer(interval time.Duration) pacer { return pacer{interval: interval, widening: 1} }

// answered notes a page of n bytes for a call that started at start.
func (p *pacer) answered(start time.Time, n int) {
	p.failures = 0
	p.widening = max(1, p.widening*0.9)
	p.next = start.Add(max(p.spacing(), time.Duration(n)*time.Second/shardBytesPerSecond))
	if p.answers < kclCalls {
		p.answers++
		p.next = p.next.Add(kclSlack)
	}
}

// throttled notes that Kinesis throttled a call: another application reads the shard too. The interval doubles, then
// slowly shrinks back.
func (p *pacer) throttled(now time.Time) {
	p.widening = min(maxWidening, p.widening*2)
	p.next = now.Add(p.spacing())
}

// failed notes an error that may pass.
func (p *pacer) failed(now time.Time) {
	p.failures++
	ceiling := min(maxTrouble, minTrouble<<min(p.failures-1, 16))
	p.next = now.Add(max(p.spacing(), rand.N(ceiling))) //nolint:gosec // jitter needs no secrecy
}

func (p *pacer) spacing() time.Duration {
	least := p.interval + paceSlack
	return min(time.Duration(float64(least)*p.widening), max(least, maxSpacing+maxWidening*paceSlack))
}
