package alert

// topicWords are the compiled templates of a topic.
type topicWords struct {
	// field is the topic's path in the configuration.
	field string
	words words
}

// ruleWords are the compiled templates of a rule.
type ruleWords struct {
	field, name, severity string
	words                 words
}

// topicWords compiles what a topic says.
func (f *faults) topicWords(field string, c TopicConfig) *topicWords {
	return &topicWords{field: field, words: words{
		subject: f.template(field+".subject", c.Subject),
		message: f.template(field+".message", c.Message),
	}}
}

// ruleWords compiles what a rule says.
func (f *faults) ruleWords(field string, c RuleConfig) *ruleWords {
	return &ruleWords{field: field, name: c.Name, severity: c.Severity, words: words{
		subject: f.template(field+".subject", c.Subject),
		message: f.template(field+".message", c.Message),
	}}
}

// render joins both to the renderer of one route. A nil rule is the mode without rules.
func (f *faults) render(topic *topicWords, rule *ruleWords) *renderer {
	if rule == nil {
		return &renderer{words: topic.words, sample: true}
	}
	return &renderer{rule: rule.name, severity: rule.severity, words: rule.words.or(topic.words)}
}
