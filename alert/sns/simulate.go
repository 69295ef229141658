package sns

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"time"

	"kinesis-alerter/alert"
)

// SentDigest is a digest of a simulation.
type SentDigest struct {
	At      time.Time
	Topic   string
	Count   int
	Subject string
	Body    string
}

// Simulate says which digests alerts lead to, where each is handed over at its own time (Alert.At) without waiting for
// others, this process is the only worker, and SNS takes everything at once. It uses the queue, the limiter and the digests
// of a Publisher in virtual time, and lets time pass until nothing waits any more. Alerts that cannot be rendered, or that SNS
// refuses, are left out. The error is that of the configuration, or of ctx.
func Simulate(ctx context.Context, cfg Config, alerts []*alert.Alert) ([]SentDigest, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	sorted := slices.Clone(alerts)
	slices.SortStableFunc(sorted, func(a, b *alert.Alert) int { return a.At.Compare(b.At) })
	topics := map[string]*simulation{}
	for _, a := range sorted {
		s := topics[a.Topic]
		if s == nil {
			t, ok := cfg.Topics[a.Topic]
			if !ok || t.Rate == 0 {
				continue
			}
			s = newSimulation(a.Topic, cfg)
			topics[a.Topic] = s
		}
		if !s.hand(ctx, a) {
			return nil, context.Cause(ctx)
		}
	}
	var out []SentDigest
	for _, s := range topics {
		if !s.until(ctx, time.Time{}) {
			return nil, context.Cause(ctx)
		}
		out = append(out, s.sent...)
	}
	slices.SortStableFunc(out, func(a, b SentDigest) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Topic, b.Topic)) })
	return out, nil
}

// simulation is a topic without goroutines, whose calls take no time. Its storm follows topic.rises and topic.weather;
// TestSimulateAgreesWithPublisher holds it to them.
type simulation struct {
	name     string
	config   TopicConfig
	limits   limits
	limiter  limiter
	pressure pressure
	share    share
	queue    queue
	seed     maphash.Seed
	now      time.Time
	digest   *digest // nil unless alerts are gathered
	calm     bool    // the last digest had few members: as calls take no time, none has come since
	sent     []SentDigest
	accepted func(error)
}

func newSimulation(name string, cfg Config) *simulation {
	t := cfg.Topics[name]
	a := allowanceOf(t.Rate)
	return &simulation{
		name: name, config: t, limits: assumedLimits(t.ARN), limiter: limiter{allowance: a}, share: share{quota: a.most},
		queue: queue{linger: cfg.Linger, inFlight: cfg.InFlight, limited: true}, seed: maphash.MakeSeed(),
		accepted: func(error) {},
	}
}

// hand takes an alert at its time. It is false when ctx has ended.
func (s *simulation) hand(ctx context.Context, a *alert.Alert) bool {
	if !s.until(ctx, a.At) {
		return false
	}
	s.now = a.At
	m, err := a.Render()
	if err != nil {
		return true
	}
	msg, err := prepare(a, m, s.limits)
	if err != nil {
		return true
	}
	if s.digest != nil {
		s.digest.add(a, s.seed, nil, s.accepted, nil)
	} else {
		s.queue.push(&request{ctx: ctx, msg: msg, alert: *a, queued: s.now})
	}
	s.dispatch()
	return ctx.Err() == nil
}

// until lets time pass up to a time, or with none until nothing waits. It is false when ctx has ended.
func (s *simulation) until(ctx context.Context, end time.Time) bool {
	for ctx.Err() == nil {
		wake := s.dispatch()
		if wake < 0 {
			return true
		}
		next := s.now.Add(max(wake, 1))
		if !end.IsZero() && !next.Before(end) {
			return true
		}
		s.now = next
	}
	return false
}

// dispatch sends what may be sent now and returns when to look again, as topic.dispatch.
func (s *simulation) dispatch() time.Duration {
	for {
		room, wait := s.limiter.room(s.now, s.share)
		s.queue.room = room
		wake := s.weather(room, wait)
		n, w := s.queue.next(s.now, s.limits.maxBytes)
		if wake = sooner(wake, w); n > 0 {
			s.start(n)
			continue
		}
		if s.rises() {
			continue
		}
		if room == 0 && len(s.queue.ready) > 0 {
			wake = sooner(wake, wait)
		}
		return wake
	}
}

// start makes a call, which takes no time.
func (s *simulation) start(n int) {
	batch := s.queue.take(n)
	s.queue.calls--
	s.limiter.start(n)
	s.limiter.end(s.now, n)
	s.pressure.sent(s.now, n, s.perSecond())
	for _, r := range batch {
		if d := r.digest; d != nil {
			s.sent = append(s.sent, SentDigest{At: s.now, Topic: s.name, Count: d.live, Subject: r.msg.subject, Body: r.msg.body})
		}
	}
}

func (s *simulation) few() int { return max(1, int(s.perSecond())) }

func (s *simulation) perSecond() float64 { return s.share.perSecond(s.limiter.allowance) }

func (s *simulation) rises() bool {
	if s.digest != nil || len(s.queue.ready) == 0 {
		return false
	}
	pressed := s.queue.room == 0 && s.pressure.high(s.now, s.perSecond())
	if len(s.queue.ready) <= s.few() && !pressed {
		return false
	}
	s.digest, s.calm = newDigest(s.now), false
	for _, r := range s.queue.untried() {
		s.digest.add(&r.alert, s.seed, nil, s.accepted, nil)
	}
	return true
}

// weather seals the digest when it may be sent, or ends the mode, and returns when to look again.
func (s *simulation) weather(room int, wait time.Duration) time.Duration {
	if s.digest == nil || slices.ContainsFunc(s.queue.ready, func(r *request) bool { return r.digest != nil }) {
		return untilWoken
	}
	if s.digest.live == 0 && s.calm {
		s.digest = nil
		return untilWoken
	}
	due := s.digest.members >= mostMembers
	if left := s.digest.opened.Add(s.config.Digest).Sub(s.now); !due && left > 0 {
		return left
	}
	if s.digest.live == 0 {
		s.digest = nil
		return untilWoken
	}
	if room == 0 {
		return wait
	}
	d := s.digest
	s.digest, s.calm = newDigest(s.now), d.live <= s.few()
	d.seal()
	msg, err := d.message(s.limits)
	if err != nil {
		return 0 // told as refused
	}
	s.queue.push(&request{digest: d, msg: msg, queued: d.opened})
	return 0
}
