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
	// minStreamAbsence leaves the workers time to tell each other what they have seen.
	minStreamAbsence = 30 * time.Second
)

// watchdog is a message at the end of every interval, counted from 1970 on. It goes out only while every open shard is
// read and no further behind than an interval, so its silence means trouble.
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
		f.add("watchdog.topics", "", "must name at least one of the topics: %s", strings.Join(sortedNames(topics), ", "))
	}
	own := f.ruleWords("watchdog", RuleConfig{Name: watchdogName, Severity: SeverityInfo})
	for i, name := range c.Topics {
		shared, ok := topics[name]
		if !ok || slices.Index(c.Topics, name) < i {
			f.add(fmt.Sprintf("watchdog.topics[%d]", i), name, "is not one of the topics, or is listed twice: %s", strings.Join(sortedNames(topics), ", "))
			continue
		}
		w.rule.routes = append(w.rule.routes, &route{rule: w.rule, topic: name, render: f.render(shared, own)})
	}
	return w
}
