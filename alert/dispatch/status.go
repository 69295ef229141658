package dispatch

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
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
	// Failures are the calls that failed in a row, and FailingSince when the first of them did; zero while it answers.
	Failures     int
	FailingSince time.Time
	// Failing is why the last of them failed, or why the alert of AlertFailing does; empty while neither is so.
	Failing alert.Reason
	// Error is what the service said at the last of these failures. Where it answers calls and yet fails one alert
	// again and again, it is what it said of that, and AlertFailing since when the alert has waited. Empty and zero
	// while neither is so.
	Error        string
	AlertFailing time.Time
	// SentLastMinute are the messages that were accepted, LastAccepted is when the last one was; zero for never.
	SentLastMinute int
	LastAccepted   time.Time
	// Ending says that the topic has left the configuration and is kept until nothing waits.
	Ending bool
	// Destination is where its messages go.
	Destination Destination
}

// Status returns all topics, by name. It does no I/O.
func (p *Publisher) Status() []TopicStatus {
	var out []TopicStatus
	for _, t := range p.all() {
		out = append(out, p.status(t, time.Now()))
	}
	slices.SortFunc(out, func(a, b TopicStatus) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ARN, b.ARN))
	})
	return out
}

func (p *Publisher) status(t *topic, now time.Time) TopicStatus {
	s, v := t.settings.Load(), &t.vitals
	v.mu.Lock()
	defer v.mu.Unlock()
	return TopicStatus{
		Name:           t.name,
		ARN:            s.ARN,
		Rate:           s.Rate,
		Share:          v.share,
		Waiting:        v.waiting,
		Gathered:       v.outgoing + t.gatherer.state().live,
		Digesting:      v.digesting,
		Fault:          v.fault,
		Remedy:         p.deps.Service.Remedy(cmp.Or(v.fault, v.failing), v.role),
		Failures:       v.failures,
		FailingSince:   v.since,
		Failing:        v.failing,
		Error:          v.err,
		AlertFailing:   v.alertFailing,
		SentLastMinute: v.sent.Count(now),
		LastAccepted:   v.last,
		Ending:         s.ending,
		Destination:    t.destination,
	}
}

// showShare shows how much of a topic's rate is this worker's now.
func (p *Publisher) showShare(t *topic, now time.Time) {
	shown := math.Inf(1)
	if rate := t.settings.Load().Rate; rate > 0 {
		a := allowanceOf(rate)
		shown = p.fleet.share(now, a).perSecond(a)
	}
	t.metrics.rateShare.Set(shown)
	t.vitals.mu.Lock()
	defer t.vitals.mu.Unlock()
	if t.vitals.share = shown; math.IsInf(shown, 1) {
		t.vitals.share = 0
	}
}

// vitals are what Status shows of a topic. They are safe for concurrent use.
type vitals struct {
	mu                sync.Mutex
	waiting, outgoing int
	digesting         bool
	share             float64
	fault             alert.Reason
	failures          int
	since             time.Time
	failing           alert.Reason
	err, role         string
	alertFailing      time.Time
	last              time.Time
	sent              delivery.Minute
}

// showVitals hands the vitals what the topic's goroutine has.
func (t *topic) showVitals() {
	waiting, outgoing := len(t.queue.ready)+len(t.queue.delayed)+t.underWay, 0
	if t.storm.outgoing != nil {
		waiting, outgoing = waiting-1, t.storm.members
	}
	v := &t.vitals
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting, v.outgoing, v.digesting = waiting, outgoing, t.storm.on
	v.fault, v.failures, v.since = t.health.Fault(), t.health.Failures(), t.health.Since()
	v.failing, v.err, v.alertFailing = t.health.shown(waiting)
	v.role = t.health.role
}

func (v *vitals) accepted(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = now
	v.sent.Add(now, 1)
}

// Published are the alerts that were accepted since the process started, by rule, also those inside digests. The rule
// is empty where there are no rules. It is read from the counters of the metrics.
func (p *Publisher) Published() map[string]uint64 { return counts.By(p.metrics.published, "rule") }

// PublishedByTopic is the same by topic. Those of a topic that was taken away are not among them.
func (p *Publisher) PublishedByTopic() map[string]uint64 {
	return counts.By(p.metrics.published, "topic")
}
