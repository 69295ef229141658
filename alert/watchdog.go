package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// watchdogName is the rule name of the watchdog's messages.
const watchdogName = "watchdog"

const (
	minWatchdog = 10 * time.Second
	maxWatchdog = 24 * time.Hour
	// minStreamAbsence leaves the workers time to exchange what they have seen.
	minStreamAbsence = 30 * time.Second
	// minBehind is how far behind the workers may be, however short the interval: what they know of each other is
	// that old.
	minBehind = 20 * time.Second
	// briefLag is how long the workers may be behind before watchdog messages are left out. Kinesis may report a quiet
	// shard as behind once.
	briefLag = 10 * time.Second
)

// watchdog is a message at the end of every interval, aligned to 1970. It goes out only while every open shard is
// read, none is paused, and none is further behind than an interval by the clock, so its silence means trouble.
type watchdog struct {
	interval int64 // milliseconds
	rule     *rule
}

func (f *faults) watchdog(c WatchdogConfig, topics map[string]*topicWords) *watchdog {
	if c.Interval == 0 {
		if len(c.Topics) > 0 {
			f.add("watchdog.interval", "", "must say how often, such as 1h")
		}
		return nil
	}
	if c.Interval < minWatchdog || c.Interval > maxWatchdog || c.Interval%time.Millisecond != 0 {
		f.add("watchdog.interval", shortDuration(c.Interval), "must be between 10s and 24h")
	}
	w := &watchdog{interval: max(millis(c.Interval), 1), rule: &rule{name: watchdogName, severity: SeverityInfo}}
	if len(c.Topics) == 0 {
		f.add("watchdog.topics", "", "must name at least one of the topics: %s",
			strings.Join(sortedNames(topics), ", "))
	}
	own := f.ruleWords("watchdog", RuleConfig{Name: watchdogName, Severity: SeverityInfo})
	for i, name := range c.Topics {
		shared, ok := topics[name]
		if !ok || slices.Index(c.Topics, name) < i {
			f.add(fmt.Sprintf("watchdog.topics[%d]", i), name, "is not one of the topics, or is listed twice: %s",
				strings.Join(sortedNames(topics), ", "))
			continue
		}
		w.rule.routes = append(w.rule.routes, &route{rule: w.rule, topic: name, render: f.render(shared, own)})
	}
	return w
}

// runWatchdog makes the watchdog's message at the end of an interval. There is none while the workers are behind, and
// none is made up for afterwards.
func (e *Evaluator) runWatchdog(f Fleet) {
	w := e.in.set.watchdog
	if w == nil {
		return
	}
	last := func(ms int64) int64 { return ms / w.interval * w.interval }
	limit := max(w.interval, minBehind.Milliseconds())
	well := !f.CaughtUp.IsZero() && !f.Paused && (f.Now.IsZero() || f.Now.Sub(f.CaughtUp).Milliseconds() <= limit)
	if !well {
		switch {
		case f.Now.IsZero():
		case e.unavailableSince.IsZero():
			e.unavailableSince = f.Now
		case f.Now.Sub(e.unavailableSince) >= briefLag && e.memory.watchdog != 0:
			e.memory.watchdog = max(e.memory.watchdog, last(f.Now.UnixMilli()))
		}
		return
	}
	e.unavailableSince = time.Time{}
	end := last(f.CaughtUp.UnixMilli() - lateness)
	if e.memory.watchdog != 0 && end > e.memory.watchdog {
		t := &trigger{at: timeOf(end)}
		for _, to := range w.rule.routes {
			e.out.make(to, KindWatchdog, t, nil)
		}
	}
	e.memory.watchdog = max(e.memory.watchdog, end)
}
