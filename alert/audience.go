package alert

import (
	"encoding/json"
	"slices"
)

// listeners returns the names of the rule's topics, sorted. In mode shadow a rule notifies none.
func (r *rule) listeners() []string {
	if r.shadow {
		return nil
	}
	var out []string
	for _, to := range r.routes {
		out = append(out, to.topic)
	}
	slices.Sort(out)
	return out
}

// route returns the rule's route to a topic; nil if the rule does not publish there.
func (r *rule) route(topic string) *route {
	for _, to := range r.routes {
		if to.topic == topic && !r.shadow {
			return to
		}
	}
	return nil
}

// savedRuleWords and savedTopicWords are the words of a rule and of a topic, as a snapshot keeps them.
type savedRuleWords struct {
	Severity   string                     `json:"severity,omitempty"`
	Absence    bool                       `json:"absence,omitempty"`
	Labels     map[string]string          `json:"labels,omitempty"`
	Subject    string                     `json:"subject,omitempty"`
	Message    string                     `json:"message,omitempty"`
	Runbook    string                     `json:"runbook,omitempty"`
	Dashboard  string                     `json:"dashboard,omitempty"`
	Attributes map[string]AttributeConfig `json:"attributes,omitempty"`
}

type savedTopicWords struct {
	Subject string            `json:"subject,omitempty"`
	Message string            `json:"message,omitempty"`
	Bodies  map[string]string `json:"bodies,omitempty"`
	Group   string            `json:"group,omitempty"`
}

func encodeRuleWords(c RuleConfig) []byte {
	b, _ := json.Marshal(savedRuleWords{ // texts and maps of texts can always be written
		c.Severity, c.Absence.After > 0, c.Labels, c.Subject, c.Message, c.Runbook, c.Dashboard, c.Attributes,
	})
	return b
}

func encodeTopicWords(c TopicConfig) []byte {
	b, _ := json.Marshal(savedTopicWords{c.Subject, c.Message, c.Bodies, c.GroupID})
	return b
}

// rendererOf makes a renderer from words of an earlier configuration. Words that can no longer be read are replaced by
// the default ones.
func rendererOf(rule, stream string, own, shared []byte) *renderer {
	var saved savedRuleWords
	var topic savedTopicWords
	c, t := RuleConfig{Name: rule, Severity: SeverityWarning}, TopicConfig{}
	if json.Unmarshal(own, &saved) == nil && json.Unmarshal(shared, &topic) == nil {
		c = RuleConfig{
			Name: rule, Severity: saved.Severity, Labels: saved.Labels, Subject: saved.Subject, Message: saved.Message,
			Runbook: saved.Runbook, Dashboard: saved.Dashboard, Attributes: saved.Attributes,
		}
		if saved.Absence {
			c.Absence.After = 1
		}
		t = TopicConfig{
			ARN: ".fifo", Subject: topic.Subject, Message: topic.Message, Bodies: topic.Bodies,
			GroupID: topic.Group,
		}
	}
	var f faults
	r := f.render(f.topicWords("topic", t), f.ruleWords("rule", c))
	if len(f) > 0 {
		f = nil
		r = f.render(f.topicWords("topic", TopicConfig{}),
			f.ruleWords("rule", RuleConfig{Name: rule, Severity: SeverityWarning}))
	}
	r.stream = stream
	return r
}

// countNotified updates the count of the rule's entries that fire and have been notified.
func (en *entry) countNotified() {
	if active := en.firing && en.notified; active != en.countedNotified {
		if en.countedNotified = active; active {
			en.of.notifiedKeys++
		} else {
			en.of.notifiedKeys--
		}
	}
}

// audienceOf returns the topics that were notified of an entry.
func (m *ruleMemory) audienceOf(en *entry) []string {
	if en.audience == 0 {
		return m.rule.audience
	}
	return m.audiences[en.audience-1]
}

// setAudience records which topics were notified of an entry.
func (m *ruleMemory) setAudience(en *entry, topics []string) {
	en.audience = 0
	if slices.Equal(topics, m.rule.audience) {
		return
	}
	i := slices.IndexFunc(m.audiences, func(a []string) bool { return slices.Equal(a, topics) })
	if i < 0 {
		i = len(m.audiences)
		m.audiences = append(m.audiences, topics)
	}
	en.audience = uint16(min(i+1, 1<<16-1))
}

// addAudience records that the rule's present topics have been notified of the entry, too.
func (m *ruleMemory) addAudience(en *entry) {
	if en.audience != 0 {
		m.setAudience(en, union(m.audienceOf(en), m.rule.audience))
	}
}

// leavesShadow reports whether the rule is live, and another version of it, in mode shadow, left the section behind.
// Nobody has read an alert of that one, so none suppresses the first that somebody can read.
func (r *rule) leavesShadow(t *notifiedSection) bool { return t != nil && t.shadow && !r.shadow }

// receiveAudience takes over the audience of an entry that another version of the rule left behind. t is nil if it is
// unknown.
func (m *ruleMemory) receiveAudience(en *entry, t *notifiedSection) {
	place := en.audience
	if m.rule.leavesShadow(t) {
		en.sent, en.suppressed = 0, 0
	}
	if en.audience = 0; t == nil || !en.firing || !en.notified {
		return
	}
	topics := t.audiences[place]
	if len(topics) == 0 && len(m.rule.audience) > 0 {
		en.notified = false // no topic was
		return
	}
	m.setAudience(en, topics)
	for _, x := range t.topics {
		if m.rule.route(x.name) == nil && slices.Contains(topics, x.name) {
			if m.formerTopics == nil {
				m.formerTopics = map[string]*formerTopic{}
			}
			m.formerTopics[x.name] = &formerTopic{own: t.words, shared: x.words}
			m.oweEnds = true
		}
	}
}

// formerTopic is a topic to which the rule no longer goes, with the words active before.
type formerTopic struct {
	own, shared []byte
	route       *route
}
