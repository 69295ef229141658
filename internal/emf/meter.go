package emf

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"time"
)

const (
	// Namespace is where CloudWatch shows the metrics.
	Namespace = "KinesisAlerter"
	// MaxLine is the most bytes of a line, its end included. Container runtimes split lines of 16 KiB.
	MaxLine = 4096
)

// The names of the metrics. Records and problems have one for each outcome and level; topics have one each while there
// is room. A dot cannot be part of a topic's name.
const (
	Heartbeat   = "Heartbeat"
	Lag         = "Lag"
	ShardsRead  = "ShardsRead"
	TopicFaults = "TopicFaults"
	Alerts      = "Alerts"
	OtherAlerts = "AlertsOfOtherTopics"

	recordsOf  = "Records."
	problemsOf = "Problems."
	alertsOf   = "Alerts."
)

// Sample is what a process has counted since it started, and how things are now.
type Sample struct {
	// Lag is the worst lag in seconds; NaN while none is known.
	Lag float64
	// ShardsRead are the shards that this process reads and that Kinesis answers.
	ShardsRead int
	// TopicFaults are the topics whose configuration holds their alerts.
	TopicFaults int
	// Records are those that are done, by outcome.
	Records map[string]uint64
	// Alerts are those that SNS accepted. It counts on when a topic is gone.
	Alerts uint64
	// AlertsByTopic is Alerts by topic.
	AlertsByTopic map[string]uint64
	// Problems are those of the status page, by level.
	Problems map[string]int
}

// Meter makes the lines of one process. It is not safe for concurrent use.
type Meter struct {
	stream, application string
	before              Sample
}

// NewMeter returns a meter that has counted nothing yet. Stream and application are the dimensions of all metrics.
func NewMeter(stream, application string) *Meter {
	return &Meter{stream: stream, application: application}
}

// Line is the line about what has happened since the line before, and how things are now. CloudWatch counts it at a
// time, of which it keeps the minute.
func (m *Meter) Line(at time.Time, s *Sample) []byte {
	l := newLine(m.stream, m.application, at)
	l.add(Heartbeat, "Count", 1)
	if !math.IsNaN(s.Lag) {
		l.add(Lag, "Seconds", s.Lag)
	}
	l.add(ShardsRead, "Count", float64(s.ShardsRead))
	l.add(TopicFaults, "Count", float64(s.TopicFaults))
	for _, outcome := range slices.Sorted(maps.Keys(s.Records)) {
		l.add(recordsOf+outcome, "Count", grown(s.Records[outcome], m.before.Records[outcome]))
	}
	for _, level := range slices.Sorted(maps.Keys(s.Problems)) {
		l.add(problemsOf+level, "Count", float64(s.Problems[level]))
	}
	all := grown(s.Alerts, m.before.Alerts)
	l.add(Alerts, "Count", all)
	l.addTopics(s.AlertsByTopic, m.before.AlertsByTopic, all)
	m.before = *s
	return l.bytes()
}

// addTopics adds a metric for each topic while there is room, in the order of their names, and one for all others.
func (l *line) addTopics(now, before map[string]uint64, all float64) {
	own, rest := 0.0, false
	for _, topic := range slices.Sorted(maps.Keys(now)) {
		if !l.fits(alertsOf + topic) {
			rest = true // and so do none after it: a shorter name must not take its place
			break
		}
		n := grown(now[topic], before[topic])
		l.add(alertsOf+topic, "Count", n)
		own += n
	}
	// Alerts of a topic that a reload took away are in no topic's counter any more.
	if others := max(0, all-own); rest || others > 0 {
		l.add(OtherAlerts, "Count", others)
	}
}

// grown is by how much a counter has grown. One that is smaller than before began anew.
func grown(now, before uint64) float64 {
	if now < before {
		return float64(now)
	}
	return float64(now - before)
}

const (
	// maxMetrics is how many metrics a line may have.
	maxMetrics = 100
	// digits is the room for one value, so that a counter that grows takes no topic's metric away.
	digits = 24
)

type metric struct {
	Name string
	Unit string
}

// directive tells CloudWatch which members of the line are metrics.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metric
}

type metadata struct {
	Timestamp         int64
	CloudWatchMetrics []directive
}

// line is a line in the making.
type line struct {
	at      int64
	members map[string]any
	metrics []metric
	most    int // bytes that it has at most
}

func newLine(stream, application string, at time.Time) *line {
	l := &line{at: at.UnixMilli(), members: map[string]any{"stream": stream, "application": application}}
	l.most = len(l.bytes()) + room(OtherAlerts)
	return l
}

func (l *line) add(name, unit string, value float64) {
	l.metrics = append(l.metrics, metric{name, unit})
	l.members[name] = value
	l.most += room(name)
}

// fits reports whether one more metric of a name has room.
func (l *line) fits(name string) bool {
	return len(l.metrics) < maxMetrics-1 && l.most+room(name) <= MaxLine
}

// room is the most that a metric adds to a line.
func room(name string) int {
	return len(`{"Name":"","Unit":"Seconds"},"":,`) + 2*len(name) + digits
}

// bytes is the line with its end.
func (l *line) bytes() []byte {
	l.members["_aws"] = metadata{l.at, []directive{{
		Namespace: Namespace, Dimensions: [][]string{{"stream", "application"}}, Metrics: l.metrics,
	}}}
	text, err := json.Marshal(l.members)
	if err != nil {
		return nil // unreachable: numbers that JSON has, and texts
	}
	return append(text, '\n')
}
