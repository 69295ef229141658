package alert

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// drillName is the rule name of drills.
const drillName = "drill"

// Drill makes a test alert for a topic, in the topic's words and marked as a test. nonce makes its id unique among
// drills. It fails for a topic that is not configured.
func (c Config) Drill(stream, topic string, at time.Time, nonce string) (*Alert, error) {
	c = c.WithDefaults()
	config, ok := c.Topics[topic]
	if !ok {
		return nil, fmt.Errorf("topic %q is not configured", topic)
	}
	var errs faults
	words := errs.topicWords("topics."+topic, config)
	render := errs.render(words, errs.ruleWords(drillName, RuleConfig{Name: drillName, Severity: SeverityInfo}))
	if len(errs) > 0 {
		return nil, errs[0]
	}
	render.stream, render.failed = stream, newTemplateFailures(newMetrics(prometheus.NewRegistry()).templates,
		drillName)
	return &Alert{
		ID:   hashFields([]string{stream, drillName, topic, nonce}),
		Rule: drillName, Topic: topic, Kind: KindDrill, Severity: SeverityInfo, At: at,
		Record: Record{Arrival: at}, render: render.message,
	}, nil
}
