package sns

import (
	"hash/maphash"
	"sync"

	"kinesis-alerter/alert"
)

// gatherer holds the digest that a topic gathers. Callers of Gather and the topic's goroutine share it; only the latter
// opens, takes and closes.
type gatherer struct {
	seed maphash.Seed
	wake chan struct{} // has room for one; the topic has something to look at

	mu      sync.Mutex
	digest  *digest // nil unless the topic is in digest mode
	refuses bool    // the topic ends, or has ended
	drains  bool    // digests do not wait for their time
}

func newGatherer() *gatherer {
	return &gatherer{seed: maphash.MakeSeed(), wake: make(chan struct{}, 1)}
}

// rouse makes the topic look again.
func (g *gatherer) rouse() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// open says whether there is a digest that takes alerts.
func (g *gatherer) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.openLocked()
}

func (g *gatherer) openLocked() bool {
	return g.digest != nil && !g.refuses && g.digest.members < mostMembers
}

// gather takes an alert without anybody waiting for it.
func (g *gatherer) gather(a *alert.Alert, lease *lease, done func(error)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.openLocked() {
		return false
	}
	g.digest.add(a, g.seed, lease, done, nil)
	if g.digest.members == mostMembers {
		g.rouse()
	}
	return true
}

// join takes an alert whose caller waits in Publish. It needs digest mode and takes also what is above mostMembers:
// callers are few.
//
// A caller that can gather is told to, so that it does not wait here with all that is behind.
func (g *gatherer) join(r *request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.gathers && g.openLocked() {
		r.answer <- outcome{err: alert.ErrGathering}
		return
	}
	g.digest.add(&r.alert, g.seed, nil, nil, r)
}

// swap puts in the next digest, or nil to leave digest mode, and returns the one before.
func (g *gatherer) swap(next *digest) *digest {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.digest
	g.digest = next
	return d
}

// leave ends digest mode if nothing is gathered or, when callers may be sent back, only alerts that callers wait for; it
// returns those. It says whether it did.
func (g *gatherer) leave(back bool) ([]*request, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var waiting []*request
	if g.digest != nil && g.digest.live > 0 {
		g.digest.each(func(m *member) {
			if m.asked != nil {
				waiting = append(waiting, m.asked)
			}
		})
		if !back || len(waiting) < g.digest.live {
			return nil, false
		}
	}
	g.digest = nil
	return waiting, true
}

// size is how many alerts are gathered, how many were since the digest was opened, and whether it should not wait.
func (g *gatherer) size() (live, members int, drains bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.digest == nil {
		return 0, 0, g.drains
	}
	return g.digest.live, g.digest.members, g.drains
}

// draining says that the process stops.
func (g *gatherer) draining() bool {
	_, _, drains := g.size()
	return drains
}

// live is how many alerts are gathered.
func (g *gatherer) live() int {
	n, _, _ := g.size()
	return n
}

// refuse decides whether callers may go on gathering.
func (g *gatherer) refuse(yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuses = yes
}

func (g *gatherer) drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drains = true
	g.rouse()
}

// weed ends gathered members, see digest.weed.
func (g *gatherer) weed(judge func(*member, *origin) error) []ending {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.digest == nil {
		return nil
	}
	return g.digest.weed(judge)
}

// Gather takes an alert into the digest that its topic gathers at the moment, and answers whether there is one; the
// alert is then published, and done called, exactly as if Publish had been waiting for it: once, with nil when SNS
// accepted the digest, with *alert.RejectedError or *alert.GivenUpError, with the cause of the end of the shard's lease,
// or with ErrStopped. done runs on a goroutine of the publisher, which it must not hold up; it is never called from
// within Gather. Gathered alerts keep their order, in the digest and among digests.
//
// It answers false for a topic that is not in digest mode, is unknown or about to end, whose digest is full, and for a
// record that is too old or whose shard is not leased. The caller publishes such an alert with Publish. It never waits.
func (p *Publisher) Gather(a *alert.Alert, done func(error)) bool {
	t := p.topic(a.Topic)
	if t == nil || !t.gatherer.open() || t.tooOld(a.Occurred()) {
		return false
	}
	var held *lease
	if p.deps.Lease != nil && a.Record.Shard != "" {
		ctx := p.deps.Lease(a.Record.Shard)
		if ctx == nil || ctx.Err() != nil {
			return false
		}
		held = &lease{ctx}
	}
	return t.gatherer.gather(a, held, done)
}

// Hurry makes every topic that fails or refuses try again at once: what it failed for may have been mended, as by other
// credentials. It never waits.
func (p *Publisher) Hurry() {
	for _, t := range p.all() {
		t.hurry.Store(true)
		t.gatherer.rouse()
	}
}

// Drain makes digests go out as soon as the rate allows, without waiting for their time, from now on: for a process
// that stops, and whose alerts have to be resolved before. What waits for a topic that refuses alerts, or comes for it later,
// ends with alert.ErrHeld.
func (p *Publisher) Drain() {
	for _, t := range p.all() {
		t.gatherer.drain()
	}
}
