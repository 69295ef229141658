package dispatch

import (
	"hash/maphash"
	"sync"
	"time"

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

// gathered is what is in a digest that is gathered.
type gathered struct {
	opened time.Time
	// live are the alerts in it, callers those of them whose callers wait, and members all that ever were.
	live, callers, members int
	// drains says that it should not wait for its time.
	drains bool
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

// gather takes an alert without a caller that waits for it.
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
// A caller that can gather is asked to, so that it does not wait here with all that is behind.
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

// leave ends digest mode if nothing is gathered or, when callers may be sent back, only alerts that callers wait for.
// It returns those, and says whether it did.
func (g *gatherer) leave(back bool) ([]*request, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.digest == nil {
		return nil, true
	}
	if g.digest.live > 0 && (!back || g.digest.callers < g.digest.live) {
		return nil, false
	}
	var waiting []*request
	g.digest.each(func(m *member) { waiting = append(waiting, m.asked) })
	g.digest = nil
	return waiting, true
}

// state is what is gathered now.
func (g *gatherer) state() gathered {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := gathered{drains: g.drains}
	if d := g.digest; d != nil {
		s.opened, s.live, s.callers, s.members = d.opened, d.live, d.callers, d.members
	}
	return s
}

// refuse decides whether callers may still gather.
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

// remove ends gathered members, see digest.remove.
func (g *gatherer) remove(judge func(*member, *origin) error) []ending {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.digest == nil {
		return nil
	}
	return g.digest.remove(judge)
}

// Gather takes an alert into the digest that its topic gathers at the moment, and answers whether there is one. The
// alert is then published, and done called, exactly as if Publish had been waiting for it: once, with nil when the
// service accepted the digest, with *alert.RejectedError or *alert.GivenUpError, with the cause of the end of the
// shard's lease, or with ErrStopped. done runs on a goroutine of the publisher, which it must not hold up; it is never
// called from within Gather. Gathered alerts keep their order, in the digest and among digests.
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

// Hurry makes every topic that fails or refuses try again at once, because its cause may be gone, as after a change of
// credentials. It never waits.
func (p *Publisher) Hurry() {
	for _, t := range p.all() {
		t.hurry.Store(true)
		t.gatherer.rouse()
	}
}

// Drain makes digests go out as soon as the rate allows, without waiting for their time, from now on: for a process
// that stops, and whose alerts have to be settled before. What waits for a topic that refuses alerts, or comes for it
// later, ends with alert.ErrHeld.
func (p *Publisher) Drain() {
	for _, t := range p.all() {
		t.gatherer.drain()
	}
}
