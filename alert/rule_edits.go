package alert

import (
	"slices"
	"strings"
)

// Redirect returns the alerts that replace one whose topic is no longer configured: one for each topic that its rule
// has gained since the alert was made. It is empty if the rule is gone, or if it has gained none.
func (p *Pipeline) Redirect(a *Alert) (out []*Alert) {
	set := p.current.Load()
	var to []*route
	if set.every != nil && a.Rule == "" {
		to = []*route{set.every}
	}
	for _, r := range set.rules {
		if r.name == a.Rule && !r.shadow {
			to = r.routes
		}
	}
	if a.Ended != "" { // a topic that was not notified of the beginning needs no end
		return nil
	}
	for _, x := range to {
		if x.topic == a.Topic || slices.Contains(a.sent, x.topic) {
			continue
		}
		b := *a
		b.Topic, b.render, b.sample = x.topic, x.render.message, x.render.sampled
		b.ID, b.sent = hashFields([]string{a.ID, "instead", x.topic}), append(slices.Clone(a.sent), x.topic)
		out = append(out, &b)
	}
	return out
}

// editsOf returns how each rule was edited whose alerts would never end in some topic.
func editsOf(old, next *compiled) map[string]string {
	out := map[string]string{}
	rules := make(map[string]*rule, len(next.rules))
	for _, r := range next.rules {
		rules[r.name] = r
	}
	for _, r := range old.rules {
		now := rules[r.name]
		switch {
		case !r.notifiesEnd() || len(r.audience) == 0:
		case now == nil:
			out[r.name] = "taken out"
		case !now.takes(&notifiedSection{sense: r.sense, ends: true}):
			out[r.name] = "changed, so that its memory is dropped"
		case now.shadow:
			out[r.name] = "set to mode shadow"
		case len(without(r.audience, now.audience...)) > 0:
			out[r.name] = "removed from " + strings.Join(without(r.audience, now.audience...), ", ")
		}
	}
	return out
}

// Edits returns, by name, the rules that the last Update removed, or changed so that some topic is owed the end of an
// alert, and how.
func (p *Pipeline) Edits() map[string]string {
	if edits := p.edits.Load(); edits != nil {
		return *edits
	}
	return nil
}
