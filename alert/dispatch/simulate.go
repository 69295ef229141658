package dispatch

import (
	"cmp"
	"context"
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
// others, this process is the only worker, and open's destinations take everything at once. It drives the schedule of a
// topic in virtual time, and lets time pass until nothing waits any more. Alerts that cannot be rendered, or that a
// destination refuses, are left out. The error is that of ctx.
func Simulate(
	ctx context.Context, cfg Config, open func(address string) Destination, alerts []*alert.Alert,
) ([]SentDigest, error) {
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
			s = &simulation{name: a.Topic, destination: open(t.ARN), schedule: newSchedule(&health{}, &fleet{})}
			s.configure(cfg, t)
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
	slices.SortStableFunc(out, func(a, b SentDigest) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Topic, b.Topic))
	})
	return out, nil
}

// simulation is a topic without goroutines, whose calls take no time.
type simulation struct {
	schedule
	name        string
	destination Destination
	now         time.Time
	sent        []SentDigest
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
	msg, err := s.destination.Prepare(a, m)
	if err != nil {
		return true
	}
	s.push(&request{ctx: ctx, msg: msg, alert: *a, queued: s.now})
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

// dispatch sends what may be sent now and returns when to look again.
func (s *simulation) dispatch() time.Duration {
	for {
		act, n, wait := s.next(s.now, s.destination.Limits(), func(time.Time) bool { return true })
		switch act {
		case rest:
			return wait
		case enterDigestMode:
			s.enterDigestMode(s.now)
		case sealDigest:
			_, _, _ = s.sealDigest(s.now, s.destination, func(*member, *origin) error { return nil })
		case leaveDigestMode:
			s.leaveDigestMode()
		case send:
			s.start(n)
		}
	}
}

// start makes a call, which takes no time.
func (s *simulation) start(n int) {
	batch := s.queue.take(n)
	s.queue.calls--
	s.rate.start(s.now, n)
	s.rate.limiter.end(s.now, n)
	for _, r := range batch {
		if d := r.digest; d != nil {
			s.storm.outgoing = nil
			s.sent = append(s.sent, SentDigest{
				At: s.now, Topic: s.name, Count: d.live, Subject: d.text.Subject, Body: d.text.Body,
			})
		}
	}
}
