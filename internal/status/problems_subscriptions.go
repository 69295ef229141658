package status

// subscriptionProblems looks at who hears a topic. What SNS takes for a topic without a subscription is gone.
func subscriptionProblems(t *Topic, add addProblem) {
	s := &t.Subscriptions
	const remedy = "subscribe whoever should hear it, and have the confirmation accepted; SNS switches an e-mail address off that gets more than ten messages in a second"
	switch {
	case t.Ending || s.At == nil:
	case s.Unknown != "":
		add(LevelInfo, "subscriptions_unknown", "allow sns:GetTopicAttributes on the topic",
			"topic %s: who hears it is not known (%s)", t.Name, s.Unknown)
	case s.Confirmed == 0 && s.Pending > 0:
		add(LevelCritical, "topic_unheard", remedy, "topic %s: nobody hears it, %s not confirmed", t.Name, are(s.Pending, "subscription"))
	case s.Confirmed == 0:
		add(LevelCritical, "topic_unheard", remedy, "topic %s: nobody hears it, it has no subscription", t.Name)
	case s.Confirmed < s.Had:
		add(LevelWarning, "subscriptions_fewer", remedy+"; if it is meant to be so, this is over a day later",
			"topic %s has %s, it had %d within the last day", t.Name, Number(s.Confirmed, "confirmed subscription"), s.Had)
	}
}
