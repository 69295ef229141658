package sns

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/counts"
)

// TopicStatus is what the publisher knows of one topic.
type TopicStatus struct {
	Name, ARN string
	// Rate is what all workers together may send, Share what this one may now, in messages a second; a Rate of 0 is no
	// limit.
	Rate, Share float64
	// Waiting are the alerts that wait to go one by one, those under way included; Gathered are those in digests.
	Waiting, Gathered int
	// Digesting says that alerts are gathered into digests.
	Digesting bool
	// Fault is why the topic holds its alerts; empty while it does not. Remedy is what to do about it or about Failing.
	Fault  alert.Reason
	Remedy string
	// Failures are the calls that failed in a row, and FailingSince when the first of them did; zero while SNS answers.
	Failures     int
	FailingSince time.Time
	// Failing is why the last of them failed, or why the alert of AlertFailing does; empty while neither is so.
	Failing alert.Reason
	// Error is what SNS said at the last of these failures. Where it answers calls and yet fails one alert again and again, it
	// is what it said of that, and AlertFailing since when the alert has waited. Empty and zero while neither is so.
	Error        string
	AlertFailing time.Time
	// SentLastMinute are the messages that SNS accepted, LastAccepted is when it did for the last time; zero for never.
	SentLastMinute int
	LastAccepted   time.Time
	// Ending says that the topic has left the configuration and is kept until nothing waits.
	Ending bool
	// MaxMessageBytes, FIFO, ThroughputScope (FifoThroughputScope) and KMSKey (KmsMasterKeyId, empty without encryption)
	// are the topic's own properties, as far as they could be read.
	MaxMessageBytes int
	Subscriptions   Subscriptions
	FIFO            bool
	ThroughputScope string
	KMSKey          string
}

// Status returns all topics, by name. It does no I/O.
func (p *Publisher) Status() []TopicStatus {
	var out []TopicStatus
	for _, t := range p.all() {
		out = append(out, t.status(time.Now()))
	}
	slices.SortFunc(out, func(a, b TopicStatus) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ARN, b.ARN)) })
	return out
}

func (t *topic) status(now time.Time) TopicStatus {
	l, s := t.limits.Load(), t.settings.Load()
	v := &t.vitals
	v.mu.Lock()
	defer v.mu.Unlock()
	return TopicStatus{
		Name: t.name, ARN: t.arn, Rate: s.Rate, Share: v.share,
		Waiting: v.waiting, Gathered: v.outgoing + t.gatherer.live(), Digesting: v.digesting,
		Fault: v.fault, Remedy: remedyOf(cmp.Or(v.fault, v.failing)), Failures: v.failures, FailingSince: v.since, Failing: v.failing, Ending: s.ending,
		Error: v.err, AlertFailing: v.alertFailing,
		SentLastMinute: v.sent.count(now), LastAccepted: v.last,
		MaxMessageBytes: l.maxBytes, Subscriptions: *t.subscriptions.Load(), FIFO: l.fifo, ThroughputScope: l.scope, KMSKey: l.kmsKey,
	}
}

// showShare tells how much of the topic's rate is this worker's now.
func (t *topic) showShare(now time.Time) {
	rate := t.settings.Load().Rate
	share := 0.0
	if rate > 0 {
		a := allowanceOf(rate)
		share = t.fleet.share(now, a).perSecond(a)
		t.metrics.rateShare.Set(share)
	} else {
		t.metrics.rateShare.Set(math.Inf(1))
	}
	t.vitals.mu.Lock()
	defer t.vitals.mu.Unlock()
	t.vitals.share = share
}

// vitals are what Status tells of a topic. They are safe for concurrent use.
type vitals struct {
	mu                sync.Mutex
	waiting, outgoing int
	digesting         bool
	share             float64
	fault             alert.Reason
	failures          int
	since             time.Time
	failing           alert.Reason
	err               string
	alertFailing      time.Time
	last              time.Time
	sent              minute
}

// note tells the vitals what the topic's goroutine has.
func (t *topic) note() {
	q := &t.queue
	waiting, outgoing := len(q.ready)+len(q.delayed)+t.underWay, 0
	if t.storm.outgoing != nil {
		waiting, outgoing = waiting-1, t.storm.members
	}
	v := &t.vitals
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting, v.outgoing, v.digesting, v.fault = waiting, outgoing, t.storm.on, q.state.Fault()
	v.failures, v.since, v.failing = q.state.Failures(), q.state.Since(), q.failing
	v.err, v.alertFailing = t.failure, time.Time{}
	if v.failures == 0 {
		v.failing, v.err = "", "" // of a call that began before SNS answered again
		if waiting > 0 && !t.stubborn.since.IsZero() {
			v.err, v.failing, v.alertFailing = t.stubborn.err, t.stubborn.reason, t.stubborn.since
		}
	}
}

func (v *vitals) accepted(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = now
	v.sent.add(now)
}

// minute counts events of the last sixty seconds, to the second.
type minute struct {
	counts  [60]int
	seconds [60]int64 // of counts, since 1970
}

func (m *minute) add(now time.Time) {
	s := now.Unix()
	i := s % 60
	if m.seconds[i] != s {
		m.seconds[i], m.counts[i] = s, 0
	}
	m.counts[i]++
}

func (m *minute) count(now time.Time) int {
	n, oldest := 0, now.Unix()-60
	for i, s := range m.seconds {
		if s > oldest {
			n += m.counts[i]
		}
	}
	return n
}

// Published are the alerts that SNS accepted since the process started, by rule, also those inside digests. The rule is
// empty where there are no rules. It is read from the counters of the metrics.
func (p *Publisher) Published() map[string]uint64 { return counts.By(p.metrics.published, "rule") }
